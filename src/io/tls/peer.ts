import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type {
  AlternativeName,
  AlternativeNameType,
  CertificateLoginRule,
  PeerCertificate,
  TlsSession,
} from './port.js';

/** OpenSSL's names of alternative names. */
const ALTERNATIVE_NAME_TYPES: ReadonlyMap<string, AlternativeNameType> = new Map([
  ['DNS', 'dns'],
  ['IP Address', 'ip'],
  ['email', 'email'],
  ['URI', 'uri'],
  ['othername', 'other_name'],
]);

/** Attribute types that RabbitMQ, and so its users' lists of names, spells otherwise than OpenSSL. */
const ATTRIBUTE_NAMES: ReadonlyMap<string, string> = new Map([
  ['GN', 'GIVENNAME'],
  ['emailAddress', 'EMAILADDRESS'],
  ['serialNumber', 'SERIALNUMBER'],
  ['street', 'STREET'],
  ['title', 'TITLE'],
  ['initials', 'INITIALS'],
  ['pseudonym', 'PSEUDONYM'],
  ['generationQualifier', 'GENERATIONQUALIFIER'],
]);

/** What a finished handshake tells. A certificate that was not verified is left out: nobody may rely on it. */
export function tlsSessionOf(socket: TLSSocket): TlsSession {
  const protocol = socket.getProtocol() ?? '';
  const cipher = socket.getCipher()?.name ?? '';
  const certificate = socket.authorized ? socket.getPeerX509Certificate() : undefined;
  return { protocol, cipher, ...(certificate === undefined ? {} : { certificate: peerCertificateOf(certificate) }) };
}

/** The parts of a verified certificate that doors use. */
export function peerCertificateOf(certificate: X509Certificate): PeerCertificate {
  return {
    subject: distinguishedName(certificate.subject),
    issuer: distinguishedName(certificate.issuer),
    commonNames: attributeValues(certificate.subject, 'CN'),
    alternativeNames: alternativeNamesOf(certificate.subjectAltName),
    notBeforeMs: Date.parse(certificate.validFrom),
    notAfterMs: Date.parse(certificate.validTo),
    fingerprint: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
  };
}

/** The user that a certificate stands for; undefined when it does not have the name that the rule asks for. */
export function certificateUser(certificate: PeerCertificate, rule: CertificateLoginRule): string | undefined {
  const name = certificateName(certificate, rule);
  // No user has an empty name, and one with a NUL could be taken for another where texts end at it.
  return name === undefined || name === '' || name.includes('\0') ? undefined : name;
}

function certificateName(certificate: PeerCertificate, rule: CertificateLoginRule): string | undefined {
  switch (rule.from) {
    case 'distinguished_name':
      return certificate.subject;
    case 'common_name':
      return certificate.commonNames.length === 0 ? undefined : certificate.commonNames.join(',');
    case 'subject_alternative_name': {
      const ofType = certificate.alternativeNames.filter(({ type }) => type === rule.alternativeNameType);
      return ofType[rule.alternativeNameIndex]?.value;
    }
  }
}

/**
 * The name as RFC 4514 §2 writes it, from Node's form of it: one relative name per line in the certificate's order, values escaped as RFC 2253 says,
 * ` + ` between those that belong together.
 */
function distinguishedName(lines: string): string {
  const relativeNames = lines.split('\n').filter((line) => line !== '');
  return relativeNames
    .reverse()
    .map((line) => line.split(' + ').map(renamed).join('+'))
    .join(',');
}

function renamed(attribute: string): string {
  const at = attribute.indexOf('=');
  const type = attribute.slice(0, at);
  return `${ATTRIBUTE_NAMES.get(type) ?? type}${attribute.slice(at)}`;
}

function attributeValues(lines: string, wanted: string): string[] {
  const attributes = lines.split('\n').flatMap((line) => line.split(' + '));
  const prefix = `${wanted}=`;
  return attributes.flatMap((attribute) =>
    attribute.startsWith(prefix) ? [unescaped(attribute.slice(prefix.length))] : [],
  );
}

/** Undoes RFC 2253's escapes: `\,` and the like, and `\C3\BC` for bytes of UTF-8. */
function unescaped(value: string): string {
  return value.replace(/(?:\\[0-9A-F]{2})+|\\(.)/gs, (escaped, character: string | undefined) =>
    character === undefined ? Buffer.from(escaped.replaceAll('\\', ''), 'hex').toString() : character,
  );
}

/** Reads Node's form of the extension, `DNS:a.example, IP Address:10.0.0.1`, in which values with commas or quotes are JSON strings. */
export function alternativeNamesOf(text: string | undefined): AlternativeName[] {
  const names: AlternativeName[] = [];
  for (const [, label = '', quoted, plain = ''] of (text ?? '').matchAll(
    /([^:,"]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/g,
  )) {
    const type = ALTERNATIVE_NAME_TYPES.get(label);
    if (type === undefined) continue;
    names.push({ type, value: quoted === undefined ? plain : String(JSON.parse(quoted)) });
  }
  return names;
}

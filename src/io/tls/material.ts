import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { TlsError, type TlsErrorCode } from './errors.js';
import { EXPIRY_WARNING_MS, MAX_PEM_BYTES } from './limits.js';
import { alternativeNamesOf } from './peer.js';
import type { TlsCertificate, TlsFiles, TlsMaterial } from './port.js';

const PEM_CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[\s\S]+?-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * Reads certificates, keys and authorities and checks that they belong together. Blocks: for starts and reloads.
 * @throws {TlsError}
 */
export function loadTlsMaterial(files: TlsFiles): TlsMaterial {
  const certificates = files.certificates.map(({ certFile, keyFile }) => loadPair(resolve(certFile), resolve(keyFile)));
  const ca = files.caFile === undefined ? undefined : loadAuthorities(resolve(files.caFile));
  return { certificates, ca, verify: files.verify };
}

/** What operators should hear of certificates that work: those that have ended, have not begun, or end soon. */
export function expiryWarnings(material: TlsMaterial, nowMs: number): string[] {
  return material.certificates.flatMap(({ certFile, cert, notAfterMs }) => {
    const until = new Date(notAfterMs).toISOString();
    const notBeforeMs = Date.parse(new X509Certificate(cert).validFrom);
    if (nowMs < notBeforeMs)
      return [`The certificate in ${certFile} is valid only from ${new Date(notBeforeMs).toISOString()}`];
    if (nowMs > notAfterMs) return [`The certificate in ${certFile} has expired: it was valid until ${until}`];
    if (notAfterMs - nowMs < EXPIRY_WARNING_MS) return [`The certificate in ${certFile} expires soon: ${until}`];
    return [];
  });
}

/** Changes with every change of the files, also when a link is set to other ones; a file that is not there counts as such. */
export function tlsFilesSignature(files: TlsFiles): string {
  const paths = files.certificates.flatMap(({ certFile, keyFile }) => [certFile, keyFile]);
  if (files.caFile !== undefined) paths.push(files.caFile);
  return paths.map(fileSignature).join(' ');
}

function fileSignature(path: string): string {
  const stat = statSync(path, { bigint: true, throwIfNoEntry: false });
  return stat === undefined ? '-' : `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

function loadPair(certFile: string, keyFile: string): TlsCertificate {
  const cert = read(certFile);
  const key = read(keyFile);
  const certificate = attempt('bad-certificate', `${certFile} holds no certificate in PEM`, () => {
    const first = cert.match(PEM_CERTIFICATE)?.[0];
    return new X509Certificate(first ?? cert);
  });
  const privateKey = attempt('bad-key', `${keyFile} holds no private key in PEM without a passphrase`, () =>
    createPrivateKey(key),
  );
  if (!certificate.checkPrivateKey(privateKey)) {
    const message = `Cannot use the certificate in ${certFile}: the key in ${keyFile} belongs to another one`;
    throw new TlsError('key-mismatch', message);
  }
  // Short keys, weak signatures and broken chains are found by OpenSSL itself.
  attempt('bad-certificate', `OpenSSL does not take ${certFile} with ${keyFile}`, () =>
    createSecureContext({ cert, key, minVersion: 'TLSv1.2' }),
  );
  return { certFile, keyFile, cert, key, names: dnsNamesOf(certificate), notAfterMs: Date.parse(certificate.validTo) };
}

function dnsNamesOf(certificate: X509Certificate): string[] {
  const names = alternativeNamesOf(certificate.subjectAltName);
  return names.flatMap(({ type, value }) => (type === 'dns' ? [value.toLowerCase()] : []));
}

function loadAuthorities(caFile: string): string {
  const ca = read(caFile);
  const certificates = ca.match(PEM_CERTIFICATE) ?? [];
  if (certificates.length === 0) {
    throw new TlsError('bad-authority', `Cannot use the authorities in ${caFile}: it holds no certificate in PEM`);
  }
  for (const [index, certificate] of certificates.entries()) {
    const what = `certificate ${index + 1} in ${caFile} cannot be read`;
    attempt('bad-authority', what, () => new X509Certificate(certificate));
  }
  return ca;
}

function read(path: string): string {
  return attempt('unreadable-file', `${path} cannot be read`, () => {
    const { size } = statSync(path);
    if (size > MAX_PEM_BYTES) throw new Error(`it has ${size} bytes, more than ${MAX_PEM_BYTES}`);
    return readFileSync(path, 'utf8');
  });
}

function attempt<Result>(code: TlsErrorCode, what: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TlsError(code, `Cannot use the certificates: ${what}: ${reason}`, error);
  }
}

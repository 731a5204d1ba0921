/**
 * TLS as the listeners know it. Certificates are read and checked once (`material.ts`), given to every listener of every thread as plain values, and
 * replaced while connections live. The handshakes themselves are Node's and uWebSockets.js' own.
 */

/** Whether clients must show a certificate: not asked, asked, or nobody comes in without. One that is shown must always be good. */
export type TlsVerify = 'none' | 'optional' | 'required';

/** Which files to use. */
export interface TlsFiles {
  /** The first is for clients that name no host or one that no other has; the others are chosen by the DNS names in them (SNI). */
  readonly certificates: readonly { readonly certFile: string; readonly keyFile: string }[];
  /** The authorities whose clients are believed: one file of PEM certificates. */
  readonly caFile: string | undefined;
  readonly verify: TlsVerify;
}

/** A certificate with its chain and key. */
export interface TlsCertificate {
  /** Absolute; uWebSockets.js reads files itself. */
  readonly certFile: string;
  readonly keyFile: string;
  /** PEM, the server's own certificate first. */
  readonly cert: string;
  readonly key: string;
  /** Lower-case DNS names that it is for; `*.` may stand for one label. */
  readonly names: readonly string[];
  readonly notAfterMs: number;
}

/** Certificates that have passed all checks. A plain value: it may go from thread to thread. */
export interface TlsMaterial {
  /** At least one; the first is the default. */
  readonly certificates: readonly TlsCertificate[];
  /** PEM. */
  readonly ca: string | undefined;
  readonly verify: TlsVerify;
}

/** Hears of a peer that was cut off before it was anybody: wrong protocol, failed handshake. `why` is a sentence for the log, without the address. */
export type RefusalReport = (remoteAddress: string, why: string) => void;

/** What TLS knows of one connection. Names are those of OpenSSL; `uws` tells nothing but that there is TLS. */
export interface TlsSession {
  /** `TLSv1.3`, say. */
  readonly protocol?: string;
  readonly cipher?: string;
  /** Only a certificate that the node's authorities vouch for. */
  readonly certificate?: PeerCertificate;
}

/** A client's certificate, verified. */
export interface PeerCertificate {
  /** The distinguished name as RFC 4514 writes it, most specific part first: `CN=carol,O=Example`. */
  readonly subject: string;
  readonly issuer: string;
  /** In the order of the certificate; usually one. */
  readonly commonNames: readonly string[];
  readonly alternativeNames: readonly AlternativeName[];
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  /** SHA-256 in lower-case hex. */
  readonly fingerprint: string;
}

/** A subject alternative name (RFC 5280 §4.2.1.6). */
export interface AlternativeName {
  readonly type: AlternativeNameType;
  readonly value: string;
}

/** The kinds of alternative names that a user name can come from. */
export type AlternativeNameType = 'dns' | 'ip' | 'email' | 'uri' | 'other_name';

/** Where a certificate's user name comes from, in RabbitMQ's words (`ssl_cert_login_from`). */
export interface CertificateLoginRule {
  readonly from: 'distinguished_name' | 'common_name' | 'subject_alternative_name';
  /** For `subject_alternative_name`: of which kind, and which of those, from 0. */
  readonly alternativeNameType: AlternativeNameType;
  readonly alternativeNameIndex: number;
}

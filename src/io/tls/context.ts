import { constants } from 'node:crypto';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { TLS12_CIPHERS } from './ciphers.js';
import type { TlsCertificate, TlsMaterial } from './port.js';

const TLS13_CIPHERS = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256'];

/** Sessions of other servers in the same process are no sessions of ours. */
const SESSION_ID_CONTEXT = 'duolog';

/** What Node needs for one certificate. */
export function contextOptions(material: TlsMaterial, certificate: TlsCertificate): SecureContextOptions {
  return {
    cert: certificate.cert,
    key: certificate.key,
    minVersion: 'TLSv1.2',
    ciphers: [...TLS13_CIPHERS, ...TLS12_CIPHERS].join(':'),
    // Clients know best which of these ciphers their processor is fast at: all are good.
    honorCipherOrder: false,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION,
    sessionIdContext: SESSION_ID_CONTEXT,
    ...(material.ca === undefined ? {} : { ca: material.ca }),
  };
}

/** The contexts of one set of certificates, and which is for whom. */
export class TlsContexts {
  readonly defaultOptions: SecureContextOptions;
  private readonly byName = new Map<string, SecureContext>();

  /** @throws Error of OpenSSL, for material that did not pass `loadTlsMaterial`. */
  constructor(material: TlsMaterial) {
    const [first, ...others] = material.certificates;
    if (first === undefined) throw new Error('There is no certificate');
    this.defaultOptions = contextOptions(material, first);
    const taken = new Set(first.names);
    for (const certificate of others) {
      const context = createSecureContext(contextOptions(material, certificate));
      // A name that several certificates have is the first one's.
      for (const name of certificate.names) if (!taken.has(name)) this.byName.set(name, context);
      for (const name of certificate.names) taken.add(name);
    }
  }

  /** The context for the host that a client names; undefined = the default one. */
  find(serverName: string): SecureContext | undefined {
    if (this.byName.size === 0) return undefined;
    const name = serverName.toLowerCase();
    const exact = this.byName.get(name);
    if (exact !== undefined) return exact;
    const dot = name.indexOf('.');
    return dot < 0 ? undefined : this.byName.get(`*${name.slice(dot)}`);
  }
}

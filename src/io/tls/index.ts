/** TLS for the listeners: certificates, the handshake's limits, what peers' certificates say. */
export { TLS12_CIPHERS } from './ciphers.js';
export { TlsError, type TlsErrorCode } from './errors.js';
export { isTlsBeginning, TLS_REFUSAL } from './first-bytes.js';
export { TlsGate, type TlsGateOptions } from './gate.js';
export { expiryWarnings, loadTlsMaterial, tlsFilesSignature } from './material.js';
export { certificateUser, peerCertificateOf, tlsSessionOf } from './peer.js';
export type * from './port.js';
export { RefusalLog } from './refusal-log.js';

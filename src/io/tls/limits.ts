import { assert } from '../../base/assert.js';

/** Time for a peer to finish its handshake, from the moment it is accepted. uWebSockets.js has the same for everything up to the first request. */
export const HANDSHAKE_TIMEOUT_MS = 10_000;

/** How often handshakes are looked at for their time limit. */
export const HANDSHAKE_CHECK_MS = 1_000;

/** Handshakes under way at a time, per listener and thread; one more cuts off the oldest, so that those who are quick always get in. */
export const MAX_HALF_OPEN = 8_192;

/**
 * `uws` engine: connections over TLS that are no WebSocket, handshakes among them. It cannot name the oldest, so it refuses the newest; each
 * costs about 8 KB and is gone after 10 s.
 */
export const MAX_UWS_UNUPGRADED = 8_192;

/** A peer that speaks the wrong protocol is logged once in this time. */
export const REFUSAL_LOG_MS = 60_000;

/** Log lines about such peers in that time, all addresses together; the others are counted. */
export const MAX_REFUSAL_LINES = 100;

/** Longest certificate chain, key or list of authorities that is read, in bytes. Debian's list of all authorities has 220 KB. */
export const MAX_PEM_BYTES = 1_048_576;

/** Pairs of certificate and key. */
export const MAX_CERTIFICATES = 64;

/** A certificate that ends within this time is warned of. */
export const EXPIRY_WARNING_MS = 14 * 86_400_000;

assert(HANDSHAKE_CHECK_MS * 5 <= HANDSHAKE_TIMEOUT_MS, 'Time limits are kept to a fifth');

import { assert } from '../../base/assert.js';
import { OUTBOX_BYPASS_BYTES, OUTBOX_BYTES } from '../listen/limits.js';

/** Longest request line and headers in bytes. uWebSockets.js has its own: 4,096 unless `UWS_HTTP_MAX_HEADERS_SIZE` says otherwise. */
export const MAX_HTTP_HEADER_BYTES = 8_192;

/** Time for a client to send its request head, then the whole request; uWebSockets.js has 10 s for both. */
export const HTTP_HEADERS_TIMEOUT_MS = 10_000;

/** Time for a client to send the whole request, head and body. */
export const HTTP_REQUEST_TIMEOUT_MS = 30_000;

/** How long an idle HTTP connection is kept for a next request. */
export const HTTP_KEEP_ALIVE_MS = 10_000;

/** How often the time limits of HTTP connections are looked at. */
export const HTTP_TIMEOUT_CHECK_MS = 1_000;

/** Idle time-outs that both engines can keep: uWebSockets.js terminates the process on others. 0 turns them off. */
export const MIN_IDLE_TIMEOUT_SECONDS = 8;
export const MAX_IDLE_TIMEOUT_SECONDS = 960;

/** Messages and backlogs are 32-bit sizes in both engines. */
export const MAX_SIZE_BYTES = 0x3fff_ffff;

/** Longest close reason on the wire (RFC 6455 §5.5: 125 bytes of control payload less 2 for the code). */
export const MAX_CLOSE_REASON_BYTES = 123;

/**
 * uWebSockets.js cuts a connection over an oversized message without a close frame. So it is given this multiple of the limit, and messages
 * up to there are refused with 1009 like on the other engine; beyond, the client sees 1006.
 */
export const UWS_OVERSIZE_FACTOR = 2;

/** How long a shutting down server waits for close frames behind a backlog, and for the peers to hang up. */
export const CLOSE_GRACE_MS = 500;

/** `ws` engine: how long a closing handshake may take before the connection is cut. */
export const CLOSE_HANDSHAKE_TIMEOUT_MS = 8_000;

/** `ws` engine: connections above `maxConnections` that are kept long enough to hear 503; those above are cut unheard. */
export const REFUSAL_SLACK_CONNECTIONS = 64;

/** `ws` engine: silent peers are counted in quarters of the idle time-out: pinged after two, cut after four. */
export const IDLE_QUARTERS = 4;

/** `ws` engine: bytes of a TLS socket that are taken for sent before Node has said so, which it never does at once. */
export const TLS_IN_FLIGHT_BYTES = 65_536;

/** `uws` engine: how often a free port is looked up again when somebody else takes it in between. */
export const FREE_PORT_ATTEMPTS = 8;

assert(OUTBOX_BYPASS_BYTES + 10 < OUTBOX_BYTES, 'A gathered frame must fit an empty outbox');
assert(
  MAX_SIZE_BYTES * UWS_OVERSIZE_FACTOR <= 0x7fff_ffff,
  'The oversize allowance must stay a positive 32-bit integer',
);

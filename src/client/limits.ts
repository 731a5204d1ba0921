import { assert } from '../base/assert.js';

/** The version of the native protocol that this client speaks. */
export const PROTOCOL_VERSION = 1;

/** Time for a connection to be made and greeted, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** Time for a request to be answered, reconnecting included, in milliseconds. */
export const REQUEST_TIMEOUT_MS = 30_000;
/** Time from a message's acceptance to its confirm, reconnecting and resending included, in milliseconds. */
export const DELIVERY_TIMEOUT_MS = 120_000;
/** How long `close` waits for confirms and running handlers, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 10_000;
/** How long the node may take to answer that the connection is closed, in milliseconds. */
export const CLOSE_HANDSHAKE_MS = 2_000;
/** Silence after which the node is pinged, and after as much again given up, in milliseconds. */
export const KEEP_ALIVE_MS = 15_000;
/** First wait before a lost connection is made again, in milliseconds; it doubles with every failure. */
export const RECONNECT_FIRST_DELAY_MS = 100;
/** Longest wait before a connection is tried again, in milliseconds. */
export const RECONNECT_MAX_DELAY_MS = 5_000;
/** Part of a wait that is random, so that many clients do not come back at the same moment. */
export const RECONNECT_JITTER = 0.5;

/** A token is renewed when so much of its time is left, in milliseconds: a fifth of it, within these. */
export const RENEW_LEAD_MIN_MS = 500;
export const RENEW_LEAD_MAX_MS = 60_000;
/** The wait before a renewal that failed is tried again, and the least between two renewals, in milliseconds. */
export const RENEW_RETRY_MS = 1_000;
/** The longest wait that a timer can do, in milliseconds. */
export const TIMER_MAX_MS = 0x7fff_ffff;

/** Connections in a row that may lead to another shard than the one where the session is; then the client begins a new session. */
export const MAX_ELSEWHERE = 100;

/** Requests that may wait for room or for a connection. */
export const MAX_WAITING_REQUESTS = 10_000;
/** Room in a frame for everything that is not the message or batch itself, in bytes; the node allows as much. */
export const FRAME_OVERHEAD_BYTES = 64 * 1024;

/** Size of a batch after which it is sent without further waiting, in bytes. */
export const BATCH_BYTES = 128 * 1024;
/** Messages in one batch: bounds what one confirm has to resolve. */
export const MAX_BATCH_MESSAGES = 16_384;
/** Bytes that a producer buffers, sent and unconfirmed ones included, before `send` waits. */
export const PRODUCER_BUFFER_BYTES = 32 * 1024 * 1024;
/** A node recognises the last five batches of a producer: more in flight could not be resent without risk. */
export const MAX_IDEMPOTENT_IN_FLIGHT = 5;
/** How often a producer looks for batches whose time is over, in milliseconds. */
export const EXPIRY_CHECK_MS = 1_000;
/** Wait before a batch that the node could not take for now is sent again, in milliseconds, where the node does not say. */
export const RETRY_DELAY_MS = 100;
/** How often a batch may get a new producer id before it is given up. */
export const MAX_SEQUENCE_RESETS = 2;
/** How long the number of a topic's partitions is believed, in milliseconds. */
export const TOPIC_MAX_AGE_MS = 300_000;

/** Queues that one client may ask for single messages. */
export const MAX_GETTERS = 64;

/** Deliveries of a queue that may be unsettled at once, unless told otherwise. */
export const DEFAULT_PREFETCH = 256;
/** Messages of a followed topic that may wait for the program, unless told otherwise. */
export const DEFAULT_FOLLOW_CREDIT = 4_096;
/** Records of a broadcast that may wait for the program; then some are skipped, or the subscription ends. */
export const DEFAULT_BROADCAST_BUFFER = 16_384;
/** Tag ranges in one Settle frame; the node's limit. */
export const MAX_TAG_RANGES = 10_000;

/** Most bytes of one fetch, unless told otherwise. */
export const DEFAULT_FETCH_BYTES = 1024 * 1024;
/** How long a fetch waits at the node for new messages, unless told otherwise, in milliseconds. */
export const DEFAULT_FETCH_WAIT_MS = 5_000;

assert(BATCH_BYTES <= PRODUCER_BUFFER_BYTES, 'A batch must fit the buffer');
assert(RECONNECT_FIRST_DELAY_MS <= RECONNECT_MAX_DELAY_MS, 'The first wait must not exceed the longest');

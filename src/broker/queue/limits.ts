import { assert } from '../../base/assert.js';

/** Dead letters of one queue that may be on their way to their targets at once. */
export const DEAD_LETTER_CREDIT = 256;
/** Bytes of such dead letters; one may be larger. */
export const DEAD_LETTER_CREDIT_BYTES = 4 * 1024 * 1024;
/** When a dead letter that could not be published is tried again, in ms. */
export const DEAD_LETTER_RETRY_MS = 1000;
/** How often a queue's waiting head is looked at for its expiry, at most, in ms: so late may the message behind an expired one go. */
export const EXPIRY_LOOK_MS = 10;
/** Queues of a shard that look at their heads for the first time after a start, per ms: each look reads a piece of a file. */
export const FIRST_LOOKS_PER_MS = 1;
/** The longest time that a timer is set for, in ms: Node's timers end at 2^31-1. */
export const TIMER_MAX_MS = 2 ** 31 - 1;
/** Messages that one partition drops in one turn because they are expired or too many, before other work gets its chance. */
export const DROPS_PER_TURN = 4096;
/** Messages of a queue with priorities that are read in one turn, after a start, to find theirs. */
export const SCANNED_PER_TURN = 65_536;
/** How many times in the span of a consumer timeout its deliveries are looked at: so much later than meant it may strike. */
export const TIMEOUT_LOOKS = 8;
/** How long a delivery may stay unacknowledged unless a queue says something else: 30 minutes, in ms. */
export const CONSUMER_TIMEOUT_MS = 30 * 60 * 1000;

assert(DEAD_LETTER_CREDIT <= DROPS_PER_TURN, 'A turn can use up the credit of dead letters');

/** The largest properties that are remembered to be compared with the next message's. */
export const KEPT_PROPERTIES_BYTES = 128;

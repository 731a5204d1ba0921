/** Limits of messages that wait for their time. */
import { assert } from '../../base/assert.js';

/** The longest delay: that of RabbitMQ's plugin. */
export const DELAY_MS_MAX = 2 ** 32 - 1;
/** Messages of one log whose time is in memory, at 24 bytes each; the others are known to the log alone. */
export const NEAR_ENTRIES_MAX = 1_048_576;
/** An index that was full is filled again when it holds fewer than this part of what it may. */
export const REFILL_FRACTION = 1 / 4;
/** Entries that are looked at to find the middle of a full index. */
export const MEDIAN_SAMPLE = 1023;
/** Messages of one log that are on their way to their queues at once, those that wait for another try included. */
export const FIRING_MAX = 2048;
/** Bytes of bodies and properties of them. */
export const FIRING_BYTES_MAX = 8 * 1024 * 1024;
/** Limits that tests make small. */
export interface DelayLimits {
  readonly nearEntriesMax: number;
  readonly scannedPerTurn: number;
}
/** How long one log may fire before other work gets its chance. */
export const FIRING_SLICE_MS = 4;
/** Messages of a scan in one turn: one to two milliseconds. */
export const SCANNED_PER_TURN = 1000;
/** The limits of a node. */
export const DELAY_LIMITS: DelayLimits = { nearEntriesMax: NEAR_ENTRIES_MAX, scannedPerTurn: SCANNED_PER_TURN };
/** The wall clock is looked at this often at least, since somebody may set it. */
export const CLOCK_CHECK_MS = 250;
/** When a message whose queue could not take it for now is tried again. */
export const RETRY_MS = 1000;
/** When somebody who waits for the disk or for another shard looks again. */
export const LOOK_AGAIN_MS = 5;
/** Messages that wait on one shard while the internal topic is being made. */
export const UNPLACED_MAX = 4096;
/** Bytes of them. */
export const UNPLACED_BYTES_MAX = 16 * 1024 * 1024;
/** Batches of held messages are no larger, and so much is read to fire one: the next one that is due may be anywhere. */
export const HELD_BATCH_BYTES = 16 * 1024;
/** Segments of the internal topic: small enough that the space of what has fired comes back soon. */
export const HELD_SEGMENT_BYTES = 16 * 1024 * 1024;

assert(REFILL_FRACTION < 1 / 2, 'An index that was just halved must not be filled again');

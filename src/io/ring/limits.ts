import { assert } from '../../base/assert.js';
import {
  ARENA_GRANULE_BYTES,
  CORRELATION_SLOT_BITS,
  DIRTY_SLOTS_MULTIPLE,
  MESSAGE_OVERHEAD_BYTES,
  ROW_INTEREST_WORDS,
} from './layout.js';

/** Most shards of a node: the partition table has one interest bit for each. */
export const MAX_SHARDS = ROW_INTEREST_WORDS * 32;

/** Smallest lane that the budget hands out, in bytes. */
export const MIN_LANE_BYTES = 64 * 1024;
/** Largest lane that the budget hands out, in bytes: more does not make anything faster. */
export const MAX_LANE_BYTES = 4 * 1024 * 1024;
/** Smallest and largest ring that the code can handle, in bytes: the counters are 32-bit. */
export const MIN_RING_BYTES = 4 * 1024;
export const MAX_RING_BYTES = 1024 * 1024 * 1024;

/** Largest content that travels in a ring however large the ring, in bytes; what is larger travels in the arena. */
export const MAX_INLINE_BYTES = 256 * 1024;
/** A frame takes at most this part of a ring: one frame is then always possible, with a gap before it, and others beside it. */
export const LANE_FRAME_FRACTION = 4;

/** Most requests that one shard may have unanswered at one other. */
export const MAX_OUTSTANDING_REQUESTS = 1 << CORRELATION_SLOT_BITS;

/** Largest arena of one shard, in bytes. */
export const MAX_ARENA_BYTES = 1024 * 1024 * 1024;

/** Partitions of a node unless told otherwise. The table's memory is committed by the kernel as slots come into use. */
export const DEFAULT_TABLE_SLOTS = 65_536;

/** Frames that one lane may hand over in one turn, so that sockets and timers get their share of the event loop. */
export const FRAMES_PER_LANE_AND_TURN = 256;
/** Changed slots that are reported in one turn. */
export const DIRTY_SLOTS_PER_TURN = 1024;
/** Turns without work after which a shard goes to sleep; each costs about 2 µs, a doorbell costs its sender and receiver more. */
export const IDLE_TURNS_BEFORE_SLEEP = 8;

/** What a peer's overflow queue holds at most, unless told otherwise. */
export const OVERFLOW_MAX_ITEMS = 65_536;
export const OVERFLOW_MAX_BYTES = 32 * 1024 * 1024;

assert(
  MIN_LANE_BYTES >= MIN_RING_BYTES && MAX_LANE_BYTES <= MAX_RING_BYTES,
  'Lanes must be rings that the code can handle',
);
assert(
  MIN_LANE_BYTES / LANE_FRAME_FRACTION > 2 * MESSAGE_OVERHEAD_BYTES,
  'The smallest lane must carry an extent descriptor',
);
assert(MAX_ARENA_BYTES % ARENA_GRANULE_BYTES === 0, 'An arena consists of whole granules');
assert(DEFAULT_TABLE_SLOTS % DIRTY_SLOTS_MULTIPLE === 0, 'The dirty bitmap needs whole summary words');

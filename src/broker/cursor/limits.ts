import { assert } from '../../base/assert.js';

/** Offsets that one chunk of a bitmap covers; a power of two. */
export const CHUNK_OFFSETS = 65_536;

/** 32-bit words in one chunk of a bitmap: 8 KiB. */
export const CHUNK_WORDS = CHUNK_OFFSETS / 32;

/** Zeroed chunks kept for reuse by all cursors of a thread, so that small disorders allocate nothing: 1 MiB. */
export const CHUNK_POOL_MAX = 128;

/**
 * How many chunks that are not wholly acknowledged may lie between the acknowledged floor and the head. Delivery of new messages waits
 * beyond that: 67 million offsets, whose bitmaps take at most 8 MiB.
 */
export const LOOK_AHEAD_CHUNKS = 1_024;

/** Chunks that a bitmap read from a journal or snapshot may span, so that damaged bytes cannot reserve memory without end. */
export const BITMAP_SPAN_CHUNKS_MAX = 1_048_576;

/** How far ahead of the head the lease "delivered up to" is journaled: so many messages may be flagged redelivered without need. */
export const LEASE_OFFSETS = 2_000;

/** A lease is extended as soon as fewer than this many offsets of it are left, so that delivery seldom waits for the journal. */
export const LEASE_EXTEND_BELOW = 1_000;

/** Delivery counts are exact up to here. */
export const DELIVERY_COUNT_MAX = 65_535;

/** Messages of one queue whose delivery count may be above one at once; further ones stay at one. About 15 MB. */
export const DELIVERY_COUNTS_MAX = 262_144;

/** Priorities of a queue: 0 to 255. */
export const PRIORITIES_MAX = 256;

/** Ranges that wait for the end of the turn before they are encoded early: bounds what a mass return holds, 1 MiB. */
export const PENDING_RANGES_MAX = 65_536;

/** Ranges in one change: keeps a change under 64 KiB. */
export const CHANGE_RANGES_MAX = 4_096;

/** A chunk with more ranges than this is written to a snapshot as a bitmap. */
export const SNAPSHOT_RANGES_MAX = 2_048;

/** Offsets in one block of what a consumer holds: 2 KiB. */
export const HELD_BLOCK_OFFSETS = 1_024;

/** A block starts with room for so many offsets and grows by HELD_BLOCK_GROWTH: most consumers hold few. */
export const HELD_BLOCK_INITIAL_OFFSETS = 16;

/** See HELD_BLOCK_INITIAL_OFFSETS. */
export const HELD_BLOCK_GROWTH = 4;

/** Neighbouring blocks are joined only when neither holds more: a window that moves on over two blocks must not join and part at every step. */
export const HELD_BLOCK_JOINED_MAX = 640;

/** Blocks of each size kept for reuse by all cursors of a thread: 0.7 MiB in total. */
export const HELD_BLOCK_POOL_MAX = 256;

/** Deliveries of one queue that may be in flight at once. */
export const IN_FLIGHT_MAX = 16_777_216;

assert(LEASE_EXTEND_BELOW < LEASE_OFFSETS, 'A lease must be longer than the rest at which it is extended');
assert(CHANGE_RANGES_MAX <= PENDING_RANGES_MAX, 'A change cannot hold more ranges than are gathered');
assert(Number.isInteger(Math.log2(CHUNK_OFFSETS)), 'The offsets of a chunk are a power of two');
assert(HELD_BLOCK_JOINED_MAX < HELD_BLOCK_OFFSETS, 'A block that was joined must not be joined again at once');
assert(
  Number.isInteger(Math.log(HELD_BLOCK_OFFSETS / HELD_BLOCK_INITIAL_OFFSETS) / Math.log(HELD_BLOCK_GROWTH)),
  'A block grows to its full size and not beyond',
);

import { assert } from '../../base/assert.js';
import {
  ARENA_GRANULE_BYTES,
  ARENA_HELD_WORD,
  LANES_OFFSET,
  MESSAGE_OVERHEAD_BYTES,
  messageFrameBytes,
} from './layout.js';
import {
  LANE_FRAME_FRACTION,
  MAX_ARENA_BYTES,
  MAX_INLINE_BYTES,
  MAX_LANE_BYTES,
  MAX_SHARDS,
  MIN_LANE_BYTES,
} from './limits.js';
import { RingError } from './ring-error.js';

/** How one memory budget is divided among the rings and arenas of a node's shards. All sizes in bytes. */
export interface MeshBudget {
  readonly shards: number;
  /** Size of each request lane and of each reply lane: a power of two. */
  readonly laneBytes: number;
  /** Largest content of a message in a lane. Larger bodies travel in an arena. */
  readonly inlineLimit: number;
  /** Granules of each shard's arena; 0 for a single shard, which talks to nobody. */
  readonly arenaGranules: number;
  /** What all of it takes together; the kernel commits it as it is used. */
  readonly totalBytes: number;
}

/** Largest content of a message in a lane of this size, in bytes. */
export function inlineLimitOf(laneBytes: number): number {
  return Math.min(MAX_INLINE_BYTES, laneBytes / LANE_FRAME_FRACTION - messageFrameBytes(0));
}

/** Size of the buffer of an arena with this many granules. */
export function arenaBufferBytes(granules: number): number {
  return arenaDataOffset(granules) + granules * ARENA_GRANULE_BYTES;
}

/** Where an arena's bodies start in its buffer. */
export function arenaDataOffset(granules: number): number {
  const control = (ARENA_HELD_WORD + granules) * 4;
  return Math.ceil(control / ARENA_GRANULE_BYTES) * ARENA_GRANULE_BYTES;
}

function sizeOf(shards: number, laneBytes: number, arenaGranules: number): number {
  const pairs = shards * (shards - 1);
  return pairs * (LANES_OFFSET + 2 * laneBytes) + (arenaGranules > 0 ? shards * arenaBufferBytes(arenaGranules) : 0);
}

/** The least that `planMeshBudget` accepts for this many shards and this largest body. */
export function minimumMeshBytes(shards: number, maxBodyBytes: number): number {
  return shards === 1 ? 0 : sizeOf(shards, MIN_LANE_BYTES, Math.ceil(maxBodyBytes / ARENA_GRANULE_BYTES));
}

/**
 * Divides `totalBytes` among the rings and arenas of `shards` shards so that a body of `maxBodyBytes` can travel. The lanes get the
 * largest power of two that leaves the arenas at least half of what remains beyond the minimum.
 * @throws RingError `too-many-shards`, `budget-too-small`.
 */
export function planMeshBudget(shards: number, totalBytes: number, maxBodyBytes: number): MeshBudget {
  assert(Number.isInteger(shards) && shards >= 1, `A mesh of ${shards} shards`);
  assert(maxBodyBytes > 0 && maxBodyBytes <= MAX_ARENA_BYTES, `A largest body of ${maxBodyBytes} bytes`);
  if (shards > MAX_SHARDS) {
    throw new RingError('too-many-shards', `Cannot run ${shards} shards: at most ${MAX_SHARDS} are supported`);
  }
  const leastGranules = Math.ceil(maxBodyBytes / ARENA_GRANULE_BYTES);
  const least = minimumMeshBytes(shards, maxBodyBytes);
  if (totalBytes < least) {
    throw new RingError(
      'budget-too-small',
      `Cannot divide ${totalBytes} bytes among the rings of ${shards} shards: messages of ${maxBodyBytes} bytes need ${least}`,
    );
  }
  let laneBytes = MIN_LANE_BYTES;
  const allowance = least + (totalBytes - least) / 2;
  while (laneBytes < MAX_LANE_BYTES && sizeOf(shards, 2 * laneBytes, leastGranules) <= allowance) laneBytes *= 2;
  const arenaGranules = shards === 1 ? 0 : arenaGranulesWithin(shards, laneBytes, totalBytes, leastGranules);
  return checked(
    {
      shards,
      laneBytes,
      inlineLimit: inlineLimitOf(laneBytes),
      arenaGranules,
      totalBytes: shards === 1 ? 0 : sizeOf(shards, laneBytes, arenaGranules),
    },
    totalBytes,
    maxBodyBytes,
  );
}

function arenaGranulesWithin(shards: number, laneBytes: number, totalBytes: number, least: number): number {
  const perShard = Math.floor((totalBytes - sizeOf(shards, laneBytes, 0)) / shards);
  // One granule's worth of data needs 4 bytes of control; two granules pay for the control's rounding up.
  const fitting = Math.floor((perShard - 2 * ARENA_GRANULE_BYTES) / (ARENA_GRANULE_BYTES + 4));
  return Math.min(MAX_ARENA_BYTES / ARENA_GRANULE_BYTES, Math.max(least, fitting));
}

function checked(budget: MeshBudget, allowedBytes: number, maxBodyBytes: number): MeshBudget {
  const { laneBytes, inlineLimit, arenaGranules, shards } = budget;
  assert(
    budget.totalBytes <= allowedBytes || shards === 1,
    `Rings of ${budget.totalBytes} bytes exceed ${allowedBytes}`,
  );
  assert(
    messageFrameBytes(inlineLimit) <= laneBytes / LANE_FRAME_FRACTION,
    'The largest frame must fit its part of a lane',
  );
  assert(inlineLimit >= 2 * MESSAGE_OVERHEAD_BYTES, 'A lane must carry more than headers');
  assert(shards === 1 || arenaGranules * ARENA_GRANULE_BYTES >= maxBodyBytes, 'The largest body must fit an arena');
  return budget;
}

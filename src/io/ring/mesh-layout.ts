import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { arenaBufferBytes, type MeshBudget } from './budget.js';
import { dirtyBitmapBytes } from './dirty-bitmap.js';
import { ASLEEP_STRIDE_WORDS, LANES_OFFSET, ROW_BYTES } from './layout.js';
import { DEFAULT_TABLE_SLOTS } from './limits.js';

/** The shared memory of a node's shards. It can be posted to any thread; nothing in it is transferred. */
export interface MeshLayout {
  readonly budget: MeshBudget;
  /** Slots of the partition table. */
  readonly slots: number;
  readonly control: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  /** By shard. */
  readonly dirty: readonly SharedArrayBuffer[];
  /** By shard. */
  readonly arenas: readonly SharedArrayBuffer[];
  /** By sender, then receiver; null where they are the same. */
  readonly pairs: readonly (readonly (SharedArrayBuffer | null)[])[];
}

/** Makes the shared memory for a planned budget. The kernel commits it page by page as it is used. */
export function createMeshLayout(budget: MeshBudget, slots: number = DEFAULT_TABLE_SLOTS): MeshLayout {
  const { shards, laneBytes, arenaGranules } = budget;
  const shardNumbers = [...Array(shards).keys()];
  return {
    budget,
    slots,
    control: new SharedArrayBuffer(shards * ASLEEP_STRIDE_WORDS * 4),
    table: new SharedArrayBuffer(slots * ROW_BYTES),
    dirty: shardNumbers.map(() => new SharedArrayBuffer(dirtyBitmapBytes(slots))),
    arenas: shardNumbers.map(() => new SharedArrayBuffer(arenaBufferBytes(arenaGranules))),
    pairs: shardNumbers.map((from) =>
      shardNumbers.map((to) => (from === to ? null : new SharedArrayBuffer(LANES_OFFSET + 2 * laneBytes))),
    ),
  };
}

/**
 * The doorbells of worker threads: for each shard its ports by other shard. A shard's row goes to its thread, in `workerData` and in the transfer
 * list.
 */
export function createDoorbellPorts(shards: number): (MessagePort | null)[][] {
  const ports: (MessagePort | null)[][] = Array.from({ length: shards }, () => Array(shards).fill(null));
  for (let left = 0; left < shards; left++) {
    for (let right = left + 1; right < shards; right++) {
      const { port1, port2 } = new MessageChannel();
      ports[left]![right] = port1;
      ports[right]![left] = port2;
    }
  }
  return ports;
}

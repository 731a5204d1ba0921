/**
 * Counters by name in shared memory: how many connections a user or a virtual host has over all shards. Added and read without asking anybody, exact
 * at any time.
 *
 * ```
 *  0                      8 · slots                 12 · slots
 *  ┌──────────────────────┬─────────────────────────┐
 *  │ slot's name          │ slot's count            │   one of each per slot
 *  │ 64-bit hash, 0 free  │ i32                     │
 *  └──────────────────────┴─────────────────────────┘
 * ```
 *
 * A name is found by its hash, from its own slot on until a free one (open addressing), and keeps its slot until the node stops. Two names with one
 * hash would be counted together: at 30,000 names the chance is one in forty thousand million. A name that finds no slot near its own, when the table is
 * all but full, shares one counter with others like it.
 */
import { assert } from '../../base/assert.js';
import type { NameCounts } from '../ports.js';

const NAME_BYTES = 8;
const COUNT_BYTES = 4;
const FREE = 0n;
const MASK = 0xffff_ffff_ffff_ffffn;
const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x100_0000_01b3n;
/** Looked at before a name goes to the counter of all others. */
const PROBES_MAX = 64;

/** Shared memory for so many names; a power of two. */
export function createSharedCounts(slots: number): SharedArrayBuffer {
  assert(slots > 1 && (slots & (slots - 1)) === 0, `The number of slots must be a power of two, not ${slots}`);
  return new SharedArrayBuffer(slots * (NAME_BYTES + COUNT_BYTES));
}

/** See the top of this file. */
export class SharedCounts implements NameCounts {
  private readonly names: BigInt64Array;
  private readonly counts: Int32Array;
  private readonly slots: number;

  constructor(buffer: SharedArrayBuffer) {
    this.slots = buffer.byteLength / (NAME_BYTES + COUNT_BYTES);
    this.names = new BigInt64Array(buffer, 0, this.slots);
    this.counts = new Int32Array(buffer, this.slots * NAME_BYTES, this.slots);
  }

  /** The place of a name's counter: good for as long as the node runs. */
  slotOf(name: string): number {
    const hash = hashOf(name);
    // The last slot is that of all others.
    const own = Number(BigInt.asUintN(64, hash) % BigInt(this.slots - 1));
    for (let probe = 0; probe < PROBES_MAX; probe++) {
      const slot = (own + probe) % (this.slots - 1);
      const found = Atomics.compareExchange(this.names, slot, FREE, hash);
      if (found === FREE || found === hash) return slot;
    }
    return this.slots - 1;
  }

  /** Adds to a counter, and returns what it was before. */
  add(slot: number, difference: number): number {
    return Atomics.add(this.counts, slot, difference);
  }

  /** What a counter is now. */
  get(slot: number): number {
    return Atomics.load(this.counts, slot);
  }
}

/** FNV-1a of the UTF-16 units; never that of a free slot. */
function hashOf(name: string): bigint {
  let hash = FNV_OFFSET;
  for (let index = 0; index < name.length; index++) {
    hash = ((hash ^ BigInt(name.charCodeAt(index))) * FNV_PRIME) & MASK;
  }
  return BigInt.asIntN(64, hash === FREE ? 1n : hash);
}

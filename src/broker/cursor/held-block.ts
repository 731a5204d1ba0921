import {
  HELD_BLOCK_GROWTH,
  HELD_BLOCK_INITIAL_OFFSETS,
  HELD_BLOCK_JOINED_MAX,
  HELD_BLOCK_OFFSETS,
  HELD_BLOCK_POOL_MAX,
} from './limits.js';

/** A block spans so few offsets that two bytes tell one. What lies further apart costs a small block of its own. */
const DELTA_MAX = 0xffff;
/** A shift of so few offsets is faster as a loop than as a call. */
const LOOP_MAX = 24;

/** Columns given back by blocks, by the number of leading zeros of their length; shared by all blocks of the thread. */
const pools: Uint16Array[][] = Array.from({ length: 32 }, () => []);

/** Ascending offsets, at most HELD_BLOCK_OFFSETS of them, each as its distance from the block's base. */
export class HeldBlock {
  /** No offset of the block is below; the next block's base is above all of them. */
  base: number;
  private deltas: Uint16Array = newColumn(HELD_BLOCK_INITIAL_OFFSETS);
  private start = 0;
  private end = 0;

  constructor(base: number) {
    this.base = base;
  }

  get count(): number {
    return this.end - this.start;
  }

  /** Whether offsets belong into another block. A block with a little room at its front is full too: moving all for one offset costs too much. */
  get isFull(): boolean {
    return this.end === HELD_BLOCK_OFFSETS && this.start < HELD_BLOCK_OFFSETS >> 1;
  }

  /** Bytes of the block's column. */
  get bytes(): number {
    return this.deltas.byteLength;
  }

  /** The offset at a position from 0. */
  at(position: number): number {
    return this.base + this.deltas[this.start + position]!;
  }

  /** Whether `offset` is near enough to the base to be written as a distance from it. */
  reaches(offset: number): boolean {
    return offset - this.base <= DELTA_MAX;
  }

  /** How many offsets of the block are below `offset`. */
  countBelow(offset: number): number {
    return this.slotOf(offset - this.base) - this.start;
  }

  /** Adds an offset above all others if there is room for it just now. False when there is not, or when it is not above. */
  append(offset: number): boolean {
    const { deltas, end } = this;
    const delta = offset - this.base;
    if (end === deltas.length || delta < 0 || delta > DELTA_MAX) return false;
    if (end > this.start && deltas[end - 1]! >= delta) return false;
    deltas[end] = delta;
    this.end = end + 1;
    return true;
  }

  /** Adds an offset that it reaches and does not hold. The block is not full. */
  add(offset: number): void {
    const delta = offset - this.base;
    if (this.end === this.deltas.length) this.makeRoom();
    if (this.start === this.end || this.deltas[this.end - 1]! < delta) {
      this.deltas[this.end++] = delta;
      return;
    }
    const slot = this.slotOf(delta);
    shift(this.deltas, slot, this.end, 1);
    this.deltas[slot] = delta;
    this.end++;
  }

  /** Removes an offset; false when it is not there. */
  remove(offset: number): boolean {
    const delta = offset - this.base;
    if (this.start < this.end && this.deltas[this.start] === delta) {
      this.start++;
      return true;
    }
    const slot = this.slotOf(delta);
    if (slot === this.end || this.deltas[slot] !== delta) return false;
    if (slot - this.start <= this.end - slot) {
      shift(this.deltas, this.start, slot, 1);
      this.start++;
    } else {
      shift(this.deltas, slot + 1, this.end, -1);
      this.end--;
    }
    return true;
  }

  /** Moves the base of a block down to `base`, or of an empty one to anywhere. False when an offset would be out of reach. */
  rebase(base: number): boolean {
    const by = this.base - base;
    if (this.count > 0 && this.deltas[this.end - 1]! + by > DELTA_MAX) return false;
    for (let slot = this.start; slot < this.end; slot++) this.deltas[slot]! += by;
    this.base = base;
    return true;
  }

  /** Gives the upper half to a new block, which comes after this one. */
  split(): HeldBlock {
    const middle = (this.start + this.end) >>> 1;
    const upper = new HeldBlock(this.base + this.deltas[middle]!);
    upper.take(this, middle);
    this.end = middle;
    return upper;
  }

  /** Takes over all offsets of the block after this one if that is worth while. False when it is not. */
  join(next: HeldBlock): boolean {
    if (this.count > HELD_BLOCK_JOINED_MAX || next.count > HELD_BLOCK_JOINED_MAX) return false;
    if (this.count + next.count > HELD_BLOCK_OFFSETS || !this.reaches(next.at(next.count - 1))) return false;
    this.take(next, next.start);
    next.free();
    return true;
  }

  /** Gives the block's column back. The block must not be used again. */
  free(): void {
    giveBack(this.deltas);
  }

  /** Makes an empty block as small as a new one. */
  shrink(): void {
    this.start = 0;
    this.end = 0;
    if (this.deltas.length === HELD_BLOCK_INITIAL_OFFSETS) return;
    giveBack(this.deltas);
    this.deltas = newColumn(HELD_BLOCK_INITIAL_OFFSETS);
  }

  /** Copies what another block, whose offsets are all higher, holds from one of its slots on. */
  private take(other: HeldBlock, from: number): void {
    const by = other.base - this.base;
    for (let slot = from; slot < other.end; slot++) {
      if (this.end === this.deltas.length) this.makeRoom();
      this.deltas[this.end++] = other.deltas[slot]! + by;
    }
  }

  /** The first slot whose delta is `delta` or higher, or the end. */
  private slotOf(delta: number): number {
    const { deltas, end } = this;
    let low = this.start;
    if (low === end || deltas[low]! >= delta) return low;
    // Deltas ascend by one or more from slot to slot, so one is never further on than its distance from the first.
    let high = Math.min(end, low + (delta - deltas[low]!));
    if (high < end && deltas[high] === delta) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (deltas[middle]! < delta) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Makes room at the end of a block that is not full. */
  private makeRoom(): void {
    const { deltas, start, end } = this;
    if (start < deltas.length >> 1 && deltas.length < HELD_BLOCK_OFFSETS) {
      const column = newColumn(deltas.length * HELD_BLOCK_GROWTH);
      for (let slot = start; slot < end; slot++) column[slot - start] = deltas[slot]!;
      giveBack(deltas);
      this.deltas = column;
    } else {
      deltas.copyWithin(0, start, end);
    }
    this.start = 0;
    this.end = end - start;
  }
}

function newColumn(length: number): Uint16Array {
  return pools[Math.clz32(length)]!.pop() ?? new Uint16Array(length);
}

function giveBack(column: Uint16Array): void {
  const pool = pools[Math.clz32(column.length)]!;
  if (pool.length < HELD_BLOCK_POOL_MAX) pool.push(column);
}

/** Moves the slots from `from` up to but without `to` by one up or down. */
function shift(column: Uint16Array, from: number, to: number, by: 1 | -1): void {
  if (to - from > LOOP_MAX) {
    column.copyWithin(from + by, from, to);
  } else if (by > 0) {
    for (let slot = to; slot > from; slot--) column[slot] = column[slot - 1]!;
  } else {
    for (let slot = from; slot < to; slot++) column[slot - 1] = column[slot]!;
  }
}

/** Deliveries in one block: 8 KiB. */
export const TAG_BLOCK_SLOTS = 1_024;

/** A block starts with so many slots and grows fourfold: most subscriptions have few deliveries out. */
const INITIAL_SLOTS = 16;
const GROWTH = 4;
/** Neighbouring blocks are joined only when neither has more: a window that moves on over two blocks must not join and part at every step. */
const JOINED_MAX = 640;
/** Columns of each size kept for reuse by all blocks of the thread: 700 KiB in total. */
const POOL_MAX = 64;
/** A block spans so few tags that two bytes tell one. */
const MAX_DISTANCE = 0xffff;
/** The origin of a delivery that is settled. */
const SETTLED = 0xffff;

/** Origins are numbers below this. */
export const MAX_ORIGINS = SETTLED;

interface Columns {
  /** Distance from the block's first tag. */
  readonly tags: Uint16Array;
  /** The lower 32 bits of the offset. */
  readonly offsets: Uint32Array;
  readonly origins: Uint16Array;
}

/** Columns given back by blocks, by the number of leading zeros of their length. */
const pools: Columns[][] = Array.from({ length: 32 }, () => []);

function newColumns(slots: number): Columns {
  const pooled = pools[Math.clz32(slots)]!.pop();
  return pooled ?? { tags: new Uint16Array(slots), offsets: new Uint32Array(slots), origins: new Uint16Array(slots) };
}

function giveBack(columns: Columns): void {
  const pool = pools[Math.clz32(columns.tags.length)]!;
  if (pool.length < POOL_MAX) pool.push(columns);
}

/** A stretch of deliveries in the order of their tags. Settled ones keep their slots until the block is joined with a neighbour or runs empty. */
export class TagBlock {
  /** No tag of the block is below; the next block's first tag is above all of them. */
  firstTag: number;
  private columns = newColumns(INITIAL_SLOTS);
  private start = 0;
  private end = 0;
  private unsettled = 0;

  constructor(firstTag: number) {
    this.firstTag = firstTag;
  }

  /** Number of unsettled deliveries. */
  get size(): number {
    return this.unsettled;
  }

  /** Slots reserved: what the block costs. */
  get capacity(): number {
    return this.columns.tags.length;
  }

  /** Notes a delivery whose tag is above all others. False when there is no room. */
  add(tag: number, origin: number, offsetLow: number): boolean {
    if (this.end === this.columns.tags.length && !this.makeRoom()) return false;
    const distance = tag - this.firstTag;
    if (distance > MAX_DISTANCE) return false;
    const slot = this.end++;
    this.columns.tags[slot] = distance;
    this.columns.offsets[slot] = offsetLow;
    this.columns.origins[slot] = origin;
    this.unsettled++;
    return true;
  }

  /** How many tags from `first` to `last` are unsettled. */
  count(first: number, last: number): number {
    const { tags, origins } = this.columns;
    const end = last - this.firstTag;
    let count = 0;
    for (let slot = this.slotOf(first - this.firstTag); slot < this.end && tags[slot]! <= end; slot++) {
      if (origins[slot] !== SETTLED) count++;
    }
    return count;
  }

  /** Settles every unsettled tag from `first` to `last`, in the order of delivery. Returns how many there were. */
  take(first: number, last: number, visit: (origin: number, offsetLow: number) => void): number {
    const { tags, offsets, origins } = this.columns;
    const end = last - this.firstTag;
    const before = this.unsettled;
    for (let slot = this.slotOf(first - this.firstTag); slot < this.end && tags[slot]! <= end; slot++) {
      const origin = origins[slot]!;
      if (origin === SETTLED) continue;
      origins[slot] = SETTLED;
      this.unsettled--;
      visit(origin, offsets[slot]!);
    }
    while (this.start < this.end && origins[this.start] === SETTLED) this.start++;
    if (this.unsettled === 0) this.start = this.end = 0;
    return before - this.unsettled;
  }

  /** Takes over what the block after this one holds, if that is worth while. False when it is not. */
  join(next: TagBlock): boolean {
    if (this.unsettled > JOINED_MAX || next.unsettled > JOINED_MAX) return false;
    if (this.unsettled + next.unsettled > TAG_BLOCK_SLOTS || next.lastTag - this.firstTag > MAX_DISTANCE) return false;
    this.squeezeInto(this.capacity === TAG_BLOCK_SLOTS ? this.columns : newColumns(TAG_BLOCK_SLOTS));
    this.append(next);
    next.free();
    return true;
  }

  /** Gives the block's columns back. The block must not be used again. */
  free(): void {
    giveBack(this.columns);
  }

  /** Begins an empty block anew, as small as a new one. */
  restart(firstTag: number): void {
    this.firstTag = firstTag;
    if (this.capacity === INITIAL_SLOTS) return;
    giveBack(this.columns);
    this.columns = newColumns(INITIAL_SLOTS);
  }

  private get lastTag(): number {
    return this.firstTag + (this.end > this.start ? this.columns.tags[this.end - 1]! : 0);
  }

  /** The first slot whose distance is `distance` or higher, or the end. */
  private slotOf(distance: number): number {
    const { tags } = this.columns;
    let low = this.start;
    if (low === this.end || tags[low]! >= distance) return low;
    // Tags ascend by one or more from slot to slot, so one is never further on than its distance from the first.
    let high = Math.min(this.end, low + (distance - tags[low]!));
    if (high < this.end && tags[high] === distance) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (tags[middle]! < distance) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Squeezes settled slots out when they are half of all, or else grows. False when the block is as large as blocks get. */
  private makeRoom(): boolean {
    const { capacity } = this;
    if (this.unsettled <= capacity >> 1) this.squeezeInto(this.columns);
    else if (capacity < TAG_BLOCK_SLOTS) this.squeezeInto(newColumns(capacity * GROWTH));
    else return false;
    return true;
  }

  private squeezeInto(columns: Columns): void {
    const { columns: old, start, end } = this;
    this.columns = columns;
    this.start = this.end = 0;
    this.copy(old, start, end, 0);
    if (old !== columns) giveBack(old);
  }

  private append(next: TagBlock): void {
    this.copy(next.columns, next.start, next.end, next.firstTag - this.firstTag);
    this.unsettled += next.unsettled;
  }

  /** Copies the unsettled slots of columns, which may be the block's own, to the end. */
  private copy(from: Columns, start: number, end: number, further: number): void {
    const { tags, offsets, origins } = this.columns;
    for (let slot = start; slot < end; slot++) {
      const origin = from.origins[slot]!;
      if (origin === SETTLED) continue;
      const to = this.end++;
      tags[to] = from.tags[slot]! + further;
      offsets[to] = from.offsets[slot]!;
      origins[to] = origin;
    }
  }
}

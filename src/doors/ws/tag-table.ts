import { assert } from '../../base/assert.js';

const INITIAL_SLOTS = 16;
/** Marks a slot whose delivery is settled; offsets are never negative. */
const SETTLED = -1;

/**
 * The unsettled deliveries of one subscription: tag to partition and offset, in three columns ordered by tag. Settled slots are skipped and
 * squeezed out when they are half of all, so memory follows what is unsettled although one old tag may stay for ever.
 */
export class TagTable {
  private tags = new Float64Array(INITIAL_SLOTS);
  private offsets = new Float64Array(INITIAL_SLOTS);
  private partitions = new Int32Array(INITIAL_SLOTS);
  private head = 0;
  private end = 0;
  private unsettled = 0;
  private nextTag = 1;

  /** Number of unsettled deliveries. */
  get size(): number {
    return this.unsettled;
  }

  /** Slots reserved: what the table costs. */
  get capacity(): number {
    return this.tags.length;
  }

  /** The tag that the next delivery gets. */
  get next(): number {
    return this.nextTag;
  }

  /** Notes a delivery and returns its tag: 1, 2, 3 and so on. */
  add(partition: number, offset: number): number {
    if (this.end === this.tags.length) this.makeRoom();
    const slot = this.end++;
    this.tags[slot] = this.nextTag;
    this.partitions[slot] = partition;
    this.offsets[slot] = offset;
    this.unsettled++;
    return this.nextTag++;
  }

  /** How many tags from `first` to `last` are unsettled. */
  count(first: number, last: number): number {
    let count = 0;
    for (let slot = this.slotOf(first); slot < this.end && this.tags[slot]! <= last; slot++) {
      if (this.offsets[slot] !== SETTLED) count++;
    }
    return count;
  }

  /** Settles every unsettled tag from `first` to `last` and tells `visit` what they named, in the order of delivery. */
  take(first: number, last: number, visit: (partition: number, offset: number) => void): void {
    for (let slot = this.slotOf(first); slot < this.end && this.tags[slot]! <= last; slot++) {
      const offset = this.offsets[slot]!;
      if (offset === SETTLED) continue;
      this.offsets[slot] = SETTLED;
      this.unsettled--;
      visit(this.partitions[slot]!, offset);
    }
    while (this.head < this.end && this.offsets[this.head] === SETTLED) this.head++;
    if (this.head === this.end) this.head = this.end = 0;
  }

  /** The first slot whose tag is `tag` or higher. */
  private slotOf(tag: number): number {
    const first = this.head < this.end ? this.tags[this.head]! : tag;
    let low = this.head;
    // Tags ascend by one or more from slot to slot, so a tag is never further on than its distance from the first.
    let high = Math.min(this.end, Math.max(low, low + (tag - first)));
    if (high < this.end && this.tags[high] === tag) return high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.tags[middle]! < tag) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private makeRoom(): void {
    const slots = Math.max(INITIAL_SLOTS, 2 ** Math.ceil(Math.log2(this.unsettled * 2 + 1)));
    const tags = new Float64Array(slots);
    const offsets = new Float64Array(slots);
    const partitions = new Int32Array(slots);
    let count = 0;
    for (let slot = this.head; slot < this.end; slot++) {
      if (this.offsets[slot] === SETTLED) continue;
      tags[count] = this.tags[slot]!;
      offsets[count] = this.offsets[slot]!;
      partitions[count++] = this.partitions[slot]!;
    }
    assert(count === this.unsettled, `A table of tags holds ${count} deliveries and counts ${this.unsettled}`);
    this.tags = tags;
    this.offsets = offsets;
    this.partitions = partitions;
    this.head = 0;
    this.end = count;
  }
}

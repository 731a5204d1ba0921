import { assert } from '../../base/assert.js';

const INITIAL_SLOTS = 16;
/** Marks a slot whose delivery is settled; offsets are never negative. */
const SETTLED = -1;

/** Gets what a tag named. `source` is the caller's own number. */
export type DeliveryVisitor = (source: number, partition: number, offset: number, tag: number) => void;

/**
 * The unacknowledged deliveries of one channel: tag to source, partition and offset, in four columns ordered by tag. Settled slots are skipped and
 * squeezed out when they are half of all, so memory follows what is unsettled although one old tag may stay for ever.
 */
export class DeliveryTable {
  private tags = new Float64Array(INITIAL_SLOTS);
  private offsets = new Float64Array(INITIAL_SLOTS);
  private partitions = new Int32Array(INITIAL_SLOTS);
  private sources = new Int32Array(INITIAL_SLOTS);
  private head = 0;
  private end = 0;
  private unsettled = 0;

  /** Number of unacknowledged deliveries. */
  get size(): number {
    return this.unsettled;
  }

  /** Slots reserved: what the table costs. */
  get capacity(): number {
    return this.tags.length;
  }

  /** Notes a delivery; tags ascend. */
  add(tag: number, source: number, partition: number, offset: number): void {
    if (this.end === this.tags.length) this.resize(this.unsettled);
    const slot = this.end++;
    this.tags[slot] = tag;
    this.sources[slot] = source;
    this.partitions[slot] = partition;
    this.offsets[slot] = offset;
    this.unsettled++;
  }

  /** Puts deliveries back that were taken, given in any order. */
  restore(entries: readonly { tag: number; source: number; partition: number; offset: number }[]): void {
    const all: { tag: number; source: number; partition: number; offset: number }[] = [...entries];
    this.takeAll((source, partition, offset, tag) => all.push({ tag, source, partition, offset }));
    all.sort((left, right) => left.tag - right.tag);
    for (const { tag, source, partition, offset } of all) this.add(tag, source, partition, offset);
  }

  /** Whether the tag is one of an unacknowledged delivery. */
  has(tag: number): boolean {
    const slot = this.slotOf(tag);
    return slot < this.end && this.tags[slot] === tag && this.offsets[slot] !== SETTLED;
  }

  /** Takes one delivery out. Returns false when there is none with this tag. */
  take(tag: number, visit: DeliveryVisitor): boolean {
    const slot = this.slotOf(tag);
    if (slot >= this.end || this.tags[slot] !== tag || this.offsets[slot] === SETTLED) return false;
    this.settle(slot, visit);
    this.trim();
    return true;
  }

  /** Takes every delivery up to `last` out, in their order. */
  takeUpTo(last: number, visit: DeliveryVisitor): void {
    for (let slot = this.head; slot < this.end && this.tags[slot]! <= last; slot++) {
      if (this.offsets[slot] !== SETTLED) this.settle(slot, visit);
    }
    this.trim();
  }

  /** Takes every delivery out, in their order. */
  takeAll(visit: DeliveryVisitor): void {
    this.takeUpTo(Number.POSITIVE_INFINITY, visit);
  }

  private settle(slot: number, visit: DeliveryVisitor): void {
    const offset = this.offsets[slot]!;
    this.offsets[slot] = SETTLED;
    this.unsettled--;
    visit(this.sources[slot]!, this.partitions[slot]!, offset, this.tags[slot]!);
  }

  private trim(): void {
    while (this.head < this.end && this.offsets[this.head] === SETTLED) this.head++;
    if (this.head !== this.end) return;
    this.head = this.end = 0;
  }

  /** The first slot whose tag is `tag` or higher. */
  private slotOf(tag: number): number {
    const { head, end, tags } = this;
    if (head === end || tag <= tags[head]!) return head;
    // Tags ascend by one or more from slot to slot, so a tag is never further on than its distance from the first.
    let high = Math.min(end, head + (tag - tags[head]!));
    if (high < end && tags[high] === tag) return high;
    let low = head;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (tags[middle]! < tag) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private resize(kept: number): void {
    const slots = Math.max(INITIAL_SLOTS, 2 ** Math.ceil(Math.log2(kept * 2 + 1)));
    const old = { tags: this.tags, offsets: this.offsets, partitions: this.partitions, sources: this.sources };
    const { head, end } = this;
    this.tags = new Float64Array(slots);
    this.offsets = new Float64Array(slots);
    this.partitions = new Int32Array(slots);
    this.sources = new Int32Array(slots);
    let count = 0;
    for (let slot = head; slot < end; slot++) {
      if (old.offsets[slot] === SETTLED) continue;
      this.tags[count] = old.tags[slot]!;
      this.offsets[count] = old.offsets[slot]!;
      this.partitions[count] = old.partitions[slot]!;
      this.sources[count++] = old.sources[slot]!;
    }
    assert(count === kept, `A table of deliveries holds ${count} and counts ${kept}`);
    this.head = 0;
    this.end = count;
  }
}

import { DELIVERY_COUNT_MAX, DELIVERY_COUNTS_MAX } from './limits.js';
import { OffsetBitmap } from './offset-bitmap.js';

/** Never written to. */
const NO_COUNTS = new Map<number, number>();

/**
 * How often messages came back. Almost all that come back do so once, which costs a bit; only higher counts cost an entry, and there are at
 * most DELIVERY_COUNTS_MAX of those: beyond, a count stays at one.
 */
export class DeliveryCounts {
  /** Messages that came back at least once. */
  readonly cameBack = new OffsetBitmap();
  /** Those of two and more; made with the first: most queues have none. */
  private counts = NO_COUNTS;

  /** Counts of two and more. */
  get higher(): ReadonlyMap<number, number> {
    return this.counts;
  }

  /** How often `offset` came back. */
  get(offset: number): number {
    if (this.cameBack.size === 0 || !this.cameBack.has(offset)) return 0;
    return this.higher.get(offset) ?? 1;
  }

  /** Counts one more return. */
  increment(offset: number): void {
    if (this.cameBack.add(offset)) return;
    const count = this.higher.get(offset) ?? 1;
    if (count >= DELIVERY_COUNT_MAX) return;
    if (count === 1 && this.higher.size >= DELIVERY_COUNTS_MAX) return;
    this.set(offset, count + 1);
  }

  /** Notes a count of two or more of a message that came back. */
  set(offset: number, count: number): void {
    if (this.counts === NO_COUNTS) this.counts = new Map();
    this.counts.set(offset, count);
  }

  /** Forgets a message that is settled. */
  forget(offset: number): void {
    if (this.cameBack.size > 0 && this.cameBack.delete(offset) && this.counts.size > 0) this.counts.delete(offset);
  }

  /** Forgets the messages from `from` up to but without `to`. */
  forgetRange(from: number, to: number): void {
    if (this.cameBack.deleteRange(from, to) === 0) return;
    if (this.higher.size === 0) return;
    for (const offset of this.counts.keys()) if (offset >= from && offset < to) this.counts.delete(offset);
  }

  reset(): void {
    this.cameBack.reset();
    this.counts.clear();
  }
}

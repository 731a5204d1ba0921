import { DELIVERY_COUNT_MAX, DELIVERY_COUNTS_MAX } from './limits.js';
import { OffsetBitmap } from './offset-bitmap.js';

/**
 * How often messages came back. Almost all that come back do so once, which costs a bit; only higher counts cost an entry, and there are at
 * most DELIVERY_COUNTS_MAX of those: beyond, a count stays at one.
 */
export class DeliveryCounts {
  /** Messages that came back at least once. */
  readonly cameBack = new OffsetBitmap();
  /** Counts of two and more. */
  readonly higher = new Map<number, number>();

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
    this.higher.set(offset, count + 1);
  }

  /** Forgets a message that is settled. */
  forget(offset: number): void {
    if (this.cameBack.size > 0 && this.cameBack.delete(offset) && this.higher.size > 0) this.higher.delete(offset);
  }

  /** Forgets the messages from `from` up to but without `to`. */
  forgetRange(from: number, to: number): void {
    if (this.cameBack.deleteRange(from, to) === 0) return;
    if (this.higher.size === 0) return;
    for (const offset of this.higher.keys()) if (offset >= from && offset < to) this.higher.delete(offset);
  }

  reset(): void {
    this.cameBack.reset();
    this.higher.clear();
  }
}

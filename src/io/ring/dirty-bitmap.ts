import { assert } from '../../base/assert.js';
import { DIRTY_PENDING_WORD, DIRTY_SLOTS_MULTIPLE, DIRTY_SUMMARY_WORD } from './layout.js';

/** Size of the bitmap's buffer for this many slots, in bytes. */
export function dirtyBitmapBytes(slots: number): number {
  assert(slots > 0 && slots % DIRTY_SLOTS_MULTIPLE === 0, `A dirty bitmap of ${slots} slots`);
  return (DIRTY_SUMMARY_WORD + slots / 1024 + slots / 32) * 4;
}

/**
 * One bit per slot of the partition table, set by any shard and taken by one (docs/formats/ring.md). A summary level makes the search for
 * few bits among many slots cheap.
 */
export class DirtyBitmap {
  private readonly words: Int32Array;
  private readonly summaryWords: number;
  private readonly bitsWord: number;

  constructor(buffer: SharedArrayBuffer, slots: number) {
    assert(
      buffer.byteLength === dirtyBitmapBytes(slots),
      `A dirty bitmap of ${buffer.byteLength} bytes for ${slots} slots`,
    );
    this.words = new Int32Array(buffer);
    this.summaryWords = slots / 1024;
    this.bitsWord = DIRTY_SUMMARY_WORD + this.summaryWords;
  }

  /**
   * Marks a slot. Returns false when it was marked already and not taken yet: then its shard has been told, and will look at the slot after
   * this call. When it returns true the caller wakes the shard.
   */
  mark(slot: number): boolean {
    const word = slot >> 5;
    const bit = 1 << (slot & 31);
    if ((Atomics.or(this.words, this.bitsWord + word, bit) & bit) !== 0) return false;
    this.announce(word);
    return true;
  }

  /** Whether `take` may find something. */
  isPending(): boolean {
    return Atomics.load(this.words, DIRTY_PENDING_WORD) !== 0;
  }

  /**
   * Takes marks and reports their slots, in no useful order; what is beyond `limit` stays marked. Marks set meanwhile may be reported now
   * or next time.
   * @returns the number of slots reported.
   */
  take(onSlot: (slot: number) => void, limit: number): number {
    if (!this.isPending()) return 0;
    Atomics.store(this.words, DIRTY_PENDING_WORD, 0);
    let count = 0;
    for (let summary = 0; summary < this.summaryWords; summary++) {
      if (Atomics.load(this.words, DIRTY_SUMMARY_WORD + summary) === 0) continue;
      if (count >= limit) {
        Atomics.store(this.words, DIRTY_PENDING_WORD, 1);
        return count;
      }
      count += this.takeSummary(summary, onSlot, limit - count);
    }
    return count;
  }

  private takeSummary(summary: number, onSlot: (slot: number) => void, limit: number): number {
    let wordBits = Atomics.exchange(this.words, DIRTY_SUMMARY_WORD + summary, 0);
    let count = 0;
    while (wordBits !== 0) {
      const word = (summary << 5) + lowestBit(wordBits);
      wordBits &= wordBits - 1;
      if (count >= limit) this.announce(word);
      else count += this.takeWord(word, onSlot, limit - count);
    }
    return count;
  }

  private takeWord(word: number, onSlot: (slot: number) => void, limit: number): number {
    let bits = Atomics.exchange(this.words, this.bitsWord + word, 0);
    let count = 0;
    while (bits !== 0 && count < limit) {
      const slot = (word << 5) + lowestBit(bits);
      bits &= bits - 1;
      count++;
      onSlot(slot);
    }
    if (bits !== 0) {
      Atomics.or(this.words, this.bitsWord + word, bits);
      this.announce(word);
    }
    return count;
  }

  // Bottom up: whoever sees a level set finds the one below set.
  private announce(word: number): void {
    Atomics.or(this.words, DIRTY_SUMMARY_WORD + (word >> 5), 1 << (word & 31));
    Atomics.store(this.words, DIRTY_PENDING_WORD, 1);
  }
}

function lowestBit(bits: number): number {
  return 31 - Math.clz32(bits & -bits);
}

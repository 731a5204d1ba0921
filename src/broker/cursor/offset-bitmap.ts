import { assert } from '../../base/assert.js';
import { CHUNK_OFFSETS, CHUNK_POOL_MAX, CHUNK_WORDS } from './limits.js';

/** Bits of 64 Ki offsets. A chunk whose bits are all set has no words. */
interface Chunk {
  readonly index: number;
  words: Int32Array | undefined;
  count: number;
  /** Words before this one are zero. */
  lowWord: number;
}

/** The part of an offset within its chunk. */
const LOW_BITS = CHUNK_OFFSETS - 1;

/** Zeroed words given back by chunks that became empty; shared by all bitmaps of the thread. */
const pool: Int32Array[] = [];

function takeWords(): Int32Array {
  return pool.pop() ?? new Int32Array(CHUNK_WORDS);
}

function giveBack(words: Int32Array | undefined): void {
  if (words !== undefined && pool.length < CHUNK_POOL_MAX) pool.push(words);
}

/** Bits from `from` up to but without `to` of one word, 0 ≤ from < to ≤ 32. */
function wordMask(from: number, to: number): number {
  return (-1 << from) & (to === 32 ? -1 : ~(-1 << to));
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}

function popCount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function chunkOf(offset: number): number {
  return Math.floor(offset / CHUNK_OFFSETS);
}

/**
 * A set of offsets as a bitmap in sparse chunks of 64 Ki: an absent chunk is empty and a full one has no words, so that the memory follows
 * the disorder and not the span. Offsets are safe integers from 0.
 */
export class OffsetBitmap {
  /** Sorted by index. */
  private readonly chunks: Chunk[] = [];
  private lastUsed: Chunk | undefined;
  private count = 0;
  private full = 0;

  /** Number of offsets in the set. */
  get size(): number {
    return this.count;
  }

  /** Chunks whose 64 Ki offsets are all in the set. */
  get fullChunks(): number {
    return this.full;
  }

  /** Bytes of words in use. */
  get wordBytes(): number {
    return (this.chunks.length - this.full) * CHUNK_WORDS * 4;
  }

  has(offset: number): boolean {
    const chunk = this.find(chunkOf(offset));
    if (chunk === undefined) return false;
    const low = offset & LOW_BITS;
    return chunk.words === undefined || (chunk.words[low >> 5]! & (1 << (low & 31))) !== 0;
  }

  /** Adds one offset; false when it was there. */
  add(offset: number): boolean {
    const chunk = this.findOrCreate(chunkOf(offset));
    const { words } = chunk;
    if (words === undefined) return false;
    const low = offset & LOW_BITS;
    const word = low >> 5;
    const bit = 1 << (low & 31);
    if ((words[word]! & bit) !== 0) return false;
    words[word]! |= bit;
    if (word < chunk.lowWord) chunk.lowWord = word;
    this.changed(chunk, 1);
    return true;
  }

  /** Removes one offset; false when it was not there. */
  delete(offset: number): boolean {
    const chunk = this.find(chunkOf(offset));
    if (chunk === undefined) return false;
    const words = this.materialised(chunk);
    const low = offset & LOW_BITS;
    const bit = 1 << (low & 31);
    if ((words[low >> 5]! & bit) === 0) return false;
    words[low >> 5]! &= ~bit;
    this.changed(chunk, -1);
    return true;
  }

  /** Adds `from` up to but without `to`; returns how many were not there. */
  addRange(from: number, to: number): number {
    const before = this.count;
    for (let at = from; at < to; ) {
      const index = chunkOf(at);
      const end = Math.min(to, (index + 1) * CHUNK_OFFSETS);
      const chunk = this.findOrCreate(index);
      if (chunk.words !== undefined) this.fill(chunk, chunk.words, at & LOW_BITS, end - index * CHUNK_OFFSETS);
      at = end;
    }
    return this.count - before;
  }

  /** Removes `from` up to but without `to`; returns how many were there. */
  deleteRange(from: number, to: number): number {
    if (this.count === 0 || from >= to) return 0;
    const before = this.count;
    const first = this.position(chunkOf(from));
    let whole = first;
    let at = first;
    for (; at < this.chunks.length; at++) {
      const chunk = this.chunks[at]!;
      const base = chunk.index * CHUNK_OFFSETS;
      if (base >= to) break;
      if (from <= base && to >= base + CHUNK_OFFSETS) this.release(chunk);
      else this.clear(chunk, Math.max(0, from - base), Math.min(CHUNK_OFFSETS, to - base));
      if (chunk.count > 0) this.chunks[whole++] = chunk;
    }
    // Chunks that kept something moved to the front of the stretch; the rest of it goes at once.
    this.chunks.splice(whole, at - whole);
    return before - this.count;
  }

  /** How many offsets from `from` up to but without `to` are in the set. */
  countRange(from: number, to: number): number {
    let total = 0;
    for (let at = this.position(chunkOf(from)); at < this.chunks.length; at++) {
      const { index, words, count } = this.chunks[at]!;
      const base = index * CHUNK_OFFSETS;
      if (base >= to) break;
      const low = Math.max(0, from - base);
      const high = Math.min(CHUNK_OFFSETS, to - base);
      if (low === 0 && high === CHUNK_OFFSETS) total += count;
      else if (words === undefined) total += Math.max(0, high - low);
      else for (let word = low >> 5; word << 5 < high; word++) total += popCount(words[word]! & clip(word, low, high));
    }
    return total;
  }

  /** The smallest offset of the set, or -1 when it is empty. */
  first(): number {
    const chunk = this.chunks[0];
    if (chunk === undefined) return -1;
    if (chunk.words === undefined) return chunk.index * CHUNK_OFFSETS;
    while (chunk.words[chunk.lowWord] === 0) chunk.lowWord++;
    return chunk.index * CHUNK_OFFSETS + chunk.lowWord * 32 + lowestBit(chunk.words[chunk.lowWord]!);
  }

  /** The smallest offset of the set from `from` on, or -1. */
  nextSet(from: number): number {
    for (let at = this.position(chunkOf(from)); at < this.chunks.length; at++) {
      const { index, words, lowWord } = this.chunks[at]!;
      const base = index * CHUNK_OFFSETS;
      if (words === undefined) return Math.max(base, from);
      const low = Math.max(lowWord * 32, from - base);
      for (let word = low >> 5; word < CHUNK_WORDS; word++) {
        const bits = words[word]! & clip(word, low, CHUNK_OFFSETS);
        if (bits !== 0) return base + word * 32 + lowestBit(bits);
      }
    }
    return -1;
  }

  /** The smallest offset from `from` on that is not in the set. */
  nextClear(from: number): number {
    let offset = from;
    for (let at = this.position(chunkOf(from)); at < this.chunks.length; at++) {
      const { index, words } = this.chunks[at]!;
      if (index !== chunkOf(offset)) break;
      const base = index * CHUNK_OFFSETS;
      const low = offset - base;
      if (words !== undefined) {
        for (let word = low >> 5; word < CHUNK_WORDS; word++) {
          const bits = ~words[word]! & clip(word, low, CHUNK_OFFSETS);
          if (bits !== 0) return base + word * 32 + lowestBit(bits);
        }
      }
      offset = base + CHUNK_OFFSETS;
    }
    return offset;
  }

  /** Visits the runs of the set between `from` and `to`, in order; the set must not change meanwhile. */
  forEachRange(from: number, to: number, visit: (start: number, end: number) => void): void {
    for (let start = this.nextSet(from); start >= 0 && start < to; ) {
      const end = Math.min(to, this.nextClear(start));
      visit(start, end);
      start = this.nextSet(end);
    }
  }

  /** The indexes of the chunks that hold something, in order; their first offset is `index * CHUNK_OFFSETS`. */
  chunkIndexes(): number[] {
    return this.chunks.map((chunk) => chunk.index);
  }

  /** The words of a chunk that holds something, borrowed; undefined when all its bits are set. */
  chunkWords(index: number): Int32Array | undefined {
    return this.find(index)?.words;
  }

  /** How many runs a chunk holds, a run that goes on in the next chunk included. */
  runsInChunk(index: number): number {
    const chunk = this.find(index);
    if (chunk === undefined) return 0;
    if (chunk.words === undefined) return 1;
    let runs = 0;
    let carry = 0;
    for (let at = 0; at < CHUNK_WORDS; at++) {
      const word = chunk.words[at]!;
      // A run starts where a bit is set and the one before it is not.
      runs += popCount(word & ~((word << 1) | carry));
      carry = word >>> 31;
    }
    return runs;
  }

  /** Adds the offsets whose bits are set in `bits`, from `base` on, which is a multiple of 32. */
  addWord(base: number, bits: number): void {
    if (bits === 0) return;
    const chunk = this.findOrCreate(chunkOf(base));
    if (chunk.words === undefined) return;
    const word = (base & LOW_BITS) >> 5;
    const missing = bits & ~chunk.words[word]!;
    chunk.words[word]! |= missing;
    chunk.lowWord = Math.min(chunk.lowWord, word);
    this.changed(chunk, popCount(missing));
  }

  /** Removes everything. */
  reset(): void {
    for (const chunk of this.chunks) this.release(chunk);
    this.chunks.length = 0;
  }

  /** Position of the first chunk with this index or a higher one. */
  private position(index: number): number {
    const { chunks } = this;
    let low = 0;
    let high = chunks.length;
    // Offsets mostly grow, and mostly one chunk is enough: the ends are worth a look before the search.
    if (high === 0 || chunks[high - 1]!.index < index) return high;
    if (chunks[0]!.index >= index) return 0;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (chunks[middle]!.index < index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private find(index: number): Chunk | undefined {
    if (this.lastUsed !== undefined && this.lastUsed.index === index) return this.lastUsed;
    const chunk = this.chunks[this.position(index)];
    if (chunk === undefined || chunk.index !== index) return undefined;
    this.lastUsed = chunk;
    return chunk;
  }

  private findOrCreate(index: number): Chunk {
    const found = this.find(index);
    if (found !== undefined) return found;
    assert(index >= 0 && Number.isSafeInteger(index), `No chunk has the index ${index}`);
    const chunk: Chunk = { index, words: takeWords(), count: 0, lowWord: CHUNK_WORDS };
    const at = this.position(index);
    if (at === this.chunks.length) this.chunks.push(chunk);
    else this.chunks.splice(at, 0, chunk);
    this.lastUsed = chunk;
    return chunk;
  }

  /** The words of a chunk of which a bit is about to go: a full chunk gets words. */
  private materialised(chunk: Chunk): Int32Array {
    if (chunk.words !== undefined) return chunk.words;
    const words = takeWords().fill(-1);
    chunk.words = words;
    chunk.lowWord = 0;
    this.full--;
    return words;
  }

  private changed(chunk: Chunk, by: number): void {
    chunk.count += by;
    this.count += by;
    if (chunk.count === CHUNK_OFFSETS) this.makeFull(chunk);
    else if (chunk.count === 0) this.drop(chunk);
  }

  private makeFull(chunk: Chunk): void {
    giveBack(chunk.words?.fill(0));
    chunk.words = undefined;
    this.full++;
  }

  private drop(chunk: Chunk): void {
    this.release(chunk);
    this.chunks.splice(this.position(chunk.index), 1);
  }

  /** Forgets what a chunk holds; the caller takes it out of the list. */
  private release(chunk: Chunk): void {
    this.count -= chunk.count;
    if (chunk.words === undefined) this.full--;
    else giveBack(chunk.count === 0 ? chunk.words : chunk.words.fill(0));
    chunk.count = 0;
    if (this.lastUsed === chunk) this.lastUsed = undefined;
  }

  private fill(chunk: Chunk, words: Int32Array, low: number, high: number): void {
    let added = 0;
    for (let word = low >> 5; word << 5 < high; word++) {
      const missing = clip(word, low, high) & ~words[word]!;
      words[word]! |= missing;
      added += popCount(missing);
    }
    chunk.lowWord = Math.min(chunk.lowWord, low >> 5);
    if (added > 0) this.changed(chunk, added);
  }

  /** Removes a part of a chunk and leaves it in the list, even when it became empty. */
  private clear(chunk: Chunk, low: number, high: number): void {
    const words = this.materialised(chunk);
    let removed = 0;
    for (let word = low >> 5; word << 5 < high; word++) {
      const present = clip(word, low, high) & words[word]!;
      words[word]! &= ~present;
      removed += popCount(present);
    }
    chunk.count -= removed;
    this.count -= removed;
    if (chunk.count === 0) this.release(chunk);
  }
}

/** The bits of word number `word` that lie from `low` up to but without `high`, both counted from the start of the chunk. */
function clip(word: number, low: number, high: number): number {
  const base = word << 5;
  if (low <= base && high >= base + 32) return -1;
  const from = Math.max(0, low - base);
  const to = Math.min(32, high - base);
  return from < to ? wordMask(from, to) : 0;
}

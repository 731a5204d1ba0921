/**
 * Which messages are due next: a binary heap over (time, offset) in typed arrays, of bounded size. When it is full, its later half leaves it, and from then
 * on it takes only what comes before the limit: what it does not hold lies at or beyond that.
 */
import { assert } from '../../base/assert.js';
import { releaseMemory } from '../../base/release-memory.js';
import { MEDIAN_SAMPLE } from './limits.js';

const INITIAL_ENTRIES = 256;
const ENTRIES_MIN = 4;
/** Outgrown arrays from this size on are given back at once. */
const RELEASED_BYTES_MIN = 64 * 1024;

/** See the top of this file. Times are milliseconds since 1970; no offset is in it twice. */
export class DueHeap {
  private readonly entriesMax: number;
  private times: Float64Array<ArrayBuffer> = new Float64Array(0);
  private offsets: Float64Array<ArrayBuffer> = new Float64Array(0);
  private idHashes: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  private exchanges: Uint32Array<ArrayBuffer> = new Uint32Array(0);
  private count = 0;
  private limitTime = Number.POSITIVE_INFINITY;
  private limitPosition = 0;

  constructor(entriesMax: number) {
    assert(entriesMax >= ENTRIES_MIN, `A heap of ${entriesMax} entries cannot be halved`);
    this.entriesMax = entriesMax;
  }

  get size(): number {
    return this.count;
  }

  /** Nothing at or beyond this time and `limitOffset` is taken; Infinity without a limit. */
  get limitMs(): number {
    return this.limitTime;
  }

  get limitOffset(): number {
    return this.limitPosition;
  }

  /** Whether there may be messages that it does not hold. */
  get isLimited(): boolean {
    return this.limitTime !== Number.POSITIVE_INFINITY;
  }

  /** Bytes of its arrays. */
  get sizeBytes(): number {
    return this.times.length * 24;
  }

  /** Time of the first entry; Infinity when empty. */
  get topMs(): number {
    return this.count === 0 ? Number.POSITIVE_INFINITY : this.times[0]!;
  }

  /** Offset of the first entry; -1 when empty. */
  get topOffset(): number {
    return this.count === 0 ? -1 : this.offsets[0]!;
  }

  /** Number of the first entry's exchange; 0 when empty. */
  get topExchange(): number {
    return this.count === 0 ? 0 : this.exchanges[0]!;
  }

  /** Takes everything from now on, until it is full again. */
  lift(): void {
    this.limitTime = Number.POSITIVE_INFINITY;
    this.limitPosition = 0;
  }

  /** Takes an entry, unless it lies beyond the limit. */
  push(atMs: number, offset: number, idHash: number, exchange: number): void {
    if (!this.isBelowLimit(atMs, offset)) return;
    if (this.count === this.entriesMax) {
      this.halve();
      if (!this.isBelowLimit(atMs, offset)) return;
    }
    if (this.count === this.times.length)
      this.resize(Math.min(this.entriesMax, Math.max(INITIAL_ENTRIES, 2 * this.count)));
    this.place(this.rise(this.count++, atMs, offset), atMs, offset, idHash, exchange);
  }

  /** Removes the first entry. */
  pop(): void {
    assert(this.count > 0, 'An empty heap has no first entry');
    const last = --this.count;
    if (last > 0) this.sink(0, last);
    this.shrink();
  }

  /** Keeps the entries that `isKept` says, whose place it gets. */
  filter(isKept: (offset: number) => boolean): void {
    this.keep((index) => isKept(this.offsets[index]!));
  }

  /** The offsets of messages whose id may be the one with this hash. */
  withIdHash(idHash: number): number[] {
    const found: number[] = [];
    const { idHashes, count } = this;
    for (let index = 0; index < count; index++) if (idHashes[index] === idHash) found.push(this.offsets[index]!);
    return found;
  }

  /** When the first entry that `counts` says is due, or Infinity. Looks at all of them. */
  earliest(counts: (exchange: number, offset: number) => boolean): number {
    let first = Number.POSITIVE_INFINITY;
    for (let index = 0; index < this.count; index++) {
      const atMs = this.times[index]!;
      if (atMs < first && counts(this.exchanges[index]!, this.offsets[index]!)) first = atMs;
    }
    return first;
  }

  clear(): void {
    this.count = 0;
    this.resize(0);
    this.lift();
  }

  private isBelowLimit(atMs: number, offset: number): boolean {
    return atMs < this.limitTime || (atMs === this.limitTime && offset < this.limitPosition);
  }

  /** The later half leaves; a sample finds the middle. */
  private halve(): void {
    const stride = Math.max(1, Math.floor(this.count / MEDIAN_SAMPLE));
    const sample: number[] = [];
    for (let index = 0; index < this.count; index += stride) sample.push(index);
    const { times, offsets } = this;
    sample.sort((left, right) => times[left]! - times[right]! || offsets[left]! - offsets[right]!);
    const middle = sample[sample.length >>> 1]!;
    this.limitTime = times[middle]!;
    this.limitPosition = offsets[middle]!;
    this.keep((index) => this.isBelowLimit(this.times[index]!, this.offsets[index]!));
  }

  private keep(isKept: (index: number) => boolean): void {
    let kept = 0;
    for (let index = 0; index < this.count; index++) {
      if (!isKept(index)) continue;
      if (kept !== index) this.copy(index, kept);
      kept++;
    }
    if (kept === this.count) return;
    this.count = kept;
    for (let index = (kept >>> 1) - 1; index >= 0; index--) this.sink(index, index);
    this.shrink();
  }

  private copy(from: number, to: number): void {
    this.place(to, this.times[from]!, this.offsets[from]!, this.idHashes[from]!, this.exchanges[from]!);
  }

  private place(index: number, atMs: number, offset: number, idHash: number, exchange: number): void {
    this.times[index] = atMs;
    this.offsets[index] = offset;
    this.idHashes[index] = idHash;
    this.exchanges[index] = exchange;
  }

  /** Makes room for an entry at `index` or above it; returns where. */
  private rise(index: number, atMs: number, offset: number): number {
    let hole = index;
    while (hole > 0) {
      const parent = (hole - 1) >>> 1;
      const parentMs = this.times[parent]!;
      if (parentMs < atMs || (parentMs === atMs && this.offsets[parent]! < offset)) break;
      this.copy(parent, hole);
      hole = parent;
    }
    return hole;
  }

  /** Lets the entry at `from` sink from `index` to its place. */
  private sink(index: number, from: number): void {
    const { times, offsets, count } = this;
    const atMs = times[from]!;
    const offset = offsets[from]!;
    const idHash = this.idHashes[from]!;
    const exchange = this.exchanges[from]!;
    let hole = index;
    for (let child = 2 * hole + 1; child < count; child = 2 * hole + 1) {
      const right = child + 1;
      if (right < count && this.comesBefore(right, child)) child = right;
      const childMs = times[child]!;
      if (atMs < childMs || (atMs === childMs && offset < offsets[child]!)) break;
      this.copy(child, hole);
      hole = child;
    }
    this.place(hole, atMs, offset, idHash, exchange);
  }

  private comesBefore(left: number, right: number): boolean {
    const { times, offsets } = this;
    const difference = times[left]! - times[right]!;
    return difference < 0 || (difference === 0 && offsets[left]! < offsets[right]!);
  }

  /** Gives back what a heap that was much larger has left over. */
  private shrink(): void {
    const { count } = this;
    const entries = this.times.length;
    if (count === 0) this.resize(0);
    else if (entries > INITIAL_ENTRIES && count < entries / 8) this.resize(Math.ceil(entries / 4));
  }

  private resize(entries: number): void {
    const { count } = this;
    this.times = moved(this.times, new Float64Array(entries), count);
    this.offsets = moved(this.offsets, new Float64Array(entries), count);
    this.idHashes = moved(this.idHashes, new Uint32Array(entries), count);
    this.exchanges = moved(this.exchanges, new Uint32Array(entries), count);
  }
}

/** `to` with the first `count` entries of `from`, which is not to be used any more. */
function moved<T extends Float64Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(from: T, to: T, count: number): T {
  to.set(from.subarray(0, count));
  if (from.byteLength >= RELEASED_BYTES_MIN) releaseMemory(from);
  return to;
}

import type { DiskFile } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import { HEADER_BYTES, MAGIC, MAGIC_AT } from '../record/layout.js';
import { verifyBatch } from '../record/verify.js';
import { BatchCursor, isPlausibleHeader } from './batch-cursor.js';
import { SCAN_CHUNK_BYTES, SEGMENT_MAX_OFFSETS } from './limits.js';
import type { BadRange } from './quarantine.js';

/** Where a scan begins, and what is known of the bytes there. */
export interface ScanStart {
  readonly position: number;
  readonly baseOffset: number;
  /** The offset that the next batch should have. */
  readonly expectedOffset: number;
  /** Epoch of the batch before; -1 when not known. */
  readonly epoch: number;
  /** No batch can have a higher one: every epoch is journaled before its first batch. */
  readonly maxEpoch: number;
  /** Bytes below were synced: they must be good. */
  readonly durablePosition: number;
  /** Everything below was synced with them. */
  readonly durableEnd: number;
  /**
   * Nobody knows what was synced and whether there are gaps: the checkpoint is lost. Then bad bytes before good ones count as damage, and
   * those before nothing as a torn tail.
   */
  readonly isBlind: boolean;
}

/** What a scan found. */
export interface ScanResult {
  /** The first byte that is not kept. */
  readonly endPosition: number;
  readonly expectedOffset: number;
  readonly epoch: number;
  readonly bad: readonly BadRange[];
  /** Bytes behind `endPosition` were not whole batches: a torn tail. */
  readonly isTorn: boolean;
}

/** Called for each good batch. */
export type ScanVisitor = (bytes: Uint8Array, at: number, position: number) => void;

/**
 * Verifies a segment from a position on. Up to the durable position bad bytes are damage: they are listed, and the scan goes on behind
 * them. Above it they are the torn tail of writes that were never confirmed; so is everything behind them.
 * @throws DiskError
 */
export function scanSegment(file: DiskFile, start: ScanStart, visit: ScanVisitor): ScanResult {
  return new Scan(file, start, visit).run();
}

class Scan {
  private readonly file: DiskFile;
  private readonly start: ScanStart;
  private readonly visit: ScanVisitor;
  private readonly size: number;
  private readonly cursor: BatchCursor;
  private readonly bad: BadRange[] = [];
  private expected: number;
  private epoch: number;

  constructor(file: DiskFile, start: ScanStart, visit: ScanVisitor) {
    this.file = file;
    this.start = start;
    this.visit = visit;
    this.size = file.size();
    const window = Math.max(4096, Math.min(SCAN_CHUNK_BYTES, this.size - start.position));
    this.cursor = new BatchCursor(file, start.position, this.size, new Uint8Array(window));
    this.expected = start.expectedOffset;
    this.epoch = start.epoch;
  }

  run(): ScanResult {
    const { cursor, start } = this;
    let isTorn = false;
    while (cursor.position < this.size) {
      if (cursor.whole() && this.isGood(cursor.bytes, cursor.at)) this.accept();
      else if (!this.skipDamage()) {
        isTorn = true;
        break;
      }
    }
    // Synced bytes that are not there at all.
    if (cursor.position < start.durablePosition && this.expected < start.durableEnd) {
      this.addBad(start.durableEnd, cursor.position, cursor.position);
    }
    const { expected: expectedOffset, epoch, bad } = this;
    return { endPosition: cursor.position, expectedOffset, epoch, bad, isTorn };
  }

  private accept(): void {
    const { cursor } = this;
    this.visit(cursor.bytes, cursor.at, cursor.position);
    this.expected = batch.batchLastOffset(cursor.bytes, cursor.at) + 1;
    this.epoch = batch.batchLeaderEpoch(cursor.bytes, cursor.at);
    cursor.advance(batch.batchLength(cursor.bytes, cursor.at));
  }

  /** Whether a whole batch is one that can stand here: a batch of an earlier time, or behind a hole, cannot. */
  private isGood(bytes: Uint8Array, at: number): boolean {
    if (verifyBatch(bytes, at, batch.batchLength(bytes, at)) !== 'ok') return false;
    const base = batch.batchBaseOffset(bytes, at);
    if (base < this.expected || base - this.start.baseOffset > SEGMENT_MAX_OFFSETS) return false;
    const epoch = batch.batchLeaderEpoch(bytes, at);
    if (this.start.isBlind) return true;
    if (epoch > this.start.maxEpoch) return false;
    // Within an epoch offsets have no gaps before cleaning; a new one may begin above a lease.
    return epoch === this.epoch ? base === this.expected : epoch > this.epoch;
  }

  /** Moves over bad bytes when they are damage. False when they are a torn tail. */
  private skipDamage(): boolean {
    const { start, cursor } = this;
    const from = cursor.position;
    const limit = start.isBlind ? this.size : Math.min(this.size, start.durablePosition);
    if (from >= limit) return false;
    const next = this.findBatch(from + 1, limit);
    if (next !== undefined) {
      this.addBad(next.baseOffset, from, next.position);
      cursor.advance(next.position - from);
      return true;
    }
    if (start.isBlind) return false;
    this.addBad(Math.max(this.expected, start.durableEnd), from, limit);
    cursor.advance(limit - from);
    return true;
  }

  private addBad(toOffset: number, fromPosition: number, toPosition: number): void {
    this.bad.push({ fromOffset: this.expected, toOffset, fromPosition, toPosition });
    this.expected = Math.max(this.expected, toOffset);
  }

  /** Looks for a good batch at every byte. */
  private findBatch(from: number, limit: number): { position: number; baseOffset: number } | undefined {
    const window = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, limit - from));
    for (let start = from; start + HEADER_BYTES <= limit; start += window.length - HEADER_BYTES + 1) {
      const length = this.file.read(window.subarray(0, Math.min(window.length, limit - start)), start);
      for (let at = 0; at + HEADER_BYTES <= length; at++) {
        if (window[at + MAGIC_AT] !== MAGIC || !this.couldBeBatch(window, at, limit - start - at)) continue;
        const found = this.tryBatch(start + at, limit);
        if (found !== undefined) return found;
      }
      if (length < window.length) break;
    }
    return undefined;
  }

  /** A cheap look at the header, before anything is read for its sake. */
  private couldBeBatch(bytes: Uint8Array, at: number, available: number): boolean {
    if (!isPlausibleHeader(bytes, at) || batch.batchLength(bytes, at) > available) return false;
    const baseOffset = batch.batchBaseOffset(bytes, at);
    return baseOffset >= this.expected && baseOffset - this.start.baseOffset <= SEGMENT_MAX_OFFSETS;
  }

  private tryBatch(position: number, limit: number): { position: number; baseOffset: number } | undefined {
    const cursor = new BatchCursor(this.file, position, limit, new Uint8Array(HEADER_BYTES));
    if (!cursor.whole()) return undefined;
    const { bytes, at } = cursor;
    if (verifyBatch(bytes, at, batch.batchLength(bytes, at)) !== 'ok') return undefined;
    const epoch = batch.batchLeaderEpoch(bytes, at);
    if (epoch < this.epoch || (!this.start.isBlind && epoch > this.start.maxEpoch)) return undefined;
    // What is missing may have had any offsets, so this batch is judged like the first one of an epoch.
    if (!this.start.isBlind) this.epoch = epoch - 1;
    return { position, baseOffset: batch.batchBaseOffset(bytes, at) };
  }
}

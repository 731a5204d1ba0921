import { readI32 } from '../base/integers.js';
import type { DiskFile } from '../io/ports.js';
import { batchLastOffsetDelta, batchLength, batchMagic, batchRecordsCount } from '../record/batch-header.js';
import { BASE_OFFSET_AT, HEADER_BYTES, MAGIC, MAX_TIMESTAMP_AT } from '../record/layout.js';
import { MAX_BATCH_BYTES } from '../record/limits.js';

const SAFE_HIGH_WORD = 0x1f_ffff;

/**
 * Whether the bytes at `at`, a header's length of them, could begin a batch: enough for the header's accessors to be called and for a length
 * that can be stepped over. It says nothing about the CRC.
 */
export function isPlausibleHeader(bytes: Uint8Array, at: number): boolean {
  const length = batchLength(bytes, at);
  const baseHigh = readI32(bytes, at + BASE_OFFSET_AT);
  const timeHigh = readI32(bytes, at + MAX_TIMESTAMP_AT);
  return (
    batchMagic(bytes, at) === MAGIC &&
    length >= HEADER_BYTES &&
    length <= MAX_BATCH_BYTES &&
    baseHigh >= 0 &&
    baseHigh < SAFE_HIGH_WORD &&
    timeHigh >= -SAFE_HIGH_WORD &&
    timeHigh < SAFE_HIGH_WORD &&
    batchLastOffsetDelta(bytes, at) >= 0 &&
    batchRecordsCount(bytes, at) >= 0
  );
}

/**
 * Walks the batches of a segment through a window of memory that slides over the file. Trusts nothing: lengths are checked against
 * the end and the limit before memory is taken.
 */
export class BatchCursor {
  /** The window; the current batch is at `at`. Valid until the next call. */
  bytes: Uint8Array;
  at = 0;
  /** Position of the current batch in the file. */
  position: number;
  private readonly file: DiskFile;
  private readonly end: number;
  private windowStart = 0;
  private windowLength = 0;

  /** Walks from `position` up to `end`, using `window` as memory while batches fit into it. */
  constructor(file: DiskFile, position: number, end: number, window: Uint8Array) {
    this.file = file;
    this.position = position;
    this.end = end;
    this.bytes = window;
  }

  /** Brings the batch's header into the window. False when fewer bytes than a header are left. */
  header(): boolean {
    return this.bring(HEADER_BYTES);
  }

  /** The current batch's length, after `header` returned true; -1 when the header is impossible or the batch passes the end. */
  length(): number {
    const length = batchLength(this.bytes, this.at);
    return isPlausibleHeader(this.bytes, this.at) && this.position + length <= this.end ? length : -1;
  }

  /** Brings the whole batch into the window. False when its length is impossible, or the file ends first. */
  whole(): boolean {
    if (!this.header()) return false;
    const length = this.length();
    return length !== -1 && this.bring(length);
  }

  /** Moves on by `length` bytes. */
  advance(length: number): void {
    this.position += length;
  }

  private bring(length: number): boolean {
    if (this.position + length > this.end) return false;
    const at = this.position - this.windowStart;
    if (at >= 0 && at + length <= this.windowLength) {
      this.at = at;
      return true;
    }
    if (length > this.bytes.length) this.bytes = new Uint8Array(length);
    const wanted = Math.min(this.bytes.length, this.end - this.position);
    this.windowLength = this.file.read(this.bytes.subarray(0, wanted), this.position);
    this.windowStart = this.position;
    this.at = 0;
    return length <= this.windowLength;
  }
}

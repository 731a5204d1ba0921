import type { DiskFile } from '../io/ports.js';
import { batchLength } from '../record/batch-header.js';
import { HEADER_BYTES } from '../record/layout.js';
import { MAX_BATCH_BYTES } from '../record/limits.js';

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

  /** The current batch's length, after `header` returned true; -1 when it is impossible or passes the end. */
  length(): number {
    const length = batchLength(this.bytes, this.at);
    const isPossible = length >= HEADER_BYTES && length <= MAX_BATCH_BYTES && this.position + length <= this.end;
    return isPossible ? length : -1;
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

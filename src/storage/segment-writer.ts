import type { FileCache } from '../io/disk/file-cache.js';
import { batchMaxTimestamp } from '../record/batch-header.js';
import { IndexWriter } from './index-writer.js';
import { SEGMENT_MAX_BYTES, SEGMENT_MAX_OFFSETS, WRITEBACK_STEP_BYTES } from './limits.js';
import type { LogConfig } from './ports.js';
import type { Segment, SegmentSums } from './segment.js';
import { messagesIn } from './transaction-marker.js';
import type { TurnBuffers } from './turn-buffers.js';

/**
 * Writes the end of one segment: gathers the batches of a turn in a buffer and writes them at once. The segment's own sums always say what
 * is in the file; those in here also count what is in the buffer.
 */
export class SegmentWriter {
  readonly segment: Segment;
  private readonly files: FileCache;
  private readonly buffers: TurnBuffers;
  private readonly index: IndexWriter;
  private readonly sums: SegmentSums;
  private buffer: Uint8Array | undefined;
  private bufferedBytes = 0;

  constructor(segment: Segment, files: FileCache, buffers: TurnBuffers, index = new IndexWriter(segment, files)) {
    this.segment = segment;
    this.files = files;
    this.buffers = buffers;
    this.index = index;
    this.sums = segment.sums();
  }

  /** Whether batches are waiting to be written. */
  get hasBuffered(): boolean {
    return this.bufferedBytes > 0;
  }

  /** Whether the segment should end before a batch of this size and offset. An empty one never does. */
  isFull(length: number, lastOffset: number, arrivalMs: number, config: LogConfig): boolean {
    const { sizeBytes } = this.sums;
    if (sizeBytes === 0) return false;
    const limit = Math.min(config.segmentBytes, SEGMENT_MAX_BYTES);
    if (sizeBytes + length > limit || lastOffset - this.segment.baseOffset > SEGMENT_MAX_OFFSETS) return true;
    return config.segmentMs >= 0 && arrivalMs - this.segment.firstArrivalMs >= config.segmentMs;
  }

  /** Whether the batch goes past the buffer: copying it would cost more than a write of its own. */
  isLarge(length: number): boolean {
    return length >= this.buffers.bufferBytes / 4;
  }

  /** Whether what is buffered must be written first. */
  mustWriteBefore(length: number): boolean {
    return this.bufferedBytes > 0 && (this.isLarge(length) || this.bufferedBytes + length > this.buffers.bufferBytes);
  }

  /** Copies a batch, which has its offset already, into the buffer. */
  add(bytes: Uint8Array, at: number, length: number, baseOffset: number, endOffset: number, arrivalMs: number): void {
    this.buffer ??= this.buffers.take();
    this.buffer.set(bytes.subarray(at, at + length), this.bufferedBytes);
    this.bufferedBytes += length;
    this.count(bytes, at, length, baseOffset, endOffset, arrivalMs);
  }

  /** Writes a large batch; nothing is buffered. @throws DiskError, and then nothing happened */
  writeLarge(bytes: Uint8Array, at: number, length: number, baseOffset: number, end: number, arrivalMs: number): void {
    this.put(bytes.subarray(at, at + length));
    this.count(bytes, at, length, baseOffset, end, arrivalMs);
    this.finishWrite();
  }

  /** Writes what is buffered. @throws DiskError, and then none of it was added */
  write(): void {
    if (this.buffer === undefined || this.bufferedBytes === 0) return;
    const { buffer, bufferedBytes } = this;
    this.buffer = undefined;
    this.bufferedBytes = 0;
    try {
      this.put(buffer.subarray(0, bufferedBytes));
    } catch (cause) {
      this.rollback();
      throw cause;
    } finally {
      this.buffers.give(buffer);
    }
    this.finishWrite();
  }

  /** Writes the index entries that are held back. */
  writeIndex(): void {
    this.index.write();
  }

  /** Ends the segment; nothing is buffered. */
  finish(): void {
    this.index.finish();
  }

  private put(bytes: Uint8Array): void {
    this.segment.holdUntilSynced(this.files).write(bytes, this.segment.sizeBytes);
  }

  private count(bytes: Uint8Array, at: number, length: number, base: number, end: number, arrivalMs: number): void {
    const { sums, index } = this;
    if (sums.sizeBytes === 0) this.segment.firstArrivalMs = arrivalMs;
    else if (index.isDue(sums.sizeBytes)) {
      const { sizeBytes: position, maxTimestampMs, lastArrivalMs, records } = sums;
      index.add({ offset: base, position, maxTimestampMs, lastArrivalMs, records });
    }
    sums.sizeBytes += length;
    sums.endOffset = end;
    sums.records += messagesIn(bytes, at);
    const timestampMs = batchMaxTimestamp(bytes, at);
    if (timestampMs > sums.maxTimestampMs) sums.maxTimestampMs = timestampMs;
    if (arrivalMs > sums.lastArrivalMs) sums.lastArrivalMs = arrivalMs;
  }

  private rollback(): void {
    const { segment, sums } = this;
    Object.assign(sums, segment.sums());
    this.index.rollback(segment.sizeBytes);
  }

  private finishWrite(): void {
    const { segment } = this;
    segment.setSums(this.sums);
    this.index.writeDue();
    if (segment.sizeBytes - segment.writebackBytes < WRITEBACK_STEP_BYTES) return;
    const from = Math.max(segment.writebackBytes, segment.syncedBytes);
    segment.holdUntilSynced(this.files).startWriteback(from, segment.sizeBytes - from);
    segment.writebackBytes = segment.sizeBytes;
  }
}

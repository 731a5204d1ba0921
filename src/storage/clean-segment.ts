import { ByteWriter } from '../base/byte-writer.js';
import type { Disk, DiskFile } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import { BatchRewriter } from '../record/rewrite.js';
import { BatchCursor } from './batch-cursor.js';
import { StorageError } from './errors.js';
import { SCAN_CHUNK_BYTES } from './limits.js';
import { segmentPath } from './paths.js';
import { messagesIn } from './transaction-marker.js';

/** One segment to rewrite; plain values only, so that it can be sent to another thread. */
export interface CleanJob {
  readonly directory: string;
  readonly baseOffset: number;
  /** Bytes of the segment that mean something. */
  readonly sizeBytes: number;
  /** One bit per offset from the base on, lowest bit first: set when the record may go. Offsets beyond its end stay. */
  readonly removable: Uint8Array;
}

/** What the rewritten segment holds. */
export interface CleanResult {
  readonly sizeBytes: number;
  readonly records: number;
  readonly maxTimestampMs: number;
}

/**
 * Writes `BASE.cleaned`: the segment's batches without the records that may go. Offsets stay. The file and its name are synced when this
 * returns; the owner puts it in place. Waits for the disk on its thread: meant for the background pool.
 * @throws StorageError `corrupt`; RecordError; DiskError
 */
export function cleanSegment(disk: Disk, job: CleanJob): CleanResult {
  const source = disk.open(segmentPath(job.directory, job.baseOffset, 'log'), 'read');
  const path = segmentPath(job.directory, job.baseOffset, 'cleaned');
  try {
    const target = disk.open(path, 'write');
    try {
      target.truncate(0);
      const result = rewrite(source, target, job);
      target.syncNow();
      disk.syncDirectory(job.directory);
      return result;
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

function rewrite(source: DiskFile, target: DiskFile, job: CleanJob): CleanResult {
  const window = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, Math.max(job.sizeBytes, 4096)));
  const cursor = new BatchCursor(source, 0, job.sizeBytes, window);
  const rewriter = new BatchRewriter(new ByteWriter());
  const out = new ByteWriter();
  const keep = (offset: number): boolean => !isRemovable(job, offset);
  // A marker says what becomes of batches that may be in other segments.
  const keepAll = (): boolean => true;
  const result = { sizeBytes: 0, records: 0, maxTimestampMs: -1 };
  const write = (): void => {
    target.write(out.view(), result.sizeBytes);
    result.sizeBytes += out.at;
    out.reset();
  };
  while (cursor.position < job.sizeBytes) {
    if (!cursor.whole()) {
      throw new StorageError(
        'corrupt',
        `Cannot rewrite "${source.path}": there is no batch at byte ${cursor.position}`,
      );
    }
    const { bytes, at } = cursor;
    const outAt = out.at;
    if (rewriter.rewrite(bytes, at, batch.batchIsControl(bytes, at) ? keepAll : keep, out) > 0) {
      result.records += messagesIn(out.bytes, outAt);
      result.maxTimestampMs = Math.max(result.maxTimestampMs, batch.batchMaxTimestamp(out.bytes, outAt));
    }
    cursor.advance(batch.batchLength(bytes, at));
    if (out.at >= SCAN_CHUNK_BYTES) write();
  }
  write();
  return result;
}

function isRemovable(job: CleanJob, offset: number): boolean {
  const bit = offset - job.baseOffset;
  const byte = job.removable[Math.floor(bit / 8)];
  return byte !== undefined && (byte & (1 << (bit % 8))) !== 0;
}

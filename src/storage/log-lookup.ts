import type { FileCache } from '../io/disk/file-cache.js';
import * as batch from '../record/batch-header.js';
import { RecordCursor } from '../record/record-reader.js';
import { BatchCursor } from './batch-cursor.js';
import { type IndexEntry, IndexSearch } from './index-file.js';
import { SCAN_CHUNK_BYTES } from './limits.js';
import type { Segment } from './segment.js';
import { messagesIn } from './transaction-marker.js';

/**
 * Counts the records of a segment below `offset`: the index says how many lie before a position near it, the rest is walked. Counting
 * ends where the segment cannot be read.
 * @throws DiskError
 */
export function countRecordsBelow(files: FileCache, segment: Segment, offset: number): number {
  const start = lastIndexed(files, segment, offset);
  const file = files.acquire(segment.path('log'));
  try {
    const cursor = new BatchCursor(
      file,
      start?.position ?? 0,
      segment.sizeBytes,
      new Uint8Array(SCAN_CHUNK_BYTES / 16),
    );
    let records = start?.records ?? 0;
    while (cursor.header()) {
      const length = cursor.length();
      if (length === -1 || batch.batchBaseOffset(cursor.bytes, cursor.at) >= offset) break;
      if (batch.batchLastOffset(cursor.bytes, cursor.at) < offset) {
        records += messagesIn(cursor.bytes, cursor.at);
      } else if (cursor.whole()) records += countInBatch(cursor.bytes, cursor.at, offset);
      cursor.advance(length);
    }
    return records;
  } finally {
    files.release(file);
  }
}

function countInBatch(bytes: Uint8Array, at: number, offset: number): number {
  const count = messagesIn(bytes, at);
  if (count === 0) return 0;
  // Without gaps there is a record for every offset.
  if (count === batch.batchLastOffsetDelta(bytes, at) + 1) return offset - batch.batchBaseOffset(bytes, at);
  const records = new RecordCursor().open(bytes, at);
  let below = 0;
  while (records.next() && records.offset < offset) below++;
  return below;
}

function lastIndexed(files: FileCache, segment: Segment, offset: number): IndexEntry | undefined {
  let file: ReturnType<FileCache['acquire']>;
  try {
    file = files.acquire(segment.path('index'));
  } catch {
    return undefined;
  }
  try {
    const search = IndexSearch.open(file, segment.baseOffset, segment.sizeBytes);
    const found = search?.findLast((entry) => entry.offset <= offset);
    return search === undefined || found === undefined || found < 0 ? undefined : search.entry(found);
  } finally {
    files.release(file);
  }
}

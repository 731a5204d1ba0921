import type { FileCache } from '../io/disk/file-cache.js';
import * as batch from '../record/batch-header.js';
import { BatchCursor } from './batch-cursor.js';
import { type IndexEntry, IndexSearch } from './index-file.js';
import { IndexWriter, resumeIndex } from './index-writer.js';
import { SCAN_CHUNK_BYTES } from './limits.js';
import type { Segment } from './segment.js';
import { messagesIn } from './transaction-marker.js';

const NO_ENTRY: Omit<IndexEntry, 'offset'> = { position: 0, maxTimestampMs: -1, lastArrivalMs: -1, records: 0 };

/**
 * Takes up a segment's index where it ends, and adds what is missing up to the segment's end; builds a new one when it is missing or
 * damaged. @throws DiskError
 */
export function openIndex(segment: Segment, files: FileCache): IndexWriter {
  const resumed = resumeIndex(segment, files, segment.sizeBytes);
  const last = resumed === undefined ? undefined : lastEntry(segment, files);
  const writer = resumed ?? new IndexWriter(segment, files);
  walkFrom(segment, files, writer, last ?? { ...NO_ENTRY, offset: segment.baseOffset });
  return writer;
}

/** Brings the index of the segment that is written next up to its end. False when it could not be written. @throws as `openIndex` */
export function writeIndex(segment: Segment, files: FileCache): boolean {
  const writer = openIndex(segment, files);
  writer.write();
  return !writer.failed;
}

/** Makes sure that a segment which gets no more batches has a whole index. False when it could not be written. @throws as `openIndex` */
export function finishIndex(segment: Segment, files: FileCache): boolean {
  const last = lastEntry(segment, files);
  if (last?.position === segment.sizeBytes && last.records === segment.records) return true;
  const writer = openIndex(segment, files);
  writer.finish();
  return !writer.failed;
}

function lastEntry(segment: Segment, files: FileCache): IndexEntry | undefined {
  let file: ReturnType<FileCache['acquire']>;
  try {
    file = files.acquire(segment.path('index'));
  } catch {
    return undefined;
  }
  try {
    const search = IndexSearch.open(file, segment.baseOffset, segment.sizeBytes);
    return search === undefined || search.count === 0 ? undefined : search.entry(search.count - 1);
  } finally {
    files.release(file);
  }
}

function walkFrom(segment: Segment, files: FileCache, writer: IndexWriter, from: IndexEntry): void {
  const file = files.acquire(segment.path('log'));
  try {
    const cursor = new BatchCursor(file, from.position, segment.sizeBytes, new Uint8Array(scanWindow(segment, from)));
    let { maxTimestampMs, records } = from;
    while (cursor.position < segment.sizeBytes && cursor.header()) {
      const length = cursor.length();
      // Behind damage nothing is indexed until the next append; readers walk, and meet the damage themselves.
      if (length === -1) break;
      const { position } = cursor;
      // The time of arrival is known for the segment's end only; being late merely keeps messages for longer.
      const lastArrivalMs = segment.lastArrivalMs;
      const offset = batch.batchBaseOffset(cursor.bytes, cursor.at);
      if (writer.isDue(position)) writer.add({ offset, position, maxTimestampMs, lastArrivalMs, records });
      maxTimestampMs = Math.max(maxTimestampMs, batch.batchMaxTimestamp(cursor.bytes, cursor.at));
      records += messagesIn(cursor.bytes, cursor.at);
      cursor.advance(length);
    }
  } finally {
    files.release(file);
  }
}

function scanWindow(segment: Segment, from: IndexEntry): number {
  return Math.max(4096, Math.min(SCAN_CHUNK_BYTES, segment.sizeBytes - from.position));
}

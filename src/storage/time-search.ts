import { CodedError } from '../base/errors.js';
import type { DiskFile } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import { RecordCursor } from '../record/record-reader.js';
import { BatchCursor } from './batch-cursor.js';
import type { IndexEntry, IndexSearch } from './index-file.js';
import { READ_MIN_BYTES } from './limits.js';
import type { LogView, SegmentView } from './log-view.js';

/** A record's place and time. */
export interface TimeOffset {
  readonly offset: number;
  readonly timestampMs: number;
}

/** The first record at or above `startOffset` and below `endOffset` whose timestamp is at least `timestampMs`. @throws DiskError */
export function findTime(
  view: LogView,
  timestampMs: number,
  startOffset: number,
  endOffset: number,
): TimeOffset | undefined {
  for (let index = Math.max(0, view.find(startOffset)); index < view.segments.length; index++) {
    const segment = view.segments[index]!;
    if (segment.baseOffset >= endOffset) return undefined;
    const found = findInSegment(view, segment, timestampMs, startOffset, endOffset);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first record with the largest timestamp among those at or above `startOffset` and below `endOffset`. @throws DiskError */
export function findMaxTimestamp(view: LogView, startOffset: number, endOffset: number): TimeOffset | undefined {
  let max = Number.NEGATIVE_INFINITY;
  for (let index = Math.max(0, view.find(startOffset)); index < view.segments.length; index++) {
    const segment = view.segments[index]!;
    if (segment.baseOffset >= endOffset) break;
    max = Math.max(max, maxOfSegment(view, segment, startOffset, endOffset));
  }
  return max === Number.NEGATIVE_INFINITY ? undefined : findTime(view, max, startOffset, endOffset);
}

function findInSegment(
  view: LogView,
  segment: SegmentView,
  timestampMs: number,
  startOffset: number,
  endOffset: number,
): TimeOffset | undefined {
  const from = view.searchIndex(
    segment,
    (search) => lastEntry(search, (entry) => entry.maxTimestampMs < timestampMs),
    undefined,
  );
  let found: TimeOffset | undefined;
  walk(view, segment, from?.position ?? 0, endOffset, (cursor) => {
    const isCandidate =
      batch.batchMaxTimestamp(cursor.bytes, cursor.at) >= timestampMs &&
      batch.batchLastOffset(cursor.bytes, cursor.at) >= startOffset;
    if (isCandidate && cursor.whole()) found = findInBatch(cursor, timestampMs, startOffset);
    return found === undefined;
  });
  return found;
}

function findInBatch(cursor: BatchCursor, timestampMs: number, startOffset: number): TimeOffset | undefined {
  try {
    const records = new RecordCursor().open(cursor.bytes, cursor.at);
    while (records.next()) {
      if (records.offset >= startOffset && records.timestamp >= timestampMs) {
        return { offset: records.offset, timestampMs: records.timestamp };
      }
    }
    return undefined;
  } catch (cause) {
    // Records that cannot be decompressed here: the batch as a whole is the best answer.
    if (!(cause instanceof CodedError)) throw cause;
    const offset = Math.max(startOffset, batch.batchBaseOffset(cursor.bytes, cursor.at));
    return { offset, timestampMs: batch.batchMaxTimestamp(cursor.bytes, cursor.at) };
  }
}

/** Of a whole segment the index knows the answer; of the one that is being written, and of a part, the rest is walked. */
function maxOfSegment(view: LogView, segment: SegmentView, startOffset: number, endOffset: number): number {
  const isWhole = startOffset <= segment.baseOffset;
  const from = isWhole
    ? view.searchIndex(segment, (search) => lastEntry(search, (entry) => entry.offset <= endOffset), undefined)
    : undefined;
  let max = from === undefined || from.maxTimestampMs < 0 ? Number.NEGATIVE_INFINITY : from.maxTimestampMs;
  walk(view, segment, from?.position ?? 0, endOffset, (cursor) => {
    if (batch.batchLastOffset(cursor.bytes, cursor.at) >= startOffset) {
      max = Math.max(max, batch.batchMaxTimestamp(cursor.bytes, cursor.at));
    }
    return true;
  });
  return max;
}

function lastEntry(search: IndexSearch, isBefore: (entry: IndexEntry) => boolean): IndexEntry | undefined {
  const found = search.findLast(isBefore);
  return found === undefined || found < 0 ? undefined : search.entry(found);
}

/** Shows the visible batches from a position on, until told to stop; damage is passed over, or ends the walk where its end is unknown. */
function walk(
  view: LogView,
  segment: SegmentView,
  from: number,
  endOffset: number,
  visit: (cursor: BatchCursor) => boolean,
): void {
  const file: DiskFile = view.acquire(segment);
  try {
    const cursor = new BatchCursor(file, from, file.size(), new Uint8Array(READ_MIN_BYTES));
    while (cursor.header()) {
      const bad = segment.bad.find(
        (range) => cursor.position >= range.fromPosition && cursor.position < range.toPosition,
      );
      if (bad !== undefined) {
        cursor.advance(bad.toPosition - cursor.position);
        continue;
      }
      const length = cursor.length();
      if (length === -1) return;
      if (batch.batchLastOffset(cursor.bytes, cursor.at) >= endOffset || !visit(cursor)) return;
      cursor.advance(length);
    }
  } finally {
    view.release(file);
  }
}

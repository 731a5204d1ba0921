import { CodedError } from '../base/errors.js';
import { DiskError } from '../io/disk/disk-error.js';
import { FileCache } from '../io/disk/file-cache.js';
import type { Disk, DiskFile } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import { HEADER_BYTES } from '../record/layout.js';
import { isPlausibleHeader } from './batch-cursor.js';
import { StorageError } from './errors.js';
import { READ_MAX_BYTES, READ_MIN_BYTES, READ_VIEWS } from './limits.js';
import { LogView, type SegmentView } from './log-view.js';
import { findMaxTimestamp, findTime, type TimeOffset } from './time-search.js';
import { keepVisible } from './transaction-table.js';

/** Whole batches, in memory that is borrowed until the reader's next call. */
export interface ReadBatches {
  /** Starts with the batch that holds the offset asked for, or with the first one above it. May be empty. */
  readonly bytes: Uint8Array;
  /** Where reading goes on. */
  readonly nextOffset: number;
}

/** What a reader is made of. */
export interface LogReaderOptions {
  readonly disk: Disk;
  /** The data folder. */
  readonly directory: string;
  /** Files to keep open; default 256. */
  readonly openFiles?: number;
}

/**
 * Reads any log from any thread, without its owner: the caller passes the visible end and the version of the segment list, as the owner
 * published them. Files may be replaced or unlinked meanwhile; what is open stays readable.
 */
export class LogReader {
  private readonly disk: Disk;
  private readonly directory: string;
  private readonly files: FileCache;
  /** In the order in which they were made, which is nearly that of their last use: one that goes too early is made again. */
  private readonly views = new Map<number, LogView>();
  private scratch = new Uint8Array(READ_MIN_BYTES);

  constructor(options: LogReaderOptions) {
    this.disk = options.disk;
    this.directory = options.directory;
    this.files = new FileCache(options.disk, options.openFiles ?? 256);
  }

  /**
   * Reads whole batches from `offset` on: about `maxBytes` of them, but at least one, and none that reaches beyond `endOffset`. Offsets
   * that have no record are passed over.
   * @throws StorageError `offset-out-of-range` beyond the end; `corrupt`, with `resumeOffset`; `no-space` while too many files are open
   */
  read(logId: number, offset: number, maxBytes: number, endOffset: number, version: number): ReadBatches {
    if (offset > endOffset || offset < 0) {
      throw new StorageError('offset-out-of-range', `Cannot read log ${logId} at ${offset}: it ends at ${endOffset}`);
    }
    if (offset === endOffset) return { bytes: NO_BYTES, nextOffset: offset };
    return this.withView(logId, version, (view) => this.readVisible(view, offset, maxBytes, endOffset));
  }

  /**
   * The first record with a timestamp of at least `timestampMs`; undefined when there is none below `endOffset`.
   * @throws StorageError `corrupt`, `no-space`
   */
  offsetForTime(
    logId: number,
    timestampMs: number,
    startOffset: number,
    endOffset: number,
    version: number,
  ): TimeOffset | undefined {
    return this.withView(logId, version, (view) => findTime(view, timestampMs, startOffset, endOffset));
  }

  /** The first record with the largest timestamp below `endOffset`; undefined in an empty log. @throws StorageError `corrupt`, `no-space` */
  maxTimestamp(logId: number, startOffset: number, endOffset: number, version: number): TimeOffset | undefined {
    return this.withView(logId, version, (view) => findMaxTimestamp(view, startOffset, endOffset));
  }

  /** Forgets a log that was deleted. */
  forget(logId: number): void {
    this.views.get(logId)?.forget();
    this.views.delete(logId);
  }

  /** Closes all files. */
  close(): void {
    this.views.clear();
    this.files.closeAll();
  }

  /** Runs on the current list of segments; once more on a fresh one when a file is gone. @throws StorageError */
  private withView<T>(logId: number, version: number, use: (view: LogView) => T): T {
    try {
      return use(this.view(logId, version, false));
    } catch (cause) {
      // A segment may have been replaced under us: damage counts when a fresh look finds it too.
      const isStale = cause instanceof CodedError && (cause.code === 'not-found' || cause.code === 'corrupt');
      if (!isStale) throw readFailure(logId, cause);
    }
    try {
      return use(this.view(logId, version, true));
    } catch (cause) {
      throw readFailure(logId, cause);
    }
  }

  private view(logId: number, version: number, isStale: boolean): LogView {
    const known = this.views.get(logId);
    if (known !== undefined && known.version === version && !isStale) return known;
    known?.forget();
    const view = new LogView(this.disk, this.files, this.directory, logId, version);
    this.views.delete(logId);
    this.views.set(logId, view);
    if (this.views.size > READ_VIEWS) this.forgetOldest();
    return view;
  }

  /** A look at each of 10,000 logs must not leave 10,000 lists of segments behind. Files stay open, as far as there is room for them. */
  private forgetOldest(): void {
    const oldest = this.views.keys().next();
    if (oldest.done !== true) this.views.delete(oldest.value);
  }

  /** Leaves out what belongs to aborted transactions, and markers. */
  private readVisible(view: LogView, offset: number, maxBytes: number, endOffset: number): ReadBatches {
    const { aborted } = view;
    for (let from = offset; ; ) {
      const { bytes, nextOffset } = this.readView(view, from, maxBytes, endOffset);
      if (aborted === undefined || bytes.length === 0) return { bytes, nextOffset };
      const kept = keepVisible(bytes, bytes.length, aborted);
      if (kept > 0 || nextOffset >= endOffset) return { bytes: bytes.subarray(0, kept), nextOffset };
      from = nextOffset;
    }
  }

  private readView(view: LogView, offset: number, maxBytes: number, endOffset: number): ReadBatches {
    const first = view.find(offset);
    for (let index = Math.max(0, first); index < view.segments.length; index++) {
      const segment = view.segments[index]!;
      if (segment.baseOffset >= endOffset) break;
      const read = this.readSegment(view, segment, index === first ? offset : segment.baseOffset, maxBytes, endOffset);
      if (read !== undefined) return read;
    }
    return { bytes: NO_BYTES, nextOffset: endOffset };
  }

  private readSegment(
    view: LogView,
    segment: SegmentView,
    offset: number,
    maxBytes: number,
    endOffset: number,
  ): ReadBatches | undefined {
    checkQuarantine(view, segment, offset);
    const file = view.acquire(segment);
    try {
      const start = this.findStart(view, file, segment, offset, endOffset);
      if (start < 0) return undefined;
      return this.take(view, segment, file, start, maxBytes, endOffset);
    } finally {
      view.release(file);
    }
  }

  /** The position of the first batch that reaches `offset`, or -1 when there is none in this segment below the end. */
  private findStart(view: LogView, file: DiskFile, segment: SegmentView, offset: number, endOffset: number): number {
    let position = view.positionOf(segment, offset);
    let expected = segment.baseOffset;
    for (;;) {
      const length = file.read(this.scratch.subarray(0, READ_MIN_BYTES), position);
      let at = 0;
      while (at + HEADER_BYTES <= length) {
        const skipped = skipQuarantine(segment, position + at);
        if (skipped > 0) {
          at += skipped;
          continue;
        }
        const size = this.checkHeader(file, position + at, at, expected, offset);
        const last = batch.batchLastOffset(this.scratch, at);
        if (last >= endOffset) return -1;
        if (last >= offset) return position + at;
        expected = last + 1;
        at += size;
      }
      if (at === 0 || length < HEADER_BYTES) break;
      position += at;
    }
    checkLength(view, file, segment, position, offset);
    return -1;
  }

  /** Reads from a batch on, and keeps what is whole, sound and visible. */
  private take(
    view: LogView,
    segment: SegmentView,
    file: DiskFile,
    start: number,
    maxBytes: number,
    endOffset: number,
  ): ReadBatches {
    file.read(this.scratch.subarray(0, HEADER_BYTES), start);
    const first = batch.batchLength(this.scratch, 0);
    const wanted = Math.max(first, Math.min(maxBytes, READ_MAX_BYTES));
    if (this.scratch.length < wanted) this.scratch = new Uint8Array(wanted);
    const length = file.read(this.scratch.subarray(0, wanted), start);
    let at = 0;
    let nextOffset: number = batch.batchBaseOffset(this.scratch, 0);
    while (at + HEADER_BYTES <= length && skipQuarantine(segment, start + at) === 0) {
      if (!isPlausibleHeader(this.scratch, at)) break;
      const size = batch.batchLength(this.scratch, at);
      const last = batch.batchLastOffset(this.scratch, at);
      if (last < nextOffset || at + size > length || last >= endOffset) break;
      nextOffset = last + 1;
      at += size;
    }
    if (at === 0) throw corrupt(file, start, nextOffset);
    view.remember(segment, nextOffset, start + at);
    return { bytes: this.scratch.subarray(0, at), nextOffset };
  }

  private checkHeader(file: DiskFile, position: number, at: number, expected: number, offset: number): number {
    const isSound = isPlausibleHeader(this.scratch, at) && batch.batchBaseOffset(this.scratch, at) >= expected;
    if (!isSound) throw corrupt(file, position, offset);
    return batch.batchLength(this.scratch, at);
  }
}

const NO_BYTES = new Uint8Array(0);

/** What the disk says becomes storage's error, which readers know how to answer. */
function readFailure(logId: number, cause: unknown): unknown {
  if (!(cause instanceof DiskError)) return cause;
  const code = cause.code === 'descriptor-limit' ? 'no-space' : 'corrupt';
  return new StorageError(code, `Cannot read log ${logId}: ${cause.message}`, cause);
}

/**
 * The batches of a segment end at `position`, and none of them reaches `offset`, which is below the log's end: that is so where offsets without
 * records follow, and where somebody has shortened the file. Its index knows how long it was at least, and all of a closed segment; what was cut
 * off the end of the last one between two batches, its owner finds at the next start.
 * @throws StorageError `corrupt`
 */
function checkLength(view: LogView, file: DiskFile, segment: SegmentView, position: number, offset: number): void {
  const size = file.size();
  const indexed = view.indexedBytes(segment);
  // Behind what the index knows there may be the rest of a write that found no room.
  if (size >= indexed && (position === size || position === indexed)) return;
  const next = view.segments[view.segments.indexOf(segment) + 1];
  const message = `Cannot read offset ${offset}: "${file.path}" has been shortened to ${size} bytes`;
  throw new StorageError('corrupt', message, undefined, next?.baseOffset);
}

function corrupt(file: DiskFile, position: number, offset: number): StorageError {
  return new StorageError('corrupt', `Cannot read offset ${offset}: "${file.path}" has no batch at byte ${position}`);
}

/** @throws StorageError `corrupt` when the offset is among those that are lost */
function checkQuarantine(view: LogView, segment: SegmentView, offset: number): void {
  for (const { fromOffset, toOffset } of segment.bad) {
    if (offset < fromOffset || offset >= toOffset) continue;
    const message = `Cannot read offset ${offset} in "${view.directory}": offsets ${fromOffset} to ${toOffset - 1} are damaged`;
    throw new StorageError('corrupt', message, undefined, toOffset);
  }
}

/** How many bytes to pass over at this position, because they are damaged. */
function skipQuarantine(segment: SegmentView, position: number): number {
  for (const { fromPosition, toPosition } of segment.bad) {
    if (position >= fromPosition && position < toPosition) return toPosition - position;
  }
  return 0;
}

import type { FileCache } from '../io/disk/file-cache.js';
import type { DiskFile } from '../io/ports.js';
import { type SegmentFileKind, segmentPath } from './paths.js';

/** What a segment's batches add up to. Times are -1 where there is none. */
export interface SegmentSums {
  endOffset: number;
  sizeBytes: number;
  records: number;
  maxTimestampMs: number;
  lastArrivalMs: number;
}

/**
 * A segment as its owner knows it. `sizeBytes` is what is in the file; bytes beyond it mean nothing.
 * The file stays open while somebody holds it, and somebody does while it has unsynced bytes: the kernel may tell of a
 * failed write-back only those who had the file open.
 */
export class Segment implements SegmentSums {
  readonly baseOffset: number;
  /** The next segment's base, or the log's end. */
  endOffset: number;
  sizeBytes = 0;
  records = 0;
  maxTimestampMs = -1;
  lastArrivalMs = -1;
  /** When the first batch came; decides when to roll. */
  firstArrivalMs = -1;
  /** Bytes that a sync of the file covers. */
  syncedBytes = 0;
  /** Bytes that a sync of the file or of the journal covers, or will once the commit under way is over. */
  safeBytes = 0;
  /**
   * Bytes below this, as far as they are unsynced, were written under handles that are closed, and are safe in a set of checkpoints or not confirmed:
   * whoever syncs the file writes them again first, since the kernel may have failed to write them and told nobody.
   */
  unheldBytes = 0;
  /** Syncs of the file that threads of the pool wait for: one may have been told of a failure already that no other is told of. */
  syncsUnderWay = 0;
  /** Position up to which the kernel was asked to start writing. */
  writebackBytes = 0;
  /** Since when a queue's cursor has been done with all of it; -1 when it is not, or nobody has looked yet. */
  doneSinceMs = -1;
  /** The segment is not part of the log any more. */
  isRemoved = false;
  private readonly directory: string;
  private file: DiskFile | undefined;
  private holders = 0;
  private isHeldForSync = false;

  constructor(directory: string, baseOffset: number) {
    this.directory = directory;
    this.baseOffset = baseOffset;
    this.endOffset = baseOffset;
  }

  /** One of the segment's files. */
  path(kind: SegmentFileKind): string {
    return segmentPath(this.directory, this.baseOffset, kind);
  }

  /** Whether a sync is still to come for some of its bytes. */
  get isUnsynced(): boolean {
    return this.syncedBytes < this.sizeBytes;
  }

  /** Opens the file for writing, or shares the open handle; paired with `drop`. @throws DiskError */
  hold(files: FileCache, mode: 'write' | 'create' = 'write'): DiskFile {
    this.file ??= files.acquire(this.path('log'), mode);
    this.holders++;
    return this.file;
  }

  /** Gives a hold back. */
  drop(files: FileCache): void {
    this.holders--;
    if (this.holders > 0 || this.file === undefined) return;
    files.release(this.file);
    this.file = undefined;
  }

  /** Keeps the file open until `settle` finds everything synced. @throws DiskError */
  holdUntilSynced(files: FileCache): DiskFile {
    if (!this.isHeldForSync) {
      this.hold(files);
      this.isHeldForSync = true;
    }
    // A hold sets the file.
    return this.file as DiskFile;
  }

  /** Lets the file go once all of it is synced, or when that no longer matters. */
  settle(files: FileCache): void {
    if (!this.isHeldForSync || (this.isUnsynced && !this.isRemoved)) return;
    this.isHeldForSync = false;
    this.drop(files);
  }

  /** A copy of the sums, to return to when a write fails. */
  sums(): SegmentSums {
    const { endOffset, sizeBytes, records, maxTimestampMs, lastArrivalMs } = this;
    return { endOffset, sizeBytes, records, maxTimestampMs, lastArrivalMs };
  }

  /** Takes sums over. */
  setSums(sums: SegmentSums): void {
    this.endOffset = sums.endOffset;
    this.sizeBytes = sums.sizeBytes;
    this.records = sums.records;
    this.maxTimestampMs = sums.maxTimestampMs;
    this.lastArrivalMs = sums.lastArrivalMs;
  }
}

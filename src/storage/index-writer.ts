import type { FileCache } from '../io/disk/file-cache.js';
import type { DiskFile } from '../io/ports.js';
import {
  encodeIndexEntry,
  encodeIndexHeader,
  INDEX_ENTRY_BYTES,
  INDEX_HEADER_BYTES,
  type IndexEntry,
  IndexSearch,
} from './index-file.js';
import { INDEX_BATCH_ENTRIES, INDEX_INTERVAL_BYTES } from './limits.js';
import type { Segment } from './segment.js';

/** Entries beyond the segment's end are to be found and cut off here, not to be taken for damage. */
const UNBOUNDED = 0xffff_ffff;

/**
 * Grows the index of the segment that is being written. An index that cannot be written is given up without harm: it can be rebuilt, and
 * until then readers walk further.
 */
export class IndexWriter {
  private readonly segment: Segment;
  private readonly files: FileCache;
  private pending: IndexEntry[] = [];
  private entriesInFile: number;
  private lastPosition: number;
  private isGivenUp = false;

  /** `entriesInFile` is -1 when there is no file yet. */
  constructor(segment: Segment, files: FileCache, entriesInFile = -1, lastPosition = 0) {
    this.segment = segment;
    this.files = files;
    this.entriesInFile = entriesInFile;
    this.lastPosition = lastPosition;
  }

  /** Whether a batch that begins at `position` gets an entry. */
  isDue(position: number): boolean {
    return position - this.lastPosition >= INDEX_INTERVAL_BYTES;
  }

  /** Adds an entry; the sums are those before the batch. */
  add(entry: IndexEntry): void {
    this.pending.push(entry);
    this.lastPosition = entry.position;
  }

  /** It could not be written: what is in the file, if anything, may be about batches that were never there. */
  get failed(): boolean {
    return this.isGivenUp;
  }

  /** Forgets entries at or beyond `position`: the batches were not written. */
  rollback(position: number): void {
    while (this.pending.length > 0 && this.pending[this.pending.length - 1]!.position >= position) this.pending.pop();
    const last = this.pending[this.pending.length - 1];
    // What is in the file was written after its batches, so it stays.
    this.lastPosition = last?.position ?? Math.min(this.lastPosition, position);
  }

  /** Writes held-back entries when there are enough of them; only for batches that are in the segment. */
  writeDue(): void {
    if (this.pending.length >= INDEX_BATCH_ENTRIES) this.write();
  }

  /** Writes all held-back entries. */
  write(): void {
    if (this.isGivenUp || this.pending.length === 0) return;
    try {
      this.writePending();
    } catch {
      this.isGivenUp = true;
    }
    this.pending = [];
  }

  /** Ends the index of a segment that gets no more batches. */
  finish(): void {
    const { endOffset, sizeBytes, maxTimestampMs, lastArrivalMs, records } = this.segment;
    this.pending.push({ offset: endOffset, position: sizeBytes, maxTimestampMs, lastArrivalMs, records });
    this.write();
  }

  private writePending(): void {
    const { pending, segment } = this;
    const file = this.files.acquire(segment.path('index'), 'write');
    try {
      if (this.entriesInFile < 0) this.start(file);
      const bytes = new Uint8Array(pending.length * INDEX_ENTRY_BYTES);
      for (const [index, entry] of pending.entries()) {
        encodeIndexEntry(bytes, index * INDEX_ENTRY_BYTES, segment.baseOffset, entry);
      }
      file.write(bytes, INDEX_HEADER_BYTES + this.entriesInFile * INDEX_ENTRY_BYTES);
      this.entriesInFile += pending.length;
    } finally {
      this.files.release(file);
    }
  }

  private start(file: DiskFile): void {
    cut(file, 0);
    file.write(encodeIndexHeader(this.segment.baseOffset), 0);
    this.entriesInFile = 0;
  }
}

/**
 * Takes an index up again: keeps the entries for positions up to `position`, and cuts the rest off. Returns undefined when the index is
 * missing or damaged, and must be rebuilt.
 */
export function resumeIndex(segment: Segment, files: FileCache, position: number): IndexWriter | undefined {
  let file: DiskFile | undefined;
  try {
    file = files.acquire(segment.path('index'), 'write');
    const search = IndexSearch.open(file, segment.baseOffset, UNBOUNDED);
    const last = search?.findLast((entry) => entry.position <= position);
    if (search === undefined || last === undefined) return undefined;
    cut(file, INDEX_HEADER_BYTES + (last + 1) * INDEX_ENTRY_BYTES);
    const lastPosition = last < 0 ? 0 : (search.entry(last)?.position ?? 0);
    return new IndexWriter(segment, files, last + 1, lastPosition);
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) files.release(file);
  }
}

/**
 * Cuts entries off, for good: without a sync a power loss could bring them back, and readers take a file that is shorter than its index says for one
 * that somebody has shortened.
 */
function cut(file: DiskFile, sizeBytes: number): void {
  if (file.size() <= sizeBytes) return;
  file.truncate(sizeBytes);
  file.syncNow();
}

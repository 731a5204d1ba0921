import { DiskError } from '../io/disk/disk-error.js';
import type { FileCache } from '../io/disk/file-cache.js';
import type { Disk, DiskFile } from '../io/ports.js';
import { IndexSearch } from './index-file.js';
import { READ_POSITIONS } from './limits.js';
import { logDirectory, segmentBaseOf, segmentPath } from './paths.js';
import { type BadRange, readQuarantine } from './quarantine.js';
import type { AbortedRange } from './transaction-table.js';
import { readTransactions, TRANSACTIONS_FILE } from './transactions-file.js';

/** A segment as readers see it. */
export interface SegmentView {
  readonly baseOffset: number;
  /** Bytes that are not what was written, in order. */
  readonly bad: readonly BadRange[];
}

/** Where a reader stopped: the batch that holds or follows `offset` begins at or behind `position`. */
interface ReadPosition {
  readonly segment: SegmentView;
  readonly position: number;
}

/** The segments of one log at one version of its list, and where its readers stopped. */
export class LogView {
  readonly directory: string;
  readonly version: number;
  readonly segments: readonly SegmentView[];
  /** What was aborted; undefined for a log that never had a transaction. */
  readonly aborted: readonly AbortedRange[] | undefined;
  private readonly disk: Disk;
  private readonly files: FileCache;
  /** By the offset to go on with; the oldest is forgotten first. */
  private readonly positions = new Map<number, ReadPosition>();

  /** Lists the log's folder. @throws DiskError */
  constructor(disk: Disk, files: FileCache, dataDirectory: string, logId: number, version: number) {
    this.disk = disk;
    this.files = files;
    this.directory = logDirectory(dataDirectory, logId);
    this.version = version;
    const names = listOrNothing(disk, this.directory);
    this.aborted = names.includes(TRANSACTIONS_FILE) ? readTransactions(disk, this.directory) : undefined;
    const isQuarantined = new Set(names.filter((name) => name.endsWith('.quarantine')));
    const segments: SegmentView[] = [];
    for (const name of names) {
      const baseOffset = segmentBaseOf(name);
      if (baseOffset < 0) continue;
      const path = segmentPath(this.directory, baseOffset, 'quarantine');
      const hasBad = isQuarantined.has(path.slice(this.directory.length + 1));
      segments.push({ baseOffset, bad: hasBad ? readQuarantine(disk, path) : [] });
    }
    this.segments = segments.sort((left, right) => left.baseOffset - right.baseOffset);
  }

  /** Index of the segment in which `offset` lies, or of the first one; -1 when there are none. */
  find(offset: number): number {
    let low = 0;
    let high = this.segments.length - 1;
    let found = Math.min(0, high);
    while (low <= high) {
      const middle = (low + high) >>> 1;
      if (this.segments[middle]!.baseOffset <= offset) {
        found = middle;
        low = middle + 1;
      } else high = middle - 1;
    }
    return found;
  }

  /** Opens a segment's batches for reading. Pair with `release`. @throws DiskError */
  acquire(segment: SegmentView): DiskFile {
    return this.files.acquire(segmentPath(this.directory, segment.baseOffset, 'log'));
  }

  release(file: DiskFile): void {
    this.files.release(file);
  }

  /** A position at or before the batch that holds `offset`, as near as is known. @throws DiskError */
  positionOf(segment: SegmentView, offset: number): number {
    const remembered = this.positions.get(offset);
    if (remembered?.segment === segment) return remembered.position;
    return this.searchIndex(
      segment,
      (search) => {
        const found = search.findLast((entry) => entry.offset <= offset);
        return found === undefined || found < 0 ? 0 : (search.entry(found)?.position ?? 0);
      },
      0,
    );
  }

  /** How many bytes the segment has as far as its index knows, which is all of them once it is closed; -1 without an index. @throws DiskError */
  indexedBytes(segment: SegmentView): number {
    const ofLast = (search: IndexSearch): number | undefined =>
      search.count === 0 ? undefined : search.entry(search.count - 1)?.position;
    return this.searchIndex(segment, ofLast, undefined) ?? -1;
  }

  /** Notes that the reader of `offset` goes on at `position`. */
  remember(segment: SegmentView, offset: number, position: number): void {
    this.positions.delete(offset);
    this.positions.set(offset, { segment, position });
    if (this.positions.size <= READ_POSITIONS) return;
    const oldest = this.positions.keys().next();
    if (oldest.done !== true) this.positions.delete(oldest.value);
  }

  /** Asks a segment's index, or gives `otherwise` when there is none that can be trusted. */
  searchIndex<T>(segment: SegmentView, ask: (search: IndexSearch) => T, otherwise: T): T {
    const path = segmentPath(this.directory, segment.baseOffset, 'index');
    // Short segments have none: a look is cheaper than a failure.
    if (!this.disk.exists(path)) return otherwise;
    let file: DiskFile;
    try {
      file = this.files.acquire(path);
    } catch (cause) {
      if (cause instanceof DiskError) return otherwise;
      throw cause;
    }
    try {
      const search = IndexSearch.open(file, segment.baseOffset, SEGMENT_UNBOUNDED);
      return search === undefined ? otherwise : ask(search);
    } finally {
      this.files.release(file);
    }
  }

  /** Lets go of the files: they may have been replaced. */
  forget(): void {
    for (const { baseOffset } of this.segments) {
      for (const kind of ['log', 'index'] as const) this.files.forget(segmentPath(this.directory, baseOffset, kind));
    }
  }
}

/** A reader does not know the segment's size; what an index points to is checked when it is read. */
const SEGMENT_UNBOUNDED = 0xffff_ffff;

function listOrNothing(disk: Disk, directory: string): string[] {
  try {
    return disk.list(directory);
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'not-found') return [];
    throw cause;
  }
}

/**
 * What any shard may know of any log without asking its owner: the bounds in shared memory, and the files.
 */

/** The bounds of a log, from the shared partition table. */
export interface LogBounds {
  readonly logStart: number;
  /** The next offset to become visible (high watermark). */
  readonly end: number;
  readonly durableEnd: number;
  readonly leaderEpoch: number;
  /** Messages that a queue's cursor could hand out. */
  readonly ready: number;
}

/** The shared partition table, read side, and the wish to be told of changes. */
export interface LogBoundsTable {
  /** A fresh reading of one slot. */
  read(slot: number): LogBounds;
  /** Whether this shard wants `advanced` calls for the slot. */
  setInterest(slot: number, interested: boolean): void;
}

/** Reads logs by their files. Throws StorageError: `corrupt`, `offset-out-of-range`, and `no-space` while too many files are open. */
export interface LogFiles {
  /**
   * Whole batches, from the one that holds `offset` (or the first after it) up to `end`: at most `maxBytes`, but at least one batch where there is
   * any. The view is valid until the next call. Empty at the end.
   */
  read(logId: number, slot: number, offset: number, maxBytes: number, end: number): Uint8Array;
  /** The first record at or after a time, below `end`. */
  offsetForTime(
    logId: number,
    slot: number,
    timestampMs: number,
    end: number,
  ): { offset: number; timestampMs: number } | undefined;
  /** The log was deleted: forgets its open files. */
  forget(logId: number): void;
}

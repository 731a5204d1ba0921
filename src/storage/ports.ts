import type { StorageError } from './errors.js';
import type { TransactionExtent } from './transaction-table.js';

/** What the owner publishes about a log. A PartitionLog is one. Offsets; `visibleEnd` is the high watermark of a log without replicas. */
export interface LogProgress {
  readonly logId: number;
  /** Index in the shared partition table. */
  readonly slot: number;
  readonly logStart: number;
  readonly logEnd: number;
  readonly durableEnd: number;
  readonly visibleEnd: number;
  readonly leaderEpoch: number;
  /** Moves whenever segments appear, go, or are rewritten. */
  readonly segmentListVersion: number;
}

/** Where storage tells all threads how far its logs are; over the shared partition table in a node. */
export interface PartitionProgress {
  /** Called when any of the values changed; `log` must not be kept. */
  publish(log: LogProgress): void;
}

/** Settings of one log. Times are milliseconds, sizes bytes; -1 means without limit. */
export interface LogConfig {
  readonly segmentBytes: number;
  readonly segmentMs: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** How long acknowledged messages stay readable by offset before the cleaner may take them. */
  readonly lingerMs: number;
}

/** What a companion may know when recovery ends. */
export interface RecoveredBounds {
  readonly logStart: number;
  /** No message at or beyond this offset exists: whatever names one is to be dropped. */
  readonly logEnd: number;
  /** The next offset to be given away; above `logEnd` after power loss. */
  readonly nextOffset: number;
  /** Nothing can have been lost since the companion's last change. */
  readonly clean: boolean;
  /** Number of records at or above an offset. May read the segment's bytes. */
  recordsAbove(offset: number): number;
  /** Whether a transaction that the last start has left open is committed; otherwise it is aborted. */
  isCommitted(producerId: number, epoch: number): boolean;
  /** What is aborted by this recovery: it was appended, and will never be shown. */
  readonly aborted: readonly TransactionExtent[];
}

/** The owner's small state beside a log, as storage sees it. Implemented by the broker. */
export interface Companion {
  /** The full state, for a checkpoint; storage copies it. */
  snapshot(): Uint8Array;
  /** Starts from a checkpoint's snapshot, or from nothing. */
  restore(snapshot: Uint8Array | undefined): void;
  /** Replays one journaled change, in order; borrowed. */
  apply(change: Uint8Array): void;
  /** Recovery is over. */
  recovered(bounds: RecoveredBounds): void;
  /** Whether changes of transactions wait for their decision. */
  readonly hasPendingTransactions?: boolean;
  /** Messages below this offset may be removed by retention; Infinity when there is no cursor. */
  retainFrom(): number;
  /** Whether the cursor is done with the message at this offset. Without a cursor: false. */
  isAcknowledged(offset: number): boolean;
}

/** A log for storage to create or recover. */
export interface LogDescription {
  readonly logId: number;
  readonly slot: number;
  readonly config: LogConfig;
  readonly companion: Companion;
  /**
   * Batches that `append` took were not written, and never will be: offsets from `fromOffset` up to but without `toOffset`. They are
   * given to later messages. Called from within `append` or `flush`.
   */
  readonly appendFailed?: (fromOffset: number, toOffset: number, error: StorageError) => void;
}

/** The companion of a log that has none. */
export const NO_COMPANION: Companion = {
  snapshot: () => new Uint8Array(0),
  restore: () => {},
  apply: () => {},
  recovered: () => {},
  retainFrom: () => Number.POSITIVE_INFINITY,
  isAcknowledged: () => false,
};

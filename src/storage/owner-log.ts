import type { StorageError } from './errors.js';
import type { LogConfig, LogProgress } from './ports.js';

/** What the owner of a partition uses of its log, wherever the messages are: in files (PartitionLog) or in memory (MemoryLog). */
export interface OwnerLog extends LogProgress {
  /** It ends with this start of the node: nothing of it is ever written, and `memory` is all that its messages reach. */
  readonly isVolatile: boolean;
  /** The next offset to be given away. */
  readonly nextOffset: number;
  /** Why the log stopped serving, if it did. */
  readonly offline: StorageError | undefined;
  /** The batch given to the last `append` was there already: the offset returned was its first one. */
  readonly lastAppendWasDuplicate: boolean;
  /** Bytes that the log takes, of disk or of memory. */
  readonly sizeBytes: number;
  /** Pieces that the log is kept in. */
  readonly segmentCount: number;
  config: LogConfig;
  /**
   * Appends one verified batch, which lies at `at` and is borrowed; its offset and epoch are patched in place. Returns its base offset, or, with
   * `lastAppendWasDuplicate`, that of the same batch appended before.
   * @throws StorageError `out-of-order-sequence`, `producer-fenced`, `no-space`, `log-offline`
   */
  append(bytes: Uint8Array, at: number, length: number, arrivalMs: number): number;
  /**
   * Ends a transaction that has appended here: its marker is appended, and what it held back can be seen after the next flush. Nothing happens when
   * it is not open. False when the marker could not be written yet: the decision must be kept.
   * @throws StorageError `no-space` when an abort cannot be told to readers: it is to be tried again; `log-offline`
   */
  endTransaction(producerId: number, epoch: number, isCommit: boolean): boolean;
  /** Keeps one change of the companion, as safely as the log keeps anything. @throws StorageError */
  recordChange(change: Uint8Array): void;
  /** Stops serving for good. */
  goOffline(error: StorageError): void;
  /** Number of records at or above `offset`. */
  recordsAbove(offset: number): number;
  /** Gives back the memory of what the companion is done with; nothing to do for logs in files, whose space maintenance gives back. */
  release(): void;
}

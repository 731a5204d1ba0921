import { CodedError } from '../base/errors.js';

/**
 * Why storage could not do what it was asked:
 * - `out-of-order-sequence`: a producer's batch does not continue its sequence;
 * - `producer-fenced`: a newer incarnation of the producer has written already;
 * - `no-space`: the disk or the descriptor table is full; later appends may succeed;
 * - `log-offline`: the log stopped serving after the disk failed; only a restart brings it back;
 * - `shard-offline`: the same for all logs of a shard, because its journal failed;
 * - `offset-out-of-range`: the offset is below the log's start or beyond its end;
 * - `corrupt`: the bytes asked for are not those that were written;
 * - `too-large`: the batch, change or request exceeds a limit;
 * - `bad-format`: a file of ours has a version or a content that this program cannot read;
 * - `log-exists`, `log-not-found`: the log id is taken, or unknown here;
 * - `closed`: storage was closed before.
 */
export type StorageErrorCode =
  | 'out-of-order-sequence'
  | 'producer-fenced'
  | 'no-space'
  | 'log-offline'
  | 'shard-offline'
  | 'offset-out-of-range'
  | 'corrupt'
  | 'too-large'
  | 'bad-format'
  | 'log-exists'
  | 'log-not-found'
  | 'closed';

/** An operating error of storage. The message says what could not be done, to what, and the value that stood in the way. */
export class StorageError extends CodedError<StorageErrorCode> {
  /** For `corrupt`: the first offset behind the bad bytes, where reading can go on; -1 where that is not known. */
  readonly resumeOffset: number;

  constructor(code: StorageErrorCode, message: string, cause?: unknown, resumeOffset = -1) {
    super(code, message, cause);
    this.resumeOffset = resumeOffset;
  }
}

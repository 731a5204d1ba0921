import { CodedError } from '../../base/errors.js';

/**
 * What a disk refused:
 * - `not-found`, `exists`, `is-directory`, `not-directory`, `not-empty`, `permission`: about the path;
 * - `no-space`: the file system or a quota is full;
 * - `io`: the device failed; after a failed sync nobody may try again;
 * - `descriptor-limit`: the process or the machine has too many files open;
 * - `locked`: another process holds the lock; `closed`: the file was closed before;
 * - `too-large`: larger than the file system or the caller's limit allows; `invalid`: an argument that makes no sense;
 * - `unsupported`: this file system or platform cannot do it; `unknown`: anything else, see `errno`.
 */
export type DiskErrorCode =
  | 'not-found'
  | 'exists'
  | 'is-directory'
  | 'not-directory'
  | 'not-empty'
  | 'permission'
  | 'no-space'
  | 'io'
  | 'descriptor-limit'
  | 'locked'
  | 'closed'
  | 'too-large'
  | 'invalid'
  | 'unsupported'
  | 'unknown';

/** What was being done when a disk refused. */
export type DiskOperation =
  | 'open'
  | 'size'
  | 'read'
  | 'write'
  | 'sync'
  | 'allocate'
  | 'truncate'
  | 'close'
  | 'list'
  | 'mkdir'
  | 'rename'
  | 'unlink'
  | 'remove'
  | 'sync-directory'
  | 'free-space'
  | 'lock';

const CODE_OF_ERRNO: ReadonlyMap<string, DiskErrorCode> = new Map([
  ['ENOENT', 'not-found'],
  ['EEXIST', 'exists'],
  ['EISDIR', 'is-directory'],
  ['ENOTDIR', 'not-directory'],
  ['ENOTEMPTY', 'not-empty'],
  ['EACCES', 'permission'],
  ['EPERM', 'permission'],
  ['EROFS', 'permission'],
  ['ENOSPC', 'no-space'],
  ['EDQUOT', 'no-space'],
  ['EIO', 'io'],
  ['EMFILE', 'descriptor-limit'],
  ['ENFILE', 'descriptor-limit'],
  ['EBADF', 'closed'],
  ['EFBIG', 'too-large'],
  ['EINVAL', 'invalid'],
  ['ENAMETOOLONG', 'invalid'],
  ['ENOSYS', 'unsupported'],
  ['ENOTSUP', 'unsupported'],
  ['EOPNOTSUPP', 'unsupported'],
]);

/** Details that only some disk errors carry. */
export interface DiskErrorDetails {
  readonly bytesWritten?: number;
  readonly holderPid?: number | undefined;
  readonly errno?: string | undefined;
  readonly cause?: unknown;
}

/** The only error that a `Disk` or a `DiskFile` throws, apart from broken invariants. */
export class DiskError extends CodedError<DiskErrorCode> {
  readonly operation: DiskOperation;
  readonly path: string;
  /** The operating system's name for the error, such as `EIO`; `undefined` where none was given. */
  readonly errno: string | undefined;
  /** How many bytes of a failed write are in the file; 0 for other operations. */
  readonly bytesWritten: number;
  /** For `locked`: who holds the lock, where that is known. */
  readonly holderPid: number | undefined;

  constructor(
    code: DiskErrorCode,
    operation: DiskOperation,
    path: string,
    reason: string,
    details: DiskErrorDetails = {},
  ) {
    super(code, `Cannot ${operation} "${path}": ${reason}`, details.cause);
    this.operation = operation;
    this.path = path;
    this.errno = details.errno;
    this.bytesWritten = details.bytesWritten ?? 0;
    this.holderPid = details.holderPid;
  }
}

function errnoOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}

/** Translates what `node:fs` throws. A `DiskError` is passed on as it is. */
export function toDiskError(cause: unknown, operation: DiskOperation, path: string, bytesWritten = 0): DiskError {
  if (cause instanceof DiskError) return cause;
  const errno = errnoOf(cause);
  const code = (errno === undefined ? undefined : CODE_OF_ERRNO.get(errno)) ?? 'unknown';
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new DiskError(code, operation, path, reason, { errno, bytesWritten, cause });
}

/** The error of a file that is used after it was closed. */
export function closedError(operation: DiskOperation, path: string): DiskError {
  return new DiskError('closed', operation, path, 'the file was closed before');
}

import { createRequire } from 'node:module';
import type { LibraryHandle } from 'koffi';

/** See `Libc.startWriteback`. */
export type StartWriteback = (descriptor: number, position: number, length: number, done: () => void) => void;

/** The C library calls that `node:fs` does not offer. */
export interface Libc {
  /**
   * Takes an exclusive `flock` on an open file without waiting.
   * @returns whether this process has it now; false means that another holder has it.
   * @throws Error with the number of the error when the file system cannot lock.
   */
  tryExclusiveLock(descriptor: number): boolean;
  /**
   * Begins write-back of a range (Linux `sync_file_range`) on the thread pool, as it waits when the device's queue is full;
   * calls `done` when it has begun or failed. `undefined` on other platforms.
   */
  readonly startWriteback: StartWriteback | undefined;
}

const LOCK_EXCLUSIVE = 2;
const LOCK_NON_BLOCKING = 4;
const SYNC_FILE_RANGE_WRITE = 2;

let loaded: { readonly libc: Libc | undefined } | undefined;

/** The C library of this process, or `undefined` where it cannot be called. Loaded once, on the first call. */
export function loadLibc(): Libc | undefined {
  loaded ??= { libc: tryLoad() };
  return loaded.libc;
}

function tryLoad(): Libc | undefined {
  try {
    // Required, not imported: a platform without a prebuilt binary must be able to start without it.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    // No name means the process itself, so this finds glibc, musl and libSystem alike.
    const library = koffi.load(null);
    const flock = library.func('int flock(int descriptor, int operation)');
    const { EAGAIN } = koffi.os.errno;
    return {
      tryExclusiveLock(descriptor) {
        if (flock(descriptor, LOCK_EXCLUSIVE | LOCK_NON_BLOCKING) === 0) return true;
        const errno = koffi.errno();
        if (errno === EAGAIN) return false;
        throw new Error(`flock failed with error number ${errno}`);
      },
      startWriteback: process.platform === 'linux' ? writebackWith(library) : undefined,
    };
  } catch {
    return undefined;
  }
}

function writebackWith(library: LibraryHandle): StartWriteback {
  const prototype = 'int sync_file_range(int descriptor, int64 offset, int64 length, unsigned int flags)';
  const syncFileRange = library.func(prototype);
  return (descriptor, position, length, done) => {
    // The result is not looked at: it is a hint, and a failed write-back shows in the next fdatasync.
    syncFileRange.async(descriptor, position, length, SYNC_FILE_RANGE_WRITE, () => done());
  };
}

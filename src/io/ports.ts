/**
 * What the rest of Duolog may ask of the operating system, as types. Everything below `src/node` takes these as
 * parameters, so that a test can pass a simulated clock and a simulated disk. Types only: importing this file costs
 * nothing at run time. The implementations are in `src/io/clock`, `src/io/random` and `src/io/disk`.
 */

/** Tells the time. */
export interface Clock {
  /** Milliseconds since 1970-01-01 UTC. May jump in both directions: never subtract two of them to measure a duration. */
  nowMs(): number;
  /** Milliseconds since an arbitrary start, with fractions; never goes back. For durations and deadlines. */
  monotonicMs(): number;
}

/** A pending timeout. Node's `Timeout` fits. */
export interface TimerHandle {
  /** Lets the process end although this timeout is pending. */
  unref(): unknown;
}

/** A pending immediate callback. Node's `Immediate` fits. */
export interface ImmediateHandle {
  /** Lets the process end although this callback is pending. */
  unref(): unknown;
}

/** Calls back later, never from within the call that asks for it. */
export interface Timers {
  /** Calls `callback` once, at the earliest after `delayMs` milliseconds. */
  setTimeout(callback: () => void, delayMs: number): TimerHandle;
  /** Forgets a timeout. One that has fired or was cleared already is ignored. */
  clearTimeout(handle: TimerHandle): void;
  /** Calls `callback` once, after the events that are waiting now. */
  setImmediate(callback: () => void): ImmediateHandle;
  /** Forgets an immediate callback. One that has run or was cleared already is ignored. */
  clearImmediate(handle: ImmediateHandle): void;
}

/** A source of random numbers; the real one is fit for tokens and ids. */
export interface Random {
  /** `length` random bytes in an array of their own. */
  bytes(length: number): Uint8Array;
  /** A whole number, evenly distributed over 0 to 2^32 - 1. */
  uint32(): number;
}

/**
 * How to open a file:
 * - `read`: an existing file, for reading only;
 * - `write`: an existing file or a new empty one, for reading and writing; what it holds stays;
 * - `create`: a new empty file, for reading and writing; code `exists` when the path is taken.
 */
export type OpenMode = 'read' | 'write' | 'create';

/**
 * A file system. Every method that fails throws a `DiskError` (`src/io/disk/disk-error.ts`); asynchronous methods
 * reject with one. Sizes and positions are bytes. A directory entry (create, rename, unlink) survives power loss only
 * after `syncDirectory` of its directory; a file's content only after `sync` of the file.
 */
export interface Disk {
  /** Opens a file. Codes: `not-found`, `exists`, `is-directory`, `permission`, `descriptor-limit`, `no-space`. */
  open(path: string, mode: OpenMode): DiskFile;
  /** The names (not paths) in a directory, sorted by UTF-16 code unit. Code `not-found` when there is none. */
  list(directory: string): string[];
  /** Whether a file or a directory has this path. */
  exists(path: string): boolean;
  /** Makes a directory and those above it. One that exists is no error. */
  mkdir(path: string): void;
  /** Gives a file or directory another path; a file that is there is replaced atomically. */
  rename(from: string, to: string): void;
  /** Removes a file's name. Those who have it open go on reading it. Code `not-found` when there is none. */
  unlink(path: string): void;
  /** Removes a directory (or a file) with everything in it. One that does not exist is no error. */
  remove(path: string): void;
  /** Makes the entries of a directory survive power loss, and waits for it on the calling thread. */
  syncDirectory(path: string): void;
  /** Makes the entries of a directory survive power loss, without holding up the calling thread. */
  syncDirectoryAsync(path: string): Promise<void>;
  /** A whole file, in an array of its own. For small files. */
  readFile(path: string): Uint8Array;
  /**
   * Replaces a small file so that, power loss or not, it holds either its old bytes or the new ones: writes
   * `path + '.tmp'`, syncs it, renames it, syncs the directory. Durable when it returns.
   */
  writeFileAtomic(path: string, bytes: Uint8Array): void;
  /** Bytes that this process may still write to the file system that holds `path`. */
  freeBytes(path: string): number;
  /** Size in bytes of the file system that holds `path`. */
  totalBytes(path: string): number;
  /**
   * An id that changes with every boot of the machine, or `unknown`. A process that finds another id than the one it
   * noted, or `unknown`, must assume that unsynced bytes were lost.
   */
  bootId(): string;
  /**
   * Takes an exclusive lock on `path` (a file made for this purpose, in a directory that exists). Code `locked` when
   * another holder has it, `holderPid` then names that process. A lock dies with its process.
   */
  lock(path: string): DiskLock;
}

/** A held lock. */
export interface DiskLock {
  readonly path: string;
  /** Gives the lock up. A second call does nothing. */
  release(): void;
}

/**
 * An open file. Positions are always given: a handle has no position of its own, so it can be shared. Every method but
 * `close` throws code `closed` once the file is closed.
 */
export interface DiskFile {
  readonly path: string;
  /** The operating system's descriptor, for `sendfile`; `undefined` where there is none (simulated disk). */
  readonly descriptor: number | undefined;
  /** Current size in bytes. A system call: keep the figure where it matters. */
  size(): number;
  /** Fills `target` from `position`; returns how many bytes it got, fewer than asked only at the end of the file. */
  read(target: Uint8Array, position: number): number;
  /** As `read`, on the thread pool. `target` must not be used until the promise settles. */
  readAsync(target: Uint8Array, position: number): Promise<number>;
  /**
   * Writes all of `bytes` at `position`, extending the file where needed. On failure the error's `bytesWritten` says
   * how many of them are in the file; a full disk is code `no-space`.
   */
  write(bytes: Uint8Array, position: number): void;
  /** As `write`, for chunks that lie one behind the other in the file. */
  writev(chunks: readonly Uint8Array[], position: number): void;
  /**
   * Makes what was written before this call survive power loss (fdatasync on the thread pool). Rejects with code `io`
   * or `no-space` when that failed: the bytes concerned may then be lost for good, although a later sync succeeds, so
   * nobody may try again.
   */
  sync(): Promise<void>;
  /** As `sync`, waiting on the calling thread. */
  syncNow(): void;
  /** Asks the kernel to begin writing this range to the device, so that the next `sync` has less to do. Only a hint. */
  startWriteback(position: number, length: number): void;
  /**
   * Makes the file at least `size` bytes long with zeros that occupy real blocks, and syncs it, so that later writes
   * below `size` do not run out of space and their syncs change no metadata. For files that are recycled in place.
   */
  allocate(size: number): void;
  /** Cuts the file, or extends it with zeros that occupy no blocks. */
  truncate(size: number): void;
  /** Gives the descriptor back. A second call does nothing. */
  close(): void;
}

/** Digests that passwords are kept with. */
export type DigestName = 'sha256' | 'sha512' | 'md5';

/** Digests for passwords: slow ones beside the event loop, quick ones at once. */
export interface PasswordHasher {
  /** RFC 8018's PBKDF2 with HMAC; as many bytes as the digest has. Runs beside the event loop. */
  pbkdf2(digest: 'sha256' | 'sha512', password: Uint8Array, salt: Uint8Array, iterations: number): Promise<Uint8Array>;
  hmac(digest: 'sha256' | 'sha512', key: Uint8Array, content: Uint8Array): Uint8Array;
  digest(digest: DigestName, content: Uint8Array): Uint8Array;
  /** Compares without telling by its duration where two differ. */
  isSame(left: Uint8Array, right: Uint8Array): boolean;
}

/**
 * Why a signed token does not count. `malformed`: it is no signed token, or a claim has the wrong type; `algorithm`: signed in a way that is not allowed here;
 * `unknown-key`: by a key that is not known; `signature`: not by that key.
 */
export type TokenFault =
  | 'malformed'
  | 'algorithm'
  | 'unknown-key'
  | 'signature'
  | 'expired'
  | 'not-yet-valid'
  | 'issuer'
  | 'audience'
  | 'no-expiry';

/** What a token says when its signature, issuer, audience and times are right; or what is wrong. */
export type TokenCheck =
  | { readonly valid: true; readonly claims: Readonly<Record<string, unknown>> }
  | { readonly valid: false; readonly fault: TokenFault };

/** Checks signed tokens (RFC 7519) beside the event loop. Never rejects. */
export interface TokenVerifier {
  check(token: string, nowMs: number): Promise<TokenCheck>;
}

/** Counters by name that all threads share. */
export interface NameCounts {
  /** The place of a name's counter: good for as long as the process runs. */
  slotOf(name: string): number;
  /** Adds to a counter, and returns what it was before. */
  add(slot: number, difference: number): number;
}

import fs from 'node:fs';
import type { DiskLock } from '../ports.js';
import { DiskError, toDiskError } from './disk-error.js';
import type { Libc } from './libc.js';
import { LOCK_FILE_MAX_BYTES } from './limits.js';

/**
 * A lock file holds one line: the kind of lock, the holder's process id, the boot id and the process's start time.
 *
 *     flock 4711 7f0c1c9e-... 8812345     the kernel holds the lock; the line only names the holder
 *     file  4711 7f0c1c9e-... 8812345     the file itself is the lock, and dies with the process that it names
 *
 * A `flock` file is emptied, never removed, on release: removing it would let two processes lock two files of one name.
 */
interface LockHolder {
  readonly kind: 'flock' | 'file';
  readonly pid: number;
  readonly bootId: string;
  /** Clock ticks between boot and the start of the process; `unknown` where there is no `/proc`. */
  readonly startTicks: string;
}

/**
 * Takes the lock at `path` for this process; see `Disk.lock`.
 * @throws DiskError `locked`.
 */
export function takeFileLock(path: string, libc: Libc | undefined, bootId: string): DiskLock {
  try {
    return libc === undefined ? takeByExistence(path, bootId) : takeByFlock(path, libc, bootId);
  } catch (cause) {
    throw toDiskError(cause, 'lock', path);
  }
}

function takeByFlock(path: string, libc: Libc, bootId: string): DiskLock {
  const descriptor = fs.openSync(path, fs.constants.O_RDWR | fs.constants.O_CREAT, 0o640);
  try {
    const before = readHolder(path);
    if (!libc.tryExclusiveLock(descriptor)) throw lockedError(path, readHolder(path)?.pid);
    // A process that could not call flock may hold the lock by the file's existence alone.
    if (before?.kind === 'file' && isAlive(before, bootId)) throw lockedError(path, before.pid);
    writeHolder(descriptor, 'flock', bootId);
  } catch (cause) {
    fs.closeSync(descriptor);
    throw cause;
  }
  return releasedOnce(path, () => {
    fs.ftruncateSync(descriptor, 0);
    fs.closeSync(descriptor);
  });
}

/**
 * Without flock the file's existence is the lock. It is written under a name of its own and then linked, which fails when
 * the name is taken, so that nobody ever sees it half written.
 */
function takeByExistence(path: string, bootId: string): DiskLock {
  const own = `${path}.${process.pid}.${Date.now()}`;
  const descriptor = fs.openSync(own, 'wx', 0o640);
  try {
    writeHolder(descriptor, 'file', bootId);
    if (!tryLink(own, path)) {
      removeStale(path, bootId);
      if (!tryLink(own, path)) throw lockedError(path, readHolder(path)?.pid);
    }
  } finally {
    fs.closeSync(descriptor);
    fs.unlinkSync(own);
  }
  return releasedOnce(path, () => fs.unlinkSync(path));
}

/**
 * Takes a dead holder's file away. It is renamed first and looked at again: when another process was faster, what was
 * renamed is that process's live lock, which is put back.
 */
function removeStale(path: string, bootId: string): void {
  const holder = readHolder(path);
  if (holder !== undefined && isAlive(holder, bootId)) throw lockedError(path, holder.pid);
  const aside = `${path}.stale.${process.pid}.${Date.now()}`;
  fs.renameSync(path, aside);
  const moved = readHolder(aside);
  const isLive = moved !== undefined && isAlive(moved, bootId);
  if (isLive) tryLink(aside, path);
  fs.unlinkSync(aside);
  if (isLive) throw lockedError(path, moved.pid);
}

function tryLink(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (cause) {
    if (toDiskError(cause, 'lock', to).code === 'exists') return false;
    throw cause;
  }
}

function writeHolder(descriptor: number, kind: LockHolder['kind'], bootId: string): void {
  const line = `${kind} ${process.pid} ${bootId} ${startTicksOf(process.pid) ?? 'unknown'}\n`;
  fs.ftruncateSync(descriptor, 0);
  fs.writeSync(descriptor, line, 0, 'latin1');
}

function readHolder(path: string): LockHolder | undefined {
  let descriptor: number;
  try {
    descriptor = fs.openSync(path, 'r');
  } catch {
    return undefined;
  }
  try {
    const bytes = Buffer.alloc(LOCK_FILE_MAX_BYTES);
    const [kind, pid, bootId, startTicks] = bytes
      .toString('latin1', 0, fs.readSync(descriptor, bytes))
      .trim()
      .split(' ');
    if ((kind !== 'flock' && kind !== 'file') || !/^[1-9]\d{0,9}$/.test(pid ?? '')) return undefined;
    return { kind, pid: Number(pid), bootId: bootId ?? 'unknown', startTicks: startTicks ?? 'unknown' };
  } finally {
    fs.closeSync(descriptor);
  }
}

/** Whether the process that wrote the line still runs. A process id alone does not tell: ids are used again. */
function isAlive(holder: LockHolder, bootId: string): boolean {
  const bothBootsKnown = bootId !== 'unknown' && holder.bootId !== 'unknown';
  if (bothBootsKnown && holder.bootId !== bootId) return false;
  if (!processExists(holder.pid)) return false;
  const startTicks = startTicksOf(holder.pid);
  return startTicks === undefined || holder.startTicks === 'unknown' || holder.startTicks === startTicks;
}

function processExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (cause) {
    // Another user's process refuses the signal, but it is there.
    return toDiskError(cause, 'lock', '').code === 'permission';
  }
}

/** Field 22 of `/proc/PID/stat`; the second field is a name in brackets that may itself hold blanks and brackets. */
function startTicksOf(pid: number): string | undefined {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function releasedOnce(path: string, release: () => void): DiskLock {
  let isHeld = true;
  return {
    path,
    release() {
      if (!isHeld) return;
      isHeld = false;
      try {
        release();
      } catch (cause) {
        throw toDiskError(cause, 'lock', path);
      }
    },
  };
}

function lockedError(path: string, holderPid: number | undefined): DiskError {
  const holder = holderPid === undefined ? 'another process' : `process ${holderPid}`;
  return new DiskError('locked', 'lock', path, `${holder} holds the lock`, { holderPid });
}

import fs from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Disk, DiskLock, OpenMode } from '../ports.js';
import { type DiskOperation, toDiskError } from './disk-error.js';
import { type Libc, loadLibc } from './libc.js';
import { RealFile } from './real-file.js';
import { takeFileLock } from './real-lock.js';
import { readWholeFile, replaceFile } from './whole-file.js';

const OPEN_FLAGS: Readonly<Record<OpenMode, number>> = {
  read: fs.constants.O_RDONLY,
  write: fs.constants.O_RDWR | fs.constants.O_CREAT,
  create: fs.constants.O_RDWR | fs.constants.O_CREAT | fs.constants.O_EXCL,
};

/** Files are for the owner and readable by the group; users' umask takes away more. */
const FILE_MODE = 0o640;
const DIRECTORY_MODE = 0o750;

/** What a test may take away from a real disk. */
export interface RealDiskOptions {
  /** The C library; `undefined` stands for a platform where it cannot be called. */
  readonly libc?: Libc | undefined;
}

/** The operating system's files. */
export class RealDisk implements Disk {
  private readonly libc: Libc | undefined;
  private boot: string | undefined;

  constructor(options: RealDiskOptions = { libc: loadLibc() }) {
    this.libc = options.libc;
  }

  open(path: string, mode: OpenMode): RealFile {
    return attempt('open', path, () => new RealFile(path, fs.openSync(path, OPEN_FLAGS[mode], FILE_MODE), this.libc));
  }

  list(directory: string): string[] {
    return attempt('list', directory, () => fs.readdirSync(directory).sort());
  }

  exists(path: string): boolean {
    return fs.existsSync(path);
  }

  mkdir(path: string): void {
    attempt('mkdir', path, () => makeLevels(resolve(path)));
  }

  rename(from: string, to: string): void {
    attempt('rename', from, () => fs.renameSync(from, to));
  }

  unlink(path: string): void {
    attempt('unlink', path, () => fs.unlinkSync(path));
  }

  remove(path: string): void {
    attempt('remove', path, () => fs.rmSync(path, { recursive: true, force: true }));
  }

  syncDirectory(path: string): void {
    if (!canSyncDirectories) return;
    attempt('sync-directory', path, () => {
      const descriptor = fs.openSync(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        fs.fsyncSync(descriptor);
      } finally {
        fs.closeSync(descriptor);
      }
    });
  }

  async syncDirectoryAsync(path: string): Promise<void> {
    if (!canSyncDirectories) return;
    try {
      const directory = await fs.promises.open(path, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
      try {
        await directory.sync();
      } finally {
        await directory.close();
      }
    } catch (cause) {
      throw toDiskError(cause, 'sync-directory', path);
    }
  }

  readFile(path: string): Uint8Array {
    return readWholeFile(this, path);
  }

  writeFileAtomic(path: string, bytes: Uint8Array): void {
    replaceFile(this, path, bytes);
  }

  freeBytes(path: string): number {
    return attempt('free-space', path, () => {
      const { bavail, bsize } = fs.statfsSync(path);
      return bavail * bsize;
    });
  }

  totalBytes(path: string): number {
    return attempt('free-space', path, () => {
      const { blocks, bsize } = fs.statfsSync(path);
      return blocks * bsize;
    });
  }

  bootId(): string {
    this.boot ??= readBootId();
    return this.boot;
  }

  lock(path: string): DiskLock {
    return takeFileLock(path, this.libc, this.bootId());
  }
}

/** Windows cannot open directories; its file systems order directory changes by themselves. */
const canSyncDirectories = process.platform !== 'win32';

function readBootId(): string {
  try {
    return fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim() || 'unknown';
  } catch {
    return 'unknown';
  }
}

function attempt<Result>(operation: DiskOperation, path: string, action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    throw toDiskError(cause, operation, path);
  }
}

/** Makes a directory and those above it, level by level: Node's own recursion never returns where the file system refuses with ENOENT (/proc). */
function makeLevels(path: string): void {
  if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const parent = dirname(path);
  // A parent that is a file is left for mkdir to refuse.
  if (fs.statSync(parent, { throwIfNoEntry: false }) === undefined && parent !== path) makeLevels(parent);
  try {
    fs.mkdirSync(path, { mode: DIRECTORY_MODE });
  } catch (error) {
    // Somebody else may have made it in between.
    if (fs.statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw error;
  }
}

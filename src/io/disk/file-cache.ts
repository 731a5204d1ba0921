import { assert } from '../../base/assert.js';
import type { Disk, DiskFile, OpenMode } from '../ports.js';
import { DiskError } from './disk-error.js';

interface CachedFile {
  readonly path: string;
  readonly file: DiskFile;
  readonly isWritable: boolean;
  users: number;
  /** Whether the path still leads to this handle. One that was forgotten is closed by its last user. */
  isCurrent: boolean;
}

/** Counts since the cache was made, but for the two that say how things stand now. */
export interface FileCacheStatistics {
  readonly openFiles: number;
  readonly filesInUse: number;
  readonly hits: number;
  readonly opens: number;
  readonly evictions: number;
}

/**
 * Open handles by path, so that 10,000 logs fit the descriptor limit. A handle that somebody uses is never closed; of the
 * others the least recently used go first when more than `limit` are open. When all are in use the cache opens more than
 * `limit` rather than fail, so its users' number needs a bound of its own.
 *
 * Keep a file acquired while it holds unsynced bytes: the kernel may report a failed write-back only to handles that were
 * open at that time, so closing one could hide a loss.
 */
export class FileCache {
  private readonly disk: Disk;
  private readonly limit: number;
  private readonly inUse = new Map<string, CachedFile>();
  /** In order of their last use, the oldest first. */
  private readonly idle = new Map<string, CachedFile>();
  private readonly byFile = new Map<DiskFile, CachedFile>();
  private hits = 0;
  private opens = 0;
  private evictions = 0;

  constructor(disk: Disk, limit: number) {
    assert(limit >= 1, `A file cache needs room for a file, not ${limit}`);
    this.disk = disk;
    this.limit = limit;
  }

  /**
   * Opens the file, or gives the handle that is open already; every call is paired with one `release`. A writable handle
   * serves readers too; a reader's handle is replaced when a writer comes.
   * @throws DiskError as `Disk.open` does.
   */
  acquire(path: string, mode: OpenMode = 'read'): DiskFile {
    const cached = this.inUse.get(path) ?? this.idle.get(path);
    if (cached !== undefined && mode !== 'create' && (cached.isWritable || mode === 'read')) {
      this.hits++;
      return this.use(cached);
    }
    const file = this.openWithRoom(path, mode);
    if (cached !== undefined) this.detach(cached);
    const opened = { path, file, isWritable: mode !== 'read', users: 0, isCurrent: true };
    this.byFile.set(file, opened);
    return this.use(opened);
  }

  /** Gives a handle back. It stays open for the next user as long as there is room. */
  release(file: DiskFile): void {
    const cached = this.byFile.get(file);
    assert(cached !== undefined && cached.users > 0, `Released "${file.path}", which nobody has acquired`);
    cached.users--;
    if (cached.users > 0) return;
    if (!cached.isCurrent) {
      this.close(cached);
      return;
    }
    this.inUse.delete(cached.path);
    this.idle.set(cached.path, cached);
    this.makeRoom(this.limit);
  }

  /**
   * Says that the path was unlinked or leads to another file now. The handle's users go on with the file they have; the
   * next `acquire` opens the path anew.
   */
  forget(path: string): void {
    const cached = this.inUse.get(path) ?? this.idle.get(path);
    if (cached !== undefined) this.detach(cached);
  }

  /** Closes what nobody uses, and lets the users of the rest close those. The cache can be used again. */
  closeAll(): void {
    for (const cached of [...this.idle.values(), ...this.inUse.values()]) this.detach(cached);
  }

  /** How the cache does. */
  statistics(): FileCacheStatistics {
    const { hits, opens, evictions } = this;
    const openFiles = this.byFile.size;
    return { openFiles, filesInUse: openFiles - this.idle.size, hits, opens, evictions };
  }

  private use(cached: CachedFile): DiskFile {
    if (cached.users === 0) {
      this.idle.delete(cached.path);
      this.inUse.set(cached.path, cached);
    }
    cached.users++;
    return cached.file;
  }

  /** At the process's descriptor limit, which others use up too, all idle handles go and the open is tried once more. */
  private openWithRoom(path: string, mode: OpenMode): DiskFile {
    this.makeRoom(this.limit - 1);
    this.opens++;
    try {
      return this.disk.open(path, mode);
    } catch (cause) {
      if (!(cause instanceof DiskError) || cause.code !== 'descriptor-limit' || this.idle.size === 0) throw cause;
      this.makeRoom(0);
      return this.disk.open(path, mode);
    }
  }

  private makeRoom(openFiles: number): void {
    for (const oldest of this.idle.values()) {
      if (this.byFile.size <= openFiles) return;
      this.evictions++;
      this.detach(oldest);
    }
  }

  private detach(cached: CachedFile): void {
    cached.isCurrent = false;
    this.inUse.delete(cached.path);
    this.idle.delete(cached.path);
    if (cached.users === 0) this.close(cached);
  }

  private close(cached: CachedFile): void {
    this.byFile.delete(cached.file);
    cached.file.close();
  }
}

import { join } from 'node:path';
import { CodedError } from '../base/errors.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk, DiskLock } from '../io/ports.js';
import { MAX_SHARDS } from '../io/ring/index.js';

/** Why a data folder cannot be used. */
export class DataFolderError extends CodedError<'in-use' | 'unusable'> {}

/** What people do wrong is said without the name of the folder, which they have read already. */
function reasonOf(error: DiskError): string {
  if (error.code === 'exists' || error.code === 'not-directory') return 'it is a file, or lies in one';
  return error.code === 'permission' ? 'it may not be written' : error.message;
}

/** The node's data folder, locked for this process. */
export class DataFolder {
  readonly path: string;
  private readonly disk: Disk;
  private readonly lock: DiskLock;

  private constructor(path: string, disk: Disk, lock: DiskLock) {
    this.path = path;
    this.disk = disk;
    this.lock = lock;
  }

  /** Makes the folder where it is missing, and locks it. @throws DataFolderError */
  static open(disk: Disk, path: string): DataFolder {
    try {
      for (const folder of ['', 'metadata', 'journals', 'logs']) disk.mkdir(join(path, folder));
      return new DataFolder(path, disk, disk.lock(join(path, 'lock')));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      if (error.code === 'locked') {
        const holder = error.holderPid === undefined ? 'another process' : `process ${error.holderPid}`;
        throw new DataFolderError('in-use', `Cannot use the data folder ${path}: ${holder} uses it`, error);
      }
      throw new DataFolderError('unusable', `Cannot use the data folder ${path}: ${reasonOf(error)}`, error);
    }
  }

  /** The folder of the metadata log. */
  get metadata(): string {
    return join(this.path, 'metadata');
  }

  /** Counts the starts of nodes on this folder; durable before it returns. Journal ids follow from it, so that none is used again. */
  nextStart(): number {
    const file = join(this.path, 'starts');
    const text = this.disk.exists(file) ? new TextDecoder().decode(this.disk.readFile(file)) : '0';
    const last = Number.parseInt(text, 10);
    if (!Number.isSafeInteger(last)) throw new DataFolderError('unusable', `Cannot read ${file}: it holds "${text}"`);
    this.disk.writeFileAtomic(file, new TextEncoder().encode(`${last + 1}\n`));
    return last + 1;
  }

  /** Removes folders of logs that were deleted, or never completely made, when an earlier start ended. */
  removeStrayLogs(isKnown: (logId: number) => boolean): void {
    const logs = join(this.path, 'logs');
    for (const name of this.disk.list(logs)) {
      if (/^\d+$/.test(name) && !isKnown(Number(name))) this.disk.remove(join(logs, name));
    }
  }

  /** Writes DATA/node.json: what scripts need to find the node. */
  writeNodeFile(content: Readonly<Record<string, unknown>>): void {
    const bytes = new TextEncoder().encode(`${JSON.stringify(content, null, 2)}\n`);
    this.disk.writeFileAtomic(join(this.path, 'node.json'), bytes);
  }

  /** Removes node.json and gives the lock up. */
  close(): void {
    this.disk.remove(join(this.path, 'node.json'));
    this.lock.release();
  }
}

/** The journal of one shard in one start. */
export function journalIdOf(start: number, shard: number): number {
  return start * MAX_SHARDS + shard;
}

/** The start that a journal is of. */
export function startOf(journalId: number): number {
  return Math.floor(journalId / MAX_SHARDS);
}

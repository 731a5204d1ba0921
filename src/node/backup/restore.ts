/** Makes a data folder of a backup, for a node that is to start on it: docs/design/backup.md. No node runs on it meanwhile. */
import { dirname, join } from 'node:path';
import { DiskError } from '../../io/disk/disk-error.js';
import { RealDisk } from '../../io/disk/real-disk.js';
import type { Disk } from '../../io/ports.js';
import { copyFile } from './copy-file.js';
import { BackupError, type BackupFacts, decodeManifest, MANIFEST, type Manifest } from './manifest.js';

/** What was restored. */
export interface RestoreOutcome {
  readonly facts: BackupFacts;
  readonly files: number;
  readonly bytes: number;
}

/**
 * Copies a backup to a data folder that is missing or empty, and checks every byte. Nothing is at `data` unless all of it is right.
 * @throws BackupError; DiskError
 */
export async function restoreBackup(
  backup: string,
  data: string,
  disk: Disk = new RealDisk(),
): Promise<RestoreOutcome> {
  const manifest = readManifest(disk, backup);
  if (disk.exists(data) && disk.list(data).length > 0) {
    throw new BackupError('not-empty', `Cannot restore to ${data}: it is not empty`);
  }
  const partial = `${data}.restoring`;
  disk.remove(partial);
  disk.mkdir(partial);
  try {
    const folders = new Set([partial]);
    for (const { path, size, crc } of manifest.files) {
      const to = join(partial, path);
      for (let folder = dirname(to); !folders.has(folder); folder = dirname(folder)) {
        disk.mkdir(folder);
        folders.add(folder);
      }
      const found = await copyFile({ disk, from: join(backup, path), to, size });
      if (found >>> 0 !== crc) throw new BackupError('damaged', `the crc of ${path} is not what it was`);
    }
    for (const folder of folders) disk.syncDirectory(folder);
    if (disk.exists(data)) disk.remove(data);
    disk.rename(partial, data);
    disk.syncDirectory(dirname(data));
  } catch (cause) {
    disk.remove(partial);
    throw explained(cause, backup);
  }
  const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
  return { facts: manifest.facts, files: manifest.files.length, bytes };
}

function readManifest(disk: Disk, backup: string): Manifest {
  try {
    return decodeManifest(disk.readFile(join(backup, MANIFEST)));
  } catch (cause) {
    throw explained(cause, backup);
  }
}

function explained(cause: unknown, backup: string): unknown {
  if (cause instanceof DiskError && cause.code === 'not-found') {
    return new BackupError(
      'damaged',
      `Cannot restore ${backup}: it is no backup, or not whole: ${cause.message}`,
      cause,
    );
  }
  if (!(cause instanceof BackupError)) return cause;
  return new BackupError(cause.code, `Cannot restore ${backup}: ${cause.message}`, cause);
}

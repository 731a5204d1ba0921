import { dirname } from 'node:path';
import type { Disk } from '../ports.js';
import { DiskError } from './disk-error.js';
import { READ_FILE_MAX_BYTES } from './limits.js';

/**
 * Reads a whole file through the port; see `Disk.readFile`.
 * @throws DiskError `too-large` beyond `READ_FILE_MAX_BYTES`.
 */
export function readWholeFile(disk: Disk, path: string): Uint8Array {
  const file = disk.open(path, 'read');
  try {
    const size = file.size();
    if (size > READ_FILE_MAX_BYTES) {
      throw new DiskError('too-large', 'read', path, `its ${size} bytes exceed the limit of ${READ_FILE_MAX_BYTES}`);
    }
    const bytes = new Uint8Array(size);
    const count = file.read(bytes, 0);
    return count === size ? bytes : bytes.slice(0, count);
  } finally {
    file.close();
  }
}

/** Replaces a file in one step through the port; see `Disk.writeFileAtomic`. */
export function replaceFile(disk: Disk, path: string, bytes: Uint8Array): void {
  const temporary = `${path}.tmp`;
  // What an earlier crash left under this name is overwritten; it never was the file.
  const file = disk.open(temporary, 'write');
  try {
    file.truncate(0);
    file.write(bytes, 0);
    file.syncNow();
  } catch (cause) {
    file.close();
    removeQuietly(disk, temporary);
    throw cause;
  }
  file.close();
  disk.rename(temporary, path);
  disk.syncDirectory(dirname(path));
}

/** The caller is about to throw the error that matters, so a second one is not looked at. */
function removeQuietly(disk: Disk, path: string): void {
  try {
    disk.unlink(path);
  } catch {}
}

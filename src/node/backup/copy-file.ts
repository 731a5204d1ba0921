/** Copies files with their CRC, a piece at a time, so that whoever else is on the thread waits for one piece at most. */
import { crc32c } from '../../base/crc32c.js';
import type { Disk } from '../../io/ports.js';
import { BackupError } from './manifest.js';

const PIECE_BYTES = 1024 * 1024;

/** What a copy is made of. */
export interface CopyJob {
  readonly disk: Disk;
  readonly from: string;
  readonly to: string;
  /** Only so many bytes from the beginning; the file must have them. */
  readonly size: number;
  /** Whether to give up. */
  readonly isCancelled?: () => boolean;
}

/** Copies and syncs; returns the CRC of what was copied. @throws BackupError when the file is shorter; DiskError */
export async function copyFile({ disk, from, to, size, isCancelled = () => false }: CopyJob): Promise<number> {
  const source = disk.open(from, 'read');
  try {
    const target = disk.open(to, 'create');
    try {
      const piece = new Uint8Array(Math.min(PIECE_BYTES, Math.max(1, size)));
      let crc = 0;
      for (let at = 0; at < size; ) {
        if (isCancelled()) throw new BackupError('failed', 'it was given up: the node stops');
        const wanted = piece.subarray(0, Math.min(piece.length, size - at));
        const count = await source.readAsync(wanted, at);
        if (count < wanted.length) throw new BackupError('damaged', `${from} has ${at + count} bytes, not ${size}`);
        crc = crc32c(wanted, 0, count, crc);
        target.write(wanted, at);
        target.startWriteback(at, count);
        at += count;
      }
      await target.sync();
      return crc;
    } finally {
      target.close();
    }
  } finally {
    source.close();
  }
}

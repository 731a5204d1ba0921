import { DiskError, toDiskError } from './disk-error.js';
import { SYSTEM_CALL_MAX_BYTES, WRITEV_MAX_CHUNKS } from './limits.js';

/** The two system calls behind every write. Both may write fewer bytes than asked, and say how many. */
export interface RawWriter {
  readonly path: string;
  writeSome(bytes: Uint8Array, offset: number, length: number, position: number): number;
  writevSome(chunks: readonly Uint8Array[], position: number): number;
}

/**
 * Writes all of `bytes`. A write that is cut short is not an error to the operating system (that is how a disk fills up),
 * so the rest is tried until it fails or makes no progress.
 * @throws DiskError with `bytesWritten`.
 */
export function writeFully(raw: RawWriter, bytes: Uint8Array, position: number): void {
  writeRest(raw, bytes, 0, position, 0);
}

/**
 * Writes all of `chunks`, one behind the other. After a short write the chunk that it ended in is completed alone.
 * @throws DiskError with `bytesWritten` over all chunks.
 */
export function writevFully(raw: RawWriter, chunks: readonly Uint8Array[], position: number): void {
  let written = 0;
  for (let first = 0; first < chunks.length; first += WRITEV_MAX_CHUNKS) {
    const group = chunks.length <= WRITEV_MAX_CHUNKS ? chunks : chunks.slice(first, first + WRITEV_MAX_CHUNKS);
    const length = totalLength(group);
    if (length === 0) continue;
    const count = writeGroup(raw, group, position + written, written);
    if (count < length) writeGroupRest(raw, group, count, position + written, written);
    written += length;
  }
}

/** The sum of the chunks' lengths. */
export function totalLength(chunks: readonly Uint8Array[]): number {
  let total = 0;
  for (const chunk of chunks) total += chunk.length;
  return total;
}

/** Writes `bytes` from `offset` on, to `position`; `written` is what the caller's request had written before. */
function writeRest(raw: RawWriter, bytes: Uint8Array, offset: number, position: number, written: number): void {
  let done = 0;
  const length = bytes.length - offset;
  while (done < length) {
    let count: number;
    try {
      count = raw.writeSome(bytes, offset + done, Math.min(length - done, SYSTEM_CALL_MAX_BYTES), position + done);
    } catch (cause) {
      throw toDiskError(cause, 'write', raw.path, written + done);
    }
    if (count <= 0) throw noProgress(raw.path, written + done);
    done += count;
  }
}

function writeGroup(raw: RawWriter, group: readonly Uint8Array[], position: number, written: number): number {
  let count: number;
  try {
    count = raw.writevSome(group, position);
  } catch (cause) {
    throw toDiskError(cause, 'write', raw.path, written);
  }
  if (count <= 0) throw noProgress(raw.path, written);
  return count;
}

/** Completes a group of which the first `count` bytes are in the file. */
function writeGroupRest(
  raw: RawWriter,
  group: readonly Uint8Array[],
  count: number,
  position: number,
  written: number,
): void {
  let chunkStart = 0;
  for (const chunk of group) {
    const chunkEnd = chunkStart + chunk.length;
    const from = Math.max(count, chunkStart);
    if (from < chunkEnd) writeRest(raw, chunk, from - chunkStart, position + from, written + from);
    chunkStart = chunkEnd;
  }
}

function noProgress(path: string, written: number): DiskError {
  return new DiskError('no-space', 'write', path, `the disk took none of the bytes after the first ${written}`, {
    bytesWritten: written,
  });
}

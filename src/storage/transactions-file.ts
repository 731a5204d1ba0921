/**
 * `LOGID/transactions`: says that a log has transactions, and which offsets were aborted, for readers on any thread. It is only ever added to while the
 * node runs, and never synced: recovery makes it anew from the log's checkpoint and batches. Drawn in docs/formats/transactions.md.
 */
import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { crc32c } from '../base/crc32c.js';
import { readU32 } from '../base/integers.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk } from '../io/ports.js';
import type { AbortedRange } from './transaction-table.js';

/** The file's name in the log's folder. */
export const TRANSACTIONS_FILE = 'transactions';

const ENTRY_BYTES = 30;
const CRC_AT = 26;

/** Makes the file say exactly this. @throws DiskError */
export function writeTransactions(disk: Disk, directory: string, ranges: readonly AbortedRange[]): void {
  const bytes = encode(ranges);
  const file = disk.open(pathIn(directory), 'write');
  try {
    const known = new Uint8Array(file.size());
    file.read(known, 0);
    const isSame = known.length === bytes.length && known.every((byte, index) => byte === bytes[index]);
    if (isSame) return;
    file.truncate(0);
    if (bytes.length > 0) file.write(bytes, 0);
  } finally {
    file.close();
  }
}

/** Adds one range. @throws DiskError, with the file as it was for readers */
export function addAborted(disk: Disk, directory: string, range: AbortedRange): void {
  const file = disk.open(pathIn(directory), 'write');
  try {
    // What a failed write has left is no whole entry.
    file.write(encode([range]), Math.floor(file.size() / ENTRY_BYTES) * ENTRY_BYTES);
  } finally {
    file.close();
  }
}

/** The ranges in the file; undefined when there is none. @throws DiskError */
export function readTransactions(disk: Disk, directory: string): readonly AbortedRange[] | undefined {
  let bytes: Uint8Array;
  try {
    bytes = disk.readFile(pathIn(directory));
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'not-found') return undefined;
    throw cause;
  }
  const ranges: AbortedRange[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    if (readU32(bytes, at + CRC_AT) !== crc32c(bytes, at, at + CRC_AT)) continue;
    const reader = new ByteReader(bytes.subarray(at, at + CRC_AT));
    const producerId = reader.i64();
    const epoch = reader.i16();
    ranges.push({ producerId, epoch, firstOffset: reader.i64(), lastOffset: reader.i64() });
  }
  return ranges;
}

function encode(ranges: readonly AbortedRange[]): Uint8Array {
  const writer = new ByteWriter(ENTRY_BYTES * Math.max(1, ranges.length));
  for (const { producerId, epoch, firstOffset, lastOffset } of ranges) {
    const { at } = writer;
    writer.i64(producerId);
    writer.i16(epoch);
    writer.i64(firstOffset);
    writer.i64(lastOffset);
    writer.u32(crc32c(writer.bytes, at, writer.at));
  }
  return writer.view();
}

function pathIn(directory: string): string {
  return `${directory}/${TRANSACTIONS_FILE}`;
}

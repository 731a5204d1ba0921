import { NATIVE_CRC_MIN_BYTES } from './limits.js';

/** A CRC32C over all of `bytes` that continues from `previous` (0 to start), returning an unsigned 32-bit integer. */
export type Crc32cFunction = (bytes: Uint8Array, previous: number) => number;

/** The Castagnoli polynomial 0x1edc6f41 with its bits reversed (RFC 3720, appendix B.4). */
const POLYNOMIAL = 0x82f63b78;
const SLICES = 16;
const TABLE = buildTables();

let native: Crc32cFunction | undefined;

/**
 * Installs an implementation in machine code for inputs from `NATIVE_CRC_MIN_BYTES` on, or removes it. It must agree with the tables.
 */
export function setNativeCrc32c(implementation: Crc32cFunction | undefined): void {
  native = implementation;
}

/** CRC32C of `bytes` from `start` to `end`, continuing from `previous`. Returns an unsigned 32-bit integer. */
export function crc32c(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  if (native !== undefined && end - start >= NATIVE_CRC_MIN_BYTES) return native(bytes.subarray(start, end), previous);
  return crc32cPortable(bytes, start, end, previous);
}

/** The same by tables alone: sixteen bytes per step ("slicing-by-16", Kounavis and Berry 2005). */
export function crc32cPortable(bytes: Uint8Array, start = 0, end = bytes.length, previous = 0): number {
  const table = TABLE;
  let crc = ~previous;
  let at = start;
  for (const last = end - SLICES; at <= last; at += SLICES) {
    crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    crc =
      table[3840 + (crc & 0xff)]! ^
      table[3584 + ((crc >>> 8) & 0xff)]! ^
      table[3328 + ((crc >>> 16) & 0xff)]! ^
      table[3072 + (crc >>> 24)]! ^
      table[2816 + bytes[at + 4]!]! ^
      table[2560 + bytes[at + 5]!]! ^
      table[2304 + bytes[at + 6]!]! ^
      table[2048 + bytes[at + 7]!]! ^
      table[1792 + bytes[at + 8]!]! ^
      table[1536 + bytes[at + 9]!]! ^
      table[1280 + bytes[at + 10]!]! ^
      table[1024 + bytes[at + 11]!]! ^
      table[768 + bytes[at + 12]!]! ^
      table[512 + bytes[at + 13]!]! ^
      table[256 + bytes[at + 14]!]! ^
      table[bytes[at + 15]!]!;
  }
  for (; at < end; at++) crc = table[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Table k at k*256 holds the CRC of a byte followed by k zero bytes. */
function buildTables(): Int32Array {
  const tables = new Int32Array(SLICES * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let at = 256; at < tables.length; at++) {
    const shorter = tables[at - 256]!;
    tables[at] = (shorter >>> 8) ^ tables[shorter & 0xff]!;
  }
  return tables;
}

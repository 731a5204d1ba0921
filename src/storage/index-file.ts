import { crc32c } from '../base/crc32c.js';
import { readI64, readU16, readU32, writeI64, writeU16, writeU32 } from '../base/integers.js';
import type { DiskFile } from '../io/ports.js';

/** Layout of `BASE.index`; drawn in docs/formats/indexes.md. */

/** Bytes of the file's header. */
export const INDEX_HEADER_BYTES = 32;
/** Bytes of one entry. */
export const INDEX_ENTRY_BYTES = 32;
const MAGIC = 0x444c4958;
const VERSION = 1;
const CRC_AT = 28;

/** One entry; the sums cover the segment's batches before `position`. */
export interface IndexEntry {
  readonly offset: number;
  readonly position: number;
  readonly maxTimestampMs: number;
  readonly lastArrivalMs: number;
  readonly records: number;
}

/** The header of a new index. */
export function encodeIndexHeader(baseOffset: number): Uint8Array {
  const bytes = new Uint8Array(INDEX_HEADER_BYTES);
  writeU32(bytes, 0, MAGIC);
  writeU16(bytes, 4, VERSION);
  writeU16(bytes, 6, INDEX_ENTRY_BYTES);
  writeI64(bytes, 8, baseOffset);
  writeU32(bytes, CRC_AT, crc32c(bytes, 0, CRC_AT));
  return bytes;
}

/** Writes an entry at `at`. */
export function encodeIndexEntry(bytes: Uint8Array, at: number, baseOffset: number, entry: IndexEntry): void {
  writeU32(bytes, at, entry.offset - baseOffset);
  writeU32(bytes, at + 4, entry.position);
  writeI64(bytes, at + 8, entry.maxTimestampMs);
  writeI64(bytes, at + 16, entry.lastArrivalMs);
  writeU32(bytes, at + 24, entry.records);
  writeU32(bytes, at + CRC_AT, crc32c(bytes, at, at + CRC_AT));
}

/** Looks entries up in an index file by binary search, a few small reads each. */
export class IndexSearch {
  /** Entries that are wholly in the file. */
  readonly count: number;
  private readonly file: DiskFile;
  private readonly baseOffset: number;
  private readonly segmentBytes: number;
  private readonly bytes = new Uint8Array(INDEX_ENTRY_BYTES);

  private constructor(file: DiskFile, baseOffset: number, segmentBytes: number) {
    this.file = file;
    this.baseOffset = baseOffset;
    this.segmentBytes = segmentBytes;
    this.count = Math.max(0, Math.floor((file.size() - INDEX_HEADER_BYTES) / INDEX_ENTRY_BYTES));
  }

  /** Looks at the header. Returns undefined when the file is not the index of this segment. @throws DiskError */
  static open(file: DiskFile, baseOffset: number, segmentBytes: number): IndexSearch | undefined {
    const header = new Uint8Array(INDEX_HEADER_BYTES);
    if (file.read(header, 0) < INDEX_HEADER_BYTES) return undefined;
    const isOurs =
      readU32(header, 0) === MAGIC &&
      readU16(header, 4) === VERSION &&
      readU16(header, 6) === INDEX_ENTRY_BYTES &&
      readU32(header, CRC_AT) === crc32c(header, 0, CRC_AT) &&
      readI64(header, 8) === baseOffset;
    return isOurs ? new IndexSearch(file, baseOffset, segmentBytes) : undefined;
  }

  /** Entry `index`, or undefined when it is bad. @throws DiskError */
  entry(index: number): IndexEntry | undefined {
    const { bytes } = this;
    if (this.file.read(bytes, INDEX_HEADER_BYTES + index * INDEX_ENTRY_BYTES) < INDEX_ENTRY_BYTES) return undefined;
    if (readU32(bytes, CRC_AT) !== crc32c(bytes, 0, CRC_AT)) return undefined;
    const position = readU32(bytes, 4);
    if (position > this.segmentBytes) return undefined;
    return {
      offset: this.baseOffset + readU32(bytes, 0),
      position,
      maxTimestampMs: readI64(bytes, 8),
      lastArrivalMs: readI64(bytes, 16),
      records: readU32(bytes, 24),
    };
  }

  /**
   * The number of the last entry for which `isBefore` holds; it must hold for a first part of the entries and then no more. Returns -1 when
   * it holds for none of them, and undefined when an entry that was looked at is damaged. @throws DiskError
   */
  findLast(isBefore: (entry: IndexEntry) => boolean): number | undefined {
    let found = -1;
    let low = 0;
    let high = this.count - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const entry = this.entry(middle);
      if (entry === undefined) return undefined;
      if (isBefore(entry)) {
        found = middle;
        low = middle + 1;
      } else high = middle - 1;
    }
    return found;
  }
}

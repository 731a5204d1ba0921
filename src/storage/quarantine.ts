import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { crc32c } from '../base/crc32c.js';
import { readU32 } from '../base/integers.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk } from '../io/ports.js';

/** Layout of `BASE.quarantine`; drawn in docs/formats/segment.md. */
const MAGIC = 0x444c5152;
const VERSION = 1;
const RANGES_MAX = 0xffff;

/** Bytes of a segment that are not what was written. Both ends are exclusive. */
export interface BadRange {
  readonly fromOffset: number;
  readonly toOffset: number;
  readonly fromPosition: number;
  readonly toPosition: number;
}

/** The bytes of a quarantine file. Beyond 65,535 ranges, the last one reaches to the end of the last. */
export function encodeQuarantine(ranges: readonly BadRange[]): Uint8Array {
  const writer = new ByteWriter(64 + 32 * ranges.length);
  const listed = ranges.slice(0, RANGES_MAX);
  const last = ranges[ranges.length - 1];
  const overflow = listed[RANGES_MAX - 1];
  if (ranges.length > RANGES_MAX && last !== undefined && overflow !== undefined) {
    listed[RANGES_MAX - 1] = { ...overflow, toOffset: last.toOffset, toPosition: last.toPosition };
  }
  writer.u32(MAGIC);
  writer.u16(VERSION);
  writer.u16(listed.length);
  for (const range of listed) {
    writer.i64(range.fromOffset);
    writer.i64(range.toOffset);
    writer.i64(range.fromPosition);
    writer.i64(range.toPosition);
  }
  writer.u32(crc32c(writer.bytes, 0, writer.at));
  return writer.view();
}

/** Reads a quarantine file's bytes; one that is damaged itself says nothing. */
export function decodeQuarantine(bytes: Uint8Array): BadRange[] {
  const crcAt = bytes.length - 4;
  if (crcAt < 8 || readU32(bytes, crcAt) !== crc32c(bytes, 0, crcAt)) return [];
  const reader = new ByteReader(bytes, 0, crcAt);
  if (reader.u32() !== MAGIC || reader.u16() !== VERSION) return [];
  const count = reader.u16();
  const ranges: BadRange[] = [];
  for (let index = 0; index < count && reader.remaining >= 32; index++) {
    const fromOffset = reader.u64();
    const toOffset = reader.u64();
    ranges.push({ fromOffset, toOffset, fromPosition: reader.u64(), toPosition: reader.u64() });
  }
  return ranges;
}

/** The bad ranges of a segment, in order; none when there is no such file. @throws DiskError */
export function readQuarantine(disk: Disk, path: string): BadRange[] {
  try {
    return decodeQuarantine(disk.readFile(path));
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'not-found') return [];
    throw cause;
  }
}

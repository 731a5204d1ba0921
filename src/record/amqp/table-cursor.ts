import { DecodeError } from '../../base/errors.js';
import { readU32 } from '../../base/integers.js';
import { readUtf8 } from '../../base/utf8.js';
import { MAX_TABLE_BYTES, MAX_TABLE_DEPTH, MAX_TABLE_VALUES } from './limits.js';

/** The byte before each value of a table or array, as RabbitMQ assigns them (its errata to AMQP 0-9-1 §4.2.5.5). */
export const FieldTag = {
  boolean: 0x74,
  int8: 0x62,
  uint8: 0x42,
  int16: 0x73,
  uint16: 0x75,
  int32: 0x49,
  uint32: 0x69,
  int64: 0x6c,
  /** Read as int64, never written. */
  otherInt64: 0x4c,
  float: 0x66,
  double: 0x64,
  decimal: 0x44,
  timestamp: 0x54,
  longstr: 0x53,
  bytes: 0x78,
  array: 0x41,
  table: 0x46,
  void: 0x56,
} as const;

/** Bytes of the value behind each tag; NESTED and COUNTED begin with a u32 length, UNKNOWN is no tag. */
const COUNTED = -1;
const NESTED = -2;
const UNKNOWN = -3;
const SIZES = sizesByTag();

function sizesByTag(): Int8Array {
  const sizes = new Int8Array(256).fill(UNKNOWN);
  const { boolean, int8, uint8, int16, uint16, int32, uint32, int64, otherInt64, timestamp } = FieldTag;
  for (const tag of [boolean, int8, uint8]) sizes[tag] = 1;
  for (const tag of [int16, uint16]) sizes[tag] = 2;
  for (const tag of [int32, uint32, FieldTag.float]) sizes[tag] = 4;
  for (const tag of [int64, otherInt64, timestamp, FieldTag.double]) sizes[tag] = 8;
  for (const tag of [FieldTag.longstr, FieldTag.bytes]) sizes[tag] = COUNTED;
  for (const tag of [FieldTag.array, FieldTag.table]) sizes[tag] = NESTED;
  sizes[FieldTag.decimal] = 5;
  sizes[FieldTag.void] = 0;
  return sizes;
}

/** Values that the walk in progress may still meet: one walk at a time, and none is left half done. */
let valuesLeft = 0;

function countValue(): void {
  if (--valuesLeft < 0) {
    throw new DecodeError('invalid', `Cannot read a table: it has more than ${MAX_TABLE_VALUES} values`);
  }
}

/** The position after the value whose tag is at `at`. @throws DecodeError */
function skipValue(bytes: Uint8Array, at: number, end: number, depth: number): number {
  countValue();
  if (at >= end) throw ended(1, end - at);
  const tag = bytes[at]!;
  const size = SIZES[tag]!;
  const start = at + 1;
  if (size >= 0) {
    if (size > end - start) throw ended(size, end - start);
    return start + size;
  }
  if (size === UNKNOWN) throw new DecodeError('invalid', `Cannot read a table: ${tag} is the tag of no type`);
  if (end - start < 4) throw ended(4, end - start);
  const length = readU32(bytes, start);
  if (length > end - start - 4) throw ended(length, end - start - 4);
  const after = start + 4 + length;
  if (size === NESTED) skipNested(bytes, start + 4, after, depth + 1, tag === FieldTag.table);
  return after;
}

function skipNested(bytes: Uint8Array, start: number, end: number, depth: number, named: boolean): void {
  if (depth > MAX_TABLE_DEPTH) {
    throw new DecodeError('invalid', `Cannot read a table: it nests deeper than ${MAX_TABLE_DEPTH} levels`);
  }
  for (let at = start; at < end; ) at = skipValue(bytes, named ? skipName(bytes, at, end) : at, end, depth);
}

function skipName(bytes: Uint8Array, at: number, end: number): number {
  const length = bytes[at]!;
  if (length > end - at - 1) throw ended(length, end - at - 1);
  return at + 1 + length;
}

function ended(wanted: number, left: number): DecodeError {
  return new DecodeError('truncated', `Cannot read ${wanted} bytes of a table: only ${left} are left`);
}

/**
 * Reads through the whole of a table's content from `start` to `end` and keeps nothing.
 * @throws DecodeError when it is no table, or passes a limit.
 */
export function verifyTable(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
  checkSize(end - start);
  valuesLeft = MAX_TABLE_VALUES;
  skipNested(bytes, start, end, 1, true);
}

/** @throws DecodeError `invalid` beyond MAX_TABLE_BYTES. */
function checkSize(sizeBytes: number): void {
  if (sizeBytes > MAX_TABLE_BYTES) {
    throw new DecodeError('invalid', `Cannot read a table of ${sizeBytes} bytes: the limit is ${MAX_TABLE_BYTES}`);
  }
}

/**
 * Walks the fields of a table without allocating: `open`, then read the positions after each `next()` that returns true. What is nested is
 * passed over. One cursor is meant to be opened again and again.
 */
export class TableCursor {
  /** Holds the table. */
  bytes: Uint8Array = new Uint8Array(0);
  /** Position of the field's name. */
  nameStart = 0;
  /** Position after the name. */
  nameEnd = 0;
  /** One of FieldTag's values. */
  tag = 0;
  /** Position of the value; of strings, arrays and tables that of their content. */
  valueStart = 0;
  /** Position after the value. */
  valueEnd = 0;
  private at = 0;
  private end = 0;
  private named = true;

  /** Moves before the first field of the table whose content is from `start` to `end`. @throws DecodeError `invalid` when it is too large. */
  open(bytes: Uint8Array, start = 0, end: number = bytes.length): this {
    checkSize(end - start);
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.named = true;
    return this;
  }

  /** Moves before the first element of the array whose content is from `start` to `end`: its elements have no names. @throws DecodeError */
  openArray(bytes: Uint8Array, start: number, end: number): this {
    this.open(bytes, start, end).named = false;
    return this;
  }

  /** Moves to the next field and returns true, or returns false after the last. @throws DecodeError */
  next(): boolean {
    const { bytes, end } = this;
    if (this.at >= end) return false;
    if (this.named) {
      this.nameStart = this.at + 1;
      this.nameEnd = skipName(bytes, this.at, end);
    } else this.nameEnd = this.at;
    valuesLeft = MAX_TABLE_VALUES;
    this.at = skipValue(bytes, this.nameEnd, end, 1);
    this.tag = bytes[this.nameEnd]!;
    this.valueStart = this.nameEnd + (SIZES[this.tag]! >= 0 ? 1 : 5);
    this.valueEnd = this.at;
    return true;
  }

  /** The field's name; malformed UTF-8 becomes U+FFFD. */
  name(): string {
    return readUtf8(this.bytes, this.nameStart, this.nameEnd);
  }

  /** The value's bytes, as a view. */
  value(): Uint8Array {
    return this.bytes.subarray(this.valueStart, this.valueEnd);
  }
}

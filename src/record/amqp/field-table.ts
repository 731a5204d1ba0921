/**
 * The tables of AMQP 0-9-1 §4.2.5.5, with the type tags that RabbitMQ and its clients use. A table is given and returned as its content,
 * without the u32 length before it. `table-cursor.ts` walks one in place.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { EncodeError } from '../../base/errors.js';
import { readUtf8, utf8Size } from '../../base/utf8.js';
import { MAX_SHORT_STRING_BYTES, MAX_TABLE_BYTES, MAX_TABLE_DEPTH, TABLE_INITIAL_BYTES } from './limits.js';
import { FieldTag, verifyTable } from './table-cursor.js';

/** Types whose value is a JavaScript number. */
export type NumberFieldType = 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'float' | 'double';

/** A value of a table or array. A `timestamp` counts seconds since 1970; a `decimal` is `value` / 10^`scale`. */
export type FieldValue =
  | { readonly type: 'boolean'; readonly value: boolean }
  | { readonly type: NumberFieldType; readonly value: number }
  | { readonly type: 'int64' | 'timestamp'; readonly value: bigint }
  | { readonly type: 'decimal'; readonly scale: number; readonly value: number }
  | { readonly type: 'longstr' | 'bytes'; readonly value: Uint8Array }
  | { readonly type: 'array'; readonly value: readonly FieldValue[] }
  | { readonly type: 'table'; readonly value: FieldTable }
  | { readonly type: 'void' };

/** Fields by name, in the order of the bytes. Of several fields with one name the first counts, as in RabbitMQ's look-ups. */
export type FieldTable = ReadonlyMap<string, FieldValue>;

/** The table without fields. */
export const EMPTY_TABLE: FieldTable = new Map();

/**
 * The table whose content is `bytes`; strings in it are views of `bytes`. Nothing is reserved before the whole has been checked.
 * @throws DecodeError when the bytes are no table, or pass a limit of `limits.ts`.
 */
export function decodeTable(bytes: Uint8Array): FieldTable {
  if (bytes.length === 0) return EMPTY_TABLE;
  verifyTable(bytes);
  return readTable(new ByteReader(bytes), bytes.length);
}

/**
 * The value whose tag is at `at` in a table that has been verified; strings are views of `bytes`.
 * @throws DecodeError when there is no value.
 */
export function decodeValueAt(bytes: Uint8Array, at: number): FieldValue {
  return readValue(new ByteReader(bytes, at));
}

function readTable(reader: ByteReader, length: number): FieldTable {
  const table = new Map<string, FieldValue>();
  for (const end = reader.at + length; reader.at < end; ) {
    const name = reader.utf8(reader.u8());
    const value = readValue(reader);
    if (!table.has(name)) table.set(name, value);
  }
  return table;
}

function readArray(reader: ByteReader, length: number): readonly FieldValue[] {
  const values: FieldValue[] = [];
  for (const end = reader.at + length; reader.at < end; ) values.push(readValue(reader));
  return values;
}

function readValue(reader: ByteReader): FieldValue {
  const tag = reader.u8();
  switch (tag) {
    case FieldTag.longstr:
      return { type: 'longstr', value: reader.view(reader.u32()) };
    case FieldTag.bytes:
      return { type: 'bytes', value: reader.view(reader.u32()) };
    case FieldTag.boolean:
      return { type: 'boolean', value: reader.u8() !== 0 };
    case FieldTag.int64:
    case FieldTag.otherInt64:
      return { type: 'int64', value: reader.i64BigInt() };
    case FieldTag.timestamp:
      return { type: 'timestamp', value: reader.u64BigInt() };
    case FieldTag.decimal:
      return { type: 'decimal', scale: reader.u8(), value: reader.i32() };
    case FieldTag.array:
      return { type: 'array', value: readArray(reader, reader.u32()) };
    case FieldTag.table:
      return { type: 'table', value: readTable(reader, reader.u32()) };
    case FieldTag.void:
      return { type: 'void' };
    default:
      return readNumber(reader, tag);
  }
}

function readNumber(reader: ByteReader, tag: number): FieldValue {
  switch (tag) {
    case FieldTag.int8:
      return { type: 'int8', value: reader.i8() };
    case FieldTag.uint8:
      return { type: 'uint8', value: reader.u8() };
    case FieldTag.int16:
      return { type: 'int16', value: reader.i16() };
    case FieldTag.uint16:
      return { type: 'uint16', value: reader.u16() };
    case FieldTag.int32:
      return { type: 'int32', value: reader.i32() };
    case FieldTag.uint32:
      return { type: 'uint32', value: reader.u32() };
    case FieldTag.float:
      return { type: 'float', value: reader.f32() };
    default:
      // Verified bytes have no other tag left.
      return { type: 'double', value: reader.f64() };
  }
}

/**
 * The content of `table` in bytes of its own.
 * @throws EncodeError `out-of-range` for a number or name that its field cannot hold and for tables nested too deep, `too-large`.
 */
export function encodeTable(table: FieldTable): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(TABLE_INITIAL_BYTES, MAX_TABLE_BYTES);
  writeTable(writer, table, 1);
  return writer.copy();
}

function writeTable(writer: ByteWriter, table: FieldTable, depth: number): void {
  checkDepth(depth);
  for (const [name, value] of table) {
    const size = utf8Size(name);
    if (size > MAX_SHORT_STRING_BYTES) throw unfit('a field name', `${size} bytes`);
    writer.u8(size);
    writer.utf8(name);
    writeValue(writer, value, depth);
  }
}

function writeArray(writer: ByteWriter, values: readonly FieldValue[], depth: number): void {
  checkDepth(depth);
  for (const value of values) writeValue(writer, value, depth);
}

function checkDepth(depth: number): void {
  if (depth > MAX_TABLE_DEPTH) throw unfit('a table', `more than ${MAX_TABLE_DEPTH} levels`);
}

function writeValue(writer: ByteWriter, field: FieldValue, depth: number): void {
  writer.u8(FieldTag[field.type]);
  switch (field.type) {
    case 'longstr':
    case 'bytes':
      writer.u32(field.value.length);
      return writer.raw(field.value);
    case 'boolean':
      return writer.u8(field.value ? 1 : 0);
    case 'int64':
      return writeBig(writer, field.type, field.value, BigInt.asIntN(64, field.value));
    case 'timestamp':
      return writeBig(writer, field.type, field.value, BigInt.asUintN(64, field.value));
    case 'decimal':
      checkInteger('decimal scale', field.scale, 0, 0xff);
      checkInteger('decimal', field.value, -0x8000_0000, 0x7fff_ffff);
      writer.u8(field.scale);
      return writer.i32(field.value);
    case 'array':
      return writeCounted(writer, () => writeArray(writer, field.value, depth + 1));
    case 'table':
      return writeCounted(writer, () => writeTable(writer, field.value, depth + 1));
    case 'void':
      return;
    default:
      return writeNumber(writer, field.type, field.value);
  }
}

function writeCounted(writer: ByteWriter, writeContent: () => void): void {
  const lengthAt = writer.skip(4);
  writeContent();
  writer.patchU32(lengthAt, writer.at - lengthAt - 4);
}

function writeBig(writer: ByteWriter, type: string, value: bigint, wrapped: bigint): void {
  if (wrapped !== value) throw unfit(type, `${value}`);
  writer.i64BigInt(value);
}

function writeNumber(writer: ByteWriter, type: NumberFieldType, value: number): void {
  switch (type) {
    case 'int8':
      checkInteger(type, value, -0x80, 0x7f);
      return writer.i8(value);
    case 'uint8':
      checkInteger(type, value, 0, 0xff);
      return writer.u8(value);
    case 'int16':
      checkInteger(type, value, -0x8000, 0x7fff);
      return writer.i16(value);
    case 'uint16':
      checkInteger(type, value, 0, 0xffff);
      return writer.u16(value);
    case 'int32':
      checkInteger(type, value, -0x8000_0000, 0x7fff_ffff);
      return writer.i32(value);
    case 'uint32':
      checkInteger(type, value, 0, 0xffff_ffff);
      return writer.u32(value);
    case 'float':
      return writer.f32(value);
    case 'double':
      return writer.f64(value);
  }
}

function checkInteger(type: string, value: number, least: number, most: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= most)) throw unfit(type, `${value}`);
}

function unfit(what: string, value: string): EncodeError {
  return new EncodeError('out-of-range', `Cannot write ${what} of ${value} into a table`);
}

/** A long string as text, malformed UTF-8 as U+FFFD; undefined for every other type. */
export function textOf(value: FieldValue | undefined): string | undefined {
  return value?.type === 'longstr' ? readUtf8(value.value, 0, value.value.length) : undefined;
}

/** An integer of any width as a number, inexact beyond 2^53; undefined for every other type, also for strings of digits, as in RabbitMQ. */
export function integerOf(value: FieldValue | undefined): number | undefined {
  switch (value?.type) {
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
      return value.value;
    case 'int64':
      return Number(value.value);
    default:
      return undefined;
  }
}

/** Writes messages and records in protobuf's wire format straight into a buffer: no object per message, every byte copied once. */
import { ByteReader } from '../../base/bytes.js';
import { uvarintSize, writeUvarint } from '../../base/varint.js';
import { isReservedHeaderName } from '../../record/message.js';
import { WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const MESSAGE_KEY = wireTag(1, WIRE_LENGTH);
const MESSAGE_VALUE = wireTag(2, WIRE_LENGTH);
const MESSAGE_HEADERS = wireTag(3, WIRE_LENGTH);
const MESSAGE_TIMESTAMP = wireTag(4, WIRE_VARINT);
const HEADER_NAME = wireTag(1, WIRE_LENGTH);
const HEADER_VALUE = wireTag(2, WIRE_LENGTH);

/** Byte ranges shorter than this are copied in a loop: calling `Uint8Array.set` costs more. */
const COPY_LOOP_BYTES = 32;
const reader = new ByteReader(new Uint8Array(0));

/** A message to write: a record's fields, with the headers as Kafka's records hold them, without their count. */
export interface MessageSource {
  timestampMs: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headerBytes: Uint8Array;
  headersAt: number;
  headersEnd: number;
  headersCount: number;
}

function lengthDelimited(size: number): number {
  return uvarintSize(size) + size;
}

/** Copies `source` to `at` and returns the position after it. The caller has made room. */
export function writeRaw(bytes: Uint8Array, at: number, source: Uint8Array): number {
  const { length } = source;
  if (length >= COPY_LOOP_BYTES) bytes.set(source, at);
  else for (let index = 0; index < length; index++) bytes[at + index] = source[index]!;
  return at + length;
}

function writeBytesField(bytes: Uint8Array, at: number, tag: number, source: Uint8Array): number {
  bytes[at] = tag;
  return writeRaw(bytes, writeUvarint(bytes, at + 1, source.length), source);
}

/**
 * Moves the reader over one header and returns the size of its protobuf form, without tag and length; -1 for the header that the broker keeps
 * for itself, which no client sees.
 */
function headerSize(): number {
  const nameBytes = reader.varint();
  const nameStart = reader.skip(nameBytes);
  const isReserved = isReservedHeaderName(reader.bytes, nameStart, nameStart + nameBytes);
  const valueBytes = reader.varint();
  if (valueBytes > 0) reader.skip(valueBytes);
  if (isReserved) return -1;
  const nameSize = nameBytes === 0 ? 0 : 1 + lengthDelimited(nameBytes);
  return valueBytes < 0 ? nameSize : nameSize + 1 + lengthDelimited(valueBytes);
}

function headersSize(source: MessageSource): number {
  reader.reset(source.headerBytes, source.headersAt, source.headersEnd);
  let size = 0;
  for (let index = 0; index < source.headersCount; index++) {
    const header = headerSize();
    if (header >= 0) size += 1 + lengthDelimited(header);
  }
  return size;
}

function writeHeader(bytes: Uint8Array, at: number): number {
  let position = at;
  const name = reader.view(reader.varint());
  if (name.length > 0) position = writeBytesField(bytes, position, HEADER_NAME, name);
  const valueBytes = reader.varint();
  return valueBytes < 0 ? position : writeBytesField(bytes, position, HEADER_VALUE, reader.view(valueBytes));
}

function writeHeaders(bytes: Uint8Array, at: number, source: MessageSource): number {
  reader.reset(source.headerBytes, source.headersAt, source.headersEnd);
  let position = at;
  for (let index = 0; index < source.headersCount; index++) {
    const start = reader.at;
    const size = headerSize();
    if (size < 0) continue;
    reader.at = start;
    bytes[position] = MESSAGE_HEADERS;
    position = writeHeader(bytes, writeUvarint(bytes, position + 1, size));
  }
  return position;
}

/**
 * Size of the message in protobuf's form, without tag and length.
 * @throws DecodeError when the record's headers contradict themselves.
 */
export function messageSize(source: MessageSource): number {
  let size = source.headersCount === 0 ? 0 : headersSize(source);
  if (source.key !== null) size += 1 + lengthDelimited(source.key.length);
  if (source.value !== null) size += 1 + lengthDelimited(source.value.length);
  if (source.timestampMs > 0) size += 1 + uvarintSize(source.timestampMs);
  return size;
}

/** Writes what `messageSize` has measured; the caller has made room. Returns the position after it. */
export function writeMessage(bytes: Uint8Array, at: number, source: MessageSource): number {
  let position = at;
  if (source.key !== null) position = writeBytesField(bytes, position, MESSAGE_KEY, source.key);
  if (source.value !== null) position = writeBytesField(bytes, position, MESSAGE_VALUE, source.value);
  if (source.headersCount > 0) position = writeHeaders(bytes, position, source);
  if (source.timestampMs <= 0) return position;
  bytes[position] = MESSAGE_TIMESTAMP;
  return writeUvarint(bytes, position + 1, source.timestampMs);
}

/** Writes a varint field unless its value is 0, which protobuf leaves out. Returns the position after it. */
export function writeNumberField(bytes: Uint8Array, at: number, tag: number, value: number): number {
  if (value === 0) return at;
  bytes[at] = tag;
  return writeUvarint(bytes, at + 1, value);
}

/** Size of what `writeNumberField` writes. */
export function numberFieldSize(value: number): number {
  return value === 0 ? 0 : 1 + uvarintSize(value);
}

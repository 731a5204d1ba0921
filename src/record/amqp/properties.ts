/**
 * The properties of the basic class, AMQP 0-9-1 §4.2.6.1: a word of flags, highest bit first, and behind it the values whose flag is set.
 * Doors, logs and other nodes pass them on as these bytes, so that a consumer gets what was published; here they are read in place.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError, EncodeError } from '../../base/errors.js';
import { readU16, readU32 } from '../../base/integers.js';
import { readUtf8, utf8Size } from '../../base/utf8.js';
import { decodeTable, encodeTable, type FieldTable } from './field-table.js';
import * as limits from './limits.js';
import { verifyTable } from './table-cursor.js';

/** Properties without any: two zero bytes. */
export const EMPTY_PROPERTIES: Uint8Array = new Uint8Array(2);

/** What a publisher says about a message. A `timestamp` counts seconds since 1970, an `expiration` is a decimal number of milliseconds. */
export interface BasicProperties {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly headers?: FieldTable;
  /** 2 = persistent. */
  readonly deliveryMode?: number;
  readonly priority?: number;
  readonly correlationId?: string;
  readonly replyTo?: string;
  readonly expiration?: string;
  readonly messageId?: string;
  readonly timestamp?: bigint;
  readonly type?: string;
  readonly userId?: string;
  readonly appId?: string;
  readonly clusterId?: string;
}

/** Bits of the flags word; their order is the order of the values. The two lowest stand for no property. */
const CONTENT_TYPE = 1 << 15;
const CONTENT_ENCODING = 1 << 14;
const HEADERS = 1 << 13;
const DELIVERY_MODE = 1 << 12;
const PRIORITY = 1 << 11;
const CORRELATION_ID = 1 << 10;
const REPLY_TO = 1 << 9;
const EXPIRATION = 1 << 8;
const MESSAGE_ID = 1 << 7;
const TIMESTAMP = 1 << 6;
const TYPE = 1 << 5;
const USER_ID = 1 << 4;
const APP_ID = 1 << 3;
const CLUSTER_ID = 1 << 2;
const NO_PROPERTY = 0b11;
const LOWEST_PROPERTY = CLUSTER_ID;

const FLAGS_BYTES = 2;

/** `expirationMsOf` of properties without an expiration. */
export const NO_EXPIRATION = -1;
/** `expirationMsOf` where the expiration is no number of milliseconds that RabbitMQ would take. */
export const INVALID_EXPIRATION = -2;

/**
 * Checks flags, bounds and the headers table. A door calls it once per message; all others here trust bytes that passed.
 * @throws DecodeError
 */
export function verifyProperties(bytes: Uint8Array): void {
  if (bytes.length < FLAGS_BYTES) throw ended(FLAGS_BYTES - bytes.length);
  const flags = readU16(bytes, 0);
  if (flags === 0 && bytes.length === FLAGS_BYTES) return;
  if ((flags & NO_PROPERTY) !== 0) {
    throw new DecodeError('invalid', `Cannot read properties: their flags 0x${flags.toString(16)} name unknown ones`);
  }
  let at = FLAGS_BYTES;
  for (let bit = CONTENT_TYPE; bit >= LOWEST_PROPERTY; bit >>= 1) {
    if ((flags & bit) === 0) continue;
    const after = skipProperty(bytes, at, bit);
    // A length that ran off the end gives NaN or a position beyond it.
    if (!(after <= bytes.length)) throw ended(after - bytes.length);
    if (bit === HEADERS) verifyTable(bytes, at + 4, after);
    at = after;
  }
  if (at !== bytes.length) {
    throw new DecodeError('invalid', `Cannot read properties: ${bytes.length - at} bytes follow the last one`);
  }
}

function ended(missing: number): DecodeError {
  const count = Number.isNaN(missing) ? '' : `${missing} `;
  return new DecodeError('truncated', `Cannot read properties: ${count}more bytes are needed`);
}

/** The position after the property at `at`; beyond the end or NaN when the bytes end first. */
function skipProperty(bytes: Uint8Array, at: number, bit: number): number {
  switch (bit) {
    case HEADERS:
      return at + 4 <= bytes.length ? at + 4 + readU32(bytes, at) : at + 4;
    case DELIVERY_MODE:
    case PRIORITY:
      return at + 1;
    case TIMESTAMP:
      return at + 8;
    default:
      return at + 1 + (bytes[at] ?? Number.NaN);
  }
}

/** The position of a property in verified bytes, or -1. */
function positionOf(bytes: Uint8Array, wanted: number): number {
  const flags = readU16(bytes, 0);
  if ((flags & wanted) === 0) return -1;
  let at = FLAGS_BYTES;
  for (let bit = CONTENT_TYPE; bit > wanted; bit >>= 1) if ((flags & bit) !== 0) at = skipProperty(bytes, at, bit);
  return at;
}

function byteOf(bytes: Uint8Array, wanted: number): number {
  const at = positionOf(bytes, wanted);
  return at < 0 ? 0 : bytes[at]!;
}

function shortStringOf(bytes: Uint8Array, wanted: number): string | undefined {
  const at = positionOf(bytes, wanted);
  return at < 0 ? undefined : readUtf8(bytes, at + 1, at + 1 + bytes[at]!);
}

/** The delivery mode, 2 = persistent; 0 when absent. */
export function deliveryModeOf(bytes: Uint8Array): number {
  return byteOf(bytes, DELIVERY_MODE);
}

/** The priority; 0 when absent. */
export function priorityOf(bytes: Uint8Array): number {
  return byteOf(bytes, PRIORITY);
}

/** The expiration in milliseconds; NO_EXPIRATION when absent, INVALID_EXPIRATION unless it is a whole number up to 2^32-1. */
export function expirationMsOf(bytes: Uint8Array): number {
  const at = positionOf(bytes, EXPIRATION);
  if (at < 0) return NO_EXPIRATION;
  const end = at + 1 + bytes[at]!;
  // RabbitMQ takes a sign before the digits: "+5" and "-0" are numbers to it.
  const sign = bytes[at + 1];
  const signed = end > at + 1 && (sign === 0x2b || sign === 0x2d);
  const start = signed ? at + 2 : at + 1;
  if (start === end) return INVALID_EXPIRATION;
  let value = 0;
  for (let index = start; index < end; index++) {
    const digit = bytes[index]! - 0x30;
    if (digit < 0 || digit > 9) return INVALID_EXPIRATION;
    value = Math.min(value * 10 + digit, limits.MAX_EXPIRATION_MS + 1);
  }
  if (value > limits.MAX_EXPIRATION_MS || (sign === 0x2d && value > 0)) return INVALID_EXPIRATION;
  return value;
}

/** The content of the headers table as a view, undecoded; undefined when absent. */
export function headersOf(bytes: Uint8Array): Uint8Array | undefined {
  const at = positionOf(bytes, HEADERS);
  return at < 0 ? undefined : bytes.subarray(at + 4, at + 4 + readU32(bytes, at));
}

/** The message id; undefined when absent. */
export function messageIdOf(bytes: Uint8Array): string | undefined {
  return shortStringOf(bytes, MESSAGE_ID);
}

/** The user id; undefined when absent. */
export function userIdOf(bytes: Uint8Array): string | undefined {
  return shortStringOf(bytes, USER_ID);
}

/** The queue for answers; undefined when absent. */
export function replyToOf(bytes: Uint8Array): string | undefined {
  return shortStringOf(bytes, REPLY_TO);
}

/**
 * The same properties with another headers table, whose content is given undecoded; undefined takes the headers out. All other bytes stay
 * as they are. The result is in bytes of its own.
 */
export function replaceHeaders(bytes: Uint8Array, headers: Uint8Array | undefined): Uint8Array<ArrayBuffer> {
  const flags = readU16(bytes, 0);
  let at = FLAGS_BYTES;
  for (let bit = CONTENT_TYPE; bit > HEADERS; bit >>= 1) if ((flags & bit) !== 0) at = skipProperty(bytes, at, bit);
  const after = (flags & HEADERS) === 0 ? at : skipProperty(bytes, at, HEADERS);
  const writer = new ByteWriter(bytes.length + 4 + (headers?.length ?? 0), limits.MAX_PROPERTIES_BYTES);
  writer.u16(headers === undefined ? flags & ~HEADERS : flags | HEADERS);
  writer.raw(bytes.subarray(FLAGS_BYTES, at));
  if (headers !== undefined) {
    writer.u32(headers.length);
    writer.raw(headers);
  }
  writer.raw(bytes.subarray(after));
  return writer.copy();
}

type ShortStringName = Exclude<keyof BasicProperties, 'headers' | 'deliveryMode' | 'priority' | 'timestamp'>;

/** Every property with its flag, in the order of the bytes. */
const PROPERTIES: readonly (readonly [bit: number, name: keyof BasicProperties])[] = [
  [CONTENT_TYPE, 'contentType'],
  [CONTENT_ENCODING, 'contentEncoding'],
  [HEADERS, 'headers'],
  [DELIVERY_MODE, 'deliveryMode'],
  [PRIORITY, 'priority'],
  [CORRELATION_ID, 'correlationId'],
  [REPLY_TO, 'replyTo'],
  [EXPIRATION, 'expiration'],
  [MESSAGE_ID, 'messageId'],
  [TIMESTAMP, 'timestamp'],
  [TYPE, 'type'],
  [USER_ID, 'userId'],
  [APP_ID, 'appId'],
  [CLUSTER_ID, 'clusterId'],
];

type Changeable = { -readonly [Name in keyof BasicProperties]: BasicProperties[Name] };

/** All properties. What the headers table holds as strings are views of `bytes`. @throws DecodeError unless the bytes were verified. */
export function readProperties(bytes: Uint8Array): BasicProperties {
  const reader = new ByteReader(bytes);
  const flags = reader.u16();
  const properties: Changeable = {};
  for (const [bit, name] of PROPERTIES) if ((flags & bit) !== 0) readProperty(reader, name, properties);
  return properties;
}

function readProperty(reader: ByteReader, name: keyof BasicProperties, into: Changeable): void {
  switch (name) {
    case 'headers':
      into.headers = decodeTable(reader.view(reader.u32()));
      return;
    case 'deliveryMode':
    case 'priority':
      into[name] = reader.u8();
      return;
    case 'timestamp':
      into.timestamp = reader.u64BigInt();
      return;
    default:
      into[name] = reader.utf8(reader.u8());
  }
}

/**
 * The flags and values of `properties` in bytes of their own.
 * @throws EncodeError `out-of-range` for what its field cannot hold, `too-large`.
 */
export function encodeProperties(properties: BasicProperties): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter(limits.TABLE_INITIAL_BYTES, limits.MAX_PROPERTIES_BYTES);
  let flags = 0;
  writer.u16(0);
  for (const [bit, name] of PROPERTIES) {
    if (properties[name] === undefined) continue;
    flags |= bit;
    writeProperty(writer, name, properties);
  }
  writer.patchU16(0, flags);
  return writer.copy();
}

function writeProperty(writer: ByteWriter, name: keyof BasicProperties, from: BasicProperties): void {
  switch (name) {
    case 'headers': {
      const content = encodeTable(from.headers ?? new Map());
      writer.u32(content.length);
      return writer.raw(content);
    }
    case 'deliveryMode':
    case 'priority': {
      const value = from[name] ?? 0;
      if (!(Number.isInteger(value) && value >= 0 && value <= 0xff)) throw unfit(name, `${value}`);
      return writer.u8(value);
    }
    case 'timestamp': {
      const value = from.timestamp ?? 0n;
      if (BigInt.asUintN(64, value) !== value) throw unfit(name, `${value}`);
      return writer.i64BigInt(value);
    }
    default:
      return writeShortString(writer, name, from[name] ?? '');
  }
}

function writeShortString(writer: ByteWriter, name: ShortStringName, text: string): void {
  const size = utf8Size(text);
  if (size > limits.MAX_SHORT_STRING_BYTES) throw unfit(name, `${size} bytes`);
  writer.u8(size);
  writer.utf8(text);
}

function unfit(name: string, value: string): EncodeError {
  return new EncodeError('out-of-range', `Cannot write the property ${name} of ${value}`);
}

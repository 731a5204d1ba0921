/**
 * What AMQP says about a message and a record cannot: the value of the reserved record header, drawn in docs/formats/envelope.md.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { encodeUtf8, utf8Size } from '../../base/utf8.js';
import { isReservedHeaderName, RESERVED_HEADER_NAME } from '../message.js';
import type { RecordHeader } from '../records.js';
import { decodeValueAt, type FieldValue } from './field-table.js';
import { KEPT_VERIFIED_BYTES, MAX_ENVELOPE_BYTES, TABLE_INITIAL_BYTES, WRITER_KEEP_BYTES } from './limits.js';
import { headersOf, verifyProperties } from './properties.js';
import { FieldTag, TableCursor } from './table-cursor.js';

/** Name of the record header that holds the envelope; it is always the record's first header. */
export const ENVELOPE_HEADER = RESERVED_HEADER_NAME;

/** What a record from an AMQP door, or from the dead letters of such, carries beside key, value and headers. */
export interface Envelope {
  readonly exchange: string;
  readonly routingKey: string;
  /** The basic class's property flags and list as published, verified: a view. */
  readonly properties: Uint8Array;
  readonly origin?: MessageOrigin;
  /** Further routing keys, which consumers do not see. */
  readonly blindKeys?: readonly string[];
}

/** Where a dead letter comes from, so that it can be sent back there. */
export interface MessageOrigin {
  readonly vhost: string;
  readonly queue: string;
  readonly partition: number;
  readonly offset: number;
  /** `rejected`, `expired`, `maxlen` or `delivery_limit`. */
  readonly reason: string;
}

const VERSION = 1;
const NO_FLAGS = 0;
const ORIGIN_SECTION = 1;
const BLIND_KEYS_SECTION = 2;

/** Makes the headers of records. One writer serves a session: what it returns is borrowed until the next call. */
export class EnvelopeWriter {
  private writer = newWriter();
  private readonly list: RecordHeader[] = [];
  private readonly cursor = new TableCursor();

  /**
   * The envelope, and behind it the AMQP headers that a record header can express: strings verbatim, numbers, booleans and timestamps as
   * text, void as null; arrays and tables are in the properties only. Values are views of `properties`, which have been verified.
   * @throws EncodeError `too-large`.
   */
  headers(
    exchange: string,
    routingKey: string,
    properties: Uint8Array,
    origin?: MessageOrigin,
    blindKeys?: readonly string[],
  ): readonly RecordHeader[] {
    if (this.writer.bytes.length > WRITER_KEEP_BYTES) this.writer = newWriter();
    const writer = this.writer.reset();
    writer.u8(VERSION);
    writer.u8(NO_FLAGS);
    writeText(writer, exchange);
    writeText(writer, routingKey);
    writer.uvarint(properties.length);
    writer.raw(properties);
    if (origin !== undefined) writeOrigin(writer, origin);
    if (blindKeys !== undefined) writeBlindKeys(writer, blindKeys);
    this.list.length = 0;
    this.list.push([ENVELOPE_HEADER, writer.view()]);
    const table = headersOf(properties);
    if (table !== undefined) this.addHeaders(table);
    return this.list;
  }

  private addHeaders(table: Uint8Array): void {
    const cursor = this.cursor.open(table);
    while (cursor.next()) {
      if (isReservedHeaderName(table, cursor.nameStart, cursor.nameEnd)) continue;
      const value = recordValue(cursor);
      if (value !== undefined) this.list.push([cursor.name(), value]);
    }
  }
}

function newWriter(): ByteWriter {
  return new ByteWriter(TABLE_INITIAL_BYTES, MAX_ENVELOPE_BYTES);
}

function writeText(writer: ByteWriter, text: string): void {
  writer.uvarint(utf8Size(text));
  writer.utf8(text);
}

function writeOrigin(writer: ByteWriter, origin: MessageOrigin): void {
  const content = new ByteWriter(TABLE_INITIAL_BYTES, MAX_ENVELOPE_BYTES);
  writeText(content, origin.vhost);
  writeText(content, origin.queue);
  content.uvarint(origin.partition);
  content.uvarint(origin.offset);
  writeText(content, origin.reason);
  writeSection(writer, ORIGIN_SECTION, content);
}

function writeBlindKeys(writer: ByteWriter, keys: readonly string[]): void {
  const content = new ByteWriter(TABLE_INITIAL_BYTES, MAX_ENVELOPE_BYTES);
  for (const key of keys) writeText(content, key);
  writeSection(writer, BLIND_KEYS_SECTION, content);
}

function writeSection(writer: ByteWriter, tag: number, content: ByteWriter): void {
  writer.u8(tag);
  writer.uvarint(content.at);
  writer.raw(content.view());
}

/** The field's value as that of a record header; undefined when none can express it. */
function recordValue(field: TableCursor): Uint8Array | null | undefined {
  switch (field.tag) {
    case FieldTag.longstr:
    case FieldTag.bytes:
      return field.value();
    case FieldTag.array:
    case FieldTag.table:
      return undefined;
    case FieldTag.void:
      return null;
    default:
      return encodeUtf8(scalarText(decodeValueAt(field.bytes, field.nameEnd)));
  }
}

function scalarText(field: FieldValue): string {
  if (field.type === 'decimal') return `${field.value}e-${field.scale}`;
  return 'value' in field ? String(field.value) : '';
}

const reader = new ByteReader(new Uint8Array(0));

/** Finds the parts of an envelope in place: nothing is made per record. One cursor is meant to be opened again and again. */
export class EnvelopeCursor {
  /** What positions count in: the headers that were opened. */
  bytes: Uint8Array = new Uint8Array(0);
  exchangeStart = 0;
  exchangeEnd = 0;
  routingKeyStart = 0;
  routingKeyEnd = 0;
  /** Verified property flags and list. */
  propertiesStart = 0;
  propertiesEnd = 0;
  /** Behind the last section. */
  end = 0;
  /** Properties that were found good last: messages of one publisher mostly have the same. */
  private verified: Uint8Array = new Uint8Array(0);

  /** Takes a record's headers in Kafka's encoding. False when they hold no envelope, as readEnvelope says. */
  open(headers: Uint8Array): boolean {
    // Most records of other doors have no headers: that is one zero byte.
    if (headers.length < 2) return false;
    try {
      return this.tryOpen(headers);
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
  }

  private tryOpen(headers: Uint8Array): boolean {
    reader.reset(headers);
    if (reader.varint() < 1) return false;
    const nameStart = reader.skip(reader.varint());
    if (!isReservedHeaderName(headers, nameStart, reader.at)) return false;
    const length = reader.varint();
    reader.end = reader.skip(length) + length;
    reader.at -= length;
    if (reader.u8() !== VERSION || reader.u8() !== NO_FLAGS) return false;
    this.bytes = headers;
    this.exchangeStart = reader.skip(reader.uvarint());
    this.exchangeEnd = reader.at;
    this.routingKeyStart = reader.skip(reader.uvarint());
    this.routingKeyEnd = reader.at;
    this.propertiesStart = reader.skip(reader.uvarint());
    this.propertiesEnd = reader.at;
    this.end = reader.end;
    // A Kafka producer may forge an envelope: what it calls properties must not break the framing of those who get them.
    if (!this.isKnown()) this.verify();
    return true;
  }

  private isKnown(): boolean {
    const { verified, bytes, propertiesStart } = this;
    const { length } = verified;
    if (length === 0 || this.propertiesEnd - propertiesStart !== length) return false;
    let same = 0;
    while (same < length && verified[same] === bytes[propertiesStart + same]) same++;
    return same === length;
  }

  private verify(): void {
    const properties = this.bytes.subarray(this.propertiesStart, this.propertiesEnd);
    verifyProperties(properties);
    if (properties.length <= KEPT_VERIFIED_BYTES) this.verified = properties.slice();
  }
}

const found = new EnvelopeCursor();

/**
 * The envelope of a record, whose headers are given in Kafka's encoding; undefined for records of other doors, and for what a Kafka producer
 * wrote under the reserved name unless it is an envelope. The properties are a view, and verified.
 */
export function readEnvelope(headers: Uint8Array): Envelope | undefined {
  if (!found.open(headers)) return undefined;
  try {
    return readFound(headers);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function readFound(headers: Uint8Array): Envelope {
  const exchange = textBetween(headers, found.exchangeStart, found.exchangeEnd);
  const routingKey = textBetween(headers, found.routingKeyStart, found.routingKeyEnd);
  const properties = headers.subarray(found.propertiesStart, found.propertiesEnd);
  if (found.propertiesEnd === found.end) return { exchange, routingKey, properties };
  reader.reset(headers, found.propertiesEnd, found.end);
  return { exchange, routingKey, properties, ...readSections() };
}

function textBetween(bytes: Uint8Array, start: number, end: number): string {
  return reader.reset(bytes, start, end).utf8(end - start);
}

function readText(): string {
  return reader.utf8(reader.uvarint());
}

/** Sections that are not known are passed over: a later version may have written them. */
function readSections(): Pick<Envelope, 'origin' | 'blindKeys'> {
  const sections: { origin?: MessageOrigin; blindKeys?: readonly string[] } = {};
  const { end } = reader;
  while (reader.remaining > 0) {
    const tag = reader.u8();
    const length = reader.uvarint();
    const sectionEnd = reader.skip(length) + length;
    reader.at = sectionEnd - length;
    reader.end = sectionEnd;
    if (tag === ORIGIN_SECTION) sections.origin = readOrigin();
    else if (tag === BLIND_KEYS_SECTION) sections.blindKeys = readBlindKeys();
    reader.end = end;
    reader.at = sectionEnd;
  }
  return sections;
}

function readBlindKeys(): readonly string[] {
  const keys: string[] = [];
  while (reader.remaining > 0) keys.push(readText());
  return keys;
}

function readOrigin(): MessageOrigin {
  const vhost = readText();
  const queue = readText();
  const partition = reader.uvarint();
  const offset = reader.uvarlong();
  return { vhost, queue, partition, offset, reason: readText() };
}

/** The record's headers without the envelope, in order; values are views. @throws DecodeError unless the headers were verified. */
export function* otherHeaders(headers: Uint8Array): Iterable<[string, Uint8Array | null]> {
  if (headers.length === 0) return;
  const walk = new ByteReader(headers);
  for (let left = walk.varint(); left > 0; left--) {
    const nameStart = walk.skip(walk.varint());
    const nameEnd = walk.at;
    const length = walk.varint();
    const value = length < 0 ? null : walk.view(length);
    if (isReservedHeaderName(headers, nameStart, nameEnd)) continue;
    yield [new ByteReader(headers, nameStart, nameEnd).utf8(nameEnd - nameStart), value];
  }
}

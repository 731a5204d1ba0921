/** Messages as programs receive them. Nothing is decoded before it is asked for; byte arrays are views of what came over the wire. */
import { ByteReader } from '../base/bytes.js';
import { readUtf8 } from '../base/utf8.js';
import type { WireKind } from '../proto/client-wire.js';
import { RESERVED_HEADER_NAME } from '../record/message.js';
import type { RecordCursor } from '../record/record-reader.js';
import { NO_HEADERS, type RecordHeader } from '../record/records.js';
import { fieldEnd, skipField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const MESSAGE_KEY = wireTag(1, WIRE_LENGTH);
const MESSAGE_VALUE = wireTag(2, WIRE_LENGTH);
const MESSAGE_HEADERS = wireTag(3, WIRE_LENGTH);
const MESSAGE_TIMESTAMP = wireTag(4, WIRE_VARINT);
const HEADER_NAME = wireTag(1, WIRE_LENGTH);
const HEADER_VALUE = wireTag(2, WIRE_LENGTH);

/** A message with its place. `value` and `key` are views: copy what must live long, since a view keeps the whole frame in memory. */
export abstract class ReceivedMessage {
  /** The partition that holds the message. */
  partition = 0;
  /** Its position there. */
  offset = 0;
  /** Milliseconds since 1970; 0 or less where nobody set it. */
  timestamp = 0;
  protected bytes: Uint8Array;
  protected keyStart = 0;
  /** -1: the key is null. */
  protected keyEnd = -1;
  protected valueStart = 0;
  /** -1: the value is null. */
  protected valueEnd = -1;
  protected headersStart = 0;
  /** 0 where it is known that there are no headers. */
  protected headersEnd = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  protected abstract readHeaders(): RecordHeader[];

  get key(): Uint8Array | null {
    return this.keyEnd === -1 ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  /** Null is a tombstone. */
  get value(): Uint8Array | null {
    return this.valueEnd === -1 ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  /** Size of the value in bytes; 0 for null. */
  get size(): number {
    return this.valueEnd === -1 ? 0 : this.valueEnd - this.valueStart;
  }

  /** Name and value of each header, in order; names may repeat. */
  get headers(): readonly RecordHeader[] {
    if (this.headersEnd === 0) return NO_HEADERS;
    return this.readHeaders().filter(([name]) => name !== RESERVED_HEADER_NAME);
  }

  /** The first header of this name as text, or undefined if there is none. */
  header(name: string): string | undefined {
    const value = this.headers.find((header) => header[0] === name)?.[1];
    return value ? readUtf8(value, 0, value.length) : undefined;
  }

  /** The value as text; a null value is empty. */
  text(): string {
    return this.valueEnd === -1 ? '' : readUtf8(this.bytes, this.valueStart, this.valueEnd);
  }

  /** The key as text, or null. */
  keyText(): string | null {
    return this.keyEnd === -1 ? null : readUtf8(this.bytes, this.keyStart, this.keyEnd);
  }

  /** The value parsed as JSON; whether it is a T is for the caller to know. @throws SyntaxError when it is no JSON. */
  json<T = unknown>(): T {
    return JSON.parse(this.text()) as T;
  }
}

/** A message of a topic, read by offset. */
export abstract class ReceivedRecord extends ReceivedMessage {
  /** Tells records from other things that an iterator may yield. */
  get kind(): 'record' {
    return 'record';
  }
}

/** A record that lies in a batch. */
class BatchRecord extends ReceivedRecord {
  constructor(partition: number, cursor: RecordCursor) {
    super(cursor.bytes);
    this.partition = partition;
    this.offset = cursor.offset;
    this.timestamp = cursor.timestamp;
    this.keyStart = cursor.keyStart;
    this.keyEnd = cursor.keyEnd;
    this.valueStart = cursor.valueStart;
    this.valueEnd = cursor.valueEnd;
    if (cursor.headersCount === 0) return;
    this.headersStart = cursor.headersStart;
    this.headersEnd = cursor.recordEnd;
  }

  protected override readHeaders(): RecordHeader[] {
    const reader = new ByteReader(this.bytes, this.headersStart, this.headersEnd);
    const headers: RecordHeader[] = [];
    while (reader.remaining > 0) {
      const name = reader.utf8(reader.varint());
      const length = reader.varint();
      headers.push([name, length < 0 ? null : reader.view(length)]);
    }
    return headers;
  }
}

/** The record on which `cursor` stands. */
export function recordAt(partition: number, cursor: RecordCursor): ReceivedRecord {
  return new BatchRecord(partition, cursor);
}

type OffsetMessage = NonNullable<NonNullable<NonNullable<WireKind<'deliver'>['records']>[number]['messages']>[number]>;

/** A record that the node decoded. */
class DecodedRecord extends ReceivedRecord {
  private readonly decoded: NonNullable<OffsetMessage['message']>;

  constructor(partition: number, wire: OffsetMessage) {
    const message = wire.message ?? {};
    super(message.value ?? new Uint8Array(0));
    this.decoded = message;
    this.partition = partition;
    this.offset = wire.offset ?? 0;
    this.timestamp = message.timestampMs ?? 0;
    this.valueEnd = message.value ? message.value.length : -1;
    this.headersEnd = message.headers?.length ?? 0;
  }

  override get key(): Uint8Array | null {
    return this.decoded.key ?? null;
  }

  override keyText(): string | null {
    const { key } = this;
    return key && readUtf8(key, 0, key.length);
  }

  protected override readHeaders(): RecordHeader[] {
    return (this.decoded.headers ?? []).map((header) => [header.name ?? '', header.value ?? null]);
  }
}

/** The record of a message that the node decoded. */
export function recordOfWire(partition: number, wire: OffsetMessage): ReceivedRecord {
  return new DecodedRecord(partition, wire);
}

/** A message whose parts are found in its protobuf form. */
export abstract class WireMessage extends ReceivedMessage {
  /** Notes where the parts of the Message between the reader's position and `end` lie. @throws DecodeError. */
  protected locate(reader: ByteReader, end: number): void {
    const start = reader.at;
    while (reader.at < end) {
      const tag = reader.uvarint();
      if (tag === MESSAGE_VALUE) {
        this.valueEnd = fieldEnd(reader);
        this.valueStart = reader.at;
        reader.at = this.valueEnd;
      } else if (tag === MESSAGE_KEY) {
        this.keyEnd = fieldEnd(reader);
        this.keyStart = reader.at;
        reader.at = this.keyEnd;
      } else if (tag === MESSAGE_TIMESTAMP) this.timestamp = reader.uvarlong();
      else {
        if (tag === MESSAGE_HEADERS) {
          this.headersStart = start;
          this.headersEnd = end;
        }
        skipField(reader, tag);
      }
    }
  }

  protected override readHeaders(): RecordHeader[] {
    const reader = new ByteReader(this.bytes, this.headersStart, this.headersEnd);
    const headers: RecordHeader[] = [];
    while (reader.remaining > 0) {
      const tag = reader.uvarint();
      if (tag === MESSAGE_HEADERS) headers.push(readHeader(reader));
      else skipField(reader, tag);
    }
    return headers;
  }
}

function readHeader(reader: ByteReader): RecordHeader {
  const end = fieldEnd(reader);
  let name = '';
  let value: Uint8Array | null = null;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === HEADER_NAME) name = reader.utf8(reader.uvarint());
    else if (tag === HEADER_VALUE) value = reader.view(reader.uvarint());
    else skipField(reader, tag);
  }
  return [name, value];
}

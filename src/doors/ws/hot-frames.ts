/**
 * Decoders of the two requests that come by the hundred thousand, written by hand: they make no object but those that the broker takes, and
 * count what they make while they make it.
 */

import type { ByteReader } from '../../base/bytes.js';
import { copyOf } from '../../base/copy.js';
import { BrokerError } from '../../broker/errors.js';
import type { OutgoingMessage, ProducerStamp } from '../../broker/ports.js';
import { MAX_TIMESTAMP_MS } from '../../record/limits.js';
import { RESERVED_HEADER_NAME } from '../../record/message.js';
import { reservedHeader } from './batches.js';
import {
  checkedName,
  checkedOutcome,
  checkedProducer,
  checkedRanges,
  checkedVhost,
  durabilityLevel,
} from './checks.js';
import type { PublishCommand, SettleCommand } from './commands.js';
import { invalidRequest } from './errors.js';
import * as limits from './limits.js';
import {
  backTo,
  bytesField,
  fieldEnd,
  passField,
  skipField,
  stringField,
  WIRE_LENGTH,
  WIRE_VARINT,
  wireTag,
} from './wire.js';

const PUBLISH_TO = wireTag(1, WIRE_LENGTH);
const PUBLISH_PARTITION = wireTag(2, WIRE_VARINT);
const PUBLISH_MESSAGES = wireTag(3, WIRE_LENGTH);
const PUBLISH_BATCH = wireTag(4, WIRE_LENGTH);
const PUBLISH_DURABILITY = wireTag(5, WIRE_VARINT);
const PUBLISH_PRODUCER = wireTag(6, WIRE_LENGTH);
const PUBLISH_VHOST = wireTag(7, WIRE_LENGTH);
const MESSAGE_KEY = wireTag(1, WIRE_LENGTH);
const MESSAGE_VALUE = wireTag(2, WIRE_LENGTH);
const MESSAGE_HEADERS = wireTag(3, WIRE_LENGTH);
const MESSAGE_TIMESTAMP = wireTag(4, WIRE_VARINT);
const HEADER_NAME = wireTag(1, WIRE_LENGTH);
const HEADER_VALUE = wireTag(2, WIRE_LENGTH);
const PRODUCER_ID = wireTag(1, WIRE_VARINT);
const PRODUCER_EPOCH = wireTag(2, WIRE_VARINT);
const PRODUCER_SEQUENCE = wireTag(3, WIRE_VARINT);
const SETTLE_SUBSCRIPTION = wireTag(1, WIRE_VARINT);
const SETTLE_OUTCOME = wireTag(2, WIRE_VARINT);
const SETTLE_TAGS = wireTag(3, WIRE_LENGTH);
const SETTLE_UP_TO = wireTag(4, WIRE_VARINT);
const SETTLE_SKIP = wireTag(5, WIRE_VARINT);
const RANGE_FIRST = wireTag(1, WIRE_VARINT);
const RANGE_LAST = wireTag(2, WIRE_VARINT);

type Header = readonly [name: string, value: Uint8Array | null];
const NO_HEADERS: readonly Header[] = [];
const NO_MESSAGES: readonly OutgoingMessage[] = [];
const NO_RANGES: readonly number[] = [];

/** A name that was just seen is likely to come again: comparing bytes is cheaper than decoding them, and the string keeps its hash. */
export class NameMemory {
  private bytes = new Uint8Array(0);
  private name = '';

  /** Reads a string field. @throws DecodeError on malformed UTF-8. */
  read(reader: ByteReader): string {
    const length = reader.uvarint();
    const start = reader.skip(length);
    if (this.matches(reader.bytes, start, length)) return this.name;
    reader.at = start;
    const name = reader.utf8Strict(length);
    if (length > limits.MAX_NAME_BYTES) return name;
    this.bytes = copyOf(reader.bytes.subarray(start, start + length));
    this.name = name;
    return name;
  }

  private matches(bytes: Uint8Array, start: number, length: number): boolean {
    if (length !== this.bytes.length || length === 0) return false;
    for (let index = 0; index < length; index++) if (bytes[start + index] !== this.bytes[index]) return false;
    return true;
  }
}

/** Counts the headers of one publish over all its messages. */
interface HeaderCount {
  total: number;
}

/**
 * Decodes the Publish between the reader's position and `end`. Bytes are views into the frame.
 * @throws DecodeError on bytes that are no Publish.
 * @throws BrokerError `invalid-request` or `too-large` on a Publish that breaks a rule.
 */
export function decodePublish(
  reader: ByteReader,
  end: number,
  names: NameMemory,
  session: limits.RequestScope,
): PublishCommand {
  const frameEnd = reader.end;
  reader.end = end;
  // A field that comes again replaces what it was before: only the last one is made into anything, however many millions there are.
  let toAt = -1;
  let vhostAt = -1;
  let partition: number | undefined;
  let messages: OutgoingMessage[] | undefined;
  let batchAt = -1;
  let durability = 0;
  let producer: ProducerStamp | undefined;
  const headers = { total: 0 };
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === PUBLISH_MESSAGES) {
      messages ??= [];
      if (messages.length === limits.MAX_MESSAGES_PER_PUBLISH) throw tooMany('messages', messages.length);
      messages.push(decodeMessage(reader, headers, session.maxMessageBytes));
    } else if (tag === PUBLISH_TO) toAt = passField(reader);
    else if (tag === PUBLISH_VHOST) vhostAt = passField(reader);
    else if (tag === PUBLISH_BATCH) batchAt = passField(reader);
    else if (tag === PUBLISH_PARTITION) partition = reader.uvarint();
    else if (tag === PUBLISH_DURABILITY) durability = reader.uvarint();
    else if (tag === PUBLISH_PRODUCER) producer = decodeProducer(reader);
    else skipField(reader, tag);
  }
  const to = toAt < 0 ? '' : names.read(backTo(reader, toAt));
  const vhost = vhostAt < 0 ? '' : stringField(backTo(reader, vhostAt));
  const batch = batchAt < 0 ? undefined : bytesField(backTo(reader, batchAt));
  reader.at = end;
  reader.end = frameEnd;
  return {
    kind: 'publish',
    to: checkedName(to),
    vhost: checkedVhost(vhost, session.vhost),
    partition,
    messages: messages ?? NO_MESSAGES,
    batch: batch?.length === 0 ? undefined : batch,
    level: durabilityLevel(durability),
    producer: producer && checkedProducer(producer),
  };
}

function tooMany(what: string, limit: number): BrokerError {
  return new BrokerError('too-large', `Cannot publish more than ${limit} ${what} at once`);
}

function decodeMessage(reader: ByteReader, count: HeaderCount, maxMessageBytes: number): OutgoingMessage {
  const publishEnd = reader.end;
  const start = reader.at;
  const end = fieldEnd(reader);
  // The wire form is never smaller than key, value and headers together: only a message beyond the limit by that measure needs weighing.
  const weigh = end - start > maxMessageBytes;
  reader.end = end;
  let keyAt = -1;
  let valueAt = -1;
  let headers: Header[] | undefined;
  let timestampMs = 0;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === MESSAGE_VALUE) valueAt = passField(reader);
    else if (tag === MESSAGE_KEY) keyAt = passField(reader);
    else if (tag === MESSAGE_TIMESTAMP) timestampMs = reader.uvarlong();
    else if (tag === MESSAGE_HEADERS) {
      headers ??= [];
      if (headers.length === limits.MAX_HEADERS_PER_MESSAGE) throw tooMany('headers in a message', headers.length);
      if (++count.total > limits.MAX_HEADERS_PER_PUBLISH) throw tooMany('headers', limits.MAX_HEADERS_PER_PUBLISH);
      headers.push(decodeHeader(reader));
    } else skipField(reader, tag);
  }
  const key = keyAt < 0 ? null : bytesField(backTo(reader, keyAt));
  const value = valueAt < 0 ? null : bytesField(backTo(reader, valueAt));
  reader.at = end;
  reader.end = publishEnd;
  const message = { key, value, headers: headers ?? NO_HEADERS, timestampMs };
  if (weigh) checkWeight(message, maxMessageBytes);
  checkContent(message);
  return message;
}

/** Key, value and headers of a message in bytes; a header's name counts its UTF-16 units. */
function weight(message: OutgoingMessage): number {
  let bytes = (message.key?.length ?? 0) + (message.value?.length ?? 0);
  for (const [name, value] of message.headers) bytes += name.length + (value?.length ?? 0);
  return bytes;
}

/** @throws BrokerError `too-large` when the message weighs more than `maxMessageBytes`. */
export function checkWeight(message: OutgoingMessage, maxMessageBytes: number): void {
  const bytes = weight(message);
  if (bytes > maxMessageBytes) {
    throw new BrokerError('too-large', `Cannot publish a message of ${bytes} bytes: the limit is ${maxMessageBytes}`);
  }
}

/** @throws BrokerError `invalid-request` when a record could not hold the timestamp, or a header is the broker's own. */
export function checkContent(message: OutgoingMessage): void {
  if (message.timestampMs > MAX_TIMESTAMP_MS) {
    throw invalidRequest(`The timestamp ${message.timestampMs} is beyond what a record can hold`);
  }
  for (const [name] of message.headers) if (name === RESERVED_HEADER_NAME) throw reservedHeader();
}

function decodeHeader(reader: ByteReader): Header {
  const messageEnd = reader.end;
  const end = fieldEnd(reader);
  reader.end = end;
  let nameAt = -1;
  let valueAt = -1;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === HEADER_NAME) nameAt = passField(reader);
    else if (tag === HEADER_VALUE) valueAt = passField(reader);
    else skipField(reader, tag);
  }
  const name = nameAt < 0 ? '' : stringField(backTo(reader, nameAt));
  const value = valueAt < 0 ? null : bytesField(backTo(reader, valueAt));
  reader.at = end;
  reader.end = messageEnd;
  return [name, value];
}

function decodeProducer(reader: ByteReader): ProducerStamp {
  const publishEnd = reader.end;
  const end = fieldEnd(reader);
  reader.end = end;
  let producerId = 0;
  let epoch = 0;
  let sequence = 0;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === PRODUCER_ID) producerId = reader.uvarlong();
    else if (tag === PRODUCER_EPOCH) epoch = reader.uvarint();
    else if (tag === PRODUCER_SEQUENCE) sequence = reader.uvarint();
    else skipField(reader, tag);
  }
  reader.end = publishEnd;
  return { producerId, epoch, sequence };
}

/**
 * Decodes the Settle between the reader's position and `end`.
 * @throws DecodeError on bytes that are no Settle.
 * @throws BrokerError `invalid-request` on a Settle that breaks a rule.
 */
export function decodeSettle(reader: ByteReader, end: number): SettleCommand {
  const frameEnd = reader.end;
  reader.end = end;
  let subscription = 0;
  let outcome = 0;
  let upToTag = 0;
  let skipSettled = false;
  let ranges: number[] | undefined;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === SETTLE_TAGS) {
      ranges ??= [];
      if (ranges.length === 2 * limits.MAX_TAG_RANGES) throw tooManyRanges();
      decodeRange(reader, ranges);
    } else if (tag === SETTLE_SUBSCRIPTION) subscription = reader.uvarint();
    else if (tag === SETTLE_UP_TO) upToTag = reader.uvarlong();
    else if (tag === SETTLE_OUTCOME) outcome = reader.uvarint();
    else if (tag === SETTLE_SKIP) skipSettled = reader.uvarint() !== 0;
    else skipField(reader, tag);
  }
  reader.end = frameEnd;
  checkedRanges(ranges ?? NO_RANGES, upToTag);
  return {
    kind: 'settle',
    subscription,
    outcome: checkedOutcome(outcome),
    ranges: ranges ?? NO_RANGES,
    upToTag,
    skipSettled,
  };
}

function tooManyRanges(): BrokerError {
  return new BrokerError('too-large', `Cannot settle more than ${limits.MAX_TAG_RANGES} ranges of tags at once`);
}

function decodeRange(reader: ByteReader, ranges: number[]): void {
  const settleEnd = reader.end;
  const end = fieldEnd(reader);
  reader.end = end;
  let first = 0;
  let last = 0;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === RANGE_FIRST) first = reader.uvarlong();
    else if (tag === RANGE_LAST) last = reader.uvarlong();
    else skipField(reader, tag);
  }
  reader.end = settleEnd;
  ranges.push(first, last);
}

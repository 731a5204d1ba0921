/**
 * What the rules of a queue ask about a message, read in place: nothing is decoded and nothing allocated but a view of its properties.
 */

import { copyOf } from '../../base/copy.js';
import { EMPTY_PROPERTIES, expirationMsOf, priorityOf } from '../../record/amqp/properties.js';
import { RESERVED_HEADER_NAME } from '../../record/message.js';
import { RecordCursor } from '../../record/record-reader.js';
import { KEPT_PROPERTIES_BYTES } from './limits.js';

const NAME_BYTES = RESERVED_HEADER_NAME.length;
const VERSION = 1;

/**
 * The AMQP properties of a record, as a view or a copy; EMPTY_PROPERTIES for a record of another door. `at` is where the record's headers begin, with their
 * count, in Kafka's encoding; they have been verified. Bytes that only look like an envelope are taken for none.
 */
export function propertiesAt(bytes: Uint8Array, at: number, end: number): Uint8Array {
  const walk = { at };
  if (zigzag(bytes, walk) < 1 || zigzag(bytes, walk) !== NAME_BYTES) return EMPTY_PROPERTIES;
  for (let index = 0; index < NAME_BYTES; index++) {
    if (bytes[walk.at + index] !== RESERVED_HEADER_NAME.charCodeAt(index)) return EMPTY_PROPERTIES;
  }
  walk.at += NAME_BYTES;
  const length = zigzag(bytes, walk);
  if (length < 2 || walk.at + length > end || bytes[walk.at] !== VERSION) return EMPTY_PROPERTIES;
  // Behind the version and the flags: exchange and routing key, each with its length.
  walk.at += 2;
  skipCounted(bytes, walk);
  skipCounted(bytes, walk);
  const size = unsigned(bytes, walk);
  return size < 2 || walk.at + size > end ? EMPTY_PROPERTIES : kept(bytes, walk.at, size);
}

/** What was looked at last: messages of one publisher mostly have the same properties, and a comparison costs less than a view. */
let last: Uint8Array = EMPTY_PROPERTIES;

function kept(bytes: Uint8Array, at: number, size: number): Uint8Array {
  if (size > KEPT_PROPERTIES_BYTES) return bytes.subarray(at, at + size);
  if (last.length === size) {
    let same = 0;
    while (same < size && last[same] === bytes[at + same]) same++;
    if (same === size) return last;
  }
  // Never written to again: whoever still holds the old one keeps it as it was.
  last = copyOf(bytes.subarray(at, at + size));
  return last;
}

function skipCounted(bytes: Uint8Array, walk: { at: number }): void {
  const length = unsigned(bytes, walk);
  walk.at += length;
}

function unsigned(bytes: Uint8Array, walk: { at: number }): number {
  const first = bytes[walk.at] ?? 0;
  if (first < 0x80) {
    // Nearly all lengths.
    walk.at++;
    return first;
  }
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    const byte = bytes[walk.at++] ?? 0;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return value;
}

function zigzag(bytes: Uint8Array, walk: { at: number }): number {
  const raw = unsigned(bytes, walk);
  return raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2;
}

/** When a message expires, in ms since 1970; Infinity = never. `ttlMs` is the queue's, -1 = without. A message without a time never does. */
export function expiryOf(timestampMs: number, properties: Uint8Array, ttlMs: number): number {
  if (timestampMs < 0) return Number.POSITIVE_INFINITY;
  const own = expirationMsOf(properties);
  const ttl = own < 0 ? ttlMs : ttlMs < 0 ? own : Math.min(own, ttlMs);
  return ttl < 0 ? Number.POSITIVE_INFINITY : timestampMs + ttl;
}

/** Told of each record of a batch: its place, the bytes of its body, its properties (a view). */
export type VisitRecord = (index: number, bodyBytes: number, properties: Uint8Array, records: RecordCursor) => void;

const cursor = new RecordCursor();

/** Walks the records of a verified batch that was not given its offsets yet. @throws RecordError */
export function visitBatch(batch: Uint8Array, visit: VisitRecord): void {
  cursor.open(batch, 0);
  while (cursor.next()) {
    const bodyBytes = Math.max(0, cursor.valueEnd - cursor.valueStart);
    visit(
      cursor.offsetDelta,
      bodyBytes,
      propertiesAt(cursor.bytes, Math.max(cursor.valueStart, cursor.valueEnd), cursor.recordEnd),
      cursor,
    );
  }
}

/** A message's priority in a queue that has `maxPriority`: higher ones count as that, as in RabbitMQ. */
export function priorityIn(properties: Uint8Array, maxPriority: number): number {
  // Bytes that only look like properties may end before their priority.
  return Math.min(priorityOf(properties) || 0, maxPriority);
}

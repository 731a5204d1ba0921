import { RecordError } from './errors.js';
import { type LogRecord, NO_HEADERS, type RecordHeader } from './records.js';

/**
 * The one header name that the broker keeps for itself. A record that came through a door with more to say than a record can hold (AMQP:
 * exchange, routing key, raw property bytes) carries it in this header, first; the door that reads the record takes it out again. Records
 * without it are complete by themselves. The format of its value is given with the door that writes it.
 */
export const RESERVED_HEADER_NAME = 'duolog.m';

/** RESERVED_HEADER_NAME in UTF-8, to compare without decoding. */
const RESERVED_HEADER_BYTES = Uint8Array.from(RESERVED_HEADER_NAME, (letter) => letter.charCodeAt(0));

/** A message as native clients see it. */
export interface Message {
  /** The record's key: what partitioning and compaction go by; null for none. */
  readonly key: Uint8Array | null;
  /** The record's value; null is a tombstone. */
  readonly body: Uint8Array | null;
  /** The record's headers in order, without the reserved one. */
  readonly headers: readonly RecordHeader[];
  /** The record's timestamp in ms since 1970, or -1. */
  readonly timestamp: number;
}

/** Whether the name from `start` to `end` is the reserved one. */
export function isReservedHeaderName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== RESERVED_HEADER_BYTES.length) return false;
  for (let index = 0; index < RESERVED_HEADER_BYTES.length; index++) {
    if (bytes[start + index] !== RESERVED_HEADER_BYTES[index]) return false;
  }
  return true;
}

/** Refuses headers that a client may not set. @throws RecordError `reserved-header`. */
export function checkClientHeaders(headers: readonly RecordHeader[]): void {
  for (const [name] of headers) {
    if (name !== RESERVED_HEADER_NAME) continue;
    throw new RecordError(
      'reserved-header',
      `Cannot publish a message with the header "${name}": the broker keeps that name`,
    );
  }
}

/** The record as a message; byte arrays are shared with it. */
export function messageOf(record: LogRecord): Message {
  return { key: record.key, body: record.value, headers: withoutReserved(record.headers), timestamp: record.timestamp };
}

function withoutReserved(headers: readonly RecordHeader[]): readonly RecordHeader[] {
  if (headers.length === 0) return NO_HEADERS;
  return headers.some(([name]) => name === RESERVED_HEADER_NAME)
    ? headers.filter(([name]) => name !== RESERVED_HEADER_NAME)
    : headers;
}

/**
 * What shards say to each other, as bytes. A closed set: every request names a log or a consumer of the receiver, and can be sent to a shard of
 * another node as it is. Integers are big-endian.
 *
 * ```
 * request   op u8, then
 *   append          logId u32, level u8, then as body one RecordBatch v2                                   reply: appended | error
 *   appendMany      level u8, count u16, logId u32..., then as body one RecordBatch v2                     reply: appended | error
 *   consume         logId u32, consumer u32, flags u8 (1 automatic acknowledgement, 2 exclusive),
 *                   credit u32, priority i32, label                                                       reply: done | error
 *   credit          logId u32, consumer u32, kind u8 (0 grant, 1 prefetch, 2 revoke), count u32            reply to revoke: revoked
 *   settle          logId u32, consumer u32, outcome u8, count u32, differences of offsets varlong...    reply (when asked for): done | error
 *   cancel          logId u32, consumer u32, keepHeld u8
 *   get             logId u32, consumer u32, automaticAck u8, with the first one label                    answered by got
 *   got             consumer u32, left i32 (-1 = there was none), then an error code u8 and message if it failed
 *   deliver         consumer u32, partition u32, offset i64, timestamp i64, redelivered u8, count u32,
 *                   then as body the record as stored, from its key length to its end
 *   consumerClosed  consumer u32, error code u8, message
 *   consumerActive  consumer u32, active u8
 *   transactionAppend    producer id i64, epoch u16, count u16, logId u32..., then as body one RecordBatch v2
 *   transactionSettle    producer id i64, epoch u16, then as settle
 *   transactionPrepare   producer id i64, epoch u16, durable u8                                           reply: done | error
 *   transactionComplete  producer id i64, epoch u16, commit u8                                            reply: done | error
 *   transactionBarrier   nothing                                                                          reply: done | error
 *   directReply     address length u16, address, length of the properties u32, then as body properties and body of a message
 *   admin           JSON of an AdminRequest (`adminJson`)                                                reply: JSON | error
 * reply     status u8, then
 *   done            nothing
 *   revoked         u32 that was free, u32 that stands for unsettled deliveries
 *   appended        base offset i64, count u32, reached u8, duplicate u8
 *   error           error code u8, message
 *   json            JSON
 * label     length of the session's name uvarint, session's name, consumer's name
 * ```
 */
import type { ByteReader } from '../base/byte-reader.js';
import type { ByteWriter } from '../base/byte-writer.js';
import { utf8Size } from '../base/utf8.js';
import type { DelayRequest } from './delay/requests.js';
import { BrokerError, type BrokerErrorCode } from './errors.js';
import { MAX_LABEL_CHARACTERS, MAX_PEER_ERROR_BYTES } from './limits.js';
import type { CommittedOffset, ConsumerLabel, RecordView } from './ports.js';

/** First byte of a request. */
export const Op = {
  append: 1,
  consume: 2,
  credit: 3,
  settle: 4,
  cancel: 5,
  deliver: 6,
  consumerClosed: 7,
  admin: 8,
  appendMany: 9,
  get: 10,
  got: 11,
  transactionAppend: 12,
  transactionSettle: 13,
  transactionPrepare: 14,
  transactionComplete: 15,
  transactionBarrier: 16,
  consumerActive: 17,
  directReply: 18,
} as const;

/** Flags of a consume request. */
export const ConsumeFlag = { automaticAck: 1, exclusive: 2 } as const;

/** First byte of a reply. */
export const ReplyStatus = { done: 0, appended: 1, error: 2, json: 3, revoked: 4 } as const;

/** What a credit request does with its count. */
export const CreditKind = { grant: 0, prefetch: 1, revoke: 2 } as const;

/** Cold requests between shards, carried as JSON. */
export type AdminRequest =
  | { readonly kind: 'describe'; readonly logId: number }
  | { readonly kind: 'purge'; readonly logId: number }
  | { readonly kind: 'counts'; readonly logId: number }
  | { readonly kind: 'holders'; readonly logId: number; readonly skip: number }
  | {
      readonly kind: 'commit-offsets';
      readonly logId: number;
      readonly group: string;
      readonly offset: CommittedOffset;
    }
  | { readonly kind: 'fetch-offset'; readonly logId: number; readonly group: string }
  | DelayRequest;

/**
 * JSON for the way between shards. The text that clients keep beside an offset goes as base64: it may hold anything, and escapes would make it up
 * to six times as long, beyond the room that is reserved.
 */
export function adminJson(value: unknown): string {
  return JSON.stringify(value, (key, part: unknown) =>
    key === 'metadata' && typeof part === 'string' ? Buffer.from(part, 'utf8').toString('base64') : part,
  );
}

/** Reads what `adminJson` wrote. */
export function parseAdminJson(json: string): unknown {
  return JSON.parse(json, (key, part: unknown) =>
    key === 'metadata' && typeof part === 'string' ? Buffer.from(part, 'base64').toString('utf8') : part,
  );
}

/** Error codes in the order of their number on the ring. */
const ERROR_CODES: readonly BrokerErrorCode[] = [
  'internal',
  'invalid-request',
  'not-found',
  'already-exists',
  'wrong-kind',
  'offset-out-of-range',
  'too-large',
  'limit-exceeded',
  'corrupt-batch',
  'out-of-order-sequence',
  'producer-fenced',
  'unknown-producer',
  'log-offline',
  'no-space',
  'shutting-down',
  'unsupported',
  'timeout',
  'resource-locked',
  'precondition-failed',
  'access-refused',
  'queue-full',
];

/** Writes an error: code u8, message cut to MAX_PEER_ERROR_BYTES. */
export function writeError(writer: ByteWriter, error: BrokerError): void {
  writer.u8(Math.max(0, ERROR_CODES.indexOf(error.code)));
  // A character takes at most three bytes per UTF-16 unit, so this cut never passes the limit.
  writer.utf8(error.message.slice(0, Math.floor(MAX_PEER_ERROR_BYTES / 3)));
}

/** Reads what `writeError` wrote, up to the reader's end. */
export function readError(reader: ByteReader): BrokerError {
  const code = ERROR_CODES[reader.u8()] ?? 'internal';
  return new BrokerError(code, reader.utf8(reader.remaining));
}

/** Writes the offsets of a settle request: their number, then each as the difference to the one before. */
export function writeOffsets(writer: ByteWriter, offsets: readonly number[]): void {
  writer.u32(offsets.length);
  let previous = 0;
  for (let index = 0; index < offsets.length; index++) {
    const offset = offsets[index]!;
    writer.varlong(offset - previous);
    previous = offset;
  }
}

/** Reads what `writeOffsets` wrote. */
export function readOffsets(reader: ByteReader): number[] {
  const count = reader.u32();
  const offsets: number[] = [];
  let offset = 0;
  for (let index = 0; index < count; index++) {
    offset += reader.varlong();
    offsets.push(offset);
  }
  return offsets;
}

/** Writes the last part of a request: who consumes. */
export function writeLabel(writer: ByteWriter, { session, consumer }: ConsumerLabel): void {
  const name = session.slice(0, MAX_LABEL_CHARACTERS);
  writer.uvarint(utf8Size(name));
  writer.utf8(name);
  writer.utf8(consumer.slice(0, MAX_LABEL_CHARACTERS));
}

/** Reads what `writeLabel` wrote. */
export function readLabel(reader: ByteReader): ConsumerLabel {
  const session = reader.utf8(reader.uvarint());
  return { session, consumer: reader.utf8(reader.remaining) };
}

/** Writes the logs of an append-many request: their number, then each. */
export function writeLogIds(writer: ByteWriter, logIds: readonly number[]): void {
  writer.u16(logIds.length);
  for (let index = 0; index < logIds.length; index++) writer.u32(logIds[index]!);
}

/** Reads what `writeLogIds` wrote. */
export function readLogIds(reader: ByteReader): number[] {
  const count = reader.u16();
  const logIds: number[] = [];
  for (let index = 0; index < count; index++) logIds.push(reader.u32());
  return logIds;
}

/** Writes a deliver request's head; the record's bytes, from its key length on, follow as the body. */
export function writeDelivery(
  writer: ByteWriter,
  consumer: number,
  partition: number,
  record: RecordView,
  redelivered: boolean,
  deliveryCount: number,
): void {
  writer.u8(Op.deliver);
  writer.u32(consumer);
  writer.u32(partition);
  writer.i64(record.offset);
  writer.i64(record.timestampMs);
  writer.u8(redelivered ? 1 : 0);
  writer.u32(deliveryCount);
}

/** A delivery as it came over the ring; `record`'s parts are views of the ring's bytes. */
export interface RingDelivery {
  readonly consumer: number;
  readonly partition: number;
  readonly record: RecordView;
  readonly redelivered: boolean;
  readonly deliveryCount: number;
}

/** Reads what `writeDelivery` wrote, after the op, and the record, which follows or comes as a body of its own. */
export function readDelivery(reader: ByteReader, body: Uint8Array | undefined): RingDelivery {
  const consumer = reader.u32();
  const partition = reader.u32();
  const offset = reader.i64();
  const timestampMs = reader.i64();
  const redelivered = reader.u8() === 1;
  const deliveryCount = reader.u32();
  if (body !== undefined) reader.reset(body);
  const keyLength = reader.varint();
  const key = keyLength < 0 ? null : reader.view(keyLength);
  const valueLength = reader.varint();
  const value = valueLength < 0 ? null : reader.view(valueLength);
  const headers = reader.view(reader.remaining);
  return { consumer, partition, record: { offset, timestampMs, key, value, headers }, redelivered, deliveryCount };
}

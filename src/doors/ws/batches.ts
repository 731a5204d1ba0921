/** Record batches on their way in and out of a session. */
import { ByteReader, type ByteWriter } from '../../base/bytes.js';
import { BrokerError } from '../../broker/errors.js';
import {
  batchBaseOffset,
  batchIsControl,
  batchIsTransactional,
  batchLastOffset,
  batchLastOffsetDelta,
  batchLength,
  batchRecordsCount,
  nextBatch,
} from '../../record/batch-header.js';
import { RecordError } from '../../record/errors.js';
import { isReservedHeaderName, RESERVED_HEADER_NAME } from '../../record/message.js';
import { RecordCursor } from '../../record/record-reader.js';
import { verifyProducedBatch } from '../../record/verify.js';
import { invalidRequest } from './errors.js';
import { addOffsetMessage, beginFrame, finishRecords, frameContentBytes, type RecordsTarget } from './frame-writer.js';
import {
  DELIVER_FRAME_BYTES,
  MAX_DECODED_BATCH_BYTES,
  MAX_DECODED_RECORDS,
  maxPublishedRecordsBytes,
  type SessionLimits,
} from './limits.js';
import type { MessageSource } from './message-writer.js';
import type { WireMessage, WireRecords } from './wire-types.js';

const cursor = new RecordCursor();
const source: MessageSource = {
  timestampMs: 0,
  key: null,
  value: null,
  headerBytes: new ByteReader(new Uint8Array(0)).bytes,
  headersAt: 0,
  headersEnd: 0,
  headersCount: 0,
};

/**
 * Checks a batch that a client wants stored: exactly one, sound to its last record, from offset 0, and no part of a transaction; decompressed no
 * larger than a batch that is sent as it is may be, and no message above the limit. Returns the number of its records.
 * @throws BrokerError `corrupt-batch`, `invalid-request`, `too-large` or `unsupported`.
 */
export function checkPublishedBatch(batch: Uint8Array, limits: SessionLimits): number {
  const fault = verifyProducedBatch(batch, 0, batch.length);
  if (fault !== 'ok')
    throw new BrokerError('corrupt-batch', `Cannot publish a batch of ${batch.length} bytes: ${fault}`);
  const length = batchLength(batch, 0);
  if (length !== batch.length) {
    throw invalidRequest(`The batch has ${length} bytes but ${batch.length} were sent: exactly one batch is published`);
  }
  const baseOffset = batchBaseOffset(batch, 0);
  if (baseOffset !== 0) throw invalidRequest(`The batch's base offset is ${baseOffset}: it must be 0`);
  if (batchIsTransactional(batch, 0)) throw new BrokerError('unsupported', 'Transactions are not supported');
  try {
    checkRecords(batch, limits);
  } catch (thrown) {
    throw asCorrupt(thrown);
  }
  return batchRecordsCount(batch, 0);
}

/** Reads every record and header once, so that nothing is stored that no consumer could read, or that pretends to come from another door. */
function checkRecords(batch: Uint8Array, limits: SessionLimits): void {
  cursor.open(batch, 0, maxPublishedRecordsBytes(limits));
  while (cursor.next()) {
    checkRecordWeight(limits.maxMessageBytes);
    while (cursor.nextHeader()) {
      if (isReservedHeaderName(cursor.bytes, cursor.headerNameStart, cursor.headerNameEnd)) throw reservedHeader();
    }
  }
}

/** A record within the limit as a whole is within it in its parts, so that most need not be weighed. */
function checkRecordWeight(maxMessageBytes: number): void {
  if (cursor.recordEnd - cursor.recordStart <= maxMessageBytes) return;
  const bytes = cursor.contentBytes();
  if (bytes <= maxMessageBytes) return;
  const which = `the one at offset ${cursor.offsetDelta} of the batch`;
  throw new BrokerError(
    'too-large',
    `Cannot publish a message of ${bytes} bytes, ${which}: the limit is ${maxMessageBytes}`,
  );
}

/** The error for a header that only the broker may set. */
export function reservedHeader(): BrokerError {
  return invalidRequest(
    `Cannot publish a message with the header "${RESERVED_HEADER_NAME}": the broker keeps that name`,
  );
}

/** An error about records as the broker's. Anything else is passed on. */
export function asCorrupt(thrown: unknown): unknown {
  if (!(thrown instanceof RecordError)) return thrown;
  if (thrown.code === 'unsupported-codec') return new BrokerError('unsupported', thrown.message, thrown);
  if (thrown.code === 'decompressed-too-large') return new BrokerError('too-large', thrown.message, thrown);
  return new BrokerError('corrupt-batch', thrown.message, thrown);
}

/** Counts the messages at or above `from` in whole batches; transaction markers are none. @throws RecordError on a corrupt batch. */
export function countMessages(batches: Uint8Array, from: number): number {
  let count = 0;
  let at = 0;
  for (let next = nextBatch(batches, at, batches.length); next !== -1; ) {
    if (!batchIsControl(batches, at)) count += countInBatch(batches, at, from);
    at = next;
    next = nextBatch(batches, at, batches.length);
  }
  return count;
}

function countInBatch(batches: Uint8Array, at: number, from: number): number {
  const records = batchRecordsCount(batches, at);
  const below = from - batchBaseOffset(batches, at);
  if (below <= 0) return records;
  // Where no offset is missing, what lies below `from` follows from the numbers.
  if (records === batchLastOffsetDelta(batches, at) + 1) return Math.max(0, batchLastOffset(batches, at) - from + 1);
  let count = 0;
  cursor.open(batches, at, MAX_DECODED_BATCH_BYTES);
  while (cursor.next()) if (cursor.offset >= from) count++;
  return count;
}

/** Calls `visit` for each message at or above `from`, until it returns false. Returns whether all were visited. @throws RecordError. */
function eachMessage(batches: Uint8Array, from: number, visit: (record: RecordCursor) => boolean): boolean {
  let at = 0;
  for (let next = nextBatch(batches, at, batches.length); next !== -1; ) {
    if (!batchIsControl(batches, at) && batchLastOffset(batches, at) >= from) {
      cursor.open(batches, at, MAX_DECODED_BATCH_BYTES);
      while (cursor.next()) if (cursor.offset >= from && !visit(cursor)) return false;
    }
    at = next;
    next = nextBatch(batches, at, batches.length);
  }
  return true;
}

function fillSource(record: RecordCursor): MessageSource {
  source.timestampMs = record.timestamp;
  source.key = record.key();
  source.value = record.value();
  source.headerBytes = record.bytes;
  source.headersAt = record.headersStart;
  source.headersEnd = record.recordEnd;
  source.headersCount = record.headersCount;
  return source;
}

/**
 * Writes the messages at or above `from` as frames of bounded size and passes each to `send`; the bytes are valid during the call only. The
 * last frame carries `nextOffset`, the others the offset after their last message. Returns the number of messages.
 * @throws RecordError or DecodeError on a corrupt batch.
 */
export function writeDecoded(
  writer: ByteWriter,
  target: RecordsTarget,
  partition: number,
  batches: Uint8Array,
  from: number,
  nextOffset: number,
  send: (frame: Uint8Array, nextOffset: number) => void,
): number {
  let count = 0;
  let reached = from;
  beginFrame(writer);
  eachMessage(batches, from, (record) => {
    if (frameContentBytes(writer) >= DELIVER_FRAME_BYTES) {
      send(finishRecords(writer, target, partition, reached), reached);
      beginFrame(writer);
    }
    addOffsetMessage(writer, record.offset, fillSource(record));
    reached = record.offset + 1;
    count++;
    return true;
  });
  send(finishRecords(writer, target, partition, nextOffset), nextOffset);
  return count;
}

function wireMessage(record: RecordCursor): WireMessage {
  const message: WireMessage = {};
  const key = record.key();
  const value = record.value();
  if (key !== null) message.key = key;
  if (value !== null) message.value = value;
  if (record.timestamp > 0) message.timestampMs = record.timestamp;
  if (record.headersCount > 0) {
    message.headers = record
      .headers()
      .filter(([name]) => name !== RESERVED_HEADER_NAME)
      .map(([name, headerValue]) => (headerValue === null ? { name } : { name, value: headerValue }));
  }
  return message;
}

/**
 * The messages at or above `from` as objects, at most MAX_DECODED_RECORDS of them: `nextOffset` says where to go on. Byte fields are views.
 * @throws RecordError on a corrupt batch.
 */
export function decodeRecords(partition: number, batches: Uint8Array, from: number, nextOffset: number): WireRecords {
  const messages: { offset: number; message: WireMessage }[] = [];
  const all = eachMessage(batches, from, (record) => {
    if (messages.length === MAX_DECODED_RECORDS) return false;
    messages.push({ offset: record.offset, message: wireMessage(record) });
    return true;
  });
  const last = messages.at(-1);
  return { partition, nextOffset: all || last === undefined ? nextOffset : last.offset + 1, messages };
}

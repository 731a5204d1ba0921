/**
 * Writes the frames that go out by the hundred thousand: Confirms, Deliver and Broadcast. What repeats is written first, behind room for the
 * frame's beginning; the beginning, whose lengths are known only at the end, is then put right before it. So a frame is one piece of one
 * buffer, and its bytes are those that the generated code would write.
 */
import { ByteReader, type ByteWriter } from '../../base/bytes.js';
import { uvarintSize, writeUvarint } from '../../base/varint.js';
import type { RecordView } from '../../broker/ports.js';
import { encodeRouted } from '../../proto/client-wire.js';
import { type MessageSource, messageSize, numberFieldSize, writeMessage, writeNumberField } from './message-writer.js';
import { WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';
import { routedOf } from './wire-properties.js';

/** Room for a frame's beginning: two-byte tags, five-byte lengths, and the numbers that stand before the repeated part. */
const HEADROOM_BYTES = 64;
/** The longest Delivery without its message, and a PartitionRecords' OffsetMessage without it. */
const DELIVERY_OVERHEAD_BYTES = 56;
const NO_ROUTED = new Uint8Array(0);

const FRAME_CONFIRMS = wireTag(41, WIRE_LENGTH);
const FRAME_DELIVER = wireTag(43, WIRE_LENGTH);
const FRAME_BROADCAST = wireTag(44, WIRE_LENGTH);
const FRAME_ID = wireTag(1, WIRE_VARINT);
const FRAME_FETCHED = wireTag(48, WIRE_LENGTH);
const FETCHED_PARTITION = wireTag(1, WIRE_LENGTH);
const FETCHED_RECORDS = wireTag(1, WIRE_LENGTH);
const FETCHED_LOG_START = wireTag(2, WIRE_VARINT);
const FETCHED_END = wireTag(3, WIRE_VARINT);
const CONFIRMS_CONFIRM = wireTag(1, WIRE_LENGTH);
const CONFIRM_ID = wireTag(1, WIRE_VARINT);
const CONFIRM_RANGES = wireTag(2, WIRE_LENGTH);
const CONFIRM_REACHED = wireTag(3, WIRE_VARINT);
const CONFIRM_DUPLICATE = wireTag(4, WIRE_VARINT);
const CONFIRM_UNROUTABLE = wireTag(5, WIRE_LENGTH);
const RANGE_PARTITION = wireTag(1, WIRE_VARINT);
const RANGE_BASE = wireTag(2, WIRE_VARINT);
const RANGE_COUNT = wireTag(3, WIRE_VARINT);
const TARGET_NUMBER = wireTag(1, WIRE_VARINT);
const DELIVER_DELIVERIES = wireTag(2, WIRE_LENGTH);
const DELIVER_RECORDS = wireTag(3, WIRE_LENGTH);
const BROADCAST_RECORDS = wireTag(2, WIRE_LENGTH);
const DELIVERY_TAG = wireTag(1, WIRE_VARINT);
const DELIVERY_PARTITION = wireTag(2, WIRE_VARINT);
const DELIVERY_OFFSET = wireTag(3, WIRE_VARINT);
const DELIVERY_REDELIVERED = wireTag(4, WIRE_VARINT);
const DELIVERY_COUNT = wireTag(5, WIRE_VARINT);
const DELIVERY_MESSAGE = wireTag(6, WIRE_LENGTH);
const DELIVERY_ROUTED = wireTag(7, WIRE_LENGTH);
const RECORDS_PARTITION = wireTag(1, WIRE_VARINT);
const RECORDS_NEXT = wireTag(2, WIRE_VARINT);
const RECORDS_BATCHES = wireTag(3, WIRE_LENGTH);
const RECORDS_MESSAGES = wireTag(4, WIRE_LENGTH);
const OFFSET_MESSAGE_OFFSET = wireTag(1, WIRE_VARINT);
const OFFSET_MESSAGE_MESSAGE = wireTag(2, WIRE_LENGTH);

const NO_PLACES: readonly number[] = [];
const countReader = new ByteReader(new Uint8Array(0));
/** Filled from a RecordView for each delivery. */
const source: MessageSource = {
  timestampMs: 0,
  key: null,
  value: null,
  headerBytes: countReader.bytes,
  headersAt: 0,
  headersEnd: 0,
  headersCount: 0,
};

/** Empties the buffer and leaves room for a frame's beginning. */
export function beginFrame(writer: ByteWriter): void {
  writer.reset();
  writer.reserve(HEADROOM_BYTES);
  writer.at = HEADROOM_BYTES;
}

/** Bytes of the repeated part so far. */
export function frameContentBytes(writer: ByteWriter): number {
  return writer.at - HEADROOM_BYTES;
}

/** Adds one Confirm. `ranges` holds partition, base offset and count of each range in turn. */
export function addConfirm(
  writer: ByteWriter,
  id: number,
  ranges: readonly number[],
  reached: number,
  isDuplicate: boolean,
  unroutable: readonly number[] = NO_PLACES,
): void {
  const places = packedSize(unroutable);
  let size = numberFieldSize(id) + numberFieldSize(reached) + (isDuplicate ? 2 : 0);
  if (places > 0) size += 1 + uvarintSize(places) + places;
  for (let index = 0; index < ranges.length; index += 3) {
    const range = rangeSize(ranges[index]!, ranges[index + 1]!, ranges[index + 2]!);
    size += 1 + uvarintSize(range) + range;
  }
  let at = writer.reserve(size + 6);
  const { bytes } = writer;
  bytes[at] = CONFIRMS_CONFIRM;
  at = writeNumberField(bytes, writeUvarint(bytes, at + 1, size), CONFIRM_ID, id);
  for (let index = 0; index < ranges.length; index += 3) {
    at = writeRange(bytes, at, ranges[index]!, ranges[index + 1]!, ranges[index + 2]!);
  }
  at = writeNumberField(bytes, at, CONFIRM_REACHED, reached);
  at = writeNumberField(bytes, at, CONFIRM_DUPLICATE, isDuplicate ? 1 : 0);
  if (places > 0) {
    bytes[at] = CONFIRM_UNROUTABLE;
    at = writeUvarint(bytes, at + 1, places);
    for (const place of unroutable) at = writeUvarint(bytes, at, place);
  }
  writer.at = at;
}

/** Size of numbers in protobuf's packed form, without tag and length. */
function packedSize(numbers: readonly number[]): number {
  let size = 0;
  for (let index = 0; index < numbers.length; index++) size += uvarintSize(numbers[index]!);
  return size;
}

function rangeSize(partition: number, baseOffset: number, count: number): number {
  return numberFieldSize(partition) + numberFieldSize(baseOffset) + numberFieldSize(count);
}

function writeRange(bytes: Uint8Array, at: number, partition: number, baseOffset: number, count: number): number {
  bytes[at] = CONFIRM_RANGES;
  let position = writeUvarint(bytes, at + 1, rangeSize(partition, baseOffset, count));
  position = writeNumberField(bytes, position, RANGE_PARTITION, partition);
  position = writeNumberField(bytes, position, RANGE_BASE, baseOffset);
  return writeNumberField(bytes, position, RANGE_COUNT, count);
}

/** Puts the beginning of a Confirms frame before what was added. The view is valid until the writer's next use. */
export function finishConfirms(writer: ByteWriter): Uint8Array {
  const content = frameContentBytes(writer);
  const start = HEADROOM_BYTES - 2 - uvarintSize(content);
  writeUvarint(writer.bytes, writeUvarint(writer.bytes, start, FRAME_CONFIRMS), content);
  return writer.bytes.subarray(start, writer.at);
}

function fillSource(record: RecordView): void {
  source.timestampMs = record.timestampMs;
  source.key = record.key;
  source.value = record.value;
  const { headers } = record;
  source.headerBytes = headers;
  source.headersCount = 0;
  // One zero byte, or none at all, is how most records say that they have no headers.
  if (headers.length < 2) return;
  countReader.reset(headers);
  source.headersCount = countReader.varint();
  source.headersAt = countReader.at;
  source.headersEnd = headers.length;
}

/**
 * Adds one Delivery of a queue to a Deliver frame.
 * @throws DecodeError when the record's headers contradict themselves; nothing is added then.
 */
export function addDelivery(
  writer: ByteWriter,
  tag: number,
  partition: number,
  record: RecordView,
  redelivered: boolean,
  deliveryCount: number,
): void {
  fillSource(record);
  const routed = source.headersCount === 0 ? undefined : routedOf(record.headers);
  if (routed !== undefined) source.headersCount = 0;
  const routedBytes = routed === undefined ? NO_ROUTED : encodeRouted(routed);
  const message = messageSize(source);
  const size =
    (routed === undefined ? 0 : 1 + uvarintSize(routedBytes.length) + routedBytes.length) +
    numberFieldSize(tag) +
    numberFieldSize(partition) +
    numberFieldSize(record.offset) +
    (redelivered ? 2 : 0) +
    numberFieldSize(deliveryCount) +
    1 +
    uvarintSize(message) +
    message;
  let at = writer.reserve(message + routedBytes.length + DELIVERY_OVERHEAD_BYTES);
  const { bytes } = writer;
  bytes[at] = DELIVER_DELIVERIES;
  at = writeNumberField(bytes, writeUvarint(bytes, at + 1, size), DELIVERY_TAG, tag);
  at = writeNumberField(bytes, at, DELIVERY_PARTITION, partition);
  at = writeNumberField(bytes, at, DELIVERY_OFFSET, record.offset);
  at = writeNumberField(bytes, at, DELIVERY_REDELIVERED, redelivered ? 1 : 0);
  at = writeNumberField(bytes, at, DELIVERY_COUNT, deliveryCount);
  bytes[at] = DELIVERY_MESSAGE;
  at = writeMessage(bytes, writeUvarint(bytes, at + 1, message), source);
  if (routed !== undefined) {
    bytes[at] = DELIVERY_ROUTED;
    at = writeUvarint(bytes, at + 1, routedBytes.length);
    bytes.set(routedBytes, at);
    at += routedBytes.length;
  }
  writer.at = at;
}

/** Puts the beginning of a Deliver frame before the deliveries that were added. The view is valid until the writer's next use. */
export function finishDeliver(writer: ByteWriter, subscription: number): Uint8Array {
  const size = numberFieldSize(subscription) + frameContentBytes(writer);
  const start = HEADROOM_BYTES - numberFieldSize(subscription) - uvarintSize(size) - 2;
  const at = writeUvarint(writer.bytes, writeUvarint(writer.bytes, start, FRAME_DELIVER), size);
  writeNumberField(writer.bytes, at, TARGET_NUMBER, subscription);
  return writer.bytes.subarray(start, writer.at);
}

/** To whom records go: a subscription's Deliver, or a channel's Broadcast. */
export interface RecordsTarget {
  readonly kind: 'deliver' | 'broadcast';
  /** The subscription or the channel. */
  readonly number: number;
}

/** Writes a whole frame of one partition's batches, as stored. The view is valid until the writer's next use. */
export function writeBatches(
  writer: ByteWriter,
  target: RecordsTarget,
  partition: number,
  nextOffset: number,
  batches: Uint8Array,
): Uint8Array {
  beginFrame(writer);
  if (batches.length > 0) {
    const at = writer.reserve(batches.length + 6);
    writer.bytes[at] = RECORDS_BATCHES;
    const dataAt = writeUvarint(writer.bytes, at + 1, batches.length);
    writer.bytes.set(batches, dataAt);
    writer.at = dataAt + batches.length;
  }
  return finishRecords(writer, target, partition, nextOffset);
}

/** Adds one OffsetMessage to a frame of one partition's records. @throws DecodeError when the headers contradict themselves. */
export function addOffsetMessage(writer: ByteWriter, offset: number, message: MessageSource): void {
  const content = messageSize(message);
  const size = numberFieldSize(offset) + 1 + uvarintSize(content) + content;
  let at = writer.reserve(content + DELIVERY_OVERHEAD_BYTES);
  const { bytes } = writer;
  bytes[at] = RECORDS_MESSAGES;
  at = writeNumberField(bytes, writeUvarint(bytes, at + 1, size), OFFSET_MESSAGE_OFFSET, offset);
  bytes[at] = OFFSET_MESSAGE_MESSAGE;
  writer.at = writeMessage(bytes, writeUvarint(bytes, at + 1, content), message);
}

/** Puts the beginning of a frame with one partition's records before them. The view is valid until the writer's next use. */
export function finishRecords(
  writer: ByteWriter,
  target: RecordsTarget,
  partition: number,
  nextOffset: number,
): Uint8Array {
  const records = numberFieldSize(partition) + numberFieldSize(nextOffset) + frameContentBytes(writer);
  const size = numberFieldSize(target.number) + 1 + uvarintSize(records) + records;
  const start = HEADROOM_BYTES - (records - frameContentBytes(writer)) - (size - records) - uvarintSize(size) - 2;
  const { bytes } = writer;
  let at = writeUvarint(bytes, start, target.kind === 'deliver' ? FRAME_DELIVER : FRAME_BROADCAST);
  at = writeNumberField(bytes, writeUvarint(bytes, at, size), TARGET_NUMBER, target.number);
  bytes[at] = target.kind === 'deliver' ? DELIVER_RECORDS : BROADCAST_RECORDS;
  at = writeNumberField(bytes, writeUvarint(bytes, at + 1, records), RECORDS_PARTITION, partition);
  writeNumberField(bytes, at, RECORDS_NEXT, nextOffset);
  return bytes.subarray(start, writer.at);
}

/** What a fetch got from one partition. */
export interface FetchedPart {
  readonly partition: number;
  readonly nextOffset: number;
  readonly batches: Uint8Array;
  readonly logStart: number;
  readonly end: number;
}

function fetchedRecordsSize({ partition, nextOffset, batches }: FetchedPart): number {
  const batchesField = batches.length === 0 ? 0 : 1 + uvarintSize(batches.length) + batches.length;
  return numberFieldSize(partition) + numberFieldSize(nextOffset) + batchesField;
}

function fetchedPartSize(part: FetchedPart): number {
  const records = fetchedRecordsSize(part);
  return 1 + uvarintSize(records) + records + numberFieldSize(part.logStart) + numberFieldSize(part.end);
}

function writeFetchedPart(bytes: Uint8Array, start: number, part: FetchedPart): number {
  bytes[start] = FETCHED_PARTITION;
  let at = writeUvarint(bytes, start + 1, fetchedPartSize(part));
  bytes[at] = FETCHED_RECORDS;
  at = writeUvarint(bytes, at + 1, fetchedRecordsSize(part));
  at = writeNumberField(bytes, at, RECORDS_PARTITION, part.partition);
  at = writeNumberField(bytes, at, RECORDS_NEXT, part.nextOffset);
  if (part.batches.length > 0) {
    bytes[at] = RECORDS_BATCHES;
    at = writeUvarint(bytes, at + 1, part.batches.length);
    bytes.set(part.batches, at);
    at += part.batches.length;
  }
  at = writeNumberField(bytes, at, FETCHED_LOG_START, part.logStart);
  return writeNumberField(bytes, at, FETCHED_END, part.end);
}

/** Writes the whole answer to fetch `id`: the batches are copied once. The view is valid until the writer's next use. */
export function writeFetched(writer: ByteWriter, id: number, parts: readonly FetchedPart[]): Uint8Array {
  let size = 0;
  for (const part of parts) {
    const partSize = fetchedPartSize(part);
    size += 1 + uvarintSize(partSize) + partSize;
  }
  writer.reset();
  writer.reserve(size + HEADROOM_BYTES);
  const { bytes } = writer;
  let at = writeNumberField(bytes, 0, FRAME_ID, id);
  at = writeUvarint(bytes, writeUvarint(bytes, at, FRAME_FETCHED), size);
  for (const part of parts) at = writeFetchedPart(bytes, at, part);
  writer.at = at;
  return writer.view();
}

/** Frames from the node, apart: what comes often is read in place, the rest by the generated code. */
import { ByteReader } from '../base/bytes.js';
import { decodeFrame, type WireFrame } from '../proto/client-wire.js';
import { ClientError } from './errors.js';
import { fieldEnd, skipField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const FRAME_ID = wireTag(1, WIRE_VARINT);
const FRAME_CONFIRMS = wireTag(41, WIRE_LENGTH);
const FRAME_DELIVER = wireTag(43, WIRE_LENGTH);
const CONFIRMS_CONFIRM = wireTag(1, WIRE_LENGTH);
const CONFIRM_ID = wireTag(1, WIRE_VARINT);
const CONFIRM_RANGES = wireTag(2, WIRE_LENGTH);
const CONFIRM_REACHED = wireTag(3, WIRE_VARINT);
const CONFIRM_DUPLICATE = wireTag(4, WIRE_VARINT);
const CONFIRM_UNROUTABLE = wireTag(5, WIRE_LENGTH);
const RANGE_BASE = wireTag(2, WIRE_VARINT);
const DELIVER_SUBSCRIPTION = wireTag(1, WIRE_VARINT);

/** Who takes frames. */
export interface FrameSink {
  /** The outcome of a publish; `isUnroutable`: no queue wants a message of it that somebody should. */
  confirm(id: number, baseOffset: number, reached: number, duplicate: boolean, isUnroutable: boolean): void;
  /** Deliveries; the Deliver message lies between `start` and `end`. */
  deliver(subscription: number, bytes: Uint8Array, start: number, end: number): void;
  /** Everything else. */
  frame(frame: WireFrame): void;
}

const reader = new ByteReader(new Uint8Array(0));

/**
 * Reads one frame and passes its content on.
 * @throws ClientError `protocol` on bytes that are no frame.
 */
export function readFrame(bytes: Uint8Array, sink: FrameSink): void {
  reader.reset(bytes);
  try {
    let tag = reader.uvarint();
    if (tag === FRAME_ID) {
      reader.uvarint();
      tag = reader.uvarint();
    }
    if (tag === FRAME_CONFIRMS) {
      readConfirms(fieldEnd(reader), sink);
      return;
    }
    if (tag === FRAME_DELIVER) {
      readDeliver(bytes, fieldEnd(reader), sink);
      return;
    }
  } catch (thrown) {
    throw malformed(bytes, thrown);
  }
  sink.frame(generatedFrame(bytes));
}

function generatedFrame(bytes: Uint8Array): WireFrame {
  try {
    return decodeFrame(bytes);
  } catch (thrown) {
    throw malformed(bytes, thrown);
  }
}

function malformed(bytes: Uint8Array, cause: unknown): ClientError {
  if (cause instanceof ClientError) return cause;
  return new ClientError('protocol', `The node sent ${bytes.length} bytes that are no frame`, cause);
}

function readConfirms(end: number, sink: FrameSink): void {
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === CONFIRMS_CONFIRM) readConfirm(fieldEnd(reader), sink);
    else skipField(reader, tag);
  }
}

function readConfirm(end: number, sink: FrameSink): void {
  let id = 0;
  let baseOffset = -1;
  let reached = 0;
  let duplicate = false;
  let isUnroutable = false;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === CONFIRM_ID) id = reader.uvarint();
    else if (tag === CONFIRM_RANGES) baseOffset = readRangeBase(fieldEnd(reader));
    else if (tag === CONFIRM_REACHED) reached = reader.uvarint();
    else if (tag === CONFIRM_DUPLICATE) duplicate = reader.uvarint() !== 0;
    else {
      isUnroutable ||= tag === CONFIRM_UNROUTABLE;
      skipField(reader, tag);
    }
  }
  const { at } = reader;
  const { bytes } = reader;
  sink.confirm(id, baseOffset, reached, duplicate, isUnroutable);
  // What a confirm sets going may read other bytes with the same reader.
  reader.reset(bytes, at);
}

function readRangeBase(end: number): number {
  let baseOffset = 0;
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === RANGE_BASE) baseOffset = reader.uvarlong();
    else skipField(reader, tag);
  }
  return baseOffset;
}

function readDeliver(bytes: Uint8Array, end: number, sink: FrameSink): void {
  const start = reader.at;
  let subscription = 0;
  while (reader.at < end && subscription === 0) {
    const tag = reader.uvarint();
    if (tag === DELIVER_SUBSCRIPTION) subscription = reader.uvarint();
    else skipField(reader, tag);
  }
  sink.deliver(subscription, bytes, start, end);
}

/** Writes frames into a growing buffer; many frames of one turn lie behind each other in it. */
import type { ByteWriter } from '../../base/bytes.js';
import { writeU16, writeU32 } from '../../base/integers.js';
import type { EnvelopeCursor } from '../../record/amqp/envelope.js';
import { FRAME_OVERHEAD_BYTES, MAX_SHORT_STRING_BYTES } from './limits.js';
import { BASIC_CLASS, FRAME_END, FrameType, Method, type MethodId } from './methods.js';

const HEADER_BYTES = 7;
/** Frame header, method, tag, one octet of bits, end octet. */
const ACK_FRAME_BYTES = HEADER_BYTES + 4 + 8 + 1 + 1;
/** Frame header, class, weight, body size, end octet. */
const CONTENT_HEADER_BYTES = HEADER_BYTES + 2 + 2 + 8 + 1;
const TWO_TO_32 = 0x1_0000_0000;

/** Begins a method frame whose size `endFrame` fills in. Returns where it begins. */
export function beginMethod(writer: ByteWriter, channel: number, method: MethodId): number {
  const start = writer.reserve(HEADER_BYTES + 4);
  const { bytes } = writer;
  bytes[start] = FrameType.method;
  writeU16(bytes, start + 1, channel);
  writeU32(bytes, start + HEADER_BYTES, method);
  writer.at = start + HEADER_BYTES + 4;
  return start;
}

/** Ends the frame that began at `start`. */
export function endFrame(writer: ByteWriter, start: number): void {
  const end = writer.reserve(1);
  writeU32(writer.bytes, start + 3, end - start - HEADER_BYTES);
  writer.bytes[end] = FRAME_END;
  writer.at = end + 1;
}

/** A method without arguments. */
export function writeBare(writer: ByteWriter, channel: number, method: MethodId): void {
  endFrame(writer, beginMethod(writer, channel, method));
}

/** A short string. The caller knows that it has at most 255 bytes. */
export function writeShort(writer: ByteWriter, text: string): void {
  const lengthAt = writer.reserve(1 + MAX_SHORT_STRING_BYTES);
  writer.at = lengthAt + 1;
  writer.bytes[lengthAt] = writer.utf8(text);
}

/** A table or long string from its content. */
export function writeLong(writer: ByteWriter, content: Uint8Array): void {
  writer.u32(content.length);
  writer.raw(content);
}

/** A content header frame, and the body in as many frames as `frameMaxBytes` asks for; 0 = without limit. */
export function writeContent(
  writer: ByteWriter,
  channel: number,
  properties: Uint8Array,
  body: Uint8Array,
  frameMaxBytes: number,
): void {
  writeContentFrom(writer, channel, properties, 0, properties.length, body, frameMaxBytes);
}

/** As writeContent, with properties that lie in `source` from `at` to `end`. */
export function writeContentFrom(
  writer: ByteWriter,
  channel: number,
  source: Uint8Array,
  at: number,
  end: number,
  body: Uint8Array,
  frameMaxBytes: number,
): void {
  writeContentHeader(writer, channel, source, at, end - at, body.length);
  if (body.length === 0) return;
  const maxPayload = frameMaxBytes === 0 ? body.length : frameMaxBytes - FRAME_OVERHEAD_BYTES;
  for (let from = 0; from < body.length; from += maxPayload) {
    writeBodyFrame(writer, channel, body, from, Math.min(maxPayload, body.length - from));
  }
}

function writeContentHeader(
  writer: ByteWriter,
  channel: number,
  source: Uint8Array,
  at: number,
  size: number,
  bodyBytes: number,
): void {
  const start = writer.reserve(CONTENT_HEADER_BYTES + size);
  const { bytes } = writer;
  bytes[start] = FrameType.header;
  writeU16(bytes, start + 1, channel);
  writeU32(bytes, start + 3, 12 + size);
  writeU16(bytes, start + 7, BASIC_CLASS);
  writeU16(bytes, start + 9, 0);
  writeU32(bytes, start + 11, Math.floor(bodyBytes / TWO_TO_32));
  writeU32(bytes, start + 15, bodyBytes);
  const end = copyInto(bytes, start + 19, source, at, size);
  bytes[end] = FRAME_END;
  writer.at = end + 1;
}

function writeBodyFrame(writer: ByteWriter, channel: number, body: Uint8Array, at: number, size: number): void {
  const start = writer.reserve(FRAME_OVERHEAD_BYTES + size);
  const { bytes } = writer;
  bytes[start] = FrameType.body;
  writeU16(bytes, start + 1, channel);
  writeU32(bytes, start + 3, size);
  const end = copyInto(bytes, start + HEADER_BYTES, body, at, size);
  bytes[end] = FRAME_END;
  writer.at = end + 1;
}

/** Up to this many bytes a loop is faster than a view and a native call. */
const LOOP_COPY_BYTES = 48;

/** Copies `size` bytes of `source`; returns the position behind them. The caller has made room. */
export function copyInto(bytes: Uint8Array, to: number, source: Uint8Array, from: number, size: number): number {
  if (size <= LOOP_COPY_BYTES) {
    for (let index = 0; index < size; index++) bytes[to + index] = source[from + index]!;
  } else {
    bytes.set(from === 0 && size === source.length ? source : source.subarray(from, from + size), to);
  }
  return to + size;
}

/** basic.ack, or basic.nack, of publishes up to `tag`. */
export function writeConfirm(
  writer: ByteWriter,
  channel: number,
  isAck: boolean,
  tag: number,
  multiple: boolean,
): void {
  const start = writer.reserve(ACK_FRAME_BYTES);
  const { bytes } = writer;
  bytes[start] = FrameType.method;
  writeU16(bytes, start + 1, channel);
  writeU32(bytes, start + 3, 13);
  writeU32(bytes, start + 7, isAck ? Method.basicAck : Method.basicNack);
  writeU32(bytes, start + 11, Math.floor(tag / TWO_TO_32));
  writeU32(bytes, start + 15, tag);
  bytes[start + 19] = multiple ? 1 : 0;
  bytes[start + 20] = FRAME_END;
  writer.at = start + ACK_FRAME_BYTES;
}

/**
 * The method frame of basic.deliver. `consumerTag` is a whole short string, length included; `exchange` and `routingKey` have at most 255 bytes.
 */
export function writeDeliver(
  writer: ByteWriter,
  channel: number,
  consumerTag: Uint8Array,
  tag: number,
  redelivered: boolean,
  exchange: string,
  routingKey: string,
): void {
  const start = beginDeliver(writer, channel, consumerTag, tag, redelivered, 0);
  writeShort(writer, exchange);
  writeShort(writer, routingKey);
  endFrame(writer, start);
}

/** The method frame of basic.deliver for a message whose names lie in its envelope, where each has at most 255 bytes. */
export function writeDeliverFrom(
  writer: ByteWriter,
  channel: number,
  consumerTag: Uint8Array,
  tag: number,
  redelivered: boolean,
  envelope: EnvelopeCursor,
): void {
  const { exchangeStart, exchangeEnd, routingKeyStart, routingKeyEnd } = envelope;
  const exchangeBytes = exchangeEnd - exchangeStart;
  const keyBytes = routingKeyEnd - routingKeyStart;
  const start = beginDeliver(writer, channel, consumerTag, tag, redelivered, exchangeBytes + keyBytes + 3);
  const { bytes } = writer;
  const { at } = writer;
  bytes[at] = exchangeBytes;
  const keyAt = copyInto(bytes, at + 1, envelope.bytes, exchangeStart, exchangeBytes);
  bytes[keyAt] = keyBytes;
  const end = copyInto(bytes, keyAt + 1, envelope.bytes, routingKeyStart, keyBytes);
  writeU32(bytes, start + 3, end - start - HEADER_BYTES);
  bytes[end] = FRAME_END;
  writer.at = end + 1;
}

/** Everything before the names, with room for `more` bytes behind; returns where the frame begins. */
function beginDeliver(
  writer: ByteWriter,
  channel: number,
  consumerTag: Uint8Array,
  tag: number,
  redelivered: boolean,
  more: number,
): number {
  const start = writer.reserve(HEADER_BYTES + 4 + consumerTag.length + 9 + more);
  const { bytes } = writer;
  bytes[start] = FrameType.method;
  writeU16(bytes, start + 1, channel);
  writeU32(bytes, start + 7, Method.basicDeliver);
  const at = copyInto(bytes, start + 11, consumerTag, 0, consumerTag.length);
  writeU32(bytes, at, Math.floor(tag / TWO_TO_32));
  writeU32(bytes, at + 4, tag);
  bytes[at + 8] = redelivered ? 1 : 0;
  writer.at = at + 9;
  return start;
}

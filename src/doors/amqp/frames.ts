import { readU16, readU32 } from '../../base/integers.js';
import { AmqpError } from './errors.js';
import { FRAME_FUDGE_BYTES, FRAME_OVERHEAD_BYTES, HANDSHAKE_FRAME_BYTES } from './limits.js';
import { FRAME_END, FrameType } from './methods.js';

/** Type, channel and size. */
const HEADER_BYTES = 7;
const EMPTY = new Uint8Array(0);
const NOT_STREAMING = -1;

/** Gets what a FrameReader finds. Bytes are borrowed until the call returns. */
export interface FrameSink {
  /** A whole frame; its payload is from `at` to `end`. */
  frame(type: number, channel: number, bytes: Uint8Array, at: number, end: number): void;
  /** Whether a body frame of this channel may be handed over in pieces: it saves a copy. */
  takesParts(channel: number): boolean;
  /** A piece of a body frame. */
  bodyPart(channel: number, bytes: Uint8Array, at: number, end: number): void;
  /** The body frame whose pieces were handed over has ended as it must. */
  bodyEnded(channel: number): void;
}

/**
 * Cuts a stream of bytes into frames, whatever pieces it comes in. A frame that lies whole in one piece is handed over in place; body frames that do
 * not are handed over in parts; the rest is collected, never more than one frame of the negotiated size.
 */
export class FrameReader {
  /** Largest payload, in bytes. */
  private maxPayload = HANDSHAKE_FRAME_BYTES;
  private readonly sink: FrameSink;
  private carry: Uint8Array = EMPTY;
  private carried = 0;
  private streamChannel = NOT_STREAMING;
  private streamLeft = 0;
  private isStopped = false;

  constructor(sink: FrameSink) {
    this.sink = sink;
  }

  /** Sets the negotiated frame_max, in bytes. */
  setFrameMax(frameMaxBytes: number): void {
    this.maxPayload = frameMaxBytes - FRAME_OVERHEAD_BYTES;
  }

  /** Whatever still comes is ignored. */
  stop(): void {
    this.isStopped = true;
    this.carry = EMPTY;
    this.carried = 0;
  }

  /**
   * Takes the next bytes of the stream; they are borrowed until the call returns.
   * @throws AmqpError `frame-error`, after which the stream cannot be read on, and what the sink throws.
   */
  push(chunk: Uint8Array): void {
    let at = 0;
    if (this.streamChannel !== NOT_STREAMING) at = this.goOnStreaming(chunk);
    while (this.carried > 0 && !this.isStopped) {
      const next = this.fillCarry(chunk, at);
      if (next < 0) return;
      at = next;
    }
    at = this.readWhole(chunk, at);
    if (this.isStopped || at === chunk.length || this.streamChannel !== NOT_STREAMING) return;
    this.startCarry(chunk, at);
  }

  /** Hands over every frame that lies whole in the chunk; returns where the rest begins. */
  private readWhole(chunk: Uint8Array, start: number): number {
    const { sink } = this;
    let at = start;
    while (!this.isStopped && chunk.length - at >= HEADER_BYTES) {
      const type = chunk[at]!;
      const channel = readU16(chunk, at + 1);
      const payloadAt = at + HEADER_BYTES;
      const payloadEnd = payloadAt + this.checkHeader(type, readU32(chunk, at + 3));
      if (payloadEnd < chunk.length) {
        if (chunk[payloadEnd] !== FRAME_END) throw badEnd(type, chunk[payloadEnd]!);
        at = payloadEnd + 1;
        sink.frame(type, channel, chunk, payloadAt, payloadEnd);
        continue;
      }
      if (type !== FrameType.body || !sink.takesParts(channel)) return at;
      this.streamChannel = channel;
      this.streamLeft = payloadEnd - payloadAt;
      this.passPart(chunk, payloadAt, chunk.length);
      return chunk.length;
    }
    return at;
  }

  private checkHeader(type: number, size: number): number {
    if (type !== FrameType.method && type !== FrameType.header && type !== FrameType.body) {
      if (type !== FrameType.heartbeat) throw new AmqpError('frame-error', `type ${type} is no type of frame`);
    }
    if (size > this.maxPayload + FRAME_FUDGE_BYTES) {
      throw new AmqpError(
        'frame-error',
        `type ${type}, frame too large: ${size} bytes, at most ${this.maxPayload} allowed`,
      );
    }
    return size;
  }

  private passPart(chunk: Uint8Array, at: number, end: number): void {
    this.streamLeft -= end - at;
    if (end > at) this.sink.bodyPart(this.streamChannel, chunk, at, end);
  }

  private goOnStreaming(chunk: Uint8Array): number {
    const partEnd = Math.min(chunk.length, this.streamLeft);
    this.passPart(chunk, 0, partEnd);
    if (partEnd === chunk.length || this.isStopped) return chunk.length;
    if (chunk[partEnd] !== FRAME_END) throw badEnd(FrameType.body, chunk[partEnd]!);
    const channel = this.streamChannel;
    this.streamChannel = NOT_STREAMING;
    this.sink.bodyEnded(channel);
    return partEnd + 1;
  }

  /** Keeps the beginning of a frame. Room grows with what comes, not with what is announced. */
  private startCarry(chunk: Uint8Array, at: number): void {
    const left = chunk.length - at;
    if (this.carry.length < left) this.carry = new Uint8Array(Math.max(left, 2 * HEADER_BYTES));
    this.carry.set(chunk.subarray(at), 0);
    this.carried = left;
  }

  /** Adds to the kept beginning, and hands the frame over once it is whole. Returns how far the chunk is read, -1 = to its end. */
  private fillCarry(chunk: Uint8Array, start: number): number {
    let at = start;
    while (this.carried < HEADER_BYTES) {
      if (at === chunk.length) return -1;
      this.addToCarry(chunk, at, at + 1);
      at++;
    }
    const { carry } = this;
    const type = carry[0]!;
    const channel = readU16(carry, 1);
    const frameBytes = HEADER_BYTES + this.checkHeader(type, readU32(carry, 3)) + 1;
    if (this.carried === HEADER_BYTES && type === FrameType.body && this.sink.takesParts(channel)) {
      return this.streamFromCarry(channel, frameBytes - HEADER_BYTES - 1, chunk, at);
    }
    const take = Math.min(chunk.length - at, frameBytes - this.carried);
    this.addToCarry(chunk, at, at + take);
    if (this.carried < frameBytes) return -1;
    this.carried = 0;
    const whole = this.carry;
    // The buffer is given up: a large one is not kept for the next small frame.
    this.carry = EMPTY;
    if (whole[frameBytes - 1] !== FRAME_END) throw badEnd(type, whole[frameBytes - 1]!);
    this.sink.frame(type, channel, whole, HEADER_BYTES, frameBytes - 1);
    return at + take;
  }

  private streamFromCarry(channel: number, size: number, chunk: Uint8Array, at: number): number {
    this.carried = 0;
    this.streamChannel = channel;
    this.streamLeft = size;
    if (at === chunk.length) return -1;
    const rest = this.goOnStreaming(chunk.subarray(at));
    return at + rest;
  }

  private addToCarry(chunk: Uint8Array, at: number, end: number): void {
    const needed = this.carried + end - at;
    if (needed > this.carry.length) {
      const limit = HEADER_BYTES + this.maxPayload + FRAME_FUDGE_BYTES + 1;
      const grown = new Uint8Array(Math.max(needed, Math.min(limit, this.carry.length * 2)));
      grown.set(this.carry.subarray(0, this.carried));
      this.carry = grown;
    }
    this.carry.set(at === 0 && end === chunk.length ? chunk : chunk.subarray(at, end), this.carried);
    this.carried = needed;
  }
}

function badEnd(type: number, octet: number): AmqpError {
  return new AmqpError('frame-error', `type ${type}, invalid frame end marker ${octet}`);
}

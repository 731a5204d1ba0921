import { copyOf } from '../../base/copy.js';
import { DecodeError } from '../../base/errors.js';
import { readU16, readU32 } from '../../base/integers.js';
import {
  deliveryModeOf,
  expirationMsOf,
  INVALID_EXPIRATION,
  readProperties,
  replyToOf,
  userIdOf,
  verifyProperties,
} from '../../record/amqp/properties.js';
import { REPLY_QUEUE } from './direct-reply.js';
import { AmqpError } from './errors.js';
import { BODY_SIZE_SANITY_BYTES, EAGER_BODY_BYTES, KEPT_PROPERTIES_BYTES } from './limits.js';
import { BASIC_CLASS, Method } from './methods.js';

const PUBLISH = Method.basicPublish;
/** Class, weight, body size. */
const FIXED_HEADER_BYTES = 12;
const TWO_TO_32 = 0x1_0000_0000;
const EMPTY = new Uint8Array(0);

/** What a door must know of a message's properties; made once for the many messages of a publisher that carry the same ones. */
export interface PropertyFacts {
  /** Flags and list: bytes of their own, verified. */
  readonly bytes: Uint8Array;
  readonly persistent: boolean;
  readonly userId: string | undefined;
  /** The text of an expiration that is none. */
  readonly badExpiration: string | undefined;
  /** Whether reply-to is the pseudo-queue's name, which the door replaces with the consumer's address. */
  readonly asksForReplies: boolean;
}

/** @throws AmqpError `syntax-error`. */
function factsOf(bytes: Uint8Array): PropertyFacts {
  try {
    verifyProperties(bytes);
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    throw new AmqpError('syntax-error', `cannot decode the properties: ${thrown.message}`, PUBLISH);
  }
  const isBad = expirationMsOf(bytes) === INVALID_EXPIRATION;
  return {
    bytes,
    persistent: deliveryModeOf(bytes) === 2,
    userId: userIdOf(bytes),
    badExpiration: isBad ? (readProperties(bytes).expiration ?? '') : undefined,
    asksForReplies: replyToOf(bytes) === REPLY_QUEUE,
  };
}

/** Counts the room that bodies in pieces take on one connection. @throws AmqpError `resource-error`. */
export interface BodyRoom {
  reserve(bytes: number): void;
  release(bytes: number): void;
}

/** Where a channel is between a publish and the end of its body. */
type Phase = 'method' | 'header' | 'body';

/**
 * The content of one channel's publishes: what the method said, the header, the body. A body that comes whole is not copied; one in pieces is collected
 * once. `body` is valid until the next frame.
 */
export class Content {
  phase: Phase = 'method';
  exchange = '';
  routingKey = '';
  mandatory = false;
  immediate = false;
  facts: PropertyFacts = factsOf(new Uint8Array(2));
  body: Uint8Array = EMPTY;
  private size = 0;
  private received = 0;
  /** The pieces that are full, and the one that is being filled. */
  private pieces: Uint8Array[] = [];
  private piece: Uint8Array = EMPTY;
  private filled = 0;
  private reserved = 0;
  private readonly room: BodyRoom;

  constructor(room: BodyRoom) {
    this.room = room;
  }

  /** A basic.publish has come. */
  begin(exchange: string, routingKey: string, mandatory: boolean, immediate: boolean): void {
    this.phase = 'header';
    this.exchange = exchange;
    this.routingKey = routingKey;
    this.mandatory = mandatory;
    this.immediate = immediate;
  }

  /** What a method frame in the middle of content is answered with. */
  unexpectedMethod(): AmqpError {
    return this.phase === 'header'
      ? unexpected(`expected content header for class ${BASIC_CLASS}, got non content header frame instead`)
      : unexpected('expected content body, got non content body frame instead');
  }

  /**
   * Takes a content header frame's payload. Returns whether the content is complete: without a body it is.
   * @throws AmqpError `unexpected-frame`, `frame-error`, `syntax-error`, `precondition-failed` for a body that is too large.
   */
  header(bytes: Uint8Array, at: number, end: number, maxBodyBytes: number): boolean {
    if (this.phase === 'method') throw unexpected('expected method frame, got non method frame instead', 0);
    if (this.phase === 'body') throw unexpected('expected content body, got non content body frame instead');
    if (end - at < FIXED_HEADER_BYTES + 2) throw new AmqpError('frame-error', 'content header is too short', PUBLISH);
    const classId = readU16(bytes, at);
    if (classId !== BASIC_CLASS) {
      const text = `expected content header for class ${BASIC_CLASS}, got one for class ${classId} instead`;
      throw unexpected(text);
    }
    const size = readU32(bytes, at + 4) * TWO_TO_32 + readU32(bytes, at + 8);
    checkSize(size, maxBodyBytes);
    this.takeProperties(bytes, at + FIXED_HEADER_BYTES, end);
    this.size = size;
    this.received = 0;
    this.body = EMPTY;
    this.phase = size === 0 ? 'method' : 'body';
    return size === 0;
  }

  private takeProperties(bytes: Uint8Array, at: number, end: number): void {
    const kept = this.facts.bytes;
    const length = end - at;
    if (kept.length === length && length <= KEPT_PROPERTIES_BYTES) {
      let same = 0;
      while (same < length && kept[same] === bytes[at + same]) same++;
      if (same === length) return;
    }
    this.facts = factsOf(copyOf(bytes.subarray(at, end)));
  }

  /** Takes a whole body frame's payload. Returns whether the content is complete. @throws AmqpError `unexpected-frame`, `frame-error`, `resource-error`. */
  bodyFrame(bytes: Uint8Array, at: number, end: number): boolean {
    if (this.phase === 'body' && this.received === 0 && end - at === this.size) {
      this.received = this.size;
      this.body = at === 0 && end === bytes.length ? bytes : bytes.subarray(at, end);
      return this.isComplete();
    }
    this.bodyPart(bytes, at, end);
    return this.isComplete();
  }

  /** Takes a piece of a body frame. @throws AmqpError as bodyFrame. */
  bodyPart(bytes: Uint8Array, at: number, end: number): void {
    if (this.phase !== 'body') {
      if (this.phase === 'header') throw this.unexpectedMethod();
      throw unexpected('expected method frame, got non method frame instead', 0);
    }
    if (this.received + end - at > this.size) {
      throw new AmqpError('frame-error', 'content body frame exceeds remaining content size', PUBLISH);
    }
    for (let from = at; from < end; ) {
      if (this.filled === this.piece.length) this.beginPiece();
      const take = Math.min(end - from, this.piece.length - this.filled);
      this.piece.set(bytes.subarray(from, from + take), this.filled);
      this.filled += take;
      this.received += take;
      from += take;
    }
  }

  /** Whether the body has come; if so, the channel is ready for its next method. */
  isComplete(): boolean {
    if (this.phase !== 'body' || this.received < this.size) return false;
    if (this.reserved > 0) {
      this.body = this.joined();
      this.drop();
    }
    this.phase = 'method';
    return true;
  }

  /** Forgets a content that will not be completed, and the last one's body. */
  drop(): void {
    this.phase = 'method';
    this.pieces = [];
    this.piece = EMPTY;
    this.filled = 0;
    this.room.release(this.reserved);
    this.reserved = 0;
  }

  /**
   * Room grows with what has come, so that announcing costs a peer as much as it costs the node; by pieces, because moving a long body to larger and larger
   * memory holds everybody else up.
   */
  private beginPiece(): void {
    const length = Math.min(this.size - this.received, EAGER_BODY_BYTES);
    this.room.reserve(length);
    this.reserved += length;
    if (this.piece.length > 0) this.pieces.push(this.piece);
    this.piece = new Uint8Array(length);
    this.filled = 0;
  }

  private joined(): Uint8Array {
    if (this.pieces.length === 0) return this.piece;
    const body = new Uint8Array(this.size);
    let at = 0;
    for (const piece of [...this.pieces, this.piece]) {
      body.set(piece, at);
      at += piece.length;
    }
    return body;
  }
}

function checkSize(size: number, maxBodyBytes: number): void {
  if (size <= maxBodyBytes) return;
  if (size > Math.max(BODY_SIZE_SANITY_BYTES, maxBodyBytes)) {
    const text = `content body size ${size} exceeds maximum allowed size ${BODY_SIZE_SANITY_BYTES}`;
    throw new AmqpError('frame-error', text, PUBLISH);
  }
  const text = `message size ${size} is larger than configured max size ${maxBodyBytes}`;
  throw new AmqpError('precondition-failed', text, PUBLISH);
}

function unexpected(text: string, method: number = PUBLISH): AmqpError {
  return new AmqpError('unexpected-frame', text, method);
}

import { EncodeError } from './errors.js';
import { writeI64, writeU16, writeU32 } from './integers.js';
import { WRITER_INITIAL_BYTES, WRITER_MAX_BYTES } from './limits.js';
import { utf8Size, writeUtf8 } from './utf8.js';
import {
  uvarintSize,
  VARINT_MAX_BYTES,
  VARLONG_MAX_BYTES,
  varintSize,
  varlongSize,
  writeUvarint,
  writeVarint,
  writeVarlong,
} from './varint.js';

/**
 * A growing buffer. Integers are big-endian. One writer is meant to be reset and used again: `view()` is valid only until then.
 *
 * Every method throws EncodeError `too-large` when the size would pass `maxBytes`; what was written before stays as it was.
 */
export class ByteWriter {
  /** The buffer; longer than what is written, and replaced when it grows. */
  bytes: Uint8Array<ArrayBuffer>;
  /** Position of the next byte, and so the number of bytes written. */
  at = 0;
  /** The size that may not be passed, in bytes. */
  readonly maxBytes: number;

  constructor(initialBytes: number = WRITER_INITIAL_BYTES, maxBytes: number = WRITER_MAX_BYTES) {
    this.maxBytes = maxBytes;
    this.bytes = new Uint8Array(Math.min(initialBytes, maxBytes));
  }

  /** Forgets what was written and keeps the buffer. */
  reset(): this {
    this.at = 0;
    return this;
  }

  /** Makes room for `count` more bytes without moving, so that a caller may write into `bytes` by itself. Returns `at`. */
  reserve(count: number): number {
    if (this.at + count > this.bytes.length) this.grow(this.at + count);
    return this.at;
  }

  private grow(needed: number): void {
    if (needed > this.maxBytes) {
      throw new EncodeError('too-large', `Cannot write ${needed} bytes: the limit is ${this.maxBytes}`);
    }
    const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.at));
    this.bytes = grown;
  }

  /** The worst-case size where the buffer has room for it, else the exact one, which costs time but never a needless growth. */
  private roomOr<T>(worstCase: number, exactSize: (value: T) => number, value: T): number {
    return this.at + worstCase <= this.bytes.length ? worstCase : exactSize(value);
  }

  /** Leaves room for `count` bytes to be patched later; they are zero. Returns their position. */
  skip(count: number): number {
    const start = this.reserve(count);
    this.bytes.fill(0, start, start + count);
    this.at = start + count;
    return start;
  }

  /** Low 8 bits of `value`. */
  u8(value: number): void {
    const start = this.reserve(1);
    this.bytes[start] = value;
    this.at = start + 1;
  }

  /** Low 16 bits of `value`, signed or not. */
  u16(value: number): void {
    const start = this.reserve(2);
    writeU16(this.bytes, start, value);
    this.at = start + 2;
  }

  /** Low 32 bits of `value`, signed or not. */
  u32(value: number): void {
    const start = this.reserve(4);
    writeU32(this.bytes, start, value);
    this.at = start + 4;
  }

  /** Same bits as `u8`, named for signed values. */
  i8(value: number): void {
    this.u8(value);
  }

  /** Same bits as `u16`, named for signed values. */
  i16(value: number): void {
    this.u16(value);
  }

  /** Same bits as `u32`, named for signed values. */
  i32(value: number): void {
    this.u32(value);
  }

  /** 64-bit integer. @throws BugError unless `value` is a safe integer. */
  i64(value: number): void {
    const start = this.reserve(8);
    writeI64(this.bytes, start, value);
    this.at = start + 8;
  }

  /** Low 64 bits of `value`, signed or not. */
  i64BigInt(value: bigint): void {
    this.u32(Number(BigInt.asUintN(32, value >> 32n)));
    this.u32(Number(BigInt.asUintN(32, value)));
  }

  /** IEEE 754 single. */
  f32(value: number): void {
    const start = this.reserve(4);
    new DataView(this.bytes.buffer, start, 4).setFloat32(0, value);
    this.at = start + 4;
  }

  /** IEEE 754 double. */
  f64(value: number): void {
    const start = this.reserve(8);
    new DataView(this.bytes.buffer, start, 8).setFloat64(0, value);
    this.at = start + 8;
  }

  /** Unsigned variable-length integer, up to 2^53-1. */
  uvarint(value: number): void {
    const start = this.reserve(this.roomOr(VARLONG_MAX_BYTES, uvarintSize, value));
    this.at = writeUvarint(this.bytes, start, value);
  }

  /** Zigzag variable-length 32-bit integer (Kafka's varint). */
  varint(value: number): void {
    const start = this.reserve(this.roomOr(VARINT_MAX_BYTES, varintSize, value));
    this.at = writeVarint(this.bytes, start, value);
  }

  /** Zigzag variable-length safe integer (Kafka's varlong). */
  varlong(value: number): void {
    const start = this.reserve(this.roomOr(VARLONG_MAX_BYTES, varlongSize, value));
    this.at = writeVarlong(this.bytes, start, value);
  }

  /** A copy of `source`, without a length. */
  raw(source: Uint8Array): void {
    const start = this.reserve(source.length);
    this.bytes.set(source, start);
    this.at = start + source.length;
  }

  /** `text` in UTF-8, without a length. Returns the bytes it took. */
  utf8(text: string): number {
    const start = this.reserve(this.roomOr(text.length * 3, utf8Size, text));
    this.at = writeUtf8(this.bytes, start, text);
    return this.at - start;
  }

  /** Overwrites two bytes at `position`, which was written or skipped before. */
  patchU16(position: number, value: number): void {
    writeU16(this.bytes, position, value);
  }

  /** Overwrites four bytes at `position`, which was written or skipped before. */
  patchU32(position: number, value: number): void {
    writeU32(this.bytes, position, value);
  }

  /** Overwrites eight bytes at `position`, which was written or skipped before. */
  patchI64(position: number, value: number): void {
    writeI64(this.bytes, position, value);
  }

  /** What was written, as a view: valid until the next write or reset. */
  view(): Uint8Array<ArrayBuffer> {
    return this.bytes.subarray(0, this.at);
  }

  /** What was written, as a copy. */
  copy(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.at);
  }
}

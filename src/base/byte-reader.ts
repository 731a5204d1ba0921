import { DecodeError } from './errors.js';
import { joinI64, readI16, readI32, readI64, readU16, readU32 } from './integers.js';
import { readUtf8, readUtf8Strict } from './utf8.js';
import { VARINT_MAX_BYTES, VARLONG_MAX_BYTES } from './varint.js';

/**
 * A cursor over bytes from outside. Every read is checked against the end and moves the cursor; a failed read leaves the cursor
 * anywhere, so the caller keeps the position it wants to come back to. Integers are big-endian.
 *
 * Every method throws DecodeError `truncated` when the bytes end first.
 */
export class ByteReader {
  /** What is read. */
  bytes: Uint8Array;
  /** Position of the next byte. */
  at: number;
  /** Position after the last byte that may be read. */
  end: number;

  constructor(bytes: Uint8Array, at = 0, end = bytes.length) {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
  }

  /** Starts over on other bytes, so that one reader serves a session's life. */
  reset(bytes: Uint8Array, at = 0, end = bytes.length): this {
    this.bytes = bytes;
    this.at = at;
    this.end = end;
    return this;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.end - this.at;
  }

  /** Moves over `count` bytes and returns the position before them. */
  skip(count: number): number {
    const start = this.at;
    if (!(count >= 0 && count <= this.end - start)) throw shortage(count, this.end - start);
    this.at = start + count;
    return start;
  }

  /** Unsigned 8-bit integer. */
  u8(): number {
    if (this.at >= this.end) throw shortage(1, this.end - this.at);
    return this.bytes[this.at++]!;
  }

  /** Signed 8-bit integer. */
  i8(): number {
    return (this.u8() << 24) >> 24;
  }

  /** Unsigned 16-bit integer. */
  u16(): number {
    return readU16(this.bytes, this.skip(2));
  }

  /** Signed 16-bit integer. */
  i16(): number {
    return readI16(this.bytes, this.skip(2));
  }

  /** Unsigned 32-bit integer. */
  u32(): number {
    return readU32(this.bytes, this.skip(4));
  }

  /** Signed 32-bit integer. */
  i32(): number {
    return readI32(this.bytes, this.skip(4));
  }

  /** Signed 64-bit integer. @throws DecodeError `overflow` beyond ±(2^53-1). */
  i64(): number {
    return readI64(this.bytes, this.skip(8));
  }

  /** Unsigned 64-bit integer. @throws DecodeError `overflow` beyond 2^53-1. */
  u64(): number {
    const start = this.skip(8);
    const high = readU32(this.bytes, start);
    if (high > 0x1f_ffff)
      throw new DecodeError('overflow', `A 64-bit integer is beyond 2^53: its high half is ${high}`);
    return high * 0x1_0000_0000 + readU32(this.bytes, start + 4);
  }

  /** Signed 64-bit integer of full range. */
  i64BigInt(): bigint {
    const start = this.skip(8);
    return (BigInt(readI32(this.bytes, start)) << 32n) | BigInt(readU32(this.bytes, start + 4));
  }

  /** Unsigned 64-bit integer of full range. */
  u64BigInt(): bigint {
    return BigInt.asUintN(64, this.i64BigInt());
  }

  /** IEEE 754 single. */
  f32(): number {
    const start = this.skip(4);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + start, 4).getFloat32(0);
  }

  /** IEEE 754 double. */
  f64(): number {
    const start = this.skip(8);
    return new DataView(this.bytes.buffer, this.bytes.byteOffset + start, 8).getFloat64(0);
  }

  /** Unsigned 32-bit variable-length integer. @throws DecodeError `overflow` beyond 32 bits. */
  uvarint(): number {
    // Nearly all lengths and deltas take one or two bytes: walking records by the loop alone took a quarter more time.
    const { bytes, at, end } = this;
    if (at + 1 < end) {
      const first = bytes[at]!;
      if (first < 0x80) {
        this.at = at + 1;
        return first;
      }
      const second = bytes[at + 1]!;
      if (second < 0x80) {
        this.at = at + 2;
        return (first & 0x7f) | (second << 7);
      }
    }
    return this.longUvarint();
  }

  private longUvarint(): number {
    let value = 0;
    for (let index = 0; index < VARINT_MAX_BYTES; index++) {
      const byte = this.u8();
      if (index === VARINT_MAX_BYTES - 1 && byte > 0x0f) break;
      value |= (byte & 0x7f) << (7 * index);
      if (byte < 0x80) return value >>> 0;
    }
    throw new DecodeError('overflow', 'A variable-length integer does not fit 32 bits');
  }

  /** Zigzag 32-bit variable-length integer (Kafka's varint). @throws DecodeError `overflow` beyond 32 bits. */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** Unsigned 64-bit variable-length integer. @throws DecodeError `overflow` beyond 2^53-1. */
  uvarlong(): number {
    let value = 0;
    let unit = 1;
    for (let index = 0; index < VARLONG_MAX_BYTES; index++) {
      const byte = this.u8();
      value += (byte & 0x7f) * unit;
      if (value > Number.MAX_SAFE_INTEGER) break;
      if (byte < 0x80) return value;
      unit *= 0x80;
    }
    throw new DecodeError('overflow', 'A variable-length integer does not fit 2^53');
  }

  /** Zigzag 64-bit variable-length integer (Kafka's varlong). @throws DecodeError `overflow` beyond ±(2^53-1). */
  varlong(): number {
    if (this.at < this.end) {
      const byte = this.bytes[this.at]!;
      if (byte < 0x80) {
        this.at++;
        return (byte >>> 1) ^ -(byte & 1);
      }
    }
    return this.longVarlong();
  }

  private longVarlong(): number {
    let low = 0;
    let high = 0;
    for (let index = 0; index < VARLONG_MAX_BYTES; index++) {
      const byte = this.u8();
      if (index === VARLONG_MAX_BYTES - 1 && byte > 0x01) break;
      const group = byte & 0x7f;
      const shift = 7 * index;
      if (shift < 32) low |= group << shift;
      // The fifth group straddles the halves: its upper three bits belong to the high one.
      if (shift >= 32) high |= group << (shift - 32);
      else if (shift > 25) high |= group >>> (32 - shift);
      if (byte < 0x80) return joinI64((high >>> 1) ^ -(low & 1), ((low >>> 1) | (high << 31)) ^ -(low & 1));
    }
    throw new DecodeError('overflow', 'A variable-length integer does not fit 64 bits');
  }

  /** The next `length` bytes as a view: it shares memory with the input. */
  view(length: number): Uint8Array {
    const start = this.skip(length);
    return this.bytes.subarray(start, start + length);
  }

  /** The next `length` bytes as a copy. */
  copy(length: number): Uint8Array<ArrayBuffer> {
    const view = this.view(length);
    const copy = new Uint8Array(view.length);
    copy.set(view);
    return copy;
  }

  /** The next `length` bytes as text; malformed UTF-8 becomes U+FFFD. */
  utf8(length: number): string {
    const start = this.skip(length);
    return readUtf8(this.bytes, start, start + length);
  }

  /** The next `length` bytes as text. @throws DecodeError `invalid` on malformed UTF-8. */
  utf8Strict(length: number): string {
    const start = this.skip(length);
    return readUtf8Strict(this.bytes, start, start + length);
  }
}

function shortage(wanted: number, left: number): DecodeError {
  if (!(wanted >= 0)) return new DecodeError('invalid', `Cannot read a length of ${wanted} bytes`);
  return new DecodeError('truncated', `Cannot read ${wanted} bytes: only ${left} are left`);
}

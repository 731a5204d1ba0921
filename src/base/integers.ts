import { BugError } from './assert.js';
import { DecodeError } from './errors.js';

const TWO_TO_32 = 0x1_0000_0000;

// Plain byte arithmetic rather than a DataView: no object per buffer, and V8 compiles both to the same loads.

/** Reads a big-endian unsigned 16-bit integer at `at`. The caller has checked the bounds. */
export function readU16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!;
}

/** Reads a big-endian signed 16-bit integer at `at`. The caller has checked the bounds. */
export function readI16(bytes: Uint8Array, at: number): number {
  return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16;
}

/** Reads a big-endian signed 32-bit integer at `at`. The caller has checked the bounds. */
export function readI32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Reads a big-endian unsigned 32-bit integer at `at`. The caller has checked the bounds. */
export function readU32(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at) >>> 0;
}

/**
 * Reads a big-endian signed 64-bit integer at `at` as a number. The caller has checked the bounds.
 * @throws DecodeError `overflow` beyond ±(2^53-1).
 */
export function readI64(bytes: Uint8Array, at: number): number {
  return joinI64(readI32(bytes, at), readI32(bytes, at + 4));
}

/**
 * Joins the two halves of a signed 64-bit integer into a number.
 * @throws DecodeError `overflow` beyond ±(2^53-1).
 */
export function joinI64(high: number, low: number): number {
  const value = (high | 0) * TWO_TO_32 + (low >>> 0);
  if (!Number.isSafeInteger(value))
    throw new DecodeError('overflow', `A 64-bit integer is beyond 2^53: about ${value}`);
  return value;
}

/** Writes the low 16 bits of `value` big-endian at `at`. The caller has checked the bounds. */
export function writeU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value;
}

/** Writes the low 32 bits of `value` big-endian at `at`. The caller has checked the bounds. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/**
 * Writes `value` as a big-endian signed 64-bit integer at `at`. The caller has checked the bounds.
 * @throws BugError unless `value` is a safe integer.
 */
export function writeI64(bytes: Uint8Array, at: number, value: number): void {
  // Not `assert`: its message would be made on every call, which costs more than the write.
  if (!Number.isSafeInteger(value)) throw new BugError(`Cannot write a number beyond 2^53 as 64 bits: ${value}`);
  writeU32(bytes, at, Math.floor(value / TWO_TO_32));
  writeU32(bytes, at + 4, value);
}

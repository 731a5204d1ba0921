import { BugError } from './assert.js';

/** Longest encoding of a 32-bit variable-length integer, in bytes. */
export const VARINT_MAX_BYTES = 5;
/** Longest encoding of a 64-bit variable-length integer, in bytes. */
export const VARLONG_MAX_BYTES = 10;

const TWO_TO_32 = 0x1_0000_0000;
const INT32_MIN = -0x8000_0000;
const INT32_MAX = 0x7fff_ffff;

/** Size in bytes of the unsigned variable-length form of `value`, a safe integer from 0. */
export function uvarintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  let size = 5;
  for (let rest = Math.floor(value / 0x8_0000_0000); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/** Size in bytes of the zigzag variable-length form of `value`, a 32-bit signed integer (Kafka's varint). */
export function varintSize(value: number): number {
  return uvarintSize(((value << 1) ^ (value >> 31)) >>> 0);
}

/** Size in bytes of the zigzag variable-length form of `value`, a safe integer (Kafka's varlong). */
export function varlongSize(value: number): number {
  if (value >= INT32_MIN && value <= INT32_MAX) return varintSize(value);
  // Zigzag doubles the magnitude, which may pass 2^53; a size needs the magnitude only.
  const magnitude = value < 0 ? -value - 1 : value;
  let size = 1;
  for (let rest = Math.floor(magnitude / 0x40); rest > 0; rest = Math.floor(rest / 0x80)) size++;
  return size;
}

/**
 * Writes `value`, a safe integer from 0, as an unsigned variable-length integer (protobuf's varint, Kafka's unsigned varint).
 * Returns the position after it. The caller has made room.
 */
export function writeUvarint(bytes: Uint8Array, at: number, value: number): number {
  // Not `assert`: its message would be made on every call, which costs more than the write.
  if (!(value >= 0 && Number.isSafeInteger(value))) throw new BugError(`Cannot write as an unsigned varint: ${value}`);
  let position = at;
  let rest = value;
  while (rest >= TWO_TO_32) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  rest >>>= 0;
  while (rest > 0x7f) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/**
 * Writes `value`, a 32-bit signed integer, in zigzag form (Kafka's varint). Returns the position after it. The caller has made room.
 */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let position = at;
  let rest = ((value << 1) ^ (value >> 31)) >>> 0;
  while (rest > 0x7f) {
    bytes[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  bytes[position++] = rest;
  return position;
}

/**
 * Writes `value`, a safe integer, in zigzag form (Kafka's varlong). Returns the position after it. The caller has made room.
 */
export function writeVarlong(bytes: Uint8Array, at: number, value: number): number {
  if (value >= INT32_MIN && value <= INT32_MAX) return writeVarint(bytes, at, value);
  if (!Number.isSafeInteger(value)) throw new BugError(`Cannot write a number beyond 2^53 as a varlong: ${value}`);
  const magnitude = value < 0 ? -value - 1 : value;
  // The zigzag form is twice the magnitude plus a sign bit: the first group takes six bits of magnitude, the others seven.
  let position = at;
  bytes[position++] = ((magnitude & 0x3f) << 1) | (value < 0 ? 1 : 0) | 0x80;
  return writeUvarint(bytes, position, Math.floor(magnitude / 0x40));
}

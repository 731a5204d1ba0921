import { createRequire } from 'node:module';
import { readU32, writeU32 } from '../../base/integers.js';
import type { ByteCodec } from './byte-codec.js';
import { corrupt, tooLarge } from './errors.js';

type SnappyPackage = Pick<typeof import('snappy'), 'compressSync' | 'uncompressSync'>;

/**
 * The framing of xerial's snappy-java, which Kafka's Java client writes and expects: eight bytes of magic (0x82 "SNAPPY" 0), a version
 * and the oldest compatible version as 32-bit big-endian integers, then blocks, each a 32-bit big-endian length and bare Snappy.
 */
const XERIAL_MAGIC = Uint8Array.of(0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0x00);
const XERIAL_VERSION = 1;
const XERIAL_HEADER_BYTES = XERIAL_MAGIC.length + 8;
/** What goes into one block before compression; snappy-java's default. */
const XERIAL_BLOCK_BYTES = 32 * 1024;
/** A match of 64 bytes takes three bytes, so Snappy cannot expand further than this. */
const MAX_EXPANSION = 22;

/** Snappy: written in xerial's framing, read in it or bare. */
export function createSnappyCodec(): ByteCodec {
  // Loaded when the codec is made, so that importing this file needs no binary. The package declares these functions.
  const snappy = createRequire(import.meta.url)('snappy') as SnappyPackage;
  return {
    compress: (bytes) => compressXerial(snappy, bytes),
    decompress: (bytes, maxBytes) =>
      isXerial(bytes) ? decompressXerial(snappy, bytes, maxBytes) : decompressBlock(snappy, bytes, maxBytes),
  };
}

function isXerial(bytes: Uint8Array): boolean {
  return bytes.length >= XERIAL_HEADER_BYTES && XERIAL_MAGIC.every((byte, index) => bytes[index] === byte);
}

function compressXerial(snappy: SnappyPackage, bytes: Uint8Array): Uint8Array {
  const header = new Uint8Array(XERIAL_HEADER_BYTES);
  header.set(XERIAL_MAGIC);
  writeU32(header, XERIAL_MAGIC.length, XERIAL_VERSION);
  writeU32(header, XERIAL_MAGIC.length + 4, XERIAL_VERSION);
  const parts: Uint8Array[] = [header];
  for (let at = 0; at < bytes.length; at += XERIAL_BLOCK_BYTES) {
    const block = snappy.compressSync(bytes.subarray(at, at + XERIAL_BLOCK_BYTES));
    const length = new Uint8Array(4);
    writeU32(length, 0, block.length);
    parts.push(length, block);
  }
  return concatenate(parts);
}

function decompressXerial(snappy: SnappyPackage, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const parts: Uint8Array[] = [];
  let room = maxBytes;
  let at = XERIAL_HEADER_BYTES;
  while (at < bytes.length) {
    if (at + 4 > bytes.length) throw corrupt('snappy', 'a block length is cut off');
    const start = at + 4;
    const length = readU32(bytes, at);
    if (length > bytes.length - start) throw corrupt('snappy', `a block of ${length} bytes is cut off`);
    const part = decompressBlock(snappy, bytes.subarray(start, start + length), room);
    room -= part.length;
    parts.push(part);
    at = start + length;
  }
  return parts.length === 1 ? parts[0]! : concatenate(parts);
}

/** Bare Snappy begins with its decompressed length, which is checked before the library reserves it. */
function decompressBlock(snappy: SnappyPackage, bytes: Uint8Array, maxBytes: number): Uint8Array {
  const length = announcedLength(bytes);
  if (length > maxBytes) throw tooLarge('snappy', maxBytes);
  if (length > bytes.length * MAX_EXPANSION) throw corrupt('snappy', `${bytes.length} bytes cannot hold ${length}`);
  try {
    const result = snappy.uncompressSync(bytes);
    if (typeof result === 'string') throw corrupt('snappy', 'the library returned text');
    return result;
  } catch (cause) {
    throw corrupt('snappy', 'the library refuses the bytes', cause);
  }
}

function announcedLength(bytes: Uint8Array): number {
  let length = 0;
  for (let index = 0; index < 5; index++) {
    const byte = bytes[index];
    if (byte === undefined) break;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return length;
  }
  throw corrupt('snappy', 'the length before the block is cut off or too long');
}

function concatenate(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

import { ByteReader } from '../../base/byte-reader.js';
import { corrupt } from './errors.js';

const FRAME_MAGIC = 0x184d2204;
const VERSION_MASK = 0xc0;
const VERSION_1 = 0x40;
const BLOCK_CHECKSUM_FLAG = 0x10;
const CONTENT_SIZE_FLAG = 0x08;
const DICTIONARY_FLAG = 0x01;
const STORED_BLOCK_FLAG = 0x8000_0000;
const MIN_MATCH = 4;
const LONG_LENGTH = 15;

/**
 * Computes what an LZ4 frame holds once decompressed, in bytes, by walking its sequences without executing them: the library has no
 * limit of its own and would let a few bytes fill the memory. Stops early once the result exceeds `limit`.
 * Format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md.
 * @throws CompressionError `corrupt`; DecodeError `truncated`.
 */
export function lz4DecompressedSize(bytes: Uint8Array, limit: number): number {
  const reader = new ByteReader(bytes);
  const flags = readFrameHeader(reader);
  let size = 0;
  while (size <= limit) {
    const word = readU32LittleEndian(reader);
    if (word === 0) return size;
    const length = word % STORED_BLOCK_FLAG;
    const start = reader.skip(length);
    size += word >= STORED_BLOCK_FLAG ? length : blockSize(bytes, start, start + length, limit);
    if ((flags & BLOCK_CHECKSUM_FLAG) !== 0) reader.skip(4);
  }
  return size;
}

function readFrameHeader(reader: ByteReader): number {
  if (readU32LittleEndian(reader) !== FRAME_MAGIC) throw corrupt('lz4', 'the bytes do not begin with a frame');
  const flags = reader.u8();
  if ((flags & VERSION_MASK) !== VERSION_1) throw corrupt('lz4', `the frame has the flags ${flags}`);
  if ((flags & DICTIONARY_FLAG) !== 0) throw corrupt('lz4', 'the frame wants a dictionary');
  // The block's maximum size and a one-byte checksum of the header; the announced content size is no proof and is skipped.
  reader.skip(1 + ((flags & CONTENT_SIZE_FLAG) !== 0 ? 8 : 0) + 1);
  return flags;
}

/** Adds up the literals and matches of one block. */
function blockSize(bytes: Uint8Array, start: number, end: number, limit: number): number {
  let size = 0;
  let at = start;
  while (at < end && size <= limit) {
    const token = bytes[at++]!;
    let literals = token >>> 4;
    if (literals === LONG_LENGTH) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = bytes[at++]!;
        literals += byte;
      }
    }
    size += literals;
    at += literals;
    // The last sequence of a block has no match.
    if (at >= end) break;
    at += 2;
    let match = (token & 0x0f) + MIN_MATCH;
    if (match === LONG_LENGTH + MIN_MATCH) {
      let byte = 255;
      while (byte === 255 && at < end) {
        byte = bytes[at++]!;
        match += byte;
      }
    }
    size += match;
  }
  return size;
}

function readU32LittleEndian(reader: ByteReader): number {
  const { bytes } = reader;
  const at = reader.skip(4);
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

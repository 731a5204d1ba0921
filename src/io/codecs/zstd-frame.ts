import { ByteReader } from '../../base/byte-reader.js';
import { corrupt } from './errors.js';

const FRAME_MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const SKIPPABLE_MASK = 0xffff_fff0;
const SINGLE_SEGMENT_FLAG = 0x20;
const CHECKSUM_FLAG = 0x04;
const DICTIONARY_ID_BYTES = [0, 1, 2, 4];
const CONTENT_SIZE_BYTES = [0, 2, 4, 8];
/** No block holds more once decompressed (RFC 8878, section 3.1.1.2.3). */
const MAX_BLOCK_BYTES = 128 * 1024;
const RAW_BLOCK = 0;
const RUN_BLOCK = 1;
const COMPRESSED_BLOCK = 2;

/** One Zstandard frame in a buffer. */
export interface ZstdFrame {
  /** Position after the frame. */
  readonly end: number;
  /** The announced size of the content in bytes, or -1 where the frame does not say. */
  readonly contentSize: number;
  /** More than this cannot come out of the frame's blocks, in bytes. */
  readonly sizeBound: number;
}

/**
 * Finds the end of the frame at `at` and what it may hold, so that no more is reserved than a frame can fill: announced sizes come from
 * outside. A skippable frame has no content. Format: RFC 8878, section 3.1.
 * @throws CompressionError `corrupt`; DecodeError `truncated` or `overflow`.
 */
export function readZstdFrame(bytes: Uint8Array, at: number): ZstdFrame {
  const reader = new ByteReader(bytes, at);
  const magic = littleEndian(reader, 4);
  if ((magic & SKIPPABLE_MASK) >>> 0 === SKIPPABLE_MAGIC) {
    reader.skip(littleEndian(reader, 4));
    return { end: reader.at, contentSize: 0, sizeBound: 0 };
  }
  if (magic !== FRAME_MAGIC) throw corrupt('zstd', 'the bytes do not begin with a frame');
  const descriptor = reader.u8();
  const contentSize = readContentSize(reader, descriptor);
  const sizeBound = skipBlocks(reader);
  if ((descriptor & CHECKSUM_FLAG) !== 0) reader.skip(4);
  if (contentSize > sizeBound) throw corrupt('zstd', `blocks for ${sizeBound} bytes cannot hold ${contentSize}`);
  return { end: reader.at, contentSize, sizeBound };
}

function readContentSize(reader: ByteReader, descriptor: number): number {
  const singleSegment = (descriptor & SINGLE_SEGMENT_FLAG) !== 0;
  if (!singleSegment) reader.skip(1);
  reader.skip(DICTIONARY_ID_BYTES[descriptor & 0x03]!);
  const sizeFlag = descriptor >>> 6;
  if (sizeFlag === 0) return singleSegment ? reader.u8() : -1;
  // The two-byte form starts counting at 256.
  return littleEndian(reader, CONTENT_SIZE_BYTES[sizeFlag]!) + (sizeFlag === 1 ? 256 : 0);
}

/** Walks the blocks to the last and returns what they may hold. */
function skipBlocks(reader: ByteReader): number {
  let bound = 0;
  let isLast = false;
  while (!isLast) {
    const header = littleEndian(reader, 3);
    isLast = (header & 1) !== 0;
    const type = (header >>> 1) & 0x03;
    const size = header >>> 3;
    if (type > COMPRESSED_BLOCK || size > MAX_BLOCK_BYTES) throw corrupt('zstd', `a block has the header ${header}`);
    reader.skip(type === RUN_BLOCK ? 1 : size);
    bound += type === RAW_BLOCK || type === RUN_BLOCK ? size : MAX_BLOCK_BYTES;
  }
  return bound;
}

/** Reads an unsigned little-endian integer; beyond 2^53 it loses precision, which no limit lets pass anyway. */
function littleEndian(reader: ByteReader, size: number): number {
  const start = reader.skip(size);
  let value = 0;
  for (let index = size - 1; index >= 0; index--) value = value * 256 + reader.bytes[start + index]!;
  return value;
}

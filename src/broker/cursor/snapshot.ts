/** The bytes of a cursor's snapshot; drawn in docs/formats/companion.md. */
import { ByteReader, ByteWriter } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import type { DeliveryCounts } from './delivery-counts.js';
import {
  BITMAP_SPAN_CHUNKS_MAX,
  CHUNK_OFFSETS,
  CHUNK_WORDS,
  DELIVERY_COUNT_MAX,
  DELIVERY_COUNTS_MAX,
  SNAPSHOT_RANGES_MAX,
} from './limits.js';
import type { OffsetBitmap } from './offset-bitmap.js';

const VERSION = 1;

/** The numbers of a snapshot; its sets are read into the bitmaps given. */
export interface SnapshotNumbers {
  readonly nextSequence: number;
  readonly started: boolean;
  readonly floor: number;
  readonly end: number;
  readonly messages: number;
  readonly lease: number;
}

/** Writes a cursor's state. */
export function writeSnapshot(
  numbers: SnapshotNumbers,
  acknowledged: OffsetBitmap,
  counts: DeliveryCounts,
): Uint8Array {
  const writer = new ByteWriter();
  writer.u8(VERSION);
  writer.uvarint(numbers.nextSequence);
  writer.u8(numbers.started ? 1 : 0);
  writer.uvarint(numbers.floor);
  writer.uvarint(numbers.end);
  writer.uvarint(numbers.messages);
  writer.uvarint(numbers.lease);
  writeBitmap(writer, acknowledged);
  writeBitmap(writer, counts.cameBack);
  writer.uvarint(counts.higher.size);
  for (const [offset, count] of counts.higher) {
    writer.uvarint(offset);
    writer.uvarint(count);
  }
  return writer.copy();
}

/**
 * Reads a cursor's state; both sets are empty before.
 * @throws DecodeError when the bytes are no snapshot of a known version.
 */
export function readSnapshot(bytes: Uint8Array, acknowledged: OffsetBitmap, counts: DeliveryCounts): SnapshotNumbers {
  const reader = new ByteReader(bytes);
  const version = reader.u8();
  if (version !== VERSION) {
    throw new DecodeError(
      'invalid',
      `Cannot read a cursor snapshot of version ${version}: version ${VERSION} is known`,
    );
  }
  const numbers: SnapshotNumbers = {
    nextSequence: reader.uvarlong(),
    started: reader.u8() === 1,
    floor: reader.uvarlong(),
    end: reader.uvarlong(),
    messages: reader.uvarlong(),
    lease: reader.uvarlong(),
  };
  readBitmap(reader, acknowledged);
  readBitmap(reader, counts.cameBack);
  const higher = bounded(reader.uvarint(), DELIVERY_COUNTS_MAX, 'delivery counts');
  for (let index = 0; index < higher; index++) {
    const offset = reader.uvarlong();
    counts.set(offset, bounded(reader.uvarint(), DELIVERY_COUNT_MAX, 'deliveries of a message'));
  }
  if (reader.remaining > 0)
    throw new DecodeError('invalid', `A cursor snapshot has ${reader.remaining} bytes too many`);
  return numbers;
}

function bounded(count: number, most: number, what: string): number {
  if (count > most)
    throw new DecodeError('invalid', `A cursor snapshot has ${count} ${what}: at most ${most} are known`);
  return count;
}

function writeBitmap(writer: ByteWriter, bitmap: OffsetBitmap): void {
  const indexes = bitmap.chunkIndexes();
  writer.uvarint(indexes.length);
  let previous = 0;
  for (const index of indexes) {
    writer.uvarint(index - previous);
    writeChunk(writer, bitmap, index);
    previous = index;
  }
}

/** Ranges when they are few, else the words; a range count of 0 tells the latter. */
function writeChunk(writer: ByteWriter, bitmap: OffsetBitmap, index: number): void {
  const base = index * CHUNK_OFFSETS;
  const words = bitmap.chunkWords(index);
  const count = bitmap.runsInChunk(index);
  if (words !== undefined && count > SNAPSHOT_RANGES_MAX) {
    writer.uvarint(0);
    for (let word = 0; word < CHUNK_WORDS; word++) writer.u32(words[word]!);
    return;
  }
  writer.uvarint(count);
  let previous = base;
  bitmap.forEachRange(base, base + CHUNK_OFFSETS, (start, end) => {
    writer.uvarint(start - previous);
    writer.uvarint(end - start);
    previous = end;
  });
}

function readBitmap(reader: ByteReader, bitmap: OffsetBitmap): void {
  const count = bounded(reader.uvarint(), BITMAP_SPAN_CHUNKS_MAX, 'chunks');
  let index = 0;
  for (let read = 0; read < count; read++) {
    index += reader.uvarlong();
    if (index > Number.MAX_SAFE_INTEGER / CHUNK_OFFSETS - 1) {
      throw new DecodeError('overflow', `A cursor snapshot has a chunk beyond 2^53: number ${index}`);
    }
    readChunk(reader, bitmap, index * CHUNK_OFFSETS);
  }
}

function readChunk(reader: ByteReader, bitmap: OffsetBitmap, base: number): void {
  const ranges = bounded(reader.uvarint(), CHUNK_OFFSETS, 'ranges in a chunk');
  if (ranges === 0) {
    readWords(reader, bitmap, base);
    return;
  }
  let at = 0;
  for (let range = 0; range < ranges; range++) {
    const start = at + reader.uvarint();
    at = bounded(start + reader.uvarint(), CHUNK_OFFSETS, 'offsets in a chunk');
    bitmap.addRange(base + start, base + at);
  }
}

function readWords(reader: ByteReader, bitmap: OffsetBitmap, base: number): void {
  for (let word = 0; word < CHUNK_WORDS; word++) bitmap.addWord(base + word * 32, reader.u32() | 0);
}

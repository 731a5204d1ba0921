import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { crc32c } from '../base/crc32c.js';
import { DecodeError } from '../base/errors.js';
import { readU32 } from '../base/integers.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk } from '../io/ports.js';
import { StorageError } from './errors.js';
import { LIST_MAX_ENTRIES, PRODUCER_BATCHES, SNAPSHOT_MAX_BYTES } from './limits.js';
import { checkpointPath } from './paths.js';
import type { ProducerBatch, ProducerEntry } from './producer-state.js';
import type { SegmentSums } from './segment.js';
import type { AbortedRange, OpenTransaction, TransactionExtent, TransactionState } from './transaction-table.js';

/** Layout of `checkpoint`; drawn in docs/formats/checkpoint.md. */
const MAGIC = 0x444c434b;
const VERSION = 1;
const CLEAN_FLAG = 1;
const TRANSACTIONS_FLAG = 2;
const OPEN_TRANSACTION_MIN_BYTES = 31;
const EXTENT_BYTES = 20;
const ABORTED_RANGE_BYTES = 26;
const CRC_BYTES = 4;
const EPOCH_BYTES = 12;
const SEGMENT_BYTES = 40;
const PRODUCER_MIN_BYTES = 19;
const CHECKPOINT_MAX_BYTES = 256 * 1024 * 1024;

/** When a leader epoch began. */
export interface EpochStart {
  readonly epoch: number;
  readonly startOffset: number;
}

/** What a checkpoint says of a segment. */
export interface SegmentImage extends SegmentSums {
  readonly baseOffset: number;
}

/** A log at one moment. */
export interface CheckpointImage {
  readonly logId: number;
  readonly isClean: boolean;
  readonly leaderEpoch: number;
  readonly journalId: number;
  readonly journalSequence: number;
  readonly logStart: number;
  readonly logEnd: number;
  readonly leaseEnd: number;
  readonly companionOffset: number;
  readonly epochs: readonly EpochStart[];
  readonly segments: readonly SegmentImage[];
  readonly producers: Iterable<ProducerEntry>;
  readonly producerCount: number;
  readonly snapshot: Uint8Array | undefined;
  /** Absent for a log that never had one. */
  readonly transactions?: TransactionsImage | undefined;
}

/** The transactions of a log at one moment. */
export interface TransactionsImage {
  readonly open: readonly OpenTransaction[];
  readonly aborted: readonly AbortedRange[];
}

/** The bytes of a checkpoint. @throws EncodeError when it is too large */
export function encodeCheckpoint(image: CheckpointImage): Uint8Array {
  const writer = new ByteWriter(1024, CHECKPOINT_MAX_BYTES);
  writer.u32(MAGIC);
  writer.u16(VERSION);
  writer.u16((image.isClean ? CLEAN_FLAG : 0) | (image.transactions === undefined ? 0 : TRANSACTIONS_FLAG));
  writer.u32(image.logId);
  writer.i32(image.leaderEpoch);
  writer.i64(image.journalId);
  writer.i64(image.journalSequence);
  writer.i64(image.logStart);
  writer.i64(image.logEnd);
  writer.i64(image.leaseEnd);
  writer.i64(image.companionOffset);
  writeEpochs(writer, image.epochs);
  writeSegments(writer, image.segments);
  writeProducers(writer, image);
  writer.u8(image.snapshot === undefined ? 0 : 1);
  if (image.snapshot !== undefined) {
    writer.u32(image.snapshot.length);
    writer.raw(image.snapshot);
  }
  if (image.transactions !== undefined) writeTransactions(writer, image.transactions);
  writer.u32(crc32c(writer.bytes, 0, writer.at));
  return writer.view();
}

function writeTransactions(writer: ByteWriter, { open, aborted }: TransactionsImage): void {
  writer.u32(open.length);
  for (const entry of open) {
    writer.i64(entry.producerId);
    writer.i16(entry.epoch);
    writer.u8(entry.state);
    writer.i64(entry.firstOffset);
    writer.i64(entry.lastOffset);
    writer.u32(entry.extents.length);
    for (const { from, to, records } of entry.extents) {
      writer.i64(from);
      writer.i64(to);
      writer.u32(records);
    }
  }
  writer.u32(aborted.length);
  for (const range of aborted) {
    writer.i64(range.producerId);
    writer.i16(range.epoch);
    writer.i64(range.firstOffset);
    writer.i64(range.lastOffset);
  }
}

function writeEpochs(writer: ByteWriter, epochs: readonly EpochStart[]): void {
  writer.u32(epochs.length);
  for (const { epoch, startOffset } of epochs) {
    writer.i32(epoch);
    writer.i64(startOffset);
  }
}

function writeSegments(writer: ByteWriter, segments: readonly SegmentImage[]): void {
  writer.u32(segments.length);
  for (const segment of segments) {
    writer.i64(segment.baseOffset);
    writer.i64(segment.endOffset);
    writer.u32(segment.sizeBytes);
    writer.u32(segment.records);
    writer.i64(segment.maxTimestampMs);
    writer.i64(segment.lastArrivalMs);
  }
}

function writeProducers(writer: ByteWriter, image: CheckpointImage): void {
  writer.u32(image.producerCount);
  for (const producer of image.producers) {
    writer.i64(producer.producerId);
    writer.i16(producer.epoch);
    writer.i64(producer.lastArrivalMs);
    writer.u8(producer.batches.length);
    for (const batch of producer.batches) {
      writer.i32(batch.firstSequence);
      writer.i32(batch.lastSequence);
      writer.i64(batch.baseOffset);
    }
  }
}

/**
 * Reads a checkpoint's bytes.
 * @throws StorageError `bad-format` when they are damaged or of another version
 */
export function decodeCheckpoint(bytes: Uint8Array, path: string): CheckpointImage {
  const crcAt = bytes.length - CRC_BYTES;
  if (crcAt < 0 || readU32(bytes, crcAt) !== crc32c(bytes, 0, crcAt)) {
    throw new StorageError('bad-format', `Cannot read checkpoint "${path}": its crc does not match`);
  }
  try {
    return decodeBody(new ByteReader(bytes, 0, crcAt), path);
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw new StorageError('bad-format', `Cannot read checkpoint "${path}": ${cause.message}`, cause);
  }
}

function decodeBody(reader: ByteReader, path: string): CheckpointImage {
  const magic = reader.u32();
  const version = reader.u16();
  if (magic !== MAGIC || version !== VERSION) {
    throw new StorageError('bad-format', `Cannot read checkpoint "${path}": its version is ${version}, not ${VERSION}`);
  }
  const flags = reader.u16();
  const isClean = (flags & CLEAN_FLAG) !== 0;
  const logId = reader.u32();
  const leaderEpoch = reader.i32();
  const journalId = reader.u64();
  const journalSequence = reader.u64();
  const logStart = reader.u64();
  const logEnd = reader.u64();
  const leaseEnd = reader.u64();
  const companionOffset = reader.u64();
  const epochs = readList(reader, EPOCH_BYTES, readEpoch);
  const segments = readList(reader, SEGMENT_BYTES, readSegment);
  const producers = readList(reader, PRODUCER_MIN_BYTES, readProducer);
  const snapshot = reader.u8() === 0 ? undefined : reader.copy(bounded(reader.u32(), SNAPSHOT_MAX_BYTES));
  const transactions = (flags & TRANSACTIONS_FLAG) === 0 ? undefined : readTransactions(reader);
  return {
    logId,
    isClean,
    leaderEpoch,
    journalId,
    journalSequence,
    logStart,
    logEnd,
    leaseEnd,
    companionOffset,
    epochs,
    segments,
    producers,
    producerCount: producers.length,
    snapshot,
    transactions,
  };
}

function readList<T>(reader: ByteReader, itemBytes: number, read: (reader: ByteReader) => T): T[] {
  const count = bounded(reader.u32(), Math.min(LIST_MAX_ENTRIES, Math.floor(reader.remaining / itemBytes)));
  const items: T[] = [];
  for (let index = 0; index < count; index++) items.push(read(reader));
  return items;
}

function bounded(count: number, max: number): number {
  if (count > max) throw new DecodeError('invalid', `a count of ${count} exceeds ${max}`);
  return count;
}

function readEpoch(reader: ByteReader): EpochStart {
  return { epoch: reader.i32(), startOffset: reader.u64() };
}

function readTransactions(reader: ByteReader): TransactionsImage {
  return {
    open: readList(reader, OPEN_TRANSACTION_MIN_BYTES, readOpenTransaction),
    aborted: readList(reader, ABORTED_RANGE_BYTES, readAbortedRange),
  };
}

function readOpenTransaction(reader: ByteReader): OpenTransaction {
  const producerId = reader.i64();
  const epoch = reader.i16();
  const state = bounded(reader.u8(), 2) as TransactionState;
  const firstOffset = reader.u64();
  const lastOffset = reader.u64();
  return { producerId, epoch, state, firstOffset, lastOffset, extents: readList(reader, EXTENT_BYTES, readExtent) };
}

function readExtent(reader: ByteReader): TransactionExtent {
  return { from: reader.u64(), to: reader.u64(), records: reader.u32() };
}

function readAbortedRange(reader: ByteReader): AbortedRange {
  return { producerId: reader.i64(), epoch: reader.i16(), firstOffset: reader.u64(), lastOffset: reader.u64() };
}

function readSegment(reader: ByteReader): SegmentImage {
  return {
    baseOffset: reader.u64(),
    endOffset: reader.u64(),
    sizeBytes: reader.u32(),
    records: reader.u32(),
    maxTimestampMs: reader.i64(),
    lastArrivalMs: reader.i64(),
  };
}

function readProducer(reader: ByteReader): ProducerEntry {
  const producerId = reader.i64();
  const epoch = reader.i16();
  const lastArrivalMs = reader.i64();
  const count = bounded(reader.u8(), PRODUCER_BATCHES);
  const batches: ProducerBatch[] = [];
  for (let index = 0; index < count; index++) {
    batches.push({ firstSequence: reader.i32(), lastSequence: reader.i32(), baseOffset: reader.u64() });
  }
  return { producerId, epoch, lastArrivalMs, batches };
}

/**
 * Reads a log's checkpoint; undefined when it has none.
 * @throws StorageError `bad-format`; DiskError
 */
export function readCheckpoint(disk: Disk, directory: string): CheckpointImage | undefined {
  const path = checkpointPath(directory);
  let bytes: Uint8Array;
  try {
    bytes = disk.readFile(path);
  } catch (cause) {
    if (cause instanceof DiskError && cause.code === 'not-found') return undefined;
    throw cause;
  }
  return decodeCheckpoint(bytes, path);
}

/** Replaces a log's checkpoint without holding up the thread; durable when the promise resolves. Rejects with DiskError. */
export function writeCheckpoint(disk: Disk, directory: string, bytes: Uint8Array): Promise<void> {
  return replaceFile(disk, directory, checkpointPath(directory), bytes);
}

/** Replaces `path`, which is in `directory`, without holding up the thread; durable when the promise resolves. Rejects with DiskError. */
export async function replaceFile(disk: Disk, directory: string, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = disk.open(temporary, 'write');
  try {
    file.truncate(0);
    file.write(bytes, 0);
    await file.sync();
  } finally {
    file.close();
  }
  disk.rename(temporary, path);
  await disk.syncDirectoryAsync(directory);
}

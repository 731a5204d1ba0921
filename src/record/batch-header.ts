import { crc32c } from '../base/crc32c.js';
import type { LeaderEpoch, Offset, ProducerEpoch, ProducerId } from '../base/ids.js';
import { readI16, readI32, readI64, readU16, readU32, writeI64, writeU32 } from '../base/integers.js';
import * as layout from './layout.js';

// Accessors take the batch's position in a larger buffer, so that nothing is allocated to look at a batch. They trust that the header is
// within the buffer. Those of 64 bits throw DecodeError `overflow` beyond 2^53, which a verified batch never holds. The casts to branded
// types are sound for verified batches; verifyBatch has checked the ranges.

/** Offset of the first record. */
export function batchBaseOffset(bytes: Uint8Array, at: number): Offset {
  return readI64(bytes, at + layout.BASE_OFFSET_AT) as Offset;
}

/** Size of the whole batch in bytes, its first twelve included. Negative or small on a bad header. */
export function batchLength(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + layout.BATCH_LENGTH_AT) + layout.LENGTH_OVERHEAD_BYTES;
}

/** Leader epoch at which the batch was appended. */
export function batchLeaderEpoch(bytes: Uint8Array, at: number): LeaderEpoch {
  return readI32(bytes, at + layout.LEADER_EPOCH_AT) as LeaderEpoch;
}

/** Format version; 2 on a good batch. */
export function batchMagic(bytes: Uint8Array, at: number): number {
  return bytes[at + layout.MAGIC_AT]!;
}

/** The stored CRC32C. */
export function batchCrc(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + layout.CRC_AT);
}

/** All attribute bits. */
export function batchAttributes(bytes: Uint8Array, at: number): number {
  return readU16(bytes, at + layout.ATTRIBUTES_AT);
}

/** Number of the codec that the records are compressed with; see codec.ts. */
export function batchCodec(bytes: Uint8Array, at: number): number {
  return batchAttributes(bytes, at) & layout.CODEC_MASK;
}

/** Whether the batch belongs to a transaction. */
export function batchIsTransactional(bytes: Uint8Array, at: number): boolean {
  return (batchAttributes(bytes, at) & layout.TRANSACTIONAL_FLAG) !== 0;
}

/** Whether the batch is a transaction marker rather than messages. */
export function batchIsControl(bytes: Uint8Array, at: number): boolean {
  return (batchAttributes(bytes, at) & layout.CONTROL_FLAG) !== 0;
}

/** Whether the records' timestamps are the time of append. */
export function batchHasAppendTime(bytes: Uint8Array, at: number): boolean {
  return (batchAttributes(bytes, at) & layout.LOG_APPEND_TIME_FLAG) !== 0;
}

/** The time in ms from which tombstones and markers of this batch may be removed, or -1 where the cleaner has set none. */
export function batchDeleteHorizonMs(bytes: Uint8Array, at: number): number {
  return (batchAttributes(bytes, at) & layout.DELETE_HORIZON_FLAG) !== 0 ? batchBaseTimestamp(bytes, at) : -1;
}

/** Last offset less base offset, as first produced. */
export function batchLastOffsetDelta(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + layout.LAST_OFFSET_DELTA_AT);
}

/** Offset of the last record as first produced: the next batch starts above it, even if the record itself was compacted away. */
export function batchLastOffset(bytes: Uint8Array, at: number): Offset {
  return (batchBaseOffset(bytes, at) + batchLastOffsetDelta(bytes, at)) as Offset;
}

/** What the records' timestamp deltas count from, in ms. */
export function batchBaseTimestamp(bytes: Uint8Array, at: number): number {
  return readI64(bytes, at + layout.BASE_TIMESTAMP_AT);
}

/** Largest timestamp of the records, in ms; -1 where the producer set none. */
export function batchMaxTimestamp(bytes: Uint8Array, at: number): number {
  return readI64(bytes, at + layout.MAX_TIMESTAMP_AT);
}

/** Producer id or -1. */
export function batchProducerId(bytes: Uint8Array, at: number): ProducerId {
  return readI64(bytes, at + layout.PRODUCER_ID_AT) as ProducerId;
}

/** Producer epoch or -1. */
export function batchProducerEpoch(bytes: Uint8Array, at: number): ProducerEpoch {
  return readI16(bytes, at + layout.PRODUCER_EPOCH_AT) as ProducerEpoch;
}

/** Sequence number of the first record or -1. */
export function batchBaseSequence(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + layout.BASE_SEQUENCE_AT);
}

/** Sequence number of the last record or -1; sequences wrap from 2^31-1 to 0. */
export function batchLastSequence(bytes: Uint8Array, at: number): number {
  const base = batchBaseSequence(bytes, at);
  return base < 0 ? -1 : (base + batchLastOffsetDelta(bytes, at)) & 0x7fff_ffff;
}

/** Number of records that are in the batch; compaction may leave fewer than offsets, or none. */
export function batchRecordsCount(bytes: Uint8Array, at: number): number {
  return readI32(bytes, at + layout.RECORDS_COUNT_AT);
}

/** Sets what the leader decides: base offset and leader epoch. Neither is under the CRC. */
export function patchBatch(bytes: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  writeI64(bytes, at + layout.BASE_OFFSET_AT, baseOffset);
  writeU32(bytes, at + layout.LEADER_EPOCH_AT, leaderEpoch);
}

/**
 * Replaces the timestamps of every record by the time of append, for topics that are configured so. Computes the CRC anew, which costs
 * a pass over the batch.
 */
export function patchAppendTime(bytes: Uint8Array, at: number, appendTimeMs: number): void {
  bytes[at + layout.ATTRIBUTES_AT + 1] = bytes[at + layout.ATTRIBUTES_AT + 1]! | layout.LOG_APPEND_TIME_FLAG;
  writeI64(bytes, at + layout.MAX_TIMESTAMP_AT, appendTimeMs);
  patchCrc(bytes, at);
}

/** Computes the CRC of a whole batch and stores it in the header. */
export function patchCrc(bytes: Uint8Array, at: number): void {
  const crc = crc32c(bytes, at + layout.ATTRIBUTES_AT, at + batchLength(bytes, at));
  writeU32(bytes, at + layout.CRC_AT, crc);
}

/**
 * Finds the end of the batch at `at` in a chunk that ends at `end`, by its length field alone. Returns the position of the next batch,
 * or -1 if the rest of this one is missing or its length is impossible. So a chunk is walked without allocation:
 *
 *     for (let next = nextBatch(bytes, at, end); next !== -1; at = next, next = nextBatch(bytes, at, end)) { … one batch at `at` … }
 *
 * and afterwards `at` is where the incomplete tail begins, or `end`.
 */
export function nextBatch(bytes: Uint8Array, at: number, end: number): number {
  if (end - at < layout.HEADER_BYTES) return -1;
  const length = batchLength(bytes, at);
  return length >= layout.HEADER_BYTES && length <= end - at ? at + length : -1;
}

import { crc32c } from '../base/crc32c.js';
import { readI32, readI64 } from '../base/integers.js';
import * as header from './batch-header.js';
import { CODEC_NONE, CODEC_ZSTD } from './codec.js';
import * as layout from './layout.js';
import { MAX_BATCH_BYTES, MAX_TIMESTAMP_MS } from './limits.js';

/**
 * - `incomplete`: more bytes are needed (at the end of a log: a torn tail).
 * - `bad-length`: the length field is impossible.
 * - `bad-magic`: another format version.
 * - `bad-crc`: the bytes are not those that were written.
 * - `bad-codec`: a codec number that means nothing.
 * - `bad-count`: records, offsets and size do not agree.
 * - `bad-range`: an offset, timestamp or producer field is out of range (timestamps: 2^51, other 64-bit fields: 2^53).
 */
export type BatchFault =
  | 'incomplete'
  | 'bad-length'
  | 'bad-magic'
  | 'bad-crc'
  | 'bad-codec'
  | 'bad-count'
  | 'bad-range';

/**
 * Checks the batch at `at`, of which `available` bytes are there at most: its bounds, magic, CRC, and that its fields agree. The records
 * themselves are checked as they are read. Allocates nothing.
 */
export function verifyBatch(bytes: Uint8Array, at: number, available: number): 'ok' | BatchFault {
  if (available < layout.HEADER_BYTES) return 'incomplete';
  const length = header.batchLength(bytes, at);
  if (length < layout.HEADER_BYTES || length > MAX_BATCH_BYTES) return 'bad-length';
  if (header.batchMagic(bytes, at) !== layout.MAGIC) return 'bad-magic';
  if (length > available) return 'incomplete';
  const crc = crc32c(bytes, at + layout.ATTRIBUTES_AT, at + length);
  if (crc !== header.batchCrc(bytes, at)) return 'bad-crc';
  return faultInFields(bytes, at, length) ?? 'ok';
}

/** `invalid-records`: the batch is sound, but no producer may send it: a marker, gaps between offsets, or a half-set producer. */
export type ProduceFault = BatchFault | 'invalid-records';

/**
 * Like verifyBatch, for a batch that a client wants appended. As Kafka's broker does, it insists on at least one record, one offset per
 * record, no transaction markers, and a base sequence and epoch with every producer id.
 */
export function verifyProducedBatch(bytes: Uint8Array, at: number, available: number): 'ok' | ProduceFault {
  const fault = verifyBatch(bytes, at, available);
  if (fault !== 'ok') return fault;
  const count = header.batchRecordsCount(bytes, at);
  if (count === 0 || count !== header.batchLastOffsetDelta(bytes, at) + 1) return 'invalid-records';
  const refused = layout.CONTROL_FLAG | layout.DELETE_HORIZON_FLAG;
  if ((header.batchAttributes(bytes, at) & refused) !== 0) return 'invalid-records';
  const hasProducer = header.batchProducerId(bytes, at) >= 0;
  const hasSequence = header.batchBaseSequence(bytes, at) >= 0 && header.batchProducerEpoch(bytes, at) >= 0;
  if (hasProducer && !hasSequence) return 'invalid-records';
  if (!hasProducer && header.batchIsTransactional(bytes, at)) return 'invalid-records';
  return 'ok';
}

function faultInFields(bytes: Uint8Array, at: number, length: number): BatchFault | undefined {
  const codec = header.batchCodec(bytes, at);
  if (codec > CODEC_ZSTD) return 'bad-codec';
  const count = header.batchRecordsCount(bytes, at);
  const lastDelta = header.batchLastOffsetDelta(bytes, at);
  // A delta of 2^31-1 would let the count overflow 31 bits.
  if (lastDelta < 0 || count < 0 || count > lastDelta + 1) return 'bad-count';
  const room = length - layout.HEADER_BYTES;
  if (count === 0 ? room !== 0 : room === 0) return 'bad-count';
  if (codec === CODEC_NONE && count * layout.MIN_RECORD_BYTES > room) return 'bad-count';
  return fieldsAreInRange(bytes, at, lastDelta) ? undefined : 'bad-range';
}

function fieldsAreInRange(bytes: Uint8Array, at: number, lastDelta: number): boolean {
  if (!isSafeI64(bytes, at + layout.BASE_OFFSET_AT) || !isSafeI64(bytes, at + layout.PRODUCER_ID_AT)) return false;
  if (!isTimestamp(bytes, at + layout.BASE_TIMESTAMP_AT) || !isTimestamp(bytes, at + layout.MAX_TIMESTAMP_AT))
    return false;
  const baseOffset = header.batchBaseOffset(bytes, at);
  if (baseOffset < 0 || baseOffset + lastDelta > Number.MAX_SAFE_INTEGER) return false;
  return (
    header.batchProducerId(bytes, at) >= -1 &&
    header.batchProducerEpoch(bytes, at) >= -1 &&
    header.batchBaseSequence(bytes, at) >= -1 &&
    header.batchLeaderEpoch(bytes, at) >= -1
  );
}

function isTimestamp(bytes: Uint8Array, at: number): boolean {
  return isSafeI64(bytes, at) && Math.abs(readI64(bytes, at)) <= MAX_TIMESTAMP_MS;
}

/** Whether the 64-bit integer at `at` is within ±(2^53-1); the one value -2^53+… of the lowest high half is given up for speed. */
function isSafeI64(bytes: Uint8Array, at: number): boolean {
  const high = readI32(bytes, at);
  return high >= -0x1f_ffff && high <= 0x1f_ffff;
}

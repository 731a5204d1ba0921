/**
 * Byte positions of a record batch, magic 2; all integers are big-endian. The full format is drawn in docs/formats/record-batch.md.
 *
 *     0               8       12      16  17      21  23      27              35              43
 *     ┌───────────────┬───────┬───────┬───┬───────┬───┬───────┬───────────────┬───────────────┐
 *     │  base offset  │ length│ epoch │ 2 │  crc  │atr│ last Δ│ base timestamp│ max timestamp │
 *     └───────────────┴───────┴───────┴───┴───────┴───┴───────┴───────────────┴───────────────┘
 *     43              51  53      57      61
 *     ┌───────────────┬───┬───────┬───────┬─────────┐
 *     │  producer id  │epo│ base #│ count │ records…│      atr = attributes, last Δ = last offset delta,
 *     └───────────────┴───┴───────┴───────┴─────────┘      epo = producer epoch, base # = base sequence
 *
 * `length` counts the bytes after itself. `crc` is the CRC32C of everything from the attributes to the end, so that offsets and leader
 * epoch can be patched without touching it.
 */

/** i64: offset of the first record. */
export const BASE_OFFSET_AT = 0;
/** i32: bytes that follow this field. */
export const BATCH_LENGTH_AT = 8;
/** i32: leader epoch at which the batch was appended. */
export const LEADER_EPOCH_AT = 12;
/** i8: format version. */
export const MAGIC_AT = 16;
/** u32: CRC32C from ATTRIBUTES_AT to the end. */
export const CRC_AT = 17;
/** i16: bits, below. */
export const ATTRIBUTES_AT = 21;
/** i32: offset of the last record less the base offset, as first produced: compaction keeps it. */
export const LAST_OFFSET_DELTA_AT = 23;
/** i64: what the records' timestamp deltas count from, in ms; with DELETE_HORIZON_FLAG also the delete horizon. */
export const BASE_TIMESTAMP_AT = 27;
/** i64: largest timestamp of the records, or the append time with LOG_APPEND_TIME_FLAG, in ms. */
export const MAX_TIMESTAMP_AT = 35;
/** i64: producer id or -1. */
export const PRODUCER_ID_AT = 43;
/** i16: producer epoch or -1. */
export const PRODUCER_EPOCH_AT = 51;
/** i32: sequence number of the first record or -1. */
export const BASE_SEQUENCE_AT = 53;
/** i32: number of records that are still there. */
export const RECORDS_COUNT_AT = 57;
/** The first record, or the compressed records. */
export const RECORDS_AT = 61;

/** Bytes of a batch before its records. */
export const HEADER_BYTES = RECORDS_AT;
/** Bytes that the length field does not count: base offset and itself. */
export const LENGTH_OVERHEAD_BYTES = BATCH_LENGTH_AT + 4;
/** The only magic that is written or accepted. */
export const MAGIC = 2;

/** Attribute bits 0-2: the codec's number. */
export const CODEC_MASK = 0x07;
/** Attribute bit 3: timestamps are the time of append, and MAX_TIMESTAMP_AT holds it for every record. */
export const LOG_APPEND_TIME_FLAG = 0x08;
/** Attribute bit 4: part of a transaction. */
export const TRANSACTIONAL_FLAG = 0x10;
/** Attribute bit 5: a transaction marker, not messages. */
export const CONTROL_FLAG = 0x20;
/** Attribute bit 6: the base timestamp is the time from which tombstones and markers of the batch may go. */
export const DELETE_HORIZON_FLAG = 0x40;

/** The smallest record: length, attributes, two deltas, two null lengths, no headers: seven bytes. */
export const MIN_RECORD_BYTES = 7;
/** The smallest record header: an empty name and a null value. */
export const MIN_RECORD_HEADER_BYTES = 2;

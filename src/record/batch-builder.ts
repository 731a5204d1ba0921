import { assert } from '../base/assert.js';
import { NO_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE } from '../base/ids.js';
import { writeI64, writeU16, writeU32 } from '../base/integers.js';
import { utf8Size, writeUtf8 } from '../base/utf8.js';
import {
  VARINT_MAX_BYTES,
  VARLONG_MAX_BYTES,
  varintSize,
  varlongSize,
  writeVarint,
  writeVarlong,
} from '../base/varint.js';
import { patchCrc } from './batch-header.js';
import { CODEC_NONE, type CodecId, compressRecords } from './codec.js';
import { RecordError } from './errors.js';
import * as layout from './layout.js';
import { BUILDER_INITIAL_BYTES, BUILDER_KEEP_BYTES, COPY_LOOP_BYTES, MAX_BATCH_BYTES } from './limits.js';
import { NO_HEADERS, type RecordHeader } from './records.js';

/** What a batch says about itself besides its records; everything has a default. */
export interface BatchOptions {
  /** Offset of the first record; default 0, for the broker to patch. */
  readonly baseOffset?: number;
  /** Default -1. */
  readonly leaderEpoch?: number;
  /** Default none. */
  readonly codec?: CodecId;
  /** Default -1: no producer. */
  readonly producerId?: number;
  readonly producerEpoch?: number;
  /** Sequence number of the first record. */
  readonly baseSequence?: number;
  readonly transactional?: boolean;
  /** A transaction marker. */
  readonly control?: boolean;
  /** Time of append in ms, which then is every record's timestamp. */
  readonly appendTimeMs?: number;
}

const NO_OPTIONS: BatchOptions = {};
/** The fixed parts of a record: length, attributes, both deltas, key and value length, headers count, each at its longest. */
const RECORD_OVERHEAD_BYTES = 1 + VARLONG_MAX_BYTES + 5 * VARINT_MAX_BYTES;

/**
 * Builds record batches one after the other in a buffer that it keeps: `start`, `append` for each record, `finish`. Records get
 * consecutive offsets. The result of `finish` is valid until the next `start`.
 */
export class BatchBuilder {
  /** The buffer: for those who write a value themselves after `reserveRecord`. Replaced when it grows. */
  bytes: Uint8Array<ArrayBuffer>;
  private readonly maxBytes: number;
  private options = NO_OPTIONS;
  private end: number = layout.RECORDS_AT;
  private records = 0;
  private baseTimestamp = -1;
  private maxTimestamp = -1;

  /** `maxBytes` bounds the batch before compression. */
  constructor(maxBytes: number = MAX_BATCH_BYTES, initialBytes: number = BUILDER_INITIAL_BYTES) {
    assert(maxBytes <= MAX_BATCH_BYTES, `A batch may not take ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
    this.bytes = new Uint8Array(Math.max(initialBytes, layout.HEADER_BYTES));
  }

  /** Number of records appended since `start`. */
  get count(): number {
    return this.records;
  }

  /** Size of the batch so far, header included, before compression. */
  get sizeBytes(): number {
    return this.end;
  }

  /** Begins a new batch and forgets what was not finished. */
  start(options: BatchOptions = NO_OPTIONS): this {
    this.options = options;
    this.end = layout.RECORDS_AT;
    this.records = 0;
    this.baseTimestamp = -1;
    this.maxTimestamp = -1;
    if (this.bytes.length > BUILDER_KEEP_BYTES) this.bytes = new Uint8Array(BUILDER_INITIAL_BYTES);
    return this;
  }

  /**
   * Appends a record and returns its offset delta. `timestamp` is in ms, within ±MAX_TIMESTAMP_MS: the caller checks what clients send.
   * @throws RecordError `batch-too-large`, with the batch as it was.
   */
  append(
    key: Uint8Array | null,
    value: Uint8Array | null,
    timestamp: number,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): number {
    const at = this.reserveRecord(key, value === null ? -1 : value.length, timestamp, headers);
    if (value !== null) copyBytes(value, this.bytes, at);
    return this.records - 1;
  }

  /**
   * Appends a record whose headers are given as `encodeHeaders` makes them, count included: for many records that have the same ones.
   * @throws RecordError `batch-too-large`, with the batch as it was.
   */
  appendEncoded(key: Uint8Array | null, value: Uint8Array | null, timestamp: number, headers: Uint8Array): number {
    const at = this.place(key, value === null ? -1 : value.length, timestamp, headers.length);
    if (value !== null) copyBytes(value, this.bytes, at);
    copyBytes(headers, this.bytes, this.end - headers.length);
    return this.records - 1;
  }

  /**
   * Appends a record whose value of `valueLength` bytes (-1 for null) the caller writes into `bytes` at the returned position before the
   * next call: for values that arrive in pieces.
   * @throws RecordError `batch-too-large`, with the batch as it was.
   */
  reserveRecord(
    key: Uint8Array | null,
    valueLength: number,
    timestamp: number,
    headers: readonly RecordHeader[] = NO_HEADERS,
  ): number {
    const headersBytes = headers.length === 0 ? 1 : headersSize(headers);
    const valueAt = this.place(key, valueLength, timestamp, headersBytes);
    if (headersBytes === 1) this.bytes[this.end - 1] = 0;
    else writeHeaders(this.bytes, this.end - headersBytes, headers);
    return valueAt;
  }

  /** Adds a record but for the bytes of its value and of its headers, which are the record's last; returns where the value goes. */
  private place(key: Uint8Array | null, valueLength: number, timestamp: number, headersBytes: number): number {
    const timestampDelta = this.records === 0 ? 0 : timestamp - this.baseTimestamp;
    const keyLength = key === null ? -1 : key.length;
    const bodyBytes =
      1 +
      varlongSize(timestampDelta) +
      varintSize(this.records) +
      fieldSize(keyLength) +
      fieldSize(valueLength) +
      headersBytes;
    this.reserve(bodyBytes + VARINT_MAX_BYTES);
    this.noteTimestamp(timestamp);
    const { bytes } = this;
    let at = writeVarint(bytes, this.end, bodyBytes);
    bytes[at++] = 0;
    at = writeVarlong(bytes, at, timestampDelta);
    at = writeVarint(bytes, at, this.records);
    at = writeVarint(bytes, at, keyLength);
    if (key !== null) at = copyBytes(key, bytes, at);
    at = writeVarint(bytes, at, valueLength);
    this.end = at + Math.max(valueLength, 0) + headersBytes;
    this.records++;
    return at;
  }

  /** Completes the batch and returns it as a view. At least one record must have been appended. */
  finish(): Uint8Array<ArrayBuffer> {
    assert(this.records > 0, 'A batch without records cannot be finished');
    const { codec = CODEC_NONE } = this.options;
    if (codec === CODEC_NONE) return this.complete(this.bytes, this.end);
    const compressed = compressRecords(codec, this.bytes.subarray(layout.RECORDS_AT, this.end));
    const batch = new Uint8Array(layout.HEADER_BYTES + compressed.length);
    batch.set(compressed, layout.RECORDS_AT);
    return this.complete(batch, batch.length);
  }

  private complete(bytes: Uint8Array<ArrayBuffer>, end: number): Uint8Array<ArrayBuffer> {
    const { options } = this;
    writeI64(bytes, layout.BASE_OFFSET_AT, options.baseOffset ?? 0);
    writeU32(bytes, layout.BATCH_LENGTH_AT, end - layout.LENGTH_OVERHEAD_BYTES);
    writeU32(bytes, layout.LEADER_EPOCH_AT, options.leaderEpoch ?? NO_LEADER_EPOCH);
    bytes[layout.MAGIC_AT] = layout.MAGIC;
    writeU16(bytes, layout.ATTRIBUTES_AT, attributesOf(options));
    writeU32(bytes, layout.LAST_OFFSET_DELTA_AT, this.records - 1);
    writeI64(bytes, layout.BASE_TIMESTAMP_AT, this.baseTimestamp);
    writeI64(bytes, layout.MAX_TIMESTAMP_AT, options.appendTimeMs ?? this.maxTimestamp);
    writeI64(bytes, layout.PRODUCER_ID_AT, options.producerId ?? NO_PRODUCER_ID);
    writeU16(bytes, layout.PRODUCER_EPOCH_AT, options.producerEpoch ?? NO_PRODUCER_EPOCH);
    writeU32(bytes, layout.BASE_SEQUENCE_AT, options.baseSequence ?? NO_SEQUENCE);
    writeU32(bytes, layout.RECORDS_COUNT_AT, this.records);
    patchCrc(bytes, 0);
    return bytes.subarray(0, end);
  }

  private noteTimestamp(timestamp: number): void {
    if (this.records === 0) {
      this.baseTimestamp = timestamp;
      this.maxTimestamp = timestamp;
    } else if (timestamp > this.maxTimestamp) {
      this.maxTimestamp = timestamp;
    }
  }

  private reserve(count: number): void {
    const needed = this.end + count;
    if (needed <= this.bytes.length && needed <= this.maxBytes) return;
    if (needed > this.maxBytes) {
      const message = `Cannot append a record of about ${count} bytes: the batch has ${this.end} of ${this.maxBytes} bytes`;
      throw new RecordError('batch-too-large', message);
    }
    const grown = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 2)));
    grown.set(this.bytes.subarray(0, this.end));
    this.bytes = grown;
  }
}

/** An upper bound of what a record adds to a batch, in bytes; lengths of -1 stand for null. */
export function maxRecordSize(
  keyLength: number,
  valueLength: number,
  headers: readonly RecordHeader[] = NO_HEADERS,
): number {
  return maxEncodedRecordSize(keyLength, valueLength, headersSize(headers));
}

/** As maxRecordSize, for headers that are encoded, their count included. */
export function maxEncodedRecordSize(keyLength: number, valueLength: number, headersBytes: number): number {
  return RECORD_OVERHEAD_BYTES + Math.max(keyLength, 0) + Math.max(valueLength, 0) + headersBytes;
}

/** Headers as a record has them, their count before them. */
export function encodeHeaders(headers: readonly RecordHeader[]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(headersSize(headers));
  writeHeaders(bytes, 0, headers);
  return bytes;
}

/** As encodeHeaders, into `target` if it has the very size; the result is `target` then. */
export function encodeHeadersInto(target: Uint8Array, headers: readonly RecordHeader[]): Uint8Array {
  const size = headersSize(headers);
  const bytes = target.length === size ? target : new Uint8Array(size);
  writeHeaders(bytes, 0, headers);
  return bytes;
}

function attributesOf(options: BatchOptions): number {
  let attributes: number = options.codec ?? CODEC_NONE;
  if (options.appendTimeMs !== undefined) attributes |= layout.LOG_APPEND_TIME_FLAG;
  if (options.transactional === true) attributes |= layout.TRANSACTIONAL_FLAG;
  if (options.control === true) attributes |= layout.CONTROL_FLAG;
  return attributes;
}

/** Size of a field with its length before it; -1 stands for null. */
function fieldSize(length: number): number {
  return length === -1 ? 1 : varintSize(length) + length;
}

function headersSize(headers: readonly RecordHeader[]): number {
  let size = varintSize(headers.length);
  for (const [name, value] of headers)
    size += fieldSize(utf8Size(name)) + fieldSize(value === null ? -1 : value.length);
  return size;
}

function writeHeaders(bytes: Uint8Array, start: number, headers: readonly RecordHeader[]): number {
  let at = writeVarint(bytes, start, headers.length);
  for (const [name, value] of headers) {
    at = writeVarint(bytes, at, utf8Size(name));
    at = writeUtf8(bytes, at, name);
    at = writeVarint(bytes, at, value === null ? -1 : value.length);
    if (value !== null) at = copyBytes(value, bytes, at);
  }
  return at;
}

/** Copies all of `source` to `at` and returns the position after it. */
function copyBytes(source: Uint8Array, target: Uint8Array, at: number): number {
  const { length } = source;
  if (length < COPY_LOOP_BYTES) for (let index = 0; index < length; index++) target[at + index] = source[index]!;
  else target.set(source, at);
  return at + length;
}

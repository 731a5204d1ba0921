import { ByteReader } from '../base/byte-reader.js';
import { CodedError } from '../base/errors.js';
import { readUtf8 } from '../base/utf8.js';
import * as header from './batch-header.js';
import { CODEC_NONE, decompressRecords } from './codec.js';
import { RecordError } from './errors.js';
import * as layout from './layout.js';
import { MAX_DECOMPRESSED_BYTES, MAX_TIMESTAMP_MS } from './limits.js';
import { type LogRecord, NO_HEADERS, type RecordHeader } from './records.js';

const EMPTY = new Uint8Array(0);

/**
 * Walks the records of a batch without allocating per record: `open` a verified batch, then read the fields after each `next()` that
 * returns true. Positions are in `bytes`, which is the batch's own buffer, or a new one if the batch is compressed. One cursor is meant
 * to be opened again and again.
 *
 * Every length is checked against the record, and every record against the batch: bytes from a hostile producer end in a RecordError
 * `corrupt-record`, after which the cursor must be opened anew.
 */
export class RecordCursor {
  /** Holds the records; positions count from its start. */
  bytes: Uint8Array = EMPTY;
  /** Number of records that the batch announces. */
  count = 0;
  /** Offset of the current record. */
  offset = -1;
  /** `offset` less the batch's base offset. */
  offsetDelta = -1;
  /** Milliseconds since 1970, or -1. */
  timestamp = -1;
  /** Position of the record's first byte, its length field included. */
  recordStart = 0;
  /** Position after the record. */
  recordEnd = 0;
  /** Position of the offset delta: what follows depends on nothing outside the record. */
  offsetDeltaStart = 0;
  /** Position of the key. */
  keyStart = 0;
  /** Position after the key, or -1 if the key is null. */
  keyEnd = -1;
  /** Position of the value. */
  valueStart = 0;
  /** Position after the value, or -1 if the value is null. */
  valueEnd = -1;
  /** Number of headers. */
  headersCount = 0;
  /** Position of the first header. */
  headersStart = 0;
  /** Position of the name of the header that `nextHeader` moved to; it is never null. */
  headerNameStart = 0;
  /** Position after that name. */
  headerNameEnd = 0;
  /** Position of that header's value. */
  headerValueStart = 0;
  /** Position after that value, or -1 if it is null. */
  headerValueEnd = -1;

  private readonly reader = new ByteReader(EMPTY);
  private readonly headerReader = new ByteReader(EMPTY);
  private baseOffset = 0;
  private baseTimestamp = 0;
  private appendTime = -1;
  private lastOffsetDelta = 0;
  private recordsLeft = 0;
  private headersLeft = 0;

  /**
   * Moves before the first record of the batch at `at`, whose header has been verified; decompresses it if need be.
   * @throws RecordError `unsupported-codec`, `corrupt-compression`, `decompressed-too-large`.
   */
  open(bytes: Uint8Array, at: number, maxDecompressedBytes: number = MAX_DECOMPRESSED_BYTES): this {
    const end = at + header.batchLength(bytes, at);
    if (at + layout.HEADER_BYTES > end || end > bytes.length) {
      throw new RecordError(
        'corrupt-batch',
        `Cannot read a batch of ${end - at} bytes: ${bytes.length - at} are there`,
      );
    }
    this.baseOffset = header.batchBaseOffset(bytes, at);
    this.baseTimestamp = header.batchBaseTimestamp(bytes, at);
    this.appendTime = header.batchHasAppendTime(bytes, at) ? header.batchMaxTimestamp(bytes, at) : -1;
    this.lastOffsetDelta = header.batchLastOffsetDelta(bytes, at);
    this.count = header.batchRecordsCount(bytes, at);
    this.recordsLeft = this.count;
    this.offsetDelta = -1;
    this.openRecords(bytes, at, end, maxDecompressedBytes);
    return this;
  }

  private openRecords(bytes: Uint8Array, at: number, end: number, maxDecompressedBytes: number): void {
    const codec = header.batchCodec(bytes, at);
    // Compaction leaves empty batches, whose codec has nothing to decompress.
    if (codec === CODEC_NONE || this.count === 0) {
      this.bytes = bytes;
      this.reader.reset(bytes, at + layout.RECORDS_AT, end);
    } else {
      this.bytes = decompressRecords(codec, bytes.subarray(at + layout.RECORDS_AT, end), maxDecompressedBytes);
      this.reader.reset(this.bytes);
    }
  }

  /**
   * Moves to the next record and returns true, or returns false after the last.
   * @throws RecordError `corrupt-record`.
   */
  next(): boolean {
    if (this.recordsLeft === 0) {
      if (this.reader.remaining !== 0) throw this.corrupt(`${this.reader.remaining} bytes follow the last record`);
      return false;
    }
    this.recordsLeft--;
    try {
      this.readRecord();
    } catch (cause) {
      // Anything typed here is a truncated or overlong field; a defect passes on as it is.
      throw cause instanceof CodedError && !(cause instanceof RecordError) ? this.corrupt(cause.message, cause) : cause;
    }
    return true;
  }

  private readRecord(): void {
    const { reader } = this;
    const batchEnd = reader.end;
    this.recordStart = reader.at;
    const length = reader.varint();
    const end = reader.at + length;
    if (length < layout.MIN_RECORD_BYTES - 1 || end > batchEnd) throw this.corrupt(`its length is ${length}`);
    reader.end = end;
    // The record's attributes have no bits in use; Kafka ignores them as well.
    reader.at++;
    const timestampDelta = reader.varlong();
    this.offsetDeltaStart = reader.at;
    const offsetDelta = reader.varint();
    if (offsetDelta <= this.offsetDelta || offsetDelta > this.lastOffsetDelta) {
      throw this.corrupt(
        `its offset delta is ${offsetDelta} after ${this.offsetDelta}, the batch's last is ${this.lastOffsetDelta}`,
      );
    }
    this.offsetDelta = offsetDelta;
    this.offset = this.baseOffset + offsetDelta;
    this.timestamp = this.appendTime === -1 ? this.baseTimestamp + timestampDelta : this.appendTime;
    if (Math.abs(this.timestamp) > MAX_TIMESTAMP_MS) throw this.corrupt(`its timestamp is ${this.timestamp}`);
    const keyLength = this.readNullableLength();
    this.keyStart = reader.skip(Math.max(keyLength, 0));
    this.keyEnd = keyLength === -1 ? -1 : reader.at;
    const valueLength = this.readNullableLength();
    this.valueStart = reader.skip(Math.max(valueLength, 0));
    this.valueEnd = valueLength === -1 ? -1 : reader.at;
    this.readHeadersCount(end);
    reader.at = end;
    reader.end = batchEnd;
    this.recordEnd = end;
  }

  private readNullableLength(): number {
    const length = this.reader.varint();
    if (length < -1) throw this.corrupt(`a key or value has the length ${length}`);
    return length;
  }

  private readHeadersCount(end: number): void {
    const { reader } = this;
    const count = reader.varint();
    const room = end - reader.at;
    const fits = count === 0 ? room === 0 : count > 0 && count * layout.MIN_RECORD_HEADER_BYTES <= room;
    if (!fits) throw this.corrupt(`it has ${count} headers in ${room} bytes`);
    this.headersCount = count;
    this.headersStart = reader.at;
    this.headersLeft = count;
    this.headerReader.reset(reader.bytes, reader.at, end);
  }

  /**
   * Moves to the next header of the current record and returns true, or returns false after the last.
   * @throws RecordError `corrupt-record`.
   */
  nextHeader(): boolean {
    const reader = this.headerReader;
    if (this.headersLeft === 0) {
      if (reader.remaining !== 0) throw this.corrupt(`${reader.remaining} bytes follow its last header`);
      return false;
    }
    this.headersLeft--;
    try {
      this.readHeader(reader);
    } catch (cause) {
      throw cause instanceof CodedError && !(cause instanceof RecordError) ? this.corrupt(cause.message, cause) : cause;
    }
    return true;
  }

  private readHeader(reader: ByteReader): void {
    const nameLength = reader.varint();
    if (nameLength < 0) throw this.corrupt(`a header name has the length ${nameLength}`);
    this.headerNameStart = reader.skip(nameLength);
    this.headerNameEnd = reader.at;
    const valueLength = reader.varint();
    if (valueLength < -1) throw this.corrupt(`a header value has the length ${valueLength}`);
    this.headerValueStart = reader.skip(Math.max(valueLength, 0));
    this.headerValueEnd = valueLength === -1 ? -1 : reader.at;
  }

  /** Moves before the first header of the current record again. */
  rewindHeaders(): void {
    this.headersLeft = this.headersCount;
    this.headerReader.at = this.headersStart;
  }

  /**
   * Bytes of the current record's key, its value, and the names and values of its headers: what a message's limit counts. Moves before the first
   * header.
   * @throws RecordError `corrupt-record`.
   */
  contentBytes(): number {
    let bytes = Math.max(0, this.keyEnd - this.keyStart) + Math.max(0, this.valueEnd - this.valueStart);
    this.rewindHeaders();
    while (this.nextHeader()) {
      bytes += this.headerNameEnd - this.headerNameStart + Math.max(0, this.headerValueEnd - this.headerValueStart);
    }
    this.rewindHeaders();
    return bytes;
  }

  /** The current record's key as a view, or null. */
  key(): Uint8Array | null {
    return this.keyEnd === -1 ? null : this.bytes.subarray(this.keyStart, this.keyEnd);
  }

  /** The current record's value as a view, or null. */
  value(): Uint8Array | null {
    return this.valueEnd === -1 ? null : this.bytes.subarray(this.valueStart, this.valueEnd);
  }

  /** The name of the header that `nextHeader` moved to. */
  headerName(): string {
    return readUtf8(this.bytes, this.headerNameStart, this.headerNameEnd);
  }

  /** The value of the header that `nextHeader` moved to, as a view, or null. */
  headerValue(): Uint8Array | null {
    return this.headerValueEnd === -1 ? null : this.bytes.subarray(this.headerValueStart, this.headerValueEnd);
  }

  /** All headers of the current record, values as views. @throws RecordError `corrupt-record`. */
  headers(): readonly RecordHeader[] {
    if (this.headersCount === 0) return NO_HEADERS;
    this.rewindHeaders();
    const headers: RecordHeader[] = [];
    while (this.nextHeader()) headers.push([this.headerName(), this.headerValue()]);
    return headers;
  }

  /** The current record as an object whose byte arrays are views. @throws RecordError `corrupt-record`. */
  toRecord(): LogRecord {
    return {
      offset: this.offset,
      timestamp: this.timestamp,
      key: this.key(),
      value: this.value(),
      headers: this.headers(),
    };
  }

  private corrupt(what: string, cause?: unknown): RecordError {
    const index = this.count - this.recordsLeft - 1;
    return new RecordError(
      'corrupt-record',
      `Cannot read record ${index} of the batch at offset ${this.baseOffset}: ${what}`,
      cause,
    );
  }
}

/** The records of the verified batch at `at` as objects whose byte arrays are views. For tests and tools: it allocates. */
export function readRecords(bytes: Uint8Array, at: number): LogRecord[] {
  const cursor = new RecordCursor().open(bytes, at);
  const records: LogRecord[] = [];
  while (cursor.next()) records.push(cursor.toRecord());
  return records;
}

/**
 * Reads every record and header of a verified batch and keeps nothing, so that a door can refuse what no consumer could read.
 * @throws RecordError as RecordCursor does.
 */
export function verifyRecords(cursor: RecordCursor, bytes: Uint8Array, at: number): void {
  cursor.open(bytes, at);
  while (cursor.next()) while (cursor.nextHeader());
}

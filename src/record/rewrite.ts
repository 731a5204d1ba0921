import { assert } from '../base/assert.js';
import type { ByteWriter } from '../base/byte-writer.js';
import { writeI64, writeU32 } from '../base/integers.js';
import { varintSize, varlongSize } from '../base/varint.js';
import * as header from './batch-header.js';
import { CODEC_NONE, compressRecords } from './codec.js';
import * as layout from './layout.js';
import { RecordCursor } from './record-reader.js';

/** How a batch is rewritten. */
export interface RewriteOptions {
  /**
   * When no record is kept, keep the header alone with a count of 0, so that the producer's last sequence and the last offset outlive
   * the records; default false.
   */
  readonly keepEmpty?: boolean;
  /** Sets the delete horizon, in ms: from then on tombstones and markers of this batch may be removed. Default: as it was. */
  readonly deleteHorizonMs?: number;
}

/** Decides on the record that the cursor is at, which must not be moved. */
export type KeepRecord = (offset: number, cursor: RecordCursor) => boolean;

const NO_OPTIONS: RewriteOptions = {};

/**
 * Rewrites batches for the cleaner; keeps a cursor and scratch space from batch to batch.
 */
export class BatchRewriter {
  private readonly cursor = new RecordCursor();
  private readonly records: ByteWriter;

  /** `scratch` is written over with every batch. */
  constructor(scratch: ByteWriter) {
    this.records = scratch;
  }

  /**
   * Writes to `out` the verified batch at `at` with only those records for which `keep` says so, as Kafka's compaction does: offsets,
   * timestamps, last offset and producer fields stay, and so does the compression. Returns the bytes written; 0 if nothing is kept.
   * @throws RecordError if the records cannot be read, with `out` as it was.
   */
  rewrite(
    bytes: Uint8Array,
    at: number,
    keep: KeepRecord,
    out: ByteWriter,
    options: RewriteOptions = NO_OPTIONS,
  ): number {
    const length = header.batchLength(bytes, at);
    const horizon = options.deleteHorizonMs;
    const kept = this.collect(bytes, at, keep, horizon);
    if (kept.count === 0 && !(options.keepEmpty ?? false)) return 0;
    if (kept.count === header.batchRecordsCount(bytes, at) && horizon === undefined) {
      out.raw(bytes.subarray(at, at + length));
      return length;
    }
    const codec = kept.count === 0 ? CODEC_NONE : header.batchCodec(bytes, at);
    const records = compressRecords(codec, this.records.view());
    const start = out.at;
    out.raw(bytes.subarray(at, at + layout.HEADER_BYTES));
    out.raw(records);
    patchHeader(out.bytes, start, out.at, codec, kept, horizon);
    return out.at - start;
  }

  /** Copies the kept records into the scratch space. */
  private collect(bytes: Uint8Array, at: number, keep: KeepRecord, horizon: number | undefined): KeptRecords {
    const { cursor, records } = this;
    records.reset();
    cursor.open(bytes, at);
    const kept = { count: 0, maxTimestamp: -1 };
    while (cursor.next()) {
      if (!keep(cursor.offset, cursor)) continue;
      if (kept.count === 0 || cursor.timestamp > kept.maxTimestamp) kept.maxTimestamp = cursor.timestamp;
      kept.count++;
      if (horizon === undefined) records.raw(cursor.bytes.subarray(cursor.recordStart, cursor.recordEnd));
      else writeRebased(cursor, horizon, records);
    }
    if (kept.count === 0) kept.maxTimestamp = header.batchMaxTimestamp(bytes, at);
    return kept;
  }
}

interface KeptRecords {
  count: number;
  maxTimestamp: number;
}

/** Writes a record with its timestamp counted from the delete horizon, which takes the base timestamp's place in the header. */
function writeRebased(cursor: RecordCursor, horizon: number, out: ByteWriter): void {
  const delta = cursor.timestamp - horizon;
  const restBytes = cursor.recordEnd - cursor.offsetDeltaStart;
  const bodyBytes = 1 + varlongSize(delta) + restBytes;
  const start = out.at;
  out.varint(bodyBytes);
  out.u8(0);
  out.varlong(delta);
  out.raw(cursor.bytes.subarray(cursor.offsetDeltaStart, cursor.recordEnd));
  assert(out.at - start === varintSize(bodyBytes) + bodyBytes, 'A rebased record must have the size that it announces');
}

function patchHeader(
  bytes: Uint8Array,
  at: number,
  end: number,
  codec: number,
  kept: KeptRecords,
  horizon: number | undefined,
): void {
  writeU32(bytes, at + layout.BATCH_LENGTH_AT, end - at - layout.LENGTH_OVERHEAD_BYTES);
  const attributesAt = at + layout.ATTRIBUTES_AT + 1;
  bytes[attributesAt] = (bytes[attributesAt]! & ~layout.CODEC_MASK) | codec;
  if (horizon !== undefined) {
    bytes[attributesAt] = bytes[attributesAt]! | layout.DELETE_HORIZON_FLAG;
    writeI64(bytes, at + layout.BASE_TIMESTAMP_AT, horizon);
  }
  writeI64(bytes, at + layout.MAX_TIMESTAMP_AT, kept.maxTimestamp);
  writeU32(bytes, at + layout.RECORDS_COUNT_AT, kept.count);
  header.patchCrc(bytes, at);
}

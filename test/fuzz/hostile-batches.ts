/** Record batches: sound ones, and ones that lie about themselves. */
import { gzipSync } from 'node:zlib';
import { crc32c } from '../../src/base/crc32c.js';
import type { Prng } from '../../src/base/prng.js';
import { BatchBuilder } from '../../src/record/batch-builder.js';
import * as layout from '../../src/record/layout.js';

const builder = new BatchBuilder();

/** A sound batch of a few records. */
export function smallBatch(prng: Prng): Uint8Array {
  builder.start();
  for (let left = prng.between(1, 4); left > 0; left--)
    builder.append(prng.bytes(prng.below(8)), prng.bytes(prng.below(32)), 1_700_000_000_000);
  return new Uint8Array(builder.finish());
}

/** Makes the CRC agree with the bytes that are there, whatever length the batch announces. */
function sealed(batch: Uint8Array): Uint8Array {
  view(batch).setUint32(layout.CRC_AT, crc32c(batch, layout.ATTRIBUTES_AT, batch.length));
  return batch;
}

function view(batch: Uint8Array): DataView {
  return new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
}

/** A batch with `records` as its compressed records, which claim to be `count`. */
function gzipped(records: Uint8Array, count: number): Uint8Array {
  const body = gzipSync(records);
  const batch = new Uint8Array(layout.HEADER_BYTES + body.length);
  batch.set(smallHeader());
  batch.set(body, layout.HEADER_BYTES);
  const fields = view(batch);
  fields.setInt32(layout.BATCH_LENGTH_AT, batch.length - layout.LENGTH_OVERHEAD_BYTES);
  fields.setInt16(layout.ATTRIBUTES_AT, 1);
  fields.setInt32(layout.RECORDS_COUNT_AT, count);
  fields.setInt32(layout.LAST_OFFSET_DELTA_AT, count - 1);
  return sealed(batch);
}

function smallHeader(): Uint8Array {
  builder.start();
  builder.append(null, null, 0);
  return builder.finish().subarray(0, layout.HEADER_BYTES);
}

/** A batch of few bytes that unfolds to `bytes`, of which nothing is a record. */
export function bomb(bytes: number): Uint8Array {
  return gzipped(new Uint8Array(bytes), 1);
}

const INT32S = [-1, 0, 1, 2, 61, 1000, 0x7fff_ffff, -0x8000_0000, 0x0100_0000];
const INT64S = [-1n, 0n, 1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n), 2n ** 51n];
const positions32 = [
  layout.BATCH_LENGTH_AT,
  layout.LAST_OFFSET_DELTA_AT,
  layout.RECORDS_COUNT_AT,
  layout.BASE_SEQUENCE_AT,
];
const positions64 = [layout.BASE_OFFSET_AT, layout.BASE_TIMESTAMP_AT, layout.MAX_TIMESTAMP_AT, layout.PRODUCER_ID_AT];

/** A batch with something wrong in its header, mostly with a CRC that agrees. */
function wrongHeader(prng: Prng): Uint8Array {
  const batch = smallBatch(prng);
  const fields = view(batch);
  const which = prng.below(4);
  if (which === 0) fields.setInt32(prng.pick(positions32), prng.pick(INT32S));
  else if (which === 1) fields.setBigInt64(prng.pick(positions64), prng.pick(INT64S));
  else if (which === 2)
    fields.setInt16(layout.ATTRIBUTES_AT, prng.pick([1, 2, 3, 4, 5, 7, 8, 0x10, 0x20, 0x30, 0x40, -1]));
  else fields.setInt8(layout.MAGIC_AT, prng.pick([0, 1, 3, -1]));
  return prng.chance(0.85) ? sealed(batch) : batch;
}

/** A batch whose records lie: lengths, counts and deltas inside them. The CRC agrees. */
function wrongRecords(prng: Prng): Uint8Array {
  const batch = smallBatch(prng);
  for (let left = prng.between(1, 3); left > 0; left--) {
    const at = prng.between(layout.RECORDS_AT, batch.length - 1);
    batch[at] = prng.pick([0, 1, 0x7f, 0x80, 0xff, prng.below(256)]);
  }
  return sealed(batch);
}

function glued(prng: Prng): Uint8Array {
  return Buffer.concat([smallBatch(prng), smallBatch(prng)]);
}

function cut(prng: Prng): Uint8Array {
  const batch = smallBatch(prng);
  return batch.subarray(0, prng.below(batch.length));
}

/** A sound batch of very many records of seven bytes. */
function manyEmpty(prng: Prng): Uint8Array {
  builder.start();
  for (let left = prng.between(100, 2000); left > 0; left--) builder.append(null, null, 0);
  return new Uint8Array(builder.finish());
}

/** A batch that some check must refuse, or, seldom, a sound one of an odd shape. */
export function hostileBatch(prng: Prng): Uint8Array {
  const make = prng.pick([wrongHeader, wrongHeader, wrongHeader, wrongRecords, wrongRecords, glued, cut]);
  if (prng.chance(0.02)) return manyEmpty(prng);
  if (prng.chance(0.02)) return bomb(prng.between(1, 64) * 1024);
  if (prng.chance(0.02)) return gzipped(prng.bytes(100), prng.pick([1, 0x7fff_ffff]));
  return make(prng);
}

/** Kafka's control batch that ends a transaction in a log; drawn in docs/formats/record-batch.md. */
import { readU16, writeU16, writeU32 } from '../base/integers.js';
import { BatchBuilder } from '../record/batch-builder.js';
import * as batch from '../record/batch-header.js';
import { RecordCursor } from '../record/record-reader.js';

const ABORT = 0;
const COMMIT = 1;
const KEY_BYTES = 4;
const VALUE_BYTES = 6;

/** The bytes of a marker. The coordinator epoch is 0: a node's own coordinators have none. */
export function encodeMarker(producerId: number, producerEpoch: number, isCommit: boolean, nowMs: number): Uint8Array {
  const key = new Uint8Array(KEY_BYTES);
  writeU16(key, 2, isCommit ? COMMIT : ABORT);
  const value = new Uint8Array(VALUE_BYTES);
  writeU32(value, 2, 0);
  const builder = new BatchBuilder(1024, 128);
  builder.start({ producerId, producerEpoch, transactional: true, control: true });
  builder.append(key, value, nowMs);
  return builder.finish();
}

/** What a control batch says; undefined when it is none of a transaction. */
export function readMarker(bytes: Uint8Array, at: number): 'commit' | 'abort' | undefined {
  const records = new RecordCursor().open(bytes, at);
  if (!records.next() || records.keyEnd - records.keyStart < KEY_BYTES) return undefined;
  const type = readU16(records.bytes, records.keyStart + 2);
  if (type === COMMIT) return 'commit';
  return type === ABORT ? 'abort' : undefined;
}

/** Number of messages in a batch: a marker's record is none. */
export function messagesIn(bytes: Uint8Array, at: number): number {
  return batch.batchIsControl(bytes, at) ? 0 : batch.batchRecordsCount(bytes, at);
}

/** Records out of what the node sends for topics: batches as stored, or messages that it decoded. */
import type { WireKind } from '../proto/client-wire.js';
import { batchIsControl, batchLastOffset, batchLength } from '../record/batch-header.js';
import { RecordCursor } from '../record/record-reader.js';
import { verifyBatch } from '../record/verify.js';
import { asClientError, ClientError } from './errors.js';
import { type ReceivedRecord, recordAt, recordOfWire } from './received.js';

/** Records of one partition as they came over the wire. */
export type WireRecords = NonNullable<WireKind<'deliver'>['records']>[number];

const cursor = new RecordCursor();

/**
 * Calls `visit` for each record at or above `from`, in order; batches may begin below it. Checksums are verified.
 * @throws ClientError `corrupt-batch`, `unsupported-codec`.
 */
export function eachRecord(wire: WireRecords, from: number, visit: (record: ReceivedRecord) => void): void {
  const partition = wire.partition ?? 0;
  for (const message of wire.messages ?? []) {
    const record = recordOfWire(partition, message);
    if (record.offset >= from) visit(record);
  }
  const { batches } = wire;
  if (!batches) return;
  try {
    for (let at = 0; at < batches.length; at += batchLength(batches, at))
      visitBatch(partition, batches, at, from, visit);
  } catch (thrown) {
    throw asClientError(thrown);
  }
}

function visitBatch(
  partition: number,
  batches: Uint8Array,
  at: number,
  from: number,
  visit: (record: ReceivedRecord) => void,
): void {
  const fault = verifyBatch(batches, at, batches.length - at);
  if (fault !== 'ok') {
    throw new ClientError(
      'corrupt-batch',
      `Cannot read a batch of partition ${partition} near offset ${from}: ${fault}`,
    );
  }
  if (batchIsControl(batches, at) || batchLastOffset(batches, at) < from) return;
  cursor.open(batches, at);
  while (cursor.next()) if (cursor.offset >= from) visit(recordAt(partition, cursor));
}

import { nextBatchOffset } from '../../../src/broker/batch-walk.js';
import { nextBatch } from '../../../src/record/batch-header.js';
import { RecordCursor } from '../../../src/record/record-reader.js';
import type { SeenRecord } from './log-promises.js';
import type { SimulatedNode } from './simulated-node.js';

const READ_BYTES = 64 * 1024;
const decoder = new TextDecoder();

/** The records of a log from `from` on that a pull consumer sees. */
export function readLog(node: SimulatedNode, logId: number, slot: number, from = 0): SeenRecord[] {
  const { logStart, end } = node.bounds.read(slot);
  const records: SeenRecord[] = [];
  for (let offset = Math.max(from, logStart); offset < end; ) {
    const bytes = node.files.read(logId, slot, offset, READ_BYTES, end);
    for (const record of recordsIn(bytes)) if (record.offset >= Math.max(from, logStart)) records.push(record);
    offset = Math.max(offset + 1, nextBatchOffset(bytes, end));
  }
  return records;
}

/** The text of a record's value. */
export function textOf(value: Uint8Array | null): string {
  return value === null ? '' : decoder.decode(value);
}

function* recordsIn(bytes: Uint8Array): Generator<SeenRecord> {
  const cursor = new RecordCursor();
  for (let at = 0, next = nextBatch(bytes, 0, bytes.length); next !== -1; ) {
    cursor.open(bytes, at);
    while (cursor.next()) {
      yield { offset: cursor.offset, value: textOf(cursor.bytes.subarray(cursor.valueStart, cursor.valueEnd)) };
    }
    at = next;
    next = nextBatch(bytes, at, bytes.length);
  }
}

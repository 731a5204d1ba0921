import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../base/bytes.js';
import { writeI64, writeU16, writeU32 } from '../base/integers.js';
import { BatchBuilder, maxRecordSize } from './batch-builder.js';
import * as header from './batch-header.js';
import { RecordError } from './errors.js';
import * as layout from './layout.js';
import { RecordCursor, readRecords, verifyRecords } from './record-reader.js';
import type { RecordHeader } from './records.js';
import { BatchRewriter } from './rewrite.js';
import { type ProduceFault, verifyBatch, verifyProducedBatch } from './verify.js';

interface Draft {
  key: Uint8Array | null;
  value: Uint8Array | null;
  timestamp: number;
  headers: RecordHeader[];
}

const blob = fc.option(fc.uint8Array({ maxLength: 200, size: 'max' }));
const draft: fc.Arbitrary<Draft> = fc.record({
  key: blob,
  value: blob,
  timestamp: fc.oneof(fc.integer({ min: -1, max: 4e12 }), fc.constantFrom(0, -1, 2 ** 40)),
  headers: fc.array(fc.tuple(fc.string({ unit: 'grapheme', maxLength: 30 }), blob), { maxLength: 4 }),
});
const drafts = fc.array(draft, { minLength: 1, maxLength: 30 });
const builder = new BatchBuilder(1 << 20, 64);

function build(records: readonly Draft[], baseOffset = 0): Uint8Array {
  builder.start({ baseOffset });
  for (const { key, value, timestamp, headers } of records) builder.append(key, value, timestamp, headers);
  return builder.finish().slice();
}

const sample: Draft[] = [
  {
    key: Uint8Array.of(1, 2),
    value: Uint8Array.of(3),
    timestamp: 1000,
    headers: [
      ['h', Uint8Array.of(4)],
      ['n', null],
    ],
  },
  { key: null, value: null, timestamp: 900, headers: [] },
  { key: null, value: new Uint8Array(150), timestamp: 1100, headers: [] },
];

describe('BatchBuilder and RecordCursor', () => {
  it('give back any records, consecutive offsets and the largest timestamp', () => {
    fc.assert(
      fc.property(drafts, fc.integer({ min: 0, max: 2 ** 40 }), (records, baseOffset) => {
        const batch = build(records, baseOffset);
        expect(verifyBatch(batch, 0, batch.length)).toBe('ok');
        expect(verifyProducedBatch(batch, 0, batch.length)).toBe('ok');
        expect(readRecords(batch, 0)).toEqual(
          records.map((record, index) => ({ offset: baseOffset + index, ...record })),
        );
        expect(header.batchMaxTimestamp(batch, 0)).toBe(Math.max(...records.map(({ timestamp }) => timestamp)));
        expect(header.batchLastOffset(batch, 0)).toBe(baseOffset + records.length - 1);
      }),
    );
  });

  it('never exceed the size that is foretold', () => {
    fc.assert(
      fc.property(drafts, (records) => {
        builder.start();
        for (const { key, value, timestamp, headers } of records) {
          const before = builder.sizeBytes;
          builder.append(key, value, timestamp, headers);
          expect(builder.sizeBytes - before).toBeLessThanOrEqual(
            maxRecordSize(key?.length ?? -1, value?.length ?? -1, headers),
          );
        }
      }),
    );
  });

  it('refuse a record that does not fit, and keep the batch', () => {
    const small = new BatchBuilder(300, 10).start();
    expect(small.append(null, new Uint8Array(100), 5)).toBe(0);
    expect(() => small.append(null, new Uint8Array(200), 6)).toThrow(RecordError);
    expect(small.append(null, new Uint8Array(50), 7)).toBe(1);
    expect(readRecords(small.finish(), 0).map(({ value, timestamp }) => [value?.length, timestamp])).toEqual([
      [100, 5],
      [50, 7],
    ]);
  });

  it('take a value in pieces', () => {
    builder.start();
    const at = builder.reserveRecord(Uint8Array.of(9), 4, 1, [['a', null]]);
    builder.bytes.set([1, 2], at);
    builder.bytes.set([3, 4], at + 2);
    expect(readRecords(builder.finish(), 0)[0]).toEqual({
      offset: 0,
      timestamp: 1,
      key: Uint8Array.of(9),
      value: Uint8Array.of(1, 2, 3, 4),
      headers: [['a', null]],
    });
  });

  it('let headers be walked twice', () => {
    const cursor = new RecordCursor().open(build(sample), 0);
    cursor.next();
    expect(cursor.nextHeader()).toBe(true);
    expect([cursor.headerName(), cursor.headerValue()]).toEqual(['h', Uint8Array.of(4)]);
    expect(cursor.headers()).toEqual(sample[0]?.headers);
    expect(cursor.nextHeader()).toBe(false);
  });
});

describe('verifyBatch', () => {
  const batch = build(sample);

  it('calls every shorter piece incomplete', () => {
    for (let length = 0; length < batch.length; length++) expect(verifyBatch(batch, 0, length)).toBe('incomplete');
    expect(verifyBatch(batch, 0, batch.length + 5)).toBe('ok');
  });

  it('notices every flipped bit but those that the leader sets', () => {
    for (let bit = 0; bit < batch.length * 8; bit++) {
      const byte = bit >> 3;
      const flipped = batch.slice();
      flipped[byte]! ^= 0x80 >> (bit & 7);
      const isPatched = byte < layout.BATCH_LENGTH_AT || (byte >= layout.LEADER_EPOCH_AT && byte < layout.MAGIC_AT);
      const fault = verifyBatch(flipped, 0, flipped.length);
      if (isPatched) expect(['ok', 'bad-range']).toContain(fault);
      else expect(fault, `bit ${bit}`).not.toBe('ok');
    }
  });

  it('survives the patch of offset and epoch', () => {
    const patched = batch.slice();
    header.patchBatch(patched, 0, 2 ** 45, 7);
    expect(verifyBatch(patched, 0, patched.length)).toBe('ok');
    expect(readRecords(patched, 0).map(({ offset }) => offset)).toEqual([2 ** 45, 2 ** 45 + 1, 2 ** 45 + 2]);
    expect(header.batchLeaderEpoch(patched, 0)).toBe(7);
  });

  const faults: [name: string, fault: ProduceFault, change: (bytes: Uint8Array) => void][] = [
    ['a length below the header', 'bad-length', (bytes) => writeU32(bytes, layout.BATCH_LENGTH_AT, 48)],
    ['a negative length', 'bad-length', (bytes) => writeU32(bytes, layout.BATCH_LENGTH_AT, -1)],
    ['a length beyond every limit', 'bad-length', (bytes) => writeU32(bytes, layout.BATCH_LENGTH_AT, 0x7fffffff)],
    ['magic 1', 'bad-magic', (bytes) => bytes.fill(1, layout.MAGIC_AT, layout.MAGIC_AT + 1)],
    ['codec 5', 'bad-codec', (bytes) => writeU16(bytes, layout.ATTRIBUTES_AT, 5)],
    ['more records than offsets', 'bad-count', (bytes) => writeU32(bytes, layout.RECORDS_COUNT_AT, 4)],
    ['a negative count', 'bad-count', (bytes) => writeU32(bytes, layout.RECORDS_COUNT_AT, -1)],
    ['no records in some bytes', 'bad-count', (bytes) => writeU32(bytes, layout.RECORDS_COUNT_AT, 0)],
    [
      'more records than fit the bytes',
      'bad-count',
      (bytes) => {
        writeU32(bytes, layout.LAST_OFFSET_DELTA_AT, 99);
        writeU32(bytes, layout.RECORDS_COUNT_AT, 100);
      },
    ],
    ['a negative last delta', 'bad-count', (bytes) => writeU32(bytes, layout.LAST_OFFSET_DELTA_AT, -1)],
    ['a base offset below 0', 'bad-range', (bytes) => writeI64(bytes, layout.BASE_OFFSET_AT, -1)],
    ['a base offset near 2^53', 'bad-range', (bytes) => writeI64(bytes, layout.BASE_OFFSET_AT, 2 ** 53 - 2)],
    [
      'a timestamp beyond 2^53',
      'bad-range',
      (bytes) => bytes.fill(0x7f, layout.MAX_TIMESTAMP_AT, layout.PRODUCER_ID_AT),
    ],
    ['a timestamp beyond 2^51', 'bad-range', (bytes) => writeI64(bytes, layout.MAX_TIMESTAMP_AT, 2 ** 51 + 1)],
    ['a producer id of -2', 'bad-range', (bytes) => writeI64(bytes, layout.PRODUCER_ID_AT, -2)],
    ['a control batch', 'invalid-records', (bytes) => writeU16(bytes, layout.ATTRIBUTES_AT, layout.CONTROL_FLAG)],
    [
      'a delete horizon',
      'invalid-records',
      (bytes) => writeU16(bytes, layout.ATTRIBUTES_AT, layout.DELETE_HORIZON_FLAG),
    ],
    [
      'a transaction of nobody',
      'invalid-records',
      (bytes) => writeU16(bytes, layout.ATTRIBUTES_AT, layout.TRANSACTIONAL_FLAG),
    ],
    ['a producer without a sequence', 'invalid-records', (bytes) => writeI64(bytes, layout.PRODUCER_ID_AT, 1)],
    ['fewer records than offsets', 'invalid-records', (bytes) => writeU32(bytes, layout.LAST_OFFSET_DELTA_AT, 3)],
  ];
  it.each(faults)('%s is %s', (_, fault, change) => {
    const changed = batch.slice();
    change(changed);
    if (fault !== 'bad-length') header.patchCrc(changed, 0);
    expect(verifyProducedBatch(changed, 0, changed.length)).toBe(fault);
    expect(verifyBatch(changed, 0, changed.length)).toBe(fault === 'invalid-records' ? 'ok' : fault);
  });
});

describe('nextBatch', () => {
  it('walks a chunk that is cut anywhere and stops where the incomplete tail begins', () => {
    const one = build(sample.slice(0, 1));
    const two = build(sample);
    const chunk = Uint8Array.of(...one, ...two, ...one);
    const ends = [0, one.length, one.length + two.length, chunk.length];
    for (let end = 0; end <= chunk.length; end++) {
      let at = 0;
      for (let next = header.nextBatch(chunk, at, end); next !== -1; next = header.nextBatch(chunk, at, end)) at = next;
      expect(at).toBe(Math.max(...ends.filter((boundary) => boundary <= end)));
    }
  });

  it('does not move on an impossible length', () => {
    const batch = build(sample);
    for (const length of [-13, -12, 0, 48]) {
      writeU32(batch, layout.BATCH_LENGTH_AT, length);
      expect(header.nextBatch(batch, 0, batch.length)).toBe(-1);
    }
  });
});

describe('RecordCursor on hostile bytes', () => {
  it('either reads within the batch or says corrupt-record, whatever byte is changed', () => {
    const batch = build(sample);
    for (let at = layout.HEADER_BYTES; at < batch.length; at++) {
      for (const value of [0, 1, 2, 3, 0x7f, 0x80, 0xfe, 0xff]) {
        const changed = batch.slice();
        changed[at] = value;
        expectSound(changed);
      }
    }
  });

  it('does so on random records', () => {
    const body = fc.uint8Array({ minLength: 7, maxLength: 60 });
    fc.assert(
      fc.property(body, fc.integer({ min: 1, max: 4 }), (bytes, count) => {
        const batch = new Uint8Array(layout.HEADER_BYTES + bytes.length);
        batch.set(build(sample).subarray(0, layout.HEADER_BYTES));
        batch.set(bytes, layout.HEADER_BYTES);
        writeU32(batch, layout.BATCH_LENGTH_AT, batch.length - layout.LENGTH_OVERHEAD_BYTES);
        writeU32(batch, layout.RECORDS_COUNT_AT, count);
        expectSound(batch);
      }),
      { numRuns: 2000 },
    );
  });

  const frame = (...fields: number[]): Uint8Array => {
    const batch = build(sample).slice(0, layout.HEADER_BYTES + fields.length);
    batch.set(fields, layout.HEADER_BYTES);
    writeU32(batch, layout.BATCH_LENGTH_AT, batch.length - layout.LENGTH_OVERHEAD_BYTES);
    writeU32(batch, layout.RECORDS_COUNT_AT, 1);
    return batch;
  };
  it.each([
    ['is sound', frame(12, 0, 0, 0, 1, 1, 0), ''],
    ['is longer than the batch', frame(14, 0, 0, 0, 1, 1, 0), 'its length is 7'],
    ['is shorter than a record', frame(10, 0, 0, 0, 1, 1, 0), 'its length is 5'],
    ['has an offset beyond the last', frame(12, 0, 0, 6, 1, 1, 0), 'its offset delta is 3'],
    ['has a negative offset', frame(12, 0, 0, 1, 1, 1, 0), 'its offset delta is -1'],
    ['has a key of -2 bytes', frame(12, 0, 0, 0, 3, 1, 0), 'a key or value has the length -2'],
    ['has a key longer than itself', frame(12, 0, 0, 0, 8, 1, 0), 'Cannot read 4 bytes'],
    ['has more headers than room', frame(12, 0, 0, 0, 1, 1, 2), 'it has 1 headers in 0 bytes'],
    ['has negative headers', frame(12, 0, 0, 0, 1, 1, 1), 'it has -1 headers in 0 bytes'],
    ['has a header with a null name', frame(16, 0, 0, 0, 1, 1, 2, 1, 1), 'a header name has the length -1'],
    ['has bytes after its headers', frame(18, 0, 0, 0, 1, 1, 2, 0, 1, 0), '1 bytes follow its last header'],
    ['has bytes after the last record', frame(12, 0, 0, 0, 1, 1, 0, 0), '1 bytes follow the last record'],
  ])('a record that %s', (_, batch, message) => {
    const verify = (): void => verifyRecords(new RecordCursor(), batch, 0);
    if (message === '') expect(verify).not.toThrow();
    else expect(verify).toThrow(message);
  });

  it('refuses a timestamp with which the cleaner could not calculate', () => {
    const batch = build([{ key: null, value: null, timestamp: 2 ** 51, headers: [] }]);
    expect(readRecords(batch, 0)[0]?.timestamp).toBe(2 ** 51);
    batch[layout.HEADER_BYTES + 2] = 2;
    expect(() => readRecords(batch, 0)).toThrow('its timestamp is 2251799813685249');
    const out = new ByteWriter();
    const earliest = build([{ key: null, value: null, timestamp: -(2 ** 51), headers: [] }]);
    new BatchRewriter(new ByteWriter()).rewrite(earliest, 0, () => true, out, { deleteHorizonMs: 2 ** 51 });
    expect(readRecords(out.view(), 0)[0]?.timestamp).toBe(-(2 ** 51));
  });

  it('refuses to open what is not all there', () => {
    const batch = build(sample);
    expect(() => new RecordCursor().open(batch.subarray(0, batch.length - 1), 0)).toThrow(RecordError);
  });
});

describe('BatchRewriter', () => {
  it('keeps what it is told to, in place, and the rest of the header', () => {
    const horizon = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined });
    fc.assert(
      fc.property(
        drafts,
        fc.array(fc.boolean(), { minLength: 30, maxLength: 30 }),
        horizon,
        (records, choices, deleteHorizonMs) => {
          const batch = build(records, 500);
          const expected = readRecords(batch, 0).filter((_, index) => choices[index]);
          const kept = new Set(expected.map(({ offset }) => offset));
          const out = new ByteWriter(8);
          out.u8(1);
          const options = deleteHorizonMs === undefined ? {} : { deleteHorizonMs };
          const size = new BatchRewriter(new ByteWriter(8)).rewrite(
            batch,
            0,
            (offset) => kept.has(offset),
            out,
            options,
          );
          expect(out.at).toBe(1 + size);
          expect(size > 0).toBe(expected.length > 0);
          if (size === 0) return;
          expect(verifyBatch(out.bytes, 1, size)).toBe('ok');
          expect(readRecords(out.bytes, 1)).toEqual(expected);
          expect(header.batchLastOffset(out.bytes, 1)).toBe(header.batchLastOffset(batch, 0));
          expect(header.batchDeleteHorizonMs(out.bytes, 1)).toBe(deleteHorizonMs ?? -1);
        },
      ),
    );
  });
});

function expectSound(batch: Uint8Array): void {
  const cursor = new RecordCursor();
  try {
    cursor.open(batch, 0);
    while (cursor.next()) {
      const end = Math.max(cursor.keyEnd, cursor.valueEnd, cursor.recordEnd);
      if (end > batch.length) throw new Error(`A field ends at ${end} of ${batch.length}`);
      for (const [, value] of cursor.headers()) value?.length;
    }
  } catch (error) {
    if (!(error instanceof RecordError && error.code === 'corrupt-record')) throw error;
  }
}

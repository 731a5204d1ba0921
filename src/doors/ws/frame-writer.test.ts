import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../base/bytes.js';
import { duolog } from '../../proto/client.js';
import { BatchBuilder } from '../../record/batch-builder.js';
import type { RecordHeader } from '../../record/records.js';
import { countMessages, decodeRecords, writeDecoded } from './batches.js';
import { headerBytes } from './fixtures/header-bytes.js';
import {
  addConfirm,
  addDelivery,
  beginFrame,
  finishConfirms,
  finishDeliver,
  writeBatches,
  writeFetched,
} from './frame-writer.js';
import type { WireFrame } from './wire-types.js';

const { Frame } = duolog.client.v1;
const big = fc.oneof(fc.nat(200), fc.nat(), fc.nat(2 ** 53 - 1));
const small = fc.oneof(fc.constant(0), fc.nat(300), fc.nat(2 ** 31 - 1));
const bytes = fc.option(fc.uint8Array({ maxLength: 300 }));
const headers = fc.array(fc.tuple(fc.string({ maxLength: 10 }), bytes), { maxLength: 4 });
const record = fc.record({
  offset: big,
  timestampMs: fc.oneof(fc.constant(-1), fc.constant(0), fc.nat(2 ** 45)),
  key: bytes,
  value: bytes,
  headers,
});

/** A message as the generated encoder takes it. */
function wireMessage(item: {
  timestampMs: number;
  key: Uint8Array | null;
  value: Uint8Array | null;
  headers: readonly RecordHeader[];
}) {
  return {
    ...(item.key === null ? {} : { key: item.key }),
    ...(item.value === null ? {} : { value: item.value }),
    headers: item.headers.map(([name, value]) => ({ name, ...(value === null ? {} : { value }) })),
    timestampMs: Math.max(0, item.timestampMs),
  };
}

function expectSameBytes(written: Uint8Array, frame: WireFrame): void {
  // Through the class, so that default values are left out as the protocol's encoders do.
  const expected = Frame.encode(Frame.fromObject(frame)).finish();
  expect(Buffer.from(written).equals(Buffer.from(expected))).toBe(true);
}

describe('frames written by hand are those of the generated code', () => {
  it('Confirms', () => {
    const confirm = fc.record({
      id: small,
      ranges: fc.array(fc.record({ partition: small, baseOffset: big, count: small }), { maxLength: 4 }),
      reached: fc.nat(3),
      duplicate: fc.boolean(),
    });
    const writer = new ByteWriter(16);
    fc.assert(
      fc.property(fc.array(confirm, { maxLength: 30 }), (confirms) => {
        beginFrame(writer);
        for (const { id, ranges, reached, duplicate } of confirms) {
          const flat = ranges.flatMap(({ partition, baseOffset, count }) => [partition, baseOffset, count]);
          addConfirm(writer, id, flat, reached, duplicate);
        }
        expectSameBytes(finishConfirms(writer), { confirms: { confirms } });
      }),
      { numRuns: 500 },
    );
  });

  it('Deliver of a queue', () => {
    const delivery = fc.record({ tag: big, partition: small, redelivered: fc.boolean(), deliveryCount: small, record });
    const writer = new ByteWriter(16);
    fc.assert(
      fc.property(small, fc.array(delivery, { maxLength: 20 }), (subscription, deliveries) => {
        beginFrame(writer);
        for (const { tag, partition, record: item, redelivered, deliveryCount } of deliveries) {
          const view = { ...item, headers: headerBytes(item.headers) };
          addDelivery(writer, tag, partition, view, redelivered, deliveryCount);
        }
        const expected = deliveries.map(({ record: item, ...rest }) => ({
          ...rest,
          offset: item.offset,
          message: wireMessage(item),
        }));
        expectSameBytes(finishDeliver(writer, subscription), { deliver: { subscription, deliveries: expected } });
      }),
      { numRuns: 500 },
    );
  });

  it('Deliver and Broadcast of batches', () => {
    const writer = new ByteWriter(16);
    fc.assert(
      fc.property(
        small,
        small,
        big,
        fc.uint8Array({ maxLength: 70_000 }),
        fc.boolean(),
        (number, partition, nextOffset, batches, isBroadcast) => {
          const written = writeBatches(
            writer,
            { kind: isBroadcast ? 'broadcast' : 'deliver', number },
            partition,
            nextOffset,
            batches,
          );
          const records = [{ partition, nextOffset, batches }];
          expectSameBytes(
            written,
            isBroadcast ? { broadcast: { channel: number, records } } : { deliver: { subscription: number, records } },
          );
        },
      ),
      { numRuns: 200 },
    );
  });

  it('Fetched, of any number of partitions', () => {
    const writer = new ByteWriter(16);
    const part = fc.record({
      partition: small,
      nextOffset: big,
      batches: fc.oneof(fc.constant(new Uint8Array(0)), fc.uint8Array({ maxLength: 40_000 })),
      logStart: big,
      end: big,
    });
    fc.assert(
      fc.property(small, fc.array(part, { maxLength: 4 }), (id, parts) => {
        const partitions = parts.map(({ partition, nextOffset, batches, logStart, end }) => ({
          records: { partition, nextOffset, ...(batches.length === 0 ? {} : { batches }) },
          logStart,
          end,
        }));
        expectSameBytes(writeFetched(writer, id, parts), { id, fetched: { partitions } });
      }),
      { numRuns: 200 },
    );
  });

  it('decoded records, the reserved header left out', () => {
    const writer = new ByteWriter(16);
    const items = fc.array(fc.record({ timestampMs: fc.nat(2 ** 45), key: bytes, value: bytes, headers }), {
      minLength: 1,
      maxLength: 10,
    });
    fc.assert(
      fc.property(items, fc.nat(12), (messages, from) => {
        const builder = new BatchBuilder();
        builder.start();
        for (const { key, value, timestampMs, headers: own } of messages) {
          builder.append(key, value, timestampMs, [['duolog.m', Uint8Array.of(1)], ...own]);
        }
        const batch = builder.finish();
        const frames: Uint8Array[] = [];
        const target = { kind: 'deliver', number: 3 } as const;
        const count = writeDecoded(writer, target, 1, batch, from, 99, (frame) => frames.push(frame.slice()));
        const expected = messages
          .map((message, offset) => ({ offset, message: wireMessage(message) }))
          .filter(({ offset }) => offset >= from);
        expect(count).toBe(expected.length);
        expect(countMessages(batch, from)).toBe(expected.length);
        expect(frames).toHaveLength(1);
        const records = [{ partition: 1, nextOffset: 99, messages: expected }];
        expectSameBytes(frames[0]!, { deliver: { subscription: 3, records } });
        const asObjects = decodeRecords(1, batch, from, 99);
        expectSameBytes(frames[0]!, { deliver: { subscription: 3, records: [asObjects] } });
      }),
      { numRuns: 300 },
    );
  });

  it('splits many decoded records into frames that follow each other', () => {
    const builder = new BatchBuilder();
    builder.start();
    for (let index = 0; index < 10; index++) builder.append(null, new Uint8Array(100_000), 1);
    const frames: WireFrame[] = [];
    const writer = new ByteWriter();
    writeDecoded(writer, { kind: 'deliver', number: 1 }, 0, builder.finish(), 0, 10, (frame) =>
      frames.push(Frame.decode(frame)),
    );
    expect(frames.length).toBeGreaterThan(2);
    const offsets = frames.flatMap((frame) => frame.deliver?.records?.[0]?.messages?.map((item) => item.offset) ?? []);
    expect(offsets).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(frames.at(-1)?.deliver?.records?.[0]?.nextOffset).toBe(10);
  });
});

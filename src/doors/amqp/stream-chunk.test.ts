import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../broker/errors.js';
import { BatchBuilder } from '../../record/batch-builder.js';
import { patchBatch, patchCrc } from '../../record/batch-header.js';
import { joined } from './fixtures/client-frames.js';
import { StreamChunk } from './stream-chunk.js';

const TIME_MS = 1_700_000_000_000;

/** A batch whose records' values are their offsets. */
function batch(baseOffset: number, count: number, control = false): Uint8Array {
  const builder = new BatchBuilder(1024, 64 * 1024);
  builder.start({ control, producerId: control ? 1 : -1, producerEpoch: control ? 0 : -1, transactional: control });
  for (let index = 0; index < count; index++) {
    builder.append(null, new TextEncoder().encode(`${baseOffset + index}`), TIME_MS, [['name', Uint8Array.of(1)]]);
  }
  const bytes = builder.finish().slice();
  patchBatch(bytes, 0, baseOffset, 0);
  return bytes;
}

function fetched(batches: Uint8Array, nextOffset: number, partition = 0) {
  return { partition, batches, nextOffset, logStart: 0, end: nextOffset };
}

function takeAll(chunk: StreamChunk): string[] {
  const texts: string[] = [];
  while (chunk.next()) texts.push(new TextDecoder().decode(chunk.record.value ?? undefined));
  return texts;
}

describe('StreamChunk', () => {
  it('begins where it is told, in the midst of a batch', () => {
    const chunk = new StreamChunk();
    chunk.startAt(0, 7);
    chunk.open(fetched(joined([batch(5, 4), batch(9, 2)]), 11));
    expect(takeAll(chunk)).toEqual(['7', '8', '9', '10']);
    chunk.open(fetched(joined([batch(9, 2), batch(11, 1)]), 12));
    expect(takeAll(chunk)).toEqual(['11']);
  });

  it('shows records as they were stored', () => {
    const chunk = new StreamChunk();
    chunk.open(fetched(batch(3, 1), 4));
    expect(chunk.next()).toBe(true);
    const { offset, timestampMs, key, value, headers } = chunk.record;
    expect({ offset, timestampMs, key, value: [...(value ?? [])], headers: [...headers] }).toEqual({
      offset: 3,
      timestampMs: TIME_MS,
      key: null,
      value: [0x33],
      headers: [2, 8, 0x6e, 0x61, 0x6d, 0x65, 2, 1],
    });
  });

  it('begins with the last batch before an end', () => {
    const batches = joined([batch(0, 2), batch(2, 3), batch(5, 1), batch(6, 1)]);
    for (const [end, first] of [
      [7, 6],
      [6, 5],
      [5, 2],
      [2, 0],
    ] as const) {
      const chunk = new StreamChunk();
      chunk.startAt(0, 4);
      chunk.open(fetched(batches, 7));
      chunk.skipToLastBatch(end);
      expect(takeAll(chunk)[0]).toBe(`${first}`);
    }
  });

  it('passes over control batches', () => {
    const chunk = new StreamChunk();
    chunk.open(fetched(joined([batch(0, 1), batch(1, 1, true), batch(2, 1)]), 3));
    expect(takeAll(chunk)).toEqual(['0', '2']);
  });

  it('refuses a damaged batch, after those before it', () => {
    const damaged = batch(1, 1);
    damaged[damaged.length - 3]! ^= 1;
    const chunk = new StreamChunk();
    chunk.open(fetched(joined([batch(0, 1), damaged]), 2));
    expect(chunk.next()).toBe(true);
    expect(() => chunk.next()).toThrow(BrokerError);
  });

  it('refuses a batch whose records are none, though its checksum is right', () => {
    const damaged = batch(0, 1);
    damaged.fill(0xff, 61);
    patchCrc(damaged, 0);
    const chunk = new StreamChunk();
    chunk.open(fetched(damaged, 1));
    expect(() => chunk.next()).toThrow(expect.objectContaining({ code: 'corrupt-batch' }));
  });

  it('gives each record once, wherever it waits, when the bytes are used again meanwhile', () => {
    const sizes = fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }), { maxLength: 5 });
    const waits = fc.array(fc.boolean(), { minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(sizes, waits, fc.nat(8), (chunks, pauses, start) => {
        const chunk = new StreamChunk();
        chunk.startAt(0, start);
        const seen: string[] = [];
        let offset = 0;
        let turn = 0;
        for (const batches of chunks) {
          const bytes = joined(
            batches.map((count) => {
              offset += count;
              return batch(offset - count, count);
            }),
          );
          chunk.open(fetched(bytes, offset));
          let isBorrowed = true;
          for (;;) {
            // As a consumer without room waits: before the first record, between any two, or not at all.
            if (pauses[turn++ % pauses.length]) {
              if (isBorrowed) chunk.keep();
              if (isBorrowed) bytes.fill(0xee);
              isBorrowed = false;
            }
            if (!chunk.next()) break;
            seen.push(new TextDecoder().decode(chunk.record.value ?? undefined));
          }
        }
        const expected = Array.from({ length: Math.max(0, offset - start) }, (_, index) => `${start + index}`);
        expect(seen).toEqual(expected);
      }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InFlightTable } from './in-flight.js';

const step = fc.record({
  op: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'removeOther', 'release'),
  // Strides of 2^16 and numbers beyond 2^32 would collide in a table that takes the low bits.
  offset: fc.oneof(
    fc.nat(60),
    fc.nat(60).map((n) => n * 65_536),
    fc.nat(20).map((n) => n * 2 ** 32),
  ),
  consumer: fc.integer({ min: 1, max: 4 }),
});

describe('InFlightTable', () => {
  it('agrees with a map per consumer, in order of delivery', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new InFlightTable();
        const model = new Map<number, number[]>();
        const holder = (offset: number) => [...model].find(([, held]) => held.includes(offset))?.[0];
        for (const { op, offset, consumer } of steps) {
          const held = model.get(consumer) ?? [];
          const owner = holder(offset);
          if (op === 'insert' && owner === undefined) {
            table.insert(offset, consumer);
            model.set(consumer, [...held, offset]);
          } else if (op === 'remove' || op === 'removeOther') {
            const by = op === 'remove' ? (owner ?? consumer) : consumer;
            expect(table.remove(offset, by)).toBe(owner === by);
            if (owner === by) {
              model.set(
                by,
                model.get(by)!.filter((other) => other !== offset),
              );
            }
          } else if (op === 'release') {
            const released: number[] = [];
            expect(table.release(consumer, (at) => released.push(at))).toBe(held.length);
            expect(released).toEqual(held);
            model.delete(consumer);
          }
          const all = [...model.values()].flat();
          expect(table.count).toBe(all.length);
          expect(table.has(offset)).toBe(all.includes(offset));
          for (const [id, expected] of model) {
            const seen: number[] = [];
            table.forEachHeld(id, (at) => seen.push(at));
            expect(seen).toEqual(expected);
            expect(table.heldCount(id)).toBe(expected.length);
          }
          const sorted = all.filter((at) => at >= 10 && at < 2 ** 33).sort((a, b) => a - b);
          expect([...table.heldBetween(10, 2 ** 33)]).toEqual(sorted);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('keeps working after a burst whose memory was given back', () => {
    const table = new InFlightTable();
    for (let offset = 0; offset < 20_000; offset++) table.insert(offset, 1);
    for (let offset = 0; offset < 20_000; offset++) expect(table.remove(offset, 1)).toBe(true);
    table.insert(5, 2);
    expect([table.count, table.has(5), table.has(6), table.remove(5, 1)]).toEqual([1, true, false, false]);
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InFlightTable } from './in-flight.js';

const step = fc.record({
  op: fc.constantFrom('insert', 'insert', 'insert', 'remove', 'removeOther', 'release'),
  // Some are out of reach for the blocks of smaller ones.
  offset: fc.oneof(
    fc.nat(60),
    fc.nat(60).map((n) => n * 65_536),
    fc.nat(20).map((n) => n * 2 ** 32),
    fc.nat(20).map((n) => 2 ** 53 - 1 - n),
  ),
  consumer: fc.integer({ min: 1, max: 4 }),
});

const ascending = (offsets: Iterable<number>) => [...offsets].sort((a, b) => a - b);

describe('InFlightTable', () => {
  it('agrees with a set per consumer', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new InFlightTable();
        const model = new Map<number, Set<number>>();
        const holder = (offset: number) => [...model].find(([, held]) => held.has(offset))?.[0];
        for (const { op, offset, consumer } of steps) {
          const held = model.get(consumer) ?? new Set();
          const owner = holder(offset);
          if (op === 'insert' && owner === undefined) {
            table.insert(offset, consumer);
            model.set(consumer, held.add(offset));
          } else if (op === 'remove' || op === 'removeOther') {
            const by = op === 'remove' ? (owner ?? consumer) : consumer;
            expect(table.remove(offset, by)).toBe(owner === by);
            model.get(by)?.delete(offset);
          } else if (op === 'release') {
            const released: number[] = [];
            expect(table.release(consumer, (at) => released.push(at))).toBe(held.size);
            expect(released).toEqual(ascending(held));
            model.delete(consumer);
          }
          const all = ascending([...model.values()].flatMap((offsets) => [...offsets]));
          expect(table.count).toBe(all.length);
          for (const [id, expected] of model) {
            const seen: number[] = [];
            table.forEachHeld(id, (at) => seen.push(at));
            expect(seen).toEqual(ascending(expected));
            expect(table.heldCount(id)).toBe(expected.size);
          }
          expect([...table.heldBetween(10, 2 ** 33)]).toEqual(all.filter((at) => at >= 10 && at < 2 ** 33));
        }
      }),
      { numRuns: 150 },
    );
  });

  it('gives the memory of a burst back and goes on', () => {
    const table = new InFlightTable();
    for (let offset = 0; offset < 20_000; offset++) table.insert(offset, 1);
    for (let offset = 0; offset < 20_000; offset++) expect(table.remove(offset, 1)).toBe(true);
    expect(table.bytes).toBeLessThanOrEqual(2048);
    table.insert(5, 2);
    expect([table.count, table.remove(6, 2), table.remove(5, 1), table.remove(5, 2)]).toEqual([1, false, false, true]);
  });
});

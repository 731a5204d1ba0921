import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DueHeap } from './due-heap.js';

interface Entry {
  readonly atMs: number;
  readonly offset: number;
  readonly idHash: number;
  readonly exchange: number;
}

const byTime = (left: Entry, right: Entry): number => left.atMs - right.atMs || left.offset - right.offset;

describe('the heap of what is due', () => {
  test('holds, against a sorted list, everything before its limit, whatever is pushed, taken and removed', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.record({ push: fc.nat(20) }) },
      { weight: 3, arbitrary: fc.constant('pop' as const) },
      { weight: 1, arbitrary: fc.record({ remove: fc.integer({ min: 2, max: 5 }) }) },
    );
    fc.assert(
      fc.property(fc.integer({ min: 4, max: 40 }), fc.array(step, { maxLength: 300 }), (entriesMax, steps) => {
        const heap = new DueHeap(entriesMax);
        let model: Entry[] = [];
        let offset = 0;
        const isNear = (entry: Entry): boolean =>
          entry.atMs < heap.limitMs || (entry.atMs === heap.limitMs && entry.offset < heap.limitOffset);
        for (const one of steps) {
          if (one === 'pop') {
            if (heap.size === 0) continue;
            const first = model.shift()!;
            expect([heap.topMs, heap.topOffset, heap.topExchange]).toEqual([first.atMs, first.offset, first.exchange]);
            heap.pop();
          } else if ('push' in one) {
            const entry = { atMs: one.push, offset: offset++, idHash: one.push % 3, exchange: one.push % 5 };
            heap.push(entry.atMs, entry.offset, entry.idHash, entry.exchange);
            model = [...model, entry].filter(isNear).sort(byTime);
          } else {
            const stays = (at: number): boolean => at % one.remove !== 0;
            heap.filter(stays);
            model = model.filter((entry) => stays(entry.offset));
          }
          expect(heap.size).toBe(model.length);
          expect(heap.size).toBeLessThanOrEqual(entriesMax);
          expect(heap.withIdHash(1).sort((a, b) => a - b)).toEqual(
            model
              .filter(({ idHash }) => idHash === 1)
              .map((entry) => entry.offset)
              .sort((a, b) => a - b),
          );
          expect(heap.earliest((exchange) => exchange === 2)).toBe(
            model.find(({ exchange }) => exchange === 2)?.atMs ?? Number.POSITIVE_INFINITY,
          );
        }
        for (const { offset: at } of model) {
          expect(heap.topOffset).toBe(at);
          heap.pop();
        }
        expect(heap.sizeBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('a full heap keeps about half, also when all times are equal, and takes all again once its limit is lifted', () => {
    const heap = new DueHeap(1000);
    for (let offset = 0; offset <= 1000; offset++) heap.push(5, offset, 0, 0);
    expect(heap.size).toBeGreaterThanOrEqual(500);
    expect(heap.size).toBeLessThan(600);
    expect(heap.isLimited).toBe(true);
    heap.push(4, 2000, 0, 0);
    expect(heap.topOffset).toBe(2000);
    const before = heap.size;
    heap.push(6, 2001, 0, 0);
    expect(heap.size).toBe(before);
    heap.lift();
    heap.push(6, 2001, 0, 0);
    expect(heap.size).toBe(before + 1);
  });
});

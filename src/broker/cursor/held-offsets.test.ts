import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HeldOffsets } from './held-offsets.js';
import { HELD_BLOCK_OFFSETS } from './limits.js';

/** Bases of stretches that overlap, lie apart, and are out of each other's reach. */
const base = fc.constantFrom(0, 300, 700, 5_000, 64_000, 2 ** 32 - 100, 2 ** 32 + 900, 2 ** 40);

/** Long enough to fill, split and join blocks. */
const step = fc.record({
  op: fc.constantFrom('add', 'add', 'remove'),
  base,
  count: fc.integer({ min: 1, max: 1_500 }),
  stride: fc.constantFrom(1, 2, 3, 100, 70_000),
  isDescending: fc.boolean(),
});

interface Stretch {
  readonly base: number;
  readonly count: number;
  readonly stride: number;
  readonly isDescending: boolean;
}

function offsetsOf({ base, count, stride, isDescending }: Stretch): number[] {
  const offsets = Array.from({ length: count }, (_, index) => base + index * stride);
  return isDescending ? offsets.reverse() : offsets;
}

function seen(held: HeldOffsets, from = 0, to = Number.POSITIVE_INFINITY): number[] {
  const offsets: number[] = [];
  held.visitBetween(from, to, (offset) => offsets.push(offset));
  return offsets;
}

describe('HeldOffsets', () => {
  it('agrees with a set', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 14 }), base, base, (steps, from, to) => {
        const held = new HeldOffsets();
        const model = new Set<number>();
        for (const { op, ...stretch } of steps) {
          for (const offset of offsetsOf(stretch)) {
            if (op === 'remove') {
              expect(held.remove(offset)).toBe(model.delete(offset));
            } else if (!model.has(offset)) {
              held.add(offset);
              model.add(offset);
            }
          }
          const expected = [...model].sort((a, b) => a - b);
          expect(seen(held)).toEqual(expected);
          expect(seen(held, from, to)).toEqual(expected.filter((offset) => offset >= from && offset < to));
          expect(held.count).toBe(model.size);
        }
        held.clear();
        expect([held.count, held.bytes, seen(held)]).toEqual([0, 0, []]);
      }),
      { numRuns: 150 },
    );
  });

  it.each([1, 2, 3, 16, 700, 1_023, 1_024, 1_025, 5_000])('passes a window of %i offsets along', (window) => {
    const held = new HeldOffsets();
    for (let offset = 0; offset < 20_000; offset++) {
      held.add(offset);
      if (offset >= window) expect(held.remove(offset - window)).toBe(true);
    }
    expect(seen(held)).toEqual(Array.from({ length: window }, (_, index) => 20_000 - window + index));
    expect(held.bytes).toBeLessThanOrEqual(window * 8 + HELD_BLOCK_OFFSETS * 4);
  });

  it('costs three bytes per offset when every second one stays, whatever the order in which the others go', () => {
    const orders: ((offset: number) => number)[] = [
      (offset) => offset,
      (offset) => 99_999 - offset,
      // 7919 has no factor in common with the number of offsets, so each comes once.
      (offset) => (offset * 7_919) % 100_000,
    ];
    for (const order of orders) {
      const held = new HeldOffsets();
      for (let offset = 0; offset < 100_000; offset++) held.add(offset);
      for (let at = 0; at < 100_000; at++) if (order(at) % 2 === 1) expect(held.remove(order(at))).toBe(true);
      expect(held.count).toBe(50_000);
      expect(held.bytes).toBeLessThanOrEqual(50_000 * 3);
    }
  });

  it('takes what came back below all others without a block for each', () => {
    const held = new HeldOffsets();
    for (let offset = 10_000; offset > 0; offset--) held.add(offset * 3);
    expect(held.bytes).toBeLessThanOrEqual(10_000 * 3);
    expect(seen(held).length).toBe(10_000);
  });
});

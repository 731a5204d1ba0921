import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DirtyBitmap, dirtyBitmapBytes } from './dirty-bitmap.js';

const SLOTS = 4096;

function bitmap(): DirtyBitmap {
  return new DirtyBitmap(new SharedArrayBuffer(dirtyBitmapBytes(SLOTS)), SLOTS);
}

describe('dirty bitmap', () => {
  it('reports each marked slot once, never more than the limit, and keeps the rest', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('mark' as const), slot: fc.nat(SLOTS - 1) }),
      fc.record({ op: fc.constant('mark' as const), slot: fc.nat(70) }),
      fc.record({ op: fc.constant('take' as const), limit: fc.integer({ min: 1, max: 20 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const dirty = bitmap();
        const marked = new Set<number>();
        for (const current of steps) {
          if (current.op === 'mark') {
            expect(dirty.mark(current.slot)).toBe(!marked.has(current.slot));
            marked.add(current.slot);
          } else {
            const count = dirty.take((slot) => expect(marked.delete(slot)).toBe(true), current.limit);
            expect(count).toBe(Math.min(current.limit, count + marked.size));
          }
          if (marked.size > 0) expect(dirty.isPending()).toBe(true);
        }
        dirty.take((slot) => expect(marked.delete(slot)).toBe(true), SLOTS);
        expect(marked.size).toBe(0);
        expect(dirty.take(() => expect.unreachable(), SLOTS)).toBe(0);
        expect(dirty.isPending()).toBe(false);
      }),
      { numRuns: 300 },
    );
  });

  it('keeps a mark that is set while its word is being reported', () => {
    const dirty = bitmap();
    dirty.mark(5);
    const seen: number[] = [];
    dirty.take((slot) => {
      seen.push(slot);
      if (seen.length === 1) expect(dirty.mark(5)).toBe(true);
    }, 100);
    dirty.take((slot) => seen.push(slot), 100);
    expect(seen).toEqual([5, 5]);
  });
});

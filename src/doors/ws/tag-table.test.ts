import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TagTable } from './tag-table.js';

describe('TagTable', () => {
  it('behaves as a map from tag to delivery', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('add' as const), count: fc.integer({ min: 1, max: 40 }) }),
      fc.record({ kind: fc.constant('take' as const), first: fc.nat(300), length: fc.nat(30) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new TagTable();
        const model = new Map<number, string>();
        let next = 1;
        for (const item of steps) {
          if (item.kind === 'add') {
            for (let index = 0; index < item.count; index++) {
              expect(table.add(next % 3, next * 10)).toBe(next);
              model.set(next, `${next % 3}:${next * 10}`);
              next++;
            }
            continue;
          }
          const last = item.first + item.length;
          const expected = [...model].filter(([tag]) => tag >= item.first && tag <= last);
          expect(table.count(item.first, last)).toBe(expected.length);
          const taken: string[] = [];
          table.take(item.first, last, (partition, offset) => taken.push(`${partition}:${offset}`));
          expect(taken).toEqual(expected.map(([, delivery]) => delivery));
          for (const [tag] of expected) model.delete(tag);
          expect(table.size).toBe(model.size);
          expect(table.next).toBe(next);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('stays small although the first delivery is never settled', () => {
    const table = new TagTable();
    table.add(0, 0);
    for (let tag = 2; tag < 200_000; tag++) {
      table.add(0, tag);
      table.take(tag, tag, () => {});
    }
    expect(table.size).toBe(1);
    expect(table.capacity).toBeLessThanOrEqual(16);
    expect(table.count(1, 1)).toBe(1);
  });
});

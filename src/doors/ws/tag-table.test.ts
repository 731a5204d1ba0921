import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TAG_BLOCK_SLOTS } from './tag-block.js';
import { TagTable } from './tag-table.js';

type Step =
  | { readonly kind: 'add'; readonly count: number; readonly base: number }
  | { readonly kind: 'take'; readonly first: number; readonly length: number; readonly every: number };

/** Steps of a table that holds about `size` deliveries. */
function steps(size: number): fc.Arbitrary<Step[]> {
  const add = fc.record({
    kind: fc.constant('add' as const),
    count: fc.integer({ min: 1, max: size }),
    // Offsets go down as well as up, and are told apart by more than their lower 32 bits.
    base: fc.constantFrom(0, 2 ** 32 - 50, 2 ** 32, 2 ** 45, 2 ** 53 - 2 * size),
  });
  const take = fc.record({
    kind: fc.constant('take' as const),
    first: fc.nat(size * 8),
    length: fc.nat(size * 2),
    every: fc.integer({ min: 1, max: 3 }),
  });
  return fc.array(fc.oneof(add, take), { maxLength: 40, size: 'max' });
}

class Rig {
  private readonly table = new TagTable();
  private readonly model = new Map<number, string>();
  private next = 1;

  add(count: number, base: number): void {
    for (let index = 0; index < count; index++) {
      const partition = (this.next % 3) * 9_999;
      expect(this.table.add(partition, base + index)).toBe(this.next);
      this.model.set(this.next++, `${partition}:${base + index}`);
    }
  }

  take(first: number, last: number): void {
    const expected: string[] = [];
    for (let tag = first; tag <= last; tag++) {
      const delivery = this.model.get(tag);
      if (delivery !== undefined) expected.push(delivery);
      this.model.delete(tag);
    }
    expect(this.table.count(first, last)).toBe(expected.length);
    const taken: string[] = [];
    this.table.take(first, last, (partition, offset) => taken.push(`${partition}:${offset}`));
    expect(taken).toEqual(expected);
  }

  check(): void {
    expect([this.table.size, this.table.next]).toEqual([this.model.size, this.next]);
    expect(this.table.count(0, this.next)).toBe(this.model.size);
    if (this.model.size === 0) expect(this.table.capacity).toBeLessThanOrEqual(16);
  }

  perform(step: Step): void {
    if (step.kind === 'add') this.add(step.count, step.base);
    else if (step.every === 1) this.take(step.first, step.first + step.length);
    else for (let at = 0; at <= step.length; at += step.every) this.take(step.first + at, step.first + at);
    this.check();
  }

  takeAll(): void {
    this.take(0, this.next);
    this.check();
  }
}

describe('TagTable', () => {
  it.each([
    [40, 300],
    [1_500, 20],
  ])('behaves as a map from tag to delivery, with up to %i at once', (size, numRuns) => {
    fc.assert(
      fc.property(steps(size), (all) => {
        const rig = new Rig();
        for (const step of all) rig.perform(step);
        rig.takeAll();
      }),
      { numRuns },
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
    expect(table.capacity).toBeLessThanOrEqual(32);
    expect(table.count(1, 1)).toBe(1);
  });

  it('reserves little more than what is unsettled when every second delivery is settled, and gives it back', () => {
    const table = new TagTable();
    for (let tag = 1; tag <= 100_000; tag++) table.add(0, tag);
    for (let tag = 1; tag < 100_000; tag += 2) table.take(tag, tag, () => {});
    expect(table.size).toBe(50_000);
    expect(table.capacity).toBeLessThanOrEqual(50_000 + 4 * TAG_BLOCK_SLOTS);
    table.take(1, 100_000, () => {});
    expect([table.size, table.capacity]).toEqual([0, 16]);
  });

  it('passes a window of deliveries along in bounded room', () => {
    const table = new TagTable();
    const offsets: number[] = [];
    for (let tag = 1; tag <= 50_000; tag++) {
      table.add(1, tag * 10);
      if (tag > 1_023) table.take(tag - 1_023, tag - 1_023, (_partition, offset) => offsets.push(offset));
    }
    expect(offsets).toEqual(Array.from({ length: 50_000 - 1_023 }, (_, index) => (index + 1) * 10));
    expect(table.capacity).toBeLessThanOrEqual(3 * TAG_BLOCK_SLOTS);
  });

  it('knows partitions by the thousand', () => {
    const table = new TagTable();
    const seen: number[] = [];
    for (let round = 0; round < 3; round++) {
      for (let partition = 0; partition < 10_000; partition++) table.add(partition, round * 2 ** 32 + partition);
      table.take(1, table.next, (partition, offset) => seen.push(offset - partition));
    }
    expect(seen).toEqual(Array.from({ length: 30_000 }, (_, index) => Math.floor(index / 10_000) * 2 ** 32));
  });
});

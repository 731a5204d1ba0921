import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { freePartitionRow, PARTITION_VALUE, type PartitionRow, PartitionTable } from './partition-table.js';

const offset = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1));
const word = fc.integer({ min: 0, max: 2 ** 31 - 2 });
const row: fc.Arbitrary<PartitionRow> = fc.record({
  logId: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  logStart: offset,
  logEnd: offset,
  durableEnd: offset,
  highWatermark: offset,
  lastStableOffset: offset,
  readyCount: offset,
  leaderEpoch: word,
  segmentListVersion: word,
  ownerShard: fc.nat(63),
});

describe('partition table', () => {
  it('reads back what was written last, whole and value by value', () => {
    const table = PartitionTable.create(1024);
    const expected = new Map<number, PartitionRow>();
    fc.assert(
      fc.property(fc.nat(1023), row, (slot, written) => {
        table.write(slot, written);
        expected.set(slot, written);
        for (const [slotSeen, last] of expected) expect(table.read(slotSeen, freePartitionRow())).toEqual(last);
        for (const [name, place] of Object.entries(PARTITION_VALUE)) {
          expect(table.value(slot, place)).toBe(written[name as keyof typeof PARTITION_VALUE]);
        }
      }),
    );
  });

  it('shows fresh slots as free, and slots that were freed', () => {
    const table = PartitionTable.create(1024);
    expect(table.read(7, freePartitionRow())).toEqual(freePartitionRow());
    expect(table.value(7, PARTITION_VALUE.logId)).toBe(-1);
    table.write(7, { ...freePartitionRow(), logId: 5, logEnd: 100, ownerShard: 0 });
    table.write(7, freePartitionRow());
    expect(table.read(7, freePartitionRow())).toEqual(freePartitionRow());
  });

  it('keeps the interest of every shard apart', () => {
    const table = PartitionTable.create(1024);
    for (const shard of [0, 31, 32, 63]) table.setInterest(3, shard, true);
    table.setInterest(3, 31, false);
    expect([table.interestBits(3, 0), table.interestBits(3, 1)]).toEqual([1, 1 | (1 << 31)]);
    expect(table.interestBits(4, 0)).toBe(0);
  });

  it('refuses slots outside', () => {
    expect(() => PartitionTable.create(1024).read(1024, freePartitionRow())).toThrow('outside');
  });
});

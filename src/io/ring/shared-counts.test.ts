import { expect, test } from 'vitest';
import { createSharedCounts, SharedCounts } from './shared-counts.js';

test('two views of one memory count the same names together, and others apart', () => {
  const buffer = createSharedCounts(1024);
  const [left, right] = [new SharedCounts(buffer), new SharedCounts(buffer)];
  for (let count = 0; count < 500; count++) {
    const name = `user ${count}`;
    expect(left.add(left.slotOf(name), count)).toBe(0);
    expect(right.slotOf(name)).toBe(left.slotOf(name));
  }
  for (let count = 0; count < 500; count++) expect(right.get(right.slotOf(`user ${count}`))).toBe(count);
  expect(right.add(right.slotOf('user 7'), -7)).toBe(7);
  expect(left.get(left.slotOf('user 7'))).toBe(0);
});

test('names beyond the room share one counter, and disturb nobody', () => {
  const counts = new SharedCounts(createSharedCounts(64));
  const slots = Array.from({ length: 200 }, (_, index) => counts.slotOf(String(index)));
  expect(new Set(slots.slice(0, 32)).size).toBe(32);
  expect(slots.slice(100).every((slot) => slot === 63)).toBe(true);
  expect(slots.slice(0, 32)).not.toContain(63);
});

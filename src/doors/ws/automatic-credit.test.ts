import { describe, expect, it } from 'vitest';
import { AutomaticCredit } from './automatic-credit.js';
import { FIRST_CREDIT_SLICE, MAX_CREDIT_SLICE, sessionLimits } from './limits.js';

const MIB = 1024 * 1024;
const ROOM = sessionLimits().backlogMarkBytes;

/** Uses up slices of messages of one size, as a client does that reads at once. Returns the slices. */
function slices(credit: AutomaticCredit, bytes: number, messages: number): number[] {
  const taken: number[] = [];
  for (let used = 0; used < messages; used++) {
    credit.used(bytes);
    const slice = credit.take(0);
    if (slice > 0) taken.push(slice);
  }
  return taken;
}

describe('the credit of an automatically acknowledging consumer', () => {
  it('begins with one message, or one of each partition, and never with more than the client gave', () => {
    expect(new AutomaticCredit(100, ROOM).begin(1)).toBe(1);
    expect(new AutomaticCredit(100, ROOM).begin(4)).toBe(4);
    expect(new AutomaticCredit(100, ROOM).begin(1000)).toBe(FIRST_CREDIT_SLICE);
    expect(new AutomaticCredit(2, ROOM).begin(4)).toBe(2);
    expect(new AutomaticCredit(0, ROOM).begin(4)).toBe(0);
  });

  it('grows as long as messages are small', () => {
    const credit = new AutomaticCredit(1_000_000, ROOM);
    expect(credit.begin(1)).toBe(1);
    const grown = slices(credit, 100, 5000);
    expect(grown.length).toBeLessThan(40);
    expect(Math.max(...grown)).toBeGreaterThanOrEqual(MAX_CREDIT_SLICE / 2);
    expect(credit.total).toBe(1_000_000 - 5000);
  });

  it('goes one by one when messages are large, and soon after one of many small ones was', () => {
    const large = new AutomaticCredit(100, ROOM);
    large.begin(1);
    expect(slices(large, MIB, 20)).toEqual(Array(20).fill(1));
    const mixed = new AutomaticCredit(10_000, ROOM);
    mixed.begin(1);
    slices(mixed, 100, 2000);
    mixed.used(MIB);
    expect(mixed.take(0)).toBe(0);
    expect(Math.max(...slices(mixed, MIB, 1200))).toBe(1);
  });

  it('waits with a backlog that leaves no room for another of the largest', () => {
    const credit = new AutomaticCredit(100, ROOM);
    credit.begin(1);
    credit.used(200_000);
    expect(credit.take(ROOM - 199_999)).toBe(0);
    expect(credit.take(ROOM - 200_000)).toBe(1);
  });
});

import { describe, expect, it } from 'vitest';
import { MAX_REMEMBERED_IDS } from './limits.js';
import { MessageIds } from './message-ids.js';

describe('message ids', () => {
  it('are duplicates for as long as the window is, counted from the first', () => {
    const ids = new MessageIds();
    expect([0, 50, 99, 100].map((nowMs) => ids.isDuplicate('a', nowMs, 100))).toEqual([false, true, true, false]);
    expect(ids.isDuplicate('b', 100, 100)).toBe(false);
    expect(ids.size).toBe(2);
  });

  it('are known again after a restart, from a snapshot and what was journaled since', () => {
    const ids = new MessageIds();
    ids.isDuplicate('a', 1_700_000_000_123, 1000);
    const early = ids.takeChange()!;
    const snapshot = ids.snapshot();
    ids.isDuplicate('b', 1_700_000_000_456, 1000);
    ids.isDuplicate('never stored', 1_700_000_000_456, 1000);
    ids.withdraw('never stored');
    const late = ids.takeChange()!;
    expect(ids.takeChange()).toBeUndefined();
    const again = new MessageIds();
    again.restore(snapshot);
    // A change that the snapshot has already does nothing.
    for (const change of [early, late]) again.apply(change);
    expect(again.size).toBe(2);
    expect(again.isDuplicate('a', 1_700_000_001_122, 1000)).toBe(true);
    expect(again.isDuplicate('a', 1_700_000_001_123, 1000)).toBe(false);
    expect(again.isDuplicate('b', 1_700_000_001_123, 1000)).toBe(true);
    expect(again.isDuplicate('never stored', 1_700_000_001_123, 1000)).toBe(false);
  });

  it('are no more than there is room for', () => {
    const ids = new MessageIds();
    for (let index = 0; index <= MAX_REMEMBERED_IDS; index++) ids.isDuplicate(`${index}`, 0, 1000);
    expect(ids.size).toBeGreaterThan(MAX_REMEMBERED_IDS - 1000);
    expect(ids.size).toBeLessThanOrEqual(MAX_REMEMBERED_IDS);
  });

  it('are refused where the bytes are of another version, or cut', () => {
    expect(() => new MessageIds().apply(Uint8Array.of(9))).toThrow('version 9');
    expect(() => new MessageIds().apply(Uint8Array.of(1, 2, 3))).toThrow('3 bytes');
  });
});

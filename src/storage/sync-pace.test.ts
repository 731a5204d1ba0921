import { describe, expect, test } from 'vitest';
import { HOLD_OFF_MAX_MS, HOLD_OFF_MIN_MS, SYNC_STALL_MS } from './limits.js';
import { SyncPace } from './sync-pace.js';

function quickPace(): SyncPace {
  const pace = new SyncPace(0.5);
  for (let index = 0; index < 200; index++) pace.observe(0.2);
  return pace;
}

/** How long after a stall at `nowMs` the shard waits for syncs again. */
function holdOffAfter(pace: SyncPace, nowMs: number): number {
  pace.waited(SYNC_STALL_MS, nowMs);
  for (let index = 0; index < 200; index++) pace.observe(0.2);
  let after = 0;
  while (!pace.isQuick(nowMs + after)) after += HOLD_OFF_MIN_MS / 10;
  return after;
}

describe('SyncPace', () => {
  test('waits for no sync before it has seen that they are quick', () => {
    const pace = new SyncPace(0.5);
    expect(pace.isQuick(0)).toBe(false);
    pace.observe(0.2);
    expect(pace.isQuick(0)).toBe(false);
    for (let index = 0; index < 200; index++) pace.observe(0.2);
    expect(pace.isQuick(0)).toBe(true);
  });

  test('stops when they become slow, without any stall, and begins again', () => {
    const pace = quickPace();
    for (let index = 0; index < 100; index++) pace.waited(1, index);
    expect(pace.isQuick(1000)).toBe(false);
    for (let index = 0; index < 200; index++) pace.observe(0.1);
    expect(pace.isQuick(1000)).toBe(true);
  });

  test('one long stall does not count for more than one', () => {
    const pace = quickPace();
    pace.observe(60_000);
    for (let index = 0; index < 100; index++) pace.observe(0.2);
    expect(pace.isQuick(0)).toBe(true);
  });

  test('holds off after a stall, longer each time that they come soon after each other', () => {
    const pace = quickPace();
    const first = holdOffAfter(pace, 1_000_000);
    const second = holdOffAfter(pace, 1_000_000 + first + 1);
    expect(first).toBeCloseTo(HOLD_OFF_MIN_MS);
    expect(second).toBeCloseTo(2 * HOLD_OFF_MIN_MS);
    let nowMs = 1_000_000 + first + second + 2;
    for (let index = 0; index < 10; index++) nowMs += holdOffAfter(pace, nowMs) + 1;
    expect(holdOffAfter(pace, nowMs)).toBeCloseTo(HOLD_OFF_MAX_MS);
    expect(holdOffAfter(pace, nowMs + 3 * HOLD_OFF_MAX_MS)).toBeCloseTo(HOLD_OFF_MIN_MS);
  });

  test('0 = never', () => {
    const pace = new SyncPace(0);
    for (let index = 0; index < 1000; index++) pace.observe(0);
    expect(pace.isQuick(0)).toBe(false);
  });
});

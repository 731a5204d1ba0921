import { describe, expect, it } from 'vitest';
import { PublishWindow } from './publish-window.js';

describe('PublishWindow', () => {
  it('uses slots again, and a token of an earlier use finds nobody', () => {
    const window = new PublishWindow(4, 1000);
    const tokens = new Set<number>();
    for (let round = 0; round < 100; round++) {
      const pending = window.open(round, 10);
      const { token } = pending;
      expect(tokens.has(token)).toBe(false);
      tokens.add(token);
      expect(window.find(token)).toBe(pending);
      window.close(pending);
      for (const old of tokens) expect(window.find(old)).toBeUndefined();
    }
    expect([window.inFlight, window.inFlightBytes]).toEqual([0, 0]);
  });

  it('keeps several apart in whatever order they end', () => {
    const window = new PublishWindow(3, 1000);
    const first = window.open(1, 400);
    const second = window.open(2, 400);
    expect(window.hasRoomFor(201)).toBe(false);
    expect(window.hasRoomFor(200)).toBe(true);
    window.close(first);
    const third = window.open(3, 100);
    expect(window.find(second.token)?.id).toBe(2);
    expect(window.find(third.token)?.id).toBe(3);
    window.close(second);
    window.close(third);
    expect(window.hasRoomFor(5000)).toBe(true);
  });
});

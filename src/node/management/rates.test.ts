import { describe, expect, it } from 'vitest';
import { Latest } from './latest.js';
import { Rates } from './rates.js';

describe('rates', () => {
  it('are changes per second between two rounds, and 0 where there is nothing to compare', () => {
    const rates = new Rates();
    const round = (nowMs: number, values: Readonly<Record<string, readonly number[]>>) => {
      rates.begin(nowMs);
      for (const [key, counters] of Object.entries(values)) rates.take(key, counters);
      rates.end();
    };
    round(1_000, { a: [10, 100] });
    expect(rates.of('a')(0)).toBe(0);
    round(6_000, { a: [60, 90], b: [5] });
    expect([rates.of('a')(0), rates.of('a')(1), rates.of('b')(0), rates.of('c')(0)]).toEqual([10, -2, 0, 0]);
    round(8_000, { b: [6] });
    expect([rates.of('a')(0), rates.of('b')(0)]).toEqual([0, 0.5]);
  });
});

describe('what is collected', () => {
  function collector(tookMs: number) {
    let nowMs = 0;
    let count = 0;
    const finish: (() => void)[] = [];
    const latest = new Latest(
      () => {
        const value = ++count;
        return new Promise<number>((resolve) => {
          finish.push(() => {
            nowMs += tookMs;
            resolve(value);
          });
        });
      },
      () => nowMs,
    );
    return { latest, finish, later: (ms: number) => (nowMs += ms) };
  }

  it('is never older than the question; questions that wait share one collection', async () => {
    const { latest, finish } = collector(1);
    const first = latest.get();
    const [second, third] = [latest.get(), latest.get()];
    finish.shift()?.();
    expect(await first).toBe(1);
    await Promise.resolve();
    finish.shift()?.();
    expect([await second, await third]).toEqual([2, 2]);
  });

  it('is used for a while where collecting takes long', async () => {
    const { latest, finish, later } = collector(100);
    const first = latest.get();
    finish.shift()?.();
    await first;
    expect(await latest.get()).toBe(1);
    later(1_001);
    const next = latest.get();
    finish.shift()?.();
    expect(await next).toBe(2);
  });
});

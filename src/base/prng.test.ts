import { describe, expect, it } from 'vitest';
import { Prng } from './prng.js';

describe('Prng', () => {
  it('repeats itself for a seed, and differs for neighbouring and for large seeds', () => {
    const draw = (seed: number) => new Prng(seed).bytes(16).join();
    expect(draw(7)).toBe(draw(7));
    expect(new Set([0, 1, 2, 2 ** 32, 2 ** 32 + 1, 2 ** 52].map(draw)).size).toBe(6);
  });

  it('keeps its sequence from release to release, so that a failing seed replays', () => {
    const prng = new Prng(42);
    expect([prng.nextU32(), prng.nextU32(), prng.nextU32()]).toEqual([660444221, 3652823732, 77672526]);
  });

  it('fills its ranges evenly', () => {
    const prng = new Prng(1);
    const counts = new Array<number>(10).fill(0);
    for (let draw = 0; draw < 100_000; draw++) counts[prng.between(0, 9)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    for (let draw = 0; draw < 1000; draw++) expect(prng.nextFloat()).toBeLessThan(1);
    let heads = 0;
    for (let draw = 0; draw < 10_000; draw++) if (prng.chance(0.2)) heads++;
    expect(Math.abs(heads - 2000)).toBeLessThan(200);
  });

  it('shuffles without losing anything, and forks into streams of their own', () => {
    const prng = new Prng(3);
    const shuffled = prng.shuffle([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(shuffled).not.toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...shuffled].sort()).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(prng.fork().nextU32()).not.toBe(prng.fork().nextU32());
    expect([1, 2]).toContain(prng.pick([1, 2]));
  });
});

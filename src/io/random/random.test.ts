import { describe, expect, it } from 'vitest';
import type { Random } from '../ports.js';
import { RealRandom } from './real-random.js';
import { SeededRandom } from './seeded-random.js';

describe('random numbers', () => {
  for (const [name, random] of [
    ['real', new RealRandom()],
    ['seeded', new SeededRandom(1)],
  ] as [string, Random][]) {
    it(`are of the size asked for and spread: ${name}`, () => {
      expect(random.bytes(0).length).toBe(0);
      expect(random.bytes(33).length).toBe(33);
      const drawn = Array.from({ length: 5000 }, () => random.uint32());
      expect(new Set(drawn).size).toBeGreaterThan(4990);
      expect(drawn.every((value) => Number.isInteger(value) && value >= 0 && value < 2 ** 32)).toBe(true);
      expect(drawn.filter((value) => value >= 2 ** 31).length).toBeGreaterThan(2200);
    });
  }

  it('repeat by the seed', () => {
    const draw = (seed: number): Uint8Array => new SeededRandom(seed).bytes(20);
    expect(draw(5)).toEqual(draw(5));
    expect(draw(5)).not.toEqual(draw(6));
  });
});

import { BugError } from './assert.js';

const TWO_TO_32 = 0x1_0000_0000;

/**
 * A seeded random number generator (xoshiro128**, Blackman and Vigna 2018), for simulation, tests and jitter: the same seed gives the
 * same run everywhere. Never for secrets.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** Spreads the low 53 bits of `seed` over the state with splitmix32, so that neighbouring seeds have nothing in common. */
  constructor(seed: number) {
    let state = (seed ^ Math.imul(Math.floor(seed / TWO_TO_32), 0x85ebca6b)) | 0;
    const next = (): number => {
      state = (state + 0x9e3779b9) | 0;
      let word = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
      word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
      return word ^ (word >>> 15);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next();
  }

  /** A 32-bit unsigned integer. */
  nextU32(): number {
    const scrambled = Math.imul(this.b, 5);
    const result = Math.imul((scrambled << 7) | (scrambled >>> 25), 9);
    const shifted = this.b << 9;
    this.c ^= this.a;
    this.d ^= this.b;
    this.b ^= this.c;
    this.a ^= this.d;
    this.c ^= shifted;
    this.d = (this.d << 11) | (this.d >>> 21);
    return result >>> 0;
  }

  /** A number from 0 up to but without 1, with 53 random bits. */
  nextFloat(): number {
    return ((this.nextU32() >>> 5) * 0x400_0000 + (this.nextU32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** An integer from 0 up to but without `bound`. */
  below(bound: number): number {
    if (!(bound >= 1 && Number.isSafeInteger(bound))) throw new BugError(`Cannot draw below ${bound}`);
    return Math.floor(this.nextFloat() * bound);
  }

  /** An integer from `min` to `max`, both included. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1);
  }

  /** True with the given probability, from 0 to 1. */
  chance(probability: number): boolean {
    return this.nextFloat() < probability;
  }

  /** One of `items`, which is not empty. */
  pick<T>(items: readonly T[]): T {
    // The index is below the length, so there is an item, which may itself be undefined if T allows it.
    return items[this.below(items.length)] as T;
  }

  /** Puts `items` into random order in place (Fisher-Yates) and returns them. */
  shuffle<T>(items: T[]): T[] {
    for (let last = items.length - 1; last > 0; last--) {
      const other = this.below(last + 1);
      // Both indexes are below the length.
      const held = items[last] as T;
      items[last] = items[other] as T;
      items[other] = held;
    }
    return items;
  }

  /** `count` random bytes. */
  bytes(count: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(count);
    for (let at = 0; at < count; at++) bytes[at] = this.nextU32() >>> 24;
    return bytes;
  }

  /** A generator of its own stream, so that one part of a simulation may draw more without changing what others see. */
  fork(): Prng {
    return new Prng(this.nextU32() * 0x20_0000 + (this.nextU32() >>> 11));
  }
}

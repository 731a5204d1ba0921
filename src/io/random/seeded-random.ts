import { Prng } from '../../base/prng.js';
import type { Random } from '../ports.js';

/** Random numbers that a seed repeats, for simulation. Never for secrets. */
export class SeededRandom implements Random {
  private readonly prng: Prng;

  constructor(seed: number) {
    this.prng = new Prng(seed);
  }

  bytes(length: number): Uint8Array {
    return this.prng.bytes(length);
  }

  uint32(): number {
    return this.prng.nextU32();
  }
}

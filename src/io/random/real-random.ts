import { randomBytes } from 'node:crypto';
import type { Random } from '../ports.js';

/** How many random bytes are drawn at once for `uint32`, which would otherwise cost a system call each. */
const POOL_BYTES = 4096;

/** The operating system's generator: fit for tokens, passwords and ids that must not meet. */
export class RealRandom implements Random {
  private pool: Buffer = Buffer.alloc(0);
  private taken = 0;

  bytes(length: number): Uint8Array {
    // Not a view of Node's shared pool: `randomBytes` gives a buffer of its own.
    return randomBytes(length);
  }

  uint32(): number {
    if (this.taken + 4 > this.pool.length) {
      this.pool = randomBytes(POOL_BYTES);
      this.taken = 0;
    }
    const value = this.pool.readUInt32LE(this.taken);
    this.taken += 4;
    return value;
  }
}

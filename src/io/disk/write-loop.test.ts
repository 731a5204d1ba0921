import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { errorOf, pattern } from './fixtures/disk-contract.js';
import { errnoError } from './simulated-faults.js';
import { type RawWriter, writeFully, writevFully } from './write-loop.js';

/** A file in memory whose system calls take as many bytes as `taken` says, one entry per call; -1 fails. */
class ShortWriter implements RawWriter {
  readonly path = '/file';
  readonly content = new Uint8Array(20_000);
  private readonly taken: number[];

  constructor(taken: readonly number[]) {
    this.taken = [...taken];
  }

  writeSome(bytes: Uint8Array, offset: number, length: number, position: number): number {
    const taken = this.taken.shift() ?? length;
    if (taken < 0) throw errnoError('EIO');
    const count = Math.min(taken, length);
    this.content.set(bytes.subarray(offset, offset + count), position);
    return count;
  }

  writevSome(chunks: readonly Uint8Array[], position: number): number {
    expect(chunks.length).toBeLessThanOrEqual(1024);
    const joined = Buffer.concat(chunks);
    return this.writeSome(joined, 0, joined.length, position);
  }
}

describe('the write loop', () => {
  const taken = fc.array(fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(0, -1)), { maxLength: 12 });

  it('writes everything or tells exactly how much is in the file', () => {
    const lengths = fc.array(fc.nat(30), { maxLength: 20 });
    fc.assert(
      fc.property(lengths, taken, fc.nat(50), fc.boolean(), (chunkLengths, calls, position, isVectored) => {
        const raw = new ShortWriter(calls);
        const total = chunkLengths.reduce((sum, length) => sum + length, 0);
        let from = 0;
        const chunks = chunkLengths.map((length) => {
          const chunk = pattern(length, from + 1);
          from += length;
          return chunk;
        });
        const whole = pattern(total, 1);
        const error = errorOf(() =>
          isVectored ? writevFully(raw, chunks, position) : writeFully(raw, whole, position),
        );
        const written = error?.bytesWritten ?? total;
        const expected = new Uint8Array(20_000);
        expected.set(whole.subarray(0, written), position);
        expect(Buffer.from(raw.content).equals(expected)).toBe(true);
        if (error !== undefined) expect(['io', 'no-space']).toContain(error.code);
      }),
      { numRuns: 5000 },
    );
  });

  it('never hands over more chunks than one system call takes, and survives a short write in any group', () => {
    const chunks = Array.from({ length: 3000 }, (_, index) => pattern(3, index * 3));
    for (const calls of [[], [3 * 1024, 5], [1, 2, 3], [3 * 1024, 3 * 1024 - 1]]) {
      const raw = new ShortWriter(calls);
      writevFully(raw, chunks, 0);
      expect(Buffer.from(raw.content.subarray(0, 9000)).equals(pattern(9000))).toBe(true);
    }
  });
});

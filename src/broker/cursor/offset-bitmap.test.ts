import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CHUNK_OFFSETS } from './limits.js';
import { OffsetBitmap } from './offset-bitmap.js';

const CHUNKS = 3;
/** Offsets near the borders of words and chunks, and above 2^32. */
const BASE = 2 ** 33 - CHUNK_OFFSETS;
const LIMIT = BASE + CHUNKS * CHUNK_OFFSETS;
const offset = fc
  .tuple(fc.nat(CHUNKS - 1), fc.oneof(fc.nat(100), fc.integer({ min: CHUNK_OFFSETS - 70, max: CHUNK_OFFSETS - 1 })))
  .map(([chunk, low]) => BASE + chunk * CHUNK_OFFSETS + low);
const step = fc.record({ op: fc.constantFrom('add', 'delete', 'addRange', 'deleteRange'), from: offset, to: offset });

function model(flags: Uint8Array, from: number, wanted: number): number {
  for (let at = from - BASE; at < flags.length; at++) if (flags[at] === wanted) return BASE + at;
  return -1;
}

describe('OffsetBitmap', () => {
  it('agrees with an array of flags', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 25 }),
        fc.array(offset, { minLength: 3, maxLength: 6 }),
        (steps, probes) => {
          const bitmap = new OffsetBitmap();
          const flags = new Uint8Array(CHUNKS * CHUNK_OFFSETS);
          let size = 0;
          for (const { op, from, to } of steps) {
            const adds = op.startsWith('add');
            const end = op.endsWith('Range') ? to : from + 1;
            let changed = 0;
            for (let at = from; at < end; at++) {
              if (flags[at - BASE] === (adds ? 1 : 0)) continue;
              flags[at - BASE] = adds ? 1 : 0;
              changed++;
            }
            size += adds ? changed : -changed;
            if (op === 'add' || op === 'delete') expect(bitmap[op](from)).toBe(changed === 1);
            else if (op === 'addRange') expect(bitmap.addRange(from, to)).toBe(changed);
            else expect(bitmap.deleteRange(from, to)).toBe(changed);
            expect(bitmap.size).toBe(size);
            expect(bitmap.first()).toBe(model(flags, BASE, 1));
          }
          for (const probe of probes) {
            expect(bitmap.has(probe)).toBe(flags[probe - BASE] === 1);
            expect(bitmap.nextSet(probe)).toBe(model(flags, probe, 1));
            const clear = model(flags, probe, 0);
            expect(bitmap.nextClear(probe)).toBe(clear === -1 ? LIMIT : clear);
            const low = Math.min(probe, probes[0]!);
            const high = Math.max(probe, probes[0]!);
            const expected = flags.subarray(low - BASE, high - BASE).reduce((sum, flag) => sum + flag, 0);
            expect(bitmap.countRange(low, high)).toBe(expected);
            let visited = 0;
            bitmap.forEachRange(low, high, (start, end) => {
              visited += end - start;
            });
            expect(visited).toBe(expected);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('holds a full chunk without words and gives words back when it is empty', () => {
    const bitmap = new OffsetBitmap();
    bitmap.addRange(0, CHUNK_OFFSETS);
    expect([bitmap.fullChunks, bitmap.wordBytes]).toEqual([1, 0]);
    bitmap.delete(7);
    expect([bitmap.fullChunks, bitmap.wordBytes, bitmap.has(7), bitmap.has(8)]).toEqual([0, 8192, false, true]);
    bitmap.add(7);
    expect([bitmap.fullChunks, bitmap.wordBytes]).toEqual([1, 0]);
    bitmap.deleteRange(0, CHUNK_OFFSETS);
    expect([bitmap.size, bitmap.wordBytes, bitmap.first()]).toEqual([0, 0, -1]);
  });

  it('adds whole words and counts runs', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(5), fc.integer()), { maxLength: 8 }), (words) => {
        const bitmap = new OffsetBitmap();
        const expected = new OffsetBitmap();
        for (const [word, bits] of words) {
          bitmap.addWord(BASE + word * 32, bits);
          for (let bit = 0; bit < 32; bit++) if ((bits & (1 << bit)) !== 0) expected.add(BASE + word * 32 + bit);
        }
        let runs = 0;
        expected.forEachRange(BASE, BASE + CHUNK_OFFSETS, () => runs++);
        expect([bitmap.size, bitmap.runsInChunk(BASE / CHUNK_OFFSETS)]).toEqual([expected.size, runs]);
        for (let at = BASE; at < BASE + 200; at++) expect(bitmap.has(at)).toBe(expected.has(at));
        expect(bitmap.first()).toBe(expected.first());
      }),
    );
  });

  it('hands out zeroed words again', () => {
    const first = new OffsetBitmap();
    first.addRange(10, 5000);
    first.reset();
    const second = new OffsetBitmap();
    second.add(3);
    expect([second.size, second.nextSet(4), second.nextClear(3)]).toEqual([1, -1, 4]);
  });
});

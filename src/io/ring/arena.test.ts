import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ARENA_FULL, ArenaOwner, ArenaReader } from './arena.js';
import { arenaBufferBytes } from './budget.js';
import { ARENA_GRANULE_BYTES } from './layout.js';

const GRANULES = 24;

function arena(granules = GRANULES): { owner: ArenaOwner; reader: ArenaReader } {
  const buffer = new SharedArrayBuffer(arenaBufferBytes(granules));
  return { owner: new ArenaOwner(buffer, granules), reader: new ArenaReader(buffer, granules) };
}

/** First fit by looking at every granule. */
function firstFit(taken: readonly boolean[], needed: number): number {
  for (let start = 0; start + needed <= taken.length; start++) {
    if (!taken.slice(start, start + needed).includes(true)) return start;
  }
  return ARENA_FULL;
}

describe('arena', () => {
  it('allocates as a map of granules does, keeps bodies apart and joins what is freed', () => {
    const step = fc.oneof(
      fc.record({ op: fc.constant('allocate' as const), granules: fc.integer({ min: 1, max: 10 }) }),
      fc.record({ op: fc.constant('release' as const), which: fc.nat(20) }),
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 10, maxLength: 150 }), (steps) => {
        const { owner, reader } = arena();
        const taken: boolean[] = Array(GRANULES).fill(false);
        const extents: { start: number; granules: number; mark: number }[] = [];
        steps.forEach((current, index) => {
          if (current.op === 'allocate') {
            const length = current.granules * ARENA_GRANULE_BYTES - (index % 100);
            const expected = firstFit(taken, current.granules);
            const start = owner.allocate(length, 0);
            expect(start).toBe(expected);
            if (start === ARENA_FULL) return;
            owner.bytes(start, length).fill(index);
            taken.fill(true, start, start + current.granules);
            extents.push({ start, granules: current.granules, mark: index & 0xff });
          } else if (extents.length > 0) {
            const [extent] = extents.splice(current.which % extents.length, 1);
            const bytes = reader.bytes(extent!.start, extent!.granules * ARENA_GRANULE_BYTES - 100);
            expect(bytes.every((byte) => byte === extent!.mark)).toBe(true);
            reader.release(extent!.start);
            taken.fill(false, extent!.start, extent!.start + extent!.granules);
          }
          expect(owner.hasReleases()).toBe(current.op === 'release' && owner.collect());
          expect(owner.usedBytes).toBe(taken.filter(Boolean).length * ARENA_GRANULE_BYTES);
          expect(runsOf(owner)).toEqual(freeRuns(taken));
        });
      }),
      { numRuns: 200 },
    );
  });

  function runsOf(owner: ArenaOwner): string {
    return owner
      .freeRuns()
      .map(([start, length]) => '.'.repeat(length).padStart(length, '.') + start)
      .join(' ');
  }

  function freeRuns(taken: readonly boolean[]): string {
    const map = taken.map((isTaken) => (isTaken ? 'x' : '.')).join('');
    return [...map.matchAll(/\.+/g)].map((run) => run[0] + run.index).join(' ');
  }

  it('drains for a requester that was refused, so that small bodies do not starve a large one', () => {
    const { owner, reader } = arena(4);
    const first = owner.allocate(2 * ARENA_GRANULE_BYTES, 1);
    const second = owner.allocate(2 * ARENA_GRANULE_BYTES, 1);
    expect(owner.allocate(4 * ARENA_GRANULE_BYTES, 2)).toBe(ARENA_FULL);
    reader.release(first);
    expect(owner.allocate(1, 1)).toBe(ARENA_FULL);
    reader.release(second);
    const before = owner.version;
    expect(owner.allocate(4 * ARENA_GRANULE_BYTES, 2)).toBe(0);
    expect(owner.version).toBeGreaterThan(before);
  });

  it('lets others in when the one whose turn it is gives up', () => {
    const { owner } = arena(2);
    owner.allocate(ARENA_GRANULE_BYTES, 1);
    expect(owner.allocate(2 * ARENA_GRANULE_BYTES, 2)).toBe(ARENA_FULL);
    expect(owner.allocate(1, 1)).toBe(ARENA_FULL);
    owner.giveUp(2);
    expect(owner.allocate(1, 1)).toBe(1);
  });

  it('takes a second release of the same extent for the bug that it is', () => {
    const { owner, reader } = arena();
    const start = owner.allocate(10, 0);
    reader.release(start);
    expect(() => reader.release(start)).toThrow('twice');
  });

  it('refuses bodies larger than the whole arena and extents outside it', () => {
    const { owner } = arena(2);
    expect(() => owner.allocate(2 * ARENA_GRANULE_BYTES + 1, 0)).toThrow('exceeds');
    expect(() => owner.bytes(1, ARENA_GRANULE_BYTES + 1)).toThrow('outside');
  });
});

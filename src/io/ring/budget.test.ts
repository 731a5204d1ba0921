import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { minimumMeshBytes, planMeshBudget } from './budget.js';
import { ARENA_GRANULE_BYTES, messageFrameBytes } from './layout.js';
import { MAX_INLINE_BYTES, MAX_SHARDS, MIN_LANE_BYTES } from './limits.js';
import { createMeshLayout } from './mesh-layout.js';

const MIB = 1024 * 1024;

function bytesOf(buffers: readonly (SharedArrayBuffer | null)[]): number {
  return buffers.reduce((sum, buffer) => sum + (buffer?.byteLength ?? 0), 0);
}

describe('mesh budget', () => {
  it('divides what it is given and no more, for any number of shards', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: MAX_SHARDS }),
        fc.integer({ min: 1, max: 64 * MIB }),
        fc.integer({ min: 0, max: 1024 * MIB }),
        (shards, maxBodyBytes, extraBytes) => {
          const totalBytes = minimumMeshBytes(shards, maxBodyBytes) + extraBytes;
          const budget = planMeshBudget(shards, totalBytes, maxBodyBytes);
          expect(budget.totalBytes).toBeLessThanOrEqual(totalBytes);
          expect(budget.laneBytes).toBeGreaterThanOrEqual(MIN_LANE_BYTES);
          expect(messageFrameBytes(budget.inlineLimit)).toBeLessThanOrEqual(budget.laneBytes / 4);
          expect(budget.arenaGranules * ARENA_GRANULE_BYTES).toBeGreaterThanOrEqual(maxBodyBytes);
        },
      ),
    );
  });

  it('counts exactly what is then laid out', () => {
    const budget = planMeshBudget(3, 96 * MIB, 16 * MIB);
    const layout = createMeshLayout(budget, 1024);
    expect(bytesOf(layout.pairs.flat()) + bytesOf(layout.arenas)).toBe(budget.totalBytes);
  });

  it('carries 256 KiB in the ring when there is memory enough, and a quarter of the lane when there is not', () => {
    expect(planMeshBudget(2, 128 * MIB, 16 * MIB).inlineLimit).toBe(MAX_INLINE_BYTES);
    const smallest = planMeshBudget(2, minimumMeshBytes(2, 16 * MIB), 16 * MIB);
    expect(smallest).toMatchObject({ laneBytes: MIN_LANE_BYTES, inlineLimit: MIN_LANE_BYTES / 4 - 24 });
  });

  it('needs nothing for one shard', () => {
    expect(planMeshBudget(1, 0, 16 * MIB)).toMatchObject({ arenaGranules: 0, totalBytes: 0 });
  });

  it('names the minimum when the budget is too small, and the maximum of shards', () => {
    const least = minimumMeshBytes(4, MIB);
    expect(() => planMeshBudget(4, least - 1, MIB)).toThrow(
      expect.objectContaining({ code: 'budget-too-small', message: expect.stringContaining(String(least)) }),
    );
    expect(() => planMeshBudget(MAX_SHARDS + 1, 1e12, MIB)).toThrow(
      expect.objectContaining({ code: 'too-many-shards' }),
    );
  });
});

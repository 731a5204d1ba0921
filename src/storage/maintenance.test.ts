import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { DiskError } from '../io/disk/disk-error.js';
import { type CompletionScheduler, completeSoon, HeldCompletions } from '../io/disk/simulated-completions.js';
import { type Harness, simulatedHarness } from './fixtures/harness.js';
import { LogReader } from './log-reader.js';
import { inlinePool } from './maintenance.js';

async function filled(
  count: number,
  segmentBytes = 2000,
  change: Partial<Harness['config']> = {},
  scheduler?: CompletionScheduler,
): Promise<Harness> {
  const harness = simulatedHarness(scheduler === undefined ? {} : { scheduler });
  harness.config = { ...harness.config, segmentBytes, ...change };
  await harness.start([]);
  harness.create(1);
  for (let index = 0; index < count; index++) {
    harness.append(1, [`${index}-${'x'.repeat(80)}`], {}, index);
    harness.clock.advance(1);
  }
  await harness.commit();
  return harness;
}

async function maintain(harness: Harness): Promise<void> {
  await harness.settle(harness.storage.maintain(inlinePool(harness.disk)));
}

function offsets(harness: Harness): number[] {
  return harness.readAll(1).map(({ offset }) => offset);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

describe('retention', () => {
  it('removes whole segments that are too old, and survives a restart', async () => {
    const harness = await filled(100, 2000, { retentionMs: 50 });
    await maintain(harness);
    const { logStart, segments } = harness.log(1);
    expect(logStart).toBeGreaterThan(20);
    expect(logStart).toBeLessThanOrEqual(50);
    expect(segments[0]!.baseOffset).toBe(logStart);
    expect(offsets(harness)).toEqual(range(logStart, 100));
    expect(harness.disk.list('/data/logs/1').filter((name) => name.endsWith('.log'))).toHaveLength(segments.length);
    harness.disk.crash(new Prng(3));
    await harness.start();
    expect(harness.log(1).logStart).toBe(logStart);
    expect(offsets(harness)).toEqual(range(logStart, 100));
    harness.clock.advance(1000);
    await maintain(harness);
    expect(offsets(harness)).toEqual([]);
    expect(harness.log(1).sizeBytes).toBe(0);
  });

  it('keeps at most so many bytes', async () => {
    const harness = await filled(100, 2000, { retentionBytes: 5000 });
    await maintain(harness);
    expect(harness.log(1).sizeBytes).toBeLessThan(7000);
    expect(harness.log(1).sizeBytes).toBeGreaterThanOrEqual(5000);
  });

  it('never takes what a cursor still needs', async () => {
    const harness = await filled(100, 2000, { retentionMs: 0, retentionBytes: 0 });
    harness.companion(1).retained = 40;
    await maintain(harness);
    expect(harness.log(1).logStart).toBeLessThanOrEqual(40);
    expect(offsets(harness)).toContain(40);
  });

  it('lets readers go on with the files that they have open', async () => {
    const harness = await filled(100, 2000, { retentionMs: 50 });
    const reader = new LogReader({ disk: harness.disk, directory: '/data' });
    const { visibleEnd, segmentListVersion } = harness.log(1);
    const first = reader.read(1, 0, 1, visibleEnd, segmentListVersion);
    await maintain(harness);
    expect(reader.read(1, first.nextOffset, 1, visibleEnd, segmentListVersion).nextOffset).toBe(2);
    expect(harness.log(1).segmentListVersion).toBeGreaterThan(segmentListVersion);
    expect(reader.read(1, 0, 1, visibleEnd, harness.log(1).segmentListVersion).nextOffset).toBe(
      harness.log(1).logStart + 1,
    );
  });

  it('purges to any offset, durably with the next commit', async () => {
    const harness = await filled(30);
    harness.log(1).purgeTo(17);
    await harness.commit();
    expect(offsets(harness)).toEqual(range(17, 30));
    expect(harness.log(1).recordsAbove(17)).toBe(13);
    harness.disk.crash(new Prng(1));
    await harness.start();
    expect(harness.log(1).logStart).toBe(17);
    harness.log(1).purgeTo(1000);
    await maintain(harness);
    expect(harness.log(1)).toMatchObject({ sizeBytes: 0, recordCount: 0 });
  });
});

describe('the cleaner', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'keeps exactly what is not acknowledged, through crashes at any moment (seed %i)',
    async (seed) => {
      const prng = new Prng(seed);
      const harness = await filled(200, 2000, { lingerMs: 10 });
      let companion = harness.companion(1);
      companion.retained = 0;
      const acknowledged = new Set<number>();
      for (let round = 0; round < 6; round++) {
        for (const offset of range(0, 200)) if (prng.chance(0.3)) acknowledged.add(offset);
        if (round === 3) for (const offset of range(60, 120)) acknowledged.add(offset);
        for (const offset of acknowledged) companion.acknowledged.add(offset);
        harness.clock.advance(100);
        let operations = prng.below(60);
        const running = harness.storage.maintain(inlinePool(harness.disk));
        if (prng.chance(0.5)) {
          // The power fails in the middle.
          harness.disk.beforeOperation = (operation, path) => {
            if (operations-- <= 0) throw new DiskError('io', operation, path, 'the power failed');
          };
          await harness.settle(running).catch(() => {});
          harness.disk.beforeOperation = undefined;
          harness.disk.crash(prng);
          await harness.start();
          companion = harness.companion(1);
          companion.retained = 0;
        } else await harness.settle(running);
        const left = offsets(harness);
        const needed = range(0, 200).filter((offset) => !acknowledged.has(offset));
        expect(left.filter((offset) => !acknowledged.has(offset))).toEqual(needed);
        expect(harness.log(1).corruption).toBeUndefined();
        expect(harness.log(1).recordCount).toBe(left.length);
        expect(harness.log(1).recordsAbove(100)).toBe(left.filter((offset) => offset >= 100).length);
      }
      for (const offset of acknowledged) companion.acknowledged.add(offset);
      for (let round = 0; round < 3; round++) {
        harness.clock.advance(100);
        await maintain(harness);
      }
      const last = harness.log(1).segments.at(-1)!.baseOffset;
      const garbage = offsets(harness).filter((offset) => acknowledged.has(offset) && offset < last).length;
      expect(garbage).toBeLessThan(100);
      await harness.settle(harness.storage.close());
      const before = offsets(harness);
      await harness.start();
      expect(offsets(harness)).toEqual(before);
    },
  );

  it('is waited for by a stop: power loss after a clean one does not bring back what was rewritten', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      let isSwapped = false;
      const held = new HeldCompletions(['sync-directory']);
      const harness = await filled(60, 2000, { lingerMs: 10 }, (complete, operation, path) => {
        const isHeld = isSwapped && path.endsWith('/logs/1');
        (isHeld ? held.schedule : completeSoon)(complete, operation, path);
      });
      harness.companion(1).retained = 0;
      for (const offset of range(0, 60)) if (offset % 3 !== 0) harness.companion(1).acknowledged.add(offset);
      harness.clock.advance(100);
      harness.disk.beforeOperation = (operation, path) => {
        isSwapped ||= operation === 'rename' && path.endsWith('.cleaned');
      };
      const maintaining = harness.storage.maintain(inlinePool(harness.disk));
      await harness.clock.settle();
      expect(held.paths()).toHaveLength(1);
      const closing = harness.storage.close();
      await harness.clock.settle();
      harness.disk.beforeOperation = undefined;
      if (seed % 2 === 0) {
        held.releaseAll();
        isSwapped = false;
        await harness.settle(Promise.all([maintaining, closing]));
      }
      harness.disk.crash(new Prng(seed));
      isSwapped = false;
      await harness.start();
      expect(harness.report.warnings).toEqual([]);
      expect(offsets(harness).filter((offset) => offset % 3 === 0)).toEqual(range(0, 20).map((index) => index * 3));
      expect(harness.log(1).recordCount).toBe(offsets(harness).length);
      expect(harness.report.wasClean).toBe(seed % 2 === 0);
    }
  });

  it('removes segments that a queue is done with after the linger, and not before', async () => {
    const harness = await filled(100, 2000, { lingerMs: 500 });
    const companion = harness.companion(1);
    companion.retained = 60;
    for (const offset of range(0, 60)) companion.acknowledged.add(offset);
    await maintain(harness);
    harness.clock.advance(400);
    await maintain(harness);
    expect(offsets(harness)).toEqual(range(0, 100));
    harness.clock.advance(200);
    await maintain(harness);
    expect(harness.log(1).logStart).toBeGreaterThan(40);
    expect(offsets(harness)).toContain(60);
  });
});

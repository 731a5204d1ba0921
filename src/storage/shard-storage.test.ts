import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { completeSoon } from '../io/disk/simulated-completions.js';
import { crashAndStart, simulatedHarness } from './fixtures/harness.js';

describe('ShardStorage', () => {
  it('reads what was appended, before and after a clean restart, which replays and scans nothing', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(7);
    expect(harness.append(7, ['a', 'b'])).toBe(0);
    expect(harness.append(7, ['c'])).toBe(2);
    expect(await harness.commit()).toBeUndefined();
    expect(harness.log(7).durableEnd).toBe(3);
    expect(harness.readAll(7).map(({ value }) => value)).toEqual(['a', 'b', 'c']);
    await harness.settle(harness.storage.close());

    await harness.start();
    expect(harness.report).toMatchObject({ wasClean: true, replayedRecords: 0, logs: [] });
    expect(harness.readAll(7).map(({ value }) => value)).toEqual(['a', 'b', 'c']);
    expect(harness.log(7).leaderEpoch).toBe(0);
    expect(harness.append(7, ['d'])).toBe(3);
    await harness.commit();
    expect(harness.readAll(7).map(({ value }) => value)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('goes on at the recovered end with a new epoch when the process was killed', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    harness.append(1, ['a']);
    await harness.commit();
    harness.append(1, ['b']);
    harness.storage.flush();
    harness.disk.killProcess();
    await harness.start();
    expect(harness.report.wasPowerLost).toBe(false);
    expect(harness.log(1)).toMatchObject({ nextOffset: 2, leaderEpoch: 1 });
    expect(harness.readAll(1).map(({ value }) => value)).toEqual(['a', 'b']);
  });

  it('keeps a checkpoint that a killed process had put in place without its last sync, also when the power fails next', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      let isStuck = false;
      const harness = simulatedHarness({
        scheduler: (complete, operation, path) => {
          if (!isStuck || operation !== 'sync-directory' || !path.endsWith('/logs/1'))
            completeSoon(complete, operation, path);
        },
      });
      await harness.start([]);
      harness.create(1);
      harness.append(1, ['a']);
      await harness.settle(harness.storage.close());
      await harness.start();
      harness.companion(1).record(harness.log(1), 0, 'settled');
      await harness.commit();
      isStuck = true;
      void harness.storage.checkpoint(harness.log(1));
      await harness.clock.settle();
      expect(harness.disk.exists('/data/logs/1/checkpoint.tmp')).toBe(false);
      harness.disk.killProcess();
      isStuck = false;
      await harness.start();
      harness.disk.crash(new Prng(seed));
      await harness.start();
      expect(harness.companion(1).changes).toEqual([{ offset: 0, text: 'settled' }]);
    }
  });

  it('goes on above the lease with a new epoch when the power failed', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    harness.append(1, ['a']);
    await harness.commit();
    await crashAndStart(harness, new Prng(1));
    expect(harness.report.wasPowerLost).toBe(true);
    expect(harness.log(1)).toMatchObject({ nextOffset: 64, leaderEpoch: 1 });
    expect(harness.append(1, ['b'])).toBe(64);
    await harness.commit();
    expect(harness.readAll(1)).toEqual([
      { offset: 0, value: 'a' },
      { offset: 64, value: 'b' },
    ]);
  });

  it('shows no part of a batch when the lease ends within it', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    await harness.commit();
    harness.append(
      1,
      Array.from({ length: 60 }, (_, index) => `${index}`),
    );
    harness.storage.flush();
    // The first lease ends at offset 64; the longer one is not durable yet.
    harness.append(1, ['60', '61', '62', '63', '64', '65']);
    harness.storage.flush();
    expect(harness.log(1)).toMatchObject({ logEnd: 66, visibleEnd: 60 });
    await harness.commit();
    expect(harness.log(1).visibleEnd).toBe(66);
  });
});

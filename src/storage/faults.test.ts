import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import type { StorageError } from './errors.js';
import { type Harness, simulatedHarness } from './fixtures/harness.js';

async function logs(count: number): Promise<Harness> {
  const harness = simulatedHarness();
  await harness.start([]);
  for (let logId = 0; logId < count; logId++) harness.create(logId);
  await harness.commit();
  return harness;
}

function values(harness: Harness, logId = 0): string[] {
  return harness.readAll(logId).map(({ value }) => value);
}

describe('a full disk', () => {
  it.each([0, 1, 60, 100, 511])(
    'takes back the turn of which %i bytes were written, and goes on when there is room',
    async (shortBytes) => {
      const harness = await logs(1);
      const log = harness.log(0);
      harness.append(0, ['kept'], { producerId: 5, producerEpoch: 0, baseSequence: 0 });
      await harness.commit();
      harness.disk.inject({ operation: 'write', path: /\.log$/, effect: { shortBytes } });
      harness.disk.inject({ operation: 'write', path: /\.log$/, nth: 2, times: 1, effect: { errno: 'ENOSPC' } });
      const failures: (StorageError | undefined)[] = [];
      expect(harness.append(0, ['lost'.repeat(80)], { producerId: 5, producerEpoch: 0, baseSequence: 1 })).toBe(1);
      harness.storage.afterCommit((error) => failures.push(error), log);
      expect(harness.append(0, ['also lost'.repeat(40)])).toBe(2);
      harness.storage.flush();
      expect(harness.failedAppends).toEqual([{ logId: 0, from: 1, to: 3 }]);
      expect(failures.map((error) => error?.code)).toEqual(['no-space']);
      expect(log).toMatchObject({ nextOffset: 1, logEnd: 1, visibleEnd: 1, offline: undefined });
      expect(values(harness)).toEqual(['kept']);
      harness.disk.clearFaults();
      // The producer sends again; its sequence was taken back too.
      expect(harness.append(0, ['again'], { producerId: 5, producerEpoch: 0, baseSequence: 1 })).toBe(1);
      expect(log.lastAppendWasDuplicate).toBe(false);
      expect(await harness.commit(log)).toBeUndefined();
      expect(values(harness)).toEqual(['kept', 'again']);
      harness.disk.killProcess();
      await harness.start();
      expect(values(harness)).toEqual(['kept', 'again']);
      expect(harness.log(0).corruption).toBeUndefined();
    },
  );

  it('throws from append when a large batch or a new segment does not fit', async () => {
    const harness = await logs(1);
    harness.append(0, ['small']);
    await harness.commit();
    harness.disk.inject({ operation: 'write', path: /\.log$/, effect: { errno: 'ENOSPC' } });
    expect(() => harness.append(0, ['x'.repeat(3000)])).toThrow(expect.objectContaining({ code: 'no-space' }));
    harness.disk.inject({ operation: 'open', path: /\.log$/, times: 9, effect: { errno: 'EMFILE' } });
    harness.config = { ...harness.config, segmentBytes: 100 };
    harness.log(0).config = harness.config;
    expect(() => harness.append(0, ['next segment'])).toThrow(expect.objectContaining({ code: 'no-space' }));
    harness.disk.clearFaults();
    expect(harness.append(0, ['now'])).toBe(1);
    await harness.commit();
    expect(values(harness)).toEqual(['small', 'now']);
    expect(harness.log(0).segments).toHaveLength(2);
  });

  it('refuses to start without room for the journal', async () => {
    const harness = simulatedHarness({ capacityBytes: 32 * 1024 });
    await expect(harness.start([])).rejects.toMatchObject({ code: 'no-space' });
  });
});

describe('a failed sync', () => {
  it.each([1, 2, 3])('of a segment takes that log offline at sync %i, and never tries again', async (nth) => {
    const harness = await logs(2);
    harness.disk.inject({ operation: 'sync', path: /logs\/0\/.*\.log$/, nth, effect: { errno: 'EIO' } });
    for (let round = 1; round < nth; round++) {
      harness.append(0, [`round ${round}`]);
      expect(await harness.commit(harness.log(0))).toBeUndefined();
    }
    harness.append(0, ['doomed']);
    harness.append(1, ['fine']);
    const ofOther = new Promise((resolve) => harness.storage.afterCommit(resolve, harness.log(1)));
    const ofAll = new Promise((resolve) => harness.storage.afterCommit(resolve));
    expect(await harness.commit(harness.log(0))).toMatchObject({ code: 'log-offline' });
    expect(await ofOther).toBeUndefined();
    expect(await ofAll).toMatchObject({ code: 'log-offline' });
    expect(harness.log(0).durableEnd).toBe(nth - 1);
    expect(() => harness.append(0, ['no'])).toThrow(expect.objectContaining({ code: 'log-offline' }));
    const { syncs } = harness.disk.statistics;
    await harness.commit();
    await harness.clock.advanceAsync(5000);
    expect(harness.disk.statistics.syncs - syncs).toBeLessThanOrEqual(1);
    // The other log serves on.
    harness.append(1, ['still']);
    expect(await harness.commit(harness.log(1))).toBeUndefined();
    expect(harness.fatal).toEqual([]);
  });

  it('leaves the journal to the other logs, and loses nothing of what only the journal holds', async () => {
    const harness = await logs(12);
    for (let logId = 0; logId < 12; logId++) harness.append(logId, ['in the journal']);
    expect(await harness.commit()).toBeUndefined();
    expect(harness.log(0).segments[0]!.syncedBytes).toBe(0);
    harness.disk.inject({
      operation: 'sync',
      path: /logs\/0\//,
      times: Number.POSITIVE_INFINITY,
      effect: { errno: 'EIO' },
    });
    for (let round = 0; round < 100; round++) {
      for (let logId = 1; logId < 12; logId++) harness.append(logId, ['z'.repeat(1000)]);
      expect(await harness.commit(harness.log(1))).toBeUndefined();
    }
    expect(harness.log(0).offline?.code).toBe('log-offline');
    expect(harness.fatal).toEqual([]);
    harness.disk.clearFaults();
    harness.disk.crash(new Prng(7));
    await harness.start();
    expect(harness.report.warnings).toEqual([]);
    expect(values(harness)).toEqual(['in the journal']);
    for (let logId = 1; logId < 12; logId++) expect(values(harness, logId)).toHaveLength(101);
  });

  it('of the journal stops the shard', async () => {
    const harness = await logs(1);
    harness.disk.inject({ operation: 'sync', path: /\.journal$/, effect: { errno: 'EIO' } });
    harness.companion(0).record(harness.log(0), 0, 'change');
    expect(await harness.commit()).toMatchObject({ code: 'shard-offline' });
    expect(harness.fatal).toHaveLength(1);
    expect(harness.storage.accepting).toBe(false);
    expect(() => harness.append(0, ['no'])).toThrow(expect.objectContaining({ code: 'shard-offline' }));
    expect(await harness.commit()).toMatchObject({ code: 'shard-offline' });
    await harness.settle(harness.storage.close());
  });

  it('of a write with EIO takes the log offline', async () => {
    const harness = await logs(1);
    harness.disk.inject({ operation: 'write', path: /\.log$/, effect: { errno: 'EIO' } });
    harness.append(0, ['lost']);
    expect(await harness.commit(harness.log(0))).toMatchObject({ code: 'log-offline' });
    expect(harness.log(0)).toMatchObject({ logEnd: 0, visibleEnd: 0 });
    expect(harness.failedAppends).toEqual([{ logId: 0, from: 0, to: 1 }]);
  });
});

describe('the cost of a commit', () => {
  it('is one sync for a thousand dirty logs, as for one', async () => {
    const harness = simulatedHarness();
    harness.limits = { ...harness.limits, journalAreaBytes: 4 * 1024 * 1024, unsyncedSegments: 2000 };
    await harness.start([]);
    for (let logId = 0; logId < 1000; logId++) harness.create(logId);
    await harness.commit();
    const cost = async (count: number): Promise<number> => {
      for (let logId = 0; logId < count; logId++) harness.append(logId, ['message']);
      const before = harness.disk.statistics.syncs;
      expect(await harness.commit()).toBeUndefined();
      return harness.disk.statistics.syncs - before;
    };
    await cost(1);
    expect(await cost(1)).toBe(1);
    expect(await cost(1000)).toBe(1);
    expect(await cost(1000)).toBe(1);
    for (let logId = 0; logId < 1000; logId++) expect(harness.log(logId).durableEnd).toBe(harness.log(logId).logEnd);
  });

  it('waits for a free area when the journal is full, and corrupts nothing', async () => {
    const harness = await logs(12);
    const expected: string[][] = Array.from({ length: 12 }, () => []);
    for (let round = 0; round < 60; round++) {
      for (let logId = 0; logId < 12; logId++) {
        const value = `${round}-${'z'.repeat(1500)}`;
        harness.append(logId, [value]);
        expected[logId]!.push(value);
        harness.companion(logId).record(harness.log(logId), 0, 'w'.repeat(700));
      }
      expect(await harness.commit()).toBeUndefined();
    }
    expect(harness.storage.journal.lastSequence).toBeGreaterThan(500);
    for (let logId = 0; logId < 12; logId++) expect(values(harness, logId)).toEqual(expected[logId]);
    harness.disk.killProcess();
    await harness.start();
    expect(harness.report.warnings).toEqual([]);
    for (let logId = 0; logId < 12; logId++) {
      expect(values(harness, logId)).toEqual(expected[logId]);
      expect(harness.companion(logId).changes).toHaveLength(60);
    }
  });
});

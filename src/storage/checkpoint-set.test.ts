import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { SeededRandom } from '../io/random/seeded-random.js';
import { type Harness, simulatedHarness, TEST_LIMITS } from './fixtures/harness.js';
import { checkpointPath, checkpointSetPath } from './paths.js';
import { ShardStorage } from './shard-storage.js';

const LOGS = 40;

async function manyLogs(): Promise<Harness> {
  const harness = simulatedHarness();
  await harness.start([]);
  for (let log = 1; log <= LOGS; log++) harness.create(log);
  for (let log = 1; log <= LOGS; log++) {
    harness.append(log, [`one-${log}`, `two-${log}`]);
    harness.companion(log).record(harness.log(log), 0, `change-${log}`);
  }
  expect(await harness.commit()).toBeUndefined();
  return harness;
}

function expectAll(harness: Harness, extra: readonly string[] = []): void {
  expect(harness.report.warnings).toEqual([]);
  for (let log = 1; log <= LOGS; log++) {
    expect(harness.readAll(log).map(({ value }) => value)).toEqual([`one-${log}`, `two-${log}`, ...extra]);
    expect(harness.companion(log).changes.map(({ text }) => text)).toEqual([`change-${log}`]);
  }
}

function setPath(journalId: number, kind: 'start' | 'stop'): string {
  return checkpointSetPath('/data', journalId, kind);
}

/** Syncs that `work` needs, of files and of folders. */
async function syncsOf(harness: Harness, work: () => Promise<unknown>): Promise<number> {
  const { statistics } = harness.disk;
  const before = statistics.syncs + statistics.directorySyncs;
  await work();
  return statistics.syncs + statistics.directorySyncs - before;
}

/** The life of a shard that has no logs. */
async function closeWithoutLogs(harness: Harness, journalId: number): Promise<void> {
  const { clock, disk } = harness;
  const shard = ShardStorage.open({
    disk,
    clock,
    timers: clock,
    random: new SeededRandom(journalId),
    directory: '/data',
    journalId,
    table: { publish: () => {} },
    limits: TEST_LIMITS,
    onFatal: (error) => {
      throw error;
    },
  });
  await harness.settle(shard.close());
}

describe('checkpoints of many logs in one file', () => {
  it('make a stop and the starts after it, and after a kill, a few syncs, whatever the number of logs', async () => {
    const harness = await manyLogs();
    expect(await syncsOf(harness, () => harness.settle(harness.storage.close()))).toBeLessThan(12);
    harness.disk.killProcess();
    expect(await syncsOf(harness, () => harness.start())).toBeLessThan(12);
    expect(harness.report.wasClean).toBe(true);
    expectAll(harness);
    harness.disk.killProcess();
    expect(await syncsOf(harness, () => harness.start())).toBeLessThan(12);
    expect(harness.report.wasClean).toBe(false);
    expectAll(harness);
  });

  it.each([
    ['after a stop', true],
    ['after a start', false],
  ])('bring back what no file of a log was ever synced for, when the power fails %s', async (_name, isStopped) => {
    for (let seed = 1; seed <= 20; seed++) {
      const harness = await manyLogs();
      if (isStopped) await harness.settle(harness.storage.close());
      else {
        harness.disk.killProcess();
        await harness.start();
      }
      for (let life = 0; life < 3; life++) {
        harness.disk.crash(new Prng(seed * 10 + life));
        await harness.start();
        expectAll(harness);
      }
    }
  });

  it('give way to the checkpoint that a log has written since, and that to the set of the stop', async () => {
    const harness = await manyLogs();
    await harness.settle(harness.storage.close());
    await harness.start();
    const journalId = harness.storage.journal.journalId;
    harness.append(1, ['three']);
    await harness.commit();
    await harness.settle(harness.storage.checkpoint(harness.log(1)));
    expect(harness.disk.exists(checkpointPath('/data/logs/1'))).toBe(true);
    harness.disk.killProcess();
    await harness.start();
    expect(harness.readAll(1).map(({ value }) => value)).toEqual(['one-1', 'two-1', 'three']);
    // The sets of the start before have gone with its journal.
    expect(harness.disk.exists(setPath(journalId, 'start'))).toBe(false);
    harness.append(1, ['four']);
    await harness.commit();
    await harness.settle(harness.storage.close());
    await harness.start();
    expect(harness.readAll(1).map(({ value }) => value)).toEqual(['one-1', 'two-1', 'three', 'four']);
    expect(harness.report.warnings).toEqual([]);
  });

  it('are kept for another start when that one dies before its own are written', async () => {
    const harness = await manyLogs();
    await harness.settle(harness.storage.close());
    for (let at = 1; at < 60; at++) {
      let left = at;
      harness.disk.beforeOperation = () => {
        if (--left === 0) throw new Error('died');
      };
      await harness.start().catch(() => {});
      harness.disk.beforeOperation = undefined;
      harness.disk.crash(new Prng(at));
      await harness.start();
      expectAll(harness);
      await harness.settle(harness.storage.close());
    }
  });

  it.each(['magic', 'header', 'entry', 'end'])(
    'that are damaged are reported, and the messages found: %s',
    async (where) => {
      const harness = await manyLogs();
      harness.disk.killProcess();
      await harness.start();
      const path = setPath(harness.storage.journal.journalId, 'start');
      const bytes = harness.disk.readFile(path).slice();
      const at = { magic: 2, header: 20, entry: 40, end: bytes.length - 2 }[where] ?? 0;
      bytes[at] = bytes[at]! ^ 0x40;
      harness.disk.killProcess();
      harness.disk.writeFileAtomic(path, bytes);
      await harness.start();
      expect(harness.report.warnings.join()).toContain('are damaged');
      for (let log = 1; log <= LOGS; log++) expect(harness.readAll(log)).toHaveLength(2);
      // All but the last were read before the damage was met.
      expect(harness.companion(1).changes).toHaveLength(where === 'end' ? 1 : 0);
      expect(harness.log(LOGS).corruption?.code).toBe('corrupt');
    },
  );

  it.each([
    ['start', 'of another shard'],
    ['stop', 'of another shard'],
    ['stop', 'of a later start'],
  ] as const)(
    'that are damaged say nothing of what other sets hold, unless they are later: %s %s',
    async (kind, whose) => {
      const harness = await manyLogs();
      harness.startOf = (journalId) => Math.floor(journalId / 64);
      await harness.settle(harness.storage.close());
      const { journalId } = harness.storage.journal;
      expect(harness.startOf(journalId)).toBe(harness.startOf(journalId + 1));
      const damagedId = whose === 'of another shard' ? journalId + 1 : journalId + 64;
      await closeWithoutLogs(harness, damagedId);
      harness.disk.writeFileAtomic(setPath(damagedId, kind), new Uint8Array(10));
      await harness.start();
      const isBeyond = whose === 'of a later start';
      for (let log = 1; log <= LOGS; log++) {
        expect(harness.companion(log).changes).toHaveLength(isBeyond ? 0 : 1);
        expect(harness.log(log).corruption?.code).toBe(isBeyond ? 'corrupt' : undefined);
      }
    },
  );

  it('of a start do not stand in for a later one of the log that is damaged: segments that they name may be gone', async () => {
    const harness = simulatedHarness();
    harness.config = { ...harness.config, segmentBytes: 300, retentionMs: 50 };
    await harness.start([]);
    harness.create(1);
    for (let index = 0; index < 12; index++) harness.append(1, [`${index}-${'x'.repeat(80)}`], {}, index);
    await harness.commit();
    harness.disk.killProcess();
    await harness.start();
    expect(harness.disk.exists(setPath(harness.storage.journal.journalId, 'start'))).toBe(true);
    harness.clock.advance(1000);
    harness.append(1, ['last'], {}, harness.clock.nowMs());
    await harness.commit();
    await harness.settle(harness.storage.maintain());
    const kept = harness.readAll(1);
    expect(kept.length).toBeLessThan(12);
    const path = checkpointPath('/data/logs/1');
    const bytes = harness.disk.readFile(path).slice();
    bytes[20]! ^= 0x40;
    harness.disk.killProcess();
    harness.disk.writeFileAtomic(path, bytes);
    const segments = harness.disk.list('/data/logs/1').filter((name) => name.endsWith('.log'));
    await harness.start();
    expect(harness.report.warnings.join()).toContain('its crc does not match');
    expect(harness.disk.list('/data/logs/1').filter((name) => name.endsWith('.log'))).toEqual(segments);
    expect(harness.readAll(1)).toEqual(kept);
  });

  it('have ends of segments that are not synced when the file has become shorter', async () => {
    const harness = await manyLogs();
    harness.disk.killProcess();
    await harness.start();
    const log = harness.log(1);
    const segment = log.segments[0]!;
    expect(segment.unheldBytes).toBe(segment.sizeBytes);
    const file = harness.disk.open(segment.path('log'), 'write');
    file.truncate(segment.sizeBytes - 1);
    file.close();
    await expect(harness.settle(harness.storage.syncSegment(log, segment))).rejects.toThrow('is shorter than');
  });

  it('leave out logs with long unsynced ends', async () => {
    const harness = await manyLogs();
    const long = 'x'.repeat(3000);
    for (let count = 0; count < 8; count++) {
      // The commits of many logs go through the journal, which leaves the segments for later.
      for (let log = 3; log < 12; log++) harness.append(log, ['more']);
      harness.append(1, [long]);
      await harness.commit();
    }
    await harness.settle(harness.storage.close());
    expect(harness.disk.exists(checkpointPath('/data/logs/1'))).toBe(true);
    expect(harness.disk.exists(checkpointPath('/data/logs/2'))).toBe(false);
    harness.disk.crash(new Prng(1));
    await harness.start();
    expect(harness.readAll(1)).toHaveLength(10);
    expect(harness.readAll(2)).toHaveLength(2);
  });

  it.each(['write', 'sync', 'rename', 'sync-directory'] as const)(
    'that cannot be written give way to one of each log: %s fails',
    async (operation) => {
      const harness = await manyLogs();
      const path = operation === 'sync-directory' ? /journals$/ : /checkpoints/;
      harness.disk.inject({ operation, path, effect: { errno: 'EIO' } });
      await harness.settle(harness.storage.close());
      expect(harness.disk.exists(checkpointPath('/data/logs/2'))).toBe(true);
      harness.disk.crash(new Prng(1));
      await harness.start();
      expectAll(harness);
    },
  );
});

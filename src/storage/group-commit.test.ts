import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { type CompletionScheduler, completeSoon, HeldCompletions } from '../io/disk/simulated-completions.js';
import type { SimulatedDiskOptions } from '../io/disk/simulated-disk.js';
import { type Harness, simulatedHarness, TEST_LIMITS } from './fixtures/harness.js';
import { QUICK_SYNC_MAX_BYTES, type StorageLimits } from './limits.js';

const SMALL_BYTES = 1024;

/** A node with one log, whose small commits go through the journal; its first sync, which makes the folder durable, is over. */
async function oneLog(options: SimulatedDiskOptions = {}, limits: Partial<StorageLimits> = {}): Promise<Harness> {
  const harness = simulatedHarness(options);
  harness.limits = { ...TEST_LIMITS, smallCopyMaxBytes: SMALL_BYTES, ...limits };
  await harness.start([]);
  harness.create(0);
  await harness.commit();
  return harness;
}

const values = (harness: Harness): string[] => harness.readAll(0).map(({ value }) => value);

describe('a commit of one log', () => {
  it('does not sync a segment with few new bytes: the journal holds them, also after power loss', async () => {
    const harness = await oneLog();
    // Were the segment synced, its log would go offline by this.
    harness.disk.inject({ operation: 'sync', path: /\.log$/, times: 99, effect: { errno: 'EIO' } });
    for (const value of ['a', 'b', 'c']) {
      harness.append(0, [value]);
      expect(await harness.commit(harness.log(0))).toBeUndefined();
    }
    expect(harness.log(0)).toMatchObject({ durableEnd: 3, offline: undefined });
    for (let seed = 0; seed < 20; seed++) {
      harness.disk.clearFaults();
      harness.disk.crash(new Prng(seed));
      await harness.start();
      expect(harness.log(0).corruption).toBeUndefined();
      expect(values(harness)).toEqual(['a', 'b', 'c']);
    }
  });

  it('covers messages and cursor changes of the same turn by the same sync', async () => {
    const harness = await oneLog();
    harness.disk.inject({ operation: 'sync', path: /\.log$/, times: 99, effect: { errno: 'EIO' } });
    harness.append(0, ['a']);
    harness.companion(0).record(harness.log(0), 0, 'taken');
    expect(await harness.commit(harness.log(0))).toBeUndefined();
    harness.disk.clearFaults();
    harness.disk.crash(new Prng(1));
    await harness.start();
    expect(values(harness)).toEqual(['a']);
    expect(harness.companion(0).changes).toEqual([{ offset: 0, text: 'taken' }]);
  });

  it('comes by itself for cursor changes that nobody waits for, though nothing is appended', async () => {
    const harness = await oneLog();
    harness.append(0, ['a']);
    await harness.commit();
    const { idleCommitMs } = harness.storage.limits;
    await harness.clock.advanceAsync(3 * idleCommitMs);
    harness.companion(0).record(harness.log(0), 0, 'taken');
    harness.storage.flush();
    await harness.clock.advanceAsync(idleCommitMs);
    for (let seed = 0; seed < 10; seed++) {
      harness.disk.crash(new Prng(seed));
      await harness.start();
      expect(harness.companion(0).changes).toEqual([{ offset: 0, text: 'taken' }]);
    }
  });

  it('does not come any more when its shard was closed, though something was recorded on the way', async () => {
    const harness = await oneLog();
    harness.append(0, ['a']);
    let isStopping = false;
    harness.disk.beforeOperation = (_operation, path) => {
      if (isStopping || !path.includes('.stop.checkpoints')) return;
      isStopping = true;
      harness.companion(0).record(harness.log(0), 0, 'late');
      harness.storage.flush();
    };
    await harness.settle(harness.storage.close());
    expect(isStopping).toBe(true);
    expect(harness.clock.pendingCount()).toBe(0);
    harness.storage.flush();
    await harness.clock.advanceAsync(10 * harness.storage.limits.idleCommitMs);
    expect(harness.fatal).toEqual([]);
  });

  it('mends a bit that was flipped in the segment from the journal', async () => {
    const harness = await oneLog();
    for (const value of ['a', 'b', 'c']) {
      harness.append(0, [value]);
      await harness.commit();
    }
    const path = harness.log(0).segments[0]!.path('log');
    const file = harness.disk.open(path, 'write');
    const byte = new Uint8Array(1);
    const middle = Math.floor(harness.log(0).sizeBytes / 2);
    file.read(byte, middle);
    byte[0]! ^= 4;
    file.write(byte, middle);
    file.close();
    harness.disk.killProcess();
    await harness.start();
    expect(values(harness)).toEqual(['a', 'b', 'c']);
  });

  it('syncs a segment with many new bytes', async () => {
    const harness = await oneLog();
    harness.disk.inject({ operation: 'sync', path: /\.log$/, effect: { errno: 'EIO' } });
    harness.append(0, ['x'.repeat(SMALL_BYTES)]);
    expect(await harness.commit(harness.log(0))).toMatchObject({ code: 'log-offline' });
  });
});

describe('a commit whose sync the shard waits for', () => {
  /** Syncs have been quick; from now on those of the pool are held. */
  async function quickLog(
    limits: Partial<StorageLimits> = {},
  ): Promise<{ harness: Harness; held: HeldCompletions; hold: () => void }> {
    const held = new HeldCompletions();
    let isHeld = false;
    const scheduler: CompletionScheduler = (...completion) =>
      isHeld ? held.schedule(...completion) : completeSoon(...completion);
    const harness = await oneLog({ scheduler }, limits);
    for (let index = 0; index < 100; index++) {
      harness.append(0, ['x']);
      expect(await harness.commit()).toBeUndefined();
    }
    return {
      harness,
      held,
      hold: () => {
        isHeld = true;
      },
    };
  }

  function appended(harness: Harness, value: string): () => unknown {
    let outcome: unknown = 'open';
    harness.append(0, [value]);
    harness.storage.afterCommit((error) => {
      outcome = error?.code ?? 'durable';
    }, harness.log(0));
    harness.storage.flush();
    return () => outcome;
  }

  it('needs no thread of the pool', async () => {
    const { harness, hold } = await quickLog();
    hold();
    const outcome = appended(harness, 'small');
    await harness.clock.settle();
    expect(outcome()).toBe('durable');
    const large = appended(harness, 'x'.repeat(SMALL_BYTES));
    await harness.clock.settle();
    expect(large()).toBe('durable');
  });

  it('needs one when the journal holds the new bytes of many segments', async () => {
    const { harness, held, hold } = await quickLog({ journalAreaBytes: 1024 * 1024, journalCopyMaxBytes: 32 * 1024 });
    const others = [1, 2, 3, 4, 5, 6];
    for (const log of others) harness.create(log);
    expect(await harness.commit()).toBeUndefined();
    for (const log of others) harness.append(log, ['x'.repeat(100)]);
    expect(await harness.commit()).toBeUndefined();
    hold();
    for (const log of others) harness.append(log, ['x'.repeat(QUICK_SYNC_MAX_BYTES / 5)]);
    const outcome = appended(harness, 'small');
    await harness.clock.settle();
    expect([outcome(), held.paths()]).toEqual(['open', [expect.stringMatching(/\.journal$/)]]);
    held.releaseAll();
    await harness.clock.settle();
    expect(outcome()).toBe('durable');
    for (const log of others) harness.append(log, ['x'.repeat(QUICK_SYNC_MAX_BYTES / 10)]);
    const next = appended(harness, 'small');
    await harness.clock.settle();
    expect(next()).toBe('durable');
  });

  it('does not overtake a sync of the journal that is under way, and has failed', async () => {
    const { harness, held, hold } = await quickLog();
    const { storage, disk } = harness;
    hold();
    disk.inject({ operation: 'sync', path: /\.journal$/, effect: { errno: 'EIO' } });
    storage.journal.sync().catch(() => {});
    const outcome = appended(harness, 'small');
    await harness.clock.settle();
    expect(outcome()).toBe('open');
    held.releaseAll();
    await harness.clock.settle();
    expect(outcome()).toBe('shard-offline');
  });

  it('does not overtake a sync of its segment that is under way, and has failed', async () => {
    const { harness, held, hold } = await quickLog();
    const log = harness.log(0);
    hold();
    harness.disk.inject({ operation: 'sync', path: /\.log$/, effect: { errno: 'EIO' } });
    void harness.storage.syncSegment(log, log.segments[0]!);
    const outcome = appended(harness, 'x'.repeat(SMALL_BYTES));
    await harness.clock.settle();
    expect(outcome()).toBe('open');
    held.releaseAll();
    await harness.clock.settle();
    expect(outcome()).toBe('log-offline');
  });
});

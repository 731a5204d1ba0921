import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { realClock, realTimers } from '../io/clock/real-clock.js';
import { RealDisk } from '../io/disk/real-disk.js';
import { RealRandom } from '../io/random/real-random.js';
import { batchOf, ListCompanion, recordsOf, TEST_CONFIG } from './fixtures/harness.js';
import { findJournals, removeJournals } from './journal/reader.js';
import { LogReader } from './log-reader.js';
import { inlinePool } from './maintenance.js';
import { ShardStorage } from './shard-storage.js';

const directories: string[] = [];

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true, force: true });
});

function dataDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'duolog-storage-'));
  directories.push(directory);
  return directory;
}

async function open(
  directory: string,
  logIds: readonly number[],
  companion = new ListCompanion(),
): Promise<ShardStorage> {
  const disk = new RealDisk();
  const old = findJournals(disk, directory);
  const storage = ShardStorage.open({
    disk,
    clock: realClock,
    timers: realTimers,
    random: new RealRandom(),
    directory,
    journalId: Math.max(0, ...old) + 1,
    table: { publish: () => {} },
    limits: { journalAreaBytes: 8 * 1024 * 1024 },
    onFatal: (error) => {
      throw error;
    },
  });
  storage.recover(
    logIds.map((logId) => ({ logId, slot: logId, config: { ...TEST_CONFIG, segmentBytes: 100_000 }, companion })),
    old,
  );
  if (await storage.checkpointRecovered()) removeJournals(disk, directory, old);
  return storage;
}

function committed(storage: ShardStorage): Promise<void> {
  storage.flush();
  return new Promise((resolve, reject) =>
    storage.afterCommit((error) => (error === undefined ? resolve() : reject(error))),
  );
}

function append(storage: ShardStorage, logId: number, value: string): number {
  const bytes = batchOf([value]);
  return storage.log(logId)!.append(bytes, 0, bytes.length, Date.now());
}

describe('storage on a real disk', () => {
  it('keeps many logs through a clean restart, and through one without a close', async () => {
    const directory = dataDirectory();
    const logIds = Array.from({ length: 20 }, (_, index) => index);
    let storage = await open(directory, []);
    for (const logId of logIds)
      storage.createLog({ logId, slot: logId, config: TEST_CONFIG, companion: new ListCompanion() });
    for (let round = 0; round < 50; round++) {
      for (const logId of logIds) append(storage, logId, `${logId}-${round}`);
      await committed(storage);
    }
    await storage.close();
    storage = await open(directory, logIds);
    for (const logId of logIds) expect(storage.log(logId)!.nextOffset).toBe(50);
    for (const logId of logIds) append(storage, logId, 'unsynced');
    storage.flush();
    // No close: the process is as good as killed, and its descriptors leak until the test ends.
    const next = await open(directory, logIds);
    const reader = new LogReader({ disk: new RealDisk(), directory });
    for (const logId of logIds) {
      const { visibleEnd, segmentListVersion } = next.log(logId)!;
      const { bytes } = reader.read(logId, 0, 1 << 20, visibleEnd, segmentListVersion);
      expect(recordsOf(bytes).map(({ value }) => value)).toEqual([
        ...Array.from({ length: 50 }, (_, round) => `${logId}-${round}`),
        'unsynced',
      ]);
    }
    reader.close();
    await next.close();
  });

  it('cleans a queue and reads on', async () => {
    const directory = dataDirectory();
    const companion = new ListCompanion();
    companion.retained = 0;
    const storage = await open(directory, [1], companion);
    for (let index = 0; index < 1000; index++) append(storage, 1, `${index}-${'x'.repeat(500)}`);
    await committed(storage);
    const before = storage.log(1)!.sizeBytes;
    for (let offset = 0; offset < 1000; offset++) if (offset % 10 !== 0) companion.acknowledged.add(offset);
    await storage.maintain(inlinePool(new RealDisk()));
    const log = storage.log(1)!;
    expect(log.sizeBytes).toBeLessThan(before / 3);
    const reader = new LogReader({ disk: new RealDisk(), directory });
    const seen: number[] = [];
    for (let offset = 0; offset < log.visibleEnd; ) {
      const read = reader.read(1, offset, 10_000, log.visibleEnd, log.segmentListVersion);
      for (const record of recordsOf(read.bytes)) seen.push(record.offset);
      offset = read.nextOffset;
    }
    for (let offset = 0; offset < 1000; offset += 10) expect(seen).toContain(offset);
    reader.close();
    await storage.close();
  });
});

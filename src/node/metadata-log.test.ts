import { describe, expect, test } from 'vitest';
import { Prng } from '../base/prng.js';
import type { MetadataChange } from '../broker/catalog.js';
import { DurabilityLevel, type TopicSettings } from '../broker/ports.js';
import { SimulatedDisk } from '../io/disk/simulated-disk.js';
import { MetadataLog, MetadataLogError } from './metadata-log.js';

const FOLDER = '/data/metadata';
const settings: TopicSettings = {
  kind: 'topic',
  durability: DurabilityLevel.disk,
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: 1 << 20,
  segmentMs: -1,
  lingerMs: 0,
};

function topic(number: number): MetadataChange {
  const partitions = [{ partition: 0, logId: number, slot: number - 1 }];
  return { kind: 'create-topic', topic: { name: `topic-${number}`, topicId: number, settings, partitions } };
}

function newDisk(): SimulatedDisk {
  return new SimulatedDisk({ directories: ['/data', FOLDER] });
}

function names(log: MetadataLog): string[] {
  return [...log.catalog.topics()].map(({ name }) => name);
}

async function fill(disk: SimulatedDisk, count: number): Promise<MetadataLog> {
  const log = MetadataLog.open(disk, FOLDER);
  for (let number = 1; number <= count; number++) await log.append(topic(number));
  return log;
}

function onlyLog(disk: SimulatedDisk): string {
  return `${FOLDER}/${disk.list(FOLDER).find((name) => name.endsWith('.log'))}`;
}

describe('metadata log', () => {
  test('a restart finds every change', async () => {
    const disk = newDisk();
    const log = await fill(disk, 3);
    expect(log.version).toBe(3);
    log.close();
    const again = MetadataLog.open(disk, FOLDER);
    expect(names(again)).toEqual(['topic-1', 'topic-2', 'topic-3']);
    expect(await again.append({ kind: 'delete-topic', topicId: 2 })).toBe(4);
    again.close();
    expect(names(MetadataLog.open(disk, FOLDER))).toEqual(['topic-1', 'topic-3']);
  });

  test('what was answered survives power loss, at whatever sector it strikes', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = newDisk();
      const log = await fill(disk, 3);
      // Under way when the power goes: it may be there or not.
      void log.append(topic(4)).catch(() => undefined);
      disk.crash(new Prng(seed));
      const found = names(MetadataLog.open(disk, FOLDER));
      expect(found.slice(0, 3)).toEqual(['topic-1', 'topic-2', 'topic-3']);
      expect(found.length).toBeLessThanOrEqual(4);
    }
  });

  test('a torn tail is cut at every byte', async () => {
    const disk = newDisk();
    (await fill(disk, 2)).close();
    const path = onlyLog(disk);
    const whole = disk.readFile(path);
    const second = whole.length / 2;
    for (let length = second; length < whole.length; length++) {
      disk.writeFileAtomic(path, whole.subarray(0, length));
      const log = MetadataLog.open(disk, FOLDER);
      expect(names(log)).toEqual(['topic-1']);
      log.close();
      expect(disk.readFile(path).length).toBe(second);
    }
  });

  test('a damaged record with whole ones behind it is no torn tail', async () => {
    const disk = newDisk();
    (await fill(disk, 3)).close();
    const path = onlyLog(disk);
    const bytes = disk.readFile(path);
    bytes[20]! ^= 1;
    disk.writeFileAtomic(path, bytes);
    expect(() => MetadataLog.open(disk, FOLDER)).toThrow(MetadataLogError);
  });

  test('after a failed sync nothing more is appended', async () => {
    const disk = newDisk();
    const log = await fill(disk, 1);
    disk.inject({ operation: 'sync', nth: 1, effect: { errno: 'EIO' } });
    await expect(log.append(topic(2))).rejects.toThrow(MetadataLogError);
    await expect(log.append(topic(3))).rejects.toThrow(/Cannot write the metadata log/);
    expect(names(log)).toEqual(['topic-1']);
  });

  test.each([0, 1, 7, 8, 20, 40])(
    'a full disk that took %i bytes of a record refuses it, and the next one works',
    async (shortBytes) => {
      const disk = newDisk();
      const log = await fill(disk, 1);
      const path = onlyLog(disk);
      const before = disk.readFile(path).length;
      disk.inject({ operation: 'write', path: /\.log$/, effect: { shortBytes } });
      disk.inject({ operation: 'write', path: /\.log$/, nth: 2, times: 1, effect: { errno: 'ENOSPC' } });
      await expect(log.append(topic(2))).rejects.toMatchObject({ code: 'no-space' });
      expect(disk.readFile(path).length).toBe(before);
      expect([log.version, names(log)]).toEqual([1, ['topic-1']]);
      disk.clearFaults();
      expect(await log.append(topic(3))).toBe(2);
      disk.crash(new Prng(shortBytes));
      expect(names(MetadataLog.open(disk, FOLDER))).toEqual(['topic-1', 'topic-3']);
    },
  );

  test('a rest that cannot be cut off for want of room is cut before the next record', async () => {
    const disk = newDisk();
    const log = await fill(disk, 1);
    const path = onlyLog(disk);
    const before = disk.readFile(path).length;
    disk.inject({ operation: 'write', path: /\.log$/, effect: { shortBytes: 40 } });
    disk.inject({ operation: 'write', path: /\.log$/, nth: 2, times: 1, effect: { errno: 'ENOSPC' } });
    disk.inject({ operation: 'truncate', path: /\.log$/, times: 2, effect: { errno: 'ENOSPC' } });
    await expect(log.append(topic(2))).rejects.toMatchObject({ code: 'no-space' });
    expect(disk.readFile(path).length).toBe(before + 40);
    await expect(log.append(topic(2))).rejects.toMatchObject({ code: 'no-space' });
    // Shorter than what is left of the record before.
    expect(await log.append({ kind: 'reserve-producer-ids', below: 5 })).toBe(2);
    expect(disk.readFile(path).length).toBeLessThan(before + 40);
    log.close();
    expect(MetadataLog.open(disk, FOLDER).version).toBe(2);
  });

  test('a device that fails while a rest is cut off stops the log', async () => {
    const disk = newDisk();
    const log = await fill(disk, 1);
    disk.inject({ operation: 'write', path: /\.log$/, effect: { errno: 'ENOSPC' } });
    disk.inject({ operation: 'truncate', path: /\.log$/, effect: { errno: 'EIO' } });
    await expect(log.append(topic(2))).rejects.toMatchObject({ code: 'failed' });
    disk.clearFaults();
    await expect(log.append(topic(2))).rejects.toMatchObject({ code: 'failed' });
  });

  test.each(['ENOSPC', 'EIO'] as const)('a snapshot that meets %s loses no change', async (errno) => {
    const disk = newDisk();
    const log = MetadataLog.open(disk, FOLDER);
    const partitions = Array.from({ length: 1024 }, (_, partition) => ({ partition, logId: 0, slot: partition }));
    let logId = 1;
    const churn = async (topicId: number): Promise<void> => {
      const named = partitions.map((entry) => ({ ...entry, logId: logId++ }));
      const change = { name: `big-${topicId}`, topicId, settings, partitions: named };
      await log.append({ kind: 'create-topic', topic: change });
      await log.append({ kind: 'delete-topic', topicId });
    };
    disk.inject({ operation: 'write', path: /snapshot/, times: 1, effect: { errno } });
    let topicId = 1;
    let refused = false;
    const lastLog = onlyLog(disk);
    // Beyond the size at which the log is replaced, and back to a small one where that could be done.
    for (; topicId < 6000 && !refused && onlyLog(disk) === lastLog; topicId++) {
      refused = await churn(topicId).then(
        () => false,
        () => true,
      );
    }
    expect(refused).toBe(errno === 'EIO');
    const { version } = log;
    log.close();
    disk.clearFaults();
    expect(MetadataLog.open(disk, FOLDER).version).toBe(version);
  });
});

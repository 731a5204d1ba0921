import { describe, expect, it } from 'vitest';
import { type Harness, recordsOf, simulatedHarness } from './fixtures/harness.js';
import { LogReader } from './log-reader.js';
import { checkpointSetPath, segmentPath } from './paths.js';

const DIRECTORY = '/data/logs/1';

async function oneLog(values: readonly string[][]): Promise<Harness> {
  const harness = simulatedHarness();
  await harness.start([]);
  harness.create(1);
  for (const batch of values) harness.append(1, batch);
  await harness.commit();
  return harness;
}

function values(harness: Harness): string[] {
  return harness.readAll(1).map(({ value }) => value);
}

/** Changes a file's bytes behind storage's back. */
function edit(harness: Harness, path: string, change: (bytes: Uint8Array) => Uint8Array): void {
  const bytes = change(harness.disk.readFile(path).slice());
  harness.disk.writeFileAtomic(path, bytes);
}

describe('recovery', () => {
  it('cuts a torn last batch at every byte, and keeps what came before', async () => {
    const sample = await oneLog([['a'], ['b', 'c']]);
    sample.append(1, ['torn']);
    sample.storage.flush();
    const size = sample.log(1).segments[0]!.sizeBytes;
    const whole = sample.log(1).segments[0]!.safeBytes;
    expect(whole).toBeLessThan(size);
    for (let cut = whole; cut < size; cut++) {
      const harness = await oneLog([['a'], ['b', 'c']]);
      harness.append(1, ['torn']);
      harness.storage.flush();
      harness.disk.killProcess();
      edit(harness, segmentPath(DIRECTORY, 0, 'log'), (bytes) => bytes.slice(0, cut));
      await harness.start();
      expect(values(harness)).toEqual(['a', 'b', 'c']);
      expect(harness.log(1).corruption).toBeUndefined();
      expect(harness.report.logs[0]).toMatchObject({ tornBytes: cut - whole, recoveredEnd: 3 });
      expect(harness.append(1, ['next'])).toBe(3);
      await harness.commit();
      expect(values(harness)).toEqual(['a', 'b', 'c', 'next']);
    }
  });

  it('reports a flipped bit below the durable position, keeps the rest readable, and never cuts it', async () => {
    const batches = [['first'], ['second'], ['third']];
    const sample = await oneLog(batches);
    const size = sample.log(1).segments[0]!.sizeBytes;
    const second = size / 3;
    for (let at = Math.floor(second); at < second * 2; at++) {
      const harness = await oneLog(batches);
      await harness.clock.advanceAsync(2000);
      harness.disk.killProcess();
      edit(harness, segmentPath(DIRECTORY, 0, 'log'), (bytes) => {
        bytes[at] = bytes[at]! ^ 0x10;
        return bytes;
      });
      await harness.start();
      expect(harness.log(1).corruption?.code, `byte ${at}`).toBe('corrupt');
      expect(harness.report.warnings.join()).toContain('lost offsets 1 to 1');
      expect(harness.log(1).nextOffset).toBe(3);
      const reader = new LogReader({ disk: harness.disk, directory: '/data' });
      const { visibleEnd, segmentListVersion } = harness.log(1);
      const first = reader.read(1, 0, 1 << 20, visibleEnd, segmentListVersion);
      expect(recordsOf(first.bytes)).toEqual([{ offset: 0, value: 'first' }]);
      expect(() => reader.read(1, 1, 1 << 20, visibleEnd, segmentListVersion)).toThrow(
        expect.objectContaining({ code: 'corrupt', resumeOffset: 2 }),
      );
      const third = reader.read(1, 2, 1 << 20, visibleEnd, segmentListVersion);
      expect(recordsOf(third.bytes)).toEqual([{ offset: 2, value: 'third' }]);
      expect(harness.append(1, ['fourth'])).toBe(3);
      await harness.commit();
      expect(harness.disk.readFile(segmentPath(DIRECTORY, 0, 'log')).length).toBeGreaterThan(size);
    }
  });

  it.each(['deleted', 'emptied', 'cut', 'flipped'])('serves and rebuilds when every index is %s', async (how) => {
    const harness = simulatedHarness();
    harness.config = { ...harness.config, segmentBytes: 20_000 };
    await harness.start([]);
    harness.create(1);
    const expected: string[] = [];
    for (let index = 0; index < 200; index++) {
      expected.push(`${index}-${'x'.repeat(300)}`);
      harness.append(1, [expected[index]!], {}, index);
      if (index % 7 === 0) harness.storage.flush();
    }
    await harness.commit();
    await harness.settle(harness.storage.close());
    const indexes = harness.disk.list(DIRECTORY).filter((name) => name.endsWith('.index'));
    expect(indexes.length).toBeGreaterThan(2);
    for (const name of indexes) {
      const path = `${DIRECTORY}/${name}`;
      if (how === 'deleted') harness.disk.unlink(path);
      else if (how === 'emptied') edit(harness, path, () => new Uint8Array(0));
      else if (how === 'cut') edit(harness, path, (bytes) => bytes.slice(0, bytes.length - 17));
      else edit(harness, path, (bytes) => bytes.map((byte, at) => (at % 32 === 5 ? byte ^ 1 : byte)));
    }
    await harness.start();
    expect(values(harness)).toEqual(expected);
    const log = harness.log(1);
    const reader = new LogReader({ disk: harness.disk, directory: '/data' });
    for (const offset of [0, 1, 57, 128, 199]) {
      const read = reader.read(1, offset, 1, log.visibleEnd, log.segmentListVersion);
      expect(recordsOf(read.bytes)[0]).toEqual({ offset, value: expected[offset] });
      expect(reader.offsetForTime(1, offset, 0, log.visibleEnd, 0)).toEqual({ offset, timestampMs: offset });
      expect(log.recordsAbove(offset)).toBe(200 - offset);
    }
    expect(harness.append(1, ['more'])).toBe(200);
    await harness.commit();
    expect(values(harness)).toEqual([...expected, 'more']);
  });

  it('reads a log without its checkpoint from its segments, damage included', async () => {
    const harness = await oneLog([['a'], ['b'], ['c']]);
    await harness.settle(harness.storage.checkpoint(harness.log(1)));
    await harness.settle(harness.storage.close());
    harness.disk.unlink(checkpointSetPath('/data', harness.storage.journal.journalId, 'stop'));
    const size = harness.disk.readFile(segmentPath(DIRECTORY, 0, 'log')).length;
    edit(harness, segmentPath(DIRECTORY, 0, 'log'), (bytes) =>
      bytes.map((byte, at) => (at === Math.floor(size / 2) ? byte ^ 1 : byte)),
    );
    edit(harness, `${DIRECTORY}/checkpoint`, (bytes) => bytes.map((byte, at) => (at === 20 ? byte ^ 1 : byte)));
    await harness.start();
    expect(harness.report.warnings.join()).toMatch(/crc does not match.*lost offsets 1 to 1/);
    expect(harness.log(1).nextOffset).toBe(3);
    expect(harness.log(1).leaderEpoch).toBeGreaterThan(0);
  });

  it('finds a missing or shortened segment of a log at rest', async () => {
    const harness = await oneLog([['a'], ['b']]);
    await harness.settle(harness.storage.close());
    await harness.start();
    harness.create(2);
    await harness.commit();
    harness.disk.killProcess();
    edit(harness, segmentPath(DIRECTORY, 0, 'log'), (bytes) => bytes.slice(0, 10));
    await harness.start();
    expect(harness.log(1).corruption?.message).toContain('10 bytes');
  });

  it('lets the number of shards change between starts', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    for (let logId = 0; logId < 10; logId++) harness.create(logId);
    for (let logId = 0; logId < 10; logId++) harness.append(logId, [`of ${logId}`]);
    await harness.commit();
    harness.disk.killProcess();
    // Two shards share what one has left; the old journal stays until both are done.
    await harness.start([0, 2, 4, 6, 8], false);
    for (const logId of [0, 2, 4, 6, 8]) expect(harness.readAll(logId)).toEqual([{ offset: 0, value: `of ${logId}` }]);
    await harness.start([1, 3, 5, 7, 9], false);
    for (const logId of [1, 3, 5, 7, 9]) expect(harness.readAll(logId)).toEqual([{ offset: 0, value: `of ${logId}` }]);
  });
});

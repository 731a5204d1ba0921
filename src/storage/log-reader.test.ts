import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { StorageError } from './errors.js';
import { type Harness, recordsOf, simulatedHarness } from './fixtures/harness.js';
import { LogReader } from './log-reader.js';

/** A log of three segments with batches of one record each, committed. */
async function threeSegments(): Promise<Harness> {
  const harness = simulatedHarness();
  harness.config = { ...harness.config, segmentBytes: 2000 };
  await harness.start([]);
  harness.create(1);
  for (let count = 0; harness.log(1).segments.length < 3; count++) harness.append(1, [`value ${count}`]);
  harness.append(1, ['another']);
  harness.append(1, ['the last']);
  await harness.commit();
  return harness;
}

function openReader(harness: Harness): { reader: LogReader; read: (offset: number) => number[] } {
  const reader = new LogReader({ disk: harness.disk, directory: '/data' });
  const read = (offset: number): number[] => {
    const { visibleEnd, segmentListVersion } = harness.log(1);
    const { bytes } = reader.read(1, offset, 1, visibleEnd, segmentListVersion);
    return recordsOf(bytes).map((record) => record.offset);
  };
  return { reader, read };
}

function shorten(harness: Harness, segment: number, bytes: number): void {
  const file = harness.disk.open(harness.log(1).segments[segment]!.path('log'), 'write');
  file.truncate(bytes);
  file.close();
}

describe('a segment that was shortened from outside', () => {
  it('is damage at every length, and says where reading goes on', async () => {
    const { segments } = (await threeSegments()).log(1);
    const { endOffset, sizeBytes } = segments[0]!;
    for (let bytes = 0; bytes < sizeBytes; bytes += 7) {
      const harness = await threeSegments();
      const { read } = openReader(harness);
      shorten(harness, 0, bytes);
      const wanted = { code: 'corrupt', resumeOffset: endOffset };
      expect(() => read(endOffset - 1), `${bytes} bytes`).toThrow(expect.objectContaining({ code: 'corrupt' }));
      if (bytes < sizeBytes - 100) expect(() => read(endOffset - 1)).toThrow(expect.objectContaining(wanted));
      expect(read(endOffset)).toEqual([endOffset]);
    }
  });

  it('is damage too while it is being written, where a batch is cut', async () => {
    const harness = await threeSegments();
    const last = harness.log(1).segments[2]!;
    for (let bytes = 1; bytes < 60; bytes++) {
      shorten(harness, 2, bytes);
      const { read } = openReader(harness);
      expect(() => read(last.endOffset - 1)).toThrow(expect.objectContaining({ code: 'corrupt', resumeOffset: -1 }));
    }
  });

  it('is not what offsets without records look like, with an index and without one', async () => {
    const harness = await threeSegments();
    const { logEnd: endOffset } = harness.log(1);
    harness.disk.crash(new Prng(3));
    await harness.start();
    const lost = harness.log(1).logEnd;
    expect(lost).toBeGreaterThan(endOffset);
    expect(openReader(harness).read(endOffset)).toEqual([]);
    harness.log(1).rollSegment();
    harness.append(1, ['behind the gap']);
    await harness.commit();
    const { visibleEnd } = harness.log(1);
    expect(openReader(harness).read(endOffset)).toEqual([visibleEnd - 1]);
    for (const segment of harness.log(1).segments.slice(0, -1)) harness.disk.unlink(segment.path('index'));
    expect(openReader(harness).read(endOffset)).toEqual([visibleEnd - 1]);
  });
});

describe('what the disk says while reading', () => {
  it.each([
    ['EIO', 'read', 'corrupt'],
    ['EACCES', 'open', 'corrupt'],
    ['EMFILE', 'open', 'no-space'],
  ] as const)("%s at %s is storage's %s", async (errno, operation, code) => {
    const harness = await threeSegments();
    const { reader } = openReader(harness);
    const { visibleEnd, segmentListVersion } = harness.log(1);
    const fault = { operation, path: /\.log$/, times: Number.POSITIVE_INFINITY, effect: { errno } } as const;
    harness.disk.inject(fault);
    const uses = [
      () => reader.read(1, 0, 1, visibleEnd, segmentListVersion),
      () => reader.offsetForTime(1, 0, 0, visibleEnd, segmentListVersion),
      () => reader.maxTimestamp(1, 0, visibleEnd, segmentListVersion),
    ];
    for (const use of uses) {
      expect(use).toThrow(StorageError);
      expect(use).toThrow(expect.objectContaining({ code }));
    }
    harness.disk.clearFaults();
    for (const use of uses) expect(use).not.toThrow();
  });
});

import { describe, expect, it } from 'vitest';
import { decodeCheckpoint } from './checkpoint.js';
import { StorageError } from './errors.js';
import { simulatedHarness } from './fixtures/harness.js';

describe('a capture', () => {
  it('has what is buffered, and nothing is durable to anybody before it is over', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    await harness.commit();
    const { storage } = harness;
    await storage.pin();
    harness.append(1, ['before']);
    const { logs, decisions } = storage.capture();
    expect(decisions).toEqual([]);
    const image = decodeCheckpoint(logs[0]!.checkpoint, 'checkpoint');
    expect(image).toMatchObject({ logId: 1, logEnd: 1, isClean: true });
    expect(logs[0]!.segments).toMatchObject([{ baseOffset: 0, sizeBytes: image.segments[0]!.sizeBytes }]);
    expect(storage.isHeld).toBe(true);
    harness.append(1, ['after']);
    let isDurable = false;
    storage.afterCommit(() => {
      isDurable = true;
    }, harness.log(1));
    storage.flush();
    await harness.clock.settle();
    expect(isDurable).toBe(false);
    storage.resume();
    await harness.clock.settle();
    expect(isDurable).toBe(true);
    expect(harness.log(1).durableEnd).toBe(2);
  });

  it('leaves the files of deleted logs where they are until it is unpinned', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    harness.append(1, ['a']);
    await harness.commit();
    const { storage, disk } = harness;
    const { directory } = harness.log(1);
    await storage.pin();
    storage.capture();
    storage.resume();
    storage.deleteLog(1);
    expect(disk.exists(directory)).toBe(true);
    storage.unpin();
    expect(disk.exists(directory)).toBe(false);
  });

  it('is refused where a log does not serve, rather than being a capture without it', async () => {
    const harness = simulatedHarness();
    await harness.start([]);
    harness.create(1);
    await harness.commit();
    const { storage } = harness;
    await storage.pin();
    harness.log(1).goOffline(new StorageError('log-offline', 'its disk is gone'));
    expect(() => storage.capture()).toThrow('its disk is gone');
    storage.resume();
    storage.unpin();
  });
});

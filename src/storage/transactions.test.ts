import { describe, expect, it } from 'vitest';
import { Prng } from '../base/prng.js';
import { batchOf, type Harness, recordsOf, simulatedHarness } from './fixtures/harness.js';
import { encodeMarker, readMarker } from './transaction-marker.js';
import { keepVisible, OWN_PRODUCER_ID_FIRST, TransactionState } from './transaction-table.js';
import { addAborted, readTransactions, writeTransactions } from './transactions-file.js';

const OWN = OWN_PRODUCER_ID_FIRST + 65_536;

function append(harness: Harness, texts: readonly string[], producerId: number, producerEpoch: number): number {
  return harness.append(1, texts, { producerId, producerEpoch, transactional: true });
}

async function oneLog(): Promise<Harness> {
  const harness = simulatedHarness();
  await harness.start([]);
  harness.create(1);
  await harness.commit();
  return harness;
}

function values(harness: Harness): string[] {
  return harness.readAll(1, 200).map(({ value }) => value);
}

describe('the transactions of a log', () => {
  it('hold back what follows them, and leave nothing of what was aborted', async () => {
    const harness = await oneLog();
    const log = harness.log(1);
    harness.append(1, ['before']);
    append(harness, ['a1', 'a2'], OWN, 0);
    harness.append(1, ['between']);
    append(harness, ['b'], OWN + 1, 0);
    append(harness, ['a3'], OWN, 0);
    await harness.commit();
    expect(log.visibleEnd).toBe(1);
    expect(log.endTransaction(OWN + 1, 0, true)).toBe(true);
    await harness.commit();
    expect(values(harness)).toEqual(['before']);
    log.endTransaction(OWN, 0, false);
    await harness.commit();
    expect(values(harness)).toEqual(['before', 'between', 'b']);
    expect(log.recordCount).toBe(6);
    // The next transaction of the same producer is another one.
    append(harness, ['c'], OWN, 1);
    log.endTransaction(OWN, 1, true);
    await harness.commit();
    expect(values(harness)).toEqual(['before', 'between', 'b', 'c']);
  });

  it('are the same after a close, a kill and power loss, and undecided ones are aborted', async () => {
    for (const end of ['close', 'kill', 'power'] as const) {
      const harness = await oneLog();
      append(harness, ['a'], OWN, 0);
      append(harness, ['b'], OWN + 1, 0);
      append(harness, ['c'], OWN + 2, 0);
      harness.log(1).endTransaction(OWN, 0, true);
      harness.log(1).endTransaction(OWN + 1, 0, false);
      await harness.commit();
      if (end === 'close') await harness.settle(harness.storage.close());
      else if (end === 'kill') harness.disk.killProcess();
      else harness.disk.crash(new Prng(1));
      await harness.start();
      harness.append(1, ['later']);
      await harness.commit();
      expect(values(harness), end).toEqual(['a', 'later']);
      expect(harness.log(1).transactions.openCount).toBe(0);
      harness.disk.crash(new Prng(2));
      await harness.start();
      expect(values(harness), end).toEqual(['a', 'later']);
    }
  });

  it('are committed by a decision in the journal, which goes round with it', async () => {
    const harness = await oneLog();
    append(harness, ['a'], OWN, 0);
    let isDecided = false;
    harness.storage.flush();
    harness.storage.decide(
      OWN,
      0,
      () => true,
      (decided) => {
        isDecided = decided;
      },
    );
    await harness.clock.settle();
    expect(isDecided).toBe(true);
    // Far more than both areas hold: the decision must have been repeated.
    for (let round = 0; round < 120; round++) {
      harness.companion(1).record(harness.log(1), 0, 'x'.repeat(2000));
      await harness.commit();
    }
    harness.disk.crash(new Prng(3));
    await harness.start();
    expect(values(harness)).toEqual(['a']);
    expect(harness.storage.decisions.size).toBe(0);
  });

  it('forget appends that were not written', async () => {
    const harness = await oneLog();
    append(harness, ['a'], OWN, 0);
    await harness.commit();
    harness.disk.inject({ operation: 'write', path: /\.log$/, effect: { errno: 'ENOSPC' } });
    append(harness, ['b'], OWN, 0);
    append(harness, ['c'], OWN + 1, 0);
    harness.storage.flush();
    const { transactions } = harness.log(1);
    expect([...transactions.values()]).toMatchObject([{ lastOffset: 0, state: TransactionState.open }]);
    harness.log(1).endTransaction(OWN, 0, true);
    await harness.commit();
    expect(values(harness)).toEqual(['a']);
  });
});

describe('markers and aborted ranges', () => {
  it('a marker says which end it is', () => {
    expect(readMarker(encodeMarker(OWN, 5, true, 1), 0)).toBe('commit');
    expect(readMarker(encodeMarker(OWN, 5, false, 1), 0)).toBe('abort');
  });

  it('a range hides batches of its producer and epoch alone', () => {
    const stamps = [
      { producerId: OWN, producerEpoch: 0 },
      { producerId: OWN, producerEpoch: 1 },
      { producerId: OWN + 1, producerEpoch: 0 },
    ];
    const batches = stamps.map((stamp, index) =>
      batchOf([`m${index}`], { ...stamp, baseOffset: index, transactional: true }),
    );
    const bytes = Buffer.concat([...batches, encodeMarker(OWN, 0, false, 1), batchOf(['plain'], { baseOffset: 4 })]);
    const range = { producerId: OWN, epoch: 0, firstOffset: 0, lastOffset: 9 };
    const kept = keepVisible(bytes, bytes.length, [range]);
    expect(recordsOf(bytes.subarray(0, kept)).map(({ value }) => value)).toEqual(['m1', 'm2', 'plain']);
  });

  it('the file passes over what a failed write has left', () => {
    const { disk } = simulatedHarness();
    disk.mkdir('/log');
    expect(readTransactions(disk, '/log')).toBeUndefined();
    const range = { producerId: OWN, epoch: 1, firstOffset: 3, lastOffset: 2 ** 45 };
    writeTransactions(disk, '/log', [range]);
    const file = disk.open('/log/transactions', 'write');
    for (let torn = 1; torn < 30; torn++) {
      file.truncate(30);
      file.write(new Uint8Array(torn).fill(7), 30);
      expect(readTransactions(disk, '/log')).toEqual([range]);
      addAborted(disk, '/log', { ...range, epoch: 2 });
      expect(readTransactions(disk, '/log')).toEqual([range, { ...range, epoch: 2 }]);
    }
  });
});

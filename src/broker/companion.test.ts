import { describe, expect, it } from 'vitest';
import { PartitionCompanion } from './companion.js';
import { SettleOutcome } from './ports.js';

const bounds = (logEnd: number) => ({
  logStart: 0,
  logEnd,
  nextOffset: logEnd,
  clean: false,
  recordsAbove: (offset: number) => Math.max(0, logEnd - offset),
});

/** Takes all changes as the owner does, with their lease durable at once. */
function take(companion: PartitionCompanion): Uint8Array[] {
  const changes: Uint8Array[] = [];
  for (let change = companion.takeChanges(); change !== undefined; change = companion.takeChanges()) {
    changes.push(change);
    if (companion.pendingLease !== undefined) companion.leaseDurable(companion.pendingLease);
  }
  return changes;
}

describe('PartitionCompanion', () => {
  it('carries a cursor and named offsets in one stream and one snapshot', () => {
    const companion = new PartitionCompanion(true);
    const { cursor } = companion;
    cursor!.appended(0, 10);
    cursor!.nextOffset();
    companion.commitOffset('readers', { offset: 4, metadata: 'm', committedMs: 9 });
    const changes = take(companion);
    expect(changes).toHaveLength(2);
    const snapshot = companion.snapshot();
    for (let count = 0; count < 3; count++) {
      cursor!.delivered(cursor!.nextOffset(), 1);
      cursor!.settle(1, count, SettleOutcome.acknowledge);
    }
    companion.commitOffset('readers', { offset: -1, metadata: '', committedMs: 0 });
    companion.commitOffset('others', { offset: 12, metadata: '', committedMs: 0 });
    const later = take(companion);
    for (const [start, replayed] of [
      [undefined, [...changes, ...later]],
      [snapshot, later],
    ] as const) {
      const replica = new PartitionCompanion(true);
      replica.restore(start);
      for (const change of replayed) replica.apply(change);
      replica.recovered(bounds(10));
      expect([replica.cursor!.ready, replica.retainFrom(), replica.isAcknowledged(2)]).toEqual([7, 3, true]);
      expect(replica.fetchOffset('readers')).toBeUndefined();
      expect(replica.fetchOffset('others')?.offset).toBe(10);
    }
  });

  it('tells the lease of the change that was taken last, once', () => {
    const companion = new PartitionCompanion(true);
    companion.cursor!.appended(0, 1);
    companion.commitOffset('readers', { offset: 0, metadata: '', committedMs: 0 });
    companion.cursor!.nextOffset();
    companion.takeChanges();
    expect(companion.pendingLease).toBeUndefined();
    companion.takeChanges();
    expect(companion.pendingLease).toBeGreaterThan(0);
    companion.cursor!.purge();
    companion.takeChanges();
    expect(companion.pendingLease).toBeUndefined();
  });

  it('retains nothing for a plain topic until it gets a cursor', () => {
    const companion = new PartitionCompanion(false);
    expect([companion.retainFrom(), companion.isAcknowledged(0)]).toEqual([Number.POSITIVE_INFINITY, false]);
    companion.restore(companion.snapshot());
    const cursor = companion.attachCursor();
    cursor.startAt(5, 8, 3);
    expect([companion.attachCursor() === cursor, companion.retainFrom(), companion.cursor?.ready]).toEqual([
      true,
      5,
      3,
    ]);
  });

  it('replays a cursor that was taken back for what comes after it, and shows nothing of it', () => {
    const companion = new PartitionCompanion(false);
    companion.attachCursor().startAt(3, 5, 2);
    const changes = take(companion);
    const attached = companion.snapshot();
    companion.detachCursor();
    expect([companion.cursor, companion.retainFrom()]).toEqual([undefined, Number.POSITIVE_INFINITY]);
    expect(take(companion)).toEqual([]);
    const detached = companion.snapshot();
    companion.attachCursor().startAt(1, 6, 5);
    const later = take(companion);
    for (const [snapshot, replayed] of [
      [undefined, changes],
      [attached, []],
      [detached, []],
    ] as const) {
      const plain = new PartitionCompanion(false);
      plain.restore(snapshot);
      for (const change of replayed) plain.apply(change);
      plain.recovered(bounds(6));
      expect([plain.cursor, plain.retainFrom(), plain.isAcknowledged(0)]).toEqual([
        undefined,
        Number.POSITIVE_INFINITY,
        false,
      ]);
      const again = plain.attachCursor();
      again.startAt(2, 6, 4);
      const queue = new PartitionCompanion(true);
      queue.restore(snapshot);
      for (const change of [...replayed, ...later]) queue.apply(change);
      queue.recovered(bounds(6));
      expect([queue.cursor!.floor, queue.cursor!.ready]).toEqual([1, 5]);
      const afterRestart = new PartitionCompanion(true);
      afterRestart.restore(snapshot);
      for (const change of [...replayed, ...take(plain)]) afterRestart.apply(change);
      afterRestart.recovered(bounds(6));
      expect([afterRestart.cursor!.floor, afterRestart.cursor!.ready]).toEqual([2, 4]);
    }
  });

  it('refuses what it does not know, and what is cut off', () => {
    const queue = new PartitionCompanion(true);
    queue.cursor!.startAt(1, 1, 0);
    expect(() => queue.apply(Uint8Array.of(7))).toThrow('A companion change is of an unknown kind: 7');
    const snapshot = queue.snapshot();
    for (let length = 0; length < snapshot.length; length++) {
      // Cut between two sections it is a shorter snapshot; storage's checksum covers the whole.
      const cut = snapshot.subarray(0, length);
      const whole = [1, 6 + new DataView(snapshot.buffer).getUint32(2)].includes(length);
      if (!whole) expect(() => new PartitionCompanion(true).restore(cut)).toThrow();
    }
  });
});

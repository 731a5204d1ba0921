import { describe, expect, it } from 'vitest';
import { SettleOutcome } from '../ports.js';
import { CHANGE_RANGES_MAX, CHUNK_OFFSETS, LEASE_OFFSETS, LOOK_AHEAD_CHUNKS, PENDING_RANGES_MAX } from './limits.js';
import { type CursorBounds, QueueCursor } from './queue-cursor.js';

const A = 1;
const B = 2;

/** Takes all changes and makes their lease durable. */
function commit(cursor: QueueCursor, journal: Uint8Array[] = []): Uint8Array[] {
  for (let change = cursor.takeChange(); change !== undefined; change = cursor.takeChange()) {
    journal.push(change.bytes);
    if (change.lease >= 0) cursor.leaseDurable(change.lease);
  }
  return journal;
}

/** A cursor with `count` messages whose first lease is durable. */
function withMessages(count: number, journal: Uint8Array[] = []): QueueCursor {
  const cursor = new QueueCursor();
  cursor.appended(0, count);
  cursor.nextOffset();
  commit(cursor, journal);
  return cursor;
}

/** Hands the next `count` messages to a consumer and returns their offsets. */
function deliver(cursor: QueueCursor, consumer: number, count: number): number[] {
  return Array.from({ length: count }, () => {
    const offset = cursor.nextOffset();
    cursor.delivered(offset, consumer);
    return offset;
  });
}

function replayed(journal: readonly Uint8Array[], end: number, snapshot?: Uint8Array): QueueCursor {
  const cursor = new QueueCursor();
  cursor.restore(snapshot);
  for (const change of journal) cursor.apply(change);
  cursor.recovered(wholeLog(end));
  cursor.check();
  return cursor;
}

/** A log without holes. */
function wholeLog(logEnd: number): CursorBounds {
  return { logStart: 0, logEnd, recordsAbove: (offset) => Math.max(0, logEnd - offset) };
}

describe('QueueCursor', () => {
  it('returns messages to their original position, smallest first, and counts the returns', () => {
    const cursor = withMessages(5);
    expect(deliver(cursor, A, 3)).toEqual([0, 1, 2]);
    expect(cursor.settle(A, 2, SettleOutcome.requeue)).toBe(true);
    expect(cursor.settle(A, 0, SettleOutcome.requeue)).toBe(true);
    expect([cursor.nextOffset(), cursor.isRedelivered(0), cursor.isRedelivered(3)]).toEqual([0, true, false]);
    expect(deliver(cursor, B, 3)).toEqual([0, 2, 3]);
    expect(cursor.releaseConsumer(B)).toBe(3);
    expect([cursor.deliveryCount(0), cursor.deliveryCount(3), cursor.deliveryCount(1)]).toEqual([2, 1, 0]);
    expect([cursor.ready, cursor.unacknowledged]).toEqual([4, 1]);
  });

  it('ignores outcomes of those who do not hold the message', () => {
    const cursor = withMessages(2);
    deliver(cursor, A, 1);
    expect(cursor.settle(B, 0, SettleOutcome.acknowledge)).toBe(false);
    expect(cursor.settle(A, 1, SettleOutcome.acknowledge)).toBe(false);
    expect(cursor.settle(A, 0, SettleOutcome.discard)).toBe(true);
    expect(cursor.settle(A, 0, SettleOutcome.discard)).toBe(false);
    expect(cursor.floor).toBe(1);
  });

  it('delivers nothing beyond the durable lease', () => {
    const cursor = new QueueCursor();
    cursor.appended(0, 3 * LEASE_OFFSETS);
    expect(cursor.nextOffset()).toBe(-1);
    const lease = cursor.takeChange()?.lease ?? -1;
    expect(lease).toBe(LEASE_OFFSETS);
    expect([cursor.takeChange(), cursor.nextOffset()]).toEqual([undefined, -1]);
    cursor.leaseDurable(lease);
    expect(deliver(cursor, A, LEASE_OFFSETS).at(-1)).toBe(LEASE_OFFSETS - 1);
    expect(cursor.nextOffset()).toBe(-1);
    const extended = cursor.takeChange()?.lease ?? -1;
    expect(extended).toBeGreaterThan(LEASE_OFFSETS);
    cursor.leaseDurable(extended);
    expect(cursor.nextOffset()).toBe(LEASE_OFFSETS);
  });

  it('extends the lease before it is used up', () => {
    const cursor = withMessages(3 * LEASE_OFFSETS);
    for (let turn = 0; turn < 25; turn++) {
      expect(deliver(cursor, A, 200)).not.toContain(-1);
      commit(cursor);
    }
  });

  it('flags redelivered below the lease after a crash, and not what came after the end', () => {
    const journal: Uint8Array[] = [];
    const cursor = withMessages(10, journal);
    deliver(cursor, A, 4);
    const after = replayed(commit(cursor, journal), 10);
    expect([after.nextOffset(), after.isRedelivered(0), after.isRedelivered(9)]).toEqual([0, true, true]);
    after.appended(10, 5);
    expect(after.isRedelivered(10)).toBe(false);
    // A second crash before anything was delivered must not flag them either: the shorter lease is in the journal.
    const again = replayed(commit(after, journal), 15);
    expect([again.isRedelivered(9), again.isRedelivered(10), again.ready]).toEqual([true, false, 15]);
  });

  it('flags only what was delivered after an orderly stop', () => {
    const cursor = withMessages(10);
    deliver(cursor, A, 4);
    cursor.releaseConsumer(A);
    cursor.tightenLease();
    commit(cursor);
    const after = replayed([], 10, cursor.snapshot());
    expect([after.isRedelivered(3), after.isRedelivered(4), after.deliveryCount(3)]).toEqual([true, false, 1]);
  });

  it('moves the floor over gaps and counts only messages', () => {
    const cursor = withMessages(2);
    cursor.appended(5, 2, 9);
    expect([cursor.ready, cursor.end]).toEqual([4, 9]);
    for (const offset of deliver(cursor, A, 4)) cursor.settle(A, offset, SettleOutcome.acknowledge);
    expect([cursor.floor, cursor.nextOffset()]).toEqual([7, 7]);
    cursor.skip(7, 9);
    expect([cursor.floor, cursor.head, cursor.nextOffset(), cursor.ready]).toEqual([9, 9, -1, 0]);
    expect(cursor.countCorrections).toBe(0);
  });

  it('does not deliver what is not visible yet, and takes back what could not be written', () => {
    const cursor = withMessages(4);
    deliver(cursor, A, 2);
    expect([cursor.nextOffset(2), cursor.nextOffset(3)]).toEqual([-1, 2]);
    cursor.withdrawn(2, 2);
    expect([cursor.nextOffset(), cursor.ready, cursor.end]).toEqual([-1, 0, 2]);
    cursor.appended(2, 1);
    expect(cursor.nextOffset()).toBe(2);
  });

  it('counts what a purge leaves, although there are gaps below', () => {
    const cursor = new QueueCursor();
    cursor.startAt(0, 0, 0);
    cursor.appended(0, 2);
    // After power loss the log goes on above what anyone has seen.
    cursor.appended(10, 2);
    cursor.appended(12, 3);
    expect(cursor.purge(12, 3)).toBe(4);
    expect(cursor.ready).toBe(3);
  });

  it('purges what waits and leaves deliveries alone', () => {
    const journal: Uint8Array[] = [];
    const cursor = withMessages(100, journal);
    deliver(cursor, A, 3);
    cursor.settle(A, 1, SettleOutcome.requeue);
    expect(cursor.purge()).toBe(98);
    expect([cursor.ready, cursor.unacknowledged, cursor.nextOffset()]).toEqual([0, 2, -1]);
    expect([...cursor.acknowledgedRanges(0, 100)]).toEqual([1, 2, 3, 100]);
    cursor.appended(100, 1);
    expect(cursor.nextOffset()).toBe(100);
    const after = replayed(commit(cursor, journal), 101);
    expect([after.ready, after.nextOffset()]).toEqual([3, 0]);
  });

  it('starts a new cursor anywhere, and remembers it', () => {
    const cursor = new QueueCursor();
    expect(cursor.started).toBe(false);
    cursor.startAt(50, 80, 30);
    expect([cursor.floor, cursor.ready, cursor.started]).toEqual([50, 30, true]);
    const after = replayed(commit(cursor), 90);
    expect([after.started, after.floor, after.ready, after.isRedelivered(50)]).toEqual([true, 50, 40, false]);
  });

  it('drops acknowledgements of messages that the log lost', () => {
    const journal: Uint8Array[] = [];
    const cursor = withMessages(10, journal);
    for (const offset of deliver(cursor, A, 8)) cursor.settle(A, offset, SettleOutcome.acknowledge);
    const after = replayed(commit(cursor, journal), 5);
    expect([after.floor, after.end, after.ready]).toEqual([5, 5, 0]);
    // The log goes on above its offset lease; replaying all of it again must not acknowledge anything below.
    after.appended(20, 3);
    expect(after.ready).toBe(3);
    const again = new QueueCursor();
    again.restore(undefined);
    for (const change of commit(after, journal)) again.apply(change);
    again.recovered({ logStart: 0, logEnd: 23, recordsAbove: (offset) => (offset <= 20 ? 3 : 23 - offset) });
    expect([again.ready, again.isAcknowledged(20)]).toEqual([3, false]);
  });

  it('splits a mass return into changes of bounded size that replay to the same state', () => {
    const count = 2 * PENDING_RANGES_MAX + 50_000;
    const cursor = new QueueCursor();
    cursor.appended(0, count);
    const journal: Uint8Array[] = [];
    while (cursor.head < count) {
      if (cursor.nextOffset() < 0) commit(cursor, journal);
      else cursor.delivered(cursor.nextOffset(), A);
    }
    for (let offset = 0; offset < count; offset += 2) cursor.settle(A, offset, SettleOutcome.acknowledge);
    cursor.releaseConsumer(A);
    commit(cursor, journal);
    for (const change of journal) expect(change.length).toBeLessThan(CHANGE_RANGES_MAX * 16);
    const after = replayed(journal, count);
    expect([after.ready, after.unacknowledged, after.nextOffset()]).toEqual([count / 2, 0, 1]);
    expect([after.deliveryCount(1), after.isAcknowledged(2), after.isAcknowledged(3)]).toEqual([1, true, false]);
    expect(replayed([], count, after.snapshot()).snapshot()).toEqual(after.snapshot());
  });

  it('waits instead of looking ahead without bound, and goes on when the floor moves', () => {
    const cursor = new QueueCursor();
    const far = (LOOK_AHEAD_CHUNKS + 1) * CHUNK_OFFSETS;
    cursor.appended(0, far + 10);
    let delivered = 0;
    // Every 64 Ki messages one stays with the consumer, so that no chunk is wholly settled; the rest is skipped over.
    for (;;) {
      let offset = cursor.nextOffset();
      if (offset < 0) {
        commit(cursor);
        offset = cursor.nextOffset();
      }
      if (offset < 0) break;
      cursor.delivered(offset, A);
      delivered++;
      if (offset + 1 < far) cursor.skip(offset + 1, Math.min(far, offset + CHUNK_OFFSETS), CHUNK_OFFSETS - 1);
    }
    expect(delivered).toBe(LOOK_AHEAD_CHUNKS);
    expect(cursor.bitmapBytes).toBeLessThanOrEqual(LOOK_AHEAD_CHUNKS * (CHUNK_OFFSETS / 8));
    cursor.settle(A, 0, SettleOutcome.acknowledge);
    expect(cursor.floor).toBe(CHUNK_OFFSETS);
    cursor.nextOffset();
    commit(cursor);
    expect(cursor.nextOffset()).toBe(LOOK_AHEAD_CHUNKS * CHUNK_OFFSETS);
  });

  it('delivers to those who acknowledge by receiving without anything in flight', () => {
    const cursor = withMessages(2);
    cursor.deliveredAutomatically(cursor.nextOffset());
    expect([cursor.floor, cursor.ready, cursor.unacknowledged]).toEqual([1, 1, 0]);
  });

  it('refuses bytes that are no change or snapshot', () => {
    const cursor = withMessages(3);
    deliver(cursor, A, 2);
    cursor.settle(A, 1, SettleOutcome.requeue);
    cursor.settle(A, 0, SettleOutcome.acknowledge);
    const snapshot = cursor.snapshot();
    const [change] = commit(cursor);
    for (let length = 0; length < snapshot.length; length++) {
      expect(() => new QueueCursor().restore(snapshot.subarray(0, length))).toThrow();
    }
    for (let length = 0; length < change!.length; length++) {
      expect(() => new QueueCursor().apply(change!.subarray(0, length))).toThrow();
    }
    const newer = Uint8Array.from(change!);
    newer[0] = 9;
    expect(() => new QueueCursor().apply(newer)).toThrow(
      'Cannot read a cursor change of version 9: version 1 is known',
    );
  });
});

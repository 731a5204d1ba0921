import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionCompanion } from '../companion.js';
import { SettleOutcome } from '../ports.js';
import { LEASE_OFFSETS } from './limits.js';
import { PriorityLeases } from './priority-leases.js';
import { PriorityOrder } from './priority-order.js';
import type { QueueCursor } from './queue-cursor.js';

/** A queue with priorities and its journal: what was taken is durable at once. */
class Journaled {
  readonly companion = new PartitionCompanion(true);
  readonly cursor: QueueCursor;
  readonly order: PriorityOrder;
  readonly changes: Uint8Array[] = [];

  constructor(maxPriority: number, journal: readonly Uint8Array[] = [], logEnd = 0) {
    this.companion.restore(undefined);
    for (const change of journal) this.companion.apply(change);
    this.companion.recovered({ logStart: 0, logEnd, recordsAbove: (offset) => logEnd - offset });
    this.cursor = this.companion.cursor!;
    this.order = new PriorityOrder(maxPriority, this.companion.priorities);
    this.cursor.order = this.order;
  }

  append(...priorities: number[]): void {
    const base = this.cursor.end;
    for (const [index, priority] of priorities.entries()) this.order.add(base + index, priority);
    this.cursor.appended(base, priorities.length);
  }

  commit(): void {
    for (let change = this.companion.takeChanges(); change !== undefined; change = this.companion.takeChanges()) {
      this.changes.push(change);
      const lease = this.companion.pendingLease;
      if (lease !== undefined) this.companion.leaseDurable(lease);
    }
  }

  /** The next offset, after the journal has taken what was in the way. */
  next(): number {
    if (this.cursor.nextOffset() < 0) this.commit();
    return this.cursor.nextOffset();
  }
}

describe('the order of priorities', () => {
  it('flags after a crash what may have been delivered, by priority, and not what waits below it', () => {
    const before = new Journaled(3);
    // Many of low priority, and a few of high priority behind them.
    before.append(...new Array<number>(5000).fill(0), 3, 3, 3);
    for (const offset of [5000, 5001]) {
      expect(before.next()).toBe(offset);
      before.cursor.delivered(offset, 1);
    }
    before.cursor.settle(1, 5000, SettleOutcome.acknowledge);
    before.commit();
    const after = new Journaled(3, before.changes, 5003);
    for (let offset = 0; offset < 5003; offset++) if (offset !== 5000) after.order.add(offset, offset < 5000 ? 0 : 3);
    const flagged = [];
    while (after.next() >= 0) {
      const offset = after.cursor.nextOffset();
      if (after.cursor.isRedelivered(offset)) flagged.push(offset);
      after.cursor.deliveredAutomatically(offset);
    }
    // 5002 was not delivered, but the lease covered it.
    expect(flagged).toEqual([5001, 5002]);
    expect(after.cursor.ready).toBe(0);
  });

  it('flags nothing without need after an orderly stop', () => {
    const before = new Journaled(1);
    before.append(1, 0, 1, 0);
    before.next();
    before.cursor.delivered(0, 1);
    before.cursor.releaseConsumer(1);
    before.cursor.tightenLease();
    before.commit();
    const after = new Journaled(1, before.changes, 4);
    for (const [offset, priority] of [1, 0, 1, 0].entries()) after.order.add(offset, priority);
    expect([0, 1, 2, 3].filter((offset) => after.cursor.isRedelivered(offset))).toEqual([0]);
  });

  it('delivers nothing that the journal does not know to be delivered', () => {
    const queue = new Journaled(2);
    queue.append(...new Array<number>(LEASE_OFFSETS + 10).fill(2));
    expect(queue.cursor.nextOffset()).toBe(-1);
    queue.commit();
    let delivered = 0;
    for (let offset = queue.cursor.nextOffset(); offset >= 0; offset = queue.cursor.nextOffset()) {
      queue.cursor.delivered(offset, 1);
      delivered++;
    }
    expect(delivered).toBe(LEASE_OFFSETS);
  });

  it('is that of a sorted list, whatever comes back, is settled or purged', () => {
    const step = fc.record({ kind: fc.nat(4), choice: fc.nat(20), priority: fc.nat(3) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new Journaled(3);
        const priorities: number[] = [];
        let waiting: number[] = [];
        let held: number[] = [];
        const sorted = (): number[] => waiting.sort((a, b) => priorities[b]! - priorities[a]! || a - b);
        for (const { kind, choice, priority } of steps) {
          if (kind === 0) {
            queue.append(priority);
            waiting.push(priorities.push(priority) - 1);
          } else if (kind === 1) {
            const next = queue.next();
            expect(next).toBe(sorted()[0] ?? -1);
            if (next < 0) continue;
            queue.cursor.delivered(next, 7);
            held.push(waiting.shift()!);
          } else if (kind < 4 && held.length > 0) {
            const [offset] = held.splice(choice % held.length, 1);
            const outcome = kind === 2 ? SettleOutcome.requeue : SettleOutcome.acknowledge;
            expect(queue.cursor.settle(7, offset!, outcome)).toBe(true);
            if (kind === 2) waiting.push(offset!);
          } else if (kind === 4 && choice === 0) {
            expect(queue.cursor.purge()).toBe(waiting.length);
            waiting = [];
          } else if (kind === 4 && choice === 1) {
            queue.cursor.releaseConsumer(7);
            waiting.push(...held);
            held = [];
          }
          expect(queue.cursor.ready).toBe(waiting.length);
        }
      }),
      { numRuns: 300 },
    );
  });

  it('takes about a bit for each message and priority, and nothing for a run of one', () => {
    const mixed = new PriorityOrder(9, new PriorityLeases());
    const run = new PriorityOrder(9, new PriorityLeases());
    for (let offset = 0; offset < 1_048_576; offset++) {
      mixed.add(offset, (offset * 7) % 10);
      run.add(offset, 4);
    }
    expect(mixed.bitmapBytes).toBe((1_048_576 / 8) * 10);
    expect(run.bitmapBytes).toBe(0);
  });
});

describe('leases of priorities', () => {
  it('are cut at the end of a log that has lost messages', () => {
    const leases = new PriorityLeases();
    leases.covers(2, 100);
    const again = new PriorityLeases();
    again.restore(leases.takeChange()!.bytes);
    again.recovered(50);
    expect([again.isRedelivered(2, 49), again.isRedelivered(2, 50), again.isRedelivered(1, 0)]).toEqual([
      true,
      false,
      false,
    ]);
    expect(again.takeChange()?.lease).toEqual([0, 0, 50]);
    expect(() => again.restore(Uint8Array.of(2, 0))).toThrow('version 2');
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SettleOutcome } from '../ports.js';
import { LEASE_OFFSETS } from './limits.js';
import { QueueCursor } from './queue-cursor.js';

/** What a journal or snapshot must bring back. */
interface Remembered {
  readonly settled: ReadonlySet<number>;
  readonly counts: ReadonlyMap<number, number>;
  readonly exact: boolean;
}

interface Take {
  readonly changes: readonly Uint8Array[];
  readonly state: Remembered;
}

/** The cursor beside a model made of sets, a journal whose tail may be lost, and a log whose tail may be lost. */
class Rig {
  cursor = new QueueCursor();
  messages: number[] = [];
  end = 0;
  /** The next offset to give away; above the end after a loss. */
  nextBase = 0;
  settled = new Set<number>();
  counts = new Map<number, number>();
  held = new Map<number, number[]>();
  delivered = new Set<number>();
  takes: Take[] = [];
  durableTakes = 0;
  snapshot: { bytes: Uint8Array; state: Remembered; takes: number } | undefined;
  /** Whether the message count must be right: losses and holes together make it an estimate until the queue is empty. */
  exact = true;
  neverWrong = true;
  /** The highest that the head ever was. */
  reached = 0;

  remember(): Remembered {
    return { settled: new Set(this.settled), counts: new Map(this.counts), exact: this.exact };
  }

  get heldOffsets(): Set<number> {
    return new Set([...this.held.values()].flat());
  }

  get ready(): number[] {
    const held = this.heldOffsets;
    return this.messages.filter((offset) => !this.settled.has(offset) && !held.has(offset));
  }

  append(gap: number, count: number, holes: number): void {
    const base = this.nextBase + gap;
    for (let index = 0; index < count; index++) this.messages.push(base + index * (holes + 1));
    const next = base + count * (holes + 1);
    this.cursor.appended(base, count, next);
    this.end = next;
    this.nextBase = next;
  }

  /** Asks for the next offset until it is one that exists. */
  next(): number {
    for (;;) {
      const offset = this.cursor.nextOffset();
      if (offset < 0 || this.messages.includes(offset)) return offset;
      this.cursor.skip(offset, this.messages.find((message) => message > offset) ?? this.end);
    }
  }

  deliver(consumer: number, automatic: boolean): void {
    let offset = this.next();
    const expected = this.ready[0];
    if (offset < 0) {
      // The lease may be what is missing.
      this.commit();
      offset = this.next();
    }
    expect(offset).toBe(expected ?? -1);
    if (offset < 0) {
      this.exact = true;
      return;
    }
    expect(this.cursor.deliveryCount(offset)).toBe(this.counts.get(offset) ?? 0);
    this.delivered.add(offset);
    if (automatic) {
      this.cursor.deliveredAutomatically(offset);
      this.settle(offset);
      return;
    }
    this.cursor.delivered(offset, consumer);
    this.held.set(consumer, [...(this.held.get(consumer) ?? []), offset]);
  }

  settle(offset: number): void {
    this.settled.add(offset);
    this.counts.delete(offset);
  }

  comesBack(offset: number): void {
    this.counts.set(offset, (this.counts.get(offset) ?? 0) + 1);
  }

  end1(consumer: number, choice: number, outcome: SettleOutcome): void {
    const held = this.held.get(consumer) ?? [];
    const offset = held[choice % Math.max(1, held.length)];
    if (offset === undefined) {
      expect(this.cursor.settle(consumer, choice, outcome)).toBe(false);
      return;
    }
    expect(this.cursor.settle(consumer + 1, offset, outcome)).toBe(false);
    expect(this.cursor.settle(consumer, offset, outcome)).toBe(true);
    this.held.set(
      consumer,
      held.filter((other) => other !== offset),
    );
    if (outcome === SettleOutcome.requeue) this.comesBack(offset);
    else this.settle(offset);
  }

  cancel(consumer: number): void {
    const held = [...(this.held.get(consumer) ?? [])].sort((a, b) => a - b);
    const visited: number[] = [];
    this.cursor.forEachHeld(consumer, (offset) => visited.push(offset));
    expect(visited).toEqual(held);
    expect(this.cursor.releaseConsumer(consumer)).toBe(held.length);
    for (const offset of held) this.comesBack(offset);
    this.held.delete(consumer);
  }

  purge(upTo: number): void {
    const purged = this.ready.filter((offset) => offset < upTo);
    const count = this.cursor.purge(upTo, this.ready.length - purged.length);
    if (this.exact) expect(count).toBe(purged.length);
    for (const offset of purged) this.settle(offset);
  }

  take(): number {
    const changes: Uint8Array[] = [];
    let lease = -1;
    for (let change = this.cursor.takeChange(); change !== undefined; change = this.cursor.takeChange()) {
      changes.push(change.bytes);
      lease = change.lease;
    }
    if (changes.length > 0) this.takes.push({ changes, state: this.remember() });
    return lease;
  }

  commit(): void {
    const lease = this.take();
    this.durableTakes = this.takes.length;
    // Leases of earlier takes are durable with this one too; the cursor never grants more than it asked for.
    this.cursor.leaseDurable(lease < 0 ? Number.MAX_SAFE_INTEGER : lease);
  }

  checkpoint(): void {
    this.snapshot = { bytes: this.cursor.snapshot(), state: this.remember(), takes: this.takes.length };
    this.durableTakes = this.takes.length;
  }

  crash(lostTakes: number, lostOffsets: number, replayed: number): void {
    const from = this.snapshot?.takes ?? 0;
    const upTo = Math.max(this.durableTakes, this.takes.length - lostTakes);
    const initial: Remembered = { settled: new Set(), counts: new Map(), exact: true };
    const state = upTo > from ? this.takes[upTo - 1]!.state : (this.snapshot?.state ?? initial);
    const logEnd = Math.max(0, this.end - lostOffsets);
    const lost = this.end - logEnd;
    this.exact = state.exact;
    if (lost !== this.messages.filter((offset) => offset >= logEnd).length) this.exact = false;
    this.messages = this.messages.filter((offset) => offset < logEnd);
    this.settled = new Set([...state.settled].filter((offset) => offset < logEnd));
    this.counts = new Map([...state.counts].filter(([offset]) => offset < logEnd));
    this.held.clear();
    this.takes = this.takes.slice(0, upTo);
    this.durableTakes = upTo;
    this.end = logEnd;
    this.cursor = new QueueCursor();
    this.cursor.restore(this.snapshot?.bytes);
    // Changes that the snapshot contains may be replayed onto it.
    for (const take of this.takes.slice(Math.max(0, from - replayed))) {
      for (const change of take.changes) this.cursor.apply(change);
    }
    const recordsAbove = (offset: number) => this.messages.filter((message) => message >= offset).length;
    this.cursor.recovered({ logStart: 0, logEnd, recordsAbove });
    this.checkFlags();
    // What recovery found out is journaled before the log takes messages again.
    if (lostTakes % 2 === 0) this.commit();
    else this.checkpoint();
  }

  checkFlags(): void {
    for (const offset of this.ready) {
      if (this.delivered.has(offset)) expect(this.cursor.isRedelivered(offset)).toBe(true);
      if (offset >= this.reached + LEASE_OFFSETS) expect(this.cursor.isRedelivered(offset)).toBe(false);
    }
  }

  check(): void {
    this.cursor.check();
    this.reached = Math.max(this.reached, this.cursor.head);
    if (!this.exact) this.neverWrong = false;
    if (this.neverWrong) expect(this.cursor.countCorrections).toBe(0);
    expect(this.cursor.unacknowledged).toBe(this.heldOffsets.size);
    if (this.exact) expect(this.cursor.ready).toBe(this.ready.length);
    for (const offset of this.messages) {
      if (this.cursor.isAcknowledged(offset) !== this.settled.has(offset))
        expect.fail(`offset ${offset} is not as the model has it`);
      if (this.cursor.deliveryCount(offset) !== (this.counts.get(offset) ?? 0))
        expect.fail(`offset ${offset} has a wrong count`);
    }
    const first = this.messages.find((offset) => !this.settled.has(offset)) ?? this.end;
    expect(this.cursor.retainFrom()).toBeLessThanOrEqual(first);
    const ranges = this.cursor.acknowledgedRanges(0, this.end);
    let covered = 0;
    for (let index = 0; index < ranges.length; index += 2) {
      const [start, end] = [ranges[index]!, ranges[index + 1]!];
      for (const offset of this.messages) if (offset >= start && offset < end) covered++;
    }
    expect(covered).toBe([...this.settled].length);
  }
}

const consumer = fc.integer({ min: 1, max: 3 }).map((id) => id * 10);
const small = fc.nat(6);
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constant('append'), gap: fc.nat(2), count: fc.nat(8), holes: fc.nat(1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('append'),
      gap: fc.constant(0),
      count: fc.constant(90),
      holes: fc.constant(30),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('deliver'),
      consumer,
      times: fc.integer({ min: 1, max: 5 }),
      automatic: fc.boolean(),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      op: fc.constant('settle'),
      consumer,
      choice: small,
      outcome: fc.constantFrom<SettleOutcome>(0, 1, 2),
    }),
  },
  { weight: 2, arbitrary: fc.record({ op: fc.constant('cancel'), consumer }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant('purge'), below: fc.option(fc.nat(20)) }) },
  { weight: 3, arbitrary: fc.record({ op: fc.constantFrom('take', 'commit', 'checkpoint', 'tighten') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('crash'),
      lostTakes: small,
      lostOffsets: fc.oneof(fc.constant(0), fc.nat(12)),
      replayed: small,
    }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function perform(rig: Rig, action: Step): void {
  if ('holes' in action) rig.append(action.gap, action.count, action.holes);
  else if ('times' in action)
    for (let time = 0; time < action.times; time++) rig.deliver(action.consumer, action.automatic);
  else if ('outcome' in action) rig.end1(action.consumer, action.choice, action.outcome);
  else if ('below' in action) rig.purge(action.below === null ? rig.end : Math.max(0, rig.end - action.below));
  else if ('lostTakes' in action) rig.crash(action.lostTakes, action.lostOffsets, action.replayed);
  else if ('consumer' in action) rig.cancel(action.consumer);
  else if (action.op === 'take') rig.take();
  else if (action.op === 'commit') rig.commit();
  else if (action.op === 'tighten') rig.cursor.tightenLease();
  else rig.checkpoint();
}

describe('QueueCursor beside a model', () => {
  it('agrees through deliveries, outcomes, purges, gaps, lost journals and lost messages', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150, size: 'max' }), (steps) => {
        const rig = new Rig();
        for (const action of steps) {
          perform(rig, action);
          rig.check();
        }
      }),
      { numRuns: Number(process.env['CURSOR_RUNS'] ?? 200) },
    );
  });
});

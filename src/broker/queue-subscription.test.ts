import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BrokerError } from './errors.js';
import { DurabilityLevel, type QueueConsumer, type RecordView, SettleOutcome, type TopicEntry } from './ports.js';
import { evenShares, type PartitionSlice, QueueSubscription, type Revoked } from './queue-subscription.js';

function queueOf(partitions: number): TopicEntry {
  return {
    name: 'orders',
    topicId: 1,
    settings: {
      kind: 'queue',
      durability: DurabilityLevel.disk,
      retentionMs: -1,
      retentionBytes: -1,
      segmentBytes: 1 << 20,
      segmentMs: -1,
      lingerMs: 0,
    },
    partitions: Array.from({ length: partitions }, (_, partition) => ({
      partition,
      logId: partition + 1,
      slot: partition,
    })),
  };
}

const RECORD: RecordView = { offset: 0, timestampMs: 0, key: null, value: null, headers: new Uint8Array(1) };

/** The owner of one partition behind a slow way: what is asked, answered and delivered arrives when the test says so. */
class FarOwner implements PartitionSlice {
  waiting = 0;
  credit: number;
  unsettled = 0;
  isCancelled = false;
  /** Requests on their way there, in order. */
  readonly asked: (() => void)[] = [];
  /** Answers and deliveries on their way back; answers may overtake deliveries. */
  readonly answers: (() => void)[] = [];
  readonly deliveries: (() => void)[] = [];
  private readonly partition: number;
  private readonly consumer: QueueConsumer;
  private readonly automaticAck: boolean;

  constructor(partition: number, credit: number, consumer: QueueConsumer, automaticAck: boolean) {
    this.partition = partition;
    this.credit = credit;
    this.consumer = consumer;
    this.automaticAck = automaticAck;
  }

  setPrefetch(total: number): void {
    this.asked.push(() => {
      this.credit = total;
    });
  }

  grant(count: number): void {
    this.asked.push(() => {
      this.credit += count;
    });
  }

  revoke(count: number, done: (revoked: Revoked) => void): void {
    this.asked.push(() => {
      const before = Math.max(this.credit, this.unsettled);
      const revoked = Math.min(count, this.credit);
      this.credit -= revoked;
      const free = before - Math.max(this.credit, this.unsettled);
      this.answers.push(() => done({ free, owed: revoked - free }));
    });
  }

  settle(offsets: readonly number[]): void {
    this.asked.push(() => {
      this.unsettled -= offsets.length;
    });
  }

  cancel(): void {
    this.isCancelled = true;
  }

  hasReady(): boolean {
    return this.waiting > 0;
  }

  dispatch(): void {
    while (this.waiting > 0 && this.credit > this.unsettled) {
      this.waiting--;
      if (this.automaticAck) this.credit--;
      else this.unsettled++;
      this.deliveries.push(() => this.consumer.deliver(this.partition, RECORD, false, 0));
    }
  }

  /** Moves one thing along; false when there was nothing. */
  move(way: 'asked' | 'answers' | 'deliveries'): boolean {
    const next = this[way].shift();
    next?.();
    this.dispatch();
    return next !== undefined;
  }
}

class World {
  readonly owners: FarOwner[] = [];
  readonly held: number[] = [];
  readonly subscription: QueueSubscription;
  readonly closed: BrokerError[] = [];
  ceiling: number;
  prefetch: number;
  received = 0;
  readonly automaticAck: boolean;
  ends = 0;

  constructor(partitions: number, credit: number, automaticAck = false) {
    this.ceiling = credit;
    this.prefetch = credit;
    this.automaticAck = automaticAck;
    const consumer: QueueConsumer = {
      deliver: (partition) => {
        this.received++;
        if (automaticAck) expect(this.received).toBeLessThanOrEqual(this.ceiling);
        else {
          this.held.push(partition);
          expect(this.held.length).toBeLessThanOrEqual(this.ceiling);
        }
      },
      flush: () => undefined,
      closed: (error) => this.closed.push(error),
    };
    this.subscription = new QueueSubscription(
      queueOf(partitions),
      { automaticAck, credit },
      consumer,
      (partition, share, sink) => {
        const owner = new FarOwner(partition, share, sink, automaticAck);
        this.owners.push(owner);
        return owner;
      },
      () => this.ends++,
    );
  }

  publish(partition: number, count: number): void {
    const owner = this.owners[partition % this.owners.length]!;
    owner.waiting += count;
    owner.dispatch();
  }

  settle(index: number): void {
    if (this.held.length === 0) return;
    const [partition] = this.held.splice(index % this.held.length, 1);
    this.subscription.settle(partition!, [0], SettleOutcome.acknowledge);
  }

  setPrefetch(total: number): void {
    this.prefetch = total;
    this.ceiling = Math.max(this.ceiling, total);
    this.subscription.setPrefetch(total);
  }

  addCredit(count: number): void {
    this.ceiling += count;
    this.subscription.addCredit(count);
  }

  /** Everything on its way arrives. */
  arrive(): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const owner of this.owners) {
        for (const way of ['asked', 'answers', 'deliveries'] as const) moved = owner.move(way) || moved;
      }
    }
  }

  tick(): void {
    this.subscription.rebalance();
    this.arrive();
  }

  get creditOfAll(): number {
    return this.owners.reduce((sum, { credit }) => sum + credit, 0);
  }
}

type Move =
  | { do: 'publish' | 'settle' | 'prefetch'; where: number; count: number }
  | { do: 'move'; where: number; way: 'asked' | 'answers' | 'deliveries' }
  | { do: 'rebalance' };

const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constantFrom('publish' as const, 'settle' as const, 'settle' as const, 'prefetch' as const),
      where: fc.nat(7),
      count: fc.nat(6),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      where: fc.nat(3),
      way: fc.constantFrom('asked' as const, 'answers' as const, 'deliveries' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('rebalance' as const) }) },
);

function make(world: World, one: Move): void {
  if (one.do === 'publish') world.publish(one.where, one.count);
  else if (one.do === 'settle') world.settle(one.where);
  else if (one.do === 'rebalance') world.subscription.rebalance();
  else if (one.do === 'move') world.owners[one.where % world.owners.length]!.move(one.way);
  else if (world.automaticAck) world.addCredit(one.count);
  else world.setPrefetch(one.count);
}

/** How many ticks it may take until every share is where it is needed: halves move, and only a few at a time. */
const TICKS = 60;

describe('a subscription of several partitions', () => {
  test('manual acknowledgement: never more than the prefetch, every message in the end, and no share is lost or made up', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 4 }),
        fc.nat(5),
        fc.array(move, { maxLength: 120 }),
        (partitions, credit, moves) => {
          const world = new World(partitions, credit);
          for (const one of moves) make(world, one);
          world.setPrefetch(Math.max(1, world.prefetch));
          world.arrive();
          for (let tick = 0; tick < TICKS || world.held.length > 0; tick++) {
            world.tick();
            while (world.held.length > 0) {
              world.settle(0);
              world.arrive();
            }
          }
          expect(world.owners.map(({ waiting }) => waiting)).toEqual(world.owners.map(() => 0));
          world.tick();
          expect(world.creditOfAll).toBe(world.prefetch);
        },
      ),
      {
        numRuns: 3000,
        // Credit that was granted where some was owed used to be counted twice.
        examples: [
          [
            3,
            2,
            [
              { do: 'publish', where: 0, count: 3 },
              { do: 'rebalance' },
              { do: 'publish', where: 4, count: 1 },
              { do: 'prefetch', where: 0, count: 5 },
            ],
          ],
        ],
      },
    );
  });

  test('automatic acknowledgement: as many deliveries as there is credit, wherever the messages are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 4 }),
        fc.nat(5),
        fc.array(move, { maxLength: 80 }),
        (partitions, credit, moves) => {
          const world = new World(partitions, credit, true);
          for (const one of moves) make(world, one);
          world.publish(1, world.ceiling);
          world.arrive();
          for (let tick = 0; tick < TICKS; tick++) world.tick();
          expect(world.received).toBe(world.ceiling);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('a prefetch of one goes round among partitions that never run empty', () => {
    const world = new World(4, 1);
    for (let partition = 0; partition < 4; partition++) world.publish(partition, 1000);
    const served = [0, 0, 0, 0];
    for (let round = 0; round < 100; round++) {
      world.tick();
      served[world.held[0]!]!++;
      world.settle(0);
      world.arrive();
    }
    expect(Math.min(...served)).toBeGreaterThanOrEqual(20);
  });

  test('a share that stands for an unsettled delivery counts elsewhere only when that is settled', () => {
    const world = new World(2, 1);
    world.publish(0, 1);
    world.arrive();
    world.publish(1, 1);
    for (let tick = 0; tick < 5; tick++) world.tick();
    expect(world.held).toEqual([0]);
    world.settle(0);
    world.arrive();
    expect(world.held).toEqual([1]);
  });

  test('a delivery that is settled while its share is being taken back gives the share free', () => {
    const world = new World(2, 1);
    world.publish(0, 1);
    world.arrive();
    world.publish(1, 1);
    world.subscription.rebalance();
    world.owners[0]!.move('asked');
    world.settle(0);
    world.arrive();
    expect(world.held).toEqual([1]);
  });

  test('a prefetch that is withheld for a while gives no more than before', () => {
    const world = new World(4, 4);
    world.publish(0, 10);
    for (let tick = 0; tick < 10; tick++) world.tick();
    expect(world.held).toEqual([0, 0, 0, 0]);
    world.setPrefetch(0);
    world.arrive();
    world.setPrefetch(4);
    for (let partition = 1; partition < 4; partition++) world.publish(partition, 5);
    world.tick();
    expect(world.held.length).toBe(4);
  });

  test('the end of one partition ends the others, and is told once', () => {
    const world = new World(3, 3);
    const sinks: QueueConsumer[] = [];
    const closed: BrokerError[] = [];
    let ends = 0;
    const consumer = { deliver: () => undefined, flush: () => undefined, closed: (e: BrokerError) => closed.push(e) };
    const subscription = new QueueSubscription(
      queueOf(3),
      { automaticAck: false, credit: 3 },
      consumer,
      (partition, _credit, sink) => {
        sinks.push(sink);
        return world.owners[partition]!;
      },
      () => ends++,
    );
    const error = new BrokerError('log-offline', 'Log 2 is offline');
    sinks[1]!.closed(error);
    sinks[2]!.closed(new BrokerError('log-offline', 'Log 3 is offline'));
    subscription.cancel();
    expect(closed).toEqual([error]);
    expect(ends).toBe(1);
    expect(world.owners.map(({ isCancelled }) => isCancelled)).toEqual([true, true, true]);
  });

  test('shares are as even as can be', () => {
    expect(evenShares(7, 3)).toEqual([3, 2, 2]);
    expect(evenShares(1, 3)).toEqual([1, 0, 0]);
    expect(evenShares(0, 2)).toEqual([0, 0]);
  });
});

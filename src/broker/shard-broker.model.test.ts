import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BrokerError } from './errors.js';
import { BrokerWorld } from './fixtures/broker-world.js';
import {
  type ConsumerHandle,
  DurabilityLevel,
  type PublishListener,
  type QueueConsumer,
  type RecordView,
  SettleOutcome,
  type TopicEntry,
} from './ports.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

interface Delivery {
  readonly partition: number;
  readonly offset: number;
  readonly text: string;
}

/** What a queue of competing consumers may never do, kept by text of message. */
class Ledger {
  readonly published = new Map<number, { texts: string[]; level: DurabilityLevel; confirmed: number }>();
  readonly held = new Map<string, ModelConsumer>();
  readonly done = new Set<string>();
  readonly pendingSettles = new Set<number>();
  readonly placeOf = new Map<string, string>();
  private nextToken = 1;
  private nextSettle = 1;

  newPublish(texts: string[], level: DurabilityLevel): number {
    const token = this.nextToken++;
    this.published.set(token, { texts, level, confirmed: 0 });
    return token;
  }

  newSettle(): (error?: BrokerError) => void {
    const settle = this.nextSettle++;
    this.pendingSettles.add(settle);
    return (error) => {
      expect(error).toBeUndefined();
      expect(this.pendingSettles.delete(settle)).toBe(true);
    };
  }
}

class ModelConsumer implements QueueConsumer {
  readonly ledger: Ledger;
  readonly automaticAck: boolean;
  handle!: ConsumerHandle;
  held: Delivery[] = [];
  /** The largest number of unsettled deliveries that is explained by what was asked for. */
  ceiling: number;
  prefetch: number;
  isOver = false;
  /** With only one consumer, what never came back arrives in order. */
  private readonly lastNew = new Map<number, number>();
  settleOnDelivery = false;

  constructor(ledger: Ledger, automaticAck: boolean, credit: number) {
    this.ledger = ledger;
    this.automaticAck = automaticAck;
    this.ceiling = credit;
    this.prefetch = credit;
  }

  deliver(partition: number, record: RecordView, redelivered: boolean): void {
    expect(this.isOver).toBe(false);
    const text = decoder.decode(record.value!);
    const place = `${partition}/${record.offset}`;
    expect(this.ledger.placeOf.get(text) ?? place).toBe(place);
    this.ledger.placeOf.set(text, place);
    expect(this.ledger.done.has(text)).toBe(false);
    expect(this.ledger.held.has(text)).toBe(false);
    if (!redelivered) {
      expect(record.offset).toBeGreaterThan(this.lastNew.get(partition) ?? -1);
      this.lastNew.set(partition, record.offset);
    }
    if (this.automaticAck) {
      expect(--this.ceiling).toBeGreaterThanOrEqual(0);
      this.ledger.done.add(text);
      return;
    }
    this.held.push({ partition, offset: record.offset, text });
    this.ledger.held.set(text, this);
    expect(this.held.length).toBeLessThanOrEqual(this.ceiling);
    if (this.settleOnDelivery) this.settle([this.held.length - 1], SettleOutcome.acknowledge);
  }

  flush(): void {}

  closed(error: BrokerError): void {
    throw error;
  }

  settle(indexes: readonly number[], outcome: SettleOutcome): void {
    const chosen = new Set(indexes.map((index) => index % Math.max(1, this.held.length)));
    const settled = this.held.filter((_, index) => chosen.has(index));
    this.held = this.held.filter((_, index) => !chosen.has(index));
    const byPartition = new Map<number, number[]>();
    for (const { partition, offset, text } of settled) {
      byPartition.set(partition, [...(byPartition.get(partition) ?? []), offset]);
      this.ledger.held.delete(text);
      if (outcome !== SettleOutcome.requeue) this.ledger.done.add(text);
    }
    for (const [partition, offsets] of byPartition) {
      this.handle.settle(partition, offsets, outcome, this.ledger.newSettle());
    }
  }

  setPrefetch(total: number): void {
    this.prefetch = total;
    this.ceiling = Math.max(this.ceiling, total);
    this.handle.setPrefetch(total);
  }

  cancel(): void {
    this.isOver = true;
    for (const { text } of this.held) this.ledger.held.delete(text);
    this.held = [];
    this.handle.cancel();
  }
}

type Step =
  | { do: 'publish'; shard: number; partition: number | undefined; count: number; level: DurabilityLevel }
  | { do: 'consume'; shard: number; credit: number; automatic: boolean }
  | { do: 'settle'; consumer: number; indexes: number[]; outcome: SettleOutcome }
  | { do: 'prefetch'; consumer: number; total: number }
  | { do: 'cancel'; consumer: number }
  | { do: 'congest'; from: number; to: number; on: boolean }
  | { do: 'pass'; ms: number }
  | { do: 'rest' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('publish' as const),
      shard: fc.nat(2),
      partition: fc.option(fc.nat(3), { nil: undefined }),
      count: fc.integer({ min: 1, max: 6 }),
      level: fc.constantFrom(DurabilityLevel.memory, DurabilityLevel.disk),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('consume' as const),
      shard: fc.nat(2),
      credit: fc.nat(5),
      automatic: fc.boolean(),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      consumer: fc.nat(5),
      indexes: fc.array(fc.nat(9), { minLength: 1, maxLength: 3 }),
      outcome: fc.constantFrom(SettleOutcome.acknowledge, SettleOutcome.requeue, SettleOutcome.discard),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('prefetch' as const), consumer: fc.nat(5), total: fc.nat(6) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cancel' as const), consumer: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('congest' as const), from: fc.nat(2), to: fc.nat(2), on: fc.boolean() }),
  },
  { weight: 5, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 60 }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('rest' as const) }) },
);

class Run {
  readonly world: BrokerWorld;
  readonly queue: TopicEntry;
  readonly ledger = new Ledger();
  consumers: ModelConsumer[] = [];
  private nextText = 0;

  constructor(world: BrokerWorld, queue: TopicEntry) {
    this.world = world;
    this.queue = queue;
  }

  async take(step: Step): Promise<void> {
    switch (step.do) {
      case 'publish':
        this.publish(step);
        break;
      case 'consume':
        this.consume(step.shard, step.credit, step.automatic);
        break;
      case 'settle':
        this.pick(step.consumer, false)?.settle(step.indexes, step.outcome);
        break;
      case 'prefetch':
        this.change(step.consumer, step.total);
        break;
      case 'cancel':
        await this.cancel(step.consumer);
        break;
      case 'congest':
        this.congest(step.from, step.to, step.on);
        break;
      case 'pass':
        await this.world.clock.advanceAsync(step.ms);
        break;
      case 'rest':
        await this.rest();
        break;
    }
    // A part of a turn, so that several steps may fall into one and others in between.
    this.world.clock.runImmediates();
  }

  private publish({ shard, partition, count, level }: Step & { do: 'publish' }): void {
    const texts = Array.from({ length: count }, () => `m${this.nextText++}`);
    const token = this.ledger.newPublish(texts, level);
    const messages = texts.map((text) => ({
      key: encoder.encode(text),
      value: encoder.encode(text),
      headers: [],
      timestampMs: 0,
    }));
    const chosen = partition === undefined ? undefined : partition % this.queue.partitions.length;
    this.world.shards[shard]!.broker.publishMessages(
      this.queue,
      chosen,
      messages,
      level,
      undefined,
      token,
      this.outcome,
    );
  }

  private readonly outcome: PublishListener = {
    published: (token, partition, baseOffset, count, reached) => {
      const { logId } = this.queue.partitions[partition]!;
      const { log } = this.world.ownerOf(logId).broker.owner.get(logId)!;
      const safe = reached === DurabilityLevel.memory ? log.visibleEnd : log.durableEnd;
      expect(safe).toBeGreaterThanOrEqual(baseOffset + count);
      expect(reached).toBeGreaterThanOrEqual(this.ledger.published.get(token)!.level);
      this.ledger.published.get(token)!.confirmed += count;
    },
    publishFailed: (_token, error) => {
      throw error;
    },
  };

  consume(shard: number, credit: number, automatic: boolean): ModelConsumer {
    const consumer = new ModelConsumer(this.ledger, automatic, credit);
    const { broker } = this.world.shards[shard]!;
    consumer.handle = broker.consume(this.queue, { automaticAck: automatic, credit }, consumer);
    this.consumers.push(consumer);
    return consumer;
  }

  private pick(index: number, automatic: boolean): ModelConsumer | undefined {
    const suitable = this.consumers.filter((consumer) => consumer.automaticAck === automatic);
    return suitable[index % Math.max(1, suitable.length)];
  }

  private change(index: number, total: number): void {
    const consumer = this.consumers[index % Math.max(1, this.consumers.length)];
    if (consumer === undefined) return;
    if (!consumer.automaticAck) consumer.setPrefetch(total);
    else {
      consumer.ceiling += total;
      if (total > 0) consumer.handle.addCredit(total);
    }
  }

  private async cancel(index: number): Promise<void> {
    const consumer = this.consumers[index % Math.max(1, this.consumers.length)];
    if (consumer === undefined) return;
    // What is on its way to an automatically acknowledging consumer is lost with it: let it arrive.
    if (consumer.automaticAck) await this.rest();
    consumer.cancel();
    this.consumers = this.consumers.filter((other) => other !== consumer);
  }

  private congest(from: number, to: number, on: boolean): void {
    const link = this.world.shards[from]!.links.get(to);
    if (link !== undefined) link.isCongested = on;
  }

  /** Everything that is on its way arrives. */
  private async rest(): Promise<void> {
    for (const { links } of this.world.shards) for (const link of links.values()) link.isCongested = false;
    await this.world.clock.advanceAsync(60);
    for (const consumer of this.consumers) {
      if (!consumer.automaticAck) consumer.ceiling = Math.max(consumer.prefetch, consumer.held.length);
    }
  }

  /** Nobody but one last consumer with a prefetch of one: it must get all that is left. */
  async finish(shard: number): Promise<void> {
    await this.rest();
    for (const consumer of [...this.consumers]) {
      consumer.cancel();
      await this.rest();
    }
    this.consumers = [];
    const last = this.consume(shard, 1, false);
    last.settleOnDelivery = true;
    const all = [...this.ledger.published.values()].flatMap(({ texts }) => texts);
    for (let round = 0; round < 200 && this.ledger.done.size < all.length; round++) {
      await this.world.clock.advanceAsync(20);
    }
    await this.rest();
    expect([...this.ledger.done].sort()).toEqual(all.sort());
    for (const { texts, confirmed } of this.ledger.published.values()) expect(confirmed).toBe(texts.length);
    expect([...this.ledger.pendingSettles]).toEqual([]);
    for (const { broker } of this.world.shards) {
      for (const { cursor } of broker.owner.all()) {
        cursor!.check();
        expect([cursor!.ready, cursor!.unacknowledged]).toEqual([0, 0]);
      }
      await this.world.settle(broker.owner.settled());
    }
  }
}

describe('shards over links', () => {
  test('competing consumers on any partitions: nothing is lost, held twice, beyond the prefetch or out of order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 4 }),
        fc.array(step, { minLength: 5, maxLength: 60 }),
        async (shards, partitions, steps) => {
          const world = await BrokerWorld.start(shards);
          const run = new Run(world, await world.declare('orders', partitions));
          for (const one of steps) {
            const onThisWorld = { ...one };
            if ('shard' in onThisWorld) onThisWorld.shard %= shards;
            if ('from' in onThisWorld) {
              onThisWorld.from %= shards;
              onThisWorld.to %= shards;
            }
            await run.take(onThisWorld);
          }
          await run.finish(steps.length % shards);
        },
      ),
      { numRuns: 300 },
    );
  });
});

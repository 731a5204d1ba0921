import { describe, expect, it } from 'vitest';
import { EMPTY_PROPERTIES } from '../../record/amqp/properties.js';
import { recordsOf } from '../../storage/fixtures/harness.js';
import type { BrokerError } from '../errors.js';
import { BrokerWorld } from '../fixtures/broker-world.js';
import { DEFAULT_VHOST, type RoutedMessage } from '../model.js';
import {
  type ConsumerHandle,
  type PublishListener,
  type QueueConsumer,
  SettleOutcome,
  type TopicEntry,
} from '../ports.js';
import { TRANSACTION_TIMEOUT_MS } from './limits.js';
import type { TransactionSettle } from './port.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const UNHEARD: PublishListener = { published: () => undefined, publishFailed: () => undefined };

class Taker implements QueueConsumer {
  readonly got: { offset: number; text: string; redelivered: boolean }[] = [];

  deliver(_partition: number, record: { offset: number; value: Uint8Array | null }, redelivered: boolean): void {
    this.got.push({ offset: record.offset, text: decoder.decode(record.value!), redelivered });
  }

  flush(): void {}

  closed(error: BrokerError): void {
    throw error;
  }

  get texts(): string[] {
    return this.got.map(({ text }) => text);
  }
}

function message(queue: string, text: string, exchange = ''): RoutedMessage {
  return { exchange, routingKey: queue, properties: EMPTY_PROPERTIES, body: encoder.encode(text), persistent: true };
}

interface Outcome {
  isDone: boolean;
  error?: BrokerError;
  unroutable: readonly number[];
}

function commit(
  world: BrokerWorld,
  publishes: readonly RoutedMessage[],
  settles: readonly TransactionSettle[] = [],
  shard = 0,
): Outcome {
  const outcome: Outcome = { isDone: false, unroutable: [] };
  const transaction = { vhost: DEFAULT_VHOST, publishes, settles };
  world.shards[shard]!.broker.transactions.commit(transaction, (error, unroutable) => {
    expect(outcome.isDone).toBe(false);
    outcome.isDone = true;
    if (error !== undefined) outcome.error = error;
    outcome.unroutable = unroutable;
  });
  expect(outcome.isDone, 'done comes in a later turn').toBe(false);
  return outcome;
}

function publish(world: BrokerWorld, queue: string, text: string): void {
  world.shards[0]!.broker.publishRouted(DEFAULT_VHOST, message(queue, text), 0, UNHEARD);
}

function take(world: BrokerWorld, queue: TopicEntry, credit = 10): { taker: Taker; handle: ConsumerHandle } {
  const taker = new Taker();
  const handle = world.shards[0]!.broker.consume(queue, { automaticAck: false, credit }, taker);
  return { taker, handle };
}

function fetchAll(world: BrokerWorld, topic: TopicEntry): string[] {
  let texts: string[] = [];
  const limits = { maxBytes: 1 << 20, minBytes: 1, maxWaitMs: 0 };
  const { logStart } = world.shards[0]!.broker.bounds(topic, 0);
  world.shards[0]!.broker.fetch(topic, [{ partition: 0, offset: logStart }], limits, (fetched) => {
    texts = fetched.flatMap(({ batches }) => recordsOf(batches).map(({ value }) => value));
  });
  return texts;
}

function acknowledge(handle: ConsumerHandle, offsets: readonly number[]): TransactionSettle {
  return { handle, partition: 0, offsets, outcome: SettleOutcome.acknowledge };
}

/** Queues `a`, `b` and `c` on three shards. */
async function threeQueues(): Promise<{ world: BrokerWorld; queues: TopicEntry[] }> {
  const world = await BrokerWorld.start(3);
  const queues: TopicEntry[] = [];
  for (const name of ['a', 'b', 'c']) queues.push(await world.declare(name, 1));
  return { world, queues };
}

describe('a transaction', () => {
  it('publishes to several shards and settles, all at once', async () => {
    const { world, queues } = await threeQueues();
    publish(world, 'a', 'first');
    await world.rest();
    const { taker, handle } = take(world, queues[0]!);
    await world.rest();
    const outcome = commit(world, [message('b', 'x'), message('c', 'y')], [acknowledge(handle, [0])]);
    await world.rest();
    expect(outcome).toEqual({ isDone: true, unroutable: [] });
    expect(fetchAll(world, queues[1]!)).toEqual(['x']);
    expect(fetchAll(world, queues[2]!)).toEqual(['y']);
    handle.cancel();
    expect(taker.texts).toEqual(['first']);
    const later = take(world, queues[0]!);
    await world.rest();
    expect(later.taker.got).toEqual([]);
    for (const { storage } of world.shards) expect(storage.decisions.size).toBeLessThanOrEqual(1);
    await world.clock.advanceAsync(2000);
    await world.rest();
    for (const { storage } of world.shards) expect(storage.decisions.size).toBe(0);
  });

  it('shows nothing, and nothing behind it, before it is decided; other queues go on', async () => {
    const { world, queues } = await threeQueues();
    const [a, b, c] = queues as [TopicEntry, TopicEntry, TopicEntry];
    const link = world.shards[0]!.links.get(b.partitions[0]!.logId % 3)!;
    link.isCongested = true;
    const outcome = commit(world, [message('a', 'x'), message('b', 'y')]);
    publish(world, 'a', 'behind');
    publish(world, 'c', 'elsewhere');
    const consumer = take(world, a);
    await world.rest();
    expect(outcome.isDone).toBe(false);
    expect(consumer.taker.texts).toEqual([]);
    expect(fetchAll(world, a)).toEqual([]);
    expect(fetchAll(world, c)).toEqual(['elsewhere']);
    link.isCongested = false;
    await world.rest();
    expect(outcome).toEqual({ isDone: true, unroutable: [] });
    expect(consumer.taker.texts).toEqual(['x', 'behind']);
    expect(fetchAll(world, b)).toEqual(['y']);
  });

  it('is aborted everywhere when its time is over', async () => {
    const { world, queues } = await threeQueues();
    const [a, b] = queues as [TopicEntry, TopicEntry];
    const link = world.shards[0]!.links.get(b.partitions[0]!.logId % 3)!;
    link.isCongested = true;
    const outcome = commit(world, [message('a', 'x'), message('b', 'y')]);
    publish(world, 'a', 'behind');
    await world.rest();
    expect(fetchAll(world, a)).toEqual([]);
    await world.clock.advanceAsync(TRANSACTION_TIMEOUT_MS + 1);
    await world.rest();
    expect(outcome.error?.code).toBe('timeout');
    expect(fetchAll(world, a)).toEqual(['behind']);
    link.isCongested = false;
    await world.rest();
    publish(world, 'b', 'later');
    await world.rest();
    expect(fetchAll(world, b)).toEqual(['later']);
    const consumer = take(world, b);
    await world.rest();
    expect(consumer.taker.texts).toEqual(['later']);
  });

  it('that fails gives its deliveries back to their consumer, and nobody ever reads what it published', async () => {
    const { world, queues } = await threeQueues();
    publish(world, 'a', 'first');
    await world.rest();
    const { handle } = take(world, queues[0]!);
    await world.rest();
    const seen: string[] = [];
    world.shards[1]!.broker.follow(queues[1]!, [{ partition: 0, offset: 0 }], {
      batches: ({ batches }) => {
        seen.push(...recordsOf(batches).map(({ value }) => value));
        return true;
      },
      closed: (error) => {
        throw error;
      },
    });
    const outcome = commit(world, [message('b', 'x')], [acknowledge(handle, [0]), acknowledge(handle, [7])]);
    publish(world, 'b', 'good');
    await world.rest();
    expect(outcome.error?.code).toBe('precondition-failed');
    expect(seen).toEqual(['good']);
    expect(fetchAll(world, queues[1]!)).toEqual(['good']);
    const { broker } = world.ownerOf(queues[1]!.partitions[0]!.logId);
    expect(broker.owner.require(queues[1]!.partitions[0]!.logId).cursor!.ready).toBe(1);
    let isSettled = false;
    handle.settle(0, [0], SettleOutcome.acknowledge, (error) => {
      isSettled = error === undefined;
    });
    await world.rest();
    expect(isSettled).toBe(true);
    handle.cancel();
    const later = take(world, queues[0]!);
    await world.rest();
    expect(later.taker.got).toEqual([]);
  });

  it('settles what it has got even if the consumer leaves meanwhile', async () => {
    const { world, queues } = await threeQueues();
    publish(world, 'a', 'first');
    await world.rest();
    const { handle } = take(world, queues[0]!);
    await world.rest();
    const outcome = commit(world, [message('b', 'x')], [acknowledge(handle, [0])]);
    handle.cancel();
    const other = take(world, queues[0]!);
    await world.rest();
    expect(outcome).toEqual({ isDone: true, unroutable: [] });
    expect(other.taker.got).toEqual([]);
  });

  it('tells which publishes no queue wanted, and fails for an exchange that is not there', async () => {
    const { world, queues } = await threeQueues();
    const some = commit(world, [message('a', 'x'), message('nowhere', 'y')]);
    const none = commit(world, [message('nowhere', 'y')]);
    const bad = commit(world, [message('a', 'z'), message('a', 'y', 'no such exchange')]);
    const empty = commit(world, []);
    await world.rest();
    expect(some).toEqual({ isDone: true, unroutable: [1] });
    expect(none).toEqual({ isDone: true, unroutable: [0] });
    expect(empty).toEqual({ isDone: true, unroutable: [] });
    expect(bad.error?.code).toBe('not-found');
    expect(fetchAll(world, queues[0]!)).toEqual(['x']);
  });

  it('works with queues in memory, and aborts there too', async () => {
    const { world, queues } = await threeQueues();
    const memory = await world.declareVolatile('m', 1);
    const consumer = take(world, memory);
    const outcome = commit(world, [message('m', 'x'), message('a', 'y')]);
    await world.rest();
    expect(outcome).toEqual({ isDone: true, unroutable: [] });
    const failing = { handle: consumer.handle, partition: 0, offsets: [99], outcome: SettleOutcome.acknowledge };
    const refused = commit(world, [message('m', 'never')], [failing]);
    publish(world, 'm', 'after');
    await world.rest();
    expect(refused.error?.code).toBe('precondition-failed');
    expect(consumer.taker.texts).toEqual(['x', 'after']);
    const settled = commit(
      world,
      [],
      [
        acknowledge(
          consumer.handle,
          consumer.taker.got.map(({ offset }) => offset),
        ),
      ],
    );
    await world.rest();
    expect(settled).toEqual({ isDone: true, unroutable: [] });
    consumer.handle.cancel();
    const later = take(world, memory);
    await world.rest();
    expect(later.taker.got).toEqual([]);
    expect(fetchAll(world, queues[0]!)).toEqual(['y']);
  });

  it('on one shard costs one commit', async () => {
    const { world, queues } = await threeQueues();
    await world.rest();
    const { storage } = world.ownerOf(queues[0]!.partitions[0]!.logId);
    commit(world, [message('a', 'warm')], [], storage === world.shards[0]!.storage ? 0 : 1);
    await world.rest();
    const before = storage.commits;
    const shard = world.shards.findIndex((one) => one.storage === storage);
    const outcome = commit(world, [message('a', 'x')], [], shard);
    await world.rest();
    expect(outcome.isDone).toBe(true);
    expect(storage.commits - before).toBe(1);
  });

  it('comes behind what its session has published before', async () => {
    const { world, queues } = await threeQueues();
    publish(world, 'b', '1');
    commit(world, [message('b', '2'), message('b', '3')]);
    publish(world, 'b', '4');
    await world.rest();
    expect(fetchAll(world, queues[1]!)).toEqual(['1', '2', '3', '4']);
  });
});

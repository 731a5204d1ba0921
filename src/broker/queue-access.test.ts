import { describe, expect, test } from 'vitest';
import { batchOf } from '../storage/fixtures/harness.js';
import { BrokerError } from './errors.js';
import { BrokerWorld } from './fixtures/broker-world.js';
import {
  type ConsumeOptions,
  DurabilityLevel,
  type PollHandle,
  type PublishListener,
  type QueueConsumer,
  type RecordView,
  SettleOutcome,
  type TopicEntry,
} from './ports.js';

const decoder = new TextDecoder();
const MANUAL = { automaticAck: false, credit: 1000 };
const NOBODY: PublishListener = { published: () => undefined, publishFailed: () => undefined };

class Collector implements QueueConsumer {
  readonly seen: string[] = [];
  readonly offsets: number[] = [];
  readonly closes: BrokerError[] = [];

  deliver(_partition: number, record: RecordView, redelivered: boolean): void {
    this.seen.push(`${decoder.decode(record.value!)}${redelivered ? ' again' : ''}`);
    this.offsets.push(record.offset);
  }

  flush(): void {}

  closed(error: BrokerError): void {
    this.closes.push(error);
  }
}

/** A world with one queue, and what sessions on the owner's shard and on another one do alike. */
async function start(volatile: boolean): Promise<{ world: BrokerWorld; queue: TopicEntry; shards: number[] }> {
  const world = await BrokerWorld.start(2);
  // The first log is the other shard's.
  await world.declare('other', 1);
  const queue = volatile ? await world.declareVolatile('q', 0) : await world.declare('q', 1);
  return { world, queue, shards: [0, 1] };
}

function publish(world: BrokerWorld, shard: number, queue: TopicEntry, values: string[], to = NOBODY): void {
  world.shards[shard]!.broker.publishBatch(queue, 0, batchOf(values), DurabilityLevel.memory, 1, to);
}

function consume(world: BrokerWorld, shard: number, queue: TopicEntry, options: Partial<ConsumeOptions> = {}) {
  const consumer = new Collector();
  const log: string[] = [];
  const opened = (): void => void log.push('opened');
  const handle = world.shards[shard]!.broker.consume(queue, { ...MANUAL, opened, ...options }, consumer);
  return { consumer, handle, log };
}

async function get(world: BrokerWorld, handle: PollHandle, automaticAck = false): Promise<number | BrokerError> {
  let answer: number | BrokerError | undefined;
  handle.get(automaticAck, (left, error) => {
    answer = error ?? left;
  });
  await world.rest();
  expect(answer).toBeDefined();
  return answer!;
}

const kinds = [
  ['in files', false],
  ['in memory', true],
] as const;

describe.each(kinds)('a queue %s', (_name, volatile) => {
  test.each([0, 1])('gives single messages to a session of shard %i, settled and counted as asked', async (shard) => {
    const { world, queue } = await start(volatile);
    const { broker } = world.shards[shard]!;
    const taker = new Collector();
    const handle = broker.poll(queue, 'c', taker);
    expect(await get(world, handle)).toBe(-1);
    publish(world, shard, queue, ['a', 'b', 'c']);
    expect(await get(world, handle)).toBe(2);
    expect(await get(world, handle, true)).toBe(1);
    expect(taker.seen).toEqual(['a', 'b']);
    expect(await world.settle(broker.counts(queue))).toEqual({ ready: 1, consumers: 0 });
    handle.settle(0, [0], SettleOutcome.requeue);
    expect(await get(world, handle)).toBe(1);
    expect(taker.seen).toEqual(['a', 'b', 'a again']);
    handle.cancel();
    await world.rest();
    const { consumer } = consume(world, 1 - shard, queue);
    await world.rest();
    expect(consumer.seen).toEqual(['a again', 'c']);
  });

  test('many requests at once are answered in order, each after its delivery', async () => {
    const { world, queue, shards } = await start(volatile);
    for (const shard of shards) {
      const taker = new Collector();
      const answers: string[] = [];
      const handle = world.shards[shard]!.broker.poll(queue, 'c', taker);
      publish(world, shard, queue, ['a', 'b']);
      for (let count = 0; count < 3; count++) {
        handle.get(true, (left) => void answers.push(`${taker.seen.length} seen, ${left} left`));
      }
      await world.rest();
      expect(answers).toEqual(['1 seen, 1 left', '2 seen, 0 left', '2 seen, -1 left']);
    }
  });

  test.each([0, 1])('a request of shard %i does not overtake what its session has published before', async (shard) => {
    const { world, queue } = await start(volatile);
    const { broker } = world.shards[shard]!;
    const taker = new Collector();
    const handle = broker.poll(queue, 'c', taker);
    const value = new TextEncoder().encode('a');
    const message = { key: null, value, headers: [], timestampMs: 1 };
    // The first request leaves in this turn, whatever becomes of the message: it may be the one that gets it.
    handle.get(true, () => undefined);
    broker.publishMessages(queue, 0, [message], DurabilityLevel.memory, undefined, 1, NOBODY);
    await get(world, handle, true);
    expect(taker.seen).toEqual(['a']);
  });

  test.each([0, 1])('who has left shard %i is given nothing that he asked for before', async (shard) => {
    const { world, queue } = await start(volatile);
    const { broker } = world.shards[shard]!;
    publish(world, shard, queue, ['a']);
    const taker = new Collector();
    const handle = broker.poll(queue, 'c', taker);
    handle.get(true, () => taker.seen.push('answered'));
    handle.cancel();
    await world.rest();
    expect(taker.seen).toEqual([]);
    expect(await world.settle(broker.counts(queue))).toEqual({ ready: 1, consumers: 0 });
  });

  test('a queue that is deleted answers who waits for a message, and ends the way to it', async () => {
    const { world, queue, shards } = await start(volatile);
    const takers = shards.map((shard) => {
      const taker = new Collector();
      return { taker, handle: world.shards[shard]!.broker.poll(queue, 'c', taker) };
    });
    for (const { handle } of takers) await get(world, handle);
    world.delete(queue, new BrokerError('not-found', 'gone'));
    await world.rest();
    expect(takers.map(({ taker }) => taker.closes.map(({ code }) => code))).toEqual([['not-found'], ['not-found']]);
    for (const shard of shards) {
      const late = world.shards[shard]!.broker.poll(queue, 'c', new Collector());
      expect(await get(world, late)).toMatchObject({ code: 'not-found' });
    }
  });

  test('an exclusive consumer is alone, and is told of it in words that name the queue', async () => {
    const { world, queue, shards } = await start(volatile);
    const first = consume(world, 0, queue, { exclusive: true });
    await world.rest();
    expect(first.log).toEqual(['opened']);
    for (const shard of shards) {
      for (const exclusive of [true, false]) {
        const refused = consume(world, shard, queue, { exclusive });
        expect(refused.consumer.closes).toEqual([]);
        await world.rest();
        expect(refused.log).toEqual([]);
        expect(refused.consumer.closes.map(({ code, message }) => `${code}: ${message}`)).toEqual([
          "access-refused: queue 'q' in vhost '/' in exclusive use",
        ]);
      }
    }
    first.handle.cancel();
    await world.rest();
    const second = consume(world, 1, queue);
    await world.rest();
    const refused = consume(world, 0, queue, { exclusive: true });
    await world.rest();
    expect([second.log, refused.log]).toEqual([['opened'], []]);
    expect(await world.settle(world.shards[1]!.broker.counts(queue))).toEqual({ ready: 0, consumers: 1 });
  });

  test('a higher priority gets everything as long as it can take it', async () => {
    const { world, queue } = await start(volatile);
    const low = consume(world, 0, queue, { priority: -1 });
    const high = consume(world, 1, queue, { priority: 5, credit: 2 });
    const normal = consume(world, 1, queue, { credit: 1 });
    await world.rest();
    publish(world, 0, queue, ['a', 'b', 'c', 'd', 'e']);
    await world.rest();
    expect([high, normal, low].map(({ consumer }) => consumer.seen)).toEqual([['a', 'b'], ['c'], ['d', 'e']]);
    high.handle.settle(0, [0], SettleOutcome.acknowledge);
    await world.rest();
    publish(world, 0, queue, ['f', 'g']);
    await world.rest();
    expect(high.consumer.seen).toEqual(['a', 'b', 'f']);
    expect(low.consumer.seen).toEqual(['d', 'e', 'g']);
  });

  test.each([0, 1])(
    'a consumer of shard %i that has left may settle what it holds; the rest goes back when it goes for good',
    async (shard) => {
      const { world, queue } = await start(volatile);
      const leaving = consume(world, shard, queue, { credit: 3 });
      publish(world, shard, queue, ['a', 'b', 'c', 'd']);
      await world.rest();
      leaving.handle.cancel({ keepHeld: true });
      const staying = consume(world, 1 - shard, queue);
      await world.rest();
      expect(staying.consumer.seen).toEqual(['d']);
      expect(await world.settle(world.shards[0]!.broker.counts(queue))).toEqual({ ready: 0, consumers: 1 });
      leaving.handle.settle(0, [0], SettleOutcome.acknowledge);
      leaving.handle.settle(0, [1], SettleOutcome.requeue);
      await world.rest();
      expect(staying.consumer.seen).toEqual(['d', 'b again']);
      leaving.handle.cancel();
      await world.rest();
      expect(staying.consumer.seen).toEqual(['d', 'b again', 'c again']);
      leaving.handle.settle(0, [2], SettleOutcome.acknowledge);
      await world.rest();
      expect(leaving.consumer.seen).toEqual(['a', 'b', 'c']);
    },
  );

  test('what is on its way to somebody who leaves goes back, although he may settle the rest', async () => {
    const { world, queue } = await start(volatile);
    const leaving = consume(world, 1, queue);
    await world.rest();
    publish(world, 0, queue, ['a']);
    // Until the owner has handed it over, and before it has arrived.
    const link = world.shards[0]!.links.get(1)!;
    link.isCongested = true;
    await world.rest();
    link.isCongested = false;
    leaving.handle.cancel({ keepHeld: true });
    const { consumer } = consume(world, 0, queue);
    await world.rest();
    expect([...leaving.consumer.seen, ...consumer.seen].length).toBe(1);
  });

  test('a sealed queue takes nothing, until the seal is broken', async () => {
    const { world, queue, shards } = await start(volatile);
    const { logId } = queue.partitions[0]!;
    const { owner } = world.ownerOf(logId).broker;
    publish(world, owner.shard, queue, ['a']);
    // Appended in this turn, and counted all the same.
    expect(owner.seal(logId, { ifUnused: false, ifEmpty: true })).toEqual({ sealed: false, reason: 'not-empty' });
    const { handle } = consume(world, 1, queue);
    await world.rest();
    expect(owner.seal(logId, { ifUnused: true, ifEmpty: false })).toEqual({ sealed: false, reason: 'in-use' });
    handle.cancel();
    await world.rest();
    expect(owner.seal(logId, { ifUnused: true, ifEmpty: false })).toEqual({ sealed: true, ready: 1 });
    for (const shard of shards) {
      const failures: string[] = [];
      publish(world, shard, queue, ['b'], { ...NOBODY, publishFailed: (_token, { code }) => void failures.push(code) });
      const refused = consume(world, shard, queue);
      const polled = await get(world, world.shards[shard]!.broker.poll(queue, 'c', new Collector()));
      expect(failures).toEqual(['not-found']);
      expect(refused.consumer.closes.map(({ code }) => code)).toEqual(['not-found']);
      expect(polled).toMatchObject({ code: 'not-found' });
    }
    owner.unseal(logId);
    const back = consume(world, 1, queue);
    await world.rest();
    expect(back.consumer.seen).toEqual(['a again']);
  });
});

describe('queues of one connection', () => {
  test('are refused to others', async () => {
    const world = await BrokerWorld.start(1);
    const settings = { durable: true, autoDelete: false, exclusiveOwner: 'mine', arguments: new Uint8Array(0) };
    const queue = await world.declareVolatile('q', 0, { queue: settings });
    const { broker } = world.shards[0]!;
    const refused = consume(world, 0, queue, { connection: 'yours' });
    await world.rest();
    expect(refused.consumer.closes.map(({ code }) => code)).toEqual(['resource-locked']);
    expect(() => broker.poll(queue, 'yours', new Collector())).toThrow("locked queue 'q' in vhost '/'");
    expect(() => broker.consume(queue, { ...MANUAL, connection: 'yours' }, new Collector())).toThrow('locked queue');
    const owner = consume(world, 0, queue, { connection: 'mine' });
    await world.rest();
    expect(owner.log).toEqual(['opened']);
  });
});

describe('a queue of several partitions', () => {
  test('gives single messages of all of them, whoever owns them', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('q', 3);
    const { broker } = world.shards[1]!;
    for (const partition of [0, 2]) {
      broker.publishBatch(queue, partition, batchOf([`${partition}`]), DurabilityLevel.memory, 1, NOBODY);
    }
    await world.rest();
    const taker = new Collector();
    const handle = broker.poll(queue, 'c', taker);
    const answers: number[] = [];
    for (let count = 0; count < 3; count++) handle.get(true, (left) => void answers.push(left));
    await world.rest();
    expect(taker.seen.sort()).toEqual(['0', '2']);
    expect(answers).toEqual([1, 0, -1]);
  });
});

describe('a queue in memory', () => {
  test('is not read by offset', async () => {
    const { world, queue } = await start(true);
    const { broker } = world.shards[1]!;
    const fetched: string[] = [];
    const limits = { maxBytes: 0, minBytes: 1, maxWaitMs: 10 };
    broker.fetch(queue, [{ partition: 0, offset: 0 }], limits, ([first]) => void fetched.push(first!.error!.code));
    expect(fetched).toEqual(['unsupported']);
    const follower = { batches: () => true, closed: () => undefined };
    expect(() => broker.follow(queue, [], follower)).toThrow('Cannot read "q" by offset');
  });

  test('gives its memory back as messages are settled, and reaches memory only', async () => {
    const { world, queue } = await start(true);
    const { memory } = world.shards[0]!.storage;
    const reached: number[] = [];
    const listener = {
      ...NOBODY,
      published: (...outcome: number[] | unknown[]) => void reached.push(outcome[4] as number),
    };
    world.shards[1]!.broker.publishBatch(
      queue,
      0,
      batchOf(Array(2000).fill('x'.repeat(50))),
      DurabilityLevel.disk,
      1,
      listener,
    );
    await world.rest();
    expect(reached).toEqual([DurabilityLevel.memory]);
    expect(memory.sizeBytes).toBeGreaterThan(100_000);
    const { consumer } = consume(world, 1, queue, { automaticAck: true, credit: 5000 });
    await world.rest();
    expect(consumer.seen.length).toBe(2000);
    expect(memory.sizeBytes).toBeLessThanOrEqual(1024);
  });
});

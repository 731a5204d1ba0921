import { describe, expect, test } from 'vitest';
import { batchOf } from '../storage/fixtures/harness.js';
import { BrokerWorld } from './fixtures/broker-world.js';
import {
  type ConsumerHandle,
  type ConsumerLabel,
  DurabilityLevel,
  type PublishListener,
  type QueueConsumer,
  SettleOutcome,
  type TopicEntry,
} from './ports.js';

const NOBODY: PublishListener = { published: () => undefined, publishFailed: () => undefined };
const SILENT: QueueConsumer = { deliver: () => undefined, flush: () => undefined, closed: () => undefined };

async function worldWith(messages: number, partitions = 1): Promise<{ world: BrokerWorld; queue: TopicEntry }> {
  const world = await BrokerWorld.start(2);
  const queue = await world.declare('q', partitions);
  const values = Array.from({ length: messages }, (_, index) => `m${index}`);
  for (const { partition } of queue.partitions) {
    world.shards[0]!.broker.publishBatch(queue, partition, batchOf(values), DurabilityLevel.memory, 1, NOBODY);
  }
  await world.rest();
  return { world, queue };
}

function consume(world: BrokerWorld, shard: number, queue: TopicEntry, credit: number, label: ConsumerLabel) {
  return world.shards[shard]!.broker.consume(queue, { automaticAck: false, credit, label }, SILENT);
}

const named = (session: string, consumer: string): ConsumerLabel => ({ session, consumer });

describe('who holds messages', () => {
  test.each([0, 1])('is told by name to whoever asks on shard %i', async (shard) => {
    const { world, queue } = await worldWith(10);
    consume(world, 0, queue, 3, named('near', 'tag-1'));
    await world.rest();
    const far = consume(world, 1, queue, 4, named('far', 'tag-2'));
    await world.rest();
    const poll = world.shards[1]!.broker.poll(queue, 'c', SILENT, named('far', 'get'));
    poll.get(false, () => undefined);
    poll.get(false, () => undefined);
    await world.rest();
    const { broker } = world.shards[shard]!;
    const { holders, more } = await world.settle(broker.unacknowledged(queue, 10));
    expect(more).toBe(false);
    expect(holders).toMatchObject([
      { kind: 'consumer', session: 'near', consumer: 'tag-1', partition: 0, count: 3, firstOffset: 0 },
      { kind: 'consumer', session: 'far', consumer: 'tag-2', partition: 0, count: 4, firstOffset: 3 },
      { kind: 'get', session: 'far', consumer: 'get', partition: 0, count: 2, firstOffset: 7 },
    ]);
    expect(holders.every(({ storedMs }) => storedMs > 0)).toBe(true);
    far.settle(0, [3, 4], SettleOutcome.acknowledge);
    far.cancel({ keepHeld: true });
    await world.rest();
    const later = await world.settle(broker.unacknowledged(queue, 10));
    expect(later.holders.find(({ consumer }) => consumer === 'tag-2')).toMatchObject({
      kind: 'cancelled',
      firstOffset: 5,
    });
  });

  test('who holds nothing is not told, and nobody loses a message by the question', async () => {
    const { world, queue } = await worldWith(3);
    const seen: number[] = [];
    const taker: QueueConsumer = { ...SILENT, deliver: (_partition, record) => void seen.push(record.offset) };
    const { broker } = world.shards[0]!;
    const handle = broker.consume(queue, { automaticAck: false, credit: 1 }, taker);
    await world.rest();
    await world.settle(broker.unacknowledged(queue, 10));
    handle.settle(0, [0], SettleOutcome.acknowledge);
    await world.rest();
    await world.settle(broker.unacknowledged(queue, 10));
    handle.setPrefetch(10);
    await world.rest();
    expect(seen).toEqual([0, 1, 2]);
    handle.settle(0, [1, 2], SettleOutcome.acknowledge);
    await world.rest();
    expect(await world.settle(broker.unacknowledged(queue, 10))).toEqual({ holders: [], more: false });
  });

  test.each([0, 1])('hundreds with long names come in pages, over a ring as well (shard %i)', async (shard) => {
    const { world, queue } = await worldWith(300, 2);
    const handles: ConsumerHandle[] = [];
    for (let index = 0; index < 150; index++) {
      // Control characters take six bytes each in JSON.
      handles.push(consume(world, index % 2, queue, 2, named('\u0001'.repeat(400), `${index}`)));
    }
    await world.rest();
    const { broker } = world.shards[shard]!;
    const all = await world.settle(broker.unacknowledged(queue, 1000));
    expect(all.more).toBe(false);
    expect(all.holders.length).toBe(300);
    expect(new Set(all.holders.map(({ partition, consumer }) => `${partition} ${consumer}`)).size).toBe(300);
    expect(all.holders[0]?.session.length).toBe(255);
    const some = await world.settle(broker.unacknowledged(queue, 7));
    expect([some.holders.length, some.more]).toEqual([7, true]);
  });
});

import { afterEach, expect, test } from 'vitest';
import { type Client, connect } from './client.js';
import type { Delivery } from './delivery.js';
import { FakeNode } from './fixtures/fake-node.js';
import type { Subscription } from './queue-subscription.js';

const clients: Client[] = [];

async function setUp(
  messages: number,
): Promise<{ node: FakeNode; client: Client; queue: ReturnType<FakeNode['queue']> }> {
  const node = new FakeNode();
  const queue = node.queue('jobs');
  const client = await connect('ws://fake', {
    transport: node.transport,
    reconnect: { firstDelayMs: 0, maxDelayMs: 1 },
  });
  clients.push(client);
  if (messages > 0)
    await client.publish(
      'jobs',
      Array.from({ length: messages }, (_, index) => `${index}`),
    );
  return { node, client, queue };
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

async function taken(subscription: Subscription, count: number): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  for (const iterator = subscription[Symbol.asyncIterator](); deliveries.length < count; ) {
    const next = await iterator.next();
    if (next.done) break;
    deliveries.push(next.value);
  }
  return deliveries;
}

const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
};

test('deliveries carry everything that was published', async () => {
  const { client } = await setUp(0);
  await client.publish('jobs', {
    key: 'k',
    value: '{"a":1}',
    headers: [
      ['h', 'x'],
      ['h', null],
    ],
    timestamp: 1234,
  });
  const [delivery] = await taken(await client.subscribe('jobs'), 1);
  expect(delivery).toMatchObject({
    tag: 1,
    partition: 0,
    offset: 0,
    redelivered: false,
    deliveryCount: 0,
    timestamp: 1234,
  });
  expect(delivery?.json()).toEqual({ a: 1 });
  expect(delivery?.keyText()).toBe('k');
  expect(delivery?.header('h')).toBe('x');
  expect(delivery?.headers.map(([name, value]) => [name, value && [...value]])).toEqual([
    ['h', [120]],
    ['h', null],
  ]);
  expect([...delivery!.value!]).toEqual([...new TextEncoder().encode('{"a":1}')]);
});

test('acknowledgements of one turn leave as one frame of ranges', async () => {
  const { node, client, queue } = await setUp(10);
  const deliveries = await taken(await client.subscribe('jobs'), 10);
  for (const index of [0, 1, 2, 5, 4, 8]) expect(deliveries[index]?.ack()).toBe(true);
  await turns(4);
  const settles = node.received.flatMap((frame) => frame.settle ?? []);
  expect(settles.map((settle) => settle.tags?.map(({ first, last }) => [first, last]))).toEqual([
    [
      [1, 3],
      [5, 6],
      [9, 9],
    ],
  ]);
  expect([...queue.acknowledged].sort()).toEqual([0, 1, 2, 4, 5, 8]);
  expect(() => deliveries[0]?.ack()).toThrow(expect.objectContaining({ code: 'already-settled' }));
});

test('the prefetch bounds what comes, can be changed, and is refilled by acknowledgements', async () => {
  const { client } = await setUp(10);
  const subscription = await client.subscribe('jobs', { prefetch: 2 });
  await turns(6);
  const first = [subscription.take(), subscription.take()];
  expect(subscription.take()).toBeUndefined();
  subscription.setPrefetch(3);
  await turns(6);
  expect(subscription.take()?.tag).toBe(3);
  expect(subscription.take()).toBeUndefined();
  await first[0]?.ackConfirmed();
  await turns(6);
  expect(subscription.take()?.tag).toBe(4);
});

test('ackUpTo settles everything before, and what was settled by itself is not settled twice', async () => {
  const { client, queue } = await setUp(5);
  const subscription = await client.subscribe('jobs');
  const deliveries = await taken(subscription, 5);
  deliveries[1]?.ack();
  expect(subscription.ackUpTo(deliveries[3]!)).toBe(true);
  expect(() => deliveries[0]?.nack()).toThrow(expect.objectContaining({ code: 'already-settled' }));
  await deliveries[4]?.nackConfirmed({ requeue: false });
  expect(queue.acknowledged.size).toBe(5);
});

test('nack brings the message back, marked', async () => {
  const { client } = await setUp(1);
  const subscription = await client.subscribe('jobs');
  const [first] = await taken(subscription, 1);
  first?.nack();
  const [again] = await taken(subscription, 1);
  expect(again).toMatchObject({ offset: 0, redelivered: true, deliveryCount: 1 });
});

test('after a lost connection unsettled messages come again, and old deliveries are stale', async () => {
  const { node, client, queue } = await setUp(4);
  const subscription = await client.subscribe('jobs', { prefetch: 3 });
  const [old] = await taken(subscription, 1);
  const states: string[] = [];
  client.onState(({ state }) => states.push(state));
  node.cut();
  while (states.length === 0) await turns(1);
  const again = await taken(subscription, 3);
  expect(states).toEqual(['reconnecting', 'open']);
  expect(again.map(({ offset }) => offset)).toEqual([0, 1, 2]);
  expect(again[0]?.redelivered).toBe(true);
  expect(old?.ack()).toBe(false);
  expect(subscription.ackUpTo(old!)).toBe(false);
  const [second] = [again[1]!];
  await second.ackConfirmed();
  expect([...queue.acknowledged]).toEqual([1]);
});

test('a confirmed acknowledgement whose connection breaks is rejected as stale', async () => {
  const { node, client } = await setUp(1);
  const [delivery] = await taken(await client.subscribe('jobs'), 1);
  node.interfere = (frame) => (frame.settle ? 'cut' : 'pass');
  await expect(delivery?.ackConfirmed()).rejects.toMatchObject({
    code: expect.stringMatching(/stale-delivery|connection-lost/),
  });
});

test('automatic acknowledgement: credit follows consumption and settling is refused', async () => {
  const { client, queue } = await setUp(20);
  const subscription = await client.subscribe('jobs', { prefetch: 4, ack: 'auto' });
  await turns(10);
  expect(queue.acknowledged.size).toBe(4);
  const deliveries = await taken(subscription, 20);
  expect(deliveries.map((delivery) => delivery.text())).toEqual(Array.from({ length: 20 }, (_, index) => `${index}`));
  expect(() => deliveries[0]?.ack()).toThrow(expect.objectContaining({ code: 'wrong-kind' }));
});

test('closing gives back what is unsettled and ends the iteration', async () => {
  const { client, queue } = await setUp(3);
  const subscription = await client.subscribe('jobs');
  const [first] = await taken(subscription, 1);
  first?.ack();
  await subscription.close();
  expect(await taken(subscription, 1)).toEqual([]);
  expect([...queue.acknowledged]).toEqual([0]);
  expect(queue.ready.map(({ offset }) => offset)).toEqual([1, 2]);
});

test('subscribing to what is not there is refused', async () => {
  const { client } = await setUp(0);
  await expect(client.subscribe('nowhere')).rejects.toMatchObject({ code: 'not-found' });
  await expect(client.subscribe('jobs', { prefetch: 0 })).rejects.toMatchObject({ code: 'invalid-request' });
});

test('a handler acknowledges by resolving and returns by rejecting, with bounded concurrency', async () => {
  const { client, queue } = await setUp(12);
  let running = 0;
  let most = 0;
  const failures: unknown[] = [];
  const failed = (error: unknown): void => {
    failures.push(error);
  };
  const consumer = await client.consume('jobs', { prefetch: 12, concurrency: 3, failed }, async (delivery) => {
    most = Math.max(most, ++running);
    await turns(2);
    running--;
    if (delivery.offset === 5 && !delivery.redelivered) throw new Error('not yet');
  });
  while (queue.acknowledged.size < 12) await turns(1);
  await consumer.stop();
  expect(most).toBe(3);
  expect(failures).toEqual([new Error('not yet')]);
});

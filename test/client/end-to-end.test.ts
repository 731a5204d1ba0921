/** The built client against a real node, over real sockets. */
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect, type Delivery } from '../../dist/client/index.js';
import { type CuttingProxy, startProxy, startTestNode, type TestNode } from './node.js';

let server: TestNode;
let proxy: CuttingProxy;
const clients: Client[] = [];

beforeAll(async () => {
  server = await startTestNode();
  proxy = await startProxy(server.node.port!);
});

afterEach(async () => {
  proxy.cutAfter(undefined);
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

afterAll(async () => {
  proxy.close();
  await server.remove();
});

async function clientAt(url: string, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, { reconnect: { firstDelayMs: 1, maxDelayMs: 20, first: true }, ...options });
  clients.push(client);
  return client;
}

async function taken<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const found: T[] = [];
  const iterator = items[Symbol.asyncIterator]();
  while (found.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    found.push(next.value);
  }
  return found;
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, index) => `${index}`);

test('one queue: declare, publish, consume, acknowledge, redeliver, purge, delete', async () => {
  const client = await clientAt(server.url);
  await client.declareQueue('jobs');
  await client.declareQueue('jobs');
  await expect(client.declareQueue('jobs', { partitions: 2 })).rejects.toMatchObject({ code: 'already-exists' });
  const receipts = await client.publish('jobs', numbers(10), { durability: 'disk' });
  expect(receipts.map(({ offset, durability }) => [offset, durability])).toEqual(
    numbers(10).map((text) => [Number(text), 'disk']),
  );
  const subscription = await client.subscribe('jobs', { prefetch: 4 });
  const first = await taken(subscription, 4);
  expect(first.map((delivery) => delivery.text())).toEqual(['0', '1', '2', '3']);
  subscription.ackUpTo(first[1]!);
  first[2]?.nack();
  await first[3]?.ackConfirmed();
  const again = await taken(subscription, 4);
  expect(again.map(({ offset, redelivered }) => [offset, redelivered]).sort()).toEqual([
    [2, true],
    [4, false],
    [5, false],
    [6, false],
  ]);
  await subscription.close();
  const described = await client.describe('jobs');
  expect(described).toMatchObject({ kind: 'queue', name: 'jobs', messagesReady: 7, messagesUnacknowledged: 0 });
  expect(await client.purge('jobs')).toBe(7);
  await client.delete('jobs');
  await expect(client.describe('jobs')).rejects.toMatchObject({ code: 'not-found' });
});

test('one topic: several partitions, reader, follower, broadcast, group offsets, listing', async () => {
  const client = await clientAt(server.url);
  await client.declareTopic('events', { partitions: 3, retentionMs: -1 });
  const live = await client.broadcast('events');
  await client.publish(
    'events',
    numbers(100).map((value) => ({ key: value, value, headers: { n: value } })),
  );
  const reader = client.reader('events');
  const records = await taken(reader, 100);
  expect(records.map((record) => record.text()).sort()).toEqual(numbers(100).sort());
  expect(records.every((record) => record.header('n') === record.keyText())).toBe(true);
  await reader.commit('readers');
  const committed = await client.committed('readers', 'events');
  expect(committed.map(({ offset }) => offset)).toEqual(
    (await client.listOffsets('events', 'end')).map(({ offset }) => offset),
  );
  const decoded = await taken(client.reader('events', { decoded: true }), 100);
  expect(decoded.map((record) => record.header('n')).sort()).toEqual(numbers(100).sort());
  const followed = await taken(await client.follow('events', { from: 'beginning', credit: 7 }), 100);
  expect(followed.map((record) => record.text()).sort()).toEqual(numbers(100).sort());
  const seen = await taken(live, 100);
  expect(seen.map((item) => item.kind)).toEqual(Array(100).fill('record'));
  expect((await client.list({ prefix: 'ev' })).entries.map(({ name }) => name)).toEqual(['events']);
  const status = await client.status();
  expect(status.topics).toBeGreaterThanOrEqual(1);
  expect(await client.ping()).toBeGreaterThan(0);
});

test('Node’s or the browser’s own WebSocket works as well as the package', async () => {
  if (typeof WebSocket === 'undefined') return;
  const client = await clientAt(server.url, { webSocket: (url) => new WebSocket(url) as never });
  expect(await client.ping()).toBeGreaterThan(0);
});

test('an idempotent producer loses, doubles and reorders nothing while connections are cut in the middle of frames', async () => {
  const client = await clientAt(proxy.url);
  await client.declareTopic('steady', { durability: 'memory' });
  const producer = client.producer({ to: 'steady', maxBatchBytes: 2_000 });
  let reconnects = 0;
  client.onState(({ state }) => {
    if (state === 'open') reconnects++;
  });
  const sends: Promise<{ offset: number }>[] = [];
  for (let index = 0; index < 20_000; index++) {
    sends.push(producer.send(`message ${index}`));
    if (index % 1000 === 0) {
      proxy.cutAfter(1 + ((index * 7919) % 20_000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  const receipts = await Promise.all(sends);
  expect(receipts.map(({ offset }) => offset)).toEqual(numbers(20_000).map(Number));
  expect(reconnects).toBeGreaterThan(3);
  const records = await taken(client.reader('steady'), 20_000);
  expect(records.map((record) => record.text())).toEqual(numbers(20_000).map((text) => `message ${text}`));
  expect((await client.listOffsets('steady', 'end'))[0]?.offset).toBe(20_000);
});

test('a consumer goes on after its connection was cut: everything is handled, and what was acknowledged durably comes once', async () => {
  const client = await clientAt(proxy.url);
  await client.declareQueue('work');
  await client.publish('work', numbers(500));
  const handled = new Map<string, number>();
  const confirmed = new Set<string>();
  let deliveries = 0;
  const consumer = await client.consume('work', { prefetch: 20 }, async (delivery: Delivery) => {
    if (++deliveries % 150 === 0) proxy.cut();
    expect(confirmed.has(delivery.text())).toBe(false);
    handled.set(delivery.text(), (handled.get(delivery.text()) ?? 0) + 1);
    await delivery.ackConfirmed().then(
      () => confirmed.add(delivery.text()),
      () => undefined,
    );
  });
  while (confirmed.size < 500) await new Promise((resolve) => setTimeout(resolve, 5));
  await consumer.stop();
  expect(handled.size).toBe(500);
  expect((await client.describe('work')).messagesReady).toBe(0);
});

test('a client outlives the restart of its node', async () => {
  const client = await clientAt(server.url);
  await client.declareQueue('lasting');
  await client.publish('lasting', 'before');
  const subscription = await client.subscribe('lasting');
  await server.restart();
  const receipt = await client.publish('lasting', 'after');
  const deliveries = await taken(subscription, 2);
  expect(deliveries.map((delivery) => delivery.text())).toContain('after');
  expect(receipt.durability).toBe('disk');
  const texts = new Set(deliveries.map((delivery) => delivery.text()));
  if (!texts.has('before')) throw new Error(`The message from before the restart is missing: ${[...texts].join()}`);
});

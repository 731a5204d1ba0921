/** Sessions that outlive their connection: the built client against real nodes, with one shard and with several. */
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect, type Delivery } from '../../dist/client/index.js';
import { type CuttingProxy, startProxy, startTestNode, type TestNode } from './node.js';

const IN_FLIGHT = 500;
const CUTS = 100;

let server: TestNode | undefined;
let proxy: CuttingProxy | undefined;
const clients: Client[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  proxy?.close();
  await server?.remove();
});

async function start(shards: number): Promise<{ direct: string; cut: string }> {
  server = await startTestNode(shards);
  proxy = await startProxy(server.node.port!);
  return { direct: server.url, cut: proxy.url };
}

async function clientAt(url: string, options: ConnectOptions = {}): Promise<Client> {
  const reconnect = { firstDelayMs: 1, maxDelayMs: 20, first: true };
  const client = await connect(url, { reconnect, ...options });
  clients.push(client);
  return client;
}

async function taken(items: AsyncIterable<Delivery>, count: number): Promise<Delivery[]> {
  const found: Delivery[] = [];
  const iterator = items[Symbol.asyncIterator]();
  while (found.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    found.push(next.value);
  }
  return found;
}

async function reconnected(client: Client, cut: () => void): Promise<void> {
  await new Promise<void>((resolve) => {
    const stop = client.onState(({ state }) => {
      if (state !== 'open') return;
      stop();
      resolve();
    });
    cut();
  });
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 1000) throw new Error('It never came to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe.each([0, 2])('with %i shards', (shards) => {
  test('500 deliveries survive 100 cuts: nothing comes again, late acknowledgements count', async () => {
    const urls = await start(shards);
    const observer = await clientAt(urls.direct);
    for (const queue of ['one', 'two']) {
      await observer.declareQueue(queue);
      await observer.publish(
        queue,
        Array.from({ length: IN_FLIGHT }, (_, index) => `${index}`),
      );
    }
    const client = await clientAt(urls.cut, { resumeWindowMs: 30_000 });
    const held = new Map<string, Delivery[]>();
    const subscriptions = [];
    for (const queue of ['one', 'two']) {
      const subscription = await client.subscribe(queue, { prefetch: 2 * IN_FLIGHT });
      subscriptions.push(subscription);
      held.set(queue, await taken(subscription, IN_FLIGHT));
    }
    const again: string[] = [];
    for (const subscription of subscriptions) {
      void (async () => {
        for await (const delivery of subscription) again.push(delivery.text());
      })();
    }
    for (let round = 0; round < CUTS; round++) {
      await reconnected(client, () => proxy?.cut());
      // A few are acknowledged between two cuts, before, after and without a connection.
      if (round % 10 === 0) held.get('one')?.shift()?.ack();
    }
    expect((await observer.describe('two')).messagesReady).toBe(0);
    const acknowledged = [...(held.get('one') ?? []), ...(held.get('two') ?? [])].map((delivery) =>
      delivery.ackConfirmed(),
    );
    proxy?.cut();
    await Promise.all(acknowledged);
    for (const queue of ['one', 'two']) {
      await until(async () => {
        const { messagesReady, messagesUnacknowledged } = await observer.describe(queue);
        return messagesReady + messagesUnacknowledged === 0;
      });
    }
    expect(again).toEqual([]);
  });

  test('all of them go back when the client does not come within the window', async () => {
    const urls = await start(shards);
    const observer = await clientAt(urls.direct);
    await observer.declareQueue('jobs');
    await observer.publish(
      'jobs',
      Array.from({ length: IN_FLIGHT }, (_, index) => `${index}`),
    );
    const reconnect = { firstDelayMs: 1500, maxDelayMs: 1500, jitter: 0 };
    const client = await clientAt(urls.cut, { resumeWindowMs: 500, reconnect });
    const held = await taken(await client.subscribe('jobs', { prefetch: IN_FLIGHT }), IN_FLIGHT);
    const cutMs = Date.now();
    proxy?.cut();
    await new Promise((resolve) => setTimeout(resolve, 250));
    if (Date.now() - cutMs < 450) expect((await observer.describe('jobs')).messagesReady).toBe(0);
    await until(async () => (await observer.describe('jobs')).messagesReady === IN_FLIGHT);
    const others = await taken(await observer.subscribe('jobs', { prefetch: IN_FLIGHT }), IN_FLIGHT);
    expect(others.every(({ redelivered }) => redelivered)).toBe(true);
    await expect(held[0]?.ackConfirmed()).rejects.toMatchObject({ code: 'stale-delivery' });
  });
});

test('publishes, requests and consumers go on over cuts in the middle of frames', async () => {
  const urls = await start(0);
  const client = await clientAt(urls.cut, { resumeWindowMs: 30_000 });
  await client.declareQueue('steady');
  const seen: string[] = [];
  const consumer = await client.consume('steady', { prefetch: 50 }, async (delivery) => {
    seen.push(delivery.text());
    await delivery.ackConfirmed();
  });
  const producer = client.producer({ to: 'steady', maxBatchBytes: 500 });
  const sends: Promise<unknown>[] = [];
  for (let index = 0; index < 2000; index++) {
    sends.push(producer.send(`${index}`));
    if (index % 100 === 0) {
      proxy?.cutAfter(1 + ((index * 7919) % 2000));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
  await Promise.all(sends);
  proxy?.cutAfter(undefined);
  await until(async () => {
    const { messagesReady, messagesUnacknowledged } = await client.describe('steady');
    return messagesReady + messagesUnacknowledged === 0;
  });
  await consumer.stop();
  expect(new Set(seen).size).toBe(2000);
});

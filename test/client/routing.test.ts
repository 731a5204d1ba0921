/** Exchanges, queues of the model, single messages, requests and replies: the built client against a real node. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect, createOnce, type Delivery } from '../../dist/client/index.js';
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

async function clientAt(url = server.url, options: ConnectOptions = {}): Promise<Client> {
  const client = await connect(url, { reconnect: { firstDelayMs: 1, maxDelayMs: 20, first: true }, ...options });
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

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await condition()); tries++) {
    if (tries > 500) throw new Error('It never came to that');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('exchanges', () => {
  test('route by topic, headers and to other exchanges, with everything that a publisher says', async () => {
    const client = await clientAt();
    const logs = await client.exchange('logs').declare({ type: 'topic', alternate: 'rest' });
    await client.declareExchange('rest', { type: 'fanout' });
    await client.declareExchange('picky', { type: 'headers' });
    for (const queue of ['errors', 'all', 'others', 'picked']) await client.declareQueue(queue, { autoDelete: false });
    await logs.bind({ queue: 'errors', routingKey: '*.error' });
    await logs.bind({ queue: 'all', routingKey: 'app.#' });
    await logs.bind({ exchange: 'picky', routingKey: 'app.#' });
    await client.bind({ source: 'rest', queue: 'others' });
    await client.bind({ source: 'picky', queue: 'picked', arguments: { 'x-match': 'all', level: 3 } });
    const message = {
      value: 'boom',
      contentType: 'text/plain',
      correlationId: 'c1',
      replyTo: 'nobody',
      messageId: 'm1',
      type: 'failure',
      appId: 'tests',
      priority: 3,
      ttlMs: 60_000,
      timestamp: new Date(1_700_000_000_000),
      headers: { level: 3, tags: ['a', 'b'], nested: { yes: true }, none: null },
    };
    expect(await logs.publish('app.error', message)).toEqual({ durability: 'disk' });
    expect(await logs.publish('app.info', 'fine', { durability: 'memory' })).toEqual({ durability: 'memory' });
    await logs.publish('nowhere', 'lost?');
    const [error] = await taken(await client.subscribe('errors'), 1);
    const { value, ...properties } = message;
    expect(error?.text()).toBe(value);
    expect(error).toMatchObject({ exchange: 'logs', routingKey: 'app.error', deliveryCount: 0, deadLetters: [] });
    expect(error?.properties).toEqual({ ...properties, persistent: true });
    expect(error?.header('level')).toBe('3');
    const all = await taken(await client.subscribe('all'), 2);
    expect(all.map((delivery) => delivery.text())).toEqual(['boom', 'fine']);
    expect(all[1]?.properties?.persistent).toBe(false);
    expect((await client.get('picked', { ack: 'auto' }))?.text()).toBe('boom');
    expect((await client.get('others', { ack: 'auto' }))?.text()).toBe('lost?');
    const { bindings } = await client.listBindings({ source: 'picky' });
    expect(bindings).toEqual([
      { source: 'picky', queue: 'picked', routingKey: '', arguments: { 'x-match': 'all', level: 3 } },
    ]);
    const { exchanges } = await client.listExchanges({ prefix: 'lo' });
    expect(exchanges).toMatchObject([{ name: 'logs', type: 'topic', durable: true, alternate: 'rest' }]);
    await logs.unbind({ queue: 'errors', routingKey: '*.error' });
    expect((await client.listBindings({ destination: 'errors' })).bindings.map(({ source }) => source)).not.toContain(
      'logs',
    );
    await logs.delete();
    await expect(logs.publish('app.error', 'gone')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('refuse what does not fit: other settings, reserved names, unknown virtual hosts', async () => {
    const client = await clientAt();
    await client.declareExchange('fits', { type: 'fanout' });
    await expect(client.declareExchange('fits')).rejects.toMatchObject({ code: 'precondition-failed' });
    await expect(client.declareExchange('amq.own')).rejects.toMatchObject({ code: 'forbidden' });
    await expect(client.bind({ source: 'fits', queue: 'none' })).rejects.toMatchObject({ code: 'not-found' });
    const options = { vhost: 'elsewhere', reconnect: { maxAttempts: 0 } };
    await expect(connect(server.url, options)).rejects.toMatchObject({ code: 'unauthenticated' });
  });

  test('tell when nobody wants a mandatory message', async () => {
    const client = await clientAt();
    const publish = client.publish({ routingKey: 'no such queue', value: 'x' }, { mandatory: true });
    await expect(publish).rejects.toMatchObject({ code: 'unroutable' });
    expect(await client.publish({ routingKey: 'no such queue' })).toEqual({ durability: 'disk' });
  });

  test('get again what was not confirmed when the connection broke; a queue drops what it knows by its id', async () => {
    const client = await clientAt(proxy.url);
    await client.declareQueue('deduplicated', { deduplicationMs: 60_000 });
    const publishes: Promise<unknown>[] = [];
    for (let index = 0; index < 300; index++) {
      if (index % 30 === 0) {
        proxy.cutAfter(1 + ((index * 7919) % 3000));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      publishes.push(client.publish({ routingKey: 'deduplicated', value: `${index}`, messageId: `m${index}` }));
    }
    await Promise.all(publishes);
    proxy.cutAfter(undefined);
    expect((await client.describe('deduplicated')).messagesReady).toBe(300);
  });
});

describe('queues of the model', () => {
  test('dead letters carry their history; limits, priorities and delays hold', async () => {
    const client = await clientAt();
    await client.declareQueue('dead');
    await client.declareQueue('limited', {
      deadLetterExchange: '',
      deadLetterRoutingKey: 'dead',
      maxLength: 2,
      maxPriority: 5,
    });
    const described = await client.describe('limited');
    expect(described.settings).toMatchObject({ deadLetterRoutingKey: 'dead', maxLength: 2, maxPriority: 5 });
    for (const priority of [1, 2]) await client.publish({ routingKey: 'limited', value: `${priority}`, priority });
    const two = await client.get('limited');
    expect(two?.text()).toBe('2');
    await two?.nackConfirmed({ requeue: false });
    await until(async () => (await client.describe('dead')).messagesReady === 1);
    const letter = await client.get('dead', { ack: 'auto' });
    expect(letter?.deadLetters).toMatchObject([
      { queue: 'limited', reason: 'rejected', exchange: '', routingKeys: ['limited'], count: 1 },
    ]);
    expect(letter?.properties?.headers['x-death']).toBeUndefined();
    const before = Date.now();
    const consumer = await client.subscribe('dead');
    await client.publish({ routingKey: 'dead', value: 'late', delayMs: 300 });
    const [late] = await taken(consumer, 1);
    expect(late?.text()).toBe('late');
    expect(Date.now() - before).toBeGreaterThanOrEqual(299);
  });

  test('may be one client’s alone, and end with it; consumers may be exclusive', async () => {
    const client = await clientAt();
    const other = await clientAt();
    const name = await client.declareQueue('', { exclusive: true });
    expect(name).toMatch(/^amq\.gen-/);
    await expect(other.get(name)).rejects.toMatchObject({ code: 'resource-locked' });
    await client.declareQueue('guarded');
    const alone = await client.subscribe('guarded', { exclusive: true });
    const second = await other
      .subscribe('guarded')
      .then(
        async (subscription) => await subscription[Symbol.asyncIterator]().next(),
        (error: unknown) => Promise.reject(error),
      )
      .catch((error: { code: string }) => error.code);
    expect(second).toBe('forbidden');
    await alone.close();
    await client.close();
    await until(async () => {
      const { entries } = await other.list({ prefix: 'amq.gen-' });
      return !entries.some((entry) => entry.name === name);
    });
  });

  test('are deleted on conditions', async () => {
    const client = await clientAt();
    await client.declareQueue('used', { maxLength: 5 });
    await client.publish({ routingKey: 'used', value: 'x' });
    await expect(client.delete('used', { ifEmpty: true })).rejects.toMatchObject({ code: 'precondition-failed' });
    await client.delete('used');
  });
});

describe('requests', () => {
  test('are answered, fail, and find nobody', async () => {
    const client = await clientAt();
    const server1 = await clientAt();
    await client.declareQueue('squares', { durable: false });
    const serving = await server1.serve('squares', async (request) => {
      const number = Number(request.text());
      if (Number.isNaN(number)) throw new Error('not a number');
      return { value: String(number * number), contentType: 'text/plain' };
    });
    const replies = await Promise.all([3, 4, 5].map((number) => client.request('squares', String(number))));
    expect(replies.map((reply) => reply.text())).toEqual(['9', '16', '25']);
    expect(replies[0]?.properties?.contentType).toBe('text/plain');
    await expect(client.request('squares', 'x')).rejects.toMatchObject({
      code: 'request-failed',
      message: 'not a number',
    });
    await expect(client.request('nobody here', 'x')).rejects.toMatchObject({ code: 'unroutable' });
    await serving.stop();
    const late = client.request('squares', '1', { timeoutMs: 100 });
    await expect(late).rejects.toMatchObject({ code: 'timeout' });
    // The request went with its asker's patience.
    await until(async () => (await client.describe('squares')).messagesReady === 0);
  });

  test('go on after the connection was cut', async () => {
    const client = await clientAt(proxy.url);
    const answering = await clientAt();
    await answering.declareQueue('echo', { durable: false });
    await answering.serve('echo', (request) => request.text());
    let good = 0;
    for (let round = 0; round < 20; round++) {
      if (round % 5 === 0) proxy.cut();
      const reply = await client.request('echo', `${round}`, { timeoutMs: 2000 }).catch(() => undefined);
      if (reply?.text() === `${round}`) good++;
    }
    expect(good).toBeGreaterThan(10);
  });
});

test('what comes twice is handled once', async () => {
  const client = await clientAt(proxy.url);
  await client.declareQueue('twice');
  for (let index = 0; index < 100; index++) await client.publish({ routingKey: 'twice', messageId: `${index}` });
  const once = createOnce();
  const handled: string[] = [];
  let deliveries = 0;
  const consumer = await client.consume('twice', { prefetch: 10 }, async (delivery) => {
    if (++deliveries % 40 === 0) proxy.cut();
    await once(delivery.properties?.messageId ?? '', () => void handled.push(delivery.properties?.messageId ?? ''));
    await delivery.ackConfirmed().catch(() => undefined);
  });
  await until(async () => {
    const { messagesReady, messagesUnacknowledged } = await client.describe('twice');
    return messagesReady + messagesUnacknowledged === 0;
  });
  await consumer.stop();
  expect(handled.length).toBe(100);
  expect(new Set(handled).size).toBe(100);
});

describe('transactions', () => {
  test('publish to several queues and settle what came from others: all of it, or nothing', async () => {
    const client = await clientAt();
    for (const queue of ['tx.in', 'tx.out', 'tx.log']) await client.declareQueue(queue);
    await client.declareQueue('tx.full', { maxLength: 0, overflow: 'reject-publish' });
    await client.publish('tx.in', ['a', 'b']);
    const ready = async () =>
      Promise.all(['tx.in', 'tx.out', 'tx.log'].map(async (queue) => (await client.describe(queue)).messagesReady));
    const first = await client.get('tx.in');
    const second = await client.get('tx.in');
    const done = await client.transaction((transaction) => {
      transaction.publish({ routingKey: 'tx.out', value: 'one' });
      transaction.publish({ routingKey: 'nowhere', value: 'lost' }, { durability: 'memory' });
      transaction.publish({ routingKey: 'tx.log', value: 'two' });
      transaction.ack(first!);
    });
    expect(done).toEqual({ unroutable: [1] });
    expect(await ready()).toEqual([0, 1, 1]);
    expect(() => first?.ack()).toThrow('was settled before');
    const failing = client.transaction((transaction) => {
      transaction.publish({ routingKey: 'tx.out', value: 'three' });
      transaction.publish({ routingKey: 'tx.full', value: 'no room' });
      transaction.ack(second!);
    });
    await expect(failing).rejects.toMatchObject({ code: 'queue-full' });
    await until(async () => (await ready())[0] === 1);
    expect(await ready()).toEqual([1, 1, 1]);
    const again = await client.get('tx.in');
    expect(again).toMatchObject({ redelivered: true });
    const thrown = client.transaction((transaction) => {
      transaction.publish({ routingKey: 'tx.out', value: 'four' });
      transaction.ack(again!);
      throw new Error('changed my mind');
    });
    await expect(thrown).rejects.toThrow('changed my mind');
    await until(async () => (await ready())[0] === 1);
    expect(await ready()).toEqual([1, 1, 1]);
    expect(await client.transaction(() => undefined)).toEqual({ unroutable: [] });
  });
});

describe('what is held', () => {
  test('by consumers, by time, and for the one active consumer, is told', async () => {
    const client = await clientAt(server.url, { clientName: 'tests' });
    await client.declareQueue('single', { singleActiveConsumer: true });
    const events: string[] = [];
    const open = (name: string) =>
      client.subscribe('single', { onActive: (active) => events.push(`${name} ${active ? 'on' : 'off'}`) });
    const first = await open('first');
    const second = await open('second');
    await client.publish('single', ['a', 'b']);
    await taken(first, 2);
    expect([first.isActive, second.isActive]).toEqual([true, false]);
    const { holders, more } = await client.unacked('single');
    expect(more).toBe(false);
    expect(holders).toMatchObject([{ kind: 'consumer', session: 'tests at 127.0.0.1', count: 2, firstOffset: 0 }]);
    expect(Date.now() - holders[0]!.stored!.getTime()).toBeLessThan(60_000);
    await first.close();
    await until(async () => second.isActive);
    expect(events).toEqual(['first on', 'first off', 'second on']);
    await expect(client.unacked('nowhere')).rejects.toMatchObject({ code: 'not-found' });
    const message = { routingKey: 'single', value: 'later', delayMs: 60_000, messageId: 'later-1' };
    await client.publish(message);
    const count = await client.countDelayed('');
    expect(count.held).toBe(1);
    expect(count.nextFire!.getTime() - Date.now()).toBeGreaterThan(30_000);
    expect(await client.cancelDelayed('', 'other')).toBe(0);
    expect(await client.cancelDelayed('', 'later-1')).toBe(1);
    expect(await client.countDelayed()).toEqual({ held: 0, nextFire: undefined });
    await expect(client.countDelayed('nowhere')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('by a dead letter exchange knows the message that it was', async () => {
    const client = await clientAt();
    await client.declareQueue('origin.dead');
    const rules = { deadLetterExchange: '', deadLetterRoutingKey: 'origin.dead', retain: true };
    await client.declareQueue('origin.work', rules);
    await client.publish('origin.work', ['fine', 'bad']);
    const [fine, bad] = [await client.get('origin.work'), await client.get('origin.work')];
    await fine?.ackConfirmed();
    await bad?.nackConfirmed({ requeue: false });
    await until(async () => (await client.describe('origin.dead')).messagesReady === 1);
    const letter = await client.get('origin.dead', { ack: 'auto' });
    expect(letter?.origin).toEqual({ vhost: '/', queue: 'origin.work', partition: 0, offset: 1, reason: 'rejected' });
    expect(fine?.origin).toBeUndefined();
    const [fetched] = await client.fetch('origin.work', [{ partition: 0, offset: letter!.origin!.offset }]);
    expect(fetched?.records[0]?.text()).toBe('bad');
  });
});

import type { Channel, Message } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Inbox, pause, quiet, refusalOf, TestNode, textOf, unique } from './fixtures/node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

/** A queue of the test's own, bound as said. */
async function bound(channel: Channel, exchange: string, ...keys: readonly string[]): Promise<string> {
  const { queue } = await channel.assertQueue('', { exclusive: true });
  for (const key of keys) await channel.bindQueue(queue, exchange, key);
  return queue;
}

async function contents(channel: Channel, queue: string): Promise<string[]> {
  // What was published before on this channel has been routed when this is answered.
  const texts: string[] = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return texts;
    texts.push(textOf(message));
  }
}

test('work goes round among consumers that have room', async () => {
  const channel = await node.channel();
  const queue = unique('work');
  await channel.assertQueue(queue);
  const slow = await node.channel();
  const fast = await node.channel();
  await slow.prefetch(1);
  await fast.prefetch(1);
  const kept = await Inbox.open(slow, queue);
  const done: string[] = [];
  await fast.consume(queue, (message) => {
    if (message === null) return;
    done.push(textOf(message));
    fast.ack(message);
  });
  for (let number = 0; number < 20; number++) channel.sendToQueue(queue, Buffer.from(`${number}`));
  await eventually(() => done.length === 19);
  expect(kept.size).toBe(1);
});

describe('exchanges', () => {
  test('fanout', async () => {
    const channel = await node.channel();
    const exchange = unique('fanout');
    await channel.assertExchange(exchange, 'fanout');
    const queues = [await bound(channel, exchange, 'ignored'), await bound(channel, exchange, '')];
    channel.publish(exchange, 'any', Buffer.from('a'));
    channel.publish(exchange, '', Buffer.from('b'));
    for (const queue of queues) expect(await contents(channel, queue)).toEqual(['a', 'b']);
  });

  test('direct', async () => {
    const channel = await node.channel();
    const exchange = unique('direct');
    await channel.assertExchange(exchange, 'direct');
    const errors = await bound(channel, exchange, 'error');
    const all = await bound(channel, exchange, 'error', 'info');
    for (const key of ['info', 'error', 'debug']) channel.publish(exchange, key, Buffer.from(key));
    expect(await contents(channel, errors)).toEqual(['error']);
    expect(await contents(channel, all)).toEqual(['info', 'error']);
  });

  test('topic', async () => {
    const channel = await node.channel();
    const orange = await bound(channel, 'amq.topic', '*.orange.*');
    const lazy = await bound(channel, 'amq.topic', '*.*.rabbit', 'lazy.#');
    for (const key of ['quick.orange.rabbit', 'lazy.orange.elephant', 'lazy', 'quick.brown.fox', 'a.orange.b.c']) {
      channel.publish('amq.topic', key, Buffer.from(key));
    }
    expect(await contents(channel, orange)).toEqual(['quick.orange.rabbit', 'lazy.orange.elephant']);
    expect(await contents(channel, lazy)).toEqual(['quick.orange.rabbit', 'lazy.orange.elephant', 'lazy']);
  });

  test('headers', async () => {
    const channel = await node.channel();
    const [all, any] = [await bound(channel, ''), await bound(channel, '')];
    await channel.bindQueue(all, 'amq.headers', '', { 'x-match': 'all', format: 'pdf', pages: 3 });
    await channel.bindQueue(any, 'amq.headers', '', { 'x-match': 'any', format: 'pdf', pages: 3 });
    channel.publish('amq.headers', '', Buffer.from('both'), { headers: { format: 'pdf', pages: 3 } });
    channel.publish('amq.headers', '', Buffer.from('one'), { headers: { format: 'pdf', pages: 4 } });
    channel.publish('amq.headers', '', Buffer.from('none'), { headers: { format: 'zip' } });
    expect(await contents(channel, all)).toEqual(['both']);
    expect(await contents(channel, any)).toEqual(['both', 'one']);
  });

  test('from exchange to exchange, one copy however many ways', async () => {
    const channel = await node.channel();
    const [first, second] = [unique('first'), unique('second')];
    await channel.assertExchange(first, 'direct');
    await channel.assertExchange(second, 'fanout', { internal: true });
    await channel.bindExchange(second, first, 'key');
    const queue = await bound(channel, second, '');
    await channel.bindQueue(queue, first, 'key');
    channel.publish(first, 'key', Buffer.from('once'));
    expect(await contents(channel, queue)).toEqual(['once']);
    channel.publish(second, '', Buffer.from('refused'));
    expect(await refusalOf(channel.checkExchange(first))).toBe(403);
  });

  test('what no queue wants goes to the alternate exchange', async () => {
    const channel = await node.channel();
    const [main, other] = [unique('main'), unique('other')];
    await channel.assertExchange(other, 'fanout');
    await channel.assertExchange(main, 'direct', { alternateExchange: other });
    const wanted = await bound(channel, main, 'wanted');
    const rest = await bound(channel, other, '');
    channel.publish(main, 'wanted', Buffer.from('a'));
    channel.publish(main, 'unwanted', Buffer.from('b'));
    expect(await contents(channel, wanted)).toEqual(['a']);
    expect(await contents(channel, rest)).toEqual(['b']);
  });

  test('CC and BCC add routing keys; BCC is not shown', async () => {
    const channel = await node.channel();
    const queues = [await bound(channel, ''), await bound(channel, ''), await bound(channel, '')];
    const [to, copy, blind] = queues as [string, string, string];
    channel.sendToQueue(to, Buffer.from('m'), { CC: [copy], BCC: [blind] });
    for (const queue of queues) {
      const message = await eventually(() => channel.get(queue, { noAck: true }));
      expect(message.properties.headers).toEqual({ CC: [copy] });
    }
  });

  test('auto-delete exchanges and queues go with their last user', async () => {
    const channel = await node.channel();
    const exchange = unique('auto');
    await channel.assertExchange(exchange, 'fanout', { autoDelete: true });
    const queue = unique('auto');
    await channel.assertQueue(queue, { autoDelete: true });
    await channel.bindQueue(queue, exchange, '');
    const inbox = await Inbox.open(channel, queue);
    await channel.cancel(inbox.tag);
    const looker = await node.connect();
    // The queue took its binding with it, and that the exchange.
    const isGone = async (check: (on: Channel) => Promise<unknown>): Promise<boolean> =>
      (await refusalOf(check(quiet(await looker.createChannel())))) === 404;
    await eventually(() => isGone((on) => on.checkQueue(queue)));
    expect(await isGone((on) => on.checkExchange(exchange))).toBe(true);
  });
});

describe('publishing', () => {
  test('mandatory messages that no queue wants come back before their confirm', async () => {
    const channel = await node.confirmChannel();
    const events: string[] = [];
    channel.on('return', (message: Message) => events.push(`return ${textOf(message)}`));
    const confirmed = (): void => {
      events.push('confirm');
    };
    channel.publish('amq.direct', unique('nowhere'), Buffer.from('lost'), { mandatory: true }, confirmed);
    channel.publish('amq.direct', unique('nowhere'), Buffer.from('dropped'), {}, confirmed);
    await channel.waitForConfirms();
    expect(events).toEqual(['return lost', 'confirm', 'confirm']);
  });

  test('each publish gets one confirm', async () => {
    const channel = await node.confirmChannel();
    const queue = unique('confirmed');
    await channel.assertQueue(queue);
    const outcomes: unknown[] = [];
    for (let number = 0; number < 500; number++) {
      const options = { persistent: number % 2 === 0 };
      channel.sendToQueue(queue, Buffer.from(`${number}`), options, (error: unknown) => outcomes.push(error));
    }
    await channel.waitForConfirms();
    expect(outcomes).toHaveLength(500);
    expect(outcomes.every((error) => error === null)).toBe(true);
    expect((await channel.checkQueue(queue)).messageCount).toBe(500);
  });

  test('a missing exchange closes the channel with 404, and only the channel', async () => {
    const connection = await node.connect();
    const channel = quiet(await connection.createChannel());
    const closed = new Promise<{ code?: number }>((resolve) => channel.once('error', resolve));
    channel.publish(unique('missing'), '', Buffer.from('x'));
    expect((await closed).code).toBe(404);
    const next = await connection.createChannel();
    expect(await next.assertQueue('', { exclusive: true })).toMatchObject({ messageCount: 0 });
  });
});

describe('requests and replies', () => {
  test.each([
    ['shard 0', 'shard 0', 0, 0],
    ['shard 0', 'shard 1', 0, 1],
    ['shard 1', 'shard 0', 1, 0],
  ])('direct reply-to: a client on %s, a server on %s', async (_client, _server, from, to) => {
    const connections = await node.connectionsOfBothShards();
    const server = await connections[to]!.createChannel();
    const queue = unique('rpc');
    await server.assertQueue(queue, { exclusive: true });
    await server.consume(
      queue,
      (request) => {
        if (request === null) return;
        const { replyTo, correlationId } = request.properties;
        server.publish('', String(replyTo), Buffer.from(`${textOf(request)}!`), { correlationId });
      },
      { noAck: true },
    );
    const client = await connections[from]!.createChannel();
    const replies = await Inbox.open(client, 'amq.rabbitmq.reply-to', { noAck: true });
    const large = 'x'.repeat(300_000);
    for (const [index, text] of ['one', 'two', large].entries()) {
      client.publish('', queue, Buffer.from(text), {
        replyTo: 'amq.rabbitmq.reply-to',
        correlationId: `${index}`,
      });
    }
    const got = await replies.take(3);
    expect(got.map(({ properties }) => properties.correlationId)).toEqual(['0', '1', '2']);
    expect(got.map((reply) => textOf(reply).length)).toEqual([4, 4, 300_001]);
  });

  test('a reply to somebody who has gone is lost, and harms nobody', async () => {
    const [first, second] = await node.connectionsOfBothShards();
    const client = await first.createChannel();
    const queue = unique('rpc');
    const server = await second.createChannel();
    await server.assertQueue(queue, { exclusive: true });
    await Inbox.open(client, 'amq.rabbitmq.reply-to', { noAck: true });
    client.publish('', (await server.checkQueue(queue)).queue, Buffer.from('?'), { replyTo: 'amq.rabbitmq.reply-to' });
    const request = await eventually(() => server.get(queue, { noAck: true }));
    await client.close();
    server.publish('', String(request.properties.replyTo), Buffer.from('late'));
    await pause(20);
    expect((await server.checkQueue(queue)).messageCount).toBe(0);
  });

  test('a queue of replies, as the tutorials have it', async () => {
    const server = await node.channel();
    const client = await node.channel();
    const [requests, answers] = [unique('requests'), unique('answers')];
    await server.assertQueue(requests);
    await client.assertQueue(answers, { exclusive: true });
    const replies = await Inbox.open(client, answers, { noAck: true });
    client.sendToQueue(requests, Buffer.from('21'), { replyTo: answers, correlationId: 'c' });
    const request = await eventually(() => server.get(requests, { noAck: true }));
    server.sendToQueue(String(request.properties.replyTo), Buffer.from(`${Number(textOf(request)) * 2}`), {
      correlationId: String(request.properties.correlationId),
    });
    const reply = await replies.one();
    expect([textOf(reply), reply.properties.correlationId]).toEqual(['42', 'c']);
  });
});

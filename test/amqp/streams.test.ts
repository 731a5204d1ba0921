import type { Channel, Options } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { JsonClient } from '../support/json-client.js';
import { connectionRefusalOf, eventually, Inbox, pause, refusalOf, TestNode, textOf, unique } from './fixtures/node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start({ maintenanceInterval: 1 });
});
afterAll(() => node.remove());

const STREAM = { 'x-queue-type': 'stream' };

async function publish(queue: string, ...texts: readonly string[]): Promise<void> {
  const channel = await node.confirmChannel();
  // One by one, so that each is a batch of its own.
  for (const text of texts) {
    channel.sendToQueue(queue, Buffer.from(text), { persistent: true });
    await channel.waitForConfirms();
  }
}

async function stream(texts: readonly string[] = [], more = {}): Promise<string> {
  const queue = unique('stream');
  await (await node.channel()).assertQueue(queue, { arguments: { ...STREAM, ...more } });
  await publish(queue, ...texts);
  return queue;
}

/** A reader on a channel of its own. `offset` as a client writes it; undefined = none. */
async function read(queue: string, offset: unknown, prefetch = 10, options: Options.Consume = {}) {
  const channel = await node.channel();
  await channel.prefetch(prefetch);
  const chosen = offset === undefined ? {} : { 'x-stream-offset': offset };
  const inbox = await Inbox.open(channel, queue, { ...options, arguments: { ...options.arguments, ...chosen } });
  return { channel, inbox };
}

describe('a stream', () => {
  test('is read from its beginning, its end, its last message and any offset, by each consumer for itself', async () => {
    const queue = await stream(['a', 'b', 'c', 'd']);
    const [first, next, last, second, plain] = await Promise.all([
      read(queue, 'first'),
      read(queue, 'next'),
      read(queue, 'last'),
      read(queue, 1),
      read(queue, undefined),
    ]);
    await publish(queue, 'e');
    expect(await first.inbox.texts(5)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(await next.inbox.texts(1)).toEqual(['e']);
    expect(await last.inbox.texts(2)).toEqual(['d', 'e']);
    const messages = await second.inbox.take(4);
    expect(messages.map(textOf)).toEqual(['b', 'c', 'd', 'e']);
    expect(messages.map(({ properties }) => properties.headers?.['x-stream-offset'])).toEqual([1, 2, 3, 4]);
    expect(messages.some(({ fields }) => fields.redelivered)).toBe(false);
    expect(await plain.inbox.texts(1)).toEqual(['e']);
  });

  test('is read from a time on', async () => {
    const queue = await stream(['old']);
    await pause(1100);
    const between = Math.floor(Date.now() / 1000);
    await pause(1000 - (Date.now() % 1000));
    await publish(queue, 'new');
    const since = await read(queue, { '!': 'timestamp', value: between });
    expect(await since.inbox.texts(1)).toEqual(['new']);
    expect(await (await read(queue, '1h')).inbox.texts(2)).toEqual(['old', 'new']);
    expect(await (await read(queue, '1s')).inbox.texts(1)).toEqual(['new']);
  });

  test('gives so many messages as the prefetch says; settling, whichever way, makes room and removes nothing', async () => {
    const queue = await stream(Array.from({ length: 12 }, (_, number) => `${number}`));
    const { channel, inbox } = await read(queue, 'first', 3);
    const [zero, one, two] = await inbox.take(3);
    await pause(30);
    expect(inbox.size).toBe(0);
    channel.ack(zero!);
    channel.nack(one!, false, true);
    channel.reject(two!, false);
    const more = await inbox.take(3);
    expect(more.map(textOf)).toEqual(['3', '4', '5']);
    channel.ack(more[2]!, true);
    expect(await inbox.texts(3)).toEqual(['6', '7', '8']);
    expect((await channel.checkQueue(queue)).messageCount).toBe(12);
    expect(await (await read(queue, 'first', 100)).inbox.texts(12)).toHaveLength(12);
  });

  test('refuses what takes messages away, or reads without limit', async () => {
    const queue = await stream(['a']);
    const unlimited = await node.channel();
    expect(await refusalOf(Inbox.open(unlimited, queue))).toBe(406);
    const hard = async (operation: (channel: Channel) => Promise<unknown>): Promise<number | undefined> =>
      connectionRefusalOf(await node.connect(), operation);
    const automatic = async (channel: Channel): Promise<unknown> => {
      await channel.prefetch(1);
      return Inbox.open(channel, queue, { noAck: true });
    };
    const limitedAsAWhole = async (channel: Channel): Promise<unknown> => {
      await channel.prefetch(1, true);
      return Inbox.open(channel, queue);
    };
    expect(await hard(automatic)).toBe(540);
    expect(await hard(limitedAsAWhole)).toBe(540);
    expect(await hard((channel) => channel.get(queue))).toBe(540);
    expect(await hard((channel) => channel.purgeQueue(queue))).toBe(540);
    expect(await refusalOf(read(queue, 'someday'))).toBe(406);
    expect(await refusalOf(read(queue, -1))).toBe(406);
    const arguments_ = { arguments: STREAM };
    expect(await refusalOf((await node.channel()).assertQueue(unique('s'), { ...arguments_, durable: false }))).toBe(
      406,
    );
    expect(await refusalOf((await node.channel()).assertQueue(unique('s'), { ...arguments_, exclusive: true }))).toBe(
      406,
    );
  });

  test('is filtered by a header', async () => {
    const queue = await stream();
    const channel = await node.confirmChannel();
    const send = (text: string, value?: string): void => {
      const headers = value === undefined ? {} : { 'x-stream-filter-value': value };
      channel.sendToQueue(queue, Buffer.from(text), { headers });
    };
    send('a', 'north');
    send('b', 'south');
    send('c');
    send('d', 'east');
    await channel.waitForConfirms();
    const filtered = async (...filter: [value: unknown, unfiltered?: boolean]): Promise<Inbox> => {
      const [value, unfiltered] = filter;
      const terms = { 'x-stream-filter': value, 'x-stream-match-unfiltered': unfiltered };
      return (await read(queue, 'first', 10, { arguments: terms })).inbox;
    };
    const inboxes = [await filtered('north'), await filtered(['north', 'east']), await filtered('south', true)];
    await publish(queue, 'unfiltered');
    expect(await inboxes[0]!.texts(1)).toEqual(['a']);
    expect(await inboxes[1]!.texts(2)).toEqual(['a', 'd']);
    expect(await inboxes[2]!.texts(3)).toEqual(['b', 'c', 'unfiltered']);
    expect(inboxes.map(({ size }) => size)).toEqual([0, 0, 0]);
  });

  test('gets rid of what is too old or too much, read or not', async () => {
    const small = { 'x-stream-max-segment-size-bytes': 1_000_000, 'x-max-length-bytes': 2_000_000 };
    const queue = await stream([], small);
    const channel = await node.confirmChannel();
    const body = Buffer.alloc(100_000);
    for (let number = 0; number < 60; number++) channel.sendToQueue(queue, body, { messageId: `${number}` });
    await channel.waitForConfirms();
    await eventually(async () => (await channel.checkQueue(queue)).messageCount < 40);
    const first = await (await read(queue, 'first')).inbox.one();
    expect(Number(first.properties.messageId)).toBeGreaterThan(20);
    expect(first.properties.headers?.['x-stream-offset']).toBe(Number(first.properties.messageId));
  });

  test('forgets what is older than it may be', async () => {
    const queue = await stream(['old'], { 'x-max-age': '1s' });
    const channel = await node.channel();
    await eventually(async () => (await channel.checkQueue(queue)).messageCount === 0);
    await publish(queue, 'new');
    expect(await (await read(queue, 0)).inbox.texts(1)).toEqual(['new']);
  });

  test('is read from the midst of what was written at once, by readers that stop anywhere', async () => {
    const queue = await stream();
    const channel = await node.confirmChannel();
    for (let number = 0; number < 300; number++) channel.sendToQueue(queue, Buffer.from(`${number}`));
    await channel.waitForConfirms();
    const readers = await Promise.all([0, 1, 17, 290].map((offset) => read(queue, offset, 7)));
    for (const [index, first] of [0, 1, 17, 290].entries()) {
      const { inbox, channel: own } = readers[index]!;
      for (let number = first; number < 300; number++) {
        const message = await inbox.one();
        expect([textOf(message), message.properties.headers?.['x-stream-offset']]).toEqual([`${number}`, number]);
        if (number % 5 === 0) own.ack(message, true);
      }
    }
  });

  test('is bound to exchanges, and its reader is told when it is deleted', async () => {
    const queue = await stream();
    const channel = await node.confirmChannel();
    await channel.bindQueue(queue, 'amq.topic', 'weather.#');
    const { inbox } = await read(queue, 'first');
    channel.publish('amq.topic', 'weather.oslo', Buffer.from('rain'), { contentType: 'text/plain' });
    const message = await inbox.one();
    expect(message.fields).toMatchObject({ exchange: 'amq.topic', routingKey: 'weather.oslo' });
    expect(message.properties.contentType).toBe('text/plain');
    await channel.deleteQueue(queue, { ifEmpty: true, ifUnused: true });
    await eventually(() => inbox.isCancelled);
  });

  test('large bodies, a slow reader and a cancelled one', async () => {
    const queue = await stream();
    const channel = await node.confirmChannel();
    for (let number = 0; number < 20; number++) {
      channel.sendToQueue(queue, Buffer.alloc(200_000, number), { persistent: true });
    }
    await channel.waitForConfirms();
    const reader = await read(queue, 'first', 1);
    for (let number = 0; number < 20; number++) {
      const message = await reader.inbox.one();
      expect([message.content.length, message.content[199_999]]).toEqual([200_000, number]);
      reader.channel.ack(message);
    }
    await reader.channel.cancel(reader.inbox.tag);
    await publish(queue, 'more');
    await pause(30);
    expect(reader.inbox.size).toBe(0);
  });
});

describe('what is no stream', () => {
  test('a queue is read by offset beside its consumers', async () => {
    const channel = await node.channel();
    const queue = unique('queue');
    await channel.assertQueue(queue);
    await publish(queue, 'a', 'b');
    const reader = await read(queue, 'first');
    expect(await reader.inbox.texts(2)).toEqual(['a', 'b']);
    expect((await channel.checkQueue(queue)).messageCount).toBe(2);
    expect(await (await Inbox.open(channel, queue)).texts(2)).toEqual(['a', 'b']);
  });

  test('a queue in memory is not read by offset', async () => {
    const channel = await node.channel();
    const { queue } = await channel.assertQueue('', { durable: false });
    expect(await refusalOf(read(queue, 'first'))).toBe(406);
  });

  test('a topic with several partitions, whose messages say where they lay', async () => {
    const name = unique('topic');
    const client = await JsonClient.connect(node.running.url ?? '');
    await client.ask({ declare: { topic: { name, partitions: 3 } } });
    await client.close();
    const channel: Channel = await node.confirmChannel();
    await channel.bindQueue(name, 'amq.topic', `${name}.#`);
    for (let number = 0; number < 30; number++) {
      channel.publish('amq.topic', `${name}.${number}`, Buffer.from(`${number}`));
    }
    const { inbox } = await read(name, 'first', 100);
    const messages = await inbox.take(30);
    const places = messages.map(({ properties: { headers } }) => [
      headers?.['x-stream-partition'],
      headers?.['x-stream-offset'],
    ]);
    expect(new Set(places.map(String)).size).toBe(30);
    expect(new Set(places.map(([partition]) => partition))).toEqual(new Set([0, 1, 2]));
    expect(messages.map(textOf).sort()).toEqual(Array.from({ length: 30 }, (_, number) => `${number}`).sort());
  });
});

test('a stream is there after a restart, offsets and all', async () => {
  const queue = await stream(['a', 'b', 'c']);
  await node.restart();
  await publish(queue, 'd');
  const { inbox } = await read(queue, 1);
  const messages = await inbox.take(3);
  expect(messages.map(textOf)).toEqual(['b', 'c', 'd']);
  const offsets = messages.map(({ properties }) => Number(properties.headers?.['x-stream-offset']));
  expect(offsets.slice(0, 2)).toEqual([1, 2]);
  expect(offsets[2]).toBeGreaterThan(2);
});

import type { Channel, Message } from 'amqplib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, Inbox, pause, refusalOf, TestNode, textOf, unique } from './fixtures/node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

interface Death {
  readonly reason: string;
  readonly queue: string;
  readonly count: number;
}

/** The last death of a dead letter. */
function deathOf(letter: Message): Death | undefined {
  // What the node puts there is an array of tables.
  return (letter.properties.headers?.['x-death'] as Death[] | undefined)?.[0];
}

/** A queue whose dead letters go to another one, by the default exchange. */
async function withDeadLetters(channel: Channel, options = {}): Promise<[queue: string, dead: string]> {
  const [queue, dead] = [unique('queue'), unique('dead')];
  await channel.assertQueue(dead);
  await channel.assertQueue(queue, { deadLetterExchange: '', deadLetterRoutingKey: dead, ...options });
  return [queue, dead];
}

test('messages of higher priority come first', async () => {
  const channel = await node.confirmChannel();
  const queue = unique('priorities');
  await channel.assertQueue(queue, { maxPriority: 5 });
  for (const [text, priority] of Object.entries({ low: 1, high: 5, none: 0, higher: 9, middle: 3 })) {
    channel.sendToQueue(queue, Buffer.from(text), { priority });
  }
  await channel.waitForConfirms();
  const inbox = await Inbox.open(channel, queue, { noAck: true });
  expect(await inbox.texts(5)).toEqual(['high', 'higher', 'middle', 'low', 'none']);
});

test('messages expire by their own time and by their queue, and go to the dead letters', async () => {
  const channel = await node.channel();
  const [queue, dead] = await withDeadLetters(channel, { messageTtl: 200 });
  const inbox = await Inbox.open(channel, dead, { noAck: true });
  channel.sendToQueue(queue, Buffer.from('own'), { expiration: 30 });
  channel.sendToQueue(queue, Buffer.from('the queue'), { headers: { kept: true } });
  const letters = await inbox.take(2);
  expect(letters.map(textOf)).toEqual(['own', 'the queue']);
  expect(letters[1]!.properties.headers).toMatchObject({ kept: true, 'x-first-death-reason': 'expired' });
  // What it waited for is over.
  expect(letters[0]!.properties.expiration).toBeUndefined();
  expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 0 });
});

test('rejected messages go to the dead letters, with what became of them', async () => {
  const channel = await node.channel();
  const [queue, dead] = await withDeadLetters(channel);
  channel.sendToQueue(queue, Buffer.from('bad'));
  const message = await eventually(() => channel.get(queue));
  channel.reject(message, false);
  const letter = await eventually(() => channel.get(dead, { noAck: true }));
  expect(deathOf(letter)).toMatchObject({ reason: 'rejected', queue, count: 1, exchange: '', 'routing-keys': [queue] });
});

test('a queue of limited length drops its oldest, or refuses new ones', async () => {
  const channel = await node.confirmChannel();
  const [queue, dead] = await withDeadLetters(channel, { maxLength: 2 });
  for (const text of ['a', 'b', 'c']) channel.sendToQueue(queue, Buffer.from(text));
  await channel.waitForConfirms();
  expect(textOf(await eventually(() => channel.get(dead, { noAck: true })))).toBe('a');
  expect((await channel.checkQueue(queue)).messageCount).toBe(2);

  const full = unique('full');
  await channel.assertQueue(full, { maxLength: 1, overflow: 'reject-publish' });
  const outcomes: boolean[] = [];
  for (const text of ['kept', 'refused']) {
    channel.sendToQueue(full, Buffer.from(text), {}, (error: unknown) => outcomes.push(error === null));
  }
  await channel.waitForConfirms().catch(() => undefined);
  expect(outcomes).toEqual([true, false]);
});

test('a quorum queue gives a message up after its delivery limit', async () => {
  const channel = await node.channel();
  const limited = { arguments: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 } };
  const [queue, dead] = await withDeadLetters(channel, limited);
  const counts: unknown[] = [];
  await channel.consume(queue, (message) => {
    if (message === null) return;
    counts.push(message.properties.headers?.['x-delivery-count']);
    channel.nack(message);
  });
  channel.sendToQueue(queue, Buffer.from('poison'));
  const letter = await eventually(() => channel.get(dead, { noAck: true }));
  expect(deathOf(letter)?.reason).toBe('delivery_limit');
  expect(counts).toEqual([undefined, 1, 2]);
});

test('a retry by dead letters that wait: there and back again, counted', async () => {
  const channel = await node.channel();
  const [work, wait] = [unique('work'), unique('wait')];
  await channel.assertQueue(work, { deadLetterExchange: '', deadLetterRoutingKey: wait });
  await channel.assertQueue(wait, { deadLetterExchange: '', deadLetterRoutingKey: work, messageTtl: 30 });
  const inbox = await Inbox.open(channel, work);
  channel.sendToQueue(work, Buffer.from('job'));
  channel.reject(await inbox.one(), false);
  channel.reject(await inbox.one(), false);
  const third = await inbox.one();
  const deaths = third.properties.headers?.['x-death'] as Death[];
  expect(deaths.map(({ reason, queue, count }) => [reason, queue, count])).toEqual([
    ['expired', wait, 2],
    ['rejected', work, 2],
  ]);
});

test('a delayed message is delivered when its time has come', async () => {
  const channel = await node.channel();
  const exchange = unique('delayed');
  await channel.assertExchange(exchange, 'x-delayed-message', { arguments: { 'x-delayed-type': 'direct' } });
  const { queue } = await channel.assertQueue('', { exclusive: true });
  await channel.bindQueue(queue, exchange, 'key');
  const inbox = await Inbox.open(channel, queue, { noAck: true });
  const sentMs = performance.now();
  channel.publish(exchange, 'key', Buffer.from('later'), { headers: { 'x-delay': 300 } });
  channel.publish(exchange, 'key', Buffer.from('sooner'), { headers: { 'x-delay': 100 } });
  channel.publish(exchange, 'key', Buffer.from('now'));
  expect(await inbox.texts(3)).toEqual(['now', 'sooner', 'later']);
  expect(performance.now() - sentMs).toBeGreaterThanOrEqual(299);
});

test('a queue that nobody uses expires', async () => {
  const channel = await node.channel();
  const queue = unique('unused');
  await channel.assertQueue(queue, { expires: 100 });
  // To ask for it is to use it, so there is time between two questions.
  const isGone = async (): Promise<boolean> => {
    await pause(300);
    return (await refusalOf((await node.channel()).checkQueue(queue))) === 404;
  };
  await eventually(isGone);
});

test('what is declared again must be the same', async () => {
  const queue = unique('declared');
  await (await node.channel()).assertQueue(queue, { messageTtl: 1000 });
  expect(await refusalOf((await node.channel()).assertQueue(queue, { messageTtl: 2000 }))).toBe(406);
  expect(await refusalOf((await node.channel()).assertQueue(queue, { durable: false }))).toBe(406);
  expect(await refusalOf((await node.channel()).assertQueue(queue, { messageTtl: 1000 }))).toBe('accepted');
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, Inbox, pause, quiet, refusalOf, TestNode, textOf, unique } from './fixtures/node.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

/** A queue with the numbers from 0 on as messages. */
async function numbered(count: number, options = {}): Promise<string> {
  const channel = await node.confirmChannel();
  const queue = unique('numbered');
  await channel.assertQueue(queue, options);
  for (let number = 0; number < count; number++) channel.sendToQueue(queue, Buffer.from(`${number}`));
  await channel.waitForConfirms();
  return queue;
}

describe('what comes back', () => {
  test('a requeued message takes its old place, and says that it was delivered before', async () => {
    const queue = await numbered(4);
    const channel = await node.channel();
    await channel.prefetch(2);
    const inbox = await Inbox.open(channel, queue);
    const [first, second] = await inbox.take(2);
    expect([first!.fields.redelivered, second!.fields.redelivered]).toEqual([false, false]);
    await channel.cancel(inbox.tag);
    channel.nack(second!);
    channel.reject(first!, true);
    const rest = await node.channel();
    const all = await (await Inbox.open(rest, queue)).take(4);
    expect(all.map(textOf)).toEqual(['0', '1', '2', '3']);
    expect(all.map(({ fields }) => fields.redelivered)).toEqual([true, true, false, false]);
  });

  test('what a closed channel and a lost connection held comes back', async () => {
    const queue = await numbered(2);
    const connection = await node.connect();
    const channel = await connection.createChannel();
    await (await Inbox.open(channel, queue)).take(2);
    await channel.close();
    const again = await connection.createChannel();
    expect(await (await Inbox.open(again, queue)).texts(2)).toEqual(['0', '1']);
    node.cut(connection);
    const last = await (await Inbox.open(await node.channel(), queue)).take(2);
    expect(last.map((message) => [textOf(message), message.fields.redelivered])).toEqual([
      ['0', true],
      ['1', true],
    ]);
  });

  test('multiple acknowledgements settle everything up to a tag; recover brings back the rest', async () => {
    const queue = await numbered(5);
    const channel = await node.channel();
    const inbox = await Inbox.open(channel, queue);
    const taken = await inbox.take(5);
    channel.ack(taken[2]!, true);
    await channel.recover();
    const back = await inbox.take(2);
    expect(back.map((message) => [textOf(message), message.fields.redelivered])).toEqual([
      ['3', true],
      ['4', true],
    ]);
    channel.ackAll();
    await eventually(async () => (await channel.checkQueue(queue)).messageCount === 0);
  });

  test('an unknown tag closes the channel with 406', async () => {
    const queue = await numbered(1);
    const channel = await node.channel();
    const message = await channel.get(queue);
    if (message === false) throw new Error('The message is not there');
    const closed = new Promise<{ code?: number }>((resolve) => channel.once('error', resolve));
    channel.ack(message);
    channel.ack(message);
    expect((await closed).code).toBe(406);
  });
});

describe('prefetch', () => {
  test('holds for each consumer to come', async () => {
    const queue = await numbered(20);
    const channel = await node.channel();
    await channel.prefetch(3);
    const first = await Inbox.open(channel, queue);
    await channel.prefetch(5);
    const second = await Inbox.open(channel, queue);
    await first.take(3);
    const taken = await second.take(5);
    await pause(30);
    expect([first.size, second.size]).toEqual([0, 0]);
    channel.ack(taken[0]!);
    await second.one();
    expect(first.size).toBe(0);
  });

  test('of a channel changes at once', async () => {
    const queue = await numbered(20);
    const channel = await node.channel();
    await channel.prefetch(2, true);
    const inbox = await Inbox.open(channel, queue);
    await inbox.take(2);
    await pause(30);
    expect(inbox.size).toBe(0);
    await channel.prefetch(6, true);
    const more = await inbox.take(4);
    await pause(30);
    expect(inbox.size).toBe(0);
    await channel.prefetch(1, true);
    channel.ack(more[3]!, true);
    await inbox.one();
    await pause(30);
    expect(inbox.size).toBe(0);
  });

  test('several consumers of a channel share it', async () => {
    const queue = await numbered(20);
    const channel = await node.channel();
    await channel.prefetch(4, true);
    const inboxes = [await Inbox.open(channel, queue), await Inbox.open(channel, queue)];
    const size = (): number => inboxes.reduce((sum, inbox) => sum + inbox.size, 0);
    await eventually(() => size() === 4);
    await pause(50);
    expect(size()).toBe(4);
  });
});

describe('queues of one connection', () => {
  test('an exclusive queue is locked for others, and goes with its connection', async () => {
    const owner = await node.connect();
    const other = await node.connect();
    const queue = unique('exclusive');
    await (await owner.createChannel()).assertQueue(queue, { exclusive: true });
    expect(await refusalOf(quiet(await other.createChannel()).checkQueue(queue))).toBe(405);
    expect(await refusalOf(quiet(await other.createChannel()).assertQueue(queue, { exclusive: true }))).toBe(405);
    await owner.close();
    expect(await refusalOf(quiet(await other.createChannel()).checkQueue(queue))).toBe(404);
  });

  test('the node names queues when the client does not', async () => {
    const channel = await node.channel();
    const { queue } = await channel.assertQueue('', { exclusive: true });
    expect(queue).toMatch(/^amq\.gen-[\w-]{22}$/);
    expect(await refusalOf((await node.channel()).assertQueue('amq.mine'))).toBe(403);
  });
});

describe('consumers', () => {
  test('an exclusive one is alone', async () => {
    const queue = await numbered(1);
    const channel = await node.channel();
    const inbox = await Inbox.open(channel, queue, { exclusive: true });
    await inbox.one();
    expect(await refusalOf(Inbox.open(await node.channel(), queue))).toBe(403);
    await channel.cancel(inbox.tag);
    await Inbox.open(await node.channel(), queue);
  });

  test('are told when their queue is deleted', async () => {
    const queue = await numbered(3);
    const inbox = await Inbox.open(await node.channel(), queue);
    await inbox.take(3);
    expect(await (await node.channel()).deleteQueue(queue)).toMatchObject({ messageCount: 0 });
    await eventually(() => inbox.isCancelled);
  });

  test('of higher priority come first', async () => {
    const queue = await numbered(0);
    const low = await Inbox.open(await node.channel(), queue, { priority: 1 });
    const highChannel = await node.channel();
    await highChannel.prefetch(2);
    const high = await Inbox.open(highChannel, queue, { priority: 9 });
    const channel = await node.channel();
    for (const text of ['a', 'b', 'c']) channel.sendToQueue(queue, Buffer.from(text));
    expect(await high.texts(2)).toEqual(['a', 'b']);
    expect(await low.texts(1)).toEqual(['c']);
  });

  test('a single active one is followed by the next', async () => {
    const queue = await numbered(0, { arguments: { 'x-single-active-consumer': true } });
    const activeChannel = await node.channel();
    const active = await Inbox.open(activeChannel, queue, { noAck: true });
    const waiting = await Inbox.open(await node.channel(), queue, { noAck: true });
    const channel = await node.confirmChannel();
    for (const text of ['a', 'b']) channel.sendToQueue(queue, Buffer.from(text));
    expect(await active.texts(2)).toEqual(['a', 'b']);
    expect(waiting.size).toBe(0);
    await activeChannel.cancel(active.tag);
    channel.sendToQueue(queue, Buffer.from('c'));
    expect(await waiting.texts(1)).toEqual(['c']);
  });

  test('that do not acknowledge in time lose their channel with 406', async () => {
    const queue = await numbered(1, { arguments: { 'x-consumer-timeout': 1000 } });
    const channel = await node.channel();
    const closed = new Promise<{ code?: number }>((resolve) => channel.once('error', resolve));
    await (await Inbox.open(channel, queue)).one();
    expect((await closed).code).toBe(406);
    expect((await (await Inbox.open(await node.channel(), queue)).one()).fields.redelivered).toBe(true);
  }, 20_000);

  test('a body of several frames arrives whole', async () => {
    const channel = await node.channel();
    const queue = await numbered(0);
    const body = Buffer.alloc(1_000_000, 'duolog');
    channel.sendToQueue(queue, body, { headers: { kind: 'large' }, contentType: 'text/plain' });
    const message = await (await Inbox.open(channel, queue)).one();
    expect(message.content.equals(body)).toBe(true);
    expect(message.properties).toMatchObject({ contentType: 'text/plain', headers: { kind: 'large' } });
  });
});

/** Transactions over the wire: amqplib knows none, so a small client speaks here. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Inbox, TestNode, unique } from './fixtures/node.js';
import { RawConnection } from './fixtures/raw-connection.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

/** Several queues, which have their owners on both shards. */
async function queues(count: number): Promise<string[]> {
  const channel = await node.channel();
  const names = Array.from({ length: count }, () => unique('tx'));
  for (const name of names) await channel.assertQueue(name);
  return names;
}

async function counts(names: readonly string[]): Promise<number[]> {
  const channel = await node.channel();
  return Promise.all(names.map(async (name) => (await channel.checkQueue(name)).messageCount));
}

describe('transactions', () => {
  test('what is published can be seen when it is committed, and never when it is rolled back', async () => {
    const names = await queues(4);
    const raw = await RawConnection.open(node.running.amqpPort ?? 0);
    await raw.selectTransactions();
    for (const name of names) raw.publish(name, 'one');
    expect(await counts(names)).toEqual([0, 0, 0, 0]);
    await raw.commit();
    expect(await counts(names)).toEqual([1, 1, 1, 1]);
    for (const name of names) raw.publish(name, 'two');
    await raw.rollback();
    await raw.commit();
    expect(await counts(names)).toEqual([1, 1, 1, 1]);
    raw.close();
  });

  test('a message moves from one queue to another as a whole', async () => {
    const [from, to] = (await queues(2)) as [string, string];
    const raw = await RawConnection.open(node.running.amqpPort ?? 0);
    raw.publish(from, 'job');
    await raw.selectTransactions();
    const tag = await raw.get(from);
    raw.acknowledge(tag);
    raw.publish(to, 'done');
    await raw.rollback();
    // The acknowledgement was taken back: the delivery is the channel's still.
    expect(await counts([from, to])).toEqual([0, 0]);
    raw.acknowledge(tag);
    raw.publish(to, 'done');
    await raw.commit();
    raw.close();
    expect(await counts([from, to])).toEqual([0, 1]);
  });

  test('what a connection has not committed is undone with its end', async () => {
    const [from, to] = (await queues(2)) as [string, string];
    const raw = await RawConnection.open(node.running.amqpPort ?? 0);
    raw.publish(from, 'job');
    await raw.selectTransactions();
    raw.acknowledge(await raw.get(from));
    raw.publish(to, 'done');
    await raw.ended();
    await expect.poll(() => counts([from, to])).toEqual([1, 0]);
  });

  test('of a stream, acknowledgements make room when they are committed', async () => {
    const [stream, other] = [unique('stream'), (await queues(1))[0]!];
    const channel = await node.channel();
    await channel.assertQueue(stream, { arguments: { 'x-queue-type': 'stream' } });
    const raw = await RawConnection.open(node.running.amqpPort ?? 0);
    await raw.prefetch(1);
    raw.consume(stream);
    await raw.selectTransactions();
    for (const text of ['first', 'second']) channel.sendToQueue(stream, Buffer.from(text));
    expect(await raw.bodyText()).toBe('first');
    raw.acknowledge(1);
    raw.publish(other, 'result');
    await raw.commit();
    expect(await raw.bodyText()).toBe('second');
    expect(await counts([stream, other])).toEqual([2, 1]);
    for (const text of ['last but one', 'last']) raw.publish(stream, text);
    await raw.commit();
    raw.publish(stream, 'never');
    await raw.rollback();
    raw.close();
    // The ends of transactions take offsets, and are no messages.
    await channel.prefetch(10);
    const inbox = await Inbox.open(channel, stream, { arguments: { 'x-stream-offset': 'last' } });
    expect((await inbox.one()).content.toString()).toBe('last but one');
    expect((await inbox.one()).content.toString()).toBe('last');
  });

  test('committed is on the disk after a restart', async () => {
    const names = await queues(2);
    const raw = await RawConnection.open(node.running.amqpPort ?? 0);
    await raw.selectTransactions();
    for (const name of names) raw.publish(name, 'kept', true);
    await raw.commit();
    for (const name of names) raw.publish(name, 'not committed', true);
    await raw.ended();
    await node.restart();
    expect(await counts(names)).toEqual([1, 1]);
  });
});

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTo, eventually, Inbox, pause, refusalOf, TestNode, unique } from './fixtures/node.js';
import { RawConnection } from './fixtures/raw-connection.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

describe('coming in', () => {
  test('over IPv6', async () => {
    const connection = await node.connect({ hostname: '::1' });
    const channel = await connection.createChannel();
    expect((await channel.assertQueue('', { exclusive: true })).messageCount).toBe(0);
  });

  test('with a wrong password: 403', async () => {
    const port = node.running.amqpPort ?? 0;
    await expect(connectTo({ port, password: 'wrong' })).rejects.toThrow(/403/);
    await expect(connectTo({ port, username: 'nobody' })).rejects.toThrow(/403/);
  });

  test('to a virtual host that is not there: 530', async () => {
    expect(await RawConnection.refusalOf(node.running.amqpPort ?? 0, 'elsewhere')).toBe(530);
  });

  test('with a heartbeat: a silent peer is cut off', async () => {
    const connection = await node.connect({ heartbeat: 1 });
    const closed = new Promise((resolve) => connection.once('close', resolve));
    // amqplib's own heartbeats are written to a socket that goes nowhere.
    const { stream } = connection.connection as unknown as { readonly stream: { write(): boolean } };
    stream.write = () => true;
    await closed;
  }, 15_000);
});

describe('over WebSocket', () => {
  test.each([1, 7, 100_000])('in pieces of %d bytes', async (pieceBytes) => {
    const url = (node.running.url ?? '').replace(/\/ws$/, '/ws/amqp');
    const raw = await RawConnection.openWebSocket(url, pieceBytes);
    const queue = unique('ws');
    await raw.declare(queue);
    const text = 'over WebSocket '.repeat(20);
    raw.publish(queue, text);
    await raw.prefetch(1);
    raw.consume(queue);
    expect(await raw.bodyText()).toBe(text);
    raw.acknowledge(1);
    const channel = await node.channel();
    await eventually(async () => (await channel.checkQueue(queue)).messageCount === 0);
    await raw.ended();
    await eventually(async () => (await channel.checkQueue(queue)).consumerCount === 0);
  });
});

test('an alarm holds publishers back, and not consumers', async () => {
  const full = await TestNode.start({ memoryLimit: 1 });
  try {
    const publisher = await full.connect();
    const blocked = new Promise<string>((resolve) => publisher.once('blocked', resolve));
    const channel = await publisher.createChannel();
    const queue = unique('blocked');
    await channel.assertQueue(queue);
    channel.sendToQueue(queue, Buffer.from('held back'));
    expect(await blocked).toMatch(/low on memory/);
    channel.sendToQueue(queue, Buffer.from('too'));
    const consumer = await full.channel();
    await consumer.prefetch(1);
    const inbox = await Inbox.open(consumer, queue);
    await pause(50);
    // The publish that met the alarm was read with it; nothing behind it is.
    expect(inbox.size).toBeLessThanOrEqual(1);
    expect(await refusalOf(consumer.assertQueue(unique('works')))).toBe('accepted');
    full.cut(publisher);
  } finally {
    await full.remove();
  }
});

import { describe, expect, it } from 'vitest';

import { encodeProperties, readProperties } from '../../record/amqp/properties.js';
import {
  ACK,
  ack,
  cancel,
  confirmSelect,
  confirmsOf,
  consume,
  declare,
  deliveries,
  publishAll,
  RETURN,
  withQueue,
} from './fixtures/channel-frames.js';
import { method, publish, u8 } from './fixtures/client-frames.js';
import type { AmqpTransaction } from './transaction-port.js';

describe('direct reply-to', () => {
  it('carries a request and its reply', async () => {
    const client = await withQueue();
    const server = await client.another();
    await server.send(consume('q', 'server', 0b0010));
    server.take();
    const properties = encodeProperties({ replyTo: 'amq.rabbitmq.reply-to', correlationId: '1' });
    await client.send(consume('amq.rabbitmq.reply-to', 'replies', 0b0010), publish(1, 'ask', { key: 'q', properties }));
    expect(client.methods()).toEqual([0x3c_0015]);
    const [request] = deliveries(server.take());
    const { replyTo, correlationId } = readProperties(request!.properties);
    expect(replyTo).toMatch(/^amq\.rabbitmq\.reply-to\.0\./);
    expect(correlationId).toBe('1');
    const declared = await server.ask(declare(replyTo!, 1));
    expect([declared.short(), declared.u32(), declared.u32()]).toEqual([replyTo, 0, 1]);
    await server.send(confirmSelect, publish(1, 'answer', { key: replyTo!, mandatory: true }));
    expect(confirmsOf(server.take())).toEqual([['ack', 1, false]]);
    expect(deliveries(client.take())).toMatchObject([{ consumerTag: 'replies', tag: 1, body: 'answer', key: replyTo }]);
    await client.send(cancel('replies'));
    expect(client.methods()).toEqual([0x3c_001f]);
    await server.send(publish(1, 'late', { key: replyTo!, mandatory: true }));
    expect(server.methods()).toEqual([RETURN, ACK]);
  });

  it('goes to other shards by its port', async () => {
    const sent: unknown[] = [];
    const sendReply = (shard: number, address: string, _properties: Uint8Array, body: Uint8Array) =>
      sent.push([shard, address, body.length]);
    const harness = await withQueue({ ports: { replies: { sendReply } } });
    await harness.send(publish(1, 'answer', { key: 'amq.rabbitmq.reply-to.3.secret', mandatory: true }));
    expect(sent).toEqual([[3, 'amq.rabbitmq.reply-to.3.secret', 6]]);
    expect(harness.take()).toEqual([]);
  });
});

describe('transactions', () => {
  const select = method(1, 0x5a_000a);
  const commit = method(1, 0x5a_0014);
  const rollback = method(1, 0x5a_001e);

  async function transactional(unroutable: number[] = [], limits = {}) {
    const committed: AmqpTransaction[] = [];
    const harness = await withQueue({
      limits,
      ports: {
        transactions: {
          commit: (transaction, done) => {
            committed.push(transaction);
            harness.clock.setImmediate(() => done(undefined, unroutable));
          },
        },
      },
    });
    return { harness, committed };
  }

  it('gathers publishes and settlements, and hands them over as one', async () => {
    const { harness, committed } = await transactional([1]);
    await publishAll(harness, 2);
    await harness.send(consume('q', 'c'));
    await harness.send(select, publish(1, 'a', { key: 'q' }), publish(1, 'b', { key: 'no', mandatory: true }), ack(1));
    harness.take();
    expect(harness.broker.published.length).toBe(2);
    expect(harness.broker.settles).toEqual([]);
    await harness.send(commit);
    expect(harness.methods()).toEqual([RETURN, 0x5a_0015]);
    expect(committed).toMatchObject([
      { vhost: '/', publishes: [{ routingKey: 'q' }, { routingKey: 'no' }], settles: [{ partition: 0, offsets: [0] }] },
    ]);
    expect(new TextDecoder().decode(committed[0]!.publishes[0]!.body)).toBe('a');
  });

  it('rolls back to what was unacknowledged', async () => {
    const { harness, committed } = await transactional();
    await publishAll(harness, 3);
    await harness.send(consume('q', 'c'));
    await harness.send(select, publish(1, 'a', { key: 'q' }), ack(2, true), rollback);
    harness.take();
    await harness.send(commit, method(1, 0x3c_006e, u8(1)));
    expect(committed).toMatchObject([{ publishes: [], settles: [] }]);
    expect(deliveries(harness.take()).map(({ body }) => body)).toEqual(['m1', 'm2', 'm3']);
  });

  it('bounds what a transaction holds', async () => {
    const { harness } = await transactional([], { transactionMaxItems: 3 });
    await harness.send(select);
    harness.take();
    const parts = Array.from({ length: 4 }, () => publish(1, 'x', { key: 'q' }));
    expect(await harness.refused(...parts)).toMatchObject({ scope: 'channel', code: 406 });
  });
});

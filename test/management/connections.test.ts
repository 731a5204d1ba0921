/** Connections, channels and consumers of both shards, seen and ended from one. */
import type { ChannelModel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../amqp/fixtures/node.js';
import { type Api, startApi } from './api.js';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.node.remove());

/** What a client is told when its connection ends. */
function farewellOf(connection: ChannelModel): Promise<string> {
  return new Promise((resolve) => {
    connection.on('close', (error: Error | undefined) => resolve(error?.message ?? 'without a word'));
  });
}

describe('connections', () => {
  it('are told of with their channels and consumers, wherever they are, and are closed', async () => {
    // Beside one of each shard there may be more, which are closed as well.
    const pair = await api.node.connectionsOfBothShards();
    const [first] = pair;
    const channel = await first.createConfirmChannel();
    await channel.prefetch(5);
    await channel.assertQueue('watched', { durable: true });
    await channel.consume('watched', () => undefined, { consumerTag: 'watcher', priority: 4 });
    channel.sendToQueue('watched', Buffer.from('x'));
    await channel.waitForConfirms();
    const connections = await eventually(async () => {
      const all = await api.get('/connections');
      return all.length >= 2 && all;
    });
    expect(connections[0]).toMatchObject({
      user: 'guest',
      vhost: '/',
      protocol: 'AMQP 0-9-1',
      state: 'running',
      type: 'network',
      ssl: false,
      auth_mechanism: 'PLAIN',
      peer_host: '127.0.0.1',
      port: api.node.running.amqpPort,
      client_properties: { product: 'amqplib' },
    });
    const [consumer] = await api.get('/consumers');
    expect(consumer).toMatchObject({
      consumer_tag: 'watcher',
      queue: { name: 'watched', vhost: '/' },
      ack_required: true,
      prefetch_count: 5,
      arguments: { 'x-priority': 4 },
    });
    const { name, connection_name: owner } = consumer.channel_details;
    const shown = await eventually(async () => {
      const one = await api.get(`/channels/${encodeURIComponent(name)}`);
      return one.messages_unacknowledged === 1 && one;
    });
    expect(shown).toMatchObject({
      number: 1,
      confirm: true,
      transactional: false,
      consumer_count: 1,
      prefetch_count: 5,
      message_stats: { publish: 1, confirm: 1, deliver_get: 1 },
      consumer_details: [{ consumer_tag: 'watcher' }],
    });
    expect(await api.get(`/connections/${encodeURIComponent(owner)}/channels`)).toHaveLength(1);
    expect(await api.get('/channels?page=1&columns=number')).toMatchObject({ total_count: 1, items: [{ number: 1 }] });
    expect(await api.get('/overview')).toMatchObject({
      object_totals: { connections: connections.length, channels: 1, consumers: 1, queues: 1 },
      queue_totals: { messages: 1, messages_unacknowledged: 1 },
    });
    const closed = Promise.all(pair.map(farewellOf));
    for (const { name: one } of connections) {
      const path = `/connections/${encodeURIComponent(one)}`;
      expect((await api.ask('DELETE', path, undefined, { headers: { 'x-reason': 'no more of this' } })).status).toBe(
        204,
      );
    }
    for (const reason of await closed) expect(reason).toMatch(/320.*CONNECTION[_-]FORCED - no more of this/);
    expect(await api.get('/connections')).toEqual([]);
    expect(await api.status('DELETE', `/connections/${encodeURIComponent(connections[0].name)}`)).toBe(404);
  });

  it('are shown to who owns them, to monitors, and ended by administrators', async () => {
    const owner = await api.user('owner', 'management', ['/']);
    const other = await api.user('other', 'management', ['/']);
    const monitor = await api.user('watcher', 'monitoring');
    await api.node.connect({ username: owner.name, password: owner.password });
    const listed = async (user: typeof owner) => (await api.ask('GET', '/connections', undefined, { user })).body;
    const [mine] = await eventually(async () => {
      const own = await listed(owner);
      return own.length === 1 && own;
    });
    const path = `/connections/${encodeURIComponent(mine.name)}`;
    const ask = async (method: string, user: typeof owner) => (await api.ask(method, path, undefined, { user })).status;
    expect([await listed(other), (await listed(monitor)).length]).toEqual([[], 1]);
    expect([await ask('GET', other), await ask('GET', monitor), await ask('GET', owner)]).toEqual([401, 200, 200]);
    expect([await ask('DELETE', other), await ask('DELETE', monitor)]).toEqual([401, 401]);
    expect(await ask('DELETE', owner)).toBe(204);
  });
});

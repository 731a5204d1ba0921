/** Users, permissions, policies and limits of a whole node, from outside: AMQP clients, native clients, and the API that administrators use. */
import { once } from 'node:events';
import type { Channel, ChannelModel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../dist/client/index.js';
import { eventually, TestNode, unique } from '../amqp/fixtures/node.js';
import { RawConnection } from '../amqp/fixtures/raw-connection.js';

let node: TestNode;

beforeAll(async () => {
  node = await TestNode.start();
});
afterAll(() => node.remove());

/** Asks the management API as guest. */
async function api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
  const { managementPort, port } = node.running;
  const answer = await fetch(`http://127.0.0.1:${managementPort ?? port}/api${path}`, {
    method,
    headers: {
      authorization: `Basic ${Buffer.from('guest:guest').toString('base64')}`,
      'content-type': 'application/json',
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (answer.status >= 400) throw new Error(`${method} ${path}: ${answer.status} ${text}`);
  return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

async function makeUser(permission?: { configure: string; write: string; read: string }): Promise<string> {
  const name = unique('user');
  await api('PUT', `/users/${name}`, { password: 'secret', tags: '' });
  if (permission !== undefined) await api('PUT', `/permissions/%2F/${name}`, permission);
  return name;
}

const ALL = { configure: '.*', write: '.*', read: '.*' };

async function amqpAs(username: string, password = 'secret', vhost = '/'): Promise<ChannelModel> {
  const connection = await node.connect({ username, password, vhost });
  connection.on('error', () => {});
  return connection;
}

/** Why a user who has logged in may not open a virtual host. */
async function refusedAt(vhost: string, user: string, password = 'secret'): Promise<string> {
  return await RawConnection.refusalTextOf(node.running.amqpPort ?? 0, vhost, user, password);
}

async function channelAs(username: string): Promise<Channel> {
  const channel = await (await amqpAs(username)).createChannel();
  channel.on('error', () => {});
  return channel;
}

/** What a connection's peer is told when the node ends it. */
function endOf(connection: ChannelModel): Promise<string> {
  return new Promise((resolve) => {
    connection.on('close', (error?: Error) => resolve(String(error?.message)));
  });
}

async function refused(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return String((error as Error).message);
  }
  throw new Error('It was not refused');
}

async function nativeAs(user?: string, password = 'secret'): Promise<Client> {
  return await connect(node.running.url!, {
    reconnect: { maxAttempts: 0 },
    ...(user === undefined ? {} : { user, password }),
  });
}

describe('over AMQP', () => {
  test('only users with the right password come in, and only where they have permissions', async () => {
    const user = await makeUser();
    expect(await refused(amqpAs(user, 'wrong'))).toMatch(/ACCESS.REFUSED|403/i);
    expect(await refused(amqpAs('nobody'))).toMatch(/ACCESS.REFUSED|403/i);
    expect(await refusedAt('/', user)).toContain(`access to vhost '/' refused for user '${user}'`);
    expect(await refusedAt('nowhere', 'guest', 'guest')).toContain('vhost nowhere not found');
    await api('PUT', `/permissions/%2F/${user}`, ALL);
    await (await amqpAs(user)).close();
  });

  test('each operation needs its permission, in RabbitMQ words', async () => {
    const user = await makeUser({ configure: '^mine', write: '^(mine|amq\\.default)', read: '^mine' });
    const tried: [(channel: Channel) => Promise<unknown>, string][] = [
      [(one) => one.assertQueue('other'), "configure access to queue 'other' in vhost '/' refused for user"],
      [
        (one) => one.assertQueue('mine', { deadLetterExchange: 'other' }),
        "write access to exchange 'other' in vhost '/'",
      ],
      [
        (one) => one.assertExchange('mine', 'direct', { alternateExchange: 'other' }),
        "write access to exchange 'other'",
      ],
      [(one) => one.deleteQueue('other'), "configure access to queue 'other'"],
      [(one) => one.consume('other', () => {}), "read access to queue 'other'"],
      [(one) => one.get('other'), "read access to queue 'other'"],
      [(one) => one.purgeQueue('other'), "read access to queue 'other'"],
      [(one) => one.bindQueue('other', 'mine', ''), "write access to queue 'other'"],
      [(one) => one.bindQueue('mine', 'amq.topic', ''), "read access to exchange 'amq.topic'"],
      [(one) => one.assertExchange('other', 'direct'), "configure access to exchange 'other'"],
      [(one) => one.deleteExchange('other'), "configure access to exchange 'other'"],
    ];
    for (const [work, sentence] of tried) expect(await refused(work(await channelAs(user)))).toContain(sentence);
    const channel = await channelAs(user);
    channel.publish('amq.topic', 'k', Buffer.from('x'));
    const [error] = (await once(channel, 'error')) as [Error];
    expect(error.message).toContain("write access to exchange 'amq.topic' in vhost '/' refused for user");
    const allowed = await channelAs(user);
    await allowed.assertQueue('mine');
    allowed.sendToQueue('mine', Buffer.from('x'));
    await eventually(() => allowed.get('mine', { noAck: true }));
    await allowed.deleteQueue('mine');
  });

  test('topic permissions restrict routing keys of publishes and bindings', async () => {
    const user = await makeUser(ALL);
    await api('PUT', `/topic-permissions/%2F/${user}`, {
      exchange: 'amq.topic',
      write: '^{username}\\.',
      read: '^news',
    });
    const channel = await channelAs(user);
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, 'amq.topic', 'news.#');
    await channel.bindQueue(queue, 'amq.direct', 'sport');
    channel.publish('amq.topic', `${user}.x`, Buffer.from('x'));
    await channel.checkQueue(queue);
    expect(await refused(channel.bindQueue(queue, 'amq.topic', 'sport'))).toContain(
      "read access to topic 'sport' in exchange",
    );
    const other = await channelAs(user);
    other.publish('amq.topic', 'other.x', Buffer.from('x'));
    const [error] = (await once(other, 'error')) as [Error];
    expect(error.message).toContain(
      "write access to topic 'other.x' in exchange topic 'amq.topic' in vhost '/' refused",
    );
  });

  test('a permission that goes counts at once: for publishes, and for consumers', async () => {
    const user = await makeUser(ALL);
    const queue = unique('q');
    const channel = await channelAs(user);
    await channel.assertQueue(queue);
    channel.sendToQueue(queue, Buffer.from('x'));
    await channel.checkQueue(queue);
    const consuming = await channelAs(user);
    await consuming.consume(queue, () => {});
    const closed = once(consuming, 'error') as Promise<[Error]>;
    const failed = once(channel, 'error') as Promise<[Error]>;
    await api('PUT', `/permissions/%2F/${user}`, { configure: '', write: '', read: '' });
    expect((await closed)[0].message).toContain(`read access to queue '${queue}'`);
    channel.sendToQueue(queue, Buffer.from('y'));
    expect((await failed)[0].message).toContain("write access to exchange 'amq.default'");
  });

  test('a user who goes takes his connections along within five seconds', async () => {
    for (const change of ['deleted', 'password', 'permissions'] as const) {
      const user = await makeUser(ALL);
      const connection = await amqpAs(user);
      const startMs = Date.now();
      const ended = endOf(connection);
      if (change === 'deleted') await api('DELETE', `/users/${user}`);
      else if (change === 'password') await api('PUT', `/users/${user}`, { password: 'other', tags: '' });
      else await api('DELETE', `/permissions/%2F/${user}`);
      expect(await ended).toMatch(
        { deleted: /320.*is deleted/, password: /320.*has changed/, permissions: /403.*access to vhost/ }[change],
      );
      expect(Date.now() - startMs).toBeLessThan(5_000);
    }
  });

  test('limits of a virtual host and of a user, over both shards', async () => {
    const vhost = unique('v');
    const user = await makeUser();
    await api('PUT', `/vhosts/${vhost}`, {});
    await api('PUT', `/permissions/${vhost}/${user}`, ALL);
    await api('PUT', `/vhost-limits/${vhost}/max-connections`, { value: 3 });
    const open = [
      await amqpAs(user, 'secret', vhost),
      await amqpAs(user, 'secret', vhost),
      await amqpAs(user, 'secret', vhost),
    ];
    expect(await refusedAt(vhost, user)).toContain('connection limit (3) is reached');
    await open[0]!.close();
    await (await amqpAs(user, 'secret', vhost)).close();
    await api('PUT', `/user-limits/${user}/max-connections`, { value: 2 });
    expect(await refusedAt(vhost, user)).toContain('user connection limit (2) is reached');
    await api('PUT', `/vhost-limits/${vhost}/max-queues`, { value: 1 });
    const channel = await open[1]!.createChannel();
    channel.on('error', () => {});
    await channel.assertQueue('one');
    await channel.assertQueue('one');
    expect(await refused(channel.assertQueue('two'))).toContain(
      `PRECONDITION_FAILED - cannot declare queue 'two': queue limit in vhost '${vhost}' (1) is reached`,
    );
    const ended = endOf(open[1]!);
    await api('DELETE', `/vhosts/${vhost}`);
    expect(await ended).toContain(`vhost '${vhost}' is deleted`);
  });
});

test('policies come and go over queues that live', async () => {
  const channel = await node.confirmChannel();
  const [queue, dead] = [unique('policed'), unique('dead')];
  await channel.assertQueue(dead);
  await channel.assertQueue(queue, { maxLength: 100 });
  for (let count = 0; count < 10; count++) channel.sendToQueue(queue, Buffer.from(String(count)));
  await channel.waitForConfirms();
  const definition = { 'max-length': 4, 'dead-letter-exchange': '', 'dead-letter-routing-key': dead };
  await api('PUT', `/policies/%2F/${queue}`, { pattern: `^${queue}$`, definition, 'apply-to': 'queues' });
  await eventually(async () => (await channel.checkQueue(queue)).messageCount === 4);
  await eventually(async () => (await channel.checkQueue(dead)).messageCount === 6);
  await api('PUT', `/operator-policies/%2F/${queue}`, {
    pattern: queue,
    definition: { 'max-length': 2 },
    'apply-to': 'queues',
  });
  await eventually(async () => (await channel.checkQueue(queue)).messageCount === 2);
  // The declaration is the same as ever.
  await channel.assertQueue(queue, { maxLength: 100 });
  await api('DELETE', `/policies/%2F/${queue}`);
  await api('DELETE', `/operator-policies/%2F/${queue}`);
  for (let count = 0; count < 10; count++) channel.sendToQueue(queue, Buffer.from(String(count)));
  await channel.waitForConfirms();
  expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 12 });
});

test('an alternate exchange by policy catches what nobody wants', async () => {
  const channel = await node.confirmChannel();
  const [exchange, queue] = [unique('x'), unique('q')];
  await channel.assertExchange(exchange, 'direct');
  await channel.assertQueue(queue);
  await channel.bindQueue(queue, 'amq.fanout', '');
  const definition = { 'alternate-exchange': 'amq.fanout' };
  await api('PUT', `/policies/%2F/${exchange}`, { pattern: `^${exchange}$`, definition, 'apply-to': 'exchanges' });
  channel.publish(exchange, 'nobody', Buffer.from('x'));
  await channel.waitForConfirms();
  expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 1 });
  await api('DELETE', `/policies/%2F/${exchange}`);
  channel.publish(exchange, 'nobody', Buffer.from('x'));
  await channel.waitForConfirms();
  expect(await channel.checkQueue(queue)).toMatchObject({ messageCount: 1 });
});

describe('over the native door', () => {
  test('anonymous sessions of loopback do as ever; a name needs its password', async () => {
    const anonymous = await nativeAs();
    await anonymous.declareQueue(unique('q'));
    await anonymous.close();
    const user = await makeUser(ALL);
    expect(await refused(nativeAs(user, 'wrong'))).toMatch(/invalid credentials|4003/);
    await (await nativeAs(user)).close();
  });

  test('each request needs its permission', async () => {
    const user = await makeUser({ configure: '^mine', write: '^mine', read: '^mine' });
    const owner = await nativeAs();
    const other = unique('other');
    await owner.declareTopic(other);
    const client = await nativeAs(user);
    const mine = unique('mine');
    await client.declareTopic(mine);
    await client.publish(mine, 'x');
    for (const work of [
      () => client.declareTopic(unique('other')),
      () => client.publish(other, 'x'),
      () => client.delete(other),
      () => client.describe(other),
      () => client.purge(other),
    ]) {
      expect(await refused(work())).toMatch(/access to topic '.*' in vhost '\/' refused for user/);
    }
    expect((await client.list()).entries.map(({ name }) => name).filter((name) => name.startsWith('other'))).toEqual(
      [],
    );
    await Promise.all([client.close(), owner.close()]);
  });

  test('a session whose user is deleted is closed', async () => {
    const user = await makeUser(ALL);
    const client = await nativeAs(user);
    await api('DELETE', `/users/${user}`);
    await eventually(async () => {
      const text = await client.status().then(() => '', String);
      return /is deleted|closed/.test(text);
    });
  });
});

test('everything is there after a restart', async () => {
  const user = await makeUser({ configure: '^a', write: '', read: '' });
  await api('PUT', `/topic-permissions/%2F/${user}`, { exchange: 'amq.topic', write: 'x', read: 'y' });
  await api('PUT', `/policies/%2F/kept`, { pattern: '^kept', definition: { 'max-length': 1 }, 'apply-to': 'queues' });
  await node.restart();
  const channel = await channelAs(user);
  await channel.assertQueue('a');
  expect(await refused(channel.assertQueue('b'))).toContain('configure access');
  const other = await node.confirmChannel();
  const queue = unique('kept');
  await other.assertQueue(queue);
  for (const text of ['1', '2']) other.sendToQueue(queue, Buffer.from(text));
  await other.waitForConfirms();
  await eventually(async () => (await other.checkQueue(queue)).messageCount === 1);
});

import { getEventListeners } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, connect } from './client.js';
import { FakeNode } from './fixtures/fake-node.js';

const clients: Client[] = [];

async function setUp(): Promise<{ node: FakeNode; client: Client }> {
  const node = new FakeNode();
  node.queue('jobs');
  node.topic('events');
  const client = await connect('ws://fake', {
    transport: node.transport,
    reconnect: { firstDelayMs: 0, maxDelayMs: 1 },
  });
  clients.push(client);
  return { node, client };
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

interface Subscribing extends AsyncIterable<unknown> {
  close(): Promise<void>;
}

const kinds: [string, (client: Client, signal: AbortSignal) => Promise<Subscribing>][] = [
  ['subscribe', (client, signal) => client.subscribe('jobs', { signal })],
  ['follow', (client, signal) => client.follow('events', { signal })],
  ['broadcast', (client, signal) => client.broadcast('events', { signal })],
];

describe.each(kinds)('%s', (_, start) => {
  test('is refused when the signal has fired before', async () => {
    const { client } = await setUp();
    await expect(start(client, AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
  });

  test('rejects when the signal fires while the node has not agreed', async () => {
    const { node, client } = await setUp();
    node.interfere = (frame) => (frame.subscribed ? 'drop' : 'pass');
    const controller = new AbortController();
    const opening = start(client, controller.signal);
    setImmediate(() => controller.abort());
    await expect(opening).rejects.toMatchObject({ code: 'aborted' });
  });

  test('rejects when the client is closed while the node has not agreed', async () => {
    const { node, client } = await setUp();
    node.interfere = (frame) => (frame.subscribed ? 'drop' : 'pass');
    const opening = start(client, new AbortController().signal);
    const refused = expect(opening).rejects.toMatchObject({ code: 'closed' });
    await client.close();
    await refused;
  });

  test('ends when the signal fires later, and lets go of a signal that outlives it', async () => {
    const { client } = await setUp();
    const controller = new AbortController();
    const ended = await start(client, controller.signal);
    const next = ended[Symbol.asyncIterator]().next();
    controller.abort();
    expect(await next).toMatchObject({ done: true });
    const longLived = new AbortController();
    const closed = await start(client, longLived.signal);
    expect(getEventListeners(longLived.signal, 'abort')).toHaveLength(1);
    await closed.close();
    expect(getEventListeners(longLived.signal, 'abort')).toHaveLength(0);
  });

  test('is opened again by itself when the first connection is lost before the answer', async () => {
    const { node, client } = await setUp();
    let cuts = 1;
    node.interfere = (frame) => (frame.subscribed && cuts-- > 0 ? 'cut' : 'pass');
    const opened = await start(client, new AbortController().signal);
    expect(cuts).toBeLessThan(0);
    await opened.close();
  });
});

test('a reader with a signal that has fired before reads nothing', async () => {
  const { client } = await setUp();
  await client.publish('events', 'one');
  const reader = client.reader('events', { signal: AbortSignal.abort() });
  expect(await reader[Symbol.asyncIterator]().next()).toMatchObject({ done: true });
});

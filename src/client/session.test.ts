import { afterEach, expect, test } from 'vitest';
import { type Client, connect } from './client.js';
import { FakeNode } from './fixtures/fake-node.js';
import { reconnectDelayMs, resolveOptions } from './options.js';

const clients: Client[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

const quick = { firstDelayMs: 0, maxDelayMs: 1 };

test('connect greets, and tells what the node said', async () => {
  const node = new FakeNode();
  const client = await connect('ws://fake', {
    transport: node.transport,
    user: 'me',
    password: 'secret',
    clientName: 'test',
  });
  clients.push(client);
  expect(client.state).toBe('open');
  expect(client.welcome.nodeName).toBe('fake');
  expect(node.received[0]?.hello).toMatchObject({ version: 1, user: 'me', password: 'secret', clientName: 'test' });
  expect(await client.ping()).toBeGreaterThanOrEqual(0);
});

test.each([
  [1006, 'connect-failed'],
  [4003, 'unauthenticated'],
  [4002, 'unsupported'],
])('a connection closed with %i fails with %s', async (code, expected) => {
  const node = new FakeNode();
  node.refuseConnections = code;
  await expect(connect('ws://fake', { transport: node.transport })).rejects.toMatchObject({ code: expected });
});

test('credentials that are refused are not tried again, whatever the options', async () => {
  const node = new FakeNode();
  node.refuseConnections = 4003;
  const options = { transport: node.transport, reconnect: { ...quick, first: true } };
  await expect(connect('ws://fake', options)).rejects.toMatchObject({ code: 'unauthenticated' });
});

test('connecting can be told to go on trying, to stop after some time, and to be aborted', async () => {
  const node = new FakeNode();
  node.refuseConnections = 1006;
  const connecting = connect('ws://fake', { transport: node.transport, reconnect: { ...quick, first: true } });
  await new Promise((resolve) => setTimeout(resolve, 10));
  node.refuseConnections = undefined;
  clients.push(await connecting);
  node.interfere = () => 'drop';
  await expect(connect('ws://fake', { transport: node.transport, connectTimeoutMs: 10 })).rejects.toMatchObject({
    code: 'timeout',
  });
  const signal = AbortSignal.timeout(10);
  await expect(connect('ws://fake', { transport: node.transport, signal })).rejects.toMatchObject({ code: 'aborted' });
});

test('reads are asked again over the next connection; what may not be repeated fails', async () => {
  const node = new FakeNode();
  node.topic('orders');
  const client = await connect('ws://fake', { transport: node.transport, reconnect: quick });
  clients.push(client);
  let cuts = 0;
  node.interfere = (frame, direction) => (direction === 'to-node' && frame.describe && cuts++ < 2 ? 'cut' : 'pass');
  expect((await client.describe('orders')).name).toBe('orders');
  expect(cuts).toBe(3);
  node.interfere = (frame) => (frame.delete ? 'cut' : 'pass');
  await expect(client.delete('orders')).rejects.toMatchObject({ code: 'connection-lost' });
});

test('requests time out, can be aborted, and a late answer disturbs nobody', async () => {
  const node = new FakeNode();
  node.topic('orders');
  const client = await connect('ws://fake', { transport: node.transport, reconnect: quick });
  clients.push(client);
  node.interfere = (frame) => (frame.description ? 'drop' : 'pass');
  await expect(client.describe('orders', { timeoutMs: 10 })).rejects.toMatchObject({ code: 'timeout' });
  const controller = new AbortController();
  const aborted = client.describe('orders', { signal: controller.signal });
  controller.abort();
  await expect(aborted).rejects.toMatchObject({ code: 'aborted' });
  await expect(client.describe('orders', { signal: controller.signal })).rejects.toMatchObject({ code: 'aborted' });
  node.interfere = () => 'pass';
  expect((await client.describe('orders')).name).toBe('orders');
});

test('no more requests are in flight than the node allows', async () => {
  const node = new FakeNode();
  node.topic('orders');
  node.limits = { ...node.limits, maxInflightRequests: 3 };
  const client = await connect('ws://fake', { transport: node.transport });
  clients.push(client);
  let inFlight = 0;
  let most = 0;
  node.interfere = (frame, direction) => {
    if (direction === 'to-node' && frame.describe) most = Math.max(most, ++inFlight);
    if (frame.description) inFlight--;
    return 'pass';
  };
  await Promise.all(Array.from({ length: 20 }, () => client.describe('orders')));
  expect(most).toBeLessThanOrEqual(3);
});

test('a peer that falls silent is given up and the connection made again', async () => {
  const node = new FakeNode();
  const client = await connect('ws://fake', { transport: node.transport, keepAliveMs: 5, reconnect: quick });
  clients.push(client);
  const changes: string[] = [];
  client.onState(({ state, error }) => changes.push(error === undefined ? state : `${state}: ${error.code}`));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(changes).toEqual([]);
  node.interfere = (frame) => (frame.pong ? 'drop' : 'pass');
  while (changes.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(changes.slice(0, 2)).toEqual(['reconnecting: connection-lost', 'open']);
});

test('bytes that are no frame end the connection, not the process', async () => {
  const node = new FakeNode();
  const states: string[] = [];
  let spoil: (() => void) | undefined;
  const client = await connect('ws://fake', {
    reconnect: quick,
    transport: (url, events) => {
      spoil ??= () => events.message(new Uint8Array([0xff, 0xff]));
      return node.transport(url, events);
    },
  });
  clients.push(client);
  client.onState(({ state, error }) => states.push(`${state}${error === undefined ? '' : `: ${error.code}`}`));
  spoil?.();
  while (states.length < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  expect(states.slice(0, 2)).toEqual(['reconnecting: protocol', 'open']);
});

test('waits double up to the longest, less a random part', () => {
  const { reconnect } = resolveOptions('ws://fake', {
    reconnect: { firstDelayMs: 100, maxDelayMs: 1000, jitter: 0.5 },
  });
  expect([1, 2, 3, 4, 5, 99].map((attempt) => reconnectDelayMs(reconnect, attempt, 0))).toEqual([
    100, 200, 400, 800, 1000, 1000,
  ]);
  expect(reconnectDelayMs(reconnect, 1, 1)).toBe(50);
});

test('after so many failures the client closes and says why', async () => {
  const node = new FakeNode();
  node.queue('jobs');
  const client = await connect('ws://fake', { transport: node.transport, reconnect: { ...quick, maxAttempts: 3 } });
  const subscription = await client.subscribe('jobs');
  const iterator = subscription[Symbol.asyncIterator]();
  const next = iterator.next();
  node.refuseConnections = 1006;
  node.cut();
  await expect(next).rejects.toMatchObject({ code: 'connect-failed' });
  expect(client.state).toBe('closed');
  await expect(client.describe('jobs')).rejects.toMatchObject({ code: 'connect-failed' });
});

test('a URL that is none is refused', async () => {
  await expect(connect('http://localhost')).rejects.toMatchObject({ code: 'invalid-request' });
  await expect(connect([])).rejects.toMatchObject({ code: 'invalid-request' });
});

/** Limits of the native protocol from outside, against real nodes, with peers that do their worst. docs/protocols/native.md has the table. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { duolog } from '../../src/proto/client.js';
import { NodeProcess, type Settings } from './node-process.js';
import { WireClient, type WireFrame } from './wire-client.js';

const { Frame, ErrorCode, SlowReader } = duolog.client.v1;
const MIB = 1024 * 1024;
/** What the rings of two shards need at least for messages of 16 MiB; the node refuses to start on less. */
const SMALLEST_RINGS_BYTES = 33_980_928;
/** What the two kernel buffers of a loopback connection hold at most, by the usual `tcp_wmem` and `tcp_rmem`. */
const KERNEL_BYTES = 10 * MIB;

/** Starts a node on a folder of its own before the tests of a block, and expects an orderly end without complaints after them. */
function nodeFor(settings: Settings): { readonly url: string; readonly process: NodeProcess } {
  let folder = '';
  const started: { url: string; process: NodeProcess } = { url: '', process: undefined as never };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'duolog-limits-'));
    started.process = await NodeProcess.start({ data: folder, ...settings });
    started.url = started.process.url;
  });
  afterAll(async () => {
    const code = await started.process.stop();
    rmSync(folder, { recursive: true, force: true });
    expect(started.process.complaints).toEqual([]);
    expect(code).toBe('0');
  });
  return started;
}

async function until(isDone: () => boolean, limitMs = 15_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!isDone() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(isDone()).toBe(true);
}

function numberedValue(bytes: number, sequence: number): Buffer {
  const value = Buffer.alloc(bytes, sequence & 0xff);
  value.writeUInt32BE(sequence, 0);
  return value;
}

/** Publishes `count` messages of `bytes` each, one publish for each, a few at a time. */
async function fill(client: WireClient, to: string, count: number, bytes: number): Promise<void> {
  for (let first = 0; first < count; first += 8) {
    const some = Array.from({ length: Math.min(8, count - first) }, (_, index) => numberedValue(bytes, first + index));
    await Promise.all(
      some.map((value) => client.ask({ publish: { to, partition: 0, messages: [{ value }], durability: 1 } })),
    );
  }
}

describe.each(['uws', 'ws'])('limits of the native door, engine %s', (wsEngine) => {
  const node = nodeFor({ wsEngine, shards: 2 });
  const newClient = (): Promise<WireClient> => WireClient.open(node.url);

  // That an overrun window closes with 1008 is shown below by a client that does not read its confirms: one that reads them is confirmed too
  // soon to overrun anything.
  it('announces its limits', async () => {
    const client = await WireClient.connect(node.url);
    const { welcome } = await client.request({ hello: { version: 1 } });
    expect(welcome?.limits).toMatchObject({
      maxMessageBytes: 16 * MIB,
      maxInflightPublishes: 8192,
      maxSubscriptions: 256,
    });
    await client.close();
  });

  it('refuses the 257th subscription, a number that is taken, and credit beyond 65,535', async () => {
    const client = await newClient();
    await client.ask({ declare: { topic: { name: 'many' } } });
    for (let number = 1; number <= 256; number++) {
      await client.ask({ subscribe: { subscription: number, from: 'many', topic: { credit: 65_535 } } });
    }
    const beyond = await client.request({ subscribe: { subscription: 257, from: 'many', topic: { credit: 1 } } });
    expect(beyond.error).toMatchObject({ code: ErrorCode.ERROR_LIMIT_EXCEEDED });
    const again = await client.request({ subscribe: { subscription: 256, from: 'many', topic: { credit: 1 } } });
    expect(again.error).toMatchObject({ code: ErrorCode.ERROR_ALREADY_EXISTS });
    const sum = await client.request({ credit: { subscription: 1, add: 1 } });
    expect(sum.error).toMatchObject({ code: ErrorCode.ERROR_LIMIT_EXCEEDED });
    await client.ask({ unsubscribe: { subscription: 256 } });
    await client.ask({ subscribe: { subscription: 257, from: 'many', topic: { credit: 1 } } });
    await client.close();
  });

  it('refuses the 257th request in progress, and answers the others', async () => {
    const client = await newClient();
    await client.ask({ declare: { topic: { name: 'polled' } } });
    const fetch = { from: 'polled', partitions: [{ partition: 0, offset: 0 }], minBytes: 1, maxWaitMs: 700 };
    const answers = await Promise.all(Array.from({ length: 300 }, () => client.request({ fetch })));
    expect(answers.filter(({ fetched }) => fetched).length).toBe(256);
    expect(answers.filter(({ error }) => error?.code === ErrorCode.ERROR_LIMIT_EXCEEDED).length).toBe(44);
    await client.close();
  });

  it('refuses pages from elsewhere with 403 and lets those of the same origin in', async () => {
    const { port } = node.process;
    const tryOrigin = async (origin: string): Promise<string> => {
      const socket = new WebSocket(node.url, { origin });
      const outcome = await new Promise<string>((resolve) => {
        socket.once('open', () => resolve('open'));
        socket.on('error', (error) => resolve(error.message));
      });
      socket.terminate();
      return outcome;
    };
    expect(await tryOrigin('https://evil.example')).toContain('403');
    expect(await tryOrigin(`http://127.0.0.1:${port + 1}`)).toContain('403');
    expect(await tryOrigin('null')).toContain('403');
    expect(await tryOrigin(`http://127.0.0.1:${port}.evil.example`)).toContain('403');
    expect(await tryOrigin(`http://127.0.0.1:${port}`)).toBe('open');
  });

  it('stops pushing to a consumer that does not read, holds at most 1 MiB and a frame for it, and loses nothing', async () => {
    const publisher = await newClient();
    await publisher.ask({ declare: { queue: { name: 'slow' } } });
    await fill(publisher, 'slow', 600, 50_000);
    const consumer = await newClient();
    const seen: number[] = [];
    consumer.onFrame = ({ deliver }) => {
      for (const { message } of deliver?.deliveries ?? []) seen.push(Buffer.from(message?.value ?? []).readUInt32BE(0));
    };
    consumer.send({ subscribe: { subscription: 1, from: 'slow', queue: { credit: 10_000 } } });
    consumer.socket.pause();
    // What the kernel takes belongs to the peer already: what counts is how many of 30 MB the node has let go.
    let unacknowledged = 0;
    const look = async (): Promise<number> =>
      Number((await publisher.ask({ describe: { name: 'slow' } })).description?.messagesUnacknowledged ?? 0);
    for (let last = -1; last !== unacknowledged || last === 0; ) {
      last = unacknowledged;
      await new Promise((resolve) => setTimeout(resolve, 150));
      unacknowledged = await look();
    }
    expect(unacknowledged * 50_000).toBeLessThan(KERNEL_BYTES + 1.5 * MIB);
    const before = node.process.rssBytes();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(await look()).toBe(unacknowledged);
    expect(node.process.rssBytes() - before).toBeLessThan(4 * MIB);
    consumer.socket.resume();
    await until(() => seen.length === 600);
    expect(seen).toEqual(Array.from({ length: 600 }, (_, index) => index));
    await Promise.all([publisher.close(), consumer.close()]);
  });

  it('tells a slow follower of a broadcast exactly how many it missed, and closes the one that asked for it', async () => {
    const publisher = await newClient();
    await publisher.ask({ declare: { topic: { name: 'live' } } });
    const follow = async (slow: duolog.client.v1.SlowReader): Promise<{ client: WireClient; frames: WireFrame[] }> => {
      const client = await newClient();
      const frames: WireFrame[] = [];
      client.onFrame = (frame) => frames.push(frame);
      await client.ask({ subscribe: { subscription: 1, from: 'live', broadcast: { slow, decoded: true } } });
      client.socket.pause();
      return { client, frames };
    };
    const skipping = await follow(SlowReader.SLOW_READER_SKIP);
    const closing = await follow(SlowReader.SLOW_READER_CLOSE);
    await fill(publisher, 'live', 1200, 40_000);
    skipping.client.socket.resume();
    closing.client.socket.resume();
    const missed = (): number => skipping.frames.reduce((sum, frame) => sum + Number(frame.missed?.count ?? 0), 0);
    const offsets = (frames: WireFrame[]): number[] =>
      frames.flatMap(({ broadcast }) =>
        (broadcast?.records ?? []).flatMap(({ messages }) => (messages ?? []).map(({ offset }) => Number(offset ?? 0))),
      );
    await until(() => missed() + offsets(skipping.frames).length === 1200);
    expect(missed()).toBeGreaterThan(0);
    await publisher.ask({ publish: { to: 'live', messages: [{ value: numberedValue(8, 1200) }] } });
    await until(() => offsets(skipping.frames).at(-1) === 1200);
    const seen = offsets(skipping.frames);
    expect(seen).toEqual([...new Set(seen)].sort((one, other) => one - other));
    await until(() => closing.frames.some(({ subscriptionClosed }) => subscriptionClosed));
    const reason = closing.frames.find(({ subscriptionClosed }) => subscriptionClosed)?.subscriptionClosed?.reason;
    expect(reason).toMatchObject({ code: ErrorCode.ERROR_LIMIT_EXCEEDED });
    expect(closing.client.closing).toBeUndefined();
    await Promise.all([publisher.close(), skipping.client.close(), closing.client.close()]);
  });

  it('closes a client with 1013 that asks on and on and reads nothing', async () => {
    const client = await newClient();
    await client.ask({ declare: { topic: { name: 'replies' } } });
    client.socket.pause();
    const ping = Frame.encode({ id: 1, ping: { payload: Buffer.alloc(1024) } }).finish();
    // Answers are bounded by the backlog of 1 MiB and one largest frame, and what the kernel takes.
    const closed = new Promise<void>((resolve) => {
      const send = (left: number): void => {
        if (left === 0 || client.socket.readyState !== WebSocket.OPEN) return resolve();
        client.socket.send(ping, (error) => (error ? resolve() : send(left - 1)));
      };
      send(60_000);
    });
    await closed;
    client.socket.resume();
    expect(await client.closed).toMatchObject({ code: 1013 });
  });

  it('credits a publisher that does not read its confirms no further: the window closes on it', async () => {
    const client = await newClient();
    await client.ask({ declare: { topic: { name: 'unread' } } });
    client.socket.pause();
    const frame = Frame.encode({
      id: 1,
      publish: { to: 'unread', messages: [{ value: Buffer.alloc(1) }], durability: 1 },
    }).finish();
    let sent = 0;
    const isGone = new Promise<void>((resolve) => {
      const send = (): void => {
        for (let count = 0; count < 500; count++) client.socket.send(frame);
        sent += 500;
        client.socket.send(frame, (error) => {
          if (error || sent > 4_000_000) resolve();
          else setImmediate(send);
        });
      };
      send();
    });
    // Where the engine can pause a peer, it is the peer's own socket that fills up.
    await Promise.race([isGone, client.closed, new Promise((resolve) => setTimeout(resolve, 3_000))]);
    expect(node.process.rssBytes()).toBeLessThan(400 * MIB);
    const witness = await newClient();
    await witness.ask({ publish: { to: 'unread', messages: [{ value: Buffer.alloc(1) }] } });
    client.socket.resume();
    if (wsEngine === 'uws') expect(await client.closed).toMatchObject({ code: 1008 });
    client.socket.terminate();
    await witness.close();
  });
});

describe.each(['uws', 'ws'])('large messages, engine %s', (wsEngine) => {
  const node = nodeFor({ wsEngine, shards: 2, ringMemory: SMALLEST_RINGS_BYTES });

  it.each([true, false])(
    '16 MiB go through the smallest rings to either shard and back, automaticAck %s',
    async (automaticAck) => {
      // A connection is accepted by one shard, and of two partitions one belongs to the other.
      const clients = await Promise.all([WireClient.open(node.url), WireClient.open(node.url)]);
      const [client] = clients;
      const name = `large-${automaticAck}`;
      await client.ask({ declare: { queue: { name, partitions: 2 } } });
      const body = Buffer.alloc(16 * MIB, 'abcdefghijklmnop');
      const publish = (from: WireClient, partition: number): Promise<WireFrame> =>
        from.ask({ publish: { to: name, partition, messages: [{ value: body }], durability: 1 } });
      for (const from of clients) for (const partition of [0, 1]) await publish(from, partition);
      const sizes: number[] = [];
      client.onFrame = ({ deliver }) => {
        for (const { message } of deliver?.deliveries ?? []) {
          const value = Buffer.from(message?.value ?? []);
          sizes.push(value.equals(body) ? value.length : -1);
        }
      };
      await client.ask({ subscribe: { subscription: 1, from: name, queue: { credit: 100, automaticAck } } });
      await Promise.all(clients.map((from, partition) => publish(from, partition)));
      await until(() => sizes.length === 6, 30_000);
      expect(sizes).toEqual(Array.from({ length: 6 }, () => 16 * MIB));
      const fetched = await client.ask({
        fetch: { from: name, partitions: [{ partition: 1, offset: 0 }], decoded: true },
      });
      expect(
        Buffer.from(fetched.fetched?.partitions?.[0]?.records?.messages?.[0]?.message?.value ?? []).equals(body),
      ).toBe(true);
      await Promise.all(clients.map((each) => each.close()));
    },
    60_000,
  );
});

describe.each(['uws', 'ws'])('idle connections, engine %s', (wsEngine) => {
  const node = nodeFor({ wsEngine, shards: 1, idleTimeout: 8 });

  it('pings the silent, keeps those that answer, cuts the dead, and does not wait for a Hello', async () => {
    const alive = await WireClient.open(node.url);
    let pings = 0;
    alive.socket.on('ping', () => pings++);
    const dead = await WireClient.open(node.url, { autoPong: false });
    const mute = await WireClient.connect(node.url);
    const started = performance.now();
    const halfOpen = connect({ host: '127.0.0.1', port: node.process.port });
    halfOpen.write('GET /ws HTTP/1.1\r\nHost: a\r\n');
    const halfClosed = once(halfOpen, 'close');
    halfOpen.resume();
    expect(await mute.closed).toMatchObject({ code: 4000 });
    expect(await dead.closed).toMatchObject({ code: 1006 });
    expect(performance.now() - started).toBeGreaterThan(5_000);
    await halfClosed;
    expect(pings).toBeGreaterThan(0);
    expect(alive.closing).toBeUndefined();
    await alive.ask({ ping: {} });
    await alive.close();
  }, 40_000);
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
// Worker threads are started from dist, so the whole node is taken from there.
import { DataFolderError, type NodeSettings, type RunningNode, startNode } from '../../dist/node/index.js';
import { engineSettings } from '../support/engine.js';
import { bytesOf, JsonClient, textOf } from '../support/json-client.js';

let folder: string;
let nodes: RunningNode[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-node-'));
  nodes = [];
});
afterEach(async () => {
  for (const node of nodes) await node.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function start(settings: NodeSettings = {}): Promise<RunningNode> {
  const node = await startNode({
    data: folder,
    port: 0,
    amqpPort: 0,
    shards: 2,
    journalSize: '8MiB',
    ...engineSettings(),
    ...settings,
  });
  nodes.push(node);
  return node;
}

async function connect(node: RunningNode): Promise<JsonClient> {
  return JsonClient.connect(node.url ?? '');
}

async function publish(client: JsonClient, to: string, ...values: string[]): Promise<void> {
  await client.ask({ publish: { to, messages: values.map((value) => ({ value: bytesOf(value) })) } });
}

describe.each([
  { name: 'two shards', settings: { shards: 2 } },
  { name: 'in one thread', settings: { shards: 0 } },
  { name: 'two shards on the ws engine', settings: { shards: 2, wsEngine: 'ws' as const } },
])('a node: $name', ({ settings }) => {
  test('what was confirmed, acknowledged and committed is so after a restart', async () => {
    const first = await start(settings);
    const client = await connect(first);
    await client.ask({ declare: { queue: { name: 'orders', partitions: 2 } } });
    for (let number = 0; number < 6; number++) await publish(client, 'orders', `order ${number}`);
    await client.ask({ subscribe: { subscription: 1, from: 'orders', queue: { credit: 4 } } });
    const taken = await client.deliveries(1, 4);
    await client.ask({ settle: { subscription: 1, tags: [{ first: taken[0]!.tag, last: taken[0]!.tag }] } });
    const refilled = await client.deliveries(1, 1);
    await client.ask({ commitOffsets: { group: 'readers', from: 'orders', offsets: [{ partition: 1, offset: '2' }] } });
    await client.close();
    await first.stop();

    const second = await start(settings);
    const again = await connect(second);
    await again.ask({ subscribe: { subscription: 1, from: 'orders', queue: { credit: 10 } } });
    const back = await again.deliveries(1, 5);
    const seen = new Set([...taken, ...refilled].map(({ partition, offset }) => `${partition}/${offset}`));
    const acknowledged = `${taken[0]!.partition}/${taken[0]!.offset}`;
    expect(back.map(({ message }) => textOf(message.value)).sort()).toHaveLength(5);
    for (const { partition, offset, redelivered } of back) {
      const place = `${partition}/${offset}`;
      expect(place).not.toBe(acknowledged);
      expect({ place, redelivered }).toEqual({ place, redelivered: seen.has(place) });
    }
    const offsets = await again.ask({ fetchOffsets: { group: 'readers', from: 'orders', partitions: [1] } });
    expect(JSON.stringify(offsets)).toContain('"offset":"2"');
    await again.close();
  });

  test('messages of one partition come in order, to consumers on any connection', async () => {
    const node = await start(settings);
    const clients = await Promise.all([1, 2, 3, 4].map(() => connect(node)));
    const [publisher] = clients;
    await publisher!.ask({ declare: { queue: { name: 'work' } } });
    const values = Array.from({ length: 200 }, (_, index) => `job ${index}`);
    await publish(publisher!, 'work', ...values);
    for (const client of clients) {
      await client.ask({ subscribe: { subscription: 7, from: 'work', queue: { credit: 50 } } });
    }
    const shares = await Promise.all(clients.map((client) => client.deliveries(7, 50)));
    const all = shares.flatMap((share) => share.map(({ message }) => textOf(message.value)));
    expect(all.sort()).toEqual([...values].sort());
    for (const share of shares) {
      const offsets = share.map(({ offset }) => Number(offset));
      expect(offsets).toEqual([...offsets].sort((left, right) => left - right));
    }
    await Promise.all(clients.map((client) => client.close()));
  });

  test('health, readiness and metrics over HTTP', async () => {
    const node = await start(settings);
    const client = await connect(node);
    await client.ask({ declare: { topic: { name: 'events', partitions: 3 } } });
    await publish(client, 'events', 'one', 'two');
    const get = async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${node.port}${path}`);
      return { status: response.status, text: await response.text() };
    };
    expect(await get('/healthz')).toEqual({ status: 200, text: 'ok\n' });
    expect(await get('/readyz')).toEqual({ status: 200, text: 'ok\n' });
    expect((await get('/nothing')).status).toBe(404);
    const { text } = await get('/metrics');
    expect(text).toMatch(/^duolog_messages_published_total\{shard="\d"\} 2$/m);
    expect(
      text.match(/^duolog_partition_log_end_offset\{vhost="\/",topic="events",partition="\d"\} \d$/gm),
    ).toHaveLength(3);
    expect(text).toContain('# TYPE duolog_commit_seconds histogram');
    await client.close();
  });
});

describe('starting and stopping', () => {
  test('a second node on the same folder is refused, and told by whom it is used', async () => {
    await start();
    const refused = start().catch((error: unknown) => error);
    expect(await refused).toBeInstanceOf(DataFolderError);
    expect(String(await refused)).toContain(`process ${process.pid}`);
  });

  test('a port that somebody has is refused, and the folder is free again', async () => {
    const first = await start();
    const folderOfFirst = folder;
    folder = mkdtempSync(join(tmpdir(), 'duolog-node-'));
    await expect(start({ port: first.port ?? 0 })).rejects.toThrow(/another process is listening there/);
    const second = await start();
    expect(second.port).not.toBe(first.port);
    await first.stop();
    rmSync(folderOfFirst, { recursive: true, force: true });
  });

  test('rings that the largest message does not fit are refused, with the size that is needed', async () => {
    await expect(start({ ringMemory: '1MiB' })).rejects.toThrow(
      /--ring-memory is 1048576, but 2 shards and messages of up to 16777216 bytes need \d+$/,
    );
  });

  test('node.json tells where it listens while it runs', async () => {
    const node = await start();
    const told = JSON.parse(readFileSync(join(folder, 'node.json'), 'utf8')) as Record<string, unknown>;
    expect(told).toMatchObject({ port: node.port, pid: process.pid, nodeId: 1 });
    await node.stop();
    expect(() => readFileSync(join(folder, 'node.json'))).toThrow();
  });

  test('a start that changes the number of shards finds everything', async () => {
    const first = await start({ shards: 1 });
    const client = await connect(first);
    await client.ask({ declare: { topic: { name: 'events', partitions: 4 } } });
    for (let partition = 0; partition < 4; partition++) {
      await client.ask({ publish: { to: 'events', partition, messages: [{ value: bytesOf(`event ${partition}`) }] } });
    }
    await client.close();
    await first.stop();
    for (const shards of [3, 2, 0]) {
      const node = await start({ shards });
      const reader = await connect(node);
      const partitions = [0, 1, 2, 3].map((partition) => ({ partition, offset: '0' }));
      const fetched = await reader.ask({ fetch: { from: 'events', partitions, decoded: true } });
      for (let partition = 0; partition < 4; partition++) {
        expect(JSON.stringify(fetched)).toContain(bytesOf(`event ${partition}`));
      }
      await reader.close();
      await node.stop();
    }
  });

  test('publishes under way at the stop are confirmed or refused, and the confirmed ones are there', async () => {
    const first = await start();
    const client = await connect(first);
    await client.ask({ declare: { topic: { name: 'events', partitions: 2 } } });
    const outcomes: Promise<boolean>[] = [];
    for (let number = 0; number < 500; number++) {
      const publish = { to: 'events', partition: number % 2, messages: [{ value: bytesOf(`event ${number}`) }] };
      outcomes.push(
        client.ask({ publish }).then(
          () => true,
          () => false,
        ),
      );
    }
    await outcomes[0];
    await first.stop();
    const confirmed = (await Promise.all(outcomes)).filter(Boolean).length;
    const second = await start();
    const reader = await connect(second);
    const state = await reader.ask({ describe: { name: 'events' } });
    const ends = (state['description'] as { partitions: { end: string }[] }).partitions.map(({ end }) => Number(end));
    expect(confirmed).toBeGreaterThan(0);
    expect(ends[0]! + ends[1]!).toBeGreaterThanOrEqual(confirmed);
    await reader.close();
  });
});

describe('declarations', () => {
  test('twice with equal settings is fine, with others an error that names the difference', async () => {
    const client = await connect(await start());
    await client.ask({ declare: { queue: { name: 'orders', durability: 'DURABILITY_DISK' } } });
    await client.ask({ declare: { queue: { name: 'orders', durability: 'DURABILITY_DISK' } } });
    await expect(
      client.ask({ declare: { queue: { name: 'orders', durability: 'DURABILITY_MEMORY' } } }),
    ).rejects.toThrow(
      'ERROR_ALREADY_EXISTS: Cannot declare queue "orders": it exists with durability=disk, declared durability=memory',
    );
    await client.close();
  });

  test('a topic is given a cursor that starts where it is told', async () => {
    const node = await start();
    const client = await connect(node);
    for (const name of ['at-end', 'at-beginning']) {
      await client.ask({ declare: { topic: { name } } });
      await publish(client, name, 'old 1', 'old 2');
    }
    await client.ask({ declare: { queue: { name: 'at-end' } } });
    await client.ask({ declare: { queue: { name: 'at-beginning', start: { beginning: true } } } });
    await publish(client, 'at-end', 'new');
    await publish(client, 'at-beginning', 'new');
    await client.ask({ subscribe: { subscription: 1, from: 'at-end', queue: { credit: 10 } } });
    await client.ask({ subscribe: { subscription: 2, from: 'at-beginning', queue: { credit: 10 } } });
    const texts = async (subscription: number, count: number) =>
      (await client.deliveries(subscription, count)).map(({ message }) => textOf(message.value));
    expect(await texts(1, 1)).toEqual(['new']);
    expect(await texts(2, 3)).toEqual(['old 1', 'old 2', 'new']);
    await client.close();
  });

  test('a deleted topic is gone, its files too, and its consumers are told', async () => {
    const node = await start();
    const client = await connect(node);
    await client.ask({ declare: { queue: { name: 'orders', partitions: 3 } } });
    await client.ask({ subscribe: { subscription: 1, from: 'orders', queue: { credit: 10 } } });
    const other = await connect(node);
    await other.ask({ delete: { name: 'orders' } });
    await client.next((frame) => frame['subscriptionClosed'] !== undefined);
    await expect(publish(other, 'orders', 'late')).rejects.toThrow('ERROR_NOT_FOUND');
    await other.ask({ declare: { queue: { name: 'orders' } } });
    await publish(other, 'orders', 'new');
    await other.ask({ subscribe: { subscription: 1, from: 'orders', queue: { credit: 10 } } });
    const [delivery] = await other.deliveries(1, 1);
    expect({ offset: delivery?.offset, text: textOf(delivery?.message.value) }).toEqual({ offset: '0', text: 'new' });
    await Promise.all([client.close(), other.close()]);
  });

  test('purge removes what waits, not what was delivered', async () => {
    const client = await connect(await start());
    await client.ask({ declare: { queue: { name: 'orders' } } });
    await publish(client, 'orders', ...Array.from({ length: 10 }, (_, index) => `order ${index}`));
    await client.ask({ subscribe: { subscription: 1, from: 'orders', queue: { credit: 3 } } });
    const held = await client.deliveries(1, 3);
    expect(await client.ask({ purge: { name: 'orders' } })).toMatchObject({ purged: { count: '7' } });
    await client.ask({ settle: { subscription: 1, upToTag: held[2]!.tag } });
    await publish(client, 'orders', 'after');
    const [next] = await client.deliveries(1, 1);
    expect(textOf(next?.message.value)).toBe('after');
    await client.close();
  });
});

describe('space', () => {
  test('that of acknowledged messages comes back, between those that are still waiting, and a restart knows what is left', async () => {
    const count = 2000;
    const first = await start({ maintenanceInterval: 1 });
    const client = await connect(first);
    await client.ask({ declare: { queue: { name: 'half', segmentBytes: 16 * 1024 } } });
    for (let number = 0; number < count; number += 100) {
      await publish(
        client,
        'half',
        ...Array.from({ length: 100 }, (_, index) => `${number + index} `.padEnd(100, 'x')),
      );
    }
    const before = await sizeOf(client, 'half');
    await client.ask({ subscribe: { subscription: 1, from: 'half', queue: { credit: count } } });
    const all = await client.deliveries(1, count);
    const tags = all.filter((_, index) => index % 2 === 0).map(({ tag }) => ({ first: tag, last: tag }));
    await client.ask({ settle: { subscription: 1, tags } });
    await expect.poll(() => sizeOf(client, 'half'), { timeout: 15_000, interval: 250 }).toBeLessThan(before * 0.62);
    await client.close();
    await first.stop();

    const again = await connect(await start());
    await again.ask({ subscribe: { subscription: 1, from: 'half', queue: { credit: count } } });
    const left = await again.deliveries(1, count / 2);
    expect(left.map(({ offset }) => Number(offset))).toEqual(
      Array.from({ length: count / 2 }, (_, index) => 2 * index + 1),
    );
    expect(left.every(({ redelivered }) => redelivered)).toBe(true);
    expect(left.map(({ message }) => Number.parseInt(textOf(message.value), 10))).toEqual(
      left.map(({ offset }) => Number(offset)),
    );
    await again.ask({ settle: { subscription: 1, upToTag: left.at(-1)!.tag } });
    expect(await again.ask({ describe: { name: 'half' } })).toMatchObject({
      description: { messagesReady: '0', messagesUnacknowledged: '0' },
    });
    await again.close();
  });
});

async function sizeOf(client: JsonClient, name: string): Promise<number> {
  const { description } = (await client.ask({ describe: { name } })) as {
    description?: { partitions: { sizeBytes: string }[] };
  };
  return description?.partitions.reduce((sum, { sizeBytes }) => sum + Number(sizeBytes), 0) ?? 0;
}

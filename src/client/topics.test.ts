import { gunzipSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { BatchBuilder } from '../record/batch-builder.js';
import { CODEC_GZIP, setCodec } from '../record/codec.js';
import { type Client, connect } from './client.js';
import { FakeNode } from './fixtures/fake-node.js';
import type { ReceivedRecord } from './received.js';

const clients: Client[] = [];
const reconnect = { firstDelayMs: 0, maxDelayMs: 1, first: true };

async function setUp(partitions = 1): Promise<{ node: FakeNode; client: Client }> {
  const node = new FakeNode();
  node.topic('events', partitions);
  const client = await connect('ws://fake', { transport: node.transport, reconnect });
  clients.push(client);
  return { node, client };
}

async function publish(client: Client, from: number, to: number, partition = 0): Promise<void> {
  for (let value = from; value < to; value++) await client.publish('events', `${value}`, { partition });
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});

async function taken<T>(items: AsyncIterable<T>, count: number): Promise<T[]> {
  const found: T[] = [];
  const iterator = items[Symbol.asyncIterator]();
  while (found.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    found.push(next.value);
  }
  return found;
}

const texts = (records: readonly ReceivedRecord[]): string[] => records.map((record) => record.text());

test('a reader reads from the beginning, from an offset, from a group, and goes on as messages come', async () => {
  const { client } = await setUp();
  await publish(client, 0, 5);
  const reader = client.reader('events');
  expect(texts(await taken(reader, 3))).toEqual(['0', '1', '2']);
  expect(reader.position(0)).toBe(3);
  await reader.commit('readers');
  expect(await client.committed('readers', 'events')).toEqual([
    { partition: 0, offset: 3, timestamp: 0, metadata: '' },
  ]);
  expect(texts(await taken(client.reader('events', { from: { group: 'readers' } }), 2))).toEqual(['3', '4']);
  expect(texts(await taken(client.reader('events', { from: { offset: 4 } }), 1))).toEqual(['4']);
  const late = taken(client.reader('events', { from: 'end' }), 1);
  await client.listOffsets('events', 'end');
  await publish(client, 5, 6);
  expect(texts(await late)).toEqual(['5']);
  reader.close();
});

test('seek moves a reader, also in the middle of a batch', async () => {
  const { client } = await setUp(2);
  await client.publish('events', ['a', 'b', 'c', 'd'], { partition: 1 });
  const reader = client.reader('events', { partitions: [1] });
  const iterator = reader[Symbol.asyncIterator]();
  expect((await iterator.next()).value?.text()).toBe('a');
  expect((await iterator.next()).value?.text()).toBe('b');
  await reader.seek({ offset: 0 });
  expect((await iterator.next()).value?.text()).toBe('a');
  await reader.seek({ offsets: [{ partition: 1, offset: 3 }] });
  expect((await iterator.next()).value?.text()).toBe('d');
  expect(reader.positions()).toEqual([{ partition: 1, offset: 4 }]);
  const next = iterator.next();
  reader.close();
  expect((await next).done).toBe(true);
});

test('batches come by partition, with where reading goes on', async () => {
  const { client } = await setUp(2);
  await publish(client, 0, 2, 0);
  await publish(client, 2, 3, 1);
  const parts = await taken(client.reader('events').batches(), 3);
  expect(parts.map(({ partition, records, nextOffset }) => [partition, texts(records), nextOffset])).toEqual([
    [0, ['0'], 1],
    [1, ['2'], 1],
    [0, ['1'], 2],
  ]);
});

test('errors of a partition and of the topic reach the program', async () => {
  const { client } = await setUp();
  await expect(taken(client.reader('events', { from: { offset: 9 } }), 1)).rejects.toMatchObject({
    code: 'offset-out-of-range',
  });
  await expect(taken(client.reader('nowhere'), 1)).rejects.toMatchObject({ code: 'not-found' });
  await expect(taken(client.reader('events', { partitions: [1] }), 1)).rejects.toMatchObject({
    code: 'invalid-request',
  });
  const [part] = await client.fetch('events', [{ partition: 0, offset: 9 }]);
  expect(part?.error?.code).toBe('offset-out-of-range');
});

test('records that are compressed with a codec that is not here fail with a type of their own', async () => {
  const { node, client } = await setUp();
  const partition = node.topics.get('events')!.partitions[0]!;
  setCodec(CODEC_GZIP, { compress: (bytes) => gzipSync(bytes), decompress: (bytes) => gunzipSync(bytes) });
  const builder = new BatchBuilder().start({ codec: CODEC_GZIP });
  builder.append(null, new TextEncoder().encode('packed'), 1);
  partition.batches.push({ baseOffset: 0, bytes: builder.finish().slice() });
  partition.end = 1;
  expect(texts(await taken(client.reader('events'), 1))).toEqual(['packed']);
  setCodec(CODEC_GZIP, undefined);
  await expect(taken(client.reader('events'), 1)).rejects.toMatchObject({ code: 'unsupported-codec' });
  await expect(taken(await client.follow('events', { from: 'beginning' }), 1)).rejects.toMatchObject({
    code: 'unsupported-codec',
  });
});

test('a damaged batch is noticed', async () => {
  const { node, client } = await setUp();
  await publish(client, 0, 1);
  node.topics.get('events')!.partitions[0]!.batches[0]!.bytes[67]! ^= 1;
  await expect(taken(client.reader('events'), 1)).rejects.toMatchObject({ code: 'corrupt-batch' });
});

test('a follower gets what is there and what comes, and can be moved', async () => {
  const { client } = await setUp();
  await publish(client, 0, 3);
  const follower = await client.follow('events', { from: 'beginning', credit: 2 });
  expect(texts(await taken(follower, 3))).toEqual(['0', '1', '2']);
  await publish(client, 3, 4);
  expect(texts(await taken(follower, 1))).toEqual(['3']);
  await follower.seek([{ partition: 0, offset: 1 }]);
  expect(texts(await taken(follower, 3))).toEqual(['1', '2', '3']);
  await follower.close();
  expect(await taken(follower, 1)).toEqual([]);
});

test('a follower from the end misses nothing that came while it had no connection', async () => {
  const { node, client } = await setUp();
  await publish(client, 0, 2);
  const follower = await client.follow('events');
  await publish(client, 2, 3);
  expect(texts(await taken(follower, 1))).toEqual(['2']);
  const other = await connect('ws://fake', { transport: node.transport, reconnect });
  clients.push(other);
  node.refuseConnections = 1006;
  node.connections[0]!.end(1006, 'cut');
  await publish(other, 3, 5);
  node.refuseConnections = undefined;
  expect(texts(await taken(follower, 2))).toEqual(['3', '4']);
});

test('a broadcast tells what it missed between two connections', async () => {
  const { node, client } = await setUp();
  await publish(client, 0, 2);
  const broadcast = await client.broadcast('events');
  await publish(client, 2, 3);
  expect((await taken(broadcast, 1))[0]).toMatchObject({ kind: 'record', offset: 2 });
  const other = await connect('ws://fake', { transport: node.transport, reconnect });
  clients.push(other);
  node.connections[0]!.end(1006, 'cut');
  await publish(other, 3, 5);
  await client.ping();
  await publish(other, 5, 6);
  const items = await taken(broadcast, 2);
  const missed = items[0]?.kind === 'missed' ? items[0].count : 0;
  expect(items[0]).toMatchObject({ kind: 'missed', partition: 0, nextOffset: 3 + missed });
  expect(items[1]).toMatchObject({ kind: 'record', offset: 3 + missed });
});

test('a slow reader of a broadcast skips, or is ended if it asked for that', async () => {
  const { client } = await setUp();
  const broadcast = await client.broadcast('events', { maxBuffered: 2 });
  await publish(client, 0, 5);
  const records = await taken(broadcast, 2);
  expect(records.map((item) => item.kind === 'record' && item.offset)).toEqual([0, 1]);
  await publish(client, 5, 6);
  const items = await taken(broadcast, 2);
  expect(items[0]).toMatchObject({ kind: 'missed', count: 3, nextOffset: 5 });
  expect(items[1]).toMatchObject({ kind: 'record', offset: 5 });
  await broadcast.close();
  const strict = await client.broadcast('events', { maxBuffered: 2, slow: 'close' });
  await publish(client, 6, 10);
  await expect(taken(strict, 9)).rejects.toMatchObject({ code: 'limit-exceeded' });
});

test('readers and followers see every record once and in order, wherever connections are cut', async () => {
  const cuts = fc.uniqueArray(fc.nat(80), { maxLength: 10 });
  await fc.assert(
    fc.asyncProperty(cuts, fc.integer({ min: 1, max: 20 }), async (cutAt, messages) => {
      const node = new FakeNode();
      node.topic('events');
      let frames = 0;
      node.interfere = () => (cutAt.includes(frames++) ? 'cut' : 'pass');
      const client = await connect('ws://fake', { transport: node.transport, reconnect });
      const expected = Array.from({ length: messages }, (_, index) => `${index}`);
      const follower = await client.follow('events', { from: 'beginning', credit: 3 });
      const publishing = publish(client, 0, messages);
      const [read, followed] = await Promise.all([taken(client.reader('events'), messages), taken(follower, messages)]);
      expect(texts(read)).toEqual(expected);
      expect(texts(followed)).toEqual(expected);
      await publishing;
      await client.close();
    }),
    { numRuns: 60 },
  );
});

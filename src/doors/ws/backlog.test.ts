import { describe, expect, it } from 'vitest';
import { FakeBroker } from './fixtures/fake-broker.js';
import { Harness } from './fixtures/harness.js';

const MIB = 1024 * 1024;
/** Names and numbers around a message in its frame, and frames that are not pushed. */
const OVERHEAD = 1024;

/** A queue of messages of these sizes, and a session that subscribes to it and reads nothing. */
async function stalled(sizes: readonly number[], automaticAck: boolean, form: 'binary' | 'text' = 'binary') {
  const broker = new FakeBroker();
  const queue = broker.add('q', 'queue', 1);
  for (const bytes of sizes) {
    const value = new Uint8Array(bytes);
    broker.append(queue, 0, broker.build([{ key: null, value, headers: [], timestampMs: 1 }]));
  }
  const harness = Harness.open({ broker }, form);
  harness.socket.isReading = false;
  const subscribe = { subscription: 1, from: 'q', queue: { credit: 1000, automaticAck } };
  if (form === 'text') harness.say({ id: 1, subscribe });
  else harness.send({ id: 1, subscribe });
  for (let round = 0; round < 30; round++) await harness.turn();
  const waiting = (): number => broker.partition(queue, 0).ready.length;
  return { harness, waiting, backlog: harness.socket.backlog };
}

/** Lets the client read whatever comes. Returns the tags of all deliveries. */
async function readAll(harness: Harness): Promise<number[]> {
  const tags: number[] = [];
  for (let round = 0; round < 80; round++) {
    harness.socket.drain();
    await harness.turn();
    for (const { deliver } of harness.take()) for (const { tag } of deliver?.deliveries ?? []) tags.push(Number(tag));
  }
  return tags;
}

describe('the backlog of a client that does not read, with the limits that a node has', () => {
  it.each(['binary', 'text'] as const)('is one message of 1 MiB with automatic acks (%s)', async (form) => {
    const { harness, waiting, backlog } = await stalled(Array(20).fill(MIB), true, form);
    const encoded = form === 'text' ? (MIB * 4) / 3 : MIB;
    expect(backlog).toBeLessThan(OVERHEAD);
    // What the broker does not keep is lost when the client goes: the one message waits for the answers before it to be read.
    expect(waiting()).toBe(19);
    harness.socket.drain();
    for (let round = 0; round < 30; round++) await harness.turn();
    expect(harness.socket.backlog).toBeGreaterThan(encoded);
    expect(harness.socket.backlog).toBeLessThan(encoded + OVERHEAD);
    expect(waiting()).toBe(19);
    expect(await readAll(harness)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
    expect(harness.socket.ended).toBeUndefined();
  });

  it.each([
    ['messages that almost fit twice', Array(10).fill(600_000)],
    ['messages beside a frame of small ones', [...Array(200).fill(1000), ...Array(10).fill(900_000)]],
    ['a frame that is almost full before a large one', [...Array(9).fill(250_000), ...Array(9).fill(MIB)]],
  ])('is at most 1 MiB, or one message, with %s', async (_, sizes) => {
    for (const automaticAck of [true, false]) {
      for (const form of ['binary', 'text'] as const) {
        const { harness, backlog } = await stalled(sizes, automaticAck, form);
        expect(backlog).toBeGreaterThan(200_000);
        expect(backlog).toBeLessThan(MIB + OVERHEAD);
        expect(await readAll(harness)).toHaveLength(sizes.length);
        expect(harness.socket.ended).toBeUndefined();
      }
    }
  });

  it('is bounded when many subscriptions push at once', async () => {
    const broker = new FakeBroker();
    const harness = Harness.open({ broker });
    harness.socket.isReading = false;
    for (let number = 1; number <= 20; number++) {
      const queue = broker.add(`q${number}`, 'queue', 1);
      for (let index = 0; index < 5; index++) {
        const message = { key: null, value: new Uint8Array(300_000), headers: [], timestampMs: 1 };
        broker.append(queue, 0, broker.build([message]));
      }
      const queueOptions = { credit: 100, automaticAck: number % 2 === 0 };
      harness.send({ id: number, subscribe: { subscription: number, from: `q${number}`, queue: queueOptions } });
    }
    for (let round = 0; round < 30; round++) await harness.turn();
    expect(harness.socket.backlog).toBeLessThan(MIB + 20 * OVERHEAD);
    expect(await readAll(harness)).toHaveLength(100);
  });
});

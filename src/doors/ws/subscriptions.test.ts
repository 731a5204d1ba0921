import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../broker/errors.js';
import { duolog } from '../../proto/client.js';
import { readRecords } from '../../record/record-reader.js';
import { FakeBroker } from './fixtures/fake-broker.js';
import { Harness, type HarnessOptions, utf8 } from './fixtures/harness.js';
import type { WireFrame } from './wire-types.js';

const { ErrorCode } = duolog.client.v1;

function opened(options: HarnessOptions = {}): Harness {
  const harness = Harness.open(options);
  harness.broker.add('q', 'queue');
  harness.broker.add('t', 'topic', 2);
  return harness;
}

async function publish(harness: Harness, to: string, count: number, bytes = 1, partition = 0): Promise<void> {
  const topic = harness.broker.topic(to)!;
  for (let index = 0; index < count; index++) {
    const value = new Uint8Array(bytes).fill(index & 0xff);
    harness.broker.append(topic, partition, harness.broker.build([{ key: null, value, headers: [], timestampMs: 1 }]));
  }
  await harness.turn();
}

const deliveries = (frames: readonly WireFrame[]) => frames.flatMap((frame) => frame.deliver?.deliveries ?? []);
const tags = (frames: readonly WireFrame[]) => deliveries(frames).map((delivery) => delivery.tag);

function offsets(frames: readonly WireFrame[]): (number | null | undefined)[] {
  return frames
    .flatMap((frame) => [...(frame.deliver?.records ?? []), ...(frame.broadcast?.records ?? [])])
    .flatMap((records) =>
      records.batches
        ? readRecords(records.batches, 0).map(({ offset }) => offset)
        : (records.messages ?? []).map((item) => item.offset ?? 0),
    );
}

describe('queue subscriptions', () => {
  it('deliver up to the prefetch, in one frame per turn, and more when settled', async () => {
    const harness = opened();
    await publish(harness, 'q', 10);
    const frames = await harness.ask({ id: 1, subscribe: { subscription: 3, from: 'q', queue: { credit: 4 } } });
    expect(frames).toHaveLength(2);
    expect(frames[0]).toMatchObject({ id: 1, subscribed: { subscription: 3, partitions: [{ end: 10 }] } });
    expect(tags(frames)).toEqual([1, 2, 3, 4]);
    const settled = await harness.ask({ id: 2, settle: { subscription: 3, upToTag: 2 } });
    expect(settled.find((frame) => frame.id === 2)?.done).toBeDefined();
    expect(tags(settled)).toEqual([5, 6]);
    expect(harness.broker.settles).toEqual([{ partition: 0, offsets: [0, 1], outcome: 0 }]);
  });

  it('settle ranges, requeue at the original position, discard', async () => {
    const harness = opened();
    await publish(harness, 'q', 6);
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 6 } } });
    const requeue = {
      subscription: 1,
      outcome: 1,
      tags: [
        { first: 2, last: 3 },
        { first: 5, last: 5 },
      ],
    };
    const frames = await harness.ask({ settle: requeue });
    expect(frames.every((frame) => frame.deliver)).toBe(true);
    expect(deliveries(frames)).toMatchObject([
      { tag: 7, offset: 1, redelivered: true, deliveryCount: 1 },
      { tag: 8, offset: 2, redelivered: true },
      { tag: 9, offset: 4, redelivered: true },
    ]);
    await harness.ask({ settle: { subscription: 1, outcome: 2, tags: [{ first: 1, last: 1 }] } });
    expect(harness.broker.settles.at(-1)).toEqual({ partition: 0, offsets: [0], outcome: 2 });
  });

  it('answer unknown tags with an error and settle nothing', async () => {
    const harness = opened();
    await publish(harness, 'q', 5);
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 3 } } });
    for (const settle of [{ upToTag: 4 }, { tags: [{ first: 1, last: 4 }] }, { tags: [{ first: 1, last: 2 ** 52 }] }]) {
      const [answer] = await harness.ask({ id: 2, settle: { subscription: 1, ...settle } });
      expect(answer?.error?.code).toBe(ErrorCode.ERROR_NOT_FOUND);
    }
    expect(harness.broker.settles).toEqual([]);
    await harness.ask({ id: 3, settle: { subscription: 1, tags: [{ first: 2, last: 2 }] } });
    const [twice] = await harness.ask({ id: 4, settle: { subscription: 1, tags: [{ first: 2, last: 2 }] } });
    expect(twice?.error?.code).toBe(ErrorCode.ERROR_NOT_FOUND);
    const [unasked] = await harness.ask({ settle: { subscription: 1, tags: [{ first: 2, last: 2 }] } });
    expect(unasked).toMatchObject({ error: { code: ErrorCode.ERROR_NOT_FOUND } });
  });

  it("answer the broker's failure to settle", async () => {
    const harness = opened();
    await publish(harness, 'q', 1);
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 3 } } });
    harness.broker.failSettles = new BrokerError('log-offline', 'broken');
    const [answer] = await harness.ask({ id: 2, settle: { subscription: 1, upToTag: 1 } });
    expect(answer).toMatchObject({ id: 2, error: { code: ErrorCode.ERROR_LOG_OFFLINE } });
  });

  it('change the prefetch live, and give messages back when they end', async () => {
    const harness = opened();
    await publish(harness, 'q', 10);
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 2 } } });
    const more = await harness.ask({ id: 2, credit: { subscription: 1, prefetch: 5 } });
    expect(tags(more)).toEqual([3, 4, 5]);
    const [refused] = await harness.ask({ id: 3, credit: { subscription: 1, add: 5 } });
    expect(refused?.error?.code).toBe(ErrorCode.ERROR_INVALID_REQUEST);
    const ended = await harness.ask({ id: 4, unsubscribe: { subscription: 1 } });
    expect(ended).toMatchObject([{ id: 4, done: {} }]);
    const again = await harness.ask({ id: 5, subscribe: { subscription: 1, from: 'q', queue: { credit: 1 } } });
    expect(deliveries(again)).toMatchObject([{ tag: 1, redelivered: true, deliveryCount: 1 }]);
    harness.session.closed();
    expect(harness.context.counters.subscriptions).toBe(0);
  });

  it('with automatic acks use up their credit', async () => {
    const harness = opened();
    await publish(harness, 'q', 60);
    const subscribe = { subscription: 1, from: 'q', queue: { credit: 50, automaticAck: true } };
    const first = await harness.ask({ id: 1, subscribe });
    await harness.turn();
    const rest = harness.take();
    expect(tags([...first, ...rest])).toEqual(Array.from({ length: 50 }, (_, index) => index + 1));
    expect(tags(await harness.ask({ credit: { subscription: 1, add: 5 } }))).toEqual([51, 52, 53, 54, 55]);
    const [settled] = await harness.ask({ id: 2, settle: { subscription: 1, upToTag: 1 } });
    expect(settled?.error?.code).toBe(ErrorCode.ERROR_INVALID_REQUEST);
    const [greedy] = await harness.ask({ id: 3, credit: { subscription: 1, add: 65_535 } });
    expect(greedy?.done).toBeDefined();
    const [over] = await harness.ask({ id: 4, credit: { subscription: 1, add: 65_535 } });
    expect(over?.error?.code).toBe(ErrorCode.ERROR_LIMIT_EXCEEDED);
  });

  it.each([false, true])(
    'stop when the client does not read, and go on when it does (automatic acks: %s)',
    async (automaticAck) => {
      const harness = opened({ limits: { backlogMarkBytes: 20_000 } });
      await publish(harness, 'q', 200, 1000);
      harness.socket.isReading = false;
      const seen = await harness.ask({
        id: 1,
        subscribe: { subscription: 1, from: 'q', queue: { credit: 1000, automaticAck } },
      });
      for (let round = 0; round < 5; round++) {
        await harness.turn();
        seen.push(...harness.take());
      }
      // One frame may take the backlog past the mark: the fake broker hands over all that the credit allows at once.
      if (automaticAck) expect(harness.socket.backlog).toBeLessThan(40_000);
      if (!automaticAck) expect(harness.broker.prefetches).toEqual([0]);
      const stalledAt = deliveries(seen).length;
      await publish(harness, 'q', 5, 1000);
      expect(deliveries(harness.take())).toHaveLength(0);
      harness.socket.isReading = true;
      for (let round = 0; round < 60; round++) {
        harness.socket.drain();
        await harness.turn();
        seen.push(...harness.take());
      }
      expect(stalledAt).toBeGreaterThan(0);
      expect(tags(seen)).toEqual(Array.from({ length: 205 }, (_, index) => index + 1));
      if (!automaticAck) expect(harness.broker.prefetches.at(-1)).toBe(1000);
    },
  );

  it.each([
    ['binary', false],
    ['binary', true],
    ['text', false],
  ] as const)(
    'hold what comes after the socket has clogged, so that a reader of large messages is never too slow (%s, automatic acks: %s)',
    async (form, automaticAck) => {
      const broker = new FakeBroker();
      broker.add('q', 'queue', 1);
      // Three messages are more than the hard limit of such a session.
      const limits = { backlogMarkBytes: 20_000, maxMessageBytes: 300_000, maxFetchBytes: 300_000 };
      const publisher = Harness.open({ broker, limits });
      await publish(publisher, 'q', 9, 300_000);
      const harness = Harness.open({ broker, limits }, form);
      harness.socket.isReading = false;
      const subscribe = { subscription: 1, from: 'q', queue: { credit: 1000, automaticAck } };
      if (form === 'text') harness.say({ id: 1, subscribe });
      else harness.send({ id: 1, subscribe });
      const seen: ReturnType<typeof harness.take> = [];
      for (let round = 0; round < 40; round++) {
        await harness.turn();
        expect(harness.socket.backlog).toBeLessThan(500_000);
        harness.socket.drain();
        seen.push(...harness.take());
      }
      expect(harness.socket.ended).toBeUndefined();
      expect(tags(seen).map(Number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  );

  it('are told when the queue goes', async () => {
    const harness = opened();
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 1 } } });
    const frames = await harness.ask({ id: 2, delete: { name: 'q' } });
    expect(frames).toContainEqual(
      expect.objectContaining({ subscriptionClosed: expect.objectContaining({ subscription: 1 }) }),
    );
    expect(harness.context.counters.subscriptions).toBe(0);
  });

  it('are bounded in number, and each number is used once', async () => {
    const harness = opened({ limits: { maxSubscriptions: 2 } });
    const subscribe = (subscription: number): WireFrame => ({
      id: 9,
      subscribe: { subscription, from: 'q', queue: {} },
    });
    await harness.ask(subscribe(1));
    expect((await harness.ask(subscribe(1)))[0]?.error?.code).toBe(ErrorCode.ERROR_ALREADY_EXISTS);
    await harness.ask(subscribe(2));
    expect((await harness.ask(subscribe(3)))[0]?.error?.code).toBe(ErrorCode.ERROR_LIMIT_EXCEEDED);
  });
});

describe('topic subscriptions', () => {
  it.each([false, true])('push from an offset within the credit (decoded: %s)', async (decoded) => {
    const harness = opened();
    await publish(harness, 't', 10);
    const topic = { credit: 3, starts: [{ offset: 4 }], decoded };
    const frames = await harness.ask({ id: 1, subscribe: { subscription: 1, from: 't', topic } });
    expect(frames[0]?.subscribed?.partitions).toMatchObject([{ end: 10, position: 4 }, { partition: 1 }]);
    expect(offsets(frames)).toEqual([4, 5, 6]);
    expect(offsets(await harness.ask({ credit: { subscription: 1, add: 2 } }))).toEqual([7, 8]);
    const [settled] = await harness.ask({ id: 2, settle: { subscription: 1, upToTag: 1 } });
    expect(settled?.error?.code).toBe(ErrorCode.ERROR_INVALID_REQUEST);
  });

  it('begin at the end, the beginning, a time or where a group stopped', async () => {
    const harness = opened();
    await publish(harness, 't', 5);
    await harness.ask({ id: 1, commitOffsets: { group: 'g', from: 't', offsets: [{ offset: 3 }] } });
    const start = async (subscription: number, topic: object): Promise<unknown> => {
      const frames = await harness.ask({
        id: 1,
        subscribe: { subscription, from: 't', topic: { credit: 9, ...topic } },
      });
      return offsets(frames);
    };
    expect(await start(1, {})).toEqual([]);
    expect(await start(2, { start: { beginning: true } })).toEqual([0, 1, 2, 3, 4]);
    expect(await start(3, { start: { timestampMs: 2 } })).toEqual([]);
    expect(await start(4, { start: { committed: true }, group: 'g' })).toEqual([3, 4]);
    expect(await start(5, { start: { committed: true }, group: 'new' })).toEqual([0, 1, 2, 3, 4]);
  });

  it('start with no credit, seek, and end', async () => {
    const harness = opened();
    await publish(harness, 't', 6);
    const topic = { credit: 0, start: { beginning: true } };
    expect(offsets(await harness.ask({ id: 1, subscribe: { subscription: 1, from: 't', topic } }))).toEqual([]);
    expect(offsets(await harness.ask({ credit: { subscription: 1, add: 2 } }))).toEqual([0, 1]);
    const sought = await harness.ask({ id: 2, seek: { subscription: 1, starts: [{ offset: 5 }] } });
    expect(sought[0]).toMatchObject({ id: 2, done: {} });
    expect(offsets(await harness.ask({ credit: { subscription: 1, add: 5 } }))).toEqual([5]);
    expect(offsets(await harness.ask({ id: 3, seek: { subscription: 1, start: { beginning: true } } }))).toEqual([
      0, 1, 2, 3,
    ]);
    const [far] = await harness.ask({ id: 4, seek: { subscription: 1, starts: [{ offset: 7 }] } });
    expect(far?.error?.code).toBe(ErrorCode.ERROR_OFFSET_OUT_OF_RANGE);
    await harness.ask({ id: 5, unsubscribe: { subscription: 1 } });
    expect(harness.broker.follows).toBe(0);
  });

  it('stop when the client does not read, and lose nothing', async () => {
    const harness = opened({ limits: { backlogMarkBytes: 5_000 } });
    await publish(harness, 't', 100, 1000);
    harness.socket.isReading = false;
    const topic = { credit: 1000, start: { beginning: true } };
    const seen = await harness.ask({ id: 1, subscribe: { subscription: 1, from: 't', topic } });
    expect(harness.socket.backlog).toBeLessThan(7_000);
    expect(offsets(seen).length).toBeLessThan(7);
    for (let round = 0; round < 40; round++) {
      harness.socket.drain();
      await harness.turn();
      seen.push(...harness.take());
    }
    expect(offsets(seen)).toEqual(Array.from({ length: 100 }, (_, index) => index));
  });

  it('count only what the client asked for when they begin within a batch', async () => {
    const harness = opened();
    const items = Array.from({ length: 10 }, () => ({ key: null, value: utf8('v'), headers: [], timestampMs: 1 }));
    harness.broker.append(harness.broker.topic('t')!, 0, harness.broker.build(items));
    await publish(harness, 't', 3);
    const topic = { credit: 3, starts: [{ offset: 8 }] };
    const frames = await harness.ask({ id: 1, subscribe: { subscription: 1, from: 't', topic } });
    expect(offsets(frames).at(-1)).toBe(10);
    expect(offsets(await harness.ask({ credit: { subscription: 1, add: 1 } }))).toEqual([11]);
  });
});

describe('broadcast subscriptions', () => {
  const subscribe = (subscription: number, broadcast: object = {}): WireFrame => ({
    id: 1,
    subscribe: { subscription, from: 't', broadcast },
  });

  it('share one reader and one encoding per form', async () => {
    const broker = new FakeBroker();
    const first = opened({ broker });
    const others = Array.from({ length: 5 }, () => Harness.open({ broker, context: first.context }));
    const channels = [];
    for (const harness of [first, ...others]) {
      const [answer] = await harness.ask(subscribe(1));
      channels.push(answer?.subscribed?.channel);
    }
    const decoded = Harness.open({ broker, context: first.context });
    const text = Harness.open({ broker, context: first.context }, 'text');
    channels.push((await decoded.ask(subscribe(1, { decoded: true })))[0]?.subscribed?.channel);
    await text.askText(subscribe(1));
    expect(channels).toEqual([1, 1, 1, 1, 1, 1, 2]);
    expect(broker.follows).toBe(3);
    await publish(first, 't', 2);
    for (const harness of [first, ...others, decoded]) expect(offsets(harness.take())).toEqual([0, 1]);
    expect(JSON.stringify(text.take())).toContain('"channel":3');
    for (const harness of [first, ...others, decoded, text]) harness.session.closed();
    expect(broker.follows).toBe(0);
    expect(first.context.hub.size).toBe(0);
  });

  it('skip for the slow, who are told how many they missed', async () => {
    const broker = new FakeBroker();
    const fast = opened({ broker, limits: { backlogMarkBytes: 3000 } });
    const slow = Harness.open({ broker, context: fast.context });
    const strict = Harness.open({ broker, context: fast.context });
    await fast.ask(subscribe(1));
    await slow.ask(subscribe(2));
    await strict.ask(subscribe(3, { slow: 1 }));
    slow.socket.isReading = false;
    strict.socket.isReading = false;
    await publish(fast, 't', 20, 1000);
    expect(offsets(fast.take())).toHaveLength(20);
    const before = offsets(slow.take());
    expect(before).toEqual([0, 1, 2]);
    expect(slow.socket.backlog).toBeLessThan(5000);
    slow.socket.isReading = true;
    slow.socket.drain();
    expect(slow.take()).toEqual(
      [{ id: undefined, missed: { subscription: 2, count: 17, nextOffset: 20 } }].map(({ missed }) => ({ missed })),
    );
    await publish(fast, 't', 1);
    expect(offsets(slow.take())).toEqual([20]);
    const closed = strict.take().find((frame) => frame.subscriptionClosed);
    expect(closed?.subscriptionClosed?.reason?.code).toBe(ErrorCode.ERROR_LIMIT_EXCEEDED);
    expect(fast.context.counters.missed).toBe(17);
  });

  it('that the broker refuses leave nothing behind', async () => {
    const harness = opened();
    const { broker } = harness;
    const follow = broker.follow.bind(broker);
    broker.follow = () => {
      throw new BrokerError('log-offline', 'broken');
    };
    expect((await harness.ask(subscribe(1)))[0]?.error?.code).toBe(ErrorCode.ERROR_LOG_OFFLINE);
    expect(harness.context.hub.size).toBe(0);
    broker.follow = follow;
    expect((await harness.ask(subscribe(1)))[0]?.subscribed?.channel).toBeGreaterThan(0);
  });

  it('are refused twice in one session, and end with their topic', async () => {
    const harness = opened();
    await harness.ask(subscribe(1));
    expect((await harness.ask(subscribe(2)))[0]?.error?.code).toBe(ErrorCode.ERROR_ALREADY_EXISTS);
    const frames = await harness.ask({ id: 3, delete: { name: 't' } });
    expect(frames.filter((frame) => frame.subscriptionClosed)).toHaveLength(1);
    expect(harness.context.hub.size).toBe(0);
    for (const frame of [{ credit: { subscription: 1, add: 1 } }, { unsubscribe: { subscription: 1 } }]) {
      expect((await harness.ask({ id: 4, ...frame }))[0]?.error?.code).toBe(ErrorCode.ERROR_NOT_FOUND);
    }
  });
});

describe('fetches', () => {
  it('answer at once, or when enough has come', async () => {
    const harness = opened();
    await publish(harness, 't', 3);
    const [now] = await harness.ask({ id: 1, fetch: { from: 't', partitions: [{ offset: 1 }, { partition: 1 }] } });
    expect(now?.fetched?.partitions).toMatchObject([
      { records: { nextOffset: 3 }, end: 3 },
      { records: { partition: 1 } },
    ]);
    const wait = { from: 't', partitions: [{ offset: 3 }], maxWaitMs: 1000, minBytes: 1, decoded: true };
    expect(await harness.ask({ id: 2, fetch: wait })).toEqual([]);
    await publish(harness, 't', 1);
    const [later] = harness.take();
    expect(later?.id).toBe(2);
    expect(later?.fetched?.partitions?.[0]?.records).toMatchObject({ nextOffset: 4, messages: [{ offset: 3 }] });
    const [outside] = await harness.ask({ id: 3, fetch: { from: 't', partitions: [{ offset: 50 }] } });
    expect(outside?.fetched?.partitions?.[0]?.error?.code).toBe(ErrorCode.ERROR_OFFSET_OUT_OF_RANGE);
  });

  it('are given up with the session', async () => {
    const harness = opened();
    await harness.ask({ id: 1, fetch: { from: 't', partitions: [{}], maxWaitMs: 1000, minBytes: 1 } });
    expect(harness.broker.openFetches).toBe(1);
    harness.session.closed();
    expect(harness.broker.openFetches).toBe(0);
  });

  it('that come back to a clogged socket are read again later, one after the other', async () => {
    const harness = opened({ limits: { backlogMarkBytes: 10_000 } });
    await publish(harness, 't', 40, 1000);
    harness.socket.isReading = false;
    const fetch = { from: 't', partitions: [{}], maxBytes: 40_000 };
    for (let id = 1; id <= 5; id++) harness.send({ id, fetch });
    await harness.turn();
    expect(harness.socket.backlog).toBeLessThan(50_000);
    const seen = harness.take();
    for (let round = 0; round < 6; round++) {
      harness.socket.drain();
      await harness.turn();
      expect(harness.socket.backlog).toBeLessThan(50_000);
      seen.push(...harness.take());
    }
    expect(seen.map((frame) => frame.id)).toEqual([1, 2, 3, 4, 5]);
  });
});

import { describe, expect, it } from 'vitest';
import { type AccessVerdict, anonymousAccess } from '../../broker/access.js';
import { BrokerError } from '../../broker/errors.js';
import { SimulatedClock } from '../../io/clock/simulated-clock.js';
import { duolog } from '../../proto/client.js';
import { readRecords } from '../../record/record-reader.js';
import { Harness, utf8 } from './fixtures/harness.js';
import type { WireFrame } from './wire-types.js';

const { ErrorCode, Frame } = duolog.client.v1;

async function errorOf(harness: Harness, frame: WireFrame): Promise<number | undefined> {
  const answers = await harness.ask({ id: 77, ...frame });
  expect(answers).toHaveLength(1);
  expect(answers[0]?.id).toBe(77);
  return answers[0]?.error?.code ?? undefined;
}

describe('the handshake', () => {
  it('answers Hello with Welcome and the limits', async () => {
    const harness = new Harness();
    const [answer] = await harness.ask({ id: 5, hello: { version: 1, clientName: 'test' } });
    expect(answer?.id).toBe(5);
    expect(answer?.welcome?.version).toBe(1);
    expect(answer?.welcome?.limits?.maxInflightPublishes).toBe(8192);
    expect(answer?.welcome?.sessionId).toHaveLength(18);
  });

  it('closes with 4001 when something else comes first, or a second Hello', () => {
    const first = new Harness();
    first.send({ id: 1, ping: {} });
    expect(first.socket.ended?.code).toBe(4001);
    const second = Harness.open();
    second.send({ id: 1, hello: { version: 1 } });
    expect(second.socket.ended?.code).toBe(4001);
  });

  it('closes with 4002 on another version', () => {
    const harness = new Harness();
    harness.send({ hello: { version: 9 } });
    expect(harness.socket.ended?.code).toBe(4002);
    expect(harness.socket.ended?.reason).toContain('9');
  });

  it('closes with 4000 when no Hello comes in time, and not when it came', () => {
    const clock = new SimulatedClock();
    const silent = new Harness({ timers: clock });
    const polite = Harness.open({ timers: clock });
    clock.advance(5_001);
    expect(silent.socket.ended?.code).toBe(4000);
    expect(polite.socket.ended).toBeUndefined();
  });

  it('refuses anonymous sessions from elsewhere with 4003', () => {
    const harness = new Harness({ address: '192.0.2.7' });
    harness.send({ hello: { version: 1 } });
    expect(harness.socket.ended?.code).toBe(4003);
    expect(Harness.open({ address: '::ffff:127.0.0.1' }).socket.ended).toBeUndefined();
  });

  it('keeps what comes while the authorizer thinks, in order', async () => {
    let decide: (accepted: boolean) => void = () => {};
    const access = {
      ...anonymousAccess(),
      authenticate: () =>
        new Promise<AccessVerdict>((resolve) => {
          decide = () => resolve({ accepted: true, principal: { user: 'u', tags: [] } });
        }),
    };
    const harness = new Harness({ access });
    harness.send({ id: 1, hello: { version: 1 } });
    harness.send({ id: 2, ping: { payload: utf8('x') } });
    expect(harness.take()).toEqual([]);
    decide(true);
    await harness.turn();
    expect(harness.take().map((frame) => frame.id)).toEqual([1, 2]);
  });

  it('closes when the authorizer fails or too much comes before it has decided', async () => {
    const failing = new Harness({
      access: { ...anonymousAccess(), authenticate: () => Promise.reject(new Error('down')) },
    });
    failing.send({ hello: { version: 1 } });
    await failing.turn();
    expect(failing.socket.ended?.code).toBe(4003);
    const flooding = new Harness({ access: { ...anonymousAccess(), authenticate: () => new Promise(() => {}) } });
    flooding.send({ hello: { version: 1 } });
    for (let count = 0; count < 300; count++) flooding.send({ id: 1, ping: {} });
    expect(flooding.socket.ended?.code).toBe(1008);
  });
});

describe('protocol errors', () => {
  const cases: [string, Uint8Array, boolean, number][] = [
    ['garbage', Uint8Array.of(0xff, 0xff, 0xff), false, 1007],
    ['a length beyond the end', Uint8Array.of(0x1a, 0xff, 0xff, 0xff, 0xff, 0x0f), false, 1007],
    ['a group', Uint8Array.of(0x1b), false, 1007],
    ['field number 0', Uint8Array.of(0x00, 0x00), false, 1007],
    ["a node's kind", Frame.encode({ id: 1, welcome: {} }).finish(), false, 1002],
    ['two kinds', Frame.encode({ id: 1, ping: {}, status: {} }).finish(), false, 1002],
    [
      'a large control frame',
      Frame.encode({ id: 1, ping: { payload: new Uint8Array(300_000) } }).finish(),
      false,
      1009,
    ],
    ['malformed JSON', utf8('{"id": 1, '), true, 1007],
    ['deep JSON', utf8('['.repeat(1000)), true, 1007],
    ['an unknown JSON field', utf8('{"id":1,"pong":{}}'), true, 1007],
    ['malformed UTF-8', Uint8Array.of(0x22, 0xff, 0x22), true, 1007],
    ['an empty kind cut off', Uint8Array.of(0x08), false, 1007],
  ];
  it.each(cases)('closes on %s', (_name, bytes, isText, code) => {
    const harness = Harness.open();
    harness.session.receive(bytes, isText);
    expect(harness.socket.ended?.code).toBe(code);
    expect(harness.context.counters.closes.get(code)).toBe(1);
  });

  it('closes with 1009 on a frame over the limit', () => {
    const harness = Harness.open({ limits: { maxMessageBytes: 1000 } });
    harness.sendRaw(new Uint8Array(1000 + 64 * 1024 + 1));
    expect(harness.socket.ended?.code).toBe(1009);
  });

  it('answers a kind that it does not know, and ignores unknown fields', async () => {
    const harness = Harness.open();
    harness.sendRaw(Uint8Array.of(0x08, 0x07, 0xaa, 0x0f, 0x01, 0x00)); // id 7, field 245
    const [answer] = harness.take();
    expect(answer).toMatchObject({ id: 7, error: { code: ErrorCode.ERROR_UNSUPPORTED } });
    const ping = Frame.encode({ id: 8, ping: {} }).finish();
    harness.sendRaw(Uint8Array.of(...ping, 0xaa, 0x0f, 0x01, 0x00));
    expect(harness.take()[0]).toMatchObject({ id: 8, pong: {} });
  });

  it('says nothing more after it has closed', async () => {
    const harness = Harness.open();
    harness.send({ id: 1, declare: { topic: { name: 'late' } } });
    harness.sendRaw(Uint8Array.of(0xff));
    await harness.turn();
    harness.send({ id: 2, ping: {} });
    expect(harness.take()).toEqual([]);
    expect(harness.context.counters.framesIn).toBe(3);
  });
});

describe('publishing', () => {
  it('confirms the publishes of one turn in one frame, with partition, offset and level', async () => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic', 2);
    const value = utf8('v');
    harness.send({ id: 1, publish: { to: 't', partition: 1, messages: [{ value }, { value }] } });
    harness.send({ id: 2, publish: { to: 't', partition: 1, messages: [{ value }], durability: 1 } });
    harness.send({ publish: { to: 't', partition: 0, messages: [{ value }] } });
    await harness.turn();
    const frames = harness.take();
    expect(frames).toHaveLength(1);
    expect(frames[0]?.confirms?.confirms).toEqual([
      { id: 1, ranges: [{ partition: 1, count: 2 }], reached: 2 },
      { id: 2, ranges: [{ partition: 1, baseOffset: 2, count: 1 }], reached: 1 },
    ]);
  });

  it('tells names of the same length apart', async () => {
    const harness = Harness.open();
    for (const name of ['ab', 'ac', 'ä']) harness.broker.add(name, 'topic');
    for (const to of ['ab', 'ac', 'ab', 'ab', 'ä', 'ac']) harness.send({ id: 1, publish: { to, messages: [{}] } });
    expect(harness.broker.publishOrder).toEqual(['ab', 'ac', 'ab', 'ab', 'ä', 'ac']);
  });

  it('waits for every partition of a publish', async () => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic', 2);
    const messages = [{ key: Uint8Array.of(0) }, { key: Uint8Array.of(1) }, { key: Uint8Array.of(0) }];
    const [frame] = await harness.ask({ id: 4, publish: { to: 't', messages } });
    const [confirm] = frame?.confirms?.confirms ?? [];
    expect(confirm?.ranges).toEqual(
      [
        { partition: 0, count: 2 },
        { partition: 1, count: 1 },
      ].map((range) => expect.objectContaining({ count: range.count })),
    );
  });

  it('passes keys, nulls, headers and timestamps on as they are', async () => {
    const harness = Harness.open();
    const topic = harness.broker.add('t', 'topic');
    const messages = [
      {
        key: utf8('k'),
        value: new Uint8Array(0),
        headers: [{ name: 'a', value: utf8('1') }, { name: 'b' }],
        timestampMs: 5,
      },
      {},
    ];
    await harness.ask({ id: 1, publish: { to: 't', messages } });
    const stored = readRecords(harness.broker.partition(topic, 0).batches[0]!.bytes, 0);
    expect(stored[0]).toMatchObject({
      timestamp: 5,
      headers: [
        ['a', utf8('1')],
        ['b', null],
      ],
    });
    expect(stored[0]?.value).toHaveLength(0);
    expect(stored[1]).toMatchObject({ key: null, value: null });
  });

  const message = { value: utf8('v') };
  const refused: [string, WireFrame, number][] = [
    ['no name', { publish: { messages: [message] } }, ErrorCode.ERROR_INVALID_REQUEST],
    ['an unknown topic', { publish: { to: 'none', messages: [message] } }, ErrorCode.ERROR_NOT_FOUND],
    ['an unknown partition', { publish: { to: 't', partition: 9, messages: [message] } }, ErrorCode.ERROR_NOT_FOUND],
    ['nothing', { publish: { to: 't' } }, ErrorCode.ERROR_INVALID_REQUEST],
    [
      'a bad durability',
      { publish: { to: 't', messages: [message], durability: 9 as never } },
      ErrorCode.ERROR_INVALID_REQUEST,
    ],
    [
      'a garbage batch',
      { publish: { to: 't', partition: 0, batch: new Uint8Array(100) } },
      ErrorCode.ERROR_CORRUPT_BATCH,
    ],
    [
      'a sequence without a partition',
      { publish: { to: 't', messages: [message], producer: { producerId: 1 } } },
      ErrorCode.ERROR_INVALID_REQUEST,
    ],
    [
      'a large epoch',
      { publish: { to: 't', partition: 0, messages: [message], producer: { epoch: 40_000 } } },
      ErrorCode.ERROR_INVALID_REQUEST,
    ],
    [
      'the reserved header',
      { publish: { to: 't', messages: [{ headers: [{ name: 'duolog.m' }] }] } },
      ErrorCode.ERROR_INVALID_REQUEST,
    ],
    ['a long name', { publish: { to: 'x'.repeat(250), messages: [message] } }, ErrorCode.ERROR_TOO_LARGE],
    ['too many messages', { publish: { to: 't', messages: new Array(10_001).fill({}) } }, ErrorCode.ERROR_TOO_LARGE],
    [
      'too many headers',
      { publish: { to: 't', messages: [{ headers: new Array(1001).fill({}) }] } },
      ErrorCode.ERROR_TOO_LARGE,
    ],
    [
      'a far timestamp',
      { publish: { to: 't', messages: [{ timestampMs: 2 ** 52 }] } },
      ErrorCode.ERROR_INVALID_REQUEST,
    ],
  ];
  it.each(refused)('answers %s with an error', async (_name, frame, code) => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic', 2);
    expect(await errorOf(harness, frame)).toBe(code);
    expect(harness.socket.ended).toBeUndefined();
    // The window is free again.
    const [next] = await harness.ask({ id: 1, publish: { to: 't', messages: [message] } });
    expect(next?.confirms?.confirms).toHaveLength(1);
  });

  it('refuses messages over the limit', async () => {
    const harness = Harness.open({ limits: { maxMessageBytes: 100 } });
    harness.broker.add('t', 'topic');
    const large = { publish: { to: 't', messages: [{ key: new Uint8Array(50), value: new Uint8Array(51) }] } };
    expect(await errorOf(harness, large)).toBe(ErrorCode.ERROR_TOO_LARGE);
    const fits = { publish: { to: 't', messages: [{ key: new Uint8Array(50), value: new Uint8Array(50) }] } };
    expect(await errorOf(harness, fits).catch(() => undefined)).toBeUndefined();
  });

  it('checks a batch from outside to its last record', async () => {
    const harness = Harness.open();
    const topic = harness.broker.add('t', 'topic');
    const records = [message, message].map(({ value }) => ({ key: null, value, headers: [], timestampMs: 1 }));
    const good = harness.broker.build(records);
    const [frame] = await harness.ask({ id: 3, publish: { to: 't', batch: good } });
    expect(frame?.confirms?.confirms?.[0]).toMatchObject({ id: 3, ranges: [{ count: 2 }] });
    const flipped = good.slice();
    flipped[good.length - 1]! ^= 1;
    expect(await errorOf(harness, { publish: { to: 't', batch: flipped } })).toBe(ErrorCode.ERROR_CORRUPT_BATCH);
    const shifted = good.slice();
    shifted[7] = 5;
    expect(await errorOf(harness, { publish: { to: 't', batch: shifted } })).toBe(ErrorCode.ERROR_INVALID_REQUEST);
    const twice = new Uint8Array([...good, ...good]);
    expect(await errorOf(harness, { publish: { to: 't', batch: twice } })).toBe(ErrorCode.ERROR_INVALID_REQUEST);
    const both = { publish: { to: 't', batch: good, messages: [message] } };
    expect(await errorOf(harness, both)).toBe(ErrorCode.ERROR_INVALID_REQUEST);
    expect(harness.broker.partition(topic, 0).end).toBe(2);
  });

  it("answers the broker's failure, and one publish between two confirms keeps its place", async () => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic');
    harness.send({ id: 1, publish: { to: 't', messages: [message] } });
    harness.broker.failPublishes = new BrokerError('no-space', 'full');
    harness.send({ id: 2, publish: { to: 't', messages: [message] } });
    harness.broker.failPublishes = undefined;
    harness.send({ id: 3, publish: { to: 't', messages: [message] } });
    await harness.turn();
    const frames = harness.take();
    expect(frames.map((frame) => frame.confirms?.confirms?.[0]?.id ?? frame.id)).toEqual([1, 2, 3]);
    expect(frames[1]?.error).toMatchObject({ code: ErrorCode.ERROR_NO_SPACE, retryAfterMs: 1000 });
    expect(harness.context.counters.errors.get('no-space')).toBe(1);
  });
});

describe('the publish window', () => {
  const publish = (id: number, bytes: number): WireFrame => ({
    id,
    publish: { to: 't', messages: [{ value: new Uint8Array(bytes) }] },
  });

  it('takes one publish of any size, and closes with 1008 beyond bytes or count', () => {
    const bytes = Harness.open({ limits: { maxInflightBytes: 1000 } });
    bytes.broker.add('t', 'topic');
    bytes.send(publish(1, 5000));
    expect(bytes.socket.ended).toBeUndefined();
    bytes.send(publish(2, 1));
    expect(bytes.socket.ended?.code).toBe(1008);
    const count = Harness.open({ limits: { maxInflightPublishes: 3 } });
    count.broker.add('t', 'topic');
    for (let id = 1; id <= 3; id++) count.send(publish(id, 1));
    expect(count.socket.ended).toBeUndefined();
    count.send(publish(4, 1));
    expect(count.socket.ended?.code).toBe(1008);
  });

  it('opens again with the confirms, for as long as the session lives', async () => {
    const harness = Harness.open({ limits: { maxInflightPublishes: 2 } });
    harness.broker.add('t', 'topic');
    for (let round = 0; round < 20; round++) {
      harness.send(publish(2 * round + 1, 10));
      const frames = await harness.ask(publish(2 * round + 2, 10));
      const ids = frames.flatMap((frame) => frame.confirms?.confirms ?? []).map((confirm) => confirm.id);
      expect(ids).toEqual([2 * round + 1, 2 * round + 2]);
    }
  });

  it('holds confirms back while the client does not read, and closes it when it publishes on', async () => {
    const harness = Harness.open({ limits: { maxInflightPublishes: 4, backlogMarkBytes: 20 } });
    harness.broker.add('t', 'topic');
    harness.socket.isReading = false;
    await harness.ask(publish(1, 10));
    await harness.ask(publish(2, 10));
    expect(harness.socket.backlog).toBeGreaterThan(20);
    for (let id = 3; id <= 6; id++) expect(await harness.ask(publish(id, 10))).toEqual([]);
    expect(harness.socket.isPaused).toBe(true);
    expect(harness.socket.ended).toBeUndefined();
    harness.socket.isReading = true;
    harness.socket.drain();
    await harness.turn();
    const ids = harness.take().flatMap((frame) => frame.confirms?.confirms ?? []);
    expect(ids.map((confirm) => confirm.id)).toEqual([3, 4, 5, 6]);
    expect(harness.socket.isPaused).toBe(false);
    harness.socket.isReading = false;
    for (let id = 10; id < 20; id++) await harness.ask(publish(id, 10));
    expect(harness.socket.ended?.code).toBe(1008);
  });

  it('holds confirms back while the broker does not accept, and lets them go afterwards', async () => {
    const clock = new SimulatedClock();
    const harness = Harness.open({ timers: clock });
    harness.broker.add('t', 'topic');
    harness.broker.accepting = false;
    harness.send(publish(1, 1));
    harness.broker.settleTurn();
    clock.advance(50);
    expect(harness.take()).toEqual([]);
    harness.broker.accepting = true;
    clock.advance(50);
    expect(harness.take()).toHaveLength(1);
  });

  it('closes with 1013 a client that lets answers pile up', async () => {
    const harness = Harness.open({ limits: { maxMessageBytes: 1000, maxFetchBytes: 1000, backlogMarkBytes: 1000 } });
    harness.socket.isReading = false;
    for (let count = 0; count < 200; count++) harness.send({ id: 1, ping: { payload: new Uint8Array(1000) } });
    expect(harness.socket.ended?.code).toBe(1013);
    expect(harness.socket.backlog).toBeLessThan(70_000);
  });
});

describe('declarations and other questions', () => {
  it('declares, describes, lists, purges and deletes', async () => {
    const harness = Harness.open();
    const declare = { topic: { name: 'a', partitions: 2, retentionMs: -1 } };
    const [declared] = await harness.ask({ id: 1, declare });
    expect(declared).toMatchObject({ id: 1, description: { topic: { name: 'a', partitions: 2, retentionMs: -1 } } });
    await harness.ask({ id: 2, declare: { queue: { name: 'b', lingerMs: 5 } } });
    await harness.ask({ id: 3, publish: { to: 'b', messages: [{}, {}] } });
    const [described] = await harness.ask({ id: 4, describe: { name: 'b' } });
    expect(described?.description).toMatchObject({ queue: { name: 'b', lingerMs: 5 }, messagesReady: 2 });
    const [listed] = await harness.ask({ id: 5, list: {} });
    expect(listed?.listing?.entries?.map((entry) => entry.topic?.name ?? entry.queue?.name)).toEqual(['a', 'b']);
    const [paged] = await harness.ask({ id: 6, list: { limit: 1, withState: true } });
    expect(paged?.listing?.more).toBe(true);
    expect(paged?.listing?.entries?.[0]?.partitions).toHaveLength(2);
    const [queues] = await harness.ask({ id: 7, list: { kind: 2, namePrefix: 'b', after: 'a' } });
    expect(queues?.listing?.entries).toHaveLength(1);
    expect((await harness.ask({ id: 8, purge: { name: 'b' } }))[0]).toMatchObject({ id: 8, purged: { count: 2 } });
    expect((await harness.ask({ id: 9, delete: { name: 'b' } }))[0]).toMatchObject({ id: 9, done: {} });
    expect(await errorOf(harness, { describe: { name: 'b' } })).toBe(ErrorCode.ERROR_NOT_FOUND);
    const again = { declare: { queue: { name: 'a' } } };
    expect(await errorOf(harness, again)).toBe(ErrorCode.ERROR_ALREADY_EXISTS);
  });

  it('answers ping, status and init producer', async () => {
    const harness = Harness.open();
    expect((await harness.ask({ id: 1, ping: { payload: utf8('p') } }))[0]?.pong?.payload).toEqual(utf8('p'));
    expect((await harness.ask({ id: 2, status: {} }))[0]?.nodeStatus?.nodeName).toBe('node-1');
    expect((await harness.ask({ id: 3, initProducer: {} }))[0]?.producer).toEqual({ producerId: 1000 });
    expect(await harness.ask({ ping: {} })).toEqual([]);
  });

  it('commits, fetches and lists offsets', async () => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic', 2);
    await harness.ask({ id: 1, publish: { to: 't', partition: 0, messages: [{ timestampMs: 50 }] } });
    const commit = { group: 'g', from: 't', offsets: [{ partition: 0, offset: 1, metadata: 'm' }] };
    expect((await harness.ask({ id: 2, commitOffsets: commit }))[0]).toMatchObject({ id: 2, done: {} });
    const [fetched] = await harness.ask({ id: 3, fetchOffsets: { group: 'g', from: 't' } });
    expect(fetched?.offsetList?.offsets).toEqual([{ offset: 1, metadata: 'm' }, { partition: 1 }]);
    const [ends] = await harness.ask({ id: 4, listOffsets: { from: 't' } });
    expect(ends?.offsetList?.offsets?.map((item) => item.offset)).toEqual([1, 0]);
    const [timed] = await harness.ask({ id: 5, listOffsets: { from: 't', partitions: [0], at: { timestampMs: 51 } } });
    expect(timed?.offsetList?.offsets).toEqual([{}]);
  });

  const invalid = ErrorCode.ERROR_INVALID_REQUEST;
  const refused: [string, WireFrame, number][] = [
    ['declaring nothing', { declare: {} }, invalid],
    ['declaring without a name', { declare: { topic: {} } }, invalid],
    ['a setting below -1', { declare: { topic: { name: 'x', retentionMs: -2 } } }, invalid],
    ['too many partitions', { declare: { topic: { name: 'x', partitions: 20_000 } } }, ErrorCode.ERROR_TOO_LARGE],
    ['a queue starting at a commit', { declare: { queue: { name: 'x', start: { committed: true } } } }, invalid],
    [
      'a passive declaration of nothing',
      { declare: { topic: { name: 'x' }, passive: true } },
      ErrorCode.ERROR_NOT_FOUND,
    ],
    ['deleting nothing', { delete: { name: 'x' } }, ErrorCode.ERROR_NOT_FOUND],
    ['purging nothing', { purge: { name: 'x' } }, ErrorCode.ERROR_NOT_FOUND],
    ['a commit without a group', { commitOffsets: { from: 't', offsets: [{}] } }, invalid],
    ['an empty commit', { commitOffsets: { group: 'g', from: 't' } }, invalid],
    [
      'a commit beyond the end',
      { commitOffsets: { group: 'g', from: 't', offsets: [{ offset: 5 }] } },
      ErrorCode.ERROR_OFFSET_OUT_OF_RANGE,
    ],
    [
      'a commit to no partition',
      { commitOffsets: { group: 'g', from: 't', offsets: [{ partition: 5 }] } },
      ErrorCode.ERROR_NOT_FOUND,
    ],
    [
      'offsets of no partition',
      { fetchOffsets: { group: 'g', from: 't', partitions: [9] } },
      ErrorCode.ERROR_NOT_FOUND,
    ],
    ['listing what was committed', { listOffsets: { from: 't', at: { committed: true } } }, invalid],
    ['a fetch of nothing', { fetch: { from: 't' } }, invalid],
    ['a fetch of a partition twice', { fetch: { from: 't', partitions: [{}, {}] } }, invalid],
    ['a fetch of no topic', { fetch: { from: 'x', partitions: [{}] } }, ErrorCode.ERROR_NOT_FOUND],
    ['a fetch of no partition', { fetch: { from: 't', partitions: [{ partition: 3 }] } }, ErrorCode.ERROR_NOT_FOUND],
    ['a fetch of too much', { fetch: { from: 't', partitions: [{}], maxBytes: 2 ** 30 } }, ErrorCode.ERROR_TOO_LARGE],
    [
      'a fetch that waits too long',
      { fetch: { from: 't', partitions: [{}], maxWaitMs: 10 ** 6 } },
      ErrorCode.ERROR_TOO_LARGE,
    ],
    ['a large ping', { ping: { payload: new Uint8Array(2000) } }, ErrorCode.ERROR_TOO_LARGE],
    ['subscribing without a number', { subscribe: { from: 't', queue: {} } }, invalid],
    ['subscribing without a mode', { subscribe: { from: 't', subscription: 1 } }, invalid],
    ['subscribing to nothing', { subscribe: { from: 'x', subscription: 1, queue: {} } }, ErrorCode.ERROR_NOT_FOUND],
    ['consuming a topic', { subscribe: { from: 't', subscription: 1, queue: {} } }, ErrorCode.ERROR_WRONG_KIND],
    [
      'too much credit',
      { subscribe: { from: 't', subscription: 1, topic: { credit: 10 ** 6 } } },
      ErrorCode.ERROR_TOO_LARGE,
    ],
    [
      'a start out of range',
      { subscribe: { from: 't', subscription: 1, topic: { starts: [{ offset: 9 }] } } },
      ErrorCode.ERROR_OFFSET_OUT_OF_RANGE,
    ],
    [
      'committed without a group',
      { subscribe: { from: 't', subscription: 1, topic: { start: { committed: true } } } },
      invalid,
    ],
    [
      'a broadcast from the beginning',
      { subscribe: { from: 't', subscription: 1, broadcast: { start: { beginning: true } } } },
      ErrorCode.ERROR_UNSUPPORTED,
    ],
    ['ending no subscription', { unsubscribe: { subscription: 4 } }, ErrorCode.ERROR_NOT_FOUND],
    ['crediting no subscription', { credit: { subscription: 4, add: 1 } }, ErrorCode.ERROR_NOT_FOUND],
    ['crediting without a change', { credit: { subscription: 4 } }, invalid],
    ['settling no subscription', { settle: { subscription: 4, upToTag: 1 } }, ErrorCode.ERROR_NOT_FOUND],
    ['settling no tags', { settle: { subscription: 4 } }, invalid],
    ['settling both ways', { settle: { subscription: 4, upToTag: 1, tags: [{ first: 1, last: 1 }] } }, invalid],
    ['settling a range backwards', { settle: { subscription: 4, tags: [{ first: 2, last: 1 }] } }, invalid],
    [
      'settling overlapping ranges',
      {
        settle: {
          subscription: 4,
          tags: [
            { first: 1, last: 3 },
            { first: 3, last: 4 },
          ],
        },
      },
      invalid,
    ],
    ['an unknown outcome', { settle: { subscription: 4, upToTag: 1, outcome: 7 as never } }, invalid],
    ['seeking nowhere', { seek: { subscription: 4 } }, invalid],
    ['seeking no subscription', { seek: { subscription: 4, start: { end: true } } }, ErrorCode.ERROR_NOT_FOUND],
  ];
  it.each(refused)('answers %s with an error', async (_name, frame, code) => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic');
    expect(await errorOf(harness, frame)).toBe(code);
    expect(harness.socket.ended).toBeUndefined();
    expect((await harness.ask({ id: 1, ping: {} }))[0]?.pong).toBeDefined();
  });

  it('answers too many requests with an error', async () => {
    const harness = Harness.open({ limits: { maxInflightRequests: 2 } });
    harness.broker.add('t', 'topic');
    const fetch = { from: 't', partitions: [{}], maxWaitMs: 1000, minBytes: 1 };
    harness.send({ id: 1, fetch });
    harness.send({ id: 2, fetch });
    harness.send({ id: 3, fetch });
    harness.send({ id: 4, declare: { topic: { name: 'n' } } });
    await harness.turn();
    expect(harness.take().map((frame) => [frame.id, frame.error?.code])).toEqual([
      [3, ErrorCode.ERROR_LIMIT_EXCEEDED],
      [4, ErrorCode.ERROR_LIMIT_EXCEEDED],
    ]);
    expect(harness.broker.topic('n')).toBeUndefined();
    await harness.ask({ id: 5, publish: { to: 't', messages: [{}] } });
    expect((await harness.ask({ id: 6, declare: { topic: { name: 'n' } } }))[0]?.description).toBeDefined();
  });
});

describe('order', () => {
  it("makes what depends on the session's own pending change wait, and nothing else", async () => {
    const harness = Harness.open();
    harness.broker.add('other', 'topic');
    harness.broker.holdChanges = true;
    harness.send({ id: 1, declare: { queue: { name: 'q' } } });
    harness.send({ id: 2, publish: { to: 'q', messages: [{ value: utf8('first') }] } });
    harness.send({ id: 3, subscribe: { subscription: 1, from: 'q', queue: { credit: 10 } } });
    harness.send({ id: 4, credit: { subscription: 1, prefetch: 5 } });
    harness.send({ id: 5, publish: { to: 'other', messages: [{}] } });
    harness.send({ id: 6, ping: {} });
    harness.send({ id: 7, list: {} });
    await harness.turn();
    const before = harness.take();
    expect(before.flatMap((frame) => frame.confirms?.confirms?.map((confirm) => confirm.id) ?? frame.id)).toEqual([
      6, 5,
    ]);
    harness.broker.releaseChanges();
    await harness.turn();
    const after = harness.take();
    expect(after.find((frame) => frame.id === 4)?.done).toBeDefined();
    expect(after.find((frame) => frame.id === 7)?.listing?.entries).toHaveLength(2);
    expect(after.find((frame) => frame.deliver)?.deliver?.deliveries?.[0]?.message?.value).toEqual(utf8('first'));
    expect(after.filter((frame) => frame.error)).toEqual([]);
    expect(after[0]?.id).toBe(1);
  });

  it('keeps publishes to one topic in order around declare and delete', async () => {
    const harness = Harness.open();
    harness.broker.holdChanges = true;
    harness.send({ id: 1, declare: { topic: { name: 't' } } });
    for (let id = 2; id <= 4; id++)
      harness.send({ id, publish: { to: 't', messages: [{ value: Uint8Array.of(id) }] } });
    harness.send({ id: 5, delete: { name: 't' } });
    harness.send({ id: 6, publish: { to: 't', messages: [{}] } });
    harness.broker.releaseChanges();
    await harness.turn();
    await harness.turn();
    const frames = harness.take();
    const confirmed = frames.flatMap((frame) => frame.confirms?.confirms ?? []).map((confirm) => confirm.id);
    expect(confirmed).toEqual([2, 3, 4]);
    expect(frames.find((frame) => frame.id === 6)?.error?.code).toBe(ErrorCode.ERROR_NOT_FOUND);
  });

  it('forgets what waits when the session ends', async () => {
    const harness = Harness.open();
    harness.broker.holdChanges = true;
    harness.send({ id: 1, declare: { topic: { name: 't' } } });
    harness.send({ id: 2, describe: { name: 't' } });
    harness.session.closed();
    harness.broker.releaseChanges();
    await harness.turn();
    expect(harness.take()).toEqual([]);
  });
});

describe('leaving', () => {
  it('tells the client, refuses new publishes and confirms the earlier ones', async () => {
    const harness = Harness.open();
    harness.broker.add('t', 'topic');
    harness.send({ id: 1, publish: { to: 't', messages: [{}] } });
    harness.broker.accepting = false;
    harness.session.goAway('maintenance');
    harness.send({ id: 2, publish: { to: 't', messages: [{}] } });
    await harness.turn();
    const frames = harness.take();
    expect(frames[0]?.goAway?.reason).toBe('maintenance');
    expect(frames.flatMap((frame) => frame.confirms?.confirms ?? []).map((confirm) => confirm.id)).toEqual([1]);
    expect(frames.find((frame) => frame.id === 2)?.error?.code).toBe(ErrorCode.ERROR_SHUTTING_DOWN);
  });
});

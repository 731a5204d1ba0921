import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../broker/errors.js';
import { decodeTable, encodeTable, type FieldValue, textOf } from '../../record/amqp/field-table.js';
import { encodeProperties, readProperties } from '../../record/amqp/properties.js';
import { Harness, utf8 } from './fixtures/harness.js';
import type { WireFrame } from './wire-types.js';

const longstr = (value: string): FieldValue => ({ type: 'longstr', value: utf8(value) });
const text = (value: Uint8Array | null | undefined): string => new TextDecoder().decode(value ?? new Uint8Array(0));

function withExchange(): Harness {
  const harness = Harness.open();
  harness.broker.add('q', 'queue');
  return harness;
}

async function bound(harness: Harness): Promise<void> {
  const declareExchange = { exchange: { name: 'e', type: 'topic' } };
  harness.send({ declareExchange });
  harness.send({ bind: { binding: { source: 'e', destination: 'q', routingKey: 'k' } } });
  await harness.turn();
  harness.take();
}

describe('exchanges and bindings', () => {
  it('are declared, listed, bound, unbound and deleted', async () => {
    const harness = withExchange();
    const exchange = { name: 'e', type: 'topic', alternate: 'other', delayedType: 'direct', autoDelete: true };
    expect(await harness.ask({ id: 1, declareExchange: { exchange } })).toEqual([{ id: 1, done: {} }]);
    const declared = harness.broker.knownExchanges.get('e');
    expect(declared).toMatchObject({ vhost: '/', type: 'topic', durable: true, autoDelete: true, internal: false });
    const table = decodeTable(declared?.arguments ?? new Uint8Array(0));
    expect([...table].map(([name, value]) => [name, textOf(value)])).toEqual([
      ['alternate-exchange', 'other'],
      ['x-delayed-type', 'direct'],
    ]);
    const [listed] = await harness.ask({ id: 2, listExchanges: {} });
    expect(listed?.exchangeList).toMatchObject({ exchanges: [{ ...exchange, durable: true }] });
    const binding = {
      source: 'e',
      destination: 'q',
      routingKey: 'k',
      arguments: [{ name: 'n', value: { integer: -5 } }],
    };
    expect(await harness.ask({ id: 3, bind: { binding } })).toEqual([{ id: 3, done: {} }]);
    const [bindings] = await harness.ask({ id: 4, listBindings: { destination: 'q' } });
    expect(bindings?.bindingList?.bindings).toMatchObject([binding]);
    expect(await harness.ask({ id: 5, unbind: { binding } })).toEqual([{ id: 5, done: {} }]);
    expect(harness.broker.bound).toEqual([]);
    expect(await harness.ask({ id: 6, deleteExchange: { name: 'e' } })).toEqual([{ id: 6, done: {} }]);
    expect(await harness.ask({ id: 7, deleteExchange: { name: 'e' } })).toMatchObject([{ id: 7, error: { code: 2 } }]);
  });

  it('are listed in pages', async () => {
    const harness = withExchange();
    for (const name of ['c', 'a', 'b']) {
      harness.send({ declareExchange: { exchange: { name } } });
      harness.send({ bind: { binding: { source: name, destination: 'q' } } });
    }
    await harness.turn();
    const [first] = await harness.ask({ id: 1, listExchanges: { limit: 2 } });
    expect(first?.exchangeList).toMatchObject({ exchanges: [{ name: 'a' }, { name: 'b' }], more: true });
    const [next] = await harness.ask({ id: 2, listExchanges: { limit: 2, after: 'b' } });
    expect(next?.exchangeList?.exchanges?.map(({ name }) => name)).toEqual(['c']);
    const [bindings] = await harness.ask({ id: 3, listBindings: { skip: 1, limit: 1 } });
    expect(bindings?.bindingList).toMatchObject({ bindings: [{ source: 'a' }], more: true });
  });

  const refused: readonly [string, WireFrame, number][] = [
    ['an unknown type', { declareExchange: { exchange: { name: 'e', type: 'x' } } }, 1],
    ['a reserved name', { declareExchange: { exchange: { name: 'amq.mine' } } }, 13],
    ['deleting a predeclared one', { deleteExchange: { name: 'amq.direct' } }, 13],
    ['no name', { declareExchange: {} }, 1],
    ['the passive declaration of nothing', { declareExchange: { exchange: { name: 'e' }, passive: true } }, 2],
    ['the internal virtual host', { listExchanges: { vhost: 'duolog.internal' } }, 13],
    ['a field twice', { bind: { binding: { source: 'e', destination: 'q', arguments: twice() } } }, 1],
    [
      'a field without a value',
      { bind: { binding: { source: 'e', destination: 'q', arguments: [{ name: 'x' }] } } },
      1,
    ],
    ['a long routing key', { bind: { binding: { source: 'e', destination: 'q', routingKey: 'k'.repeat(256) } } }, 6],
  ];
  for (const [what, frame, code] of refused) {
    it(`refuses ${what}`, async () => {
      expect(await withExchange().ask({ ...frame, id: 1 })).toMatchObject([{ id: 1, error: { code } }]);
    });
  }
});

function twice() {
  return [1, 2].map((integer) => ({ name: 'x', value: { integer } }));
}

describe('queues of the model', () => {
  it('are declared with AMQP’s arguments, and described as they were declared', async () => {
    const harness = Harness.open();
    const model = {
      durable: false,
      autoDelete: true,
      messageTtlMs: 5000,
      maxLength: 10,
      overflow: 2,
      deadLetterExchange: '',
      deadLetterRoutingKey: 'dead',
      maxPriority: 9,
      singleActiveConsumer: true,
      deduplicationMs: 60_000,
      type: 1,
      arguments: [{ name: 'x-mine', value: { text: 'yes' } }],
    };
    const [answer] = await harness.ask({ id: 1, declare: { queue: { name: 'q', model } } });
    expect(answer?.description?.queue?.model).toMatchObject(model);
    const { queue } = harness.broker.declared[0]!;
    expect(queue).toMatchObject({ durable: false, exclusive: false, autoDelete: true, shard: 0 });
    const table = decodeTable(queue?.arguments ?? new Uint8Array(0));
    expect(table.get('x-message-ttl')).toEqual({ type: 'int64', value: 5000n });
    expect(textOf(table.get('x-overflow'))).toBe('reject-publish');
    expect(textOf(table.get('x-dead-letter-exchange'))).toBe('');
  });

  it('refuse an argument that has a field of its own', async () => {
    const model = { maxLength: 1, arguments: [{ name: 'x-max-length', value: { integer: 2 } }] };
    const answers = await Harness.open().ask({ id: 1, declare: { queue: { name: 'q', model } } });
    expect(answers).toMatchObject([{ id: 1, error: { code: 1 } }]);
  });

  it('get a name from the node, and exclusive ones end with their session', async () => {
    const harness = Harness.open();
    const [answer] = await harness.ask({ id: 1, declare: { queue: { model: { exclusive: true } } } });
    expect(answer?.description?.queue?.name).toMatch(/^amq\.gen-[\w-]{22}$/);
    expect(harness.broker.closedConnections).toEqual([]);
    harness.session.closed();
    expect(harness.broker.closedConnections).toEqual([harness.broker.declared[0]?.queue?.connection]);
    const plain = Harness.open();
    plain.session.closed();
    expect(plain.broker.closedConnections).toEqual([]);
  });

  it('are deleted on conditions; who does not own an exclusive one cannot empty it', async () => {
    const harness = Harness.open();
    await harness.ask({ id: 1, declare: { queue: { name: 'q', model: {} } } });
    await harness.ask({ id: 2, delete: { name: 'q', ifUnused: true } });
    expect(harness.broker.deletedQueues).toMatchObject([{ name: 'q', options: { ifUnused: true, ifEmpty: false } }]);
    const owner = { durable: false, autoDelete: false, exclusiveOwner: 'somebody', arguments: new Uint8Array(0) };
    harness.broker.add('theirs', 'queue', 1, { queue: owner });
    expect(await harness.ask({ id: 3, purge: { name: 'theirs' } })).toMatchObject([{ id: 3, error: { code: 20 } }]);
  });

  it('are consumed with priority and exclusively', async () => {
    const harness = withExchange();
    await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { exclusive: true, priority: -3 } } });
    const [options] = harness.broker.consumeOptions;
    expect(options).toMatchObject({ exclusive: true, priority: -3 });
    expect(options?.connection).toMatch(/^native:/);
  });
});

describe('publishes to exchanges', () => {
  it('carry properties, and are confirmed when every queue has them', async () => {
    const harness = withExchange();
    await bound(harness);
    const properties = {
      contentType: 'text/plain',
      correlationId: 'c',
      replyTo: 'r',
      messageId: 'm',
      priority: 7,
      ttlMs: 1500,
      type: 't',
      appId: 'a',
      timestampS: 1_700_000_000,
      headers: [
        { name: 'n', value: { integer: 5 } },
        { name: 'list', value: { list: { values: [{ text: 'x' }, { nothing: true }] } } },
      ],
    };
    const messages = [
      { routingKey: 'k', value: utf8('one'), properties },
      { routingKey: 'k', value: utf8('two') },
    ];
    const [answer] = await harness.ask({ id: 9, publishRouted: { exchange: 'e', messages } });
    expect(answer?.confirms?.confirms).toMatchObject([{ id: 9, reached: 2 }]);
    expect(answer?.confirms?.confirms?.[0]?.ranges ?? []).toEqual([]);
    const [first] = harness.broker.routed;
    expect(first).toMatchObject({ exchange: 'e', routingKey: 'k', body: 'one', persistent: true });
    const stored = readProperties(first?.properties ?? new Uint8Array(2));
    expect(stored).toMatchObject({ contentType: 'text/plain', expiration: '1500', priority: 7, deliveryMode: 2 });
    expect(stored.headers?.get('n')).toEqual({ type: 'int64', value: 5n });

    const credit = { subscription: 1, from: 'q', queue: { credit: 9 } };
    const [, deliver] = await harness.ask({ id: 10, subscribe: credit });
    const [delivery, second] = deliver?.deliver?.deliveries ?? [];
    expect(delivery?.routed).toMatchObject({
      exchange: 'e',
      routingKey: 'k',
      properties: { ...properties, persistent: true },
    });
    expect(delivery?.message?.headers ?? []).toEqual([]);
    expect([text(delivery?.message?.value), text(second?.message?.value)]).toEqual(['one', 'two']);
  });

  it('wait for the bindings that were asked for before', async () => {
    const harness = withExchange();
    harness.broker.holdChanges = true;
    harness.send({ declareExchange: { exchange: { name: 'e' } } });
    harness.send({ bind: { binding: { source: 'e', destination: 'q', routingKey: 'k' } } });
    harness.send({
      id: 1,
      publishRouted: { exchange: 'e', messages: [{ routingKey: 'k', value: utf8('late') }], mandatory: true },
    });
    await harness.turn();
    expect(harness.broker.routed).toEqual([]);
    harness.broker.releaseChanges();
    await harness.turn();
    const [answer] = harness.take();
    expect(harness.broker.routed.map(({ body }) => body)).toEqual(['late']);
    expect(answer?.confirms?.confirms).toMatchObject([{ id: 1 }]);
    expect(answer?.confirms?.confirms?.[0]?.unroutable ?? []).toEqual([]);
  });

  it('tell which mandatory messages nobody wants', async () => {
    const harness = withExchange();
    await bound(harness);
    const messages = ['k', 'no', 'k', 'neither'].map((routingKey) => ({ routingKey, value: utf8('x') }));
    const mandatory = await harness.ask({ id: 1, publishRouted: { exchange: 'e', messages, mandatory: true } });
    expect(mandatory[0]?.confirms?.confirms).toMatchObject([{ id: 1, unroutable: [1, 3] }]);
    const all = await harness.ask({
      id: 2,
      publishRouted: { exchange: 'e', messages: [{ routingKey: 'x' }], mandatory: true },
    });
    expect(all[0]?.confirms?.confirms).toMatchObject([{ id: 2, unroutable: [0], reached: 2 }]);
    const [answer] = await harness.ask({ id: 3, publishRouted: { exchange: 'e', messages } });
    expect(answer?.confirms?.confirms?.[0]?.unroutable ?? []).toEqual([]);
  });

  it('are as transient as asked, may wait for their time, and go through the default exchange', async () => {
    const harness = withExchange();
    const messages = [
      { routingKey: 'q', delayMs: 500 },
      { routingKey: 'q', deliverAtMs: 2 ** 41 },
      { routingKey: 'q' },
    ];
    const [answer] = await harness.ask({ id: 1, publishRouted: { messages, durability: 1 } });
    expect(answer?.confirms?.confirms).toMatchObject([{ id: 1, reached: 1 }]);
    expect(
      harness.broker.routed.map(({ delayMs, deliverAtMs, persistent }) => [delayMs, deliverAtMs, persistent]),
    ).toEqual([
      [500, undefined, false],
      [0, 2 ** 41, false],
      [0, undefined, false],
    ]);
  });

  it('fail as a whole', async () => {
    const harness = withExchange();
    const publishRouted = { exchange: 'none', messages: [{ routingKey: 'k' }] };
    expect(await harness.ask({ id: 1, publishRouted })).toMatchObject([{ id: 1, error: { code: 2 } }]);
    harness.broker.failPublishes = new BrokerError('queue-full', 'full');
    const full = { messages: [{ routingKey: 'q' }, { routingKey: 'q' }] };
    expect(await harness.ask({ id: 2, publishRouted: full })).toMatchObject([{ id: 2, error: { code: 22 } }]);
  });

  const wrong: readonly [string, NonNullable<WireFrame['publishRouted']>, number][] = [
    ['no messages', {}, 1],
    ['a quorum', { messages: [{}], durability: 3 }, 17],
    ['both delays', { messages: [{ delayMs: 1, deliverAtMs: 1 }] }, 1],
    ['a user', { messages: [{ properties: { userId: 'root' } }] }, 1],
    ['a priority above 255', { messages: [{ properties: { priority: 256 } }] }, 1],
    ['a long property', { messages: [{ properties: { replyTo: 'r'.repeat(256) } }] }, 1],
    ['too many messages', { messages: Array.from({ length: 10_001 }, () => ({})) }, 6],
  ];
  for (const [what, publishRouted, code] of wrong) {
    it(`refuse ${what}, and leave the window`, async () => {
      const harness = Harness.open({ limits: { maxInflightPublishes: 1 } });
      harness.broker.add('q', 'queue');
      expect(await harness.ask({ id: 1, publishRouted })).toMatchObject([{ id: 1, error: { code } }]);
      const [next] = await harness.ask({ id: 2, publishRouted: { messages: [{ routingKey: 'q' }] } });
      expect(next?.confirms?.confirms).toMatchObject([{ id: 2 }]);
    });
  }

  it('say the same in the text form', async () => {
    const harness = Harness.open({}, 'text');
    harness.broker.add('q', 'queue');
    const headers = [{ name: 'n', value: { integer: '5' } }];
    const message = { routingKey: 'q', value: 'aGk=', properties: { contentType: 'text/plain', headers } };
    const [confirm] = await harness.askText({ id: 1, publishRouted: { messages: [message] } });
    expect(confirm).toMatchObject({ confirms: { confirms: [{ id: 1, reached: 'DURABILITY_DISK' }] } });
    const [, deliver] = await harness.askText({
      id: 2,
      subscribe: { subscription: 1, from: 'q', queue: { credit: 1 } },
    });
    expect(deliver).toMatchObject({
      deliver: { deliveries: [{ message: { value: 'aGk=' }, routed: { routingKey: 'q', properties: { headers } } }] },
    });
  });
});

describe('dead letters', () => {
  it('tell their history, and leave it out of the headers', async () => {
    const harness = withExchange();
    const death: FieldValue = {
      type: 'table',
      value: new Map<string, FieldValue>([
        ['count', { type: 'int64', value: 3n }],
        ['reason', longstr('rejected')],
        ['queue', longstr('work')],
        ['exchange', longstr('jobs')],
        ['time', { type: 'timestamp', value: 1_700_000_000n }],
        ['routing-keys', { type: 'array', value: [longstr('a'), longstr('b')] }],
      ]),
    };
    const headers = new Map<string, FieldValue>([
      ['x-death', { type: 'array', value: [death, { type: 'void' }] }],
      ['own', longstr('1')],
    ]);
    const message = { exchange: '', routingKey: 'q', properties: encodeProperties({ headers }), body: utf8('x') };
    const nobody = { published: () => undefined, publishFailed: () => undefined };
    harness.broker.publishRouted('/', { ...message, persistent: false }, 0, nobody);
    expect(encodeTable(headers).length).toBeGreaterThan(0);
    const [, deliver] = await harness.ask({ id: 1, subscribe: { subscription: 1, from: 'q', queue: { credit: 1 } } });
    const routed = deliver?.deliver?.deliveries?.[0]?.routed;
    const line = { queue: 'work', reason: 'rejected', exchange: 'jobs', count: 3, timeS: 1_700_000_000 };
    expect(routed?.deadLetters).toMatchObject([{ ...line, routingKeys: ['a', 'b'] }]);
    expect(routed?.properties?.headers).toMatchObject([{ name: 'own', value: { text: '1' } }]);
  });
});

describe('get', () => {
  it('gives one message at a time with what is left, and settles by number', async () => {
    const harness = withExchange();
    const messages = ['a', 'b', 'c'].map((value) => ({ value: utf8(value) }));
    await harness.ask({ id: 1, publish: { to: 'q', messages } });
    const get = { subscription: 4, from: 'q' };
    const [first] = await harness.ask({ id: 2, get });
    expect(first).toMatchObject({ id: 2, got: { delivery: { tag: 1 }, left: 2 } });
    harness.send({ id: 3, get: { ...get, automaticAck: true } });
    const [second, third] = await harness.ask({ id: 4, get });
    expect(second).toMatchObject({ id: 3, got: { delivery: { tag: 2, offset: 1 }, left: 1 } });
    expect(third?.got?.delivery).toMatchObject({ tag: 3, offset: 2 });
    const [empty] = await harness.ask({ id: 5, get });
    expect(empty?.got?.delivery ?? null).toBeNull();
    const tags = [{ first: 2, last: 2 }];
    expect(await harness.ask({ id: 6, settle: { subscription: 4, tags } })).toMatchObject([{ error: { code: 2 } }]);
    const requeue = { subscription: 4, outcome: 1, tags: [{ first: 1, last: 1 }] };
    expect(await harness.ask({ id: 7, settle: requeue })).toEqual([{ id: 7, done: {} }]);
    const [again] = await harness.ask({ id: 8, get });
    expect(again).toMatchObject({ got: { delivery: { tag: 4, redelivered: true } } });
    await harness.ask({ id: 9, unsubscribe: { subscription: 4 } });
    expect(harness.broker.partition(harness.broker.topic('q')!, 0).ready.map(({ offset }) => offset)).toEqual([0, 2]);
  });

  it('needs an id, a queue, and a number that is free', async () => {
    const harness = withExchange();
    harness.broker.add('t', 'topic');
    expect(await harness.ask({ get: { subscription: 1, from: 'q' } })).toMatchObject([{ error: { code: 1 } }]);
    expect(await harness.ask({ id: 1, get: { subscription: 1, from: 't' } })).toMatchObject([{ error: { code: 4 } }]);
    await harness.ask({ id: 2, subscribe: { subscription: 1, from: 'q', queue: {} } });
    expect(await harness.ask({ id: 3, get: { subscription: 1, from: 'q' } })).toMatchObject([{ error: { code: 3 } }]);
  });

  it('takes no more gets than the limit', async () => {
    const harness = withExchange();
    for (let id = 1; id <= 65; id++) harness.send({ id, get: { subscription: 1, from: 'q' } });
    expect(harness.take()).toMatchObject([{ id: 65, error: { code: 7 } }]);
  });

  it('is answered when its subscription ends before a message has come', async () => {
    const harness = withExchange();
    harness.send({ id: 1, get: { subscription: 1, from: 'q' } });
    expect(await harness.ask({ id: 2, unsubscribe: { subscription: 1 } })).toMatchObject([
      { id: 1, error: { code: 2 } },
      { id: 2, done: {} },
    ]);
  });
});

describe('messages that somebody holds, or that wait', () => {
  const holder = {
    kind: 'consumer' as const,
    session: 's',
    consumer: '1',
    partition: 3,
    count: 2,
    firstOffset: 5,
    storedMs: 99,
  };

  it('are told by their holders', async () => {
    const harness = withExchange();
    harness.broker.add('t', 'topic');
    for (let index = 0; index < 3; index++) harness.broker.holders.push({ ...holder, consumer: `${index}` });
    const [all] = await harness.ask({ id: 1, listUnacked: { name: 'q' } });
    expect(all?.unackedList?.holders).toMatchObject(
      [holder, holder, holder].map((one, index) => ({ ...one, consumer: `${index}` })),
    );
    const [some] = await harness.ask({ id: 2, listUnacked: { name: 'q', limit: 2 } });
    expect(some?.unackedList).toMatchObject({ more: true });
    expect(some?.unackedList?.holders?.length).toBe(2);
    expect(await harness.ask({ id: 3, listUnacked: { name: 't' } })).toMatchObject([{ id: 3, error: { code: 4 } }]);
    expect(await harness.ask({ id: 4, listUnacked: { name: 'none' } })).toMatchObject([{ id: 4, error: { code: 2 } }]);
    expect(await harness.ask({ id: 5, listUnacked: {} })).toMatchObject([{ id: 5, error: { code: 1 } }]);
  });

  it('are counted and cancelled', async () => {
    const harness = withExchange();
    await bound(harness);
    expect(await harness.ask({ id: 1, countDelayed: {} })).toMatchObject([{ id: 1, delayedCount: {} }]);
    const one = { exchange: 'e', messageId: 'm', fireMs: 5000 };
    harness.broker.delayed.push(one, { ...one, fireMs: 3000 }, { exchange: '', messageId: 'm', fireMs: 1000 });
    const [count] = await harness.ask({ id: 2, countDelayed: { exchange: 'e' } });
    expect(count?.delayedCount).toMatchObject({ held: 2, nextFireMs: 3000 });
    const [every] = await harness.ask({ id: 3, countDelayed: {} });
    expect(every?.delayedCount).toMatchObject({ held: 3, nextFireMs: 1000 });
    const [unnamed] = await harness.ask({ id: 4, countDelayed: { exchange: '' } });
    expect(unnamed?.delayedCount).toMatchObject({ held: 1 });
    const cancelDelayed = { exchange: 'e', messageId: 'm' };
    expect(await harness.ask({ id: 5, cancelDelayed })).toMatchObject([{ id: 5, purged: { count: 2 } }]);
    expect(await harness.ask({ id: 6, cancelDelayed })).toMatchObject([{ id: 6, purged: {} }]);
    const nowhere = { exchange: 'none', messageId: 'm' };
    expect(await harness.ask({ id: 7, cancelDelayed: nowhere })).toMatchObject([{ id: 7, error: { code: 2 } }]);
    expect(await harness.ask({ id: 8, cancelDelayed: { exchange: 'e' } })).toMatchObject([
      { id: 8, error: { code: 1 } },
    ]);
    expect(await harness.ask({ id: 9, countDelayed: { exchange: 'none' } })).toMatchObject([
      { id: 9, error: { code: 2 } },
    ]);
  });
});

describe('a transaction', () => {
  async function holding(): Promise<Harness> {
    const harness = withExchange();
    await bound(harness);
    harness.send({ subscribe: { subscription: 1, from: 'q', queue: { credit: 10 } } });
    for (const value of ['a', 'b', 'c']) harness.send({ publish: { to: 'q', messages: [{ value: utf8(value) }] } });
    await harness.turn();
    harness.take();
    return harness;
  }
  const publishes = [
    {
      exchange: 'e',
      messages: [
        { routingKey: 'k', value: utf8('x') },
        { routingKey: 'k', delayMs: 5 },
      ],
    },
  ];

  it('hands everything to the broker at once, and answers when that has happened', async () => {
    const harness = await holding();
    const settles = [
      { subscription: 1, tags: [{ first: 1, last: 2 }] },
      { subscription: 1, outcome: 2, tags: [{ first: 3, last: 3 }] },
    ];
    expect(await harness.ask({ id: 5, transact: { publishes, settles } })).toMatchObject([{ id: 5, transacted: {} }]);
    const [transaction] = harness.broker.transacted;
    expect(transaction?.publishes).toMatchObject([
      { exchange: 'e', routingKey: 'k', persistent: true },
      { exchange: 'e', routingKey: 'k', delayMs: 5 },
    ]);
    // The frame's memory has been used again.
    expect(text(transaction?.publishes[0]?.body)).toBe('x');
    expect(transaction?.settles).toMatchObject([
      { partition: 0, offsets: [0, 1], outcome: 0 },
      { partition: 0, offsets: [2], outcome: 2 },
    ]);
    const again = { settle: { subscription: 1, tags: [{ first: 1, last: 1 }] } };
    expect(await harness.ask({ id: 6, ...again })).toMatchObject([{ id: 6, error: { code: 2 } }]);
  });

  it('that fails gives its deliveries back to their queue', async () => {
    const harness = await holding();
    harness.broker.failCommits = new BrokerError('queue-full', 'full');
    harness.send({ id: 5, transact: { publishes, settles: [{ subscription: 1, upToTag: 2 }] } });
    await harness.turn();
    const frames = harness.take();
    expect(frames.find(({ id }) => id === 5)).toMatchObject({ error: { code: 22 } });
    const again = frames.flatMap(({ deliver }) => deliver?.deliveries ?? []);
    expect(again).toMatchObject([
      { tag: 4, redelivered: true, message: { value: utf8('a') } },
      { tag: 5, offset: 1 },
    ]);
  });

  it('is refused when a part of it cannot be, and nothing of it happens', async () => {
    const harness = await holding();
    const good = { subscription: 1, tags: [{ first: 1, last: 1 }] };
    const bad = { subscription: 1, tags: [{ first: 9, last: 9 }] };
    harness.send({ id: 5, transact: { settles: [good, bad] } });
    await harness.turn();
    const frames = harness.take();
    expect(frames.find(({ id }) => id === 5)).toMatchObject({ error: { code: 2 } });
    // What had been taken by then has come again.
    expect(frames.flatMap(({ deliver }) => deliver?.deliveries ?? [])).toMatchObject([
      { tag: 4, redelivered: true, message: { value: utf8('a') } },
    ]);
    expect(harness.broker.transacted).toEqual([]);
    expect(await harness.ask({ id: 6, transact: {} })).toMatchObject([{ id: 6, error: { code: 1 } }]);
    for (let id = 10; id < 19; id++) harness.send({ id, transact: { publishes } });
    await harness.turn();
    expect(
      harness
        .take()
        .filter(({ error }) => error?.code === 7)
        .map(({ id }) => id),
    ).toEqual([18]);
  });
});

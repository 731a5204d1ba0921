import { describe, expect, it } from 'vitest';
import { BrokerError } from '../../broker/errors.js';
import { SettleOutcome } from '../../broker/ports.js';
import { encodeProperties, readProperties } from '../../record/amqp/properties.js';
import {
  ACK,
  ack,
  bind,
  cancel,
  confirmSelect,
  confirmsOf,
  consume,
  DELIVER,
  declare,
  deliveries,
  exchangeDeclare,
  get,
  NACK,
  publishAll,
  qos,
  RETURN,
  withQueue,
} from './fixtures/channel-frames.js';
import {
  Arguments,
  header,
  joined,
  long,
  method,
  publish,
  short,
  table,
  u8,
  u16,
  u32,
  u64,
} from './fixtures/client-frames.js';
import { Harness, openChannel } from './fixtures/harness.js';

describe('declarations', () => {
  it('declares, binds, unbinds, purges and deletes', async () => {
    const harness = await Harness.open();
    const declared = await harness.ask(declare('q', 0b0010));
    expect([declared.method, declared.short(), declared.u32(), declared.u32()]).toEqual([0x32_000b, 'q', 0, 0]);
    expect(harness.broker.declared[0]).toMatchObject({
      name: 'q',
      vhost: '/',
      queue: { durable: true, exclusive: false },
    });
    await harness.send(
      exchangeDeclare('x', 'direct'),
      bind('q', 'x', 'k'),
      publish(1, 'a', { exchange: 'x', key: 'k' }),
    );
    expect(harness.methods()).toEqual([0x28_000b, 0x32_0015]);
    const passive = await harness.ask(declare('q', 0b0001));
    expect([passive.method, passive.short(), passive.u32()]).toEqual([0x32_000b, 'q', 1]);
    const purged = await harness.ask(method(1, 0x32_001e, u16(0), short('q'), u8(0)));
    expect([purged.method, purged.u32()]).toEqual([0x32_001f, 1]);
    await harness.send(method(1, 0x32_0032, u16(0), short('q'), short('x'), short('k'), table()));
    expect(harness.methods()).toEqual([0x32_0033]);
    const deleted = await harness.ask(method(1, 0x32_0028, u16(0), short('q'), u8(0)));
    expect([deleted.method, deleted.u32()]).toEqual([0x32_0029, 0]);
    await harness.send(method(1, 0x28_0014, u16(0), short('x'), u8(0)));
    expect(harness.methods()).toEqual([0x28_0015]);
  });

  it('names queues, and an empty name is the last one', async () => {
    const harness = await Harness.open();
    const declared = await harness.ask(declare('', 0b0100));
    const name = declared.short();
    expect(name).toMatch(/^amq\.gen-[\w-]{22}$/);
    await harness.send(exchangeDeclare('x', 'direct'), bind('', 'x', ''));
    expect([...harness.broker.bindings()]).toMatchObject([{ source: 'x', destination: name, routingKey: name }]);
    await harness.send(openChannel(2));
    const other = method(2, 0x32_0014, u16(0), short(''), short('x'), short(''), u8(0), table());
    expect(await harness.refused(other)).toMatchObject({ code: 404, text: 'NOT_FOUND - no previously declared queue' });
    expect([...harness.door.counters.errors]).toEqual([['not-found', 1]]);
  });

  it('answers nothing with no-wait, and still waits', async () => {
    const harness = await Harness.open();
    harness.broker.holdChanges = true;
    await harness.send(declare('q', 0b1_0000), publish(1, 'a', { key: 'q' }), get('q', true));
    expect(harness.broker.published).toEqual([]);
    harness.broker.releaseChanges();
    await harness.settle();
    expect(harness.methods()).toEqual([0x3c_0047]);
  });

  it('binds exchanges to exchanges', async () => {
    const harness = await Harness.open();
    const change = (id: number) =>
      method(1, id, u16(0), short('amq.fanout'), short('amq.direct'), short('k'), u8(0), table());
    await harness.send(change(0x28_001e));
    expect([...harness.broker.bindings()]).toMatchObject([
      { source: 'amq.direct', destination: 'amq.fanout', destinationKind: 'exchange' },
    ]);
    await harness.send(change(0x28_0028));
    expect(harness.methods()).toEqual([0x28_001f, 0x28_0033]);
    expect([...harness.broker.bindings()]).toEqual([]);
  });

  it.each([
    ['a passive declare of nothing', declare('no', 1), 404, "NOT_FOUND - no queue 'no' in vhost '/'", 0x32_000a],
    [
      'a passive exchange of nothing',
      exchangeDeclare('no', '', 1),
      404,
      "NOT_FOUND - no exchange 'no' in vhost '/'",
      0x28_000a,
    ],
    [
      'a reserved queue',
      declare('amq.mine'),
      403,
      "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
      0x32_000a,
    ],
    [
      'a reserved exchange',
      exchangeDeclare('amq.mine', 'direct'),
      403,
      "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix 'amq.*'",
      0x28_000a,
    ],
    [
      'the default exchange',
      exchangeDeclare('', 'direct'),
      403,
      'ACCESS_REFUSED - operation not permitted on the default exchange',
      0x28_000a,
    ],
    [
      'a system exchange',
      method(1, 0x28_0014, u16(0), short('amq.direct'), u8(0)),
      403,
      "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed",
      0x28_0014,
    ],
    ['binding to no exchange', bind('q', 'no', ''), 404, "NOT_FOUND - no exchange 'no' in vhost '/'", 0x32_0014],
    ['binding no queue', bind('no', 'amq.direct', ''), 404, "NOT_FOUND - no queue 'no' in vhost '/'", 0x32_0014],
    [
      'purging no queue',
      method(1, 0x32_001e, u16(0), short('no'), u8(0)),
      404,
      "NOT_FOUND - no queue 'no' in vhost '/'",
      0x32_001e,
    ],
    ['consuming from no queue', consume('no', 'c'), 404, "NOT_FOUND - no queue 'no' in vhost '/'", 0x3c_0014],
    ['getting from no queue', get('no'), 404, "NOT_FOUND - no queue 'no' in vhost '/'", 0x3c_0046],
    [
      'a publish to no exchange',
      publish(1, 'x', { exchange: 'no' }),
      404,
      "NOT_FOUND - no exchange 'no' in vhost '/'",
      0x3c_0028,
    ],
    [
      'another type',
      exchangeDeclare('amq.direct', 'fanout'),
      406,
      "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received 'fanout' but current is 'direct'",
      0x28_000a,
    ],
    [
      'a queue of another connection',
      declare('theirs'),
      405,
      /^RESOURCE_LOCKED - cannot obtain exclusive access to locked queue 'theirs' in vhost '\/'\. It could be/,
      0x32_000a,
    ],
    ['an unknown tag', ack(9), 406, 'PRECONDITION_FAILED - unknown delivery tag 9', 0x3c_0050],
    ['an unknown tag, multiple', ack(9, true), 406, 'PRECONDITION_FAILED - unknown delivery tag 9', 0x3c_0050],
    [
      'a transaction that is none',
      method(1, 0x5a_0014),
      406,
      'PRECONDITION_FAILED - channel is not transactional',
      0x5a_0014,
    ],
    [
      'replies with acknowledgement',
      consume('amq.rabbitmq.reply-to', 'c'),
      406,
      'PRECONDITION_FAILED - reply consumer cannot acknowledge',
      0x3c_0014,
    ],
  ])('%s ends the channel', async (_what, bytes, code, text, method_) => {
    const harness = await withQueue();
    harness.broker.addQueue('theirs', 'another connection');
    const refusal = await harness.refused(bytes);
    expect(refusal).toMatchObject({ scope: 'channel', code, method: method_ });
    expect(refusal.text).toMatch(typeof text === 'string' ? new RegExp(`^${text.replace(/[.*()/]/g, '\\$&')}$`) : text);
    // What follows is ignored until the client has answered; then the channel's number is free.
    await harness.send(publish(1, 'ignored', { key: 'q' }), declare('ignored'));
    expect(harness.broker.published).toEqual([]);
    expect(harness.take()).toEqual([]);
    await harness.send(method(1, 0x14_0029), openChannel(1), declare('again'));
    expect(harness.methods()).toEqual([0x14_000b, 0x32_000b]);
  });

  it.each([
    ['an unknown exchange type', exchangeDeclare('x', 'magic'), 503, "COMMAND_INVALID - unknown exchange type 'magic'"],
    ['flow off', method(1, 0x14_0014, u8(0)), 540, 'NOT_IMPLEMENTED - active=false'],
    ['prefetch by size', method(1, 0x3c_000a, u32(5), u16(0), u8(0)), 540, 'NOT_IMPLEMENTED - prefetch_size!=0 (5)'],
    ['recover without requeue', method(1, 0x3c_006e, u8(0)), 540, 'NOT_IMPLEMENTED - requeue=false'],
    ['transactions without a port', method(1, 0x5a_000a), 540, 'NOT_IMPLEMENTED - transactions'],
  ])('%s ends the connection', async (_what, bytes, code, text) => {
    const harness = await withQueue();
    expect(await harness.refused(bytes)).toMatchObject({ scope: 'connection', code, text });
  });

  it('unbinding and deleting what is not there is no error', async () => {
    const harness = await withQueue();
    await harness.send(
      method(1, 0x32_0032, u16(0), short('no'), short('no'), short(''), table()),
      method(1, 0x32_0028, u16(0), short('no'), u8(0)),
      method(1, 0x28_0014, u16(0), short('no'), u8(0)),
      method(1, 0x28_0028, u16(0), short('no'), short('nope'), short(''), u8(0), table()),
    );
    expect(harness.methods()).toEqual([0x32_0033, 0x32_0029, 0x28_0015, 0x28_0033]);
  });

  it('closes when asked, and when both close at once', async () => {
    const harness = await withQueue();
    const close = method(1, 0x14_0028, u16(200), short(''), u16(0), u16(0));
    await harness.send(close, openChannel(1));
    expect(harness.methods()).toEqual([0x14_0029, 0x14_000b]);
    await harness.send(ack(1), close);
    expect(harness.methods()).toEqual([0x14_0028, 0x14_0029]);
    await harness.send(method(1, 0x14_0029), openChannel(1));
    expect(harness.methods()).toEqual([0x14_000b]);
  });
});

describe('publishing', () => {
  it('confirms a turn with one frame', async () => {
    const harness = await withQueue();
    await harness.send(confirmSelect);
    harness.take();
    await publishAll(harness, 50);
    expect(confirmsOf(harness.take())).toEqual([['ack', 50, true]]);
    await publishAll(harness, 1);
    expect(confirmsOf(harness.take())).toEqual([['ack', 51, false]]);
  });

  it('gives one answer per publish, good or bad, whatever the order of outcomes', async () => {
    const harness = await withQueue();
    await harness.send(confirmSelect);
    harness.broker.holdOutcomes = true;
    await publishAll(harness, 6);
    harness.take();
    const [first, second, third, fourth, fifth, sixth] = harness.broker.heldOutcomes;
    third!.tell(true);
    fifth!.tell(false);
    await harness.settle();
    expect(confirmsOf(harness.take())).toEqual([
      ['ack', 3, false],
      ['nack', 5, false],
    ]);
    first!.tell(true);
    second!.tell(true);
    await harness.settle();
    expect(confirmsOf(harness.take())).toEqual([['ack', 2, true]]);
    sixth!.tell(false);
    fourth!.tell(false);
    await harness.settle();
    expect(confirmsOf(harness.take())).toEqual([['nack', 6, true]]);
  });

  it('nacks what the broker could not store', async () => {
    const harness = await withQueue();
    await harness.send(confirmSelect);
    harness.take();
    harness.broker.failPublishes = new BrokerError('queue-full', 'full');
    await publishAll(harness, 2);
    expect(confirmsOf(harness.take())).toEqual([['nack', 2, true]]);
  });

  it('returns before it confirms', async () => {
    const harness = await withQueue();
    await harness.send(confirmSelect);
    harness.take();
    const properties = encodeProperties({ messageId: 'id-1' });
    await harness.send(publish(1, 'lost', { exchange: 'amq.direct', key: 'nowhere', mandatory: true, properties }));
    const frames = harness.take();
    expect(frames.map(({ method: id }) => id)).toEqual([RETURN, 0, 0, ACK]);
    const read = new Arguments(frames[0]!);
    expect([read.u16(), read.short(), read.short(), read.short()]).toEqual([312, 'NO_ROUTE', 'amq.direct', 'nowhere']);
    expect(frames[1]!.payload.slice(12)).toEqual(properties);
    expect(new TextDecoder().decode(frames[2]!.payload)).toBe('lost');
  });

  it('keeps delivery mode, and an empty body', async () => {
    const harness = await withQueue();
    await harness.send(
      publish(1, '', { key: 'q', properties: encodeProperties({ deliveryMode: 2 }) }),
      publish(1, 'x', { key: 'q' }),
    );
    expect(harness.broker.published.map(({ persistent, body }) => [persistent, body.length])).toEqual([
      [true, 0],
      [false, 1],
    ]);
  });

  it.each([
    ['an expiration in words', { expiration: 'soon' }, "invalid expiration 'soon': no_integer"],
    ['a negative expiration', { expiration: '-1' }, "invalid expiration '-1': {value_negative,-1}"],
    ['an expiration with a rest', { expiration: '10s' }, `invalid expiration '10s': {leftover_string,"s"}`],
    ['a foreign user id', { userId: 'root' }, "user_id property set to 'root' but authenticated user was 'guest'"],
    ['replies to nobody', { replyTo: 'amq.rabbitmq.reply-to' }, 'fast reply consumer does not exist'],
  ])('refuses %s', async (_what, properties, text) => {
    const harness = await withQueue();
    const refusal = await harness.refused(publish(1, 'x', { key: 'q', properties: encodeProperties(properties) }));
    expect(refusal).toMatchObject({ scope: 'channel', code: 406, text: `PRECONDITION_FAILED - ${text}` });
  });

  it('refuses internal exchanges and large messages', async () => {
    const harness = await withQueue({ limits: { maxMessageBytes: 10 } });
    harness.broker.addExchange('inner', { internal: true });
    expect(await harness.refused(publish(1, 'x', { exchange: 'inner' }))).toMatchObject({
      scope: 'channel',
      code: 403,
      text: "ACCESS_REFUSED - cannot publish to internal exchange 'inner' in vhost '/'",
    });
    await harness.send(openChannel(2));
    harness.take();
    expect(await harness.refused(publish(2, 'more than ten', { key: 'q' }))).toMatchObject({
      scope: 'channel',
      code: 406,
      text: 'PRECONDITION_FAILED - message size 13 is larger than configured max size 10',
    });
    await harness.send(openChannel(3), publish(3, 'x', { key: 'q' }));
    expect(harness.broker.published.length).toBe(1);
  });

  it('confirms and transactions exclude each other', async () => {
    const harness = await withQueue({
      ports: { transactions: { commit: (_transaction, done) => done(undefined, []) } },
    });
    await harness.send(confirmSelect);
    expect(await harness.refused(method(1, 0x5a_000a))).toMatchObject({ code: 406 });
    await harness.send(openChannel(2), method(2, 0x5a_000a));
    expect(await harness.refused(method(2, 0x55_000a, u8(0)))).toMatchObject({
      text: 'PRECONDITION_FAILED - cannot switch from tx to confirm mode',
    });
  });
});

describe('consuming', () => {
  it('delivers what was published, with everything', async () => {
    const harness = await withQueue();
    const properties = encodeProperties({ contentType: 'text/plain', deliveryMode: 2, priority: 3 });
    await harness.send(consume('q', 'c1'), publish(1, 'hello', { key: 'q', properties }));
    const frames = harness.take();
    expect(frames[0]!.method).toBe(0x3c_0015);
    expect(new Arguments(frames[0]!).short()).toBe('c1');
    expect(deliveries(frames)).toEqual([
      { consumerTag: 'c1', tag: 1, redelivered: false, exchange: '', key: 'q', body: 'hello', properties },
    ]);
  });

  it('writes the deliveries of a turn at once', async () => {
    const harness = await withQueue();
    await publishAll(harness, 10);
    const before = harness.socket.writes.length;
    await harness.send(consume('q', 'c', 0b0010));
    expect(harness.socket.writes.length - before).toBe(1);
    expect(deliveries(harness.take()).map(({ tag }) => tag)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('cuts large bodies into frames of the negotiated size', async () => {
    const harness = await withQueue({ frameMax: 4096 });
    const text = 'x'.repeat(10_000);
    await harness.send(consume('q', 'c'), publish(1, text, { key: 'q' }));
    const frames = harness.take();
    expect(frames.filter(({ type }) => type === 3).map(({ payload }) => payload.length)).toEqual([4088, 4088, 1824]);
    expect(deliveries(frames)[0]!.body).toBe(text);
  });

  it('makes up names for consumers, and refuses those that are taken', async () => {
    const harness = await withQueue();
    const named = await harness.ask(consume('q', ''));
    expect(named.short()).toMatch(/^amq\.ctag-/);
    await harness.send(consume('q', 'c'));
    harness.take();
    const refusal = await harness.refused(consume('q', 'c'));
    expect(refusal).toMatchObject({
      scope: 'connection',
      code: 530,
      text: "NOT_ALLOWED - attempt to reuse consumer tag 'c'",
    });
  });

  it('refuses a second consumer beside an exclusive one', async () => {
    const harness = await withQueue();
    await harness.send(consume('q', 'a', 0b0100));
    harness.take();
    const refusal = await harness.refused(consume('q', 'b'));
    expect(refusal).toMatchObject({
      scope: 'channel',
      code: 403,
      text: "ACCESS_REFUSED - queue 'q' in vhost '/' in exclusive use",
    });
  });

  it('prefetch holds for consumers to come, and settling makes room', async () => {
    const harness = await withQueue();
    await publishAll(harness, 10);
    await harness.send(qos(3), consume('q', 'c'));
    expect(deliveries(harness.take()).map(({ tag }) => tag)).toEqual([1, 2, 3]);
    await harness.send(ack(2, true));
    expect(deliveries(harness.take()).map(({ tag }) => tag)).toEqual([4, 5]);
    expect(harness.broker.settles).toEqual([{ offsets: [0, 1], outcome: SettleOutcome.acknowledge }]);
    await harness.send(qos(1));
    await harness.send(ack(0, true));
    expect(deliveries(harness.take()).map(({ tag }) => tag)).toEqual([6, 7, 8]);
  });

  it('a prefetch for the channel is shared by its consumers, and changes at once', async () => {
    const harness = await withQueue();
    harness.broker.addQueue('other');
    await harness.send(qos(3, true), consume('q', 'a'), consume('other', 'b'));
    await publishAll(harness, 10);
    await harness.clock.advanceAsync(200);
    await harness.settle();
    const first = deliveries(harness.take());
    expect(first.length).toBeLessThanOrEqual(3);
    expect(first.length).toBeGreaterThanOrEqual(2);
    await harness.send(qos(8, true));
    await harness.clock.advanceAsync(200);
    await harness.settle();
    const held = first.length + deliveries(harness.take()).length;
    expect(held).toBeGreaterThan(3);
    expect(held).toBeLessThanOrEqual(8);
  });

  it('a prefetch for the channel does not count what was asked for one by one', async () => {
    const harness = await withQueue();
    await publishAll(harness, 4);
    await harness.send(get('q'), qos(2, true), consume('q', 'c'));
    expect(deliveries(harness.take()).map(({ tag }) => tag)).toEqual([2, 3]);
  });

  it('a priority that is no integer is refused in the words of RabbitMQ', async () => {
    const harness = await withQueue();
    const refusal = await harness.refused(consume('q', 'c', 0, 1, { 'x-priority': 'high' }));
    expect(refusal).toMatchObject({
      code: 406,
      text: `PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'q' in vhost '/': "expected integer, got longstr"`,
    });
  });

  it('a channel prefetch of one reaches every queue in turn', async () => {
    const harness = await withQueue();
    harness.broker.addQueue('other');
    await harness.send(qos(1, true), consume('q', 'a'), consume('other', 'b'));
    harness.take();
    const bodies: string[] = [];
    for (const [index, key] of ['q', 'other', 'other', 'q'].entries()) {
      await harness.send(publish(1, key, { key }));
      for (let round = 0; round < 5; round++) {
        await harness.clock.advanceAsync(30);
        await harness.settle();
      }
      const got = deliveries(harness.take());
      bodies.push(...got.map(({ body }) => body));
      expect(got.map(({ tag }) => tag)).toEqual([index + 1]);
      await harness.send(ack(index + 1));
    }
    expect(bodies).toEqual(['q', 'other', 'other', 'q']);
  });

  it('without a limit everything comes', async () => {
    const harness = await withQueue();
    await harness.send(consume('q', 'c'));
    await publishAll(harness, 300);
    for (let round = 0; round < 10; round++) await harness.settle();
    expect(deliveries(harness.take()).length).toBe(300);
  });

  it('automatic acknowledgement goes on by credit', async () => {
    const harness = await withQueue();
    await harness.send(consume('q', 'c', 0b0010));
    await publishAll(harness, 300);
    for (let round = 0; round < 10; round++) await harness.settle();
    expect(deliveries(harness.take()).length).toBe(300);
    expect(await harness.refused(ack(1))).toMatchObject({ code: 406 });
  });

  it('holds back from who does not read, in bytes', async () => {
    const harness = await withQueue({ limits: { backlogMarkBytes: 10_000 } });
    harness.socket.isReading = false;
    await harness.send(consume('q', 'c'));
    const message = 'x'.repeat(1000);
    for (let count = 0; count < 30; count++) {
      await harness.send(...Array.from({ length: 10 }, () => publish(1, message, { key: 'q' })));
    }
    expect(harness.socket.backlog).toBeLessThan(100_000);
    expect(harness.broker.readyCount('q')).toBeGreaterThan(100);
    harness.socket.isReading = true;
    for (let round = 0; round < 20; round++) await harness.drain();
    expect(harness.broker.readyCount('q')).toBe(0);
  });

  it('requeues, rejects and negatively acknowledges several', async () => {
    const harness = await withQueue();
    await publishAll(harness, 6);
    await harness.send(qos(6), consume('q', 'c'));
    harness.take();
    await harness.send(
      method(1, 0x3c_005a, u64(1), u8(0)),
      method(1, NACK, u64(3), u8(0b01)),
      method(1, NACK, u64(5), u8(0b11)),
    );
    expect(harness.broker.settles).toEqual([
      { offsets: [0, 1, 2], outcome: SettleOutcome.discard },
      { offsets: [3, 4], outcome: SettleOutcome.requeue },
    ]);
    expect(deliveries(harness.take()).map(({ body, redelivered, tag }) => [body, redelivered, tag])).toEqual([
      ['m4', true, 7],
      ['m5', true, 8],
    ]);
  });

  it('recovers everything that is unacknowledged', async () => {
    const harness = await withQueue();
    await publishAll(harness, 3);
    await harness.send(consume('q', 'c'));
    await harness.send(ack(2));
    harness.take();
    await harness.send(method(1, 0x3c_006e, u8(1)));
    const frames = harness.take();
    expect(frames[0]!.method).toBe(0x3c_006f);
    expect(deliveries(frames).map(({ body, redelivered, tag }) => [body, redelivered, tag])).toEqual([
      ['m1', true, 4],
      ['m3', true, 5],
    ]);
    await harness.send(method(1, 0x3c_0064, u8(1)));
    expect(harness.methods()).toEqual([DELIVER, DELIVER]);
  });

  it('cancelling keeps what is unacknowledged', async () => {
    const harness = await withQueue();
    await publishAll(harness, 2);
    await harness.send(qos(1), consume('q', 'c'));
    await harness.send(cancel('c'));
    const frames = harness.take();
    expect(frames.filter(({ type }) => type === 1).at(-1)!.method).toBe(0x3c_001f);
    await harness.send(ack(1), cancel('unknown'));
    expect(harness.methods()).toEqual([0x3c_001f]);
    expect(harness.broker.settles).toEqual([{ offsets: [0], outcome: SettleOutcome.acknowledge }]);
    expect(harness.broker.readyCount('q')).toBe(1);
  });

  it('what a closed channel held goes back', async () => {
    const harness = await withQueue();
    await publishAll(harness, 2);
    await harness.send(consume('q', 'c'));
    await harness.send(method(1, 0x14_0028, u16(200), short(''), u16(0), u16(0)));
    expect(harness.broker.readyCount('q')).toBe(2);
    expect(harness.door.counters).toMatchObject({ channels: 0, consumers: 0 });
  });

  it('tells that a queue was deleted, and the tag is free', async () => {
    const harness = await withQueue();
    await harness.send(consume('q', 'c'), method(1, 0x32_0028, u16(0), short('q'), u8(0)));
    const frames = harness.take();
    expect(frames.map(({ method: id }) => id)).toEqual([0x3c_0015, 0x3c_001e, 0x32_0029]);
    expect(new Arguments(frames[1]!).short()).toBe('c');
    harness.broker.addQueue('q');
    await harness.send(consume('q', 'c'));
    expect(harness.methods()).toEqual([0x3c_0015]);
    const mute = await harness.another({ capabilities: {} });
    await mute.send(consume('q', 'd'), method(1, 0x32_0028, u16(0), short('q'), u8(0)));
    expect(mute.methods()).toEqual([0x3c_0015, 0x32_0029]);
  });

  it('gets single messages', async () => {
    const harness = await withQueue();
    await publishAll(harness, 2);
    const first = await harness.ask(get('q'));
    expect([first.method, first.u64(), first.u8(), first.short(), first.short(), first.u32()]).toEqual([
      0x3c_0047,
      1,
      0,
      '',
      'q',
      1,
    ]);
    await harness.send(get('q', true), get('q'), ack(1));
    expect(harness.methods()).toEqual([0x3c_0047, 0x3c_0048]);
    expect(harness.broker.settles).toEqual([{ offsets: [0], outcome: SettleOutcome.acknowledge }]);
  });

  it('shows records of other doors', async () => {
    const harness = await withQueue();
    harness.broker.addRecord('q', 'native', [['trace', new TextEncoder().encode('abc')]]);
    await harness.send(consume('q', 'c'));
    const [delivery] = deliveries(harness.take());
    expect(delivery).toMatchObject({ exchange: '', key: 'q', body: 'native' });
    expect(readProperties(delivery!.properties).headers?.get('trace')).toMatchObject({ type: 'longstr' });
  });

  it('counts how often deliveries of quorum queues came back', async () => {
    const harness = await Harness.open();
    const declare = method(1, 0x32_000a, u16(0), short('quorum'), u8(2), table({ 'x-queue-type': 'quorum' }));
    await harness.send(declare, publish(1, 'a', { key: 'quorum' }));
    await harness.send(consume('quorum', 'q'));
    await harness.send(method(1, NACK, u64(1), u8(2)));
    const headers = deliveries(harness.take()).map(({ properties }) => readProperties(properties).headers);
    expect(headers[0]?.get('x-delivery-count')).toBeUndefined();
    expect(headers[1]?.get('x-delivery-count')).toEqual({ type: 'int64', value: 1n });
  });

  it('takes nothing from beside the single active consumer of a quorum queue', async () => {
    const harness = await Harness.open();
    const declareBoth = ['alone', 'quorum'].map((name) =>
      method(
        1,
        0x32_000a,
        u16(0),
        short(name),
        u8(2),
        table({ 'x-queue-type': name === 'alone' ? 'classic' : 'quorum', 'x-single-active-consumer': true }),
      ),
    );
    await harness.send(...declareBoth, get('alone'));
    const refusal = await harness.refused(get('quorum'));
    expect(refusal).toMatchObject({
      scope: 'channel',
      code: 405,
      text: "RESOURCE_LOCKED - cannot obtain access to locked queue 'quorum' in vhost '/'. basic.get operations are not supported by quorum queues with single active consumer",
    });
  });
});

it('content whose parts wait for a change stays whole', async () => {
  const harness = await withQueue();
  harness.broker.holdChanges = true;
  const bytes = joined([declare('other'), publish(1, 'x'.repeat(9000), { key: 'q' }), header(2, 0)]);
  for (let at = 0; at < bytes.length - 22; at += 1000)
    harness.receive(bytes.subarray(at, Math.min(at + 1000, bytes.length - 22)));
  await harness.settle();
  expect(harness.broker.published).toEqual([]);
  harness.broker.releaseChanges();
  await harness.settle();
  expect(harness.broker.published.map(({ body }) => body.length)).toEqual([9000]);
});

it('a long reason is cut to what a short string can hold', async () => {
  const harness = await withQueue();
  const refusal = await harness.refused(publish(1, 'x', { exchange: 'é'.repeat(120) }));
  expect(new TextEncoder().encode(refusal.text).length).toBeLessThanOrEqual(255);
  expect(refusal.text).toMatch(/\.\.\.$/);
});

it('answers the access class of older clients', async () => {
  const harness = await withQueue();
  const answer = await harness.ask(method(1, 0x1e_000a, short('/data'), u8(0)));
  expect([answer.method, answer.u16()]).toEqual([0x1e_000b, 1]);
  await harness.send(method(1, 0x14_0014, u8(1)));
  expect(harness.methods()).toEqual([0x14_0015]);
  expect(long('').length).toBe(4);
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readEnvelope } from '../record/amqp/envelope.js';
import { EMPTY_PROPERTIES, encodeProperties } from '../record/amqp/properties.js';
import { BrokerError } from './errors.js';
import { BrokerWorld } from './fixtures/broker-world.js';
import { DEFAULT_VHOST, type RoutedMessage } from './model.js';
import { DurabilityLevel, type PublishListener, type QueueConsumer, type RecordView } from './ports.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function message(exchange: string, routingKey: string, body: string, persistent = false): RoutedMessage {
  return { exchange, routingKey, properties: EMPTY_PROPERTIES, body: encoder.encode(body), persistent };
}

/** Counts outcomes down, as a door does. */
class Outcomes implements PublishListener {
  readonly expected = new Map<number, number>();
  readonly reached: DurabilityLevel[] = [];
  readonly failures: BrokerError[] = [];

  add(token: number, count: number): void {
    this.expected.set(token, (this.expected.get(token) ?? 0) + count);
  }

  published(token: number, _partition: number, _offset: number, count: number, reached: DurabilityLevel): void {
    expect(count).toBeGreaterThan(0);
    this.reached.push(reached);
    this.add(token, -1);
  }

  publishFailed(token: number, error: BrokerError): void {
    this.failures.push(error);
    this.add(token, -1);
  }

  get open(): number[] {
    return [...this.expected.values()].filter((count) => count !== 0);
  }
}

class Reader implements QueueConsumer {
  readonly bodies: string[] = [];
  readonly records: { key: string | null; headers: Uint8Array; offset: number }[] = [];

  deliver(_partition: number, { key, value, headers, offset }: RecordView): void {
    this.bodies.push(decoder.decode(value!));
    this.records.push({ key: key === null ? null : decoder.decode(key), headers: headers.slice(), offset });
  }

  flush(): void {}

  closed(error: BrokerError): void {
    throw error;
  }
}

const ALL = { automaticAck: true, credit: 100_000 };

describe('publishing to exchanges', () => {
  test('every queue sees the messages of each publisher in order, none lost and none twice, whatever routes they take', async () => {
    const step = fc.record({
      shard: fc.nat(2),
      route: fc.nat(4),
      persistent: fc.boolean(),
      size: fc.constantFrom(1, 1, 1, 90_000),
      rest: fc.integer({ min: 0, max: 5 }),
      congest: fc.option(fc.record({ from: fc.nat(2), to: fc.nat(2), on: fc.boolean() }), { nil: undefined, freq: 6 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(fc.nat(5), { maxLength: 6 }), { minLength: 5, maxLength: 5 }),
        fc.array(step, { maxLength: 60 }),
        async (routes, steps) => {
          const world = await BrokerWorld.start(3);
          const names = ['a', 'b', 'c', 'd', 'v', 'w'];
          for (const name of names.slice(0, 4)) await world.declare(name, 1);
          await world.declareVolatile('v', 0);
          await world.declareVolatile('w', 2);
          const bindings = routes.flatMap((queues, route) =>
            [...new Set(queues)].map((queue) => [names[queue]!, `${route}`] as const),
          );
          world.exchange('x', 'direct', bindings);
          const expected = new Map(names.map((name) => [name, [[], [], []] as string[][]]));
          const outcomes = [0, 1, 2].map(() => new Outcomes());
          const readers = new Map(names.map((name) => [name, new Reader()]));
          for (const [name, reader] of readers) {
            world.shards[name.charCodeAt(0) % 3]!.broker.consume(world.catalog.topic(name)!, ALL, reader);
          }
          for (const [number, { shard, route, persistent, size, rest, congest }] of steps.entries()) {
            if (congest !== undefined && congest.from !== congest.to) {
              world.shards[congest.from]!.links.get(congest.to)!.isCongested = congest.on;
            }
            const body = `${shard}/${number}/`.padEnd(size, '.');
            const { broker } = world.shards[shard]!;
            const sent = message('x', `${route}`, body, persistent);
            outcomes[shard]!.add(number, broker.publishRouted(DEFAULT_VHOST, sent, number, outcomes[shard]!));
            for (const queue of new Set(routes[route])) expected.get(names[queue]!)![shard]!.push(body);
            if (rest === 0) await world.rest();
          }
          for (const { links } of world.shards) for (const link of links.values()) link.isCongested = false;
          await world.rest();
          await world.rest();
          for (const [name, { bodies }] of readers) {
            for (const shard of [0, 1, 2]) {
              expect(bodies.filter((body) => body.startsWith(`${shard}/`))).toEqual(expected.get(name)![shard]);
            }
          }
          expect(outcomes.flatMap(({ open }) => open)).toEqual([]);
          expect(outcomes.flatMap(({ failures }) => failures)).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('the queues of one owner share one request and one outcome; the levels are those of message and queue', async () => {
    const world = await BrokerWorld.start(2);
    const queues = [];
    for (const name of ['q0', 'q1', 'q2', 'q3']) queues.push(await world.declare(name, 1));
    await world.declareVolatile('v', 0);
    world.exchange('all', 'fanout', [...queues.map(({ name }) => [name, ''] as const), ['v', '']]);
    world.exchange('memory', 'fanout', [['v', '']]);
    const outcomes = new Outcomes();
    const { broker } = world.shards[0]!;
    expect(broker.publishRouted(DEFAULT_VHOST, message('all', 'k', 'one', true), 1, outcomes)).toBe(2);
    expect(broker.publishRouted(DEFAULT_VHOST, message('memory', 'k', 'two', true), 2, outcomes)).toBe(1);
    await world.rest();
    const { disk, memory } = DurabilityLevel;
    // The group of the volatile queue has reached what the least of its logs can.
    expect(outcomes.reached.sort()).toEqual([memory, memory, disk]);
    const readers = [];
    for (const { name } of [...queues, { name: 'v' }]) {
      const reader = new Reader();
      broker.consume(world.catalog.topic(name)!, ALL, reader);
      readers.push(reader);
    }
    await world.rest();
    expect(readers.map(({ bodies }) => bodies)).toEqual([['one'], ['one'], ['one'], ['one'], ['one', 'two']]);
  });

  test('the record says where it was published: envelope, key, and no BCC', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('q', 1);
    await world.declare('blind', 1);
    world.exchange('x', 'direct', [
      ['q', 'k'],
      ['blind', 'other'],
    ]);
    const headers = new Map([
      ['BCC', { type: 'array', value: [{ type: 'longstr', value: encoder.encode('other') }] }],
    ] as const);
    const properties = encodeProperties({ contentType: 'text/plain', headers });
    const { broker } = world.shards[0]!;
    const outcomes = new Outcomes();
    expect(broker.publishRouted(DEFAULT_VHOST, { ...message('x', 'k', 'hi'), properties }, 1, outcomes)).toBe(1);
    expect(broker.publishRouted(DEFAULT_VHOST, message('', 'q', 'direct'), 2, outcomes)).toBe(1);
    const reader = new Reader();
    broker.consume(queue, ALL, reader);
    const copies = new Reader();
    broker.consume(world.catalog.topic('blind')!, ALL, copies);
    await world.rest();
    expect([reader.bodies, copies.bodies]).toEqual([['hi', 'direct'], ['hi']]);
    expect(reader.records.map(({ key }) => key)).toEqual(['k', null]);
    const envelope = readEnvelope(reader.records[0]!.headers)!;
    expect([envelope.exchange, envelope.routingKey]).toEqual(['x', 'k']);
    expect(decoder.decode(envelope.properties)).toContain('text/plain');
    expect(decoder.decode(envelope.properties)).not.toContain('BCC');
    expect(envelope.blindKeys).toEqual(['other']);
  });

  test('a topic with several partitions gets each key in one of them', async () => {
    const world = await BrokerWorld.start(2);
    const topic = await world.declare('t', 4, { kind: 'topic' });
    world.exchange('x', 'fanout', [['t', '']]);
    const outcomes = new Outcomes();
    for (let index = 0; index < 40; index++) {
      const sent = message('x', `key${index % 8}`, `${index}`);
      outcomes.add(index, world.shards[1]!.broker.publishRouted(DEFAULT_VHOST, sent, index, outcomes));
      expect(outcomes.expected.get(index)).toBe(1);
    }
    await world.rest();
    const ends = topic.partitions.map(({ partition }) => world.shards[0]!.broker.bounds(topic, partition).end);
    expect(ends.reduce((sum, end) => sum + end)).toBe(40);
    expect(ends.every((end) => end % 5 === 0)).toBe(true);
    expect(ends.filter((end) => end > 0).length).toBeGreaterThan(1);
    expect(outcomes.open).toEqual([]);
  });

  test('nobody wants it: no outcome; an unknown exchange is an error', async () => {
    const world = await BrokerWorld.start(1);
    const { broker } = world.shards[0]!;
    world.exchange('x', 'fanout', []);
    expect(broker.publishRouted(DEFAULT_VHOST, message('x', 'k', 'a'), 1, new Outcomes())).toBe(0);
    expect(() => broker.publishRouted(DEFAULT_VHOST, message('y', 'k', 'a'), 1, new Outcomes())).toThrow(
      "no exchange 'y' in vhost '/'",
    );
  });

  test('one full queue of several makes the publish a failure, and the others have the message', async () => {
    const world = await BrokerWorld.start(2);
    for (const name of ['a', 'b', 'c', 'd']) await world.declare(name, 1);
    world.exchange('x', 'fanout', [
      ['a', ''],
      ['b', ''],
      ['c', ''],
      ['d', ''],
    ]);
    const full = world.catalog.topic('c')!.partitions[0]!.logId;
    world.ownerOf(full).broker.owner.get(full)!.policies = {
      admit: () => new BrokerError('queue-full', 'Full'),
      hasSingleActive: false,
      notAppended: () => undefined,
      appended: () => undefined,
      withdrawn: () => undefined,
      visible: () => undefined,
      beginTurn: () => true,
      mayDeliver: () => 'deliver',
      delivered: () => undefined,
      endTurn: () => undefined,
      takeBack: () => undefined,
      acknowledged: () => undefined,
      purged: () => undefined,
      consumersChanged: () => undefined,
      used: () => undefined,
      close: () => undefined,
    };
    const outcomes = new Outcomes();
    const { broker } = world.shards[(full + 1) % 2]!;
    outcomes.add(1, broker.publishRouted(DEFAULT_VHOST, message('x', '', 'hi', true), 1, outcomes));
    await world.rest();
    expect(outcomes.open).toEqual([]);
    expect(outcomes.failures.map(({ code }) => code)).toEqual(['queue-full']);
    const counts = await Promise.all(
      ['a', 'b', 'c', 'd'].map((name) => world.settle(broker.counts(world.catalog.topic(name)!))),
    );
    expect(counts.map(({ ready }) => ready)).toEqual([1, 1, 0, 1]);
  });
});

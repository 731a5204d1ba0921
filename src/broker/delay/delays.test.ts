import { describe, expect, test } from 'vitest';
import { Prng } from '../../base/prng.js';
import { encodeUtf8 } from '../../base/utf8.js';
import { readEnvelope } from '../../record/amqp/envelope.js';
import type { FieldValue } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties, readProperties } from '../../record/amqp/properties.js';
import type { BrokerError } from '../errors.js';
import { DEFAULT_VHOST, INTERNAL_VHOST, type RoutedMessage } from '../model.js';
import type { PublishListener, TopicEntry } from '../ports.js';
import { DelayWorld } from './fixtures/delay-world.js';
import { DELAY_MS_MAX, UNPLACED_MAX } from './limits.js';

class Outcomes implements PublishListener {
  readonly confirmed: number[] = [];
  readonly failed: { token: number; error: BrokerError }[] = [];

  published(token: number): void {
    this.confirmed.push(token);
  }

  publishFailed(token: number, error: BrokerError): void {
    this.failed.push({ token, error });
  }
}

function delayed(delay: FieldValue | number | undefined, more: BasicProperties = {}): Uint8Array {
  if (delay === undefined) return encodeProperties(more);
  const value = typeof delay === 'number' ? ({ type: 'int32', value: delay } as const) : delay;
  return encodeProperties({ ...more, headers: new Map([['x-delay', value], ...(more.headers ?? [])]) });
}

function message(
  exchange: string,
  routingKey: string,
  body: string,
  properties: Uint8Array,
  more: Partial<RoutedMessage> = {},
): RoutedMessage {
  return { exchange, routingKey, properties, body: encodeUtf8(body), persistent: true, ...more };
}

async function worldWith(shards = 2): Promise<{ world: DelayWorld; queue: TopicEntry; outcomes: Outcomes }> {
  const world = await DelayWorld.start(shards);
  const queue = await world.queue('q');
  await world.exchange('later', ['q']);
  return { world, queue, outcomes: new Outcomes() };
}

function bodies(world: DelayWorld, queue: TopicEntry): string[] {
  return world.messages(queue).map(({ body }) => body);
}

describe('delayed messages', () => {
  test('the first ones wait until their log has been made, and fire by time, not by order of publish', async () => {
    const { world, queue, outcomes } = await worldWith();
    const publish = (body: string, delay: number): number =>
      world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', body, delayed(delay)), delay, outcomes);
    expect(publish('late', 2000)).toBe(1);
    expect(publish('early', 1000)).toBe(1);
    expect(publish('soon', 0)).toBe(1);
    await world.rest();
    expect(outcomes.confirmed.sort((a, b) => a - b)).toEqual([0, 1000, 2000]);
    expect(bodies(world, queue)).toEqual(['soon']);
    expect(await world.settle(world.broker.delayedCounts(DEFAULT_VHOST, 'later'))).toEqual({
      held: 2,
      nextFireMs: world.messages(queue)[0]!.timestampMs + 1000,
    });
    await world.clock.advanceAsync(999);
    expect(bodies(world, queue)).toEqual(['soon']);
    await world.clock.advanceAsync(10);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['soon', 'early']);
    await world.clock.advanceAsync(1000);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['soon', 'early', 'late']);
    expect(world.held()).toBe(0);
    expect(await world.settle(world.broker.delayedCounts(DEFAULT_VHOST))).toEqual({ held: 0, nextFireMs: -1 });
    // Nobody sees the topic, or its virtual host.
    expect([...world.broker.topics()].map(({ name }) => name)).toEqual(['q']);
    expect(world.broker.hasVhost(INTERNAL_VHOST)).toBe(false);
  });

  test.each<[string, FieldValue | number | undefined, boolean]>([
    ['int32', 500, true],
    ['int64', { type: 'int64', value: 500n }, true],
    ['text of a number', { type: 'longstr', value: encodeUtf8('500') }, true],
    ['double', { type: 'double', value: 500.9 }, true],
    ['the longest', { type: 'int64', value: BigInt(DELAY_MS_MAX) }, true],
    ['beyond the longest', { type: 'int64', value: BigInt(DELAY_MS_MAX + 1) }, false],
    ['negative', -500, false],
    ['zero', 0, false],
    ['absent', undefined, false],
    ['text', { type: 'longstr', value: encodeUtf8('soon') }, false],
    ['boolean', { type: 'boolean', value: true }, false],
  ])('x-delay as %s', async (_name, delay, isHeld) => {
    const { world, queue, outcomes } = await worldWith(1);
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'm', delayed(delay)), 1, outcomes);
    await world.rest();
    expect(outcomes.confirmed).toEqual([1]);
    expect(bodies(world, queue)).toEqual(isHeld ? [] : ['m']);
    expect(world.held()).toBe(isHeld ? 1 : 0);
  });

  test('what fires carries what was published, with x-delay negated', async () => {
    const { world, queue, outcomes } = await worldWith();
    const headers = new Map<string, FieldValue>([['kept', { type: 'longstr', value: encodeUtf8('yes') }]]);
    const properties = delayed(1500, { headers, messageId: 'id', contentType: 'text/plain', deliveryMode: 2 });
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'm', properties), 1, outcomes);
    await world.rest();
    await world.clock.advanceAsync(1600);
    await world.rest();
    const [fired] = world.messages(queue);
    const envelope = readEnvelope(fired!.headers)!;
    expect(envelope).toMatchObject({ exchange: 'later', routingKey: 'q' });
    const read = readProperties(envelope.properties);
    expect(read).toMatchObject({ messageId: 'id', contentType: 'text/plain', deliveryMode: 2 });
    expect(read.headers?.get('x-delay')).toEqual({ type: 'int32', value: -1500 });
    expect(read.headers?.get('kept')).toEqual(headers.get('kept'));
  });

  test.each(['binding', 'alternate'])('an exchange that delays holds what comes to it by a %s', async (way) => {
    const { world, queue, outcomes } = await worldWith();
    const direct = await world.queue('direct');
    await world.bind('later', 'q', 'queue', 'k');
    const plain = { type: 'fanout', routesAs: 'fanout' } as const;
    await world.exchange('front', [], way === 'binding' ? plain : { ...plain, alternate: 'later' });
    if (way === 'binding') {
      await world.bind('front', 'later', 'exchange');
      await world.bind('front', 'direct');
    }
    const publish = (body: string, delay: number | undefined): number =>
      world.broker.publishRouted(DEFAULT_VHOST, message('front', 'k', body, delayed(delay)), delay ?? 0, outcomes);
    const ways = way === 'binding' ? 2 : 1;
    expect(publish('at once', undefined)).toBe(ways);
    expect(publish('later', 700)).toBe(ways);
    await world.rest();
    expect(outcomes.confirmed.length).toBe(2 * ways);
    expect(bodies(world, queue)).toEqual(['at once']);
    expect(bodies(world, direct)).toEqual(way === 'binding' ? ['at once', 'later'] : []);
    const count = (exchange: string) => world.settle(world.broker.delayedCounts(DEFAULT_VHOST, exchange));
    expect([(await count('later')).held, (await count('front')).held]).toEqual([1, 0]);
    await world.restart('power', new Prng(7), 3);
    expect((await count('later')).held).toBe(1);
    await world.clock.advanceAsync(800);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['at once', 'later']);
    expect(bodies(world, direct)).toEqual(way === 'binding' ? ['at once', 'later'] : []);
    const envelope = readEnvelope(world.messages(queue)[1]!.headers)!;
    expect(envelope).toMatchObject({ exchange: 'front', routingKey: 'k' });
    expect(readProperties(envelope.properties).headers?.get('x-delay')).toEqual({ type: 'int32', value: -700 });
  });

  test('what one of two exchanges on the way has no room for, the other does not hold either', async () => {
    const { world, outcomes } = await worldWith(1);
    await world.exchange('front', [], { type: 'fanout', routesAs: 'fanout' });
    await world.exchange('later too', ['q']);
    for (const exchange of ['later', 'later too']) await world.bind('front', exchange, 'exchange');
    const publish = (exchange: string): number =>
      world.broker.publishRouted(DEFAULT_VHOST, message(exchange, 'k', 'm', delayed(500)), 1, outcomes);
    // The internal topic is not there yet.
    for (let count = 1; count < UNPLACED_MAX; count++) publish('later');
    expect(() => publish('front')).toThrow(expect.objectContaining({ code: 'limit-exceeded' }));
    await world.rest();
    expect(world.held()).toBe(UNPLACED_MAX - 1);
    expect(publish('front')).toBe(2);
    await world.rest();
    expect(world.held()).toBe(UNPLACED_MAX + 1);
  });

  test('what an exchange has got over another one is cancelled, and dropped, by its own name', async () => {
    const { world, queue, outcomes } = await worldWith(1);
    await world.bind('later', 'q', 'queue', 'k');
    await world.exchange('front', [], { type: 'fanout', routesAs: 'fanout' });
    await world.bind('front', 'later', 'exchange');
    const publish = (messageId: string): number => {
      const properties = delayed(500, { messageId });
      return world.broker.publishRouted(DEFAULT_VHOST, message('front', 'k', messageId, properties), 1, outcomes);
    };
    for (const id of ['a', 'b', 'c']) expect(publish(id)).toBe(1);
    await world.rest();
    expect(await world.settle(world.broker.cancelDelayed(DEFAULT_VHOST, 'front', 'a'))).toBe(0);
    expect(await world.settle(world.broker.cancelDelayed(DEFAULT_VHOST, 'later', 'a'))).toBe(1);
    expect(world.held()).toBe(2);
    await world.deleteExchange('later');
    await world.rest();
    await world.clock.advanceAsync(600);
    await world.rest();
    expect(bodies(world, queue)).toEqual([]);
    expect(world.held()).toBe(0);
  });

  test('a publisher may delay without an exchange that does, by time or by delay', async () => {
    const { world, queue, outcomes } = await worldWith();
    const plain = encodeProperties({});
    const nowMs = world.clock.nowMs();
    const publish = (body: string, more: Partial<RoutedMessage>): number =>
      world.broker.publishRouted(DEFAULT_VHOST, message('', 'q', body, plain, more), 1, outcomes);
    publish('b', { delayMs: 300 });
    publish('a', { deliverAtMs: nowMs + 200 });
    publish('now', { deliverAtMs: nowMs - 5 });
    expect(() => publish('never', { delayMs: DELAY_MS_MAX + 1 })).toThrow('Cannot delay a message');
    expect(() =>
      world.broker.publishRouted(DEFAULT_VHOST, message('gone', 'q', 'x', plain, { delayMs: 5 }), 1, outcomes),
    ).toThrow("no exchange 'gone'");
    await world.rest();
    expect(bodies(world, queue)).toEqual(['now']);
    await world.clock.advanceAsync(400);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['now', 'a', 'b']);
  });

  test('no message fires early when the clock is set back, and all that is due does when it is set forward', async () => {
    const { world, queue, outcomes } = await worldWith(1);
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'm', delayed(1000)), 1, outcomes);
    await world.rest();
    world.clock.jumpWall(-10_000);
    await world.clock.advanceAsync(10_900);
    await world.rest();
    expect(bodies(world, queue)).toEqual([]);
    await world.clock.advanceAsync(110);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['m']);
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'n', delayed(3_600_000)), 2, outcomes);
    await world.rest();
    world.clock.jumpWall(3_600_000);
    await world.clock.advanceAsync(300);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['m', 'n']);
  });

  test('cancel takes out what has the id, near and far in the index, durably', async () => {
    const world = await DelayWorld.start(2, { nearEntriesMax: 16, scannedPerTurn: 7 });
    const queue = await world.queue('q');
    await world.exchange('later', ['q']);
    await world.exchange('other', ['q']);
    const outcomes = new Outcomes();
    const publish = (exchange: string, id: string, delay: number): void => {
      const properties = delayed(delay, { messageId: id });
      world.broker.publishRouted(
        DEFAULT_VHOST,
        message(exchange, 'q', `${exchange} ${id} ${delay}`, properties),
        1,
        outcomes,
      );
    };
    for (let index = 0; index < 60; index++) publish('later', index % 20 === 3 ? 'wanted' : `id${index}`, 1000 + index);
    publish('other', 'wanted', 1000);
    await world.rest();
    expect(await world.settle(world.broker.cancelDelayed(DEFAULT_VHOST, 'later', 'nobody'))).toBe(0);
    expect(await world.settle(world.broker.cancelDelayed(DEFAULT_VHOST, 'later', 'wanted'))).toBe(3);
    expect(await world.settle(world.broker.cancelDelayed(DEFAULT_VHOST, 'later', 'wanted'))).toBe(0);
    expect((await world.settle(world.broker.delayedCounts(DEFAULT_VHOST, 'later'))).held).toBe(57);
    await world.restart('power', new Prng(1), 3);
    await world.clock.advanceAsync(3000);
    await world.rest();
    const fired = bodies(world, queue);
    expect(fired).toHaveLength(58);
    expect(fired.filter((body) => body.startsWith('later wanted'))).toEqual([]);
  });

  test('an exchange that is deleted takes what it holds along; one of the same name begins with nothing', async () => {
    const world = await DelayWorld.start(2, { nearEntriesMax: 16, scannedPerTurn: 7 });
    const queue = await world.queue('q');
    for (const name of ['later', 'other']) await world.exchange(name, ['q']);
    const outcomes = new Outcomes();
    const publish = (exchange: string, body: string, delay: number): void => {
      world.broker.publishRouted(DEFAULT_VHOST, message(exchange, 'q', body, delayed(delay)), 1, outcomes);
    };
    for (let index = 0; index < 50; index++) publish('later', 'old', 1000 + index);
    publish('other', 'kept', 1000);
    await world.rest();
    await world.deleteExchange('later');
    await world.exchange('later', ['q']);
    publish('later', 'new', 500);
    await world.rest();
    expect((await world.settle(world.broker.delayedCounts(DEFAULT_VHOST, 'later'))).held).toBe(1);
    expect(world.held()).toBe(2);
    await world.clock.advanceAsync(3000);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['new', 'kept']);
  });

  test('what belongs to an exchange that is not there after a start is dropped', async () => {
    const world = await DelayWorld.start(1);
    const queue = await world.queue('q');
    await world.exchange('passing', ['q'], { durable: false });
    world.broker.publishRouted(DEFAULT_VHOST, message('passing', 'q', 'm', delayed(100)), 1, new Outcomes());
    await world.rest();
    await world.restart('kill', new Prng(1), 1);
    await world.rest();
    expect(world.held()).toBe(0);
    await world.clock.advanceAsync(3000);
    expect(bodies(world, queue)).toEqual([]);
  });

  test('a message that no queue wants when it fires is done with', async () => {
    const { world, outcomes } = await worldWith(1);
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'nobody', 'm', delayed(100)), 1, outcomes);
    await world.rest();
    expect(world.held()).toBe(1);
    await world.clock.advanceAsync(300);
    await world.rest();
    expect(world.held()).toBe(0);
  });

  test('messages of a transaction are held with its commit, also by a shard that does not own their log', async () => {
    const { world, queue } = await worldWith(2);
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'first', delayed(100)), 1, new Outcomes());
    await world.rest();
    for (const [index, { broker }] of world.shards.entries()) {
      const publishes = [
        message('later', 'q', `late ${index}`, delayed(3000 + index)),
        message('later', 'q', `early ${index}`, delayed(2000 + index)),
      ];
      const done = new Promise((resolve) => {
        broker.transactions.commit({ vhost: DEFAULT_VHOST, publishes, settles: [] }, (error) => resolve(error));
      });
      expect(await world.settle(done)).toBeUndefined();
    }
    const failing = [message('later', 'q', 'never', delayed(1)), message('nowhere', 'q', 'x', delayed(1))];
    const failed = new Promise((resolve) => {
      world.broker.transactions.commit({ vhost: DEFAULT_VHOST, publishes: failing, settles: [] }, (e) => resolve(e));
    });
    expect(await world.settle(failed)).toMatchObject({ code: 'not-found' });
    expect(world.held()).toBe(5);
    await world.clock.advanceAsync(5000);
    await world.rest();
    expect(bodies(world, queue)).toEqual(['first', 'early 0', 'early 1', 'late 0', 'late 1']);
    expect(world.held()).toBe(0);
  });

  test('when the internal topic cannot be made, the publisher hears why', async () => {
    const { world, outcomes } = await worldWith(1);
    world.control.declare = () => Promise.reject(new Error('no room'));
    world.broker.publishRouted(DEFAULT_VHOST, message('later', 'q', 'm', delayed(100)), 7, outcomes);
    await world.rest();
    expect(outcomes.failed).toMatchObject([{ token: 7, error: { message: expect.stringContaining('no room') } }]);
  });
});

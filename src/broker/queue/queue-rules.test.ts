import { beforeEach, describe, expect, it } from 'vitest';
import { encodeUtf8 } from '../../base/utf8.js';
import { textOf } from '../../record/amqp/field-table.js';
import { encodeProperties, readProperties } from '../../record/amqp/properties.js';
import { DEFAULT_VHOST } from '../model.js';
import { SettleOutcome } from '../ports.js';
import { QueueWorld, type Taken } from './fixtures.js';
import { DEAD_LETTER_CREDIT } from './limits.js';

let world: QueueWorld;
beforeEach(async () => {
  world = await QueueWorld.start();
});

const DEAD = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
const bodies = (taken: readonly Taken[]): string[] => taken.map(({ body }) => body);

function reasonOf({ envelope }: Taken): string | undefined {
  return textOf(readProperties(envelope!.properties).headers?.get('x-last-death-reason'));
}

describe('expiry', () => {
  it('takes messages away when their time is over, although nobody consumes', async () => {
    const queue = await world.declare('q', { 'x-message-ttl': 100 });
    await world.publish(queue, 'a');
    await world.wait(60);
    await world.publish(queue, 'b');
    await world.wait(39);
    expect(world.ready(queue)).toBe(2);
    await world.wait(1);
    expect(world.ready(queue)).toBe(1);
    expect(bodies(await world.drain(queue))).toEqual(['b']);
    await world.wait(100);
    expect(world.engine(queue).counters.expired).toBe(1);
    expect(world.engine(queue).counters.dropped.expired).toBe(1);
  });

  it('takes the shorter of the queue’s time and the message’s own', async () => {
    const queue = await world.declare('q', { 'x-message-ttl': 100 });
    await world.publish(queue, 'short', { expiration: '20' });
    await world.publish(queue, 'long', { expiration: '5000' });
    await world.wait(21);
    expect(world.ready(queue)).toBe(1);
    await world.wait(79);
    expect(world.ready(queue)).toBe(0);
  });

  it('looks at the head alone, as RabbitMQ does: what waits behind a longer one stays until it is the head', async () => {
    const queue = await world.declare('q');
    await world.publish(queue, 'long', { expiration: '1000' });
    await world.publish(queue, 'short', { expiration: '10' });
    await world.wait(500);
    expect(world.ready(queue)).toBe(2);
    expect(bodies(await world.drain(queue))).toEqual(['long']);
  });

  it('never delivers what is expired, and delivers without time to live what a consumer can take at once', async () => {
    const queue = await world.declare('q', { 'x-message-ttl': 0 });
    await world.publish(queue, 'nobody here');
    expect(world.ready(queue)).toBe(0);
    const taker = await world.consume(queue, { credit: 1 });
    await world.publish(queue, 'at once');
    expect(taker.bodies).toEqual(['at once']);
    await world.publish(queue, 'busy');
    expect(world.ready(queue)).toBe(0);
    taker.handle?.settle(0, [taker.taken[0]!.offset], SettleOutcome.acknowledge);
    await world.publish(queue, 'free again');
    expect(taker.bodies).toEqual(['at once', 'free again']);
  });

  it('keeps the time of what comes back', async () => {
    const queue = await world.declare('q', { 'x-message-ttl': 100 });
    const taker = await world.consume(queue);
    await world.publish(queue, 'a');
    await world.wait(150);
    expect(world.unacknowledged(queue)).toBe(1);
    taker.handle?.settle(0, [0], SettleOutcome.requeue);
    await world.world.rest();
    expect(taker.bodies).toEqual(['a']);
    expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
  });
});

describe('dead letters', () => {
  it('go to the exchange with their history, and leave their queue when they have arrived', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', { ...DEAD, 'x-message-ttl': 50 });
    await world.publish(queue, 'a', { expiration: '30', contentType: 'text/plain' });
    await world.wait(60);
    expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
    const [letter] = await world.drain(dead);
    expect(letter?.body).toBe('a');
    const properties = readProperties(letter!.envelope!.properties);
    expect(properties.expiration).toBeUndefined();
    expect(properties.contentType).toBe('text/plain');
    expect(letter!.envelope).toMatchObject({ exchange: '', routingKey: 'dead' });
    expect(letter!.envelope?.origin).toEqual({ vhost: '/', queue: 'q', partition: 0, offset: 0, reason: 'expired' });
    expect(world.engine(queue).counters.deadLettered.expired).toBe(1);
  });

  it('are what a consumer rejects, and not what it gives back', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', DEAD);
    const taker = await world.consume(queue, { credit: 3 });
    for (const body of ['a', 'b', 'c']) await world.publish(queue, body);
    taker.handle?.settle(0, [0, 2], SettleOutcome.discard);
    taker.handle?.settle(0, [1], SettleOutcome.requeue);
    await world.world.rest();
    const letters = await world.drain(dead);
    expect(bodies(letters)).toEqual(['a', 'c']);
    expect(letters.map(reasonOf)).toEqual(['rejected', 'rejected']);
    expect(taker.bodies).toEqual(['a', 'b', 'c', 'b']);
  });

  it('are dropped when nobody wants them, or their exchange does not exist', async () => {
    const nobody = await world.declare('nobody', { ...DEAD, 'x-message-ttl': 10 });
    const missing = await world.declare('missing', { 'x-dead-letter-exchange': 'none', 'x-message-ttl': 10 });
    await world.publish(nobody, 'a');
    await world.publish(missing, 'b');
    await world.wait(20);
    expect(world.ready(nobody) + world.unacknowledged(nobody)).toBe(0);
    expect(world.ready(missing) + world.unacknowledged(missing)).toBe(0);
    expect(world.engine(nobody).counters).toMatchObject({ lostDeadLetters: 1, missingExchange: 0 });
    expect(world.engine(missing).counters).toMatchObject({ lostDeadLetters: 1, missingExchange: 1 });
  });

  it('wait for somebody who wants them where they must arrive at least once', async () => {
    const queue = await world.declare('q', { ...DEAD, 'x-dead-letter-strategy': 'at-least-once', 'x-message-ttl': 10 });
    await world.publish(queue, 'a');
    await world.wait(3000);
    expect(world.unacknowledged(queue)).toBe(1);
    const dead = await world.declare('dead');
    await world.wait(1000);
    expect(world.unacknowledged(queue)).toBe(0);
    expect(bodies(await world.drain(dead))).toEqual(['a']);
  });

  it('are in flight in bounded number: the others stay where they are', async () => {
    const queue = await world.declare('q', { ...DEAD, 'x-dead-letter-strategy': 'at-least-once', 'x-message-ttl': 50 });
    for (let index = 0; index < 1000; index++) world.send(queue, `${index}`);
    await world.wait(5000);
    expect(world.unacknowledged(queue)).toBe(DEAD_LETTER_CREDIT);
    expect(world.ready(queue)).toBe(1000 - DEAD_LETTER_CREDIT);
    const taker = await world.consume(queue);
    expect(taker.taken).toEqual([]);
  });

  it('go to the keys of BCC, which nobody sees, as long as no queue gives them a key of its own', async () => {
    const keys = (...names: string[]) =>
      ({ type: 'array', value: names.map((name) => ({ type: 'longstr', value: encodeUtf8(name) }) as const) }) as const;
    const args = { 'x-dead-letter-exchange': 'dlx', 'x-message-ttl': 10 };
    const first = await world.declare('first', args);
    const second = await world.declare('second', args);
    const [open, blind, named] = [
      await world.declare('open'),
      await world.declare('blind'),
      await world.declare('named'),
    ];
    // What dies in `first` goes to `second` as well, and dies there.
    const bindings = ['first', 'hidden'].flatMap((key) => [['second', key] as const]);
    world.world.exchange('dlx', 'direct', [...bindings, ['open', 'first'], ['blind', 'hidden'], ['named', 'named']]);
    await world.publish(first, 'a', { headers: new Map([['BCC', keys('hidden')]]) });
    for (let round = 0; round < 6; round++) await world.wait(20);
    const letters = await world.drain(blind);
    // Of `first`, and of `second`: its letters know the key still.
    expect(letters.map(reasonOf)).toEqual(['expired', 'expired']);
    expect(bodies(await world.drain(open))).toEqual(['a', 'a']);
    for (const { envelope } of letters) {
      expect(readProperties(envelope!.properties).headers?.has('BCC')).toBe(false);
      const events = readProperties(envelope!.properties).headers?.get('x-death');
      expect(JSON.stringify(events, (_key, value) => (typeof value === 'bigint' ? `${value}` : value))).not.toContain(
        Buffer.from('hidden').toJSON().data.join(','),
      );
    }
    expect(world.ready(second)).toBe(0);
    const keyed = await world.declare('keyed', { ...args, 'x-dead-letter-routing-key': 'named' });
    await world.publish(keyed, 'b', { headers: new Map([['BCC', keys('hidden')]]) });
    await world.wait(20);
    expect(bodies(await world.drain(named))).toEqual(['b']);
    expect(bodies(await world.drain(blind))).toEqual([]);
  });

  it('do not go round in circles by themselves', async () => {
    const queue = await world.declare('dead', { ...DEAD, 'x-message-ttl': 10 });
    await world.publish(queue, 'a');
    for (let round = 0; round < 5; round++) await world.wait(20);
    expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
    expect(world.engine(queue).counters.lostDeadLetters).toBe(1);
  });

  it('may come back to where they were rejected', async () => {
    const queue = await world.declare('dead', DEAD);
    const taker = await world.consume(queue);
    await world.publish(queue, 'a');
    taker.handle?.settle(0, [0], SettleOutcome.discard);
    await world.world.rest();
    expect(taker.bodies).toEqual(['a', 'a']);
  });

  it('are many more than may be on their way at once, and come in order', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', { ...DEAD, 'x-message-ttl': 50 });
    const sent = Array.from({ length: 2000 }, (_, index) => `${index}`);
    for (const body of sent) world.send(queue, body);
    await world.world.rest();
    await world.wait(60);
    for (let round = 0; round < 50 && world.ready(queue) > 0; round++) await world.wait(1);
    expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
    const taker = await world.consume(dead, { automaticAck: true, credit: 5000 });
    expect(taker.bodies).toEqual(sent);
  });
});

describe('lengths', () => {
  it('drop the oldest messages, which are dead then', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', { ...DEAD, 'x-max-length': 3 });
    for (const body of ['a', 'b', 'c', 'd', 'e']) world.send(queue, body);
    await world.world.rest();
    expect(bodies(await world.drain(queue))).toEqual(['c', 'd', 'e']);
    const letters = await world.drain(dead);
    expect(bodies(letters)).toEqual(['a', 'b']);
    expect(letters.map(reasonOf)).toEqual(['maxlen', 'maxlen']);
  });

  it('do not count what a consumer can take at once, nor what it holds', async () => {
    const queue = await world.declare('q', { 'x-max-length': 1 });
    const taker = await world.consume(queue, { credit: 3 });
    for (const body of ['a', 'b', 'c', 'd', 'e']) world.send(queue, body);
    await world.world.rest();
    expect(taker.bodies).toEqual(['a', 'b', 'c']);
    expect(bodies(await world.drain(queue))).toEqual(['e']);
  });

  it('count the bytes of bodies that wait', async () => {
    const queue = await world.declare('q', { 'x-max-length-bytes': 10 });
    for (const body of ['aaaa', 'bbbb', 'cccc']) await world.publish(queue, body);
    expect(world.ready(queue)).toBe(2);
    const held = await world.get(queue, false);
    expect(held?.body).toBe('bbbb');
    await world.publish(queue, 'dddddd');
    expect(world.ready(queue)).toBe(2);
    world.poll(queue).handle.settle(0, [held!.offset], SettleOutcome.requeue);
    await world.world.rest();
    // It came back to its old place, and there it is the oldest.
    expect(bodies(await world.drain(queue))).toEqual(['cccc', 'dddddd']);
  });

  it('take no more when enough has expired', async () => {
    const queue = await world.declare('q', { 'x-max-length-bytes': 25 });
    await world.publish(queue, 'first!');
    await world.publish(queue, 'second', { expiration: '20' });
    await world.wait(30);
    for (const body of ['third body', 'fourth one']) await world.publish(queue, body);
    expect(bodies(await world.drain(queue))).toEqual(['third body', 'fourth one']);
    const { dropped } = world.engine(queue).counters;
    expect([dropped.maxlen, dropped.expired]).toEqual([1, 1]);
  });

  it('refuse what is too much where that is wanted', async () => {
    const queue = await world.declare('q', { 'x-max-length': 2, 'x-overflow': 'reject-publish' });
    for (const body of ['a', 'b', 'c']) await world.publish(queue, body);
    expect(world.failures.map(({ error }) => error.code)).toEqual(['queue-full']);
    expect(bodies(await world.drain(queue))).toEqual(['a', 'b']);
    await world.publish(queue, 'd');
    expect(bodies(await world.drain(queue))).toEqual(['d']);
    expect(world.engine(queue).counters.refused).toBe(1);
  });

  it('refuse the messages that are too much, and not others that came with them', async () => {
    const queue = await world.declare('q', { 'x-max-length': 2, 'x-overflow': 'reject-publish' });
    for (const body of ['a', 'b', 'c', 'd']) world.send(queue, body);
    await world.world.rest();
    expect(world.failures).toHaveLength(2);
    expect(bodies(await world.drain(queue))).toEqual(['a', 'b']);
  });

  it('refuse and send what is too much to the dead', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', { ...DEAD, 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx' });
    for (const body of ['a', 'b']) await world.publish(queue, body);
    expect(world.failures).toHaveLength(1);
    const letters = await world.drain(dead);
    expect(bodies(letters)).toEqual(['b']);
    expect(letters.map(reasonOf)).toEqual(['maxlen']);
  });
});

describe('a delivery limit', () => {
  it('takes what came back more often', async () => {
    const dead = await world.declare('dead');
    const queue = await world.declare('q', { ...DEAD, 'x-queue-type': 'quorum', 'x-delivery-limit': 2 });
    const taker = await world.consume(queue, { credit: 1 });
    await world.publish(queue, 'a');
    for (let round = 0; round < 3; round++) {
      taker.handle?.settle(0, [0], SettleOutcome.requeue);
      await world.world.rest();
    }
    expect(taker.taken.map(({ deliveryCount }) => deliveryCount)).toEqual([0, 1, 2]);
    const letters = await world.drain(dead);
    expect(letters.map(reasonOf)).toEqual(['delivery_limit']);
    expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
  });
});

describe('what comes back to a full queue', () => {
  it('goes before its consumer could have it again', async () => {
    const queue = await world.declare('q', { 'x-max-length': 1 });
    const taker = await world.consume(queue);
    for (const body of ['a', 'b', 'c']) await world.publish(queue, body);
    expect(taker.bodies).toEqual(['a', 'b', 'c']);
    taker.handle?.settle(
      0,
      taker.taken.map(({ offset }) => offset),
      SettleOutcome.requeue,
    );
    await world.world.rest();
    expect(taker.bodies).toEqual(['a', 'b', 'c', 'c']);
    expect(world.engine(queue).counters.dropped.maxlen).toBe(2);
  });
});

describe('a get', () => {
  it('does not count what has expired behind its message', async () => {
    const queue = await world.declare('q');
    await world.publish(queue, 'a');
    await world.publish(queue, 'b', { expiration: '0' });
    let left = -1;
    world.poll(queue).handle.get(true, (count) => {
      left = count;
    });
    await world.world.rest();
    expect(left).toBe(0);
  });
});

describe('a transaction', () => {
  it('fails as a whole when its own messages fill the queue, and leaves no place taken', async () => {
    const queue = await world.declare('q', { 'x-max-length': 2, 'x-overflow': 'reject-publish' });
    const commit = async (...texts: string[]): Promise<string | undefined> => {
      let code: string | undefined = 'none';
      const properties = encodeProperties({ deliveryMode: 2 });
      const publishes = texts.map((body) => ({
        exchange: '',
        routingKey: 'q',
        properties,
        body: encodeUtf8(body),
        persistent: true,
      }));
      world.broker.transactions.commit({ vhost: DEFAULT_VHOST, publishes, settles: [] }, (error) => {
        code = error?.code;
      });
      await world.world.rest();
      return code;
    };
    expect(await commit('a', 'b', 'c')).toBe('queue-full');
    expect(await commit('a', 'b')).toBeUndefined();
    expect(await commit('c')).toBe('queue-full');
    expect(bodies(await world.drain(queue))).toEqual(['a', 'b']);
    expect(await commit('c', 'd')).toBeUndefined();
  });
});

describe('priorities', () => {
  it('come highest first, and in order within one; higher ones than there are count as the highest', async () => {
    const queue = await world.declare('q', { 'x-max-priority': 5 });
    const sent: [string, number][] = [
      ['a1', 1],
      ['b5', 5],
      ['c0', 0],
      ['d9', 9],
      ['e1', 1],
    ];
    for (const [body, priority] of sent) world.send(queue, body, { priority });
    await world.world.rest();
    expect(bodies(await world.drain(queue))).toEqual(['b5', 'd9', 'a1', 'e1', 'c0']);
  });

  it('bring back what was given back in its old place', async () => {
    const queue = await world.declare('q', { 'x-max-priority': 5 });
    for (const [body, priority] of [
      ['a', 1],
      ['b', 3],
      ['c', 3],
    ] as const)
      world.send(queue, body, { priority });
    await world.world.rest();
    const held = await world.get(queue, false);
    expect(held?.body).toBe('b');
    world.poll(queue).handle.settle(0, [held!.offset], SettleOutcome.requeue);
    await world.world.rest();
    const all = await world.drain(queue);
    expect(bodies(all)).toEqual(['b', 'c', 'a']);
    expect(all.map(({ redelivered }) => redelivered)).toEqual([true, false, false]);
  });

  it('let the head of each priority expire', async () => {
    const queue = await world.declare('q', { 'x-max-priority': 5 });
    await world.publish(queue, 'high', { priority: 5 });
    await world.publish(queue, 'low', { priority: 1, expiration: '50' });
    await world.publish(queue, 'lower', { priority: 0 });
    await world.wait(60);
    expect(bodies(await world.drain(queue))).toEqual(['high', 'lower']);
  });
});

describe('a single active consumer', () => {
  it('gets everything until it goes; then the next one does', async () => {
    const queue = await world.declare('q', { 'x-single-active-consumer': true });
    const first = await world.consume(queue);
    const second = await world.consume(queue);
    const third = await world.consume(queue, { priority: 1 });
    for (const body of ['a', 'b']) await world.publish(queue, body);
    expect([first.bodies, second.bodies, third.bodies]).toEqual([['a', 'b'], [], []]);
    first.handle?.cancel();
    await world.world.rest();
    expect([first.active, second.active, third.active]).toEqual([[true], [], [true]]);
    expect(third.bodies).toEqual(['a', 'b']);
    await expect(world.consume(queue, { exclusive: true })).rejects.toMatchObject({ code: 'access-refused' });
  });
});

describe('the end of a queue', () => {
  it('comes with its last consumer', async () => {
    const deleted: number[] = [];
    const queue = await world.declare('q', {}, true);
    world.onDelete = (topicId) => deleted.push(topicId);
    await world.wait(1000);
    const first = await world.consume(queue);
    const second = await world.consume(queue);
    first.handle?.cancel();
    expect(deleted).toEqual([]);
    second.handle?.cancel();
    expect(deleted).toEqual([queue.topicId]);
    expect(() => world.broker.consume(queue, { automaticAck: true, credit: 1 }, second)).toThrow('does not exist');
  });

  it('comes when nobody has used it for a while', async () => {
    const deleted: number[] = [];
    world.onDelete = (topicId) => deleted.push(topicId);
    const queue = await world.declare('q', { 'x-expires': 100 });
    await world.wait(90);
    await world.get(queue);
    await world.wait(90);
    const taker = await world.consume(queue);
    await world.wait(500);
    taker.handle?.cancel();
    await world.wait(99);
    expect(deleted).toEqual([]);
    await world.wait(1);
    expect(deleted).toEqual([queue.topicId]);
  });
});

describe('a delivery that nobody acknowledges', () => {
  it('ends its consumer, and comes back', async () => {
    const queue = await world.declare('q', { 'x-consumer-timeout': 1000 });
    const slow = await world.consume(queue, { credit: 1 });
    await world.publish(queue, 'a');
    await world.wait(999);
    expect(slow.closes).toEqual([]);
    await world.wait(400);
    expect(slow.closes.map(({ code }) => code)).toEqual(['timeout']);
    expect(world.ready(queue)).toBe(1);
  });

  it('is not the one that follows another', async () => {
    const queue = await world.declare('q', { 'x-consumer-timeout': 1000 });
    const taker = await world.consume(queue, { credit: 1 });
    for (let offset = 0; offset < 10; offset++) {
      await world.publish(queue, `${offset}`);
      await world.wait(800);
      taker.handle?.settle(0, [offset], SettleOutcome.acknowledge);
    }
    expect(taker.closes).toEqual([]);
  });
});

describe('duplicates', () => {
  it('are confirmed and dropped as long as their id is remembered', async () => {
    const queue = await world.declare('q', { 'x-deduplication-window': 1000 });
    await world.publish(queue, 'a', { messageId: '1' });
    await world.publish(queue, 'again', { messageId: '1' });
    await world.publish(queue, 'b', { messageId: '2' });
    await world.publish(queue, 'without');
    await world.publish(queue, 'without');
    expect(world.confirms).toHaveLength(5);
    await world.wait(1001);
    await world.publish(queue, 'late', { messageId: '1' });
    expect(bodies(await world.drain(queue))).toEqual(['a', 'b', 'without', 'without', 'late']);
    expect(world.engine(queue).counters.duplicates).toBe(1);
  });
});

describe('what was there before the start', () => {
  it('is read for its priorities and sizes, and delivered only then', async () => {
    const queue = await world.declare('q');
    const count = 100_000;
    for (let index = 0; index < count; index++) world.send(queue, 'xx', { priority: index % 3 });
    await world.world.rest();
    const engine = world.restart(queue, { maxPriority: 5, maxLengthBytes: 2 * count });
    await world.world.rest();
    expect(world.ready(queue)).toBe(count);
    const taker = await world.consume(queue, { automaticAck: true, credit: 2 * count });
    expect(taker.taken).toHaveLength(count);
    expect(taker.taken.slice(0, 3).map(({ offset }) => offset)).toEqual([2, 5, 8]);
    expect(taker.taken.at(-1)?.offset).toBe(count - 1 - ((count - 1) % 3));
    expect(engine.priorityBytes).toBeLessThan(50_000);
    taker.handle?.cancel();
    for (const body of ['a'.repeat(2 * count), 'b']) await world.publish(queue, body);
    expect(bodies(await world.drain(queue))).toEqual(['b']);
  });
});

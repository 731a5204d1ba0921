import { beforeEach, expect, test } from 'vitest';
import type { QueuePolicy } from '../model.js';
import { SettleOutcome, type TopicEntry } from '../ports.js';
import { parseQueuePolicy } from '../queue-arguments.js';
import { changeQueuePolicy } from './attach.js';
import { QueueWorld, queueArguments } from './fixtures.js';

let world: QueueWorld;
beforeEach(async () => {
  world = await QueueWorld.start();
});

/** What a policy of the virtual host makes of a queue, as arguments. */
async function apply(queue: TopicEntry, args: Readonly<Record<string, number | string>>): Promise<void> {
  const partition = world.broker.owner.require(queue.partitions[0]!.logId);
  changeQueuePolicy(partition, { ...queue.settings, effectiveArguments: queueArguments(args) });
  await world.world.rest();
}

function policyOf(queue: TopicEntry): QueuePolicy {
  return world.engine(queue).policy;
}

async function fill(queue: TopicEntry, ...bodies: string[]): Promise<void> {
  for (const body of bodies) await world.publish(queue, body);
}

async function texts(queue: TopicEntry): Promise<string[]> {
  return (await world.drain(queue)).map(({ body }) => body);
}

test('a length drops what is too much at once, and stops when the policy goes', async () => {
  const queue = await world.declare('q');
  await fill(queue, 'a', 'b', 'c', 'd');
  await apply(queue, { 'x-max-length': 2 });
  expect(world.ready(queue)).toBe(2);
  await fill(queue, 'e');
  expect(world.ready(queue)).toBe(2);
  await apply(queue, {});
  expect(policyOf(queue)).toEqual(parseQueuePolicy(queueArguments({})));
  await fill(queue, 'f', 'g');
  expect(await texts(queue)).toEqual(['d', 'e', 'f', 'g']);
});

test('a length in bytes counts what waits already, and not what is out', async () => {
  const queue = await world.declare('q');
  await fill(queue, 'out-1', 'out-2');
  const taker = await world.consume(queue, { credit: 2 });
  await fill(queue, 'aaaa', 'bbbb', 'cccc');
  await apply(queue, { 'x-max-length-bytes': 9 });
  expect(world.ready(queue)).toBe(2);
  await fill(queue, 'dddd');
  expect(world.ready(queue)).toBe(2);
  taker.handle!.settle(
    0,
    taker.taken.map(({ offset }) => offset),
    SettleOutcome.acknowledge,
  );
  taker.handle!.cancel();
  await world.world.rest();
  expect(world.unacknowledged(queue)).toBe(0);
  expect(await texts(queue)).toEqual(['cccc', 'dddd']);
  // The cursor was not told of messages that it knew.
  await fill(queue, 'e');
  expect([world.ready(queue), await texts(queue)]).toEqual([1, ['e']]);
});

test('a time to live is for what waits already', async () => {
  const queue = await world.declare('q');
  await fill(queue, 'a');
  await world.wait(500);
  await fill(queue, 'b');
  await apply(queue, { 'x-message-ttl': 300 });
  await world.wait(1);
  expect(world.ready(queue)).toBe(1);
  await apply(queue, {});
  await world.wait(1_000);
  expect(await texts(queue)).toEqual(['b']);
});

test('publishes are refused, and are not any more', async () => {
  const queue = await world.declare('q');
  await apply(queue, { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
  await fill(queue, 'a', 'b');
  expect(world.failures.map(({ error }) => error.code)).toEqual(['queue-full']);
  await apply(queue, {});
  await fill(queue, 'c');
  expect(world.failures.length).toBe(1);
  expect(await texts(queue)).toEqual(['a', 'c']);
});

test('dead letters go where the policy of now says, and nowhere without one', async () => {
  const [first, second, queue] = [
    await world.declare('first'),
    await world.declare('second'),
    await world.declare('q'),
  ];
  const letters = (key: string) => ({
    'x-message-ttl': 10,
    'x-dead-letter-exchange': '',
    'x-dead-letter-routing-key': key,
  });
  for (const [args, body] of [
    [letters('first'), 'a'],
    [letters('second'), 'b'],
    [{ 'x-message-ttl': 10 }, 'c'],
    [letters('first'), 'd'],
  ] as const) {
    await apply(queue, args);
    await fill(queue, body);
    await world.wait(200);
  }
  expect([await texts(first), await texts(second)]).toEqual([['a', 'd'], ['b']]);
  expect(world.ready(queue) + world.unacknowledged(queue)).toBe(0);
});

test('an expiry begins when the policy comes, and ends with it', async () => {
  const deleted: number[] = [];
  world.onDelete = (topicId) => deleted.push(topicId);
  const queue = await world.declare('q');
  await world.wait(10_000);
  await apply(queue, { 'x-expires': 1_000 });
  await world.wait(999);
  await apply(queue, {});
  await world.wait(10_000);
  expect(deleted).toEqual([]);
  await apply(queue, { 'x-expires': 1_000 });
  await world.wait(1_001);
  expect(deleted).toEqual([queue.topicId]);
});

test('a delivery limit counts what came back before', async () => {
  const queue = await world.declare('q');
  await fill(queue, 'a');
  const taker = await world.consume(queue);
  const giveBack = async (): Promise<void> => {
    taker.handle!.settle(0, [taker.taken.at(-1)!.offset], SettleOutcome.requeue);
    await world.world.rest();
  };
  await giveBack();
  await giveBack();
  expect(taker.taken.length).toBe(3);
  await apply(queue, { 'x-delivery-limit': 2 });
  await giveBack();
  expect([taker.taken.length, world.ready(queue)]).toEqual([3, 0]);
});

import { expect, test } from 'vitest';
import { SimulatedClock } from '../io/clock/simulated-clock.js';
import { DirectReplies } from './direct-replies.js';
import { MemoryLink } from './fixtures/memory-link.js';
import { MAX_WAITING_REPLY_BYTES } from './limits.js';

interface Reply {
  readonly address: string;
  readonly properties: readonly number[];
  readonly body: readonly number[];
}

function twoShards(maxBodyBytes?: number) {
  const clock = new SimulatedClock();
  const link = new MemoryLink(1, clock, maxBodyBytes);
  link.other = new MemoryLink(0, clock, maxBodyBytes);
  const near = new DirectReplies();
  const far = new DirectReplies();
  near.connect(link);
  const taken: Reply[] = [];
  far.receiver = (address, properties, body) =>
    taken.push({ address, properties: [...properties], body: [...body.subarray(0, 4)] });
  let others = 0;
  link.handler = (_correlation, head, body) => {
    if (!far.handle(head, body)) others++;
  };
  return { clock, link, near, taken, others: () => others };
}

test('a reply arrives on the other shard as it was, also when its bytes are used again at once', async () => {
  const { clock, near, taken } = twoShards();
  const body = Uint8Array.of(7, 8, 9);
  near.sendReply(1, 'address ü', Uint8Array.of(0, 0), body);
  body.fill(0);
  near.sendReply(1, 'second', Uint8Array.of(1, 2, 3), new Uint8Array(0));
  await clock.settle();
  expect(taken).toEqual([
    { address: 'address ü', properties: [0, 0], body: [7, 8, 9] },
    { address: 'second', properties: [1, 2, 3], body: [] },
  ]);
});

test('what is too large, or for a shard that is not there, is lost', async () => {
  const { clock, near, taken } = twoShards(100);
  near.sendReply(1, 'a', new Uint8Array(2), new Uint8Array(99));
  near.sendReply(9, 'a', new Uint8Array(2), new Uint8Array(1));
  await clock.settle();
  expect(taken).toEqual([]);
  near.sendReply(1, 'a', new Uint8Array(2), new Uint8Array(98));
  await clock.settle();
  expect(taken).toHaveLength(1);
});

test('while the way is congested so much waits, and no more', async () => {
  const { clock, link, near, taken } = twoShards(MAX_WAITING_REPLY_BYTES);
  link.isCongested = true;
  const large = new Uint8Array(MAX_WAITING_REPLY_BYTES / 2 - 2);
  for (const name of ['first', 'second', 'third']) near.sendReply(1, name, new Uint8Array(2), large);
  link.isCongested = false;
  await clock.settle();
  expect(taken.map(({ address }) => address)).toEqual(['first', 'second']);
  near.sendReply(1, 'fourth', new Uint8Array(2), large);
  await clock.settle();
  expect(taken.map(({ address }) => address)).toEqual(['first', 'second', 'fourth']);
});

test('requests of another kind are not taken', async () => {
  const { clock, link, others } = twoShards();
  link.request(Uint8Array.of(6, 0, 0, 0, 1), undefined, 0, undefined);
  await clock.settle();
  expect(others()).toBe(1);
});

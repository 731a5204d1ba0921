/** What one connection of the fuzzer sends, step by step, and what must come of each step. */
import type { Prng } from '../../../src/base/prng.js';
import type { Fields, Properties } from '../../diff/wire/methods.js';
import { methodFrame, publishFrames } from './client.js';

/** The queue that sound steps use; everybody publishes to it and takes from it, and it keeps little. */
export const SOUND_QUEUE = 'fuzz.sound';
/** The exchange that sound steps use. */
export const SOUND_EXCHANGE = 'fuzz.exchange';
/** What changed frames are made of: nobody minds when it goes. */
export const VICTIM = 'fuzz.victim';

/** What must come of a step. */
export type Wish =
  | { readonly kind: 'nothing' }
  /** One of these methods, on the step's channel. */
  | { readonly kind: 'answer'; readonly methods: readonly string[] }
  /** channel.close with one of these codes. */
  | { readonly kind: 'channel'; readonly codes: readonly number[] }
  /** connection.close with one of these codes. */
  | { readonly kind: 'connection'; readonly codes: readonly number[] }
  /** Nobody knows: the connection must end with a reply code, or serve on. */
  | { readonly kind: 'any' };

/** Some frames, and what must come of them. */
export interface Step {
  readonly name: string;
  readonly frames: readonly Buffer[];
  readonly channel: number;
  readonly wish: Wish;
  /** Messages that are published. */
  readonly messages?: number;
  /** What becomes of one of the deliveries that the channel holds: which, only the connection can say. */
  readonly settles?: 'ack' | 'requeue' | 'discard';
}

/** The name of steps that publish. */
const PUBLISH = 'basic.publish';
const nothing: Wish = { kind: 'nothing' };

/** A step with one method frame and its answer. */
export function asking(channel: number, name: string, fields: Fields, methods: string[] = [`${name}-ok`]): Step {
  return { name, channel, frames: [methodFrame(channel, name, fields)], wish: { kind: 'answer', methods } };
}

function body(prng: Prng): Buffer {
  const bytes = prng.chance(0.005) ? prng.between(100_000, 300_000) : prng.below(200);
  return Buffer.alloc(bytes, 'duolog');
}

/** Properties of every kind. */
export function drawProperties(prng: Prng): Properties {
  const all: Properties = {
    contentType: 'text/plain',
    contentEncoding: 'gzip',
    headers: {
      'x-text': 'word',
      'x-number': 7,
      nested: { list: [1, 'two', true, null] },
      exact: { tag: 'l', value: '5' },
    },
    deliveryMode: prng.between(1, 2),
    priority: prng.below(256),
    correlationId: 'c-1',
    replyTo: 'somewhere',
    expiration: String(prng.below(100_000)),
    messageId: 'm-1',
    timestamp: '1700000000',
    type: 'kind',
    userId: 'guest',
    appId: 'fuzz',
  };
  return Object.fromEntries(Object.entries(all).filter(() => prng.chance(0.3)));
}

/** One to twenty publishes, so that the node has something to do while the answer to the next question is on its way. */
function publishes(prng: Prng, channel: number): Step {
  const steps = Array.from({ length: prng.between(1, 20) }, () => publish(prng, channel));
  return {
    name: PUBLISH,
    channel,
    frames: steps.flatMap(({ frames }) => frames),
    wish: nothing,
    messages: steps.length,
  };
}

function publish(prng: Prng, channel: number): Step {
  const toExchange = prng.chance(0.5);
  const fields = {
    exchange: toExchange ? SOUND_EXCHANGE : '',
    routingKey: toExchange ? prng.pick(['a.b.c', 'nobody.wants.this', '', 'a']) : SOUND_QUEUE,
    mandatory: prng.chance(0.3),
  };
  const frames = publishFrames(channel, fields, drawProperties(prng), body(prng));
  return { name: PUBLISH, channel, frames, wish: nothing };
}

/** Everything that is allowed, with names of its own choice. */
const soundMakers: readonly ((prng: Prng, channel: number, serial: number) => Step)[] = [
  publishes,
  publishes,
  publishes,
  publishes,
  (prng, channel) =>
    asking(channel, 'basic.get', { queue: SOUND_QUEUE, noAck: prng.chance(0.5) }, ['basic.get-ok', 'basic.get-empty']),
  (prng, channel) => ({
    name: 'settle',
    channel,
    frames: [],
    wish: nothing,
    settles: prng.pick(['ack', 'requeue', 'discard']),
  }),
  (_prng, channel, serial) =>
    asking(channel, 'basic.consume', { queue: SOUND_QUEUE, consumerTag: `tag-${serial}`, noAck: serial % 2 === 0 }),
  (_prng, channel, serial) => asking(channel, 'basic.cancel', { consumerTag: `tag-${serial - 3}` }),
  (prng, channel) => asking(channel, 'basic.qos', { prefetchCount: prng.between(1, 30), global: prng.chance(0.2) }),
  (_prng, channel) => asking(channel, 'queue.declare', { queue: SOUND_QUEUE, passive: true }),
  (_prng, channel) => asking(channel, 'queue.declare', { queue: '', exclusive: true, autoDelete: true }),
  (_prng, channel) => asking(channel, 'queue.purge', { queue: SOUND_QUEUE }),
  (prng, channel) =>
    asking(channel, 'queue.bind', {
      queue: SOUND_QUEUE,
      exchange: SOUND_EXCHANGE,
      routingKey: prng.pick(['a.#', '*.b.*', 'x']),
    }),
  (_prng, channel) =>
    asking(channel, 'queue.unbind', { queue: SOUND_QUEUE, exchange: SOUND_EXCHANGE, routingKey: 'x' }),
  (_prng, channel) => asking(channel, 'exchange.declare', { exchange: SOUND_EXCHANGE, type: 'topic', passive: true }),
  (_prng, channel) => asking(channel, 'confirm.select', {}),
  (prng, channel) => asking(channel, 'basic.recover', { requeue: prng.chance(1) }),
  (_prng, channel) => asking(channel, 'channel.flow', { active: true }),
  (_prng, channel) => ({
    name: 'heartbeat',
    channel,
    frames: [Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce])],
    wish: nothing,
  }),
];

/** A step that no node may mind. */
export function soundStep(prng: Prng, channel: number, serial: number): Step {
  return prng.pick(soundMakers)(prng, channel, serial);
}

/** The frames of sound steps about the victim, to be changed. */
export function victimFrames(prng: Prng, channel: number): Buffer[] {
  const queue = VICTIM;
  const method = (name: string, fields: Fields): Buffer[] => [methodFrame(channel, name, fields)];
  const makers: readonly (() => Buffer[])[] = [
    () => publishFrames(channel, { exchange: '', routingKey: queue }, drawProperties(prng), body(prng)),
    () => publishFrames(channel, { exchange: 'amq.headers' }, drawProperties(prng), body(prng)),
    () =>
      method('queue.declare', {
        queue,
        autoDelete: true,
        exclusive: true,
        arguments: { 'x-max-length': 10, 'x-message-ttl': 500 },
      }),
    () => method('queue.bind', { queue, exchange: 'amq.headers', arguments: { 'x-match': 'any', a: 1, b: 'two' } }),
    () =>
      method('exchange.declare', {
        exchange: queue,
        type: 'topic',
        autoDelete: true,
        arguments: { 'alternate-exchange': 'x' },
      }),
    () => method('exchange.bind', { destination: 'amq.fanout', source: 'amq.topic', routingKey: 'fuzz' }),
    () => method('basic.consume', { queue, consumerTag: 'v', arguments: { 'x-priority': 3 } }),
    () => method('basic.qos', { prefetchCount: 3 }),
    () => method('basic.get', { queue }),
    () => method('basic.ack', { deliveryTag: 1, multiple: true }),
    () => method('basic.nack', { deliveryTag: 1, requeue: true }),
    () => method('basic.reject', { deliveryTag: 1 }),
    () => method('basic.cancel', { consumerTag: 'v' }),
    () => method('queue.delete', { queue, ifUnused: true }),
    () => method('queue.unbind', { queue, exchange: 'amq.headers' }),
    () => method('channel.close', { replyCode: 200, replyText: 'bye' }),
    () => method('confirm.select', {}),
    () => method('tx.select', {}),
  ];
  return prng.pick(makers)();
}

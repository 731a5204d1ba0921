/** What a client must not do, and what only its channel pays for. */
import type { Prng } from '../../../src/base/prng.js';
import type { Fields, Properties } from '../../diff/wire/methods.js';
import { encodeHeader } from '../../diff/wire/methods.js';
import { FRAME, methodFrame, publishFrames } from './client.js';
import { SOUND_EXCHANGE, SOUND_QUEUE, type Step } from './steps.js';
import { frameBytes } from './stream.js';

function refused(channel: number, code: number, name: string, fields: Fields): Step {
  return {
    name: `${code} ${name}`,
    channel,
    frames: [methodFrame(channel, name, fields)],
    wish: { kind: 'channel', codes: [code] },
  };
}

function badPublish(channel: number, code: number, name: string, fields: Fields, properties: Properties = {}): Step {
  const frames = publishFrames(
    channel,
    { exchange: '', routingKey: SOUND_QUEUE, ...fields },
    properties,
    Buffer.from('x'),
  );
  return { name: `${code} ${name}`, channel, frames, wish: { kind: 'channel', codes: [code] } };
}

const MISSING = 'fuzz.nowhere';

const makers: readonly ((prng: Prng, channel: number) => Step)[] = [
  (_prng, channel) => badPublish(channel, 404, 'publish to no exchange', { exchange: MISSING }),
  (_prng, channel) => badPublish(channel, 406, 'expiration', {}, { expiration: 'soon' }),
  (_prng, channel) => badPublish(channel, 406, 'negative expiration', {}, { expiration: '-1' }),
  (_prng, channel) => badPublish(channel, 406, 'user id', {}, { userId: 'somebody' }),
  (_prng, channel) => refused(channel, 404, 'queue.declare', { queue: MISSING, passive: true }),
  (_prng, channel) => refused(channel, 404, 'exchange.declare', { exchange: MISSING, passive: true }),
  (_prng, channel) => refused(channel, 404, 'queue.bind', { queue: SOUND_QUEUE, exchange: MISSING }),
  (_prng, channel) => refused(channel, 404, 'exchange.bind', { destination: MISSING, source: 'amq.topic' }),
  (_prng, channel) => refused(channel, 404, 'basic.consume', { queue: MISSING }),
  (_prng, channel) => refused(channel, 404, 'basic.get', { queue: MISSING }),
  (_prng, channel) => refused(channel, 404, 'queue.purge', { queue: MISSING }),
  (_prng, channel) => refused(channel, 403, 'queue.declare', { queue: 'amq.mine' }),
  (_prng, channel) => refused(channel, 403, 'exchange.declare', { exchange: 'amq.mine', type: 'direct' }),
  (_prng, channel) => refused(channel, 403, 'exchange.delete', { exchange: 'amq.topic' }),
  (_prng, channel) => refused(channel, 403, 'queue.bind', { queue: SOUND_QUEUE, exchange: '' }),
  (_prng, channel) => refused(channel, 406, 'queue.declare', { queue: SOUND_QUEUE, durable: false }),
  (_prng, channel) =>
    refused(channel, 406, 'exchange.declare', { exchange: SOUND_EXCHANGE, type: 'direct', durable: true }),
  (prng, channel) => refused(channel, 406, 'basic.ack', { deliveryTag: prng.between(1_000_000, 2 ** 40) }),
  (prng, channel) =>
    refused(channel, 406, 'basic.nack', { deliveryTag: prng.between(1_000_000, 2 ** 40), multiple: true }),
  (_prng, channel) => refused(channel, 406, 'tx.commit', {}),
  (_prng, channel) => refused(channel, 406, 'tx.rollback', {}),
  (prng, channel) => {
    const arguments_ = prng.pick([
      { 'x-message-ttl': -1 },
      { 'x-message-ttl': 'long' },
      { 'x-max-length': -5 },
      { 'x-max-priority': 'high' },
      { 'x-overflow': 'explode' },
      { 'x-queue-type': 'stack' },
      { 'x-expires': 0 },
    ]);
    return refused(channel, 406, 'queue.declare', { queue: 'fuzz.arguments', arguments: arguments_ });
  },
  (_prng, channel) => refused(channel, 406, 'basic.consume', { queue: 'amq.rabbitmq.reply-to' }),
  (prng, channel) => ({
    name: '406 body too large',
    channel,
    frames: [
      methodFrame(channel, 'basic.publish', { routingKey: SOUND_QUEUE }),
      frameBytes(FRAME.header, channel, encodeHeader(prng.between(2 ** 24 + 1, 2 ** 29), {})),
    ],
    wish: { kind: 'channel', codes: [406] },
  }),
];

/** A step that closes its channel. */
export function softAttack(prng: Prng, channel: number): Step {
  return prng.pick(makers)(prng, channel);
}

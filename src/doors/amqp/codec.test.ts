/** Whole conversations, cut at every position and byte by byte: what comes out must not depend on how the bytes came in. */
import { describe, expect, it } from 'vitest';
import { encodeProperties } from '../../record/amqp/properties.js';
import { header, joined, method, publish, short, table, u8, u16, u32, u64 } from './fixtures/client-frames.js';
import { Harness, handshake, openChannel } from './fixtures/harness.js';

const declare = (queue: string, bits = 0) =>
  method(1, 0x32_000a, u16(0), short(queue), u8(bits), table({ 'x-max-length': 5 }));
const properties = encodeProperties({ contentType: 'text/plain', deliveryMode: 2, messageId: 'x' });
const close = method(0, 0x0a_0032, u16(200), short('bye'), u16(0), u16(0));

/** The client never waits: every answer must still be the same. */
const conversations: readonly [string, Uint8Array, readonly string[]][] = [
  [
    'declare, confirm, publish in pieces, get, close',
    joined([
      handshake(),
      openChannel(1),
      declare('q'),
      method(1, 0x55_000a, u8(0)),
      publish(1, 'whole', { key: 'q', properties }),
      publish(1, 'in three pieces', { key: 'q', frameBytes: 6 }),
      publish(1, '', { key: 'nowhere', mandatory: true }),
      method(1, 0x3c_0046, u16(0), short('q'), u8(1)),
      method(1, 0x3c_0046, u16(0), short('q'), u8(0)),
      method(1, 0x3c_0050, u64(2), u8(0)),
      close,
    ]),
    ['whole', 'in three pieces', ''],
  ],
  [
    'publish only, never waiting',
    joined([
      handshake(),
      openChannel(1),
      openChannel(2),
      publish(1, 'first', { key: 'known' }),
      publish(2, 'second, longer than the first one', { key: 'known', properties, frameBytes: 10 }),
      publish(1, 'first', { key: 'known' }),
      method(1, 0x14_0028, u16(200), short(''), u16(0), u16(0)),
      close,
    ]),
    ['first', 'second, longer than the first one', 'first'],
  ],
  [
    'a channel exception, and the channel anew',
    joined([
      handshake(),
      openChannel(1),
      publish(1, 'to nobody, in two pieces', { exchange: 'missing', frameBytes: 12 }),
      publish(1, 'ignored', { key: 'known' }),
      method(1, 0x14_0029),
      openChannel(1),
      publish(1, 'taken', { key: 'known' }),
      close,
    ]),
    ['taken'],
  ],
  [
    'a connection exception',
    joined([handshake(), openChannel(1), header(1, 3), publish(1, 'ignored', { key: 'known' }), method(0, 0x0a_0033)]),
    [],
  ],
  ['a bad frame', joined([handshake(), openChannel(1), u8(1), u16(1), u32(1), u8(0), u8(0xcd), openChannel(2)]), []],
];

interface Outcome {
  readonly sent: string;
  readonly published: readonly string[];
  readonly facts: unknown;
}

async function outcome(pieces: readonly Uint8Array[]): Promise<Outcome> {
  const harness = new Harness();
  harness.broker.addQueue('known');
  for (const piece of pieces) harness.receive(piece);
  for (let round = 0; round < 4; round++) {
    await harness.clock.settle();
    harness.broker.settleTurn();
  }
  await harness.clock.settle();
  const { published } = harness.broker;
  return {
    sent: Buffer.from(harness.sent()).toString('hex'),
    published: published.map(({ body }) => Buffer.from(body).toString()),
    facts: [published.map(({ routingKey, persistent }) => [routingKey, persistent]), harness.socket.isEnded],
  };
}

describe('cut at every position', () => {
  it.each(conversations)('%s', async (_name, bytes, published) => {
    const expected = await outcome([bytes]);
    expect(expected.published).toEqual(published);
    for (let at = 1; at < bytes.length; at++) {
      const got = await outcome([bytes.subarray(0, at), bytes.subarray(at)]);
      if (JSON.stringify(got) !== JSON.stringify(expected)) expect([at, got]).toEqual([at, expected]);
    }
  });
});

describe('in pieces of one size', () => {
  it.each(conversations)('%s', async (_name, bytes) => {
    const expected = await outcome([bytes]);
    for (const size of [1, 2, 3, 7, 8, 13]) {
      const pieces = [];
      for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size));
      expect(await outcome(pieces)).toEqual(expected);
    }
  });
});

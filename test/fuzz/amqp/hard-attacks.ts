/** What ends a connection that is open, and with which reply code. */
import type { Prng } from '../../../src/base/prng.js';
import { encodeHeader, encodeMethod, type Fields } from '../../diff/wire/methods.js';
import { FRAME, methodFrame } from './client.js';
import { SOUND_QUEUE, type Step } from './steps.js';
import { frameBytes } from './stream.js';

/** The largest payload of a frame that the node takes, with the 8 bytes by which peers may pass frame_max. */
const MOST_PAYLOAD = 131_072;

function step(code: number | readonly number[], name: string, ...frames: Buffer[]): Step {
  const codes = typeof code === 'number' ? [code] : code;
  return { name: `${codes[0]} ${name}`, channel: 1, frames, wish: { kind: 'connection', codes } };
}

function called(code: number, name: string, fields: Fields = {}, channel = 1): Step {
  return step(code, name, methodFrame(channel, name, fields));
}

/** Only the beginning of a frame, with the size that it announces. */
function announced(type: number, channel: number, size: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const frame = frameBytes(type, channel, payload);
  frame.writeUInt32BE(size, 3);
  return frame.subarray(0, frame.length - 1);
}

/** queue.declare whose table's content is `content`, announced with `length` bytes. */
function withTable(content: Uint8Array, length: number = content.length): Buffer {
  const plain = encodeMethod('queue.declare', { queue: 'fuzz.table', autoDelete: true });
  const head = Buffer.from(plain.subarray(0, plain.length - 4));
  const size = Buffer.alloc(4);
  size.writeUInt32BE(length);
  return frameBytes(FRAME.method, 1, Buffer.concat([head, size, content]));
}

/** A field of a table. */
function field(tag: string, value: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from([1, 0x61]), Buffer.from(tag, 'latin1'), value]);
}

function counted(content: Uint8Array, length: number = content.length): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(length >>> 0);
  return Buffer.concat([size, content]);
}

/** Tables or arrays within each other. */
function nested(levels: number, tag: 'F' | 'A'): Buffer {
  const head = tag === 'F' ? [1, 0x61, 0x46] : [0x41];
  const bytes = head.length + 4;
  const content = Buffer.alloc(levels * bytes);
  for (let level = 0; level < levels; level++) {
    content.set(head, level * bytes);
    content.writeUInt32BE((levels - level - 1) * bytes, level * bytes + head.length);
  }
  return tag === 'F' ? content : Buffer.concat([Buffer.from([1, 0x61]), content]);
}

function contentHeader(size: number, properties: Uint8Array): Buffer {
  const head = Buffer.from(encodeHeader(size, {})).subarray(0, 12);
  return frameBytes(FRAME.header, 1, Buffer.concat([head, properties]));
}

const publish = methodFrame(1, 'basic.publish', { routingKey: SOUND_QUEUE });
const header = (size: number): Buffer => frameBytes(FRAME.header, 1, encodeHeader(size, {}));

/** Makes a step that ends the connection. */
export type HardMaker = (prng: Prng) => Step;

/** Tables with lengths that lead beyond their end, and tables in tables. */
export const tables: readonly HardMaker[] = [
  (prng) => step(502, 'table: no such tag', withTable(field(prng.pick(['?', '\0', 'Z', '\xff']), Buffer.alloc(8)))),
  (prng) =>
    step(
      502,
      'table: string too long',
      withTable(field('S', counted(Buffer.from('abc'), prng.pick([4, 1000, 2 ** 31, 2 ** 32 - 1])))),
    ),
  (prng) =>
    step(
      502,
      'table: table too long',
      withTable(field('F', counted(Buffer.from('abc'), prng.pick([4, 1000, 2 ** 31, 2 ** 32 - 1])))),
    ),
  () => step(502, 'table: value missing', withTable(field('l', Buffer.alloc(3)))),
  () => step(502, 'table: name too long', withTable(Buffer.from([200, 0x61, 0x62]))),
  (prng) => step(502, 'table: nested', withTable(nested(prng.pick([33, 100, 1000]), prng.pick(['F', 'A'])))),
  () => step(502, 'table: nested to the end of the frame', withTable(nested(18_000, 'F').subarray(0, 125_000))),
  () =>
    step(
      502,
      'table: too many values',
      withTable(Buffer.concat([Buffer.from([0, 0x41]), counted(Buffer.alloc(120_000, 'V'))])),
    ),
  (prng) => step(501, 'table: beyond the frame', withTable(Buffer.from('abc'), prng.pick([4, 2 ** 20, 2 ** 32 - 1]))),
];

/** Content where none may be, and content that is none. */
export const contents: readonly HardMaker[] = [
  (prng) =>
    step(
      505,
      'content on channel 0',
      prng.pick([frameBytes(FRAME.header, 0, encodeHeader(1, {})), frameBytes(FRAME.body, 0, Buffer.from('x'))]),
    ),
  () => step(505, 'header without a publish', header(1)),
  () => step(505, 'body without a publish', frameBytes(FRAME.body, 1, Buffer.from('x'))),
  () => step(505, 'body without a header', publish, frameBytes(FRAME.body, 1, Buffer.from('x'))),
  () => step(505, 'two headers', publish, header(1), header(1)),
  (prng) => step(505, 'method within content', publish, ...(prng.chance(0.5) ? [header(5)] : []), publish),
  () =>
    step(
      505,
      'header of another class',
      publish,
      frameBytes(FRAME.header, 1, Buffer.from([0, 10, ...new Uint8Array(12)])),
    ),
  () => step(505, 'heartbeat on a channel', frameBytes(FRAME.heartbeat, 1, Buffer.alloc(0))),
  (prng) =>
    step(
      501,
      'more body than announced',
      publish,
      header(3),
      frameBytes(FRAME.body, 1, Buffer.alloc(prng.between(4, 100_000))),
    ),
  () => step(501, 'header too short', publish, frameBytes(FRAME.header, 1, Buffer.from([0, 60, 0, 0, 0, 0]))),
  (prng) =>
    step(
      501,
      'body of exabytes',
      publish,
      frameBytes(FRAME.header, 1, encodeHeader(prng.pick([2 ** 29 + 1, 2 ** 32, 2 ** 40, 2 ** 52]), {})),
    ),
  () => step(502, 'properties: flags without values', publish, contentHeader(0, Buffer.from([0xff, 0xf8]))),
  () => step(502, 'properties: more flags', publish, contentHeader(0, Buffer.from([0x80, 0x01, 0xff, 0xff]))),
  (prng) =>
    step(
      502,
      'properties: table',
      publish,
      contentHeader(0, Buffer.concat([Buffer.from([0x20, 0]), counted(nested(prng.pick([40, 500]), 'F'))])),
    ),
  () =>
    step(
      502,
      'properties: table too long',
      publish,
      contentHeader(0, Buffer.from([0x20, 0, 0xff, 0xff, 0xff, 0xff, 1, 0x61, 0x56])),
    ),
];

/** Frames that are too large, or none. */
export const framings: readonly HardMaker[] = [
  (prng) =>
    step(
      501,
      'frame of 4 GiB',
      announced(
        prng.pick([1, 2, 3, 8]),
        prng.below(2),
        prng.pick([2 ** 32 - 1, 2 ** 31, 2 ** 31 - 1]),
        Buffer.alloc(100),
      ),
    ),
  (prng) =>
    step(
      501,
      'body frame over frame_max',
      publish,
      header(1_000_000),
      frameBytes(FRAME.body, 1, Buffer.alloc(MOST_PAYLOAD + prng.between(1, 200_000))),
    ),
  (prng) =>
    step(
      501,
      'method frame over frame_max',
      frameBytes(FRAME.method, 1, Buffer.alloc(MOST_PAYLOAD + prng.between(1, 1000))),
    ),
  (prng) =>
    step(
      501,
      'no such type of frame',
      frameBytes(prng.pick([0, 4, 5, 6, 7, 9, 65, 206, 255]), prng.below(3), Buffer.from('abc')),
    ),
  (prng) => {
    const frame = methodFrame(1, 'basic.qos', { prefetchCount: 1 });
    frame[frame.length - 1] = prng.pick([0, 1, 0xcd, 0xff]);
    return step(501, 'end octet', frame);
  },
  (prng) => step(501, 'method too short', frameBytes(FRAME.method, prng.below(2), Buffer.alloc(prng.below(4)))),
  (prng) => {
    const name = prng.pick([
      'queue.declare',
      'basic.publish',
      'basic.ack',
      'exchange.bind',
      'basic.consume',
      'basic.qos',
    ]);
    const whole = encodeMethod(name, { queue: 'abc', exchange: 'abc' });
    return step(
      501,
      'arguments end too soon',
      frameBytes(FRAME.method, 1, whole.subarray(0, prng.between(4, whole.length - 5 > 4 ? whole.length - 5 : 4))),
    );
  },
];

/** Methods out of their place, and what no node does. */
export const methods: readonly HardMaker[] = [
  (prng) =>
    step(
      503,
      'no such method',
      frameBytes(FRAME.method, 1, Buffer.from([0, prng.pick([1, 11, 60, 50, 99]), 1, prng.below(256)])),
    ),
  (prng) =>
    called(
      503,
      prng.pick([
        'queue.declare-ok',
        'basic.deliver',
        'basic.return',
        'basic.get-ok',
        'channel.open-ok',
        'tx.commit-ok',
      ]),
    ),
  (prng) =>
    called(503, prng.pick(['connection.start-ok', 'connection.tune-ok', 'connection.open', 'connection.close'])),
  () => called(503, 'exchange.declare', { exchange: 'fuzz.type', type: 'carrier-pigeon' }),
  (prng) =>
    called(
      504,
      prng.pick(['queue.declare', 'basic.publish', 'basic.ack', 'tx.select', 'channel.close']),
      {},
      prng.between(100, 65_535),
    ),
  () => called(504, 'channel.open'),
  (prng) => called(504, prng.pick(['connection.start-ok', 'connection.tune-ok', 'connection.open']), {}, 0),
  (prng) => called(504, prng.pick(['queue.declare', 'channel.open', 'basic.qos']), {}, 0),
  (prng) =>
    step(505, 'content of no channel', frameBytes(prng.pick([2, 3]), prng.between(100, 65_535), Buffer.alloc(20))),
  () =>
    // Whether it is immediate is looked at when its content is complete.
    step(
      540,
      'basic.publish',
      methodFrame(1, 'basic.publish', { routingKey: SOUND_QUEUE, immediate: true }),
      header(0),
    ),
  () => called(540, 'basic.qos', { prefetchSize: 1 }),
  () => called(540, 'channel.flow', { active: false }),
  (prng) => called(540, prng.pick(['basic.recover', 'basic.recover-async']), { requeue: false }),
  () =>
    step(
      530,
      'consumer tag twice',
      ...[1, 2].map(() => methodFrame(1, 'basic.consume', { queue: SOUND_QUEUE, consumerTag: 'twice', nowait: true })),
    ),
];

const all = [...tables, ...contents, ...framings, ...methods];

/** A step that ends the connection. Channel 1 is open, and within no content. Consecutive turns get every kind. */
export function hardAttack(prng: Prng, turn: number): Step {
  return all[turn % all.length]!(prng);
}

const CHANNEL_MAX = 2047;

/** Opens all channels and one more. */
export function channelFlood(): Step {
  const frames: Buffer[] = [];
  // The first three are open already.
  for (let channel = 4; channel <= CHANNEL_MAX + 1; channel++) frames.push(methodFrame(channel, 'channel.open'));
  return step(530, 'channel flood', ...frames);
}

const PIECE_BYTES = 131_064;
const UNFINISHED_BYTES = 2 ** 24;

/** Begins a body of 16 MiB on each of five channels and ends none: more than a connection may have unfinished. */
export function unfinishedBodies(): Step {
  const frames: Buffer[] = [];
  const piece = Buffer.alloc(PIECE_BYTES);
  const channels = [1, 2, 3, 4, 5];
  for (const channel of channels) {
    if (channel > 3) frames.push(methodFrame(channel, 'channel.open'));
    frames.push(methodFrame(channel, 'basic.publish', { routingKey: SOUND_QUEUE }));
    frames.push(frameBytes(FRAME.header, channel, encodeHeader(UNFINISHED_BYTES, {})));
  }
  for (let sent = 0; sent + 2 * PIECE_BYTES < UNFINISHED_BYTES; sent += PIECE_BYTES) {
    for (const channel of channels) frames.push(frameBytes(FRAME.body, channel, piece));
  }
  return step(506, 'unfinished bodies', ...frames);
}

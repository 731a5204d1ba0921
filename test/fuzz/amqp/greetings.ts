/** Beginnings of connections that are none. */
import type { Prng } from '../../../src/base/prng.js';
import { encodeMethod, type Fields } from '../../diff/wire/methods.js';
import { FRAME, greeting, methodFrame } from './client.js';
import { frameBytes, PROTOCOL_HEADER } from './stream.js';

/** What must come of a beginning: the node's own eight bytes and the end, or a reply code, or the end alone. */
export interface Beginning {
  readonly name: string;
  /** Each is sent when the node has answered the one before. */
  readonly pieces: readonly Buffer[];
  /** Reply codes; 0 stands for the end without a word, and -1 for the node's own beginning. */
  readonly outcomes: readonly number[];
}

const startOk = (fields: Fields): Buffer =>
  methodFrame(0, 'connection.start-ok', { mechanism: 'PLAIN', response: '\0guest\0guest', locale: 'en_US', ...fields });
const tuneOk = (channelMax: number, frameMax: number): Buffer =>
  methodFrame(0, 'connection.tune-ok', { channelMax, frameMax, heartbeat: 0 });
const failureClose = { capabilities: { authentication_failure_close: true } };

/** Makes a beginning that must not lead anywhere. */
export type BeginningMaker = (prng: Prng) => Beginning;

/** Beginnings with sizes that no beginning has. */
export const largeBeginnings: readonly BeginningMaker[] = [
  (prng) => ({
    name: 'frame too large before tune',
    pieces: [
      PROTOCOL_HEADER,
      frameBytes(
        FRAME.method,
        0,
        Buffer.concat([encodeMethod('connection.start-ok', {}), Buffer.alloc(prng.between(16_400, 60_000))]),
      ),
    ],
    outcomes: [501],
  }),
  (prng) => {
    const frame = Buffer.from(greeting.startOk);
    frame.writeUInt32BE(prng.pick([2 ** 32 - 1, 2 ** 31, 200_000]), 3);
    return { name: '4 GiB before tune', pieces: [PROTOCOL_HEADER, frame], outcomes: [501] };
  },
  (prng) => {
    const frame = Buffer.from(greeting.startOk);
    frame.writeUInt32BE(prng.pick([2 ** 32 - 1, 2 ** 31, 100_000]), 11);
    return { name: 'client properties too long', pieces: [PROTOCOL_HEADER, frame], outcomes: [501, 502] };
  },
];

/** Other protocols, wrong credentials, and methods before their time. */
export const earlyBeginnings: readonly BeginningMaker[] = [
  (prng) => ({
    name: 'another protocol',
    pieces: [
      prng.pick([
        Buffer.from('AMQP\x00\x01\x00\x00'),
        Buffer.from('AMQP\x01\x01\x00\x09'),
        Buffer.from('GET / HTTP/1.1\r\n\r\n'),
        Buffer.from('\x10\x0c\x00\x04MQTT'),
      ]),
    ],
    outcomes: [-1],
  }),
  (prng) => ({
    name: 'noise',
    pieces: [Buffer.concat([Buffer.from([prng.between(66, 255)]), prng.bytes(prng.between(0, 300))])],
    outcomes: [-1],
  }),
  () => ({ name: 'method without a beginning', pieces: [greeting.startOk], outcomes: [-1] }),
  (prng) => ({
    name: 'method before the handshake',
    pieces: [
      PROTOCOL_HEADER,
      methodFrame(
        prng.below(2),
        prng.pick(['queue.declare', 'basic.publish', 'channel.open', 'connection.open', 'connection.tune-ok']),
      ),
    ],
    outcomes: [504, 505],
  }),
  () => ({
    name: 'channel before open',
    pieces: [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([greeting.tuneOk, methodFrame(1, 'channel.open')])],
    outcomes: [505, 504],
  }),
  () => ({ name: 'open before tune-ok', pieces: [PROTOCOL_HEADER, greeting.startOk, greeting.open], outcomes: [504] }),
  () => ({
    name: 'start-ok twice',
    pieces: [PROTOCOL_HEADER, Buffer.concat([greeting.startOk, greeting.startOk])],
    outcomes: [504],
  }),
  () => ({
    name: 'secure-ok',
    pieces: [PROTOCOL_HEADER, frameBytes(FRAME.method, 0, Buffer.from([0, 10, 0, 21, 0, 0, 0, 0]))],
    outcomes: [504],
  }),
  () => ({
    name: 'no such mechanism',
    pieces: [PROTOCOL_HEADER, startOk({ mechanism: 'TELEPATHY' })],
    outcomes: [503],
  }),
  (prng) => ({
    name: 'malformed response',
    pieces: [PROTOCOL_HEADER, startOk({ response: prng.pick(['guest', '\0\0\0', '']) })],
    outcomes: [502],
  }),
  () => ({
    name: 'malformed AMQPLAIN',
    pieces: [PROTOCOL_HEADER, startOk({ mechanism: 'AMQPLAIN', response: '\x05LOGINS\xff\xff\xff\xff' })],
    outcomes: [502],
  }),
  (prng) => ({
    name: 'wrong password',
    pieces: [
      PROTOCOL_HEADER,
      startOk({ response: '\0guest\0wrong', clientProperties: prng.chance(0.5) ? failureClose : {} }),
    ],
    outcomes: [403, 0],
  }),
  (prng) => ({
    name: 'tuned too high',
    pieces: [
      PROTOCOL_HEADER,
      greeting.startOk,
      prng.pick([
        tuneOk(2048, 131_072),
        tuneOk(0, 131_072),
        tuneOk(1, 131_073),
        tuneOk(1, 2 ** 32 - 1),
        tuneOk(1, 0),
        tuneOk(1, 4095),
      ]),
    ],
    outcomes: [530],
  }),
  () => ({
    name: 'no such virtual host',
    pieces: [
      PROTOCOL_HEADER,
      greeting.startOk,
      Buffer.concat([greeting.tuneOk, methodFrame(0, 'connection.open', { virtualHost: '/nowhere' })]),
    ],
    outcomes: [530],
  }),
  (prng) => ({
    name: 'content before open',
    pieces: [PROTOCOL_HEADER, frameBytes(prng.pick([2, 3]), prng.below(2), Buffer.alloc(20))],
    outcomes: [505],
  }),
];

const all = [...earlyBeginnings, ...largeBeginnings];

/** A beginning that must not lead anywhere. */
export function badBeginning(prng: Prng): Beginning {
  return prng.pick(all)(prng);
}

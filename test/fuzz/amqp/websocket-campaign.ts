/** What can be wrong with AMQP over WebSocket beside AMQP itself. */
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { WebSocket } from 'ws';
import { SILENCE_MS } from '../limits.js';
import { type Assault, type Campaign, Pace, Slowest } from './assault.js';
import { AmqpClient, FRAME, methodFrame } from './client.js';
import { AmqpStream, frameBytes, PROTOCOL_HEADER } from './stream.js';

const PER_SECOND = 100;
/** More than a message of the WebSocket may be, in bytes. */
const TOO_LARGE = 20 * 1024 * 1024;
/** Of the connections of a longer campaign, one in so many sends that much. */
const LARGE_EVERY = 100;
const UPGRADE = [
  'GET /ws/amqp HTTP/1.1',
  'Host: 127.0.0.1',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
  '\r\n',
].join('\r\n');

/** One kind of garbage: returns what came of it. */
type Garbage = (assault: Assault) => Promise<number | string>;

async function dial({ node }: Assault, protocol = 'amqp'): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/ws/amqp`, protocol, { perMessageDeflate: false });
  socket.on('error', () => {});
  await once(socket, 'open');
  return socket;
}

/** The code that the WebSocket is closed with. */
async function closeCode(socket: WebSocket): Promise<number> {
  const [code] = await once(socket, 'close', { signal: AbortSignal.timeout(SILENCE_MS) });
  return Number(code);
}

async function afterSending(assault: Assault, bytes: string | Buffer): Promise<number> {
  const socket = await dial(assault);
  socket.send(bytes);
  return closeCode(socket);
}

/** Sends bytes after an upgrade by hand. Returns whether the node cut it. */
async function raw({ node }: Assault, bytes: Buffer): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: node.port });
  socket.on('error', () => {});
  socket.resume();
  socket.write(UPGRADE);
  await once(socket, 'data');
  socket.write(bytes);
  await once(socket, 'close', { signal: AbortSignal.timeout(SILENCE_MS) });
  return 'cut';
}

async function refusal({ node }: Assault, protocol: string): Promise<number> {
  const socket = new WebSocket(`ws://127.0.0.1:${node.port}/ws/amqp`, protocol);
  socket.on('error', () => {});
  // ws hands over the request and the response that was no upgrade.
  const [request, response] = (await once(socket, 'unexpected-response')) as [ClientRequest, IncomingMessage];
  response.resume();
  request.destroy();
  return response.statusCode ?? 0;
}

/** An honest conversation in messages of one byte, empty ones between them. */
async function byteByByte({ node }: Assault): Promise<string> {
  const stream = await AmqpStream.open(node, 'ws');
  const { write } = stream;
  stream.write = (bytes) => {
    for (let at = 0; at < bytes.length; at++) {
      write.call(stream, bytes.subarray(at, at + 1));
      if (at % 5 === 0) write.call(stream, bytes.subarray(0, 0));
    }
  };
  const client = await AmqpClient.over(stream);
  await client.channel();
  await client.close();
  return 'served';
}

/** Name, what is sent, and what may come of it. */
const garbage: readonly (readonly [name: string, send: Garbage, outcomes: readonly (number | string)[]])[] = [
  ['text', (assault) => afterSending(assault, 'AMQP'), [1003]],
  ['text after the beginning', (assault) => textLater(assault), [1003]],
  ['another subprotocol', (assault) => refusal(assault, 'mqtt'), [400]],
  ['noise', (assault) => afterSending(assault, noise(assault.prng.between(1, 3000))), [1000]],
  ['a method without a beginning', (assault) => afterSending(assault, methodFrame(0, 'connection.open')), [1000]],
  [
    'a frame that is not masked',
    (assault) => raw(assault, Buffer.from('\x82\x0aAMQP\0\0\x09\x01\0\0', 'latin1')),
    ['cut'],
  ],
  ['a reserved opcode', (assault) => raw(assault, Buffer.from([0x83, 0x80, 1, 2, 3, 4])), ['cut']],
  [
    'a message of 2^63 bytes',
    (assault) => raw(assault, Buffer.from([0x82, 0xff, 0x7f, ...Buffer.alloc(11, 0xff)])),
    ['cut'],
  ],
  ['one byte a message', byteByByte, ['served']],
];

function noise(size: number): Buffer {
  return Buffer.alloc(size, 0xa5);
}

async function textLater(assault: Assault): Promise<number> {
  const socket = await dial(assault);
  socket.send(PROTOCOL_HEADER);
  socket.send('text');
  return closeCode(socket);
}

/** A message that is larger than any may be: 1009, or the connection is cut while it comes. */
async function tooLarge(assault: Assault): Promise<number> {
  const frame = frameBytes(FRAME.body, 1, Buffer.alloc(TOO_LARGE));
  return afterSending(assault, Buffer.concat([PROTOCOL_HEADER, frame]));
}

async function one(assault: Assault, slowest: Slowest, entry: (typeof garbage)[number]): Promise<void> {
  const { ledger } = assault;
  const [name, send, outcomes] = entry;
  ledger.connections++;
  const startedMs = performance.now();
  let outcome: number | string;
  try {
    outcome = await send(assault);
  } catch (error) {
    outcome = `failed: ${error instanceof Error ? error.message : error}`;
  }
  slowest.note(name, performance.now() - startedMs);
  ledger.note(`ws: ${name}`, String(outcome));
  if (!outcomes.includes(outcome))
    ledger.violation(undefined, `${name}: ${outcome} came, ${outcomes.join(' or ')} was due`);
}

async function run(assault: Assault): Promise<void> {
  const pace = new Pace(assault.isBrief ? 0 : PER_SECOND);
  const slowest = new Slowest();
  let turn = 0;
  const lane = async (): Promise<void> => {
    while (turn < garbage.length || !assault.isOver()) {
      const mine = turn++;
      await pace.pass();
      const isLarge = !assault.isBrief && mine % LARGE_EVERY === LARGE_EVERY - 1;
      await one(
        assault,
        slowest,
        isLarge ? ['too large a message', tooLarge, [1006, 1009]] : garbage[mine % garbage.length]!,
      );
    }
  };
  await Promise.all([1, 2, 3, 4].map(lane));
  assault.tell(slowest.spell());
}

/** See the top of this file. */
export const websocketCampaign: Campaign = {
  name: 'websocket',
  about: `garbage at /ws/amqp: 1003 for text, 1009 or the end for what is too large, 400 for another subprotocol; ${PER_SECOND} connections a second`,
  growthMib: 160,
  run,
};

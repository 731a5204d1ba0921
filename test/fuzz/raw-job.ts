/** Bare TCP: broken WebSocket framing, handshakes that are none, HTTP that is none, and peers that stop in the middle. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Prng } from '../../src/base/prng.js';
import { duolog } from '../../src/proto/client.js';
import type { Ledger } from './ledger.js';
import { CUT_MS, MAX_HANGING } from './limits.js';

const { Frame } = duolog.client.v1;
const DOCUMENTED: ReadonlySet<number> = new Set([1000, 1001, 1002, 1005, 1007, 1008, 1009, 1013, 4000, 4001]);
const OPCODE_CLOSE = 8;
const SWITCHING = Buffer.from('HTTP/1.1 101');
/** What an empty close frame stands for; RFC 6455 §7.1.5. */
const NO_CODE = 1005;
/** More than any scenario is answered with. */
const MAX_KEPT_BYTES = 256 * 1024;
/** How long the answer to a request head is waited for before more is sent. */
const FIRST_ANSWER_MS = 1_000;

/** What must come of a scenario: the node closes, or answers with these bytes, or either. */
type Wish = 'closed' | 'answered' | 'either';

interface Scenario {
  readonly name: string;
  readonly wish: Wish;
  /** Written one after the other, with a pause of a turn between them. */
  readonly pieces: readonly Uint8Array[];
  /** The end of the node's patience is what is tested: the connection is left alone. */
  readonly hangs?: boolean;
  /** What an answer contains. */
  readonly answer?: string;
}

function handshake(changes: Readonly<Record<string, string | null>> = {}, line = 'GET /ws HTTP/1.1'): Buffer {
  const headers: Record<string, string | null> = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
    'Sec-WebSocket-Version': '13',
    ...changes,
  };
  const lines = Object.entries(headers).flatMap(([name, value]) => (value === null ? [] : [`${name}: ${value}`]));
  return Buffer.from(`${[line, ...lines].join('\r\n')}\r\n\r\n`, 'latin1');
}

/** The payload, masked with zeros, so that it can be read in a trace. */
function frame(first: number, payload: Uint8Array, announced = BigInt(payload.length), masked = true): Buffer {
  const mask = masked ? 0x80 : 0;
  const head = Buffer.alloc(14);
  head[0] = first;
  let at = 2;
  if (announced < 126n) head[1] = mask | Number(announced);
  else if (announced < 65_536n) {
    head[1] = mask | 126;
    at = head.writeUInt16BE(Number(announced), 2);
  } else {
    head[1] = mask | 127;
    at = head.writeBigUInt64BE(announced, 2);
  }
  if (masked) at += 4;
  return Buffer.concat([head.subarray(0, at), payload]);
}

const hello = frame(0x82, Frame.encode({ hello: { version: 1 } }).finish());
const ping = frame(0x82, Frame.encode({ id: 9, ping: { payload: Buffer.from('are you there') } }).finish());
const requestLine = Buffer.from('GET /ws HTTP/1.1\r\n');
const PONG = 'are you there';
const bytes = (...values: number[]): Uint8Array => Uint8Array.of(...values);

function framing(name: string, ...pieces: Uint8Array[]): Scenario {
  return { name: `framing: ${name}`, wish: 'closed', pieces: [handshake(), hello, ...pieces] };
}

function pings(count: number): Buffer {
  return Buffer.concat(Array.from({ length: count }, () => frame(0x89, bytes(1))));
}

const framings: readonly ((prng: Prng) => Scenario)[] = [
  // uWebSockets.js takes the first bytes for the mask, so that it needs more of them to see that this is nothing.
  () => framing('unmasked', frame(0x82, new Uint8Array(40).fill(0xff), 40n, false), new Uint8Array(40)),
  (prng) => framing('reserved bits', frame(0x82 | prng.pick([0x10, 0x20, 0x40, 0x70]), bytes(8, 1))),
  (prng) => framing('reserved opcode', frame(0x80 | prng.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), bytes(8, 1))),
  (prng) => framing('control in pieces', frame(prng.pick([8, 9, 10]), bytes(1, 2))),
  (prng) => framing('long control', frame(0x80 | prng.pick([8, 9, 10]), new Uint8Array(126))),
  (prng) =>
    framing(
      '4 GiB',
      frame(
        0x82,
        bytes(8, 1),
        prng.pick([2n ** 32n - 1n, 2n ** 32n, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 31n]),
      ),
    ),
  () => framing('continues nothing', frame(0x80, bytes(8, 1))),
  // uWebSockets.js takes the second beginning for a continuation: then the whole message is judged.
  () => ({ ...framing('begins twice', frame(0x02, bytes(8)), frame(0x82, bytes(1))), wish: 'either' }),
  () => framing('close of 1 byte', frame(0x88, bytes(3))),
  (prng) =>
    framing(
      'close code',
      frame(
        0x88,
        bytes(
          ...prng.pick([
            [3, 236],
            [3, 237],
            [3, 238],
            [0, 0],
            [255, 255],
            [3, 247],
          ]),
        ),
      ),
    ),
  () => framing('close text', frame(0x88, bytes(3, 232, 0xff, 0xfe))),
  () => framing('bad UTF-8', frame(0x81, bytes(0xff, 0xfe))),
  () => framing('bad UTF-8', frame(0x01, bytes(0xe2)), frame(0x80, bytes(0x28, 0xa1))),
  () => framing('no frame', Buffer.from('GET / HTTP/1.1\r\n\r\n')),
  (prng) => framing('noise', prng.bytes(prng.between(20, 400)), frame(0x88, bytes(3))),
  () =>
    framing(
      'endless pieces',
      frame(0x02, new Uint8Array(1024)),
      ...Array.from({ length: 400 }, () => frame(0, new Uint8Array(65_535))),
      frame(0x80, bytes(1)),
    ),
];

const answered: readonly ((prng: Prng) => Scenario)[] = [
  () => ({
    // RFC 6455 §4.1 forbids to send before the handshake is answered: it may be lost, but not without a close.
    name: 'sent ahead',
    wish: 'either',
    pieces: [Buffer.concat([handshake(), hello, ping])],
  }),
  () => ({
    name: 'sound: byte by byte',
    wish: 'answered',
    // The request line is one piece: uWebSockets.js answers 505 to one that comes in several.
    pieces: [
      requestLine,
      ...[...Buffer.concat([handshake().subarray(requestLine.length), hello, ping])].map((byte) => bytes(byte)),
    ],
    answer: PONG,
  }),
  () => ({
    name: 'sound: in fragments',
    wish: 'answered',
    pieces: [
      handshake(),
      hello,
      frame(0x02, ping.subarray(6, 9)),
      frame(0x89, bytes(1)),
      frame(0x00, new Uint8Array(0)),
      frame(0x80, ping.subarray(9)),
    ],
    answer: PONG,
  }),
  (prng) => ({
    name: 'sound: some pings',
    wish: 'answered',
    pieces: [handshake(), hello, pings(prng.between(1, 20)), ping],
    answer: PONG,
  }),
  // The `ws` package cuts a peer whose pings it cannot answer as fast as they come.
  (prng) => ({
    name: 'ping flood',
    wish: 'either',
    pieces: [handshake(), hello, pings(prng.between(100, 3000)), ping],
  }),
];

const http: readonly ((prng: Prng) => Scenario)[] = [
  () => ({ name: 'http: no version', wish: 'closed', pieces: [handshake({ 'Sec-WebSocket-Version': '12' })] }),
  () => ({
    name: 'http: no key',
    wish: 'either',
    pieces: [handshake({ 'Sec-WebSocket-Key': null, Connection: 'close' })],
  }),
  () => ({ name: 'http: bad key', wish: 'either', pieces: [handshake({ 'Sec-WebSocket-Key': 'x' })] }),
  () => ({ name: 'http: other path', wish: 'either', pieces: [handshake({}, 'GET /nowhere HTTP/1.1')] }),
  () => ({ name: 'http: POST', wish: 'either', pieces: [handshake({}, 'POST /ws HTTP/1.1')] }),
  () => ({ name: 'http: subprotocol', wish: 'either', pieces: [handshake({ 'Sec-WebSocket-Protocol': 'mqtt' })] }),
  () => ({
    name: 'http: origin',
    wish: 'either',
    pieces: [handshake({ Origin: 'https://evil.example' })],
    answer: '403',
  }),
  () => ({ name: 'http: long header', wish: 'either', pieces: [handshake({ 'X-Long': 'x'.repeat(100_000) })] }),
  () => ({
    name: 'http: many headers',
    wish: 'either',
    pieces: [handshake(Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`X-${index}`, 'y'])))],
  }),
  () => ({
    name: 'http: body',
    wish: 'either',
    pieces: [
      Buffer.from(`POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 4294967296\r\n\r\n`),
      new Uint8Array(100_000),
    ],
  }),
  () => ({
    name: 'http: two lengths',
    wish: 'either',
    pieces: [
      Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    ],
  }),
  () => ({
    name: 'http: bad chunk',
    wish: 'either',
    pieces: [Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n')],
  }),
  () => ({ name: 'http: version 2', wish: 'either', pieces: [Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')] }),
  (prng) => ({
    name: 'http: noise',
    wish: 'either',
    pieces: [prng.bytes(prng.between(1, 600)), Buffer.from('\r\n\r\n')],
  }),
  () => ({
    name: 'http: TLS',
    wish: 'either',
    pieces: [Buffer.from('16030100c8010000c40303', 'hex'), new Uint8Array(200)],
  }),
  (prng) => ({
    name: 'http: pipelined',
    wish: 'answered',
    pieces: [Buffer.from('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(prng.between(2, 50)))],
    answer: '200 OK',
  }),
];

const hanging: readonly (() => Scenario)[] = [
  () => ({ name: 'hangs: silent', wish: 'closed', pieces: [], hangs: true }),
  () => ({ name: 'hangs: half a handshake', wish: 'closed', pieces: [handshake().subarray(0, 60)], hangs: true }),
  () => ({ name: 'hangs: no Hello', wish: 'closed', pieces: [handshake()], hangs: true }),
  () => ({ name: 'hangs: half a frame', wish: 'closed', pieces: [handshake(), hello.subarray(0, 8)], hangs: true }),
  () => ({
    name: 'hangs: long announcement',
    wish: 'closed',
    pieces: [handshake(), frame(0x82, new Uint8Array(10_000), 16_000_000n)],
    hangs: true,
  }),
];

let hangingNow = 0;

/** One connection over bare TCP. */
export class RawJob {
  private readonly port: number;
  private readonly job: number;
  private readonly scenario: Scenario;
  private readonly ledger: Ledger;
  private received = Buffer.alloc(0);
  private isOver = false;

  /** `isBrief`: there is no time to see the node's patience end. */
  constructor(port: number, job: number, prng: Prng, ledger: Ledger, isBrief: boolean) {
    this.port = port;
    this.job = job;
    this.ledger = ledger;
    const choice = prng.nextFloat();
    const family = choice < 0.6 ? framings : choice < 0.7 ? answered : choice < 0.9 ? http : hanging;
    const drawn = prng.pick<(prng: Prng) => Scenario>(family)(prng);
    const isLeft = prng.chance(0.05) || (isBrief && drawn.hangs === true);
    this.scenario = isLeft
      ? { ...drawn, name: `left: ${drawn.name.split(':')[0]}`, wish: 'either', hangs: false }
      : drawn;
  }

  /** Runs it. A hanging one is over at once, and is seen to its end by the promise that `later` gets. */
  async run(later: (rest: Promise<void>) => void): Promise<void> {
    const { hangs } = this.scenario;
    if (hangs && hangingNow >= MAX_HANGING) return;
    this.ledger.connections++;
    const socket = connect({ host: '127.0.0.1', port: this.port });
    socket.on('data', (piece: Buffer) => this.take(socket, piece));
    socket.on('error', () => {});
    socket.once('close', () => {
      this.isOver = true;
    });
    if (!hangs) return this.see(socket);
    hangingNow++;
    later(
      this.see(socket).finally(() => {
        hangingNow--;
      }),
    );
  }

  private async see(socket: Socket): Promise<void> {
    const { pieces, name, wish, answer } = this.scenario;
    if (!this.isOver) await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    let tail = '';
    for (const piece of pieces) {
      if (this.isOver) break;
      socket.write(piece);
      tail = (tail + Buffer.from(piece.subarray(-4)).toString('latin1')).slice(-4);
      // What follows a handshake has to wait for its answer.
      if (tail === '\r\n\r\n') await this.firstAnswer();
      else await new Promise((resolve) => setImmediate(resolve));
    }
    if (name.startsWith('left')) {
      socket.resetAndDestroy();
      this.ledger.note(name, 'left by us');
      return;
    }
    const isAnswered = (): boolean =>
      answer === undefined ? this.received.length > 0 : this.received.includes(answer);
    const isDone = (): boolean => this.isOver || (wish !== 'closed' && isAnswered());
    const started = performance.now();
    while (!isDone() && performance.now() - started < CUT_MS) await new Promise((resolve) => setTimeout(resolve, 2));
    this.judge(isDone(), isAnswered());
    socket.destroy();
  }

  private async firstAnswer(): Promise<void> {
    const started = performance.now();
    while (!this.isOver && this.received.length === 0 && performance.now() - started < FIRST_ANSWER_MS) {
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  private judge(isDone: boolean, isAnswered: boolean): void {
    const { name, wish, answer } = this.scenario;
    const code = this.closeCode();
    if (!isDone) this.ledger.violation(this.job, `${name}: neither answered nor closed within ${CUT_MS} ms`);
    else if (wish === 'answered' && !isAnswered)
      this.ledger.violation(this.job, `${name}: closed (${code}) instead of answered`);
    else if (answer !== undefined && !isAnswered) this.ledger.violation(this.job, `${name}: no ${answer} came`);
    if (code !== undefined && !DOCUMENTED.has(code))
      this.ledger.violation(this.job, `${name}: closed with ${code}, which is not documented`);
    this.ledger.note(
      name,
      wish !== 'closed' && isAnswered ? 'answered' : code === undefined ? 'cut' : `closed ${code}`,
    );
  }

  private take(socket: Socket, piece: Buffer): void {
    if (this.received.length < MAX_KEPT_BYTES) this.received = Buffer.concat([this.received, piece]);
    if (this.closeCode() !== undefined) socket.end();
  }

  /** The code of the close frame among the frames that came after the handshake's answer, if there is one. */
  private closeCode(): number | undefined {
    const { received } = this;
    if (!received.subarray(0, 12).equals(SWITCHING)) return undefined;
    let at = received.indexOf('\r\n\r\n') + 4;
    while (at > 3 && at + 2 <= received.length) {
      const size = received[at + 1]!;
      const payloadAt = at + (size < 126 ? 2 : 4);
      if (size === 127 || payloadAt > received.length) return undefined;
      const end = payloadAt + (size < 126 ? size : received.readUInt16BE(at + 2));
      if (received[at] === (0x80 | OPCODE_CLOSE) && end <= received.length) {
        return size < 2 ? NO_CODE : received.readUInt16BE(payloadAt);
      }
      at = end;
    }
    return undefined;
  }
}

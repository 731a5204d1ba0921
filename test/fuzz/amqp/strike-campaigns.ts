/** Campaigns of many short connections, each of which does one wrong thing and must get its one answer. */
import type { Prng } from '../../../src/base/prng.js';
import { encodeHeader } from '../../diff/wire/methods.js';
import { type Assault, type Campaign, Pace, Slowest } from './assault.js';
import { FRAME, greeting, methodFrame } from './client.js';
import { type Beginning, earlyBeginnings, largeBeginnings } from './greetings.js';
import { contents, framings, type HardMaker, methods, tables } from './hard-attacks.js';
import { SessionJob } from './session-job.js';
import { softAttack } from './soft-attacks.js';
import { asking, SOUND_QUEUE, type Step } from './steps.js';
import { type Carrier, frameBytes, PROTOCOL_HEADER } from './stream.js';

type Strike = Beginning | readonly Step[];
type Maker = (prng: Prng) => Strike;

/** Connections a second, and how many there are at a time. */
const PER_SECOND = 150;
const LANES = 6;
const BRIEF_LANES = 4;
/** Refusals on one connection. */
const SOFT_STEPS = 10;
/** frame_max that is negotiated, its least value, and the bytes that a payload may have then: 8 less, and 8 more that are forgiven. */
const FRAME_MAX = 131_072;
const LEAST_FRAME_MAX = 4096;
const OVERHEAD = 8;

async function strikes(assault: Assault, makers: readonly Maker[], carriers: readonly Carrier[]): Promise<void> {
  const { node, prng, ledger, isBrief } = assault;
  const pace = new Pace(isBrief ? 0 : PER_SECOND);
  const each = makers.length * carriers.length;
  const slowest = new Slowest();
  let turn = 0;
  const lane = async (): Promise<void> => {
    while (turn < each || !assault.isOver()) {
      const mine = turn++;
      await pace.pass();
      const made = makers[mine % makers.length]!(prng);
      const carrier = carriers[Math.floor(mine / makers.length) % carriers.length]!;
      const startedMs = performance.now();
      await SessionJob.strike(node, carrier, made, prng, ledger);
      slowest.note('pieces' in made ? made.name : (made[0]?.name ?? ''), performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: isBrief ? BRIEF_LANES : LANES }, lane));
  assault.tell(slowest.spell());
}

function hard(makers: readonly HardMaker[]): Maker[] {
  return makers.map((make) => (prng) => [make(prng)]);
}

/** A publish whose body comes in frames of this many bytes of payload, and a question behind it that tells whether it was taken. */
function bodyFrames(payloadBytes: number): Buffer[] {
  return [
    methodFrame(1, 'basic.publish', { routingKey: SOUND_QUEUE }),
    frameBytes(FRAME.header, 1, encodeHeader(2 * payloadBytes, {})),
    ...[1, 2].map(() => frameBytes(FRAME.body, 1, Buffer.alloc(payloadBytes))),
  ];
}

/** After an honest beginning with a frame_max of its own: an opened channel, and these frames. */
function withFrameMax(name: string, frameMax: number, frames: readonly Buffer[], code: number): Beginning {
  const tuneOk = methodFrame(0, 'connection.tune-ok', { channelMax: 2047, frameMax, heartbeat: 0 });
  const open = Buffer.concat([tuneOk, greeting.open]);
  const last = Buffer.concat(frames);
  return {
    name,
    pieces: [PROTOCOL_HEADER, greeting.startOk, open, methodFrame(1, 'channel.open'), last],
    outcomes: [code],
  };
}

const oversized: readonly Maker[] = [
  ...hard(framings),
  () => {
    const question = asking(1, 'queue.declare', { queue: SOUND_QUEUE, passive: true });
    return [{ ...question, name: 'frames of frame_max', frames: [...bodyFrames(FRAME_MAX), ...question.frames] }];
  },
  () => withFrameMax('501 body frame over frame_max 4096', LEAST_FRAME_MAX, bodyFrames(LEAST_FRAME_MAX + 1), 501),
  () =>
    withFrameMax(
      '501 header frame over frame_max 4096',
      LEAST_FRAME_MAX,
      [...bodyFrames(10).slice(0, 1), frameBytes(FRAME.header, 1, Buffer.alloc(LEAST_FRAME_MAX + OVERHEAD))],
      501,
    ),
  ...largeBeginnings,
];

const foreign: readonly Maker[] = [
  // A TLS 1.2 and a TLS 1.3 client's first record, whole and cut short; SSH, HTTP/2, SMTP and nothing but zeros.
  ...['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '\x16\x03\x03\x00\x05\x01', 'SSH-2.0-OpenSSH_9.7\r\n'],
  ...['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'EHLO somebody\r\n', '\0\0\0\0\0\0\0\0', 'AMQP\x03\x01\x00\x00'],
].map((text): Maker => {
  return (prng) => ({
    name: `foreign: ${JSON.stringify(text.slice(0, 8))}`,
    pieces: [Buffer.concat([Buffer.from(text, 'latin1'), prng.bytes(prng.below(3000))])],
    // Who speaks TLS is told so in TLS, by an alert and the end.
    outcomes: [text.startsWith('\x16') ? 0 : -1],
  });
});

const TCP: readonly Carrier[] = ['tcp'];
const BOTH: readonly Carrier[] = ['tcp', 'ws'];
const GROWTH_MIB = 96;

function campaign(name: string, about: string, makers: readonly Maker[], carriers = BOTH): Campaign {
  const rate = `${PER_SECOND} connections a second, ${makers.length} kinds in turn, over ${carriers.join(' and ')}`;
  return {
    name,
    about: `${about}; ${rate}`,
    growthMib: GROWTH_MIB,
    run: (assault) => strikes(assault, makers, carriers),
  };
}

/** See the top of this file. */
export const strikeCampaigns: readonly Campaign[] = [
  campaign('oversized-frames', 'frames over frame_max: 501; frames of just frame_max are taken', oversized),
  campaign(
    'early-methods',
    'methods before or within the handshake, wrong credentials, wrong tuning: 403, 502 to 505, 530, or the protocol header',
    earlyBeginnings,
  ),
  campaign('misplaced-content', 'content on channel 0, without a publish, out of step: 501, 502, 505', hard(contents)),
  campaign('tables', 'oversized and nested tables, lengths beyond table and frame: 501, 502', hard(tables)),
  campaign(
    'methods',
    'methods that do not exist or are not for clients, closed channels: 503, 504, 530, 540',
    hard(methods),
  ),
  campaign('refusals', 'what only the channel pays for: 403, 404, 406, and the connection serves on', [
    (prng) => Array.from({ length: SOFT_STEPS }, () => softAttack(prng, 1)),
  ]),
  campaign(
    'foreign-bytes',
    'TLS, SSH, HTTP and others on the AMQP port: the protocol header, or a TLS alert, and the end',
    foreign,
    TCP,
  ),
];

/** Channels: all that may be open at once and one more, and opening and closing without end. */
import { type Assault, type Campaign, Pace, waitFor } from './assault.js';
import { greeting, methodFrame } from './client.js';
import { Connection } from './connection.js';
import type { Beginning } from './greetings.js';
import { channelFlood } from './hard-attacks.js';
import { residentBytes } from './meter.js';
import { SessionJob } from './session-job.js';
import { PROTOCOL_HEADER } from './stream.js';

const CHANNEL_MAX = 2047;
const FEW = 10;
const KIB = 1024;
/** Connections that hold all their channels. */
const HOLDERS = 4;
/** Channels that are opened and closed in one piece, and such pieces a second of all connections. */
const STORM = 100;
const STORMS_PER_SECOND = 40;
const STORMS = 40;
const LIMIT_MS = 20_000;

/** Opens channels from `first` on. */
const openFrames = (first: number, count: number): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, index) => methodFrame(first + index, 'channel.open')));

/** Negotiates ten channels and opens eleven. */
function oneTooMany(): Beginning {
  const tuneOk = methodFrame(0, 'connection.tune-ok', { channelMax: FEW, frameMax: 131_072, heartbeat: 0 });
  return {
    name: '530 channel_max + 1',
    pieces: [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([tuneOk, greeting.open]), openFrames(1, FEW + 1)],
    outcomes: [530],
  };
}

/** An open connection that counts the answers of a name. */
async function counting(assault: Assault, name: string): Promise<{ connection: Connection; answers: () => number }> {
  const connection = await Connection.openRunning(assault.node, 'tcp', assault.prng);
  assault.ledger.connections++;
  let answers = 0;
  connection.onMethod = (_frame, method) => {
    if (method === name) answers++;
  };
  connection.onWrong = (text) => assault.ledger.violation(undefined, text);
  return { connection, answers: () => answers };
}

/** Opens all channels of some connections and holds them. */
async function hold(assault: Assault): Promise<() => void> {
  const { node, ledger } = assault;
  const before = residentBytes(node.pid);
  const held = await Promise.all(Array.from({ length: HOLDERS }, () => counting(assault, 'channel.open-ok')));
  for (const { connection } of held) connection.stream.write(openFrames(2, CHANNEL_MAX - 1));
  for (const { answers } of held) {
    if (!(await waitFor(() => answers() === CHANNEL_MAX - 1, LIMIT_MS)))
      ledger.violation(undefined, `Of ${CHANNEL_MAX - 1} channels ${answers()} were opened`);
    ledger.note('channels held open', 'all opened');
  }
  const each = (residentBytes(node.pid) - before) / HOLDERS / CHANNEL_MAX / KIB;
  assault.tell(`${HOLDERS} × ${CHANNEL_MAX} channels open at once: ${each.toFixed(1)} KiB each`);
  return () => {
    for (const { connection } of held) connection.stream.destroy();
  };
}

/** One connection that opens and closes a hundred channels at a time. */
async function storms(assault: Assault, pace: Pace, turns: number): Promise<void> {
  const { connection, answers } = await counting(assault, 'channel.close-ok');
  const pairs = Array.from({ length: STORM }, (_, index) => [
    methodFrame(index + 2, 'channel.open'),
    methodFrame(index + 2, 'channel.close', { replyCode: 200 }),
  ]);
  const piece = Buffer.concat(pairs.flat());
  for (let turn = 1; turn <= turns; turn++) {
    await pace.pass();
    connection.stream.write(piece);
    if (!(await waitFor(() => answers() === turn * STORM || connection.isDone, LIMIT_MS)) || connection.isDone)
      return assault.ledger.violation(undefined, `Of ${turn * STORM} closed channels ${answers()} were answered`);
    assault.ledger.frames += 2 * STORM - 1;
    assault.ledger.note('opened and closed', 'answered');
  }
  connection.stream.destroy();
}

async function run(assault: Assault): Promise<void> {
  const { node, prng, ledger, isBrief } = assault;
  const release = await hold(assault);
  const pace = new Pace(isBrief ? 0 : STORMS_PER_SECOND);
  do {
    await SessionJob.strike(node, 'tcp', oneTooMany(), prng, ledger);
    await SessionJob.strike(node, 'tcp', [channelFlood()], prng, ledger);
    await Promise.all([1, 2].map(() => storms(assault, pace, isBrief ? 2 : STORMS)));
  } while (!assault.isOver());
  release();
}

/** See the top of this file. */
export const channelCampaign: Campaign = {
  name: 'channels',
  about: `${HOLDERS} connections hold ${CHANNEL_MAX} channels each; one more: 530; ${STORM * STORMS_PER_SECOND} channels a second opened and closed`,
  growthMib: 160,
  run,
};

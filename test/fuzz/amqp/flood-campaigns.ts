/** Publishers that do not wait for anything. Every byte must have been taken in the end, and the node's memory must not grow with what is sent. */
import { type Assault, type Campaign, Pace, pause, waitFor } from './assault.js';
import { AmqpClient, publishFrames } from './client.js';
import { AmqpStream, type Carrier } from './stream.js';

const MIB = 1024 * 1024;
const FLOOD_QUEUE = 'fuzz.flood';
const BODY = Buffer.alloc(1024);
/** Messages in one write, and writes a second of all publishers together when they are not to saturate the node. */
const WRITE = 50;
const WRITES_PER_SECOND = 60;
/** What a publisher may have in its own socket before it waits, in bytes. */
const OWN_BACKLOG = 4 * MIB;
const PUBLISHERS: readonly Carrier[] = ['tcp', 'tcp', 'tcp', 'tcp', 'tcp', 'tcp', 'ws', 'ws'];
const BURST_MS = 8_000;
const DRAIN_MS = 30_000;
/** RFC 6455 §7.4.1: the peer broke a rule. */
const CLOSE_POLICY = 1008;

/** Declares a queue that keeps a thousand messages. */
async function declareFlood(assault: Assault): Promise<void> {
  const client = await AmqpClient.open(assault.node);
  const channel = await client.channel();
  await channel.call('queue.declare', { queue: FLOOD_QUEUE, durable: true, arguments: { 'x-max-length': 1000 } });
  await client.close();
}

/** What all publishers of a campaign share. */
interface Flood {
  readonly assault: Assault;
  readonly pace: Pace;
  readonly isOver: () => boolean;
  /** Whether a WebSocket may be closed because it sends faster than is taken: unlike TCP it cannot be held back. */
  readonly mayCutWebSockets: boolean;
  written: number;
}

const piece = Buffer.concat(
  Array.from({ length: WRITE }, () => Buffer.concat(publishFrames(1, { routingKey: FLOOD_QUEUE }, {}, BODY))),
);

/** One publisher. Returns when everything that it has sent was taken, or it was cut. */
async function publish(flood: Flood, carrier: Carrier): Promise<void> {
  const { pace, isOver } = flood;
  const { node, ledger } = flood.assault;
  const mayBeCut = carrier === 'ws' && flood.mayCutWebSockets;
  const stream = await AmqpStream.open(node, carrier);
  const client = await AmqpClient.over(stream);
  ledger.connections++;
  client.onEnded = ({ message }) => {
    if (mayBeCut && stream.closeCode === CLOSE_POLICY) ledger.note(`unconfirmed over ${carrier}`, 'closed 1008');
    else ledger.violation(undefined, `A publisher over ${carrier} ended: ${message}, ${stream.closeCode}`);
  };
  const channel = await client.channel();
  do {
    await pace.pass();
    if (!(await waitFor(() => stream.backlogBytes < OWN_BACKLOG, DRAIN_MS)))
      ledger.violation(undefined, `A publisher over ${carrier} was not read for ${DRAIN_MS} ms`);
    stream.write(piece);
    flood.written += WRITE;
    ledger.note(`unconfirmed over ${carrier}`, 'sent');
    // Whoever only writes would never let its socket write.
    if (flood.written % (20 * WRITE) === 0) await pause(0);
  } while (!isOver() && !stream.isOver);
  // What is asked behind all this is answered when all of it has been taken.
  const asked = channel.call('queue.declare', { queue: FLOOD_QUEUE, passive: true }).catch(() => 'cut');
  const answer = await Promise.race([asked, pause(DRAIN_MS)]);
  if (answer === undefined)
    ledger.violation(undefined, `A publisher over ${carrier} got no answer within ${DRAIN_MS} ms`);
  if (stream.isOver) return;
  if (answer === undefined) client.destroy();
  else await client.close();
}

async function runFlood(flood: Flood): Promise<void> {
  const { assault } = flood;
  await declareFlood(assault);
  const startedMs = performance.now();
  const publishers = assault.isBrief ? PUBLISHERS.slice(-3) : PUBLISHERS;
  await Promise.all(publishers.map((carrier) => publish(flood, carrier)));
  const seconds = (performance.now() - startedMs) / 1000;
  assault.ledger.frames += 3 * flood.written;
  assault.tell(
    `${flood.written} messages of 1 KiB published in ${seconds.toFixed(1)} s: ${(flood.written / seconds).toFixed(0)}/s`,
  );
}

function steady(assault: Assault): Promise<void> {
  const pace = new Pace(assault.isBrief ? 0 : WRITES_PER_SECOND);
  return runFlood({ assault, pace, isOver: assault.isOver, mayCutWebSockets: false, written: 0 });
}

function burst(assault: Assault): Promise<void> {
  const until = performance.now() + (assault.isBrief ? 300 : BURST_MS);
  const isOver = (): boolean => performance.now() > until;
  return runFlood({ assault, pace: new Pace(0), isOver, mayCutWebSockets: true, written: 0 });
}

/** See the top of this file. */
export const floodCampaigns: readonly Campaign[] = [
  {
    name: 'publish-flood',
    about: `${PUBLISHERS.length} publishers without confirms, 6 over TCP and 2 over WebSocket, ${WRITE * WRITES_PER_SECOND} messages of 1 KiB a second`,
    growthMib: 128,
    run: steady,
  },
  {
    name: 'publish-burst',
    about: `the same publishers as fast as the node reads, for ${BURST_MS / 1000} s`,
    growthMib: 300,
    saturates: 'all that the machine can do is asked for',
    run: burst,
  },
];

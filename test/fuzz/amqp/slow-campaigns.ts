/** Peers that do too little: slow beginnings, missing heartbeats, connections that end by half. */
import { connect, type Socket } from 'node:net';
import { type Assault, type Campaign, Pace, pause, waitFor } from './assault.js';
import { greeting, methodFrame, publishFrames } from './client.js';
import { SOUND_QUEUE } from './steps.js';
import { type NodeAddress, PROTOCOL_HEADER } from './stream.js';
import { trickle } from './trickle.js';

const TRICKLING_PEERS = 5_000;
const BRIEF_TRICKLING_PEERS = 200;
/** The heartbeat that is negotiated, in seconds, and how many connections do and do not keep it. */
const HEARTBEAT_S = 1;
const SILENT = 200;
const BEATING = 20;
const BEAT = Buffer.from([8, 0, 0, 0, 0, 0, 0, 0xce]);
/** Two intervals are the least, three ticks more the most; and what a busy machine may be late. In milliseconds. */
const CUT_AFTER_MS = { least: 1_900, most: 4_000 } as const;
const GRACE_MS = 4_000;
/** A connection whose peer has ended its half must be gone within this time, in milliseconds. */
const HALF_CLOSED_MS = 5_000;
const HALF_CLOSED_PER_SECOND = 200;
const BRIEF_HALF_CLOSED = 20;

interface Peer {
  readonly socket: Socket;
  lastSentMs: number;
  endedMs: number | undefined;
  /** Bytes that have come. */
  received: number;
}

function dial(address: NodeAddress): Promise<Peer> {
  // The node must end its half on its own: this end does not do so by itself.
  const socket = connect({ host: '127.0.0.1', port: address.amqpPort, allowHalfOpen: true, noDelay: true });
  const peer: Peer = { socket, lastSentMs: performance.now(), endedMs: undefined, received: 0 };
  const ended = (): void => {
    peer.endedMs ??= performance.now();
    socket.destroy();
  };
  socket.on('data', (bytes) => {
    peer.received += bytes.length;
  });
  socket.on('error', () => {});
  socket.once('end', ended);
  return new Promise((resolve) => {
    socket.once('close', () => {
      ended();
      resolve(peer);
    });
    socket.once('connect', () => resolve(peer));
  });
}

function say(peer: Peer, bytes: Uint8Array): void {
  if (peer.endedMs !== undefined) return;
  peer.lastSentMs = performance.now();
  peer.socket.write(bytes);
}

/** Says these pieces, each when something has come in answer to the one before. */
async function converse(peer: Peer, pieces: readonly Uint8Array[]): Promise<void> {
  for (const [index, piece] of pieces.entries()) {
    const before = peer.received;
    say(peer, piece);
    if (index === pieces.length - 1) return;
    const deadline = performance.now() + HALF_CLOSED_MS;
    while (peer.received === before && peer.endedMs === undefined && performance.now() < deadline) await pause(5);
  }
}

const beatingTune = methodFrame(0, 'connection.tune-ok', {
  channelMax: 2047,
  frameMax: 131_072,
  heartbeat: HEARTBEAT_S,
});
const beatingGreeting = [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([beatingTune, greeting.open])];

async function heartbeats(assault: Assault): Promise<void> {
  const { node, ledger, isBrief } = assault;
  const opened = async (count: number): Promise<Peer[]> => {
    const peers: Peer[] = [];
    for (const pace = new Pace(isBrief ? 0 : SILENT); peers.length < count; await pace.pass()) {
      const peer = await dial(node);
      ledger.connections++;
      await converse(peer, beatingGreeting);
      peers.push(peer);
    }
    return peers;
  };
  const beating = await opened(isBrief ? 2 : BEATING);
  const timer = setInterval(
    () => {
      for (const peer of beating) say(peer, BEAT);
    },
    (HEARTBEAT_S * 1000) / 2,
  );
  let longest = 0;
  do {
    const silent = await opened(isBrief ? 20 : SILENT);
    const limit = CUT_AFTER_MS.most + GRACE_MS;
    await waitFor(() => silent.every(({ endedMs }) => endedMs !== undefined), limit);
    for (const peer of silent) {
      const after = (peer.endedMs ?? Number.POSITIVE_INFINITY) - peer.lastSentMs;
      longest = Math.max(longest, after);
      if (after < CUT_AFTER_MS.least || after > limit)
        ledger.violation(undefined, `A connection without heartbeats was cut after ${after.toFixed(0)} ms`);
      ledger.note('no heartbeats', 'cut');
      peer.socket.destroy();
    }
  } while (!assault.isOver());
  clearInterval(timer);
  const lost = beating.filter(({ endedMs }) => endedMs !== undefined);
  if (lost.length > 0) ledger.violation(undefined, `${lost.length} connections that sent heartbeats were cut`);
  for (const { socket } of beating) socket.destroy();
  assault.tell(`cut ${(longest / 1000).toFixed(1)} s after its last byte at the latest, heartbeat ${HEARTBEAT_S} s`);
}

const running = [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([greeting.tuneOk, greeting.open])];
const onChannel = [...running, methodFrame(1, 'channel.open')];
const consumer = methodFrame(1, 'basic.consume', { queue: SOUND_QUEUE, consumerTag: 'half' });
const publish = publishFrames(1, { routingKey: SOUND_QUEUE }, {}, Buffer.alloc(1000));

/** How far a connection goes before its peer ends its half. */
const stages: readonly (readonly [name: string, pieces: readonly Uint8Array[]])[] = [
  ['after nothing', []],
  ['within the protocol header', [PROTOCOL_HEADER.subarray(0, 5)]],
  ['after the protocol header', [PROTOCOL_HEADER]],
  ['within start-ok', [PROTOCOL_HEADER, greeting.startOk.subarray(0, 40)]],
  ['after start-ok', [PROTOCOL_HEADER, greeting.startOk]],
  ['when open', running],
  ['within a frame', [...onChannel, consumer.subarray(0, 20)]],
  ['within content', [...onChannel, Buffer.concat(publish.slice(0, 2))]],
  ['while consuming', [...onChannel, consumer]],
  ['after a publish', [...onChannel, Buffer.concat(publish)]],
  ['after a wrong frame', [...onChannel, Buffer.from([9, 0, 0, 0, 0, 0, 0, 0xce])]],
];

async function halfClosed(assault: Assault): Promise<void> {
  const { node, ledger, prng, isBrief } = assault;
  const pace = new Pace(isBrief ? 0 : HALF_CLOSED_PER_SECOND);
  let turn = 0;
  const lane = async (): Promise<void> => {
    while (turn < stages.length + BRIEF_HALF_CLOSED || !assault.isOver()) {
      const [name, pieces] = stages[turn++ % stages.length]!;
      await pace.pass();
      const peer = await dial(node);
      ledger.connections++;
      await converse(peer, pieces);
      if (prng.chance(0.2)) {
        peer.socket.resetAndDestroy();
        ledger.note(`half: reset ${name}`, 'gone');
        continue;
      }
      peer.socket.end();
      const isGone = await waitFor(() => peer.endedMs !== undefined, HALF_CLOSED_MS);
      ledger.note(`half: ended ${name}`, isGone ? 'ended' : 'still there');
      if (!isGone) ledger.violation(undefined, `A connection that was half closed ${name} stays`);
      peer.socket.destroy();
    }
  };
  await Promise.all(Array.from({ length: isBrief ? 4 : 10 }, lane));
}

async function slowHandshakes(assault: Assault): Promise<void> {
  const peers = assault.isBrief ? BRIEF_TRICKLING_PEERS : TRICKLING_PEERS;
  const { longestMs, bytesEach } = await trickle(assault.node, peers, assault.ledger);
  assault.tell(
    `${peers} peers, the last cut after ${(longestMs / 1000).toFixed(1)} s; ${(bytesEach / 1024).toFixed(1)} KiB of the node's memory each`,
  );
}

/** See the top of this file. */
export const slowCampaigns: readonly Campaign[] = [
  {
    name: 'slow-handshakes',
    about: `${TRICKLING_PEERS} connections at once that begin at 1 byte a second: cut when the handshake has taken 10 s`,
    growthMib: 200,
    run: slowHandshakes,
  },
  {
    name: 'heartbeats',
    about: `${SILENT} connections that negotiate a heartbeat of ${HEARTBEAT_S} s and are silent: cut after two intervals; ${BEATING} that beat stay`,
    growthMib: 96,
    run: heartbeats,
  },
  {
    name: 'half-closed',
    about: `connections that end their half, or reset, at ${stages.length} stages: gone at once; ${HALF_CLOSED_PER_SECOND} a second`,
    growthMib: 96,
    run: halfClosed,
  },
];

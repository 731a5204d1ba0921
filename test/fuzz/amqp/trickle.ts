/** Peers that begin a connection at one byte a second: all at once, and none may stay. */
import { connect, type Socket } from 'node:net';
import type { Ledger } from '../ledger.js';
import { Pace } from './assault.js';
import { greeting } from './client.js';
import { residentBytes } from './meter.js';
import type { NodeUnderAttack } from './roles.js';
import { type NodeAddress, PROTOCOL_HEADER } from './stream.js';

/** The handshake must be done within this time, and the farewell may take so much longer, in milliseconds: docs/protocols/amqp.md. */
const HANDSHAKE_MS = 10_000;
const FAREWELL_MS = 1_000;
/** A busy machine may be so much later, in milliseconds. */
const GRACE_MS = 5_000;
/** Each peer sends one byte a second, in one of so many parts of it. */
const TICKS = 50;
const TICK_MS = 1000 / TICKS;
/** So many connect at a time, and such groups a second. */
const GROUP = 50;
const GROUPS_PER_SECOND = 20;
const bytes = Buffer.concat([PROTOCOL_HEADER, greeting.startOk, greeting.tuneOk, greeting.open]);

interface Peer {
  readonly socket: Socket;
  readonly startedMs: number;
  sent: number;
  endedMs: number | undefined;
}

function open(address: NodeAddress, ledger: Ledger): Promise<Peer> {
  ledger.connections++;
  const socket = connect({ host: '127.0.0.1', port: address.amqpPort });
  const peer: Peer = { socket, startedMs: performance.now(), sent: 0, endedMs: undefined };
  socket.resume();
  socket.on('error', () => {});
  // The node's farewell may come with its end: who trickles does not read it.
  socket.once('end', () => socket.destroy());
  return new Promise((resolve) => {
    socket.once('close', () => {
      peer.endedMs = performance.now();
      resolve(peer);
    });
    socket.once('connect', () => resolve(peer));
  });
}

function sendByte(peer: Peer): void {
  if (peer.endedMs === undefined && peer.sent < bytes.length) peer.socket.write(bytes.subarray(peer.sent, ++peer.sent));
}

/** What `count` slow peers have met with: how long the longest was there, and what each has cost the node. */
export interface Trickled {
  readonly longestMs: number;
  readonly bytesEach: number;
}

/** Runs `count` such peers and sees all of them cut. */
export async function trickle(node: NodeUnderAttack, count: number, ledger: Ledger): Promise<Trickled> {
  const peers: Peer[] = [];
  const before = residentBytes(node.pid);
  // Peers that do not know each other do not send at the same moment; a late timer sends for those whose time has passed.
  const startedMs = performance.now();
  let tick = 0;
  const timer = setInterval(() => {
    for (; tick * TICK_MS <= performance.now() - startedMs; tick++) {
      for (let at = tick % TICKS; at < peers.length; at += TICKS) sendByte(peers[at]!);
    }
  }, TICK_MS);
  for (const pace = new Pace(GROUPS_PER_SECOND); peers.length < count; await pace.pass()) {
    peers.push(
      ...(await Promise.all(Array.from({ length: Math.min(GROUP, count - peers.length) }, () => open(node, ledger)))),
    );
  }
  const bytesEach = (residentBytes(node.pid) - before) / count;
  const deadline = performance.now() + HANDSHAKE_MS + FAREWELL_MS + GRACE_MS;
  while (peers.some(({ endedMs }) => endedMs === undefined) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  clearInterval(timer);
  const left = peers.filter(({ endedMs }) => endedMs === undefined);
  for (const { socket } of left) socket.destroy();
  if (left.length > 0) ledger.violation(undefined, `${left.length} of ${count} trickling peers were not cut`);
  const longest = Math.max(...peers.map(({ startedMs, endedMs }) => (endedMs ?? deadline) - startedMs));
  for (let peer = 0; peer < count; peer++) ledger.note('trickling handshake', 'cut');
  return { longestMs: longest, bytesEach };
}

/** Peers that begin a connection at one byte a second: all at once, and none may stay. */
import { connect, type Socket } from 'node:net';
import type { Ledger } from '../ledger.js';
import { greeting } from './client.js';
import { type NodeAddress, PROTOCOL_HEADER } from './stream.js';

/** The handshake must be done within this time, in milliseconds: docs/protocols/amqp.md. */
const HANDSHAKE_MS = 10_000;
/** A busy machine may be so much later, in milliseconds. */
const GRACE_MS = 15_000;
const BYTE_MS = 1000;
/** So many connect at a time. */
const GROUP = 250;
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

/** Runs `count` such peers and sees all of them cut. Returns how long the longest was there, in milliseconds. */
export async function trickle(address: NodeAddress, count: number, ledger: Ledger): Promise<number> {
  const peers: Peer[] = [];
  const timer = setInterval(() => {
    for (const peer of peers) {
      if (peer.endedMs === undefined && peer.sent < bytes.length)
        peer.socket.write(bytes.subarray(peer.sent, ++peer.sent));
    }
  }, BYTE_MS);
  while (peers.length < count) {
    peers.push(
      ...(await Promise.all(
        Array.from({ length: Math.min(GROUP, count - peers.length) }, () => open(address, ledger)),
      )),
    );
  }
  const deadline = performance.now() + HANDSHAKE_MS + GRACE_MS;
  while (peers.some(({ endedMs }) => endedMs === undefined) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  clearInterval(timer);
  const left = peers.filter(({ endedMs }) => endedMs === undefined);
  for (const { socket } of left) socket.destroy();
  if (left.length > 0) ledger.violation(undefined, `${left.length} of ${count} trickling peers were not cut`);
  const longest = Math.max(...peers.map(({ startedMs, endedMs }) => (endedMs ?? deadline) - startedMs));
  for (let peer = 0; peer < count; peer++) ledger.note('trickling handshake', 'cut');
  return longest;
}

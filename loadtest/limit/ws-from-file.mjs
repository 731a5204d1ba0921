// The best that a bare WebSocket server can do for a reader: pieces of a file, read by pread and sent as messages by one thread.
import { once } from 'node:events';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { GIB, MIB, ownCpuSeconds } from '../harness/measures.mjs';
import { serveRole, startRole } from '../harness/processes.mjs';
import { WireConnection } from '../harness/wire-connection.mjs';

const FILE_BYTES = 256 * MIB;
/** No more is queued in the server than this. */
const BACKLOG_BYTES = 4 * MIB;

/** A file that is read again and again, its pages in the cache. */
function openWarmFile(file) {
  const block = Buffer.alloc(MIB, 'x');
  const descriptor = openSync(file, 'w+');
  for (let at = 0; at < FILE_BYTES; at += MIB) writeSync(descriptor, block, 0, MIB, at);
  for (let at = 0; at < FILE_BYTES; at += MIB) readSync(descriptor, block, 0, MIB, at);
  return descriptor;
}

/** Starts a server of the given package; `onOpen(socket)` gets what can send a message and be asked for its backlog. */
const engines = {
  async uws(onOpen) {
    const uws = (await import('uWebSockets.js')).default;
    let drained;
    const app = uws.App();
    app.ws('/ws', {
      maxBackpressure: 0,
      maxPayloadLength: MIB,
      open(socket) {
        const socketDrained = (then) => {
          drained = then;
        };
        onOpen({ send: (bytes) => socket.send(bytes, true), backlog: () => socket.getBufferedAmount(), socketDrained });
      },
      drain() {
        const then = drained;
        drained = undefined;
        then?.();
      },
    });
    return new Promise((resolve) => {
      app.listen('127.0.0.1', 0, (listening) => resolve(uws.us_socket_local_port(listening)));
    });
  },
  async ws(onOpen) {
    const { WebSocketServer } = await import('ws');
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    server.on('connection', (socket, request) => {
      const socketDrained = (then) => request.socket.once('drain', then);
      // The buffer is used again, and ws keeps what it cannot send at once, so it gets a copy.
      const send = (bytes) => socket.send(Buffer.from(bytes), { binary: true });
      onOpen({ send, backlog: () => socket.bufferedAmount, socketDrained });
    });
    await once(server, 'listening');
    return server.address().port;
  },
};

function makeServer() {
  let peer;
  let opened;
  return {
    async listen({ engine }) {
      return engines[engine]((socket) => {
        peer = socket;
        opened?.();
      });
    },
    /** Sends `bytes` of the file in messages of `messageBytes` to the last connection. */
    async sendFile({ file, bytes, messageBytes }) {
      if (peer === undefined) await new Promise((resolve) => (opened = resolve));
      const descriptor = openWarmFile(file);
      const buffer = Buffer.allocUnsafe(messageBytes);
      let left = Math.floor(bytes / messageBytes);
      let at = 0;
      const startedCpu = ownCpuSeconds();
      return new Promise((resolve) => {
        const pump = () => {
          while (left > 0 && peer.backlog() < BACKLOG_BYTES) {
            readSync(descriptor, buffer, 0, messageBytes, at);
            at = at + 2 * messageBytes > FILE_BYTES ? 0 : at + messageBytes;
            peer.send(buffer);
            left--;
          }
          if (left > 0) return peer.socketDrained(pump);
          closeSync(descriptor);
          resolve({ cpuSecondsPerGib: (ownCpuSeconds() - startedCpu) / (bytes / GIB) });
        };
        pump();
      });
    },
  };
}

/** Opens a connection by the given client and calls `onBytes` with the length of every message. */
const clients = {
  async raw(port, onBytes) {
    const connection = await WireConnection.open(port);
    connection.onMessage = (_bytes, from, to) => onBytes(to - from);
    return () => connection.destroy();
  },
  async ws(port, onBytes) {
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`, { perMessageDeflate: false });
    socket.on('message', (bytes) => onBytes(bytes.length));
    await once(socket, 'open');
    return () => socket.terminate();
  },
};

function makeClient() {
  let close;
  let target = Number.POSITIVE_INFINITY;
  let received = 0;
  let startedMs;
  let startedCpu;
  let finish;
  const onBytes = (bytes) => {
    if (received === 0) {
      startedMs = performance.now();
      startedCpu = ownCpuSeconds();
    }
    received += bytes;
    if (received < target) return;
    const seconds = (performance.now() - startedMs) / 1000;
    finish({
      mibPerSecond: received / MIB / seconds,
      clientCpuSecondsPerGib: (ownCpuSeconds() - startedCpu) / (received / GIB),
    });
    received = 0;
  };
  return {
    async connect({ port, client }) {
      close = await clients[client](port, onBytes);
    },
    receive: ({ bytes }) => {
      target = bytes;
      return new Promise((resolve) => (finish = resolve));
    },
    disconnect: () => close(),
  };
}

/**
 * Runs it `runs` times after one run to warm up.
 * @param engine the server: `uws` or `ws`
 * @param client the client: `raw` (this project's load generator) or `ws` (the package)
 */
export async function measureWsFromFile(folder, { runs, engine, client, bytes = 512 * MIB, messageBytes = MIB }) {
  const [server, reader] = [startRole(import.meta.filename), startRole(import.meta.filename)];
  const port = await server.call('listen', { engine });
  await reader.call('connect', { port, client });
  const results = [];
  for (let run = -1; run < runs; run++) {
    const receiving = reader.call('receive', { bytes });
    const sent = await server.call('sendFile', { file: join(folder, 'sent'), bytes, messageBytes });
    const received = await receiving;
    if (run >= 0) results.push({ ...received, cpuSecondsPerGib: sent.cpuSecondsPerGib });
  }
  // The reader first: it takes the loss of its server for a failure.
  await reader.stop();
  await server.stop();
  return results;
}

if (process.argv[1] === import.meta.filename) serveRole({ ...makeServer(), ...makeClient() });

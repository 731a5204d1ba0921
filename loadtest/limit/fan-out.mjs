// The best that a bare WebSocket server can do for a broadcast: one message to every connection, at a rate, from one thread.
import { build } from 'hdr-histogram-js';
import { nowMs, ownCpuSeconds } from '../harness/measures.mjs';
import { serveRole, startRole } from '../harness/processes.mjs';
import { WireConnection } from '../harness/wire-connection.mjs';

const SMALL_READ_BYTES = 16 * 1024;

function makeServer() {
  const sockets = new Set();
  return {
    async listen() {
      const uws = (await import('uWebSockets.js')).default;
      const app = uws.App();
      app.ws('/ws', {
        maxBackpressure: 0,
        open: (socket) => sockets.add(socket),
        close: (socket) => sockets.delete(socket),
      });
      return new Promise((resolve) => {
        app.listen('127.0.0.1', 0, (listening) => resolve(uws.us_socket_local_port(listening)));
      });
    },
    /** Sends `rounds` messages to everybody, `perSecond` of them a second; each carries the time at which it was due. */
    fanOut: ({ bytes, perSecond, rounds }) =>
      new Promise((resolve) => {
        const message = Buffer.alloc(bytes, 'x');
        const startedMs = nowMs();
        const startedCpu = ownCpuSeconds();
        let done = 0;
        const timer = setInterval(() => {
          for (; done < rounds && startedMs + (done * 1000) / perSecond <= nowMs(); done++) {
            message.writeDoubleLE(startedMs + (done * 1000) / perSecond, 0);
            for (const socket of sockets) socket.send(message, true);
          }
          if (done < rounds) return;
          clearInterval(timer);
          resolve({ cpuMicrosPerDelivery: ((ownCpuSeconds() - startedCpu) * 1e6) / (rounds * sockets.size) });
        }, 1);
      }),
  };
}

function makeClient() {
  const histogram = build({ useWebAssembly: false });
  let left = 0;
  let finish;
  let finished;
  const onMessage = (bytes, from) => {
    histogram.recordValue(Math.max(0, Math.round((nowMs() - bytes.readDoubleLE(from)) * 1000)));
    if (--left === 0) finish();
  };
  return {
    async connect({ port, connections }) {
      for (let index = 0; index < connections; index++) {
        const connection = await WireConnection.open(port, { readBytes: SMALL_READ_BYTES });
        connection.onMessage = onMessage;
      }
    },
    /** Begins to count; nothing may be sent before this has been answered. */
    expect({ deliveries }) {
      histogram.reset();
      left = deliveries;
      finished = new Promise((resolve) => (finish = resolve));
    },
    async received() {
      await finished;
      return { p50Ms: histogram.getValueAtPercentile(50) / 1000, p99Ms: histogram.getValueAtPercentile(99) / 1000 };
    },
  };
}

/** Broadcasts of `bytes` to `connections`; `runs` runs of `seconds` each. */
export async function measureFanOut({ runs, bytes, connections, perSecond, seconds = 2 }) {
  const [server, reader] = [startRole(import.meta.filename), startRole(import.meta.filename)];
  const port = await server.call('listen');
  await reader.call('connect', { port, connections });
  const results = [];
  for (let run = -1; run < runs; run++) {
    const rounds = perSecond * seconds;
    await reader.call('expect', { deliveries: rounds * connections });
    const sent = await server.call('fanOut', { bytes, perSecond, rounds });
    const received = await reader.call('received');
    if (run >= 0) results.push({ ...sent, ...received });
  }
  // The reader first: it takes the loss of its server for a failure.
  await reader.stop();
  await server.stop();
  return results;
}

if (process.argv[1] === import.meta.filename) serveRole({ ...makeServer(), ...makeClient() });

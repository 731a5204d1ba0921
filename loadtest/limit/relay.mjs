// The best latency at a rate: a bare WebSocket server hands each message from one process to another. What the machine itself does to the
// slowest messages, whoever else is busy on it, shows here.
import { Latency } from '../harness/latency.mjs';
import { nowMs } from '../harness/measures.mjs';
import { serveRole, startRole } from '../harness/processes.mjs';
import { pause } from '../harness/publisher.mjs';
import { makeFrame, WireConnection } from '../harness/wire-connection.mjs';

function makeServer() {
  let listener;
  return {
    async listen() {
      const uws = (await import('uWebSockets.js')).default;
      const app = uws.App();
      app.ws('/in', { message: (_socket, bytes) => listener.send(bytes, true) });
      app.ws('/out', {
        maxBackpressure: 0,
        open: (socket) => {
          listener = socket;
        },
      });
      return new Promise((resolve) => {
        app.listen('127.0.0.1', 0, (listening) => resolve(uws.us_socket_local_port(listening)));
      });
    },
  };
}

/** Sends `perSecond` messages a second, each with the time at which it was due. */
async function send({ port, bytes, perSecond, seconds }) {
  const connection = await WireConnection.open(port, { path: '/in' });
  const message = Buffer.alloc(bytes, 'x');
  const startedMs = nowMs();
  const dueMsOf = (number) => startedMs + (number * 1000) / perSecond;
  for (let sent = 0; sent < perSecond * seconds; ) {
    const frames = [];
    for (; sent < perSecond * seconds && dueMsOf(sent) <= nowMs(); sent++) {
      message.writeDoubleLE(dueMsOf(sent));
      frames.push(makeFrame(message).frame);
    }
    if (frames.length > 0) connection.write(Buffer.concat(frames));
    await pause(dueMsOf(sent) - nowMs());
  }
  connection.destroy();
}

function makeListener() {
  const latency = new Latency();
  return {
    async listenFor({ port }) {
      const connection = await WireConnection.open(port, { path: '/out' });
      connection.onMessage = (bytes, from) => latency.record(nowMs() - bytes.readDoubleLE(from));
    },
    takeLatency() {
      const { p50Ms, p99Ms } = latency.summary();
      latency.reset();
      return { p50Ms, p99Ms };
    },
  };
}

/** Relays `perSecond` messages a second; `runs` runs after one to warm up. */
export async function measureRelay({ runs, bytes, perSecond, seconds = 2 }) {
  const roles = [startRole(import.meta.filename), startRole(import.meta.filename), startRole(import.meta.filename)];
  const [server, sender, listener] = roles;
  const port = await server.call('listen');
  await listener.call('listenFor', { port });
  const results = [];
  for (let run = -1; run < runs; run++) {
    await sender.call('send', { port, bytes, perSecond, seconds });
    const latency = await listener.call('takeLatency');
    if (run >= 0) results.push(latency);
  }
  // The server last: the others take its loss for a failure.
  for (const role of [sender, listener, server]) await role.stop();
  return results;
}

if (process.argv[1] === import.meta.filename) serveRole({ ...makeServer(), ...makeListener(), send });

// CPU time per message of the two WebSocket engines, beside the same work on uWebSockets.js and `ws` without our port. Runs on what
// `npm run build` made:
//
//     node loadtest/micro/ws-engines.mjs [SECONDS]
//
// The server is a process of its own, so its CPU time is that of the engine; clients are raw TCP and only count bytes. Echo: 100 B messages,
// `depth` of them in flight per connection. Broadcast: 128 B to every connection, 50,000 deliveries a second.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';

const dist = process.env.DUOLOG_DIST ?? new URL('../../dist/', import.meta.url).href;
const built = (path) => import(new URL(path, dist).href);

const ECHO_BYTES = 100;
const BROADCAST_BYTES = 128;
const DELIVERIES = 200_000;
const DELIVERIES_PER_MS = 50;
const HANDSHAKE =
  'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

/** How each server under test is started; `broadcast` has the ways in which it can send one message to all. */
const servers = {
  'bare uWebSockets.js': async () => {
    const uws = (await import('uWebSockets.js')).default;
    const app = uws.App();
    const sockets = [];
    let port = 0;
    app.ws('/ws', {
      maxBackpressure: 0,
      open: (socket) => {
        sockets.push(socket);
        socket.subscribe('all');
      },
      message: (socket, bytes, isBinary) => socket.send(bytes, isBinary),
    });
    app.listen('127.0.0.1', 0, (listening) => {
      port = uws.us_socket_local_port(listening);
    });
    const send = (bytes) => {
      for (const socket of sockets) socket.send(bytes, true);
    };
    return { port, broadcast: { send, publish: (bytes) => app.publish('all', bytes, true) } };
  },
  'bare ws': async () => {
    const { WebSocketServer } = await import('ws');
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
    const sockets = [];
    server.on('connection', (socket) => {
      sockets.push(socket);
      socket.on('message', (bytes, isBinary) => socket.send(bytes, { binary: isBinary }));
    });
    await once(server, 'listening');
    const send = (bytes) => {
      for (const socket of sockets) socket.send(bytes, { binary: true });
    };
    return { port: server.address().port, broadcast: { send } };
  },
  'port on uws': () => startPort('uws'),
  'port on ws': () => startPort('ws'),
};

async function startPort(engine) {
  const { createWsServer, prepareFrame } = await built('io/ws/index.js');
  const sockets = [];
  const route = {
    upgrade: () => ({ accept: true }),
    open: (socket) => {
      sockets.push(socket);
      return { message: (bytes, isText) => socket.send(bytes, isText), drain() {}, close() {} };
    },
  };
  const { port } = await createWsServer(engine, {
    host: '127.0.0.1',
    port: 0,
    reusePort: false,
    maxMessageBytes: 1_048_576,
    maxBackpressureBytes: 67_108_864,
    idleTimeoutSeconds: 120,
    maxHttpBodyBytes: 1_000,
    maxConnections: 20_000,
    http: (_request, respond) => respond({ status: 404 }),
    routes: new Map([['/ws', route]]),
  });
  const send = (bytes) => {
    for (const socket of sockets) socket.send(bytes);
  };
  const prepared = (bytes) => {
    const frame = prepareFrame(bytes);
    for (const socket of sockets) socket.sendPrepared(frame);
  };
  return { port, broadcast: { send, prepared } };
}

async function serve(name) {
  const { port, broadcast } = await servers[name]();
  process.on('message', ({ way, connections }) => {
    if (way === undefined) return process.send(process.cpuUsage());
    const bytes = new Uint8Array(BROADCAST_BYTES).fill(65);
    const started = process.cpuUsage();
    let left = DELIVERIES / connections;
    const timer = setInterval(() => {
      broadcast[way](bytes);
      if (--left > 0) return;
      clearInterval(timer);
      setTimeout(() => process.send(process.cpuUsage(started)), 200);
    }, connections / DELIVERIES_PER_MS);
  });
  process.send({ port, ways: Object.keys(broadcast) });
}

async function start(name) {
  const child = fork(new URL(import.meta.url), ['serve', name]);
  const [{ port, ways }] = await once(child, 'message');
  const ask = async (question) => {
    child.send(question);
    const [{ user, system }] = await once(child, 'message');
    return user + system;
  };
  return { child, port, ways, ask };
}

async function openConnections(port, count) {
  const connections = [];
  for (let index = 0; index < count; index++) {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    socket.write(HANDSHAKE);
    await once(socket, 'data');
    connections.push(socket);
  }
  return connections;
}

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function measureEcho(name, count, depth, seconds) {
  const { child, port, ask } = await start(name);
  const connections = await openConnections(port, count);
  const frame = Buffer.concat([Buffer.from([0x82, 0x80 | ECHO_BYTES, 1, 2, 3, 4]), Buffer.alloc(ECHO_BYTES, 65)]);
  const batch = Buffer.concat(Array(depth).fill(frame));
  const replyBytes = depth * (2 + ECHO_BYTES);
  let echoed = 0;
  for (const socket of connections) {
    let waitingBytes = replyBytes;
    socket.on('data', (chunk) => {
      waitingBytes -= chunk.length;
      if (waitingBytes > 0) return;
      waitingBytes += replyBytes;
      echoed += depth;
      socket.write(batch);
    });
    socket.write(batch);
  }
  await sleep(700);
  const [cpuBefore, echoedBefore, startedMs] = [await ask({}), echoed, performance.now()];
  await sleep(seconds * 1000);
  const messages = echoed - echoedBefore;
  const perSecond = (messages / (performance.now() - startedMs)) * 1000;
  const micros = ((await ask({})) - cpuBefore) / messages;
  const what = `echo, ${count} connections, depth ${depth}`;
  console.log(
    `${name.padEnd(20)} ${what.padEnd(36)} ${micros.toFixed(2).padStart(6)} µs ${Math.round(perSecond).toLocaleString()}/s`,
  );
  child.kill('SIGKILL');
  for (const socket of connections) socket.destroy();
}

async function measureBroadcast(name, way, count) {
  const { child, port, ask } = await start(name);
  const connections = await openConnections(port, count);
  let receivedBytes = 0;
  for (const socket of connections) {
    socket.on('data', (chunk) => {
      receivedBytes += chunk.length;
    });
  }
  const micros = (await ask({ way, connections: count })) / DELIVERIES;
  await sleep(300);
  const arrived = receivedBytes / (DELIVERIES * (BROADCAST_BYTES + 4));
  const what = `broadcast by ${way} to ${count}`;
  console.log(
    `${name.padEnd(20)} ${what.padEnd(36)} ${micros.toFixed(2).padStart(6)} µs ${(arrived * 100).toFixed(0)} % arrived`,
  );
  child.kill('SIGKILL');
  for (const socket of connections) socket.destroy();
}

const hasUws = () =>
  import('uWebSockets.js').then(
    () => true,
    () => false,
  );

async function main(seconds) {
  console.log(`Node ${process.version}; CPU time of the server per message or delivery`);
  for (const name of Object.keys(servers)) {
    if (/uws|uWeb/.test(name) && !(await hasUws())) {
      console.log(`${name.padEnd(20)} skipped: uWebSockets.js does not load here`);
      continue;
    }
    for (const [count, depth] of [
      [64, 1],
      [64, 32],
      [8, 256],
    ])
      await measureEcho(name, count, depth, seconds);
    const { child, ways } = await start(name);
    child.kill('SIGKILL');
    for (const way of ways) for (const count of [1_000, 5_000]) await measureBroadcast(name, way, count);
  }
}

if (process.argv[2] === 'serve') await serve(process.argv[3]);
else await main(Number(process.argv[2] ?? 3));

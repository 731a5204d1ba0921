// The best that plain Node can do for a publisher: bytes from a loopback connection appended to a file by one thread.
import { closeSync, openSync, writeSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { GIB, MIB, ownCpuSeconds } from '../harness/measures.mjs';
import { serveRole, startRole } from '../harness/processes.mjs';

const READ_BYTES = 1024 * 1024;

/** Appends everything that one connection brings to a file. */
function makeServer() {
  let listener;
  let descriptor;
  let finish;
  const onConnection = (socket) => {
    let received = 0;
    let startedMs;
    let startedCpu;
    socket.on('data', (bytes) => {
      if (startedMs === undefined) {
        startedMs = performance.now();
        startedCpu = ownCpuSeconds();
      }
      received += bytes.length;
      for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
    });
    socket.on('end', () => {
      const seconds = (performance.now() - startedMs) / 1000;
      closeSync(descriptor);
      finish({
        mibPerSecond: received / MIB / seconds,
        cpuSecondsPerGib: (ownCpuSeconds() - startedCpu) / (received / GIB),
      });
    });
  };
  return {
    listen: () =>
      new Promise((resolve) => {
        listener = createServer({ highWaterMark: READ_BYTES }, onConnection);
        listener.listen(0, '127.0.0.1', () => resolve(listener.address().port));
      }),
    /** Waits for one connection's bytes; returns the rate and the CPU time. */
    receive: ({ file }) => {
      descriptor = openSync(file, 'w');
      return new Promise((resolve) => {
        finish = resolve;
      });
    },
  };
}

/** Sends `bytes` in blocks of `blockBytes`. */
function send({ port, bytes, blockBytes }) {
  const block = Buffer.alloc(blockBytes, 'x');
  let left = Math.ceil(bytes / blockBytes);
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port });
    const startedCpu = ownCpuSeconds();
    const pump = () => {
      while (left > 0) {
        left--;
        if (!socket.write(block)) {
          socket.once('drain', pump);
          return;
        }
      }
      socket.end();
    };
    socket.on('close', () => resolve({ cpuSecondsPerGib: (ownCpuSeconds() - startedCpu) / (bytes / GIB) }));
    socket.on('connect', pump);
    socket.resume();
  });
}

/** Runs it `runs` times after one run to warm up the page cache; returns each run's rate and CPU times. */
export async function measureTcpToFile(folder, { runs, bytes = 512 * MIB, blockBytes = 100 * 1024 }) {
  const [server, client] = [startRole(import.meta.filename), startRole(import.meta.filename)];
  const port = await server.call('listen');
  const results = [];
  for (let run = -1; run < runs; run++) {
    const receiving = server.call('receive', { file: join(folder, 'appended') });
    const sent = await client.call('send', { port, bytes, blockBytes });
    const received = await receiving;
    if (run >= 0) results.push({ ...received, clientCpuSecondsPerGib: sent.cpuSecondsPerGib });
  }
  await Promise.all([server.stop(), client.stop()]);
  return results;
}

if (process.argv[1] === import.meta.filename) serveRole({ ...makeServer(), send });

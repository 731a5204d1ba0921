import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A broker that has not ended so long after it was asked to is killed. */
const STOP_MS = 20_000;
const PROBE_MS = 100;

/** A port that nobody listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('The system gave no port');
  return address.port;
}

/** A new folder for a broker's files. */
export function newFolder(name: string): Promise<string> {
  return mkdtemp(join(tmpdir(), `duolog-${name}-`));
}

/** Ends a process, by force if it must be, and removes its folder. */
export async function stopProcess(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await exit;
    clearTimeout(timer);
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** Waits until something accepts connections. @throws when the process ends before that, or after `timeoutMs`. */
export async function untilListening(child: ChildProcess, port: number, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) throw new Error(`The broker ended with ${child.exitCode} instead of serving`);
    if (await accepts(port)) return;
    await sleep(PROBE_MS);
  }
  throw new Error(`The broker does not listen on port ${port} after ${timeoutMs} ms`);
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

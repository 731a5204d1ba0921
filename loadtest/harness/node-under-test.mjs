// A node in a process of its own, on a temporary folder and free ports of the loopback address.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { builtUrl } from './built.mjs';
import { adopt, makeFolder, removeFolder } from './cleanup.mjs';
import { cpuSecondsOf, nowMs, peakRssBytesOf, rssBytesOf, sleep } from './measures.mjs';

const main = fileURLToPath(builtUrl('cli/main.js'));
const START_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 30_000;

/** A running node. Made by `startNode`. */
class NodeUnderTest {
  constructor(child, folder, port, readyMs, errors) {
    Object.assign(this, { child, folder, port, readyMs, errors });
  }

  get pid() {
    return this.child.pid;
  }

  /** CPU time so far in seconds, all threads. */
  cpuSeconds() {
    return cpuSecondsOf(this.pid);
  }

  rssBytes() {
    return rssBytesOf(this.pid);
  }

  peakRssBytes() {
    return peakRssBytesOf(this.pid);
  }

  /** Stops in good order and keeps the folder. */
  async stop() {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const timer = setTimeout(() => this.child.kill('SIGKILL'), STOP_LIMIT_MS);
    const [code, signal] = await gone;
    clearTimeout(timer);
    if (code !== 0) console.error(`The node ended with ${signal ?? code}\n${this.errors.join('')}`);
  }

  /** Stops and removes the folder. */
  async remove() {
    await this.stop();
    removeFolder(this.folder);
  }
}

function flagsOf(settings) {
  return Object.entries(settings).flatMap(([name, value]) => [
    `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`,
    String(value),
  ]);
}

/** The environment without what would change the node's settings, or what it does not know. */
const plainEnvironment = () =>
  Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DUOLOG_')));

async function isReady(port) {
  try {
    return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;
  } catch {
    return false;
  }
}

/** The port of the node with process id `pid`, once it has written it down. */
function boundPort(folder, pid) {
  const file = join(folder, 'node.json');
  if (!existsSync(file)) return undefined;
  try {
    const written = JSON.parse(readFileSync(file, 'utf8'));
    // An earlier node of this folder may have left its file.
    return written.pid === pid ? written.port : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Starts a node and waits until it serves. `settings` are the command line's, in camel case; `folder` is a data folder to start again from;
 * `nodeFlags` go to Node itself (`--cpu-prof`).
 */
export async function startNode({ settings = {}, folder = makeFolder('node'), nodeFlags = [] } = {}) {
  const startedMs = nowMs();
  const flags = flagsOf({ data: folder, host: '127.0.0.1', port: 0, logLevel: 'warn', ...settings });
  const child = adopt(
    spawn(process.execPath, [...nodeFlags, main, 'start', ...flags], {
      env: plainEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  );
  const errors = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      errors.push(text);
      if (errors.length > 50) errors.shift();
    });
  }
  while (nowMs() - startedMs < START_LIMIT_MS) {
    if (child.exitCode !== null) throw new Error(`The node did not start (${child.exitCode})\n${errors.join('')}`);
    const port = boundPort(folder, child.pid);
    if (port !== undefined && (await isReady(port)))
      return new NodeUnderTest(child, folder, port, nowMs() - startedMs, errors);
    await sleep(5);
  }
  child.kill('SIGKILL');
  throw new Error(`The node was not ready after ${START_LIMIT_MS} ms\n${errors.join('')}`);
}

// Where the programs of the tour find their node, and a node of their own for those that stop or kill one.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connect as connectAmqp } from 'amqplib';

export { setTimeout as sleep } from 'node:timers/promises';

export const AMQP_URL = process.env.AMQP_URL ?? 'amqp://guest:guest@127.0.0.1:5672/%2f';
export const DUOLOG_URL = process.env.DUOLOG_URL ?? 'ws://127.0.0.1:7700/ws';
const MAIN = fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url));

/** A connection with one channel, over AMQP. */
export async function amqp(url = AMQP_URL) {
  const connection = await connectAmqp(url);
  return { connection, channel: await connection.createChannel() };
}

/** Waits until `isTrue` returns something true, at most 20 seconds. */
export async function until(isTrue) {
  for (let tries = 0; tries < 2000; tries += 1) {
    const value = await isTrue();
    if (value) return value;
    await sleep(10);
  }
  throw new Error('It did not come true within 20 seconds');
}

/** Takes `count` messages from a queue, each acknowledged. */
export async function takeAll(channel, queue) {
  const bodies = [];
  for (let got = await channel.get(queue); got !== false; got = await channel.get(queue)) {
    bodies.push(got.content.toString());
    channel.ack(got);
  }
  return bodies;
}

/** A node in a folder of its own on free ports, which can be killed and started again. */
export async function startOwnNode(...flags) {
  const folder = mkdtempSync(join(tmpdir(), 'duolog-tour-'));
  const node = { url: '', amqpUrl: '', start, kill, end };
  let process_;
  async function start(...more) {
    const words = ['start', '--data', folder, '--port', '0', '--log-level', 'error', ...flags, ...more];
    process_ = spawn(process.execPath, [MAIN, ...words], { stdio: ['ignore', 'ignore', 'inherit'] });
    const file = join(folder, 'node.json');
    const { pid } = process_;
    const facts = await until(() => {
      if (process_.exitCode !== null) throw new Error(`The node ended with ${process_.exitCode}`);
      // A node that was killed has left its file behind.
      const found = existsSync(file) && JSON.parse(readFileSync(file, 'utf8'));
      return found !== false && found.pid === pid && found;
    });
    node.url = `ws://127.0.0.1:${facts.port}/ws`;
    node.amqpUrl = `amqp://guest:guest@127.0.0.1:${facts.amqpPort}/%2f`;
  }
  async function kill(signal = 'SIGKILL') {
    if (process_.exitCode !== null || process_.signalCode !== null) return;
    const ended = once(process_, 'exit');
    process_.kill(signal);
    await ended;
  }
  async function end() {
    await kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true });
  }
  await start();
  return node;
}

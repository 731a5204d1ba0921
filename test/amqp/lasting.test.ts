import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ChannelModel } from 'amqplib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { engineFlags } from '../support/engine.js';
import { connectTo, eventually, quiet, refusalOf, unique } from './fixtures/node.js';

const PROGRAM = join(dirname(fileURLToPath(import.meta.url)), '../../dist/cli/main.js');

let folder: string;
let child: ChildProcess | undefined;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-amqp-'));
});
afterEach(async () => {
  await end('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** A node in a process of its own, and a connection to it. */
async function start(): Promise<ChannelModel> {
  const nodeFile = join(folder, 'node.json');
  rmSync(nodeFile, { force: true });
  const options = ['--data', folder, '--port', '0', '--shards', '2', '--journal-size', '8MiB', '--log-level', 'error'];
  child = spawn(process.execPath, [PROGRAM, 'start', ...options, ...engineFlags()], { stdio: 'inherit' });
  const port = await eventually(() => existsSync(nodeFile) && portIn(readFileSync(nodeFile, 'utf8')));
  return eventually(() => connectTo({ port }).catch(() => undefined));
}

/** Undefined while the file is being written. */
function portIn(text: string): number | undefined {
  const port = /"amqpPort": ?(\d+)/.exec(text)?.[1];
  return port === undefined ? undefined : Number(port);
}

async function end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
  const ending = child;
  child = undefined;
  if (ending === undefined || ending.exitCode !== null) return;
  const exited = new Promise((resolve) => ending.once('exit', resolve));
  ending.kill(signal);
  await exited;
}

test.each(['SIGTERM', 'SIGKILL'] as const)(
  'what is durable is there after %s, what is not has gone',
  async (signal) => {
    const [durable, transient, exchange] = [unique('durable'), unique('transient'), unique('exchange')];
    const connection = await start();
    const channel = await connection.createConfirmChannel();
    await channel.assertExchange(exchange, 'topic');
    await channel.assertExchange(`${exchange}-transient`, 'fanout', { durable: false });
    await channel.assertQueue(durable, { arguments: { 'x-max-priority': 3 } });
    await channel.assertQueue(transient, { durable: false });
    await channel.bindQueue(durable, exchange, 'kept.#');
    for (let number = 0; number < 100; number++) {
      channel.publish(exchange, `kept.${number}`, Buffer.from(`${number}`), { persistent: true, priority: number % 2 });
    }
    channel.sendToQueue(transient, Buffer.from('lost'));
    await channel.waitForConfirms();
    const first = await eventually(() => channel.get(durable));
    expect(first.content.toString()).toBe('1');
    channel.ack(first);
    // An answer that comes after the acknowledgement was taken; its way to the disk is the next commit.
    await channel.checkQueue(durable);
    channel.sendToQueue(durable, Buffer.from('last'), { persistent: true });
    await channel.waitForConfirms();
    await end(signal);

    const again = await start();
    const next = quiet(await again.createChannel());
    const waiting = (await next.checkQueue(durable)).messageCount;
    expect(waiting).toBe(100);
    const message = await eventually(() => next.get(durable, { noAck: true }));
    expect(message.content.toString()).toBe('3');
    expect(message.fields.routingKey).toBe('kept.3');
    // The binding is there as well.
    next.publish(exchange, 'kept.more', Buffer.from('more'));
    await eventually(async () => (await next.checkQueue(durable)).messageCount === waiting);
    expect(await refusalOf(quiet(await again.createChannel()).checkQueue(transient))).toBe(404);
    expect(await refusalOf(quiet(await again.createChannel()).checkExchange(`${exchange}-transient`))).toBe(404);
    const same = { arguments: { 'x-max-priority': 3 } };
    expect(await refusalOf(quiet(await again.createChannel()).assertQueue(durable, same))).toBe('accepted');
    await again.close();
  },
);

// A million delayed messages must cost little memory, fire on time, and survive kill -9.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import amqp from 'amqplib';
import { readFlags } from '../harness/arguments.mjs';
import { Checks } from '../harness/checks.mjs';
import { MIB, nowMs, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { number } from '../harness/tables.mjs';

const flags = readFlags('Usage: npm run delay -- [--messages N] [--shards N] [--rate N]', {
  messages: { type: 'string', default: '1000000' },
  shards: { type: 'string', default: '1' },
  rate: { type: 'string', default: '1000' },
});
const MESSAGES = Number(flags.messages);
const RATE = Number(flags.rate);
const RATE_SECONDS = 20;
const BODY = Buffer.alloc(100, 'x');
const WINDOW = 5000;
const HOUR_MS = 3_600_000;
const MAX_GROWTH_MIB = 100;
const MAX_LATE_P99_MS = 10;

const checks = new Checks();
const settings = { shards: flags.shards };
const mib = (bytes) => `${number(bytes / MIB)} MiB`;

const portOf = (node) => JSON.parse(readFileSync(join(node.folder, 'node.json'), 'utf8')).amqpPort;

async function connect(node) {
  const connection = await amqp.connect(`amqp://guest:guest@127.0.0.1:${portOf(node)}`);
  // It ends by kill -9 once.
  connection.on('error', () => undefined);
  const channel = await connection.createConfirmChannel();
  const options = { durable: true, arguments: { 'x-delayed-type': 'direct' } };
  await channel.assertExchange('later', 'x-delayed-message', options);
  await channel.assertQueue('due', { durable: true });
  await channel.bindQueue('due', 'later', 'due');
  return channel;
}

/** Publishes `count` messages whose delay `delayOf` gives, and waits until all are confirmed. */
async function publish(channel, count, delayOf, persistent = true) {
  let open = 0;
  for (let index = 0; index < count; index++) {
    const delay = delayOf(index);
    open++;
    const options = { persistent, headers: { 'x-delay': delay, due: Date.now() + delay } };
    channel.publish('later', 'due', BODY, options, () => open--);
    if (open >= WINDOW) while (open > WINDOW / 2) await new Promise((resolve) => setImmediate(resolve));
  }
  await channel.waitForConfirms();
}

/** Calls `seen` with each message until `count` have come. */
async function consume(channel, count, seen) {
  let left = count;
  let done;
  const all = new Promise((resolve) => {
    done = resolve;
  });
  const take = (message) => {
    seen(message);
    if (--left === 0) done();
  };
  const { consumerTag } = await channel.consume('due', take, { noAck: true });
  return { all, cancel: () => channel.cancel(consumerTag) };
}

function percentile(values, part) {
  const sorted = values.toSorted((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))];
}

let node = await startNode({ settings });
let channel = await connect(node);
try {
  await publish(channel, 50_000, () => 0);
  await channel.purgeQueue('due');
  await sleep(2000);
  const baseBytes = node.rssBytes();

  const startedMs = nowMs();
  await publish(channel, MESSAGES, () => HOUR_MS + Math.floor(Math.random() * HOUR_MS));
  const perSecond = MESSAGES / ((nowMs() - startedMs) / 1000);
  await sleep(3000);
  const growth = node.rssBytes() - baseBytes;
  console.log(`${number(MESSAGES)} held at ${number(perSecond)}/s: ${mib(baseBytes)} + ${mib(growth)}`);
  checks.add('Memory for what is held', mib(growth), `< ${MAX_GROWTH_MIB} MiB`, growth / MIB < MAX_GROWTH_MIB);

  const late = [];
  const rated = await consume(channel, RATE * RATE_SECONDS, (message) => {
    late.push(Date.now() - message.properties.headers.due);
  });
  for (let tick = 0; tick < RATE_SECONDS * 20; tick++) {
    const tickMs = nowMs();
    for (let index = 0; index < RATE / 20; index++) {
      const delay = 1000 + Math.floor(Math.random() * 3000);
      channel.publish('later', 'due', BODY, { headers: { 'x-delay': delay, due: Date.now() + delay } });
    }
    await sleep(Math.max(0, 50 - (nowMs() - tickMs)));
  }
  await rated.all;
  await rated.cancel();
  const [p50, p99, max] = [percentile(late, 0.5), percentile(late, 0.99), percentile(late, 1)];
  console.log(
    `${RATE} fires/s beside them: late by ${p50} ms (p50), ${p99} ms (p99), ${max} ms (max), min ${percentile(late, 0)} ms`,
  );
  checks.add(`Lateness at ${RATE}/s, p99`, `${p99} ms`, `<= ${MAX_LATE_P99_MS} ms`, p99 <= MAX_LATE_P99_MS);
  checks.add('None is early', `${percentile(late, 0)} ms`, '>= 0 ms', percentile(late, 0) >= 0);

  const BURST = Math.min(200_000, MESSAGES);
  for (const [name, persistent] of [
    ['transient', false],
    ['persistent', true],
  ]) {
    const burstMs = Date.now() + 15_000;
    await publish(channel, BURST, () => Math.max(1, burstMs - Date.now()), persistent);
    const waitMs = burstMs - Date.now();
    const burst = await consume(channel, BURST, () => undefined);
    await sleep(Math.max(0, waitMs));
    const firedMs = Date.now();
    await burst.all;
    await burst.cancel();
    console.log(
      `${number(BURST)} ${name} due at once: ${number((BURST / (Date.now() - firedMs)) * 1000)}/s to a consumer (published ${waitMs} ms before)`,
    );
  }

  const overdue = 10_000;
  await publish(channel, overdue, () => 3000);
  node.child.kill('SIGKILL');
  await sleep(3500);
  const { folder } = node;
  const restartedMs = nowMs();
  node = await startNode({ settings, folder });
  channel = await connect(node);
  const again = await consume(channel, overdue, () => undefined);
  await again.all;
  console.log(
    `kill -9: ready after ${number(node.readyMs)} ms; ${number(overdue)} overdue ones came within ${number(nowMs() - restartedMs)} ms of the start; ${mib(node.rssBytes())}`,
  );
} finally {
  await node.remove();
}
checks.finish();
// Connections to nodes that have gone may still wait for an answer.
process.exit();

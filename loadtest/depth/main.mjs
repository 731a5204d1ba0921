// A queue with ten million waiting messages must cost what a shallow one costs: in memory, in speed, and at a restart.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFlags } from '../harness/arguments.mjs';
import { Checks } from '../harness/checks.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { MIB, median, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { number, percent, short } from '../harness/tables.mjs';
import { WireSession } from '../harness/wire-session.mjs';
import { acknowledgeEverySecond, consume, fill, timeToFirstDelivery } from './consuming.mjs';

const flags = readFlags('Usage: npm run depth -- [--messages N] [--shards N]', {
  messages: { type: 'string', default: '10000000' },
  // With one shard no queue is nearer to the consumer's connection than another.
  shards: { type: 'string', default: '1' },
});
const MESSAGES = Number(flags.messages);
const SAMPLE = Math.min(300_000, MESSAGES / 10);
const VALUE_BYTES = 100;
const SEGMENT_BYTES = 64 * MIB;
const LINGER_MS = 1000;
const ROUNDS = 5;
const MAX_GROWTH_MIB = 100;
const MIN_SPEED = 0.8;
const MAX_RESTART_MS = 5000;
/** The segment that is written to, headers of batches and what is not due yet stay: this share of all may be left besides what is waiting. */
const SPACE_TOLERANCE = 0.12;
/** A queue has at most 8,000,000 unacknowledged messages at once. */
const MAX_HELD = 7_990_000;
const CLEANING_LIMIT_SECONDS = 120;

const checks = new Checks();
const mib = (bytes) => `${number(bytes / MIB)} MiB`;
const settings = { shards: flags.shards };
let node;

async function ask(question) {
  const session = await WireSession.open(node.port);
  try {
    return await question(session);
  } finally {
    session.destroy();
  }
}

const declare = (name) =>
  ask((session) =>
    session.declare({ queue: { name, segmentBytes: SEGMENT_BYTES, lingerMs: LINGER_MS, durability: 1 } }),
  );
const waiting = (name) => ask(async (session) => Number((await session.describe(name)).messagesReady ?? 0));
const diskBytes = () =>
  Number(execFileSync('du', ['-s', '-B1', `${node.folder}/logs`], { encoding: 'utf8' }).split('\t')[0]);

/** Resident memory when things have calmed down: the smallest of some looks. */
async function calmRss() {
  const looks = [];
  for (let look = 0; look < 10; look++) {
    looks.push(node.rssBytes());
    await sleep(300);
  }
  return Math.min(...looks);
}

/** Consumes samples from a shallow queue and from `deep` in turn, and compares the medians. */
async function compareSpeed(name, deep, onOffset) {
  const [shallow, depths, shallowMicros, deepMicros] = [[], [], [], []];
  const timed = async (queue, speeds, micros, look) => {
    const before = node.cpuSeconds();
    speeds.push(await consume(node.port, queue, SAMPLE, look));
    micros.push(((node.cpuSeconds() - before) * 1e6) / SAMPLE);
  };
  for (let round = 0; round < ROUNDS; round++) {
    await fill(node.port, 'shallow', SAMPLE, VALUE_BYTES);
    await timed('shallow', shallow, shallowMicros);
    await timed(deep, depths, deepMicros, onOffset);
  }
  const cpu = `${short(median(deepMicros))} µs, shallow ${short(median(shallowMicros))} µs`;
  checks.add(`${name}: CPU time of the node per message`, cpu, '');
  const [usual, reached] = [median(shallow), median(depths)];
  checks.add(
    `${name}: consumed a second`,
    `${number(reached)}, shallow ${number(usual)}`,
    '≥ 80 % of shallow',
    reached >= MIN_SPEED * usual,
  );
}

/** Ends the node, by its leave or without, starts it again and times the first delivery. */
async function restart(name, signal) {
  const expected = await waiting('deep');
  const gone = once(node.child, 'exit');
  node.child.kill(signal);
  await gone;
  node = await startNode({ settings, folder: node.folder });
  const totalMs = node.readyMs + (await timeToFirstDelivery(node.port, 'deep'));
  checks.add(
    `${name}: first delivery`,
    `${number(totalMs)} ms`,
    `≤ ${number(MAX_RESTART_MS)} ms`,
    totalMs <= MAX_RESTART_MS,
  );
  await sleep(500);
  const found = await waiting('deep');
  const text = `${number(found)} of ${number(expected)}`;
  // What was in flight or acknowledged a moment ago may come again after a kill; nothing may be missing.
  checks.add(
    `${name}: messages waiting`,
    text,
    'none missing',
    signal === 'SIGTERM' ? found === expected : found >= expected,
  );
}

async function checkGrowth(name, baseline) {
  const rss = await calmRss();
  const growth = (rss - baseline) / MIB;
  checks.add(
    `${name}: RSS`,
    `${mib(rss)}, grown by ${number(growth)} MiB`,
    `< ${MAX_GROWTH_MIB} MiB`,
    growth < MAX_GROWTH_MIB,
  );
}

/** Waits until the cleaner has given back the acknowledged half. */
async function checkSpace(before, share) {
  const maxLeft = 1 - share + SPACE_TOLERANCE;
  let left = diskBytes();
  const limitMs = performance.now() + CLEANING_LIMIT_SECONDS * 1000;
  while (left > maxLeft * before && performance.now() < limitMs) {
    await sleep(500);
    left = diskBytes();
  }
  const text = `${mib(before)} → ${mib(left)} (${percent(left / before)})`;
  checks.add('half acknowledged: disk', text, `≤ ${percent(maxLeft)} left`, left <= maxLeft * before);
}

async function deepQueue() {
  await declare('shallow');
  await declare('deep');
  // The baseline has done the same work on a shallow queue, so that growth is that of depth and not of warm buffers.
  for (let round = 0; round < ROUNDS; round++) {
    await fill(node.port, 'shallow', SAMPLE, VALUE_BYTES);
    await consume(node.port, 'shallow', SAMPLE);
  }
  const baseline = await calmRss();
  checks.add('shallow: RSS', mib(baseline), '');
  const startedMs = performance.now();
  await fill(node.port, 'deep', MESSAGES, VALUE_BYTES);
  const seconds = (performance.now() - startedMs) / 1000;
  const ready = await waiting('deep');
  checks.add(
    'deep: messages waiting',
    `${number(ready)} (filled in ${number(seconds, 1)} s)`,
    number(MESSAGES),
    ready === MESSAGES,
  );
  await checkGrowth('deep', baseline);
  await compareSpeed('deep', 'deep');
  await restart('deep, restarted in good order', 'SIGTERM');
  await restart('deep, killed', 'SIGKILL');
  return baseline;
}

async function halfAcknowledged(baseline) {
  const all = await waiting('deep');
  const before = diskBytes();
  const startedMs = performance.now();
  const acknowledged = await acknowledgeEverySecond(node.port, 'deep', all, MAX_HELD);
  const seconds = (performance.now() - startedMs) / 1000;
  // The node was started shortly before, so that its peak is that of this phase.
  const peak = node.peakRssBytes();
  checks.add(
    'half acknowledged, meanwhile: peak RSS',
    `${mib(peak)}, grown by ${number((peak - baseline) / MIB)} MiB`,
    '',
  );
  await sleep(2000);
  const ready = await waiting('deep');
  const isAll = acknowledged >= Math.floor(all / 2);
  const figure = `${number(acknowledged)} of ${number(all)} (took ${number(seconds, 1)} s)`;
  checks.add('half acknowledged: acknowledged', figure, 'every second one', isAll);
  checks.add('half acknowledged: waiting', number(ready), number(all - acknowledged), ready === all - acknowledged);
  await checkGrowth('half acknowledged', baseline);
  let odd = 0;
  const onOffset = (offset) => {
    odd += offset % 2;
  };
  await compareSpeed('half acknowledged', 'deep', onOffset);
  await checkGrowth('half acknowledged, after some work', baseline);
  await checkSpace(before, acknowledged / all);
  await compareSpeed('half acknowledged, cleaned', 'deep', onOffset);
  await restart('half acknowledged, restarted', 'SIGTERM');
  await checkGrowth('half acknowledged, restarted', baseline);
  await restart('half acknowledged, killed', 'SIGKILL');
  await consume(node.port, 'deep', SAMPLE, onOffset);
  checks.add('acknowledged messages that came again', number(odd), '0', odd === 0);
}

limitTime(900);
for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
node = await startNode({ settings });
await halfAcknowledged(await deepQueue());
await node.remove();
checks.finish();
console.log(`Load average at end: ${loadText()}`);

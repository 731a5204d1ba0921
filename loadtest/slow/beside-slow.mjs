// Five hundred consumers that do not read, beside ten good ones: what the node holds for the former, and what the latter feel.
import { fileURLToPath } from 'node:url';
import { fill } from '../depth/consuming.mjs';
import { MIB, median, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { startRole } from '../harness/processes.mjs';
import { number, short } from '../harness/tables.mjs';
import { WireSession } from '../harness/wire-session.mjs';
import { counterOf, kernelBytes } from './backlog.mjs';

const SLOW = 500;
const GOOD = 10;
const CREDIT = 100;
/** So large that the kernel's buffers are full long before the credit is used up. */
const SLOW_BYTES = 64 * 1024;
const SLOW_MESSAGES = 45_000;
const GOOD_PER_SECOND = 2000;
const SECONDS = 4;
const TRICKLE_PER_SECOND = 100;
const MAX_BACKLOG = MIB;
const MAX_RATIO = 2;
const MEMORY = 1;

/** Latency of the good consumers' messages over one run. */
async function measureGood(producer, consumer) {
  await consumer.call('countHeard', { messages: GOOD_PER_SECOND * SECONDS });
  await producer.call('run');
  return consumer.call('heardAll', { limitSeconds: 10 });
}

async function startGood(node) {
  const generator = fileURLToPath(new URL('../bench/generator.mjs', import.meta.url));
  const [producer, consumer] = [startRole(generator), startRole(generator)];
  await consumer.call('listen', { port: node.port, from: 'good', mode: 'queue', connections: GOOD });
  const what = { to: 'good', partitions: 1, count: 1, valueBytes: 100, durability: MEMORY, window: 4096 };
  const times = { perSecond: GOOD_PER_SECOND, warmUpSeconds: 1, seconds: SECONDS };
  const prepare = () =>
    producer.call('prepare', { load: 'publishAtRate', port: node.port, isTimed: true, ...what, ...times });
  const measure = async () => {
    const p99s = [];
    for (let round = 0; round < 3; round++) {
      await prepare();
      await sleep(200);
      p99s.push((await measureGood(producer, consumer)).p99Ms);
    }
    return median(p99s);
  };
  return { measure, stop: () => Promise.all([producer.stop(), consumer.stop()]) };
}

/** Waits until the node hands no more to its sockets. */
export async function untilStill(port) {
  let last = -1;
  for (let look = 0; look < 60; look++) {
    const sent = await counterOf(port, 'duolog_bytes_sent_total');
    if (sent === last) return sent;
    last = sent;
    await sleep(1000);
  }
  return last;
}

/** Runs the scenario and adds its checks. */
export async function besideSlowConsumers(checks) {
  const node = await startNode({ settings: { shards: 2 } });
  const session = await WireSession.open(node.port);
  for (const name of ['good', 'slow']) await session.declare({ queue: { name, durability: MEMORY } });
  await fill(node.port, 'slow', SLOW_MESSAGES, SLOW_BYTES, { batch: 1, window: 64 });
  const good = await startGood(node);
  const before = await good.measure();
  const [rssBefore, sentBefore] = [node.rssBytes(), await counterOf(node.port, 'duolog_bytes_sent_total')];
  const slow = startRole(fileURLToPath(new URL('./slow-consumers.mjs', import.meta.url)));
  await slow.call('attach', { port: node.port, from: 'slow', consumers: SLOW, credit: CREDIT });
  const sent = (await untilStill(node.port)) - sentBefore;
  const { bytesRead, ports } = await slow.call('report');
  const inKernel = kernelBytes(node.port, ports);
  const backlog = (sent - bytesRead - inKernel) / SLOW;
  const text = `${number(backlog / 1024)} KiB (kernel ${number(inKernel / SLOW / 1024)} KiB)`;
  checks.add('500 slow consumers: backlog of each', text, '≤ 1,024 KiB', backlog <= MAX_BACKLOG);
  const growth = (node.rssBytes() - rssBefore) / MIB;
  // What each may have waiting, and an eighth of that for its session, its socket and what the allocator rounds up.
  const mostGrowth = (SLOW * MAX_BACKLOG * 1.125) / MIB;
  checks.add(
    '500 slow consumers: RSS grown by',
    `${number(growth)} MiB`,
    `≤ ${number(mostGrowth)} MiB`,
    growth <= mostGrowth,
  );
  const standing = await good.measure();
  await slow.call('trickle', { perSecond: TRICKLE_PER_SECOND });
  const trickling = await good.measure();
  const { closed, settled } = await slow.call('report');
  await slow.call('detach');
  await sleep(2000);
  const usual = median([before, await good.measure()]);
  const compare = (name, p99) => {
    const figure = `${short(p99)} ms, without slow ones ${short(usual)} ms`;
    checks.add(`${GOOD} good consumers beside ${name}: p99`, figure, `within ${MAX_RATIO}×`, p99 <= MAX_RATIO * usual);
  };
  compare('500 that stand still', standing);
  compare(`500 that take ${TRICKLE_PER_SECOND} × 64 KiB a second`, trickling);
  checks.add(
    'slow sessions: deliveries taken, sessions closed',
    `${number(settled)}, ${closed}`,
    'none closed',
    closed === 0,
  );
  session.destroy();
  await Promise.all([good.stop(), slow.stop()]);
  await node.remove();
}

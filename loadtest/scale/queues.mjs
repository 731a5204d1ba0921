// 10,000 durable queues, each with a message: what they cost in memory, and at a start.
import { MIB } from '../harness/measures.mjs';
import { number } from '../harness/tables.mjs';
import { AmqpLoad, properties, publishBytes, queueDeclare } from './amqp-load.mjs';
import { calmRss, mib, restart, startAmqpNode } from './node.mjs';

const MAX_START_MS = 10_000;
const MAX_GROWTH_MIB = 300;
const CHANNELS = 200;

/** Asks for `count` things on all channels at once; `make(channel, index)` is one request. Returns the answers. */
export async function askAll(load, channels, count, make) {
  const answers = [];
  let next = 0;
  const lane = async (channel) => {
    while (next < count) {
      const index = next++;
      answers[index] = await load.call(channel, make(channel, index));
    }
  };
  await Promise.all(Array.from({ length: channels }, (_, index) => lane(index + 1)));
  return answers;
}

/** Messages of every queue, by the answers of passive declarations. */
async function countMessages(port, queues) {
  const load = await AmqpLoad.open(port, CHANNELS);
  const answers = await askAll(load, CHANNELS, queues, (channel, index) =>
    queueDeclare(channel, `queue-${index}`, { passive: true }),
  );
  load.destroy();
  return answers.reduce((sum, payload) => sum + payload.readUInt32BE(5 + payload[4]), 0);
}

export async function queues(checks, { shards, queues: count }) {
  let node = await startAmqpNode(shards);
  const idle = await calmRss(node);
  const load = await AmqpLoad.open(node.amqpPort, CHANNELS);
  const startedMs = performance.now();
  await askAll(load, CHANNELS, count, (channel, index) => queueDeclare(channel, `queue-${index}`));
  const declaredMs = performance.now() - startedMs;
  checks.add('queues: declared a second', number((count * 1000) / declaredMs), '');
  const declared = await calmRss(node);
  checks.add(
    'queues: declared, RSS over idle',
    mib(declared - idle),
    `≤ ${MAX_GROWTH_MIB} MiB`,
    declared - idle <= MAX_GROWTH_MIB * MIB,
  );
  await load.confirmSelect(1);
  const persistent = properties({ persistent: true });
  const body = Buffer.alloc(100);
  await load.publish(count, (index) => publishBytes(1, '', `queue-${index}`, persistent, body), 1000);
  const filled = await calmRss(node);
  checks.add(
    'queues: one message in each, RSS over idle',
    mib(filled - idle),
    `≤ ${MAX_GROWTH_MIB} MiB`,
    filled - idle <= MAX_GROWTH_MIB * MIB,
  );
  load.destroy();
  for (const [name, signal] of [
    ['stopped in good order', 'SIGTERM'],
    ['killed', 'SIGKILL'],
  ]) {
    node = await restart(node, shards, signal);
    // Others that are busy on the machine make the start longer, but hardly its work.
    checks.add(`queues: CPU time till ready after ${name}`, `${number(node.cpuSeconds(), 1)} s`, '');
    checks.add(
      `queues: start after ${name}`,
      `${number(node.readyMs)} ms`,
      `≤ ${number(MAX_START_MS)} ms`,
      node.readyMs <= MAX_START_MS,
    );
    const rss = await calmRss(node);
    checks.add(
      `queues: ${name} and started, RSS over idle`,
      mib(rss - idle),
      `≤ ${MAX_GROWTH_MIB} MiB`,
      rss - idle <= MAX_GROWTH_MIB * MIB,
    );
    const found = await countMessages(node.amqpPort, count);
    checks.add(`queues: messages after ${name}`, number(found), number(count), found === count);
  }
  await node.remove();
}

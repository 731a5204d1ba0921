// Ten million messages in a queue with ten priorities and a time to live: what they cost in memory, and at a restart.
import { MIB } from '../harness/measures.mjs';
import { number } from '../harness/tables.mjs';
import { AmqpLoad, properties, publishBytes, queueDeclare, tableOf } from './amqp-load.mjs';
import { calmRss, mib, restart, startAmqpNode } from './node.mjs';

const MAX_GROWTH_MIB = 150;
const PRIORITIES = 10;
const DAY_MS = 86_400_000;
const WARM_UP = 200_000;
const DEEP = 'deep';
const SHALLOW = 'shallow';

const declare = (name) =>
  queueDeclare(1, name, { table: tableOf({ 'x-max-priority': PRIORITIES, 'x-message-ttl': DAY_MS }) });

function maker(queue) {
  const made = Array.from({ length: PRIORITIES }, (_, priority) =>
    publishBytes(1, '', queue, properties({ priority }), Buffer.alloc(50)),
  );
  // Priorities in no order, each as often as the others.
  return (index) => made[(index * 7) % PRIORITIES];
}

async function waiting(load, queue) {
  const payload = await load.call(1, queueDeclare(1, queue, { passive: true }));
  return payload.readUInt32BE(5 + payload[4]);
}

export async function priorities(checks, { shards, messages }) {
  let node = await startAmqpNode(shards);
  let load = await AmqpLoad.open(node.amqpPort, 2);
  await load.call(1, declare(SHALLOW));
  await load.call(1, declare(DEEP));
  await load.confirmSelect(1);
  // The baseline has done the same work on a shallow queue, so that growth is that of depth and not of warm buffers.
  await load.publish(WARM_UP, maker(SHALLOW));
  await load.consume(2, SHALLOW, 1000);
  await load.until(() => load.delivered >= WARM_UP);
  load.destroy();
  const before = await calmRss(node);
  load = await AmqpLoad.open(node.amqpPort);
  await load.confirmSelect(1);
  const startedMs = performance.now();
  await load.publish(messages, maker(DEEP));
  checks.add('priorities: published a second', number((messages * 1000) / (performance.now() - startedMs)), '');
  const found = await waiting(load, DEEP);
  checks.add('priorities: messages waiting', number(found), number(messages), found === messages);
  const grown = (await calmRss(node)) - before;
  checks.add(
    `priorities: ${number(messages)} waiting, RSS grown by`,
    mib(grown),
    `< ${MAX_GROWTH_MIB} MiB`,
    grown < MAX_GROWTH_MIB * MIB,
  );
  load.destroy();
  node = await restart(node, shards, 'SIGKILL');
  checks.add('priorities: start after a kill', `${number(node.readyMs)} ms`, '');
  load = await AmqpLoad.open(node.amqpPort);
  const askedMs = performance.now();
  const left = await waiting(load, DEEP);
  checks.add(
    'priorities: messages after a kill',
    `${number(left)}, told after ${number(performance.now() - askedMs)} ms`,
    number(messages),
    left === messages,
  );
  const after = (await calmRss(node)) - before;
  checks.add(
    'priorities: killed and started, RSS grown by',
    mib(after),
    `< ${MAX_GROWTH_MIB} MiB`,
    after < MAX_GROWTH_MIB * MIB,
  );
  load.destroy();
  await node.remove();
}

// A million messages that wait for their time: what they cost in memory, before and after a restart.
import { MIB } from '../harness/measures.mjs';
import { number } from '../harness/tables.mjs';
import { AmqpLoad, exchangeDeclare, properties, publishBytes, queueBind, queueDeclare, tableOf } from './amqp-load.mjs';
import { calmRss, mib, restart, startAmqpNode } from './node.mjs';

const MAX_GROWTH_MIB = 100;
const EXCHANGE = 'later';
const QUEUE = 'due';
const HOUR_MS = 3_600_000;
const WARM_UP = 50_000;
const KEYS = 1000;

/** Messages of about 100 bytes that are due between one and two hours from now, not in order. */
function maker() {
  const body = Buffer.alloc(100);
  const made = Array.from({ length: KEYS }, (_, index) => {
    const headers = tableOf({ 'x-delay': HOUR_MS + ((index * 7919) % KEYS) * (HOUR_MS / KEYS) });
    return publishBytes(1, EXCHANGE, 'key', properties({ headers }), body);
  });
  return (index) => made[index % KEYS];
}

export async function delayed(checks, { shards, delayed: count }) {
  let node = await startAmqpNode(shards);
  let load = await AmqpLoad.open(node.amqpPort);
  await load.call(1, exchangeDeclare(1, EXCHANGE, 'x-delayed-message', tableOf({ 'x-delayed-type': 'direct' })));
  await load.call(1, queueDeclare(1, QUEUE));
  await load.call(1, queueBind(1, QUEUE, EXCHANGE, 'key'));
  await load.confirmSelect(1);
  // The baseline has published as fast, to a queue, so that growth is that of what waits and not of warm buffers.
  const plain = publishBytes(1, '', QUEUE, properties({}), Buffer.alloc(100));
  await load.publish(WARM_UP, () => plain);
  const before = await calmRss(node);
  const startedMs = performance.now();
  await load.publish(count, maker());
  checks.add('delayed: published a second', number((count * 1000) / (performance.now() - startedMs)), '');
  checks.add('delayed: refused', number(load.nacked), '0', load.nacked === 0);
  const grown = (await calmRss(node)) - before;
  checks.add(
    `delayed: ${number(count)} pending, RSS grown by`,
    mib(grown),
    `< ${MAX_GROWTH_MIB} MiB`,
    grown < MAX_GROWTH_MIB * MIB,
  );
  load.destroy();
  node = await restart(node, shards, 'SIGKILL');
  checks.add('delayed: start after a kill', `${number(node.readyMs)} ms`, '');
  const after = (await calmRss(node)) - before;
  checks.add(
    'delayed: killed and started, RSS grown by',
    mib(after),
    `< ${MAX_GROWTH_MIB} MiB`,
    after < MAX_GROWTH_MIB * MIB,
  );
  load = await AmqpLoad.open(node.amqpPort);
  const payload = await load.call(1, queueDeclare(1, QUEUE, { passive: true }));
  const early = payload.readUInt32BE(5 + payload[4]) - WARM_UP;
  checks.add('delayed: fired before their time', number(early), '0', early === 0);
  load.destroy();
  await node.remove();
}

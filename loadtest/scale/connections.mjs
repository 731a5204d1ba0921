// 2,000 idle connections with 5 channels each: what one costs in memory.
import { number } from '../harness/tables.mjs';
import { AmqpLoad } from './amqp-load.mjs';
import { calmRss, mib, startAmqpNode } from './node.mjs';

const KIB = 1024;
const CHANNELS = 5;
const MAX_KIB = 40;
/** So many at a time. */
const GROUP = 50;

async function openMany(port, count) {
  const loads = [];
  while (loads.length < count) {
    const group = Array.from({ length: Math.min(GROUP, count - loads.length) }, () => AmqpLoad.open(port, CHANNELS));
    loads.push(...(await Promise.all(group)));
  }
  return loads;
}

export async function connections(checks, { shards, connections: count }) {
  const node = await startAmqpNode(shards);
  // The baseline has seen connections come and go, so that growth is that of those which are there.
  for (const load of await openMany(node.amqpPort, 200)) load.destroy();
  const before = await calmRss(node);
  const loads = await openMany(node.amqpPort, count);
  const rss = await calmRss(node);
  const each = (rss - before) / count / KIB;
  checks.add(
    `connections: memory of each of ${number(count)} with ${CHANNELS} channels`,
    `${number(each, 1)} KiB (RSS ${mib(before)} → ${mib(rss)})`,
    `≤ ${MAX_KIB} KiB`,
    each <= MAX_KIB,
  );
  for (const load of loads) load.destroy();
  await node.remove();
}

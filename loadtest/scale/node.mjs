// The node that a row measures, and how its memory is looked at.
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MIB, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { number } from '../harness/tables.mjs';

export const mib = (bytes) => `${number(bytes / MIB, bytes < 100 * MIB ? 1 : 0)} MiB`;

/** Starts a node that speaks AMQP, anew or on `folder`. Its port is `amqpPort`. */
export async function startAmqpNode(shards, folder) {
  const node = await startNode({ settings: { shards, amqpPort: 0 }, ...(folder === undefined ? {} : { folder }) });
  const { amqpPort } = JSON.parse(readFileSync(join(node.folder, 'node.json'), 'utf8'));
  return Object.assign(node, { amqpPort });
}

/** Ends the node by `signal` and starts it again on its folder. */
export async function restart(node, shards, signal) {
  const gone = once(node.child, 'exit');
  node.child.kill(signal);
  await gone;
  return startAmqpNode(shards, node.folder);
}

/** Resident memory when things have calmed down: the smallest of some looks. */
export async function calmRss(node) {
  await sleep(2000);
  const looks = [];
  for (let look = 0; look < 10; look++) {
    looks.push(node.rssBytes());
    await sleep(300);
  }
  return Math.min(...looks);
}

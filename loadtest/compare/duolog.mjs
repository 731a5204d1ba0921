// The node as one of the brokers that are compared.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startNode } from '../harness/node-under-test.mjs';

/** Starts a node with its AMQP door open. `profile`: a folder for CPU profiles of its threads. */
export async function startDuolog({ shards, profile } = {}) {
  const settings = { amqpPort: 0, ...(shards === undefined ? {} : { shards }) };
  const nodeFlags = profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`];
  const node = await startNode({ settings, nodeFlags });
  const { amqpPort } = JSON.parse(readFileSync(join(node.folder, 'node.json'), 'utf8'));
  return { pid: node.pid, amqpPort, stop: () => node.remove() };
}

// Consumers that acknowledge automatically, get messages of 1 MiB and do not read: what the node holds for each of them.
import { fileURLToPath } from 'node:url';
import { fill } from '../depth/consuming.mjs';
import { MIB } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { startRole } from '../harness/processes.mjs';
import { number } from '../harness/tables.mjs';
import { WireSession } from '../harness/wire-session.mjs';
import { counterOf, kernelBytes } from './backlog.mjs';
import { untilStill } from './beside-slow.mjs';

const CONSUMERS = 40;
const CREDIT = 1000;
const VALUE_BYTES = MIB;
/** Enough to fill the kernel's buffers of every consumer, and several for each on top. */
const MESSAGES = 640;
/** A message with its frame around it. */
const MAX_BACKLOG = VALUE_BYTES + 1024;
/** For each consumer one message in its socket and one that waits for it, with room for what the garbage collector has not found. */
const MAX_GROWTH = 3 * CONSUMERS * VALUE_BYTES;
const MEMORY = 1;

/** Runs the scenario and adds its checks. */
export async function automaticSlowConsumers(checks) {
  const node = await startNode({ settings: { shards: 2 } });
  const session = await WireSession.open(node.port);
  await session.declare({ queue: { name: 'slow', durability: MEMORY } });
  await fill(node.port, 'slow', MESSAGES, VALUE_BYTES, { batch: 1, window: 4 });
  const [rssBefore, sentBefore] = [node.rssBytes(), await counterOf(node.port, 'duolog_bytes_sent_total')];
  const slow = startRole(fileURLToPath(new URL('./slow-consumers.mjs', import.meta.url)));
  await slow.call('attach', {
    port: node.port,
    from: 'slow',
    consumers: CONSUMERS,
    credit: CREDIT,
    automaticAck: true,
  });
  const sent = (await untilStill(node.port)) - sentBefore;
  const { bytesRead, ports, closed } = await slow.call('report');
  const inKernel = kernelBytes(node.port, ports);
  const backlog = (sent - bytesRead - inKernel) / CONSUMERS;
  const text = `${number(backlog / 1024)} KiB (kernel ${number(inKernel / CONSUMERS / 1024)} KiB)`;
  const name = `${CONSUMERS} slow consumers of 1 MiB, automatic acks`;
  checks.add(`${name}: backlog of each`, text, '≤ 1,025 KiB', backlog <= MAX_BACKLOG);
  const growth = node.rssBytes() - rssBefore;
  const limit = `≤ ${number(MAX_GROWTH / MIB)} MiB`;
  checks.add(`${name}: RSS grown by`, `${number(growth / MIB)} MiB`, limit, growth <= MAX_GROWTH);
  const ready = Number((await session.describe('slow')).messagesReady ?? 0);
  const taken = (MESSAGES - ready - sent / VALUE_BYTES) / CONSUMERS;
  checks.add(`${name}: messages of each in memory only`, number(taken, 1), '≤ 1', taken <= 1);
  checks.add(`${name}: sessions closed`, String(closed), 'none', closed === 0);
  session.destroy();
  await slow.stop();
  await node.remove();
}

// Runs one case against a running node: declares what it needs, loads, measures both sides, deletes.
import { MIB, sleep } from '../harness/measures.mjs';
import { LEVELS } from './cases.mjs';

const FETCH_BYTES = MIB;
let number = 0;

/**
 * @param bench `{node, session, producer, consumer, durations}`: the node, a session for declarations, two generator processes
 * @returns rates, CPU times in microseconds per message, and latencies where the case has them
 */
export async function runCase(bench, one) {
  const name = `bench-${++number}`;
  try {
    return await runners[one.group](bench, one, name);
  } finally {
    await bench.session.request({ delete: { name } });
    // Files are removed in the background; the next case should not pay for it.
    await sleep(200);
  }
}

const runners = {
  publish,
  'one at a time': publish,
  pull: (bench, one, name) => pull(bench, one, name, 'pull'),
  follow: (bench, one, name) => pull(bench, one, name, 'stream'),
  push,
  client,
  broadcast,
  'end to end': endToEnd,
};

/** Runs what `generator` has prepared, and adds the node's CPU time. */
async function measure(node, generator) {
  const before = node.cpuSeconds();
  const result = await generator.call('run');
  return figures(result, node.cpuSeconds() - before);
}

function figures({ messages, seconds, clientCpuSeconds, bytes, ...rest }, nodeCpuSeconds) {
  return {
    ...rest,
    messages,
    perSecond: messages / seconds,
    bytesPerSecond: bytes === undefined ? undefined : bytes / seconds,
    nodeMicros: (nodeCpuSeconds * 1e6) / messages,
    clientMicros: (clientCpuSeconds * 1e6) / messages,
  };
}

async function publish({ node, session, producer, durations }, one, to) {
  await session.declare({ topic: { name: to, partitions: one.partitions, durability: LEVELS[one.level] } });
  const { partitions, window, count, valueBytes, connections, form } = one;
  await producer.call('prepare', {
    load: 'flood',
    port: node.port,
    ...{ to, partitions, window, count, valueBytes, connections, form },
    durability: LEVELS[one.level],
    ...durations,
  });
  const result = await measure(node, producer);
  return { ...result, bytesPerSecond: result.perSecond * valueBytes };
}

const fillOf = ({ valueBytes, partitions }, durations) => {
  const bytes = (durations.isQuick ? 64 : 192) * MIB;
  const round = 100 * partitions;
  return Math.min(durations.isQuick ? 500_000 : 1_000_000, Math.round(bytes / valueBytes / round) * round);
};

async function pull({ node, session, producer, consumer, durations }, one, from, load) {
  await session.declare({ topic: { name: from, partitions: one.partitions } });
  const messages = fillOf(one, durations);
  await producer.call('fill', {
    port: node.port,
    to: from,
    partitions: one.partitions,
    messages,
    valueBytes: one.valueBytes,
  });
  const { partitions, connections } = one;
  await consumer.call('prepare', {
    load,
    port: node.port,
    from,
    partitions,
    connections,
    messages,
    maxBytes: FETCH_BYTES,
    ...durations,
  });
  return measure(node, consumer);
}

async function push({ node, session, producer, consumer, durations }, one, from) {
  await session.declare({ queue: { name: from, partitions: one.partitions, durability: LEVELS[one.level] } });
  const messages = fillOf(one, durations);
  await producer.call('fill', {
    port: node.port,
    to: from,
    partitions: one.partitions,
    messages,
    valueBytes: one.valueBytes,
  });
  await consumer.call('prepare', { load: 'consume', port: node.port, from, consumers: one.connections, messages });
  const result = await measure(node, consumer);
  return { ...result, bytesPerSecond: result.perSecond * one.valueBytes };
}

async function client(bench, one, name) {
  const { node, session, producer, consumer, durations } = bench;
  const { load, valueBytes, partitions } = one;
  const durability = LEVELS[one.level ?? 'memory'];
  const isQueue = load === 'clientPush';
  await session.declare(isQueue ? { queue: { name, durability } } : { topic: { name, durability } });
  const messages = fillOf(one, durations);
  if (load === 'clientPublish') {
    await producer.call('prepare', { load, port: node.port, to: name, valueBytes, durability, ...durations });
    return measure(node, producer);
  }
  await producer.call('fill', { port: node.port, to: name, partitions, messages, valueBytes });
  await consumer.call('prepare', { load, port: node.port, from: name, messages });
  return measure(node, consumer);
}

/** Publishes at a fixed rate while somebody listens; latencies are those of the listeners, from when each message was due. */
async function publishAndListen(bench, one, to, durability, listening, deliveriesEach) {
  const { node, producer, consumer, durations } = bench;
  await consumer.call('listen', { port: node.port, from: to, ...listening });
  const { perSecond, valueBytes } = one;
  await producer.call('prepare', {
    load: 'publishAtRate',
    ...{ port: node.port, to, partitions: 1, count: 1, valueBytes, durability, perSecond, isTimed: true },
    window: MAX_RATE_WINDOW,
    ...durations,
  });
  await sleep(300);
  await consumer.call('countHeard', { messages: perSecond * durations.seconds * deliveriesEach });
  const before = node.cpuSeconds();
  const sent = await producer.call('run');
  const heard = await consumer.call('heardAll', { limitSeconds: 5 });
  const nodeCpuSeconds = node.cpuSeconds() - before;
  await consumer.call('closeAll');
  const clientCpuSeconds = heard.clientCpuSeconds + sent.clientCpuSeconds;
  const result = figures({ ...heard, seconds: durations.seconds, clientCpuSeconds }, nodeCpuSeconds);
  return { ...result, confirmP50Ms: sent.p50Ms, confirmP99Ms: sent.p99Ms };
}
const MAX_RATE_WINDOW = 4096;

async function broadcast(bench, one, to) {
  await bench.session.declare({ topic: { name: to } });
  const listening = { mode: 'broadcast', connections: one.connections };
  return publishAndListen(bench, one, to, LEVELS.memory, listening, one.connections);
}

async function endToEnd(bench, one, to) {
  await bench.session.declare({ queue: { name: to, durability: LEVELS[one.level] } });
  return publishAndListen(bench, one, to, LEVELS[one.level], { mode: 'queue' }, 1);
}

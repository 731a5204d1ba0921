import { availableParallelism } from 'node:os';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Client, DurabilityName, NodeStatus } from '../../client/index.js';
import { byteSize, duration, wholeNumber } from '../arguments.js';
import {
  type BenchPlan,
  type BenchResult,
  measureEndToEnd,
  measurePublish,
  measurePull,
  measurePush,
} from '../benchmark.js';
import { type NodeSession, nodeAction } from '../connection.js';
import type { CellColumn } from '../output.js';
import { formatBytes, formatCount, formatDuration, formatLatency, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

const TESTS = ['publish', 'pull', 'push', 'end-to-end'] as const;
type Test = (typeof TESTS)[number];

interface BenchOptions {
  readonly size: number;
  readonly duration: number;
  readonly durability: DurabilityName;
  readonly partitions: number;
  readonly rate: number;
  readonly only?: readonly Test[];
  readonly keep?: boolean;
}

/** `duolog bench`: a quick look at what a running node does on this machine. */
export function addBench(program: Command, terminal: Terminal): void {
  program
    .command('bench')
    .summary('measure a running node')
    .description('Measure a running node from this process, with topics of its own that are deleted afterwards.')
    .addOption(new Option('-s, --size <size>', 'size of a message').argParser(messageSize).default(100, '100'))
    .addOption(new Option('--duration <duration>', 'of each test that writes').argParser(duration).default(5000, '5s'))
    .addOption(
      new Option('-d, --durability <level>', 'level that is confirmed')
        .choices(['memory', 'disk', 'quorum'])
        .default('disk'),
    )
    .addOption(
      new Option('-p, --partitions <count>', 'partitions of the topic').argParser(wholeNumber(1, 1000)).default(1),
    )
    .addOption(
      new Option('-r, --rate <number>', 'messages per second, end to end')
        .argParser(wholeNumber(1, 1_000_000))
        .default(5000),
    )
    .addOption(new Option('--only <tests>', `of ${TESTS.join(', ')}; separated by commas`).argParser(testList))
    .option('--keep', 'leave the topics where they are')
    .action(nodeAction(terminal, bench));
}

/** Eight bytes at least: the end-to-end test writes a time into each message. */
function messageSize(text: string): number {
  const size = byteSize(text);
  if (size < 8) throw new InvalidArgumentError('It must be at least 8 bytes.');
  return size;
}

function testList(text: string): Test[] {
  return text.split(',').map((name) => {
    const test = TESTS.find((one) => one === name.trim());
    if (test === undefined) throw new InvalidArgumentError(`There are the tests ${TESTS.join(', ')}.`);
    return test;
  });
}

const columns: readonly CellColumn<BenchResult>[] = [
  { heading: 'TEST', cell: ({ test }) => test },
  { heading: 'MESSAGES', optional: true, align: 'right', cell: ({ messages }) => formatCount(messages) },
  { heading: 'PER SECOND', align: 'right', cell: (result) => formatCount(perSecond(result)) },
  { heading: 'P50', align: 'right', cell: ({ latencies }) => latency(latencies?.percentile(50)) },
  { heading: 'P99', align: 'right', cell: ({ latencies }) => latency(latencies?.percentile(99)) },
  { heading: 'P99.9', optional: true, align: 'right', cell: ({ latencies }) => latency(latencies?.percentile(99.9)) },
  { heading: 'MAX', optional: true, align: 'right', cell: ({ latencies }) => latency(latencies?.max) },
  {
    heading: 'CLIENT CPU',
    optional: true,
    align: 'right',
    cell: (result) => `${cpuMicroseconds(result).toFixed(2)} µs`,
  },
];

async function bench(session: NodeSession<BenchOptions>): Promise<void> {
  const { client, output, options, interrupted } = session;
  const node = await client.status({ signal: interrupted });
  const log = `duolog-bench-${process.pid}-${Date.now().toString(36)}`;
  const results: BenchResult[] = [];
  const progress = output.progress({ verb: 'Measured' });
  try {
    for await (const result of runTests(session, log, (done) => progress.update(done))) results.push(result);
  } finally {
    progress.clear();
    if (options.keep !== true) await removeLogs(client, log);
  }
  interrupted.throwIfAborted();
  const conditions = conditionsOf(node, options);
  const asJson = { conditions, results: results.map((result) => resultAsJson(result, options)) };
  await output.one(asJson, () => {
    const lines = output.fieldsText(Object.entries(conditions));
    const rates = results.map((result) => ({ ...result, mebibytes: perSecond(result) * options.size }));
    const rate = {
      heading: 'BYTES/S',
      optional: true,
      align: 'right',
      cell: ({ mebibytes }: { mebibytes: number }) => formatBytes(mebibytes),
    } as const;
    return `${lines}\n${output.tableText(rates, [...columns.slice(0, 3), rate, ...columns.slice(3)])}`;
  });
}

/** Runs the tests in an order in which each finds what it needs. */
async function* runTests(
  { client, options, interrupted: signal }: NodeSession<BenchOptions>,
  log: string,
  progress: (done: number) => void,
): AsyncGenerator<BenchResult> {
  const wanted = new Set<Test>(options.only ?? TESTS);
  const { durability, partitions, size: sizeBytes, duration: durationMs, rate } = options;
  const plan: BenchPlan = { client, log, sizeBytes, durationMs, durability, rate, signal, progress };
  await client.declareTopic(log, { partitions, durability }, { signal });
  // Pull and push read what publish has written, so it runs for them as well.
  const published = wanted.has('publish') || wanted.has('pull') || wanted.has('push');
  const written = published ? await measurePublish(plan) : undefined;
  if (written !== undefined && wanted.has('publish')) yield written;
  if (written !== undefined && wanted.has('pull') && !signal.aborted) yield await measurePull(plan, written.messages);
  if (written !== undefined && wanted.has('push') && !signal.aborted) {
    await client.declareQueue(log, { partitions, durability, start: 'beginning' }, { signal });
    yield await measurePush(plan, written.messages);
  }
  if (wanted.has('end-to-end') && !signal.aborted) {
    const live = { ...plan, log: liveLog(log) };
    await client.declareTopic(live.log, { partitions, durability }, { signal });
    yield await measureEndToEnd(live);
  }
}

function liveLog(log: string): string {
  return `${log}-live`;
}

async function removeLogs(client: Client, log: string): Promise<void> {
  // Which of them there are depends on how far the tests came.
  await Promise.allSettled([client.delete(log), client.delete(liveLog(log))]);
}

function conditionsOf(node: NodeStatus, options: BenchOptions): Record<string, string> {
  return {
    node: `${node.nodeName}, version ${node.version}, engine ${node.wsEngine}, ${plural(node.shards.length, 'shard')}`,
    client: `one connection and one thread, Node ${process.versions.node}, ${availableParallelism()} cores`,
    messages: `${formatBytes(options.size)}, confirmed at ${options.durability}`,
    topic: plural(options.partitions, 'partition'),
    tests: `${formatDuration(options.duration)} each; latencies of publish are those of 500 messages under full load`,
  };
}

function perSecond({ messages, tookMs }: BenchResult): number {
  return tookMs > 0 ? (messages / tookMs) * 1000 : 0;
}

function cpuMicroseconds({ messages, clientCpuMs }: BenchResult): number {
  return messages > 0 ? (clientCpuMs / messages) * 1000 : 0;
}

function latency(latencyMs: number | undefined): string {
  return latencyMs === undefined ? '' : formatLatency(latencyMs);
}

function resultAsJson(result: BenchResult, { size }: BenchOptions): Record<string, unknown> {
  const { test, messages, tookMs, latencies } = result;
  const common = {
    test,
    messages,
    tookMs,
    messagesPerSecond: perSecond(result),
    bytesPerSecond: perSecond(result) * size,
  };
  const cpu = { clientCpuMicrosecondsPerMessage: cpuMicroseconds(result) };
  if (latencies === undefined) return { ...common, ...cpu };
  const [p50Ms, p99Ms, p999Ms] = [50, 99, 99.9].map((percent) => latencies.percentile(percent));
  return { ...common, ...cpu, p50Ms, p99Ms, p999Ms, maxMs: latencies.max };
}

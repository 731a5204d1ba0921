// What an idle node costs: time until it serves, and resident memory, for both WebSocket engines. `npm run footprint`, `-- --help`.
import { readFileSync } from 'node:fs';
import { readFlags } from '../harness/arguments.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { cpuSecondsOf, MIB, medians, sleep } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { number, table } from '../harness/tables.mjs';

const USAGE = `Usage: npm run footprint -- [--runs 5] [--shards 2] [--idle 3]

  --runs N     starts per engine, each on a folder of its own; medians are printed
  --shards N   worker threads of the node
  --idle S     seconds between the first ready answer and the look at memory`;

const TIME_LIMIT_SECONDS = 600;
const ENGINES = ['uws', 'ws'];

/** Kinds of resident memory of a process in bytes (proc(5): status). */
function residentOf(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'latin1');
  const bytes = (field) => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1] ?? 0) * 1024;
  return { total: bytes('VmRSS'), own: bytes('RssAnon'), files: bytes('RssFile') + bytes('RssShmem') };
}

/** Committed V8 heap by thread, as the node's own metrics tell it, in bytes. */
async function heapsOf(port) {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const heaps = text.matchAll(/^duolog_heap_committed_bytes\{thread="([^"]+)"\} (\d+)$/gm);
  return Object.fromEntries([...heaps].map(([, thread, bytes]) => [`heap ${thread}`, Number(bytes)]));
}

async function measure(engine, { shards, idleSeconds }) {
  const node = await startNode({ settings: { shards, wsEngine: engine } });
  const startCpuSeconds = cpuSecondsOf(node.pid);
  await sleep(idleSeconds * 1000);
  // Memory before metrics: asking for them costs some.
  const resident = residentOf(node.pid);
  const heaps = await heapsOf(node.port);
  await node.remove();
  return { readyMs: node.readyMs, startCpuSeconds, ...resident, ...heaps };
}

function rowOf(engine, { readyMs, startCpuSeconds, ...bytes }) {
  const megabytes = Object.values(bytes).map((value) => number(value / MIB, 1));
  return [engine, number(readyMs), number(startCpuSeconds * 1000), ...megabytes];
}

const flags = readFlags(USAGE, {
  runs: { type: 'string', default: '5' },
  shards: { type: 'string', default: '2' },
  idle: { type: 'string', default: '3' },
});
limitTime(TIME_LIMIT_SECONDS);
const settings = { shards: Number(flags.shards), idleSeconds: Number(flags.idle) };
console.log(table(['Condition', 'Value'], conditions()));
console.log(
  `\n${flags.shards} shards, medians of ${flags.runs} starts, memory in MiB ${flags.idle} s after the first ready answer:\n`,
);
const results = [];
for (const engine of ENGINES) {
  const runs = [];
  for (let run = 0; run < Number(flags.runs); run++) runs.push(await measure(engine, settings));
  results.push([engine, medians(runs)]);
}
const heapNames = Object.keys(results[0][1]).filter((key) => key.startsWith('heap'));
const head = ['Engine', 'Ready, ms', 'CPU till then, ms', 'Resident', 'of it own', 'of it files', ...heapNames];
console.log(
  table(
    head,
    results.map(([engine, result]) => rowOf(engine, result)),
  ),
);
console.log(
  `\nResident counts the pages of Node's own binary, which processes share. Load average at the end: ${loadText()}`,
);

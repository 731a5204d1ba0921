// Throughput, CPU time and latency of one node, each beside what this machine can do at best.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readFlags } from '../harness/arguments.mjs';
import { limitTime, makeFolder, removeFolder } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { startRole } from '../harness/processes.mjs';
import { number, short } from '../harness/tables.mjs';
import { WireSession } from '../harness/wire-session.mjs';
import { limitTable, measureLimits } from '../limit/limits-of-machine.mjs';
import { GROUPS, nameOf, selectCases } from './cases.mjs';
import { barChart } from './chart.mjs';
import { aimTable, resultTables } from './report.mjs';
import { runCase } from './run-case.mjs';

const USAGE = `Usage: npm run bench -- [--quick] [--only GROUP]... [--shards N] [--engine uws|ws] [--runs N] [--profile FOLDER] [--write]

  --quick           under 2 minutes: fewer cases, shorter runs
  --only GROUP      ${GROUPS.join(', ')}; may be repeated
  --shards N        only cases with this many shards
  --engine NAME     the node's WebSocket engine
  --runs N          runs of each case, of which the median by rate is shown (default 1)
  --profile FOLDER  the node writes a CPU profile of each of its threads there
  --write           keeps the report and the chart in docs/bench/ instead of loadtest/results/`;

const flags = readFlags(USAGE, {
  quick: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true, default: [] },
  shards: { type: 'string' },
  engine: { type: 'string' },
  runs: { type: 'string', default: '1' },
  profile: { type: 'string' },
  write: { type: 'boolean', default: false },
});
const durations = flags.quick
  ? { warmUpSeconds: 0.4, seconds: 1.5, isQuick: true }
  : { warmUpSeconds: 1, seconds: 3, isQuick: false };

async function startBench(shards) {
  const settings = { shards, ...(flags.engine === undefined ? {} : { wsEngine: flags.engine }) };
  const nodeFlags = flags.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${flags.profile}`];
  const node = await startNode({ settings, nodeFlags });
  const session = await WireSession.open(node.port);
  const generator = new URL('./generator.mjs', import.meta.url);
  const [producer, consumer] = [startRole(generator), startRole(generator)];
  const { wsEngine } = (await session.request({ status: {} })).nodeStatus;
  const stop = async () => {
    session.destroy();
    await Promise.all([producer.stop(), consumer.stop()]);
    await node.remove();
  };
  return { node, session, producer, consumer, durations, engine: wsEngine, stop };
}

/** The run in the middle by rate; where the rate is fixed, by p99. */
async function runOften(bench, one) {
  const results = [];
  for (let run = 0; run < Number(flags.runs); run++) results.push(await runCase(bench, one));
  const key = one.perSecond === undefined ? 'perSecond' : 'p99Ms';
  return results.sort((a, b) => a[key] - b[key])[(results.length - 1) >> 1];
}

async function runAll(cases, onResult) {
  let bench;
  let engine;
  for (const one of cases) {
    if (bench?.node.shards !== one.shards) {
      await bench?.stop();
      bench = await startBench(one.shards);
      bench.node.shards = one.shards;
      engine = bench.engine;
    }
    const result = await runOften(bench, one);
    onResult({ ...one, result });
    const { perSecond, nodeMicros, p99Ms } = result;
    console.error(
      `${nameOf(one)}${one.level ? `, ${one.level}` : ''}: ${number(perSecond)}/s, ${short(nodeMicros)} µs, p99 ${short(p99Ms)} ms`,
    );
  }
  await bench?.stop();
  return engine;
}

const CHART_GROUPS = [
  [
    'Confirmed on disk, messages a second',
    '#2563eb',
    ({ level, group }) => level === 'disk' && (group === 'publish' || group === 'push'),
  ],
  [
    'Confirmed in memory, messages a second',
    '#16a34a',
    ({ level, group }) => level === 'memory' && (group === 'publish' || group === 'push'),
  ],
  ['Reading, messages a second', '#d97706', ({ group }) => group === 'pull' || group === 'follow'],
];

function chartOf(results, caption) {
  const groups = CHART_GROUPS.map(([title, color, isMeant]) => ({
    title,
    color,
    rows: results
      .filter(isMeant)
      .map((one) => ({ name: nameOf(one), value: one.result.perSecond, label: number(one.result.perSecond) })),
  }));
  return barChart(
    groups.filter(({ rows }) => rows.length > 0),
    caption,
  );
}

function keep(report, results, caption) {
  const folder = fileURLToPath(new URL(flags.write ? '../../docs/bench/' : '../results/', import.meta.url));
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${folder}native.md`, `${report}\n![Messages a second](native.svg)\n`);
  writeFileSync(`${folder}native.svg`, chartOf(results, caption));
  console.log(`Written to ${folder}native.md and native.svg`);
}

limitTime(flags.quick ? 300 : 1500);
const before = conditions();
const folder = makeFolder('limit');
const limits = await measureLimits(folder, { isQuick: flags.quick, onStep: (name) => console.error(name) });
removeFolder(folder);
const wanted = selectCases({ isQuick: flags.quick, only: flags.only });
const cases = wanted.filter(({ shards }) => flags.shards === undefined || shards === Number(flags.shards));
const results = [];
const engine = await runAll(cases, (result) => results.push(result));
const facts = [...before, ['WebSocket engine', engine], ['Load average at end', loadText()]];
const report = `# Benchmark of one node

${facts.map(([name, value]) => `- ${name}: ${value}`).join('\n')}

Load generators and node share this machine. Latencies of publishing at full speed are those of a full window; at a fixed rate they count from
when a message was due. CPU time is that of all threads of the node, and of the load generators.

## Limits

${limitTable(limits)}

${resultTables(results, limits)}

## Aims

${aimTable(results, limits)}
`;
console.log(report);
keep(
  report,
  results,
  before
    .map(([, value]) => value)
    .slice(0, 3)
    .join(' · '),
);

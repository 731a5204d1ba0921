// What a commit costs with many active partitions: confirm latency at `disk` with 1,000 partitions beside that with 1, at the same total rate.
//
//     npm run bench:commit-cost -- [--rate N] [--seconds N] [--rounds N] [--shards N]
import { readFlags } from '../harness/arguments.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { median } from '../harness/measures.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { startRole } from '../harness/processes.mjs';
import { number, short, table } from '../harness/tables.mjs';
import { WireSession } from '../harness/wire-session.mjs';

const MANY = 1000;
const AIM = 3;
const DISK = 2;
const flags = readFlags('Usage: npm run bench:commit-cost -- [--rate N] [--seconds N] [--rounds N] [--shards N]', {
  rate: { type: 'string', default: '5000' },
  seconds: { type: 'string', default: '5' },
  rounds: { type: 'string', default: '5' },
  shards: { type: 'string', default: '2' },
});

/** One run at the rate, spread evenly over the partitions. */
async function run(node, producer, partitions) {
  const perSecond = Number(flags.rate);
  await producer.call('prepare', {
    load: 'publishAtRate',
    ...{ port: node.port, to: `partitions-${partitions}`, partitions, count: 1, valueBytes: 100, durability: DISK },
    ...{ perSecond, window: 4000, warmUpSeconds: 1, seconds: Number(flags.seconds) },
  });
  const before = node.cpuSeconds();
  const result = await producer.call('run');
  return { ...result, nodeMicros: ((node.cpuSeconds() - before) * 1e6) / result.messages };
}

function report(results) {
  const rows = [...results].map(([partitions, runs]) => {
    const middle = (field) => short(median(runs.map((one) => one[field])));
    return [
      number(partitions),
      middle('p50Ms'),
      middle('p99Ms'),
      middle('p999Ms'),
      middle('nodeMicros'),
      runs.map(({ p99Ms }) => short(p99Ms)).join(' '),
    ];
  });
  return table(['Active partitions', 'p50 ms', 'p99 ms', 'p99.9 ms', 'Node µs/msg', 'p99 of each run'], rows);
}

limitTime(240);
for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
const node = await startNode({ settings: { shards: flags.shards } });
const producer = startRole(new URL('./generator.mjs', import.meta.url));
const session = await WireSession.open(node.port);
for (const partitions of [1, MANY]) {
  await session.declare({ topic: { name: `partitions-${partitions}`, partitions, durability: DISK } });
}
const results = new Map([
  [1, []],
  [MANY, []],
]);
// In turn, so that whatever else the machine does meets both alike.
for (let round = 0; round < Number(flags.rounds); round++) {
  for (const [partitions, runs] of results) runs.push(await run(node, producer, partitions));
}
console.log(`\nConfirmed on disk, 100 B, ${number(Number(flags.rate))}/s in all:\n\n${report(results)}`);
const [one, many] = [...results.values()].map((runs) => median(runs.map(({ p99Ms }) => p99Ms)));
const holds = many <= AIM * one;
console.log(
  `\np99 with 1,000 partitions is ${short(many / one)} times that with 1 (aim: at most ${AIM}): ${holds ? 'pass' : 'FAIL'}`,
);
console.log(`Load average at end: ${loadText()}`);
session.destroy();
await producer.stop();
await node.remove();
process.exitCode = holds ? 0 : 1;

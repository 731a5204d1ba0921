// One node beside another broker: the same client program against both in turn, and the ratios.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readFlags } from '../harness/arguments.mjs';
import { limitTime } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { number, short } from '../harness/tables.mjs';
import { startDuolog } from './duolog.mjs';
import { measure } from './measure.mjs';
import { installPerfTest, PERF_TEST_VERSION } from './perf-test.mjs';
import { installRabbitMq, rabbitMqVersion, startRabbitMq } from './rabbitmq.mjs';
import { markdown, ratios } from './report.mjs';
import { scenarios } from './scenarios.mjs';

const USAGE = `Usage: npm run compare -- rabbitmq [--quick] [--only NAME]... [--seconds N] [--shards N] [--profile FOLDER] [--write]

  --quick           8 seconds for each run instead of 20
  --only NAME       ${scenarios.map(({ name }) => name).join(', ')}; may be repeated
  --seconds N       seconds of each run
  --shards N        shards of the node (default: the node's own)
  --profile FOLDER  the node writes a CPU profile of each of its threads there
  --write           keeps the report in docs/bench/ instead of loadtest/results/

RabbitMQ is installed by apt-get and PerfTest by Maven where they are missing.`;

if (process.argv[2] !== 'rabbitmq' && !process.argv.includes('--help')) {
  console.error(USAGE);
  process.exit(2);
}
process.argv.splice(2, process.argv[2] === 'rabbitmq' ? 1 : 0);
const flags = readFlags(USAGE, {
  quick: { type: 'boolean', default: false },
  only: { type: 'string', multiple: true, default: [] },
  seconds: { type: 'string' },
  shards: { type: 'string' },
  profile: { type: 'string' },
  write: { type: 'boolean', default: false },
});
const seconds = Number(flags.seconds ?? (flags.quick ? 8 : 20));
const chosen = scenarios.filter(({ name }) => flags.only.length === 0 || flags.only.includes(name));
if (chosen.length === 0 || !(seconds > 0)) {
  console.error(USAGE);
  process.exit(2);
}

/** Each run has a broker of its own that has just been started, so that what one leaves behind does not slow down the next. */
async function runOn(start, scenario) {
  const broker = await start();
  try {
    return await measure(broker, scenario, seconds);
  } finally {
    await broker.stop();
  }
}

async function compare(scenario) {
  const { name, title, rate } = scenario;
  const loadBefore = loadText();
  const rabbitmq = await runOn(startRabbitMq, scenario);
  const duolog = await runOn(() => startDuolog({ shards: flags.shards, profile: flags.profile }), scenario);
  const result = { name, title, rate, load: loadBefore, duolog, rabbitmq };
  console.error(
    `${name}: ${number(duolog.receivedPerSecond)}/s to ${number(rabbitmq.receivedPerSecond)}/s, CPU ${short(duolog.cpuMicros)} to ${short(rabbitmq.cpuMicros)} µs, load ${loadBefore}`,
  );
  return { ...result, ratios: ratios(result) };
}

limitTime(chosen.length * 2 * (seconds + 60) + 300);
installRabbitMq();
installPerfTest();
const facts = [
  ...conditions(),
  ['RabbitMQ', `${rabbitMqVersion()} of the distribution, its defaults`],
  ['PerfTest', PERF_TEST_VERSION],
  ['Seconds of each run', `${seconds}, after 5 of the same on other queues`],
];
const results = [];
for (const scenario of chosen) results.push(await compare(scenario));
facts.push(['Load average at the end', loadText()]);
const report = markdown(results, facts);
console.log(report);
const folder = fileURLToPath(new URL(flags.write ? '../../docs/bench/' : '../results/', import.meta.url));
mkdirSync(folder, { recursive: true });
writeFileSync(`${folder}compare-rabbitmq.md`, report);
writeFileSync(
  `${folder}compare-rabbitmq.json`,
  `${JSON.stringify({ conditions: Object.fromEntries(facts), results }, null, 2)}\n`,
);
console.error(`Written to ${folder}compare-rabbitmq.md and .json`);
process.exit(0);

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { brokerName } from '../broker/broker.js';
import { startBroker } from '../broker/start.js';
import { root } from '../cache.js';
import { hasTool } from '../command.js';
import {
  fetchSuite,
  listTests,
  MANAGEMENT_PORT,
  managementTests,
  passingOnRabbitMq,
  runTests,
  slowTests,
  type TestRun,
} from './go-tests.js';

/** Tests that took longer than this on RabbitMQ are left out by --quick. */
const QUICK_SECONDS = 3;

/**
 * `conformance amqp`: the tests of RabbitMQ's own Go client against a running broker.
 * @returns the exit code: 0 if all that pass on RabbitMQ pass here.
 */
export async function runAmqpSuite(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      broker: { type: 'string', default: 'duolog' },
      port: { type: 'string' },
      only: { type: 'string' },
      quick: { type: 'boolean', default: false },
      'without-management': { type: 'boolean', default: false },
      timeout: { type: 'string', default: '840' },
      verbose: { type: 'boolean', default: false },
      record: { type: 'boolean', default: false },
    },
  });
  if (!hasTool('go', 'version')) throw new Error('Cannot run the suite: there is no go on the path');
  const folder = await fetchSuite();
  const names = chosen(await listTests(folder), values);
  const runningPort = values.port === undefined ? undefined : Number(values.port);
  const managementPort = values['without-management'] ? undefined : MANAGEMENT_PORT;
  const broker = await startBroker(brokerName(values.broker), { runningPort, managementPort });
  try {
    const url = `amqp://guest:guest@${broker.host}:${broker.amqpPort}/%2f`;
    const runs = await runTests(folder, names, url, Number(values.timeout));
    if (values.record) record(runs);
    const failures = report(runs, values.verbose);
    for (const complaint of broker.complaints().slice(0, 20)) console.log(`complaint: ${complaint.slice(0, 500)}`);
    return failures > 0 || broker.complaints().length > 0 ? 1 : 0;
  } finally {
    await broker.stop();
  }
}

interface Choice {
  readonly only?: string | undefined;
  readonly quick: boolean;
  readonly 'without-management': boolean;
}

function chosen(names: readonly string[], choice: Choice): string[] {
  const excluded = choice['without-management'] ? managementTests() : new Set<string>();
  const slow = choice.quick ? slowTests(QUICK_SECONDS) : new Set<string>();
  const pattern = new RegExp(choice.only ?? '');
  const counts = { excluded: 0, slow: 0 };
  const kept = names.filter((name) => {
    if (!pattern.test(name)) return false;
    const isExcluded = excluded.has(name);
    if (isExcluded) counts.excluded += 1;
    else if (slow.has(name)) counts.slow += 1;
    return !isExcluded && !slow.has(name);
  });
  console.log(
    `${kept.length} tests; ${counts.excluded} left out by --without-management, ${counts.slow} left out by --quick`,
  );
  return kept;
}

/** Prints the table. Returns how many tests pass on RabbitMQ and not here. */
function report(runs: readonly TestRun[], isVerbose: boolean): number {
  const passing = passingOnRabbitMq();
  const width = Math.max(...runs.map(({ name }) => name.length));
  const counts = { pass: 0, fail: 0, skip: 0, unfinished: 0 };
  let failures = 0;
  for (const { name, result, seconds, output } of runs) {
    counts[result] += 1;
    const there = passing.has(name) ? 'passes' : 'not known to pass';
    const isFailure = result !== 'pass' && passing.has(name);
    if (isFailure) failures += 1;
    if (isVerbose || result !== 'pass')
      console.log(
        `${name.padEnd(width)}  ${result.padEnd(10)} ${seconds.toFixed(2).padStart(7)} s  on RabbitMQ: ${there}`,
      );
    if (result === 'fail' || result === 'unfinished') console.log(output.replaceAll(/^/gm, '    ').slice(-2000));
  }
  console.log(
    `${counts.pass} pass, ${counts.fail} fail, ${counts.unfinished} unfinished, ${counts.skip} skip; ${failures} of those that pass on RabbitMQ do not pass here`,
  );
  return failures;
}

function record(runs: readonly TestRun[]): void {
  const lines = runs.filter(({ result }) => result === 'pass').map(({ name, seconds }) => `${name} ${seconds}`);
  const head =
    '# Tests of amqp091-go v1.16.0 that pass on RabbitMQ 3.10.8, with the seconds that they took. Written by --broker rabbitmq --record.\n';
  writeFileSync(join(root, 'test/conformance/amqp/passes-on-rabbitmq.txt'), `${head}${lines.sort().join('\n')}\n`);
}

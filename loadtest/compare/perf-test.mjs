// RabbitMQ's PerfTest: fetched by Maven into .cache, run as a process, its summary read.
import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { adopt } from '../harness/cleanup.mjs';

export const PERF_TEST_VERSION = '2.22.1';
const cache = fileURLToPath(new URL('../../.cache/compare/', import.meta.url));
const jars = join(cache, `perf-test-${PERF_TEST_VERSION}`);
/** What a run may take beyond the seconds that it was asked for. */
const GRACE_MS = 60_000;

const project = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>duolog</groupId>
  <artifactId>compare</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>com.rabbitmq</groupId>
      <artifactId>perf-test</artifactId>
      <version>${PERF_TEST_VERSION}</version>
    </dependency>
  </dependencies>
</project>
`;

/** Fetches PerfTest and what it needs, unless it is there. Throws when there is no Java or no Maven. */
export function installPerfTest() {
  if (existsSync(jars) && readdirSync(jars).length > 0) return;
  mkdirSync(cache, { recursive: true });
  writeFileSync(join(cache, 'pom.xml'), project);
  const fresh = `${jars}.new`;
  rmSync(fresh, { recursive: true, force: true });
  const flags = ['-B', '-q', 'dependency:copy-dependencies', `-DoutputDirectory=${fresh}`, '-DincludeScope=runtime'];
  execFileSync('mvn', flags, { cwd: cache, stdio: ['ignore', 'ignore', 'inherit'] });
  renameSync(fresh, jars);
}

/** `min/median/75th/95th/99th` in µs of the summary's line that begins with `name`, in ms. */
function latency(text, name) {
  const line = new RegExp(`, ${name} latency min/median/75th/95th/99th ([\\d/]+) µs`, 'g');
  const last = [...text.matchAll(line)].at(-1)?.[1]?.split('/').map(Number);
  return last === undefined ? undefined : { p50Ms: last[1] / 1000, p99Ms: last[4] / 1000 };
}

const rate = (text, direction) =>
  Number(new RegExp(`${direction} rate avg: (\\d+) msg/s`).exec(text)?.[1] ?? Number.NaN);

/**
 * Runs PerfTest for `seconds` against the broker on `port`. Rates are averages over the whole run; latencies are those of the summary,
 * undefined where it has none.
 */
export async function runPerfTest(port, flags, seconds) {
  const uri = `amqp://guest:guest@127.0.0.1:${port}/%2f`;
  const words = [
    '-Xmx512m',
    '-cp',
    join(jars, '*'),
    'com.rabbitmq.perf.PerfTest',
    '-h',
    uri,
    '-z',
    String(seconds),
    ...flags,
  ];
  const running = promisify(execFile)('java', words, {
    timeout: seconds * 1000 + GRACE_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  adopt(running.child);
  const { stdout, stderr } = await running;
  const result = {
    sentPerSecond: rate(stdout, 'sending'),
    receivedPerSecond: rate(stdout, 'receiving'),
    consumer: latency(stdout, 'consumer'),
    confirm: latency(stdout, 'confirm'),
  };
  if (!(result.receivedPerSecond > 0))
    throw new Error(`PerfTest has received nothing:\n${stdout.slice(-2000)}${stderr.slice(-2000)}`);
  return result;
}

import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cachedFolder, cachePath, root } from '../cache.js';
import { command, mustRun } from '../command.js';

const MODULE = 'github.com/rabbitmq/amqp091-go';
const VERSION = 'v1.16.0';
const DOWNLOAD_MS = 300_000;
/** How often the names of the tests under way are shown. */
const SAY_MS = 30_000;

/** How a test ended. */
export type TestResult = 'pass' | 'fail' | 'skip' | 'unfinished';

/** A test of the suite. */
export interface TestRun {
  readonly name: string;
  readonly result: TestResult;
  readonly seconds: number;
  /** What it said, for those that failed. */
  readonly output: string;
}

/** Where the suite looks for the management API: it is written into its tests. */
export const MANAGEMENT_PORT = 15_672;

const environment = { GOMODCACHE: cachePath('go-modules'), GOFLAGS: '-mod=mod' };

/** A copy of the module that can be written to. */
export function fetchSuite(): Promise<string> {
  return cachedFolder(`amqp091-go-${VERSION}`, async (folder) => {
    await mustRun('go', ['mod', 'download', `${MODULE}@${VERSION}`], {
      cwd: folder,
      environment,
      timeoutMs: DOWNLOAD_MS,
    });
    cpSync(cachePath('go-modules', `${MODULE}@${VERSION}`), folder, { recursive: true });
    await mustRun('chmod', ['-R', 'u+w', folder], { timeoutMs: DOWNLOAD_MS });
  });
}

/** Names of the suite's tests. */
export async function listTests(folder: string): Promise<string[]> {
  const names: string[] = [];
  const onLine = (line: string) => {
    if (/^(Test|Example)/.test(line)) names.push(line);
  };
  const { code, output } = await command('go', ['test', '-tags', 'integration', '-list', '.', '.'], {
    cwd: folder,
    environment,
    timeoutMs: DOWNLOAD_MS,
    onLine,
  });
  if (code !== 0) throw new Error(`Cannot build the suite:\n${output}`);
  return names;
}

/** Tests that need the management API at MANAGEMENT_PORT, or `rabbitmqctl`, which is carried out by it. */
export function managementTests(): ReadonlySet<string> {
  return new Set(readLines('needs-management.txt'));
}

/** Tests that pass on RabbitMQ 3.10.8. */
export function passingOnRabbitMq(): ReadonlySet<string> {
  return new Set(readLines('passes-on-rabbitmq.txt').map((line) => line.split(' ')[0] ?? ''));
}

/** Tests that took longer than `seconds` on RabbitMQ. */
export function slowTests(seconds: number): ReadonlySet<string> {
  const pairs = readLines('passes-on-rabbitmq.txt').map((line) => line.split(' '));
  return new Set(pairs.filter(([, took]) => Number(took) > seconds).map(([name]) => name ?? ''));
}

function readLines(file: string): string[] {
  const text = readFileSync(join(root, 'test/conformance/amqp', file), 'utf8');
  return text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
}

interface GoEvent {
  readonly Action: string;
  readonly Test?: string;
  readonly Elapsed?: number;
  readonly Output?: string;
}

/** Runs the named tests against a broker, one after another as `go test` does. */
export async function runTests(
  folder: string,
  names: readonly string[],
  url: string,
  timeoutSeconds: number,
): Promise<TestRun[]> {
  const outputs = new Map<string, string>();
  const runs = new Map<string, TestRun>();
  const onLine = (line: string) => {
    if (!line.startsWith('{')) return;
    const { Action: action, Test: name, Elapsed: seconds = 0, Output: text = '' } = JSON.parse(line) as GoEvent;
    if (name === undefined) return;
    if (action === 'run') runs.set(name, { name, result: 'unfinished', seconds: 0, output: '' });
    if (action === 'output') outputs.set(name, (outputs.get(name) ?? '') + text);
    if (action !== 'pass' && action !== 'fail' && action !== 'skip') return;
    runs.set(name, { name, result: action, seconds, output: outputs.get(name) ?? '' });
    process.stderr.write(action === 'pass' ? '.' : action === 'skip' ? 's' : 'F');
  };
  const running = setInterval(() => {
    const unfinished = [...runs.values()].filter(({ result }) => result === 'unfinished').map(({ name }) => name);
    process.stderr.write(`\nrunning: ${unfinished.join(', ')}\n`);
  }, SAY_MS);
  const pattern = `^(${names.join('|')})$`;
  const args = [
    'test',
    '-tags',
    'integration',
    '-count=1',
    '-timeout',
    `${timeoutSeconds}s`,
    '-json',
    '-run',
    pattern,
    '.',
  ];
  const { output } = await command('go', args, {
    cwd: folder,
    environment: {
      ...environment,
      AMQP_URL: url,
      RABBITMQ_RABBITMQCTL_PATH: join(root, 'test/conformance/amqp/rabbitmqctl.mjs'),
    },
    timeoutMs: (timeoutSeconds + 60) * 1000,
    onLine,
  });
  clearInterval(running);
  process.stderr.write('\n');
  if (runs.size === 0) throw new Error(`The suite ran no test:\n${output.slice(-3000)}`);
  return [...runs.values()].map((run) =>
    run.result === 'unfinished' ? { ...run, output: outputs.get(run.name) ?? '' } : run,
  );
}

// Runs every command of docs/tour-of-the-rabbitmq-model.md against a fresh node and compares what it prints with the page: `npm run tour`. `--update` writes
// what was printed into the page instead, `--only TEXT` runs the sections whose names hold the text.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { isAsExpected, readCommands, withOutputs } from './page.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const page = join(root, 'docs/tour-of-the-rabbitmq-model.md');
const main = join(root, 'dist/cli/main.js');
/** Where the page has its node. */
const SHOWN_HTTP = 'localhost:7700';
const COMMAND_TIMEOUT_MS = 120_000;
const START_TIMEOUT_MS = 30_000;

const { values: options } = parseArgs({ options: { update: { type: 'boolean' }, only: { type: 'string' } } });

/** A node in an empty folder, on free ports. */
async function startNode(folder) {
  const data = join(folder, 'data');
  const words = ['start', '--data', data, '--port', '0', '--log-level', 'warn'];
  const node = spawn(process.execPath, [main, ...words], { stdio: ['ignore', 'inherit', 'inherit'] });
  const file = join(data, 'node.json');
  for (const endMs = Date.now() + START_TIMEOUT_MS; !existsSync(file); await sleep(20)) {
    if (node.exitCode !== null || Date.now() > endMs) throw new Error('The node did not start');
  }
  const { port, amqpPort } = JSON.parse(readFileSync(file, 'utf8'));
  return { node, port, amqpPort };
}

/** A folder with the command `duolog` of this checkout. */
function commandFolder(folder) {
  const file = join(folder, 'duolog');
  writeFileSync(file, `#!/bin/sh\nexec '${process.execPath}' '${main}' "$@"\n`);
  chmodSync(file, 0o755);
  return folder;
}

/** What a command prints, both streams together, line by line. */
function run(command, environment, port) {
  const script = command.replaceAll(SHOWN_HTTP, `127.0.0.1:${port}`);
  const { stdout, error } = spawnSync('bash', ['-c', `exec 2>&1\n${script}`], {
    cwd: root,
    env: environment,
    encoding: 'utf8',
    timeout: COMMAND_TIMEOUT_MS,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (error !== undefined) return [`(${error.message})`];
  const lines = stdout.split('\n').map((line) => line.trimEnd());
  while (lines.at(-1) === '') lines.pop();
  return lines;
}

function tell(step, isGood, printed) {
  if (isGood) return;
  const marked = (mark, lines) => lines.map((line) => `    ${mark} ${line}\n`).join('');
  const { line, command, expected } = step;
  process.stdout.write(`  FAIL  line ${line}: ${command}\n${marked('-', expected)}${marked('+', printed)}`);
}

const folder = mkdtempSync(join(tmpdir(), 'duolog-tour-'));
const { node, port, amqpPort } = await startNode(folder);
const environment = {
  ...process.env,
  PATH: `${commandFolder(folder)}:${process.env.PATH}`,
  DUOLOG_URL: `ws://127.0.0.1:${port}/ws`,
  AMQP_URL: `amqp://guest:guest@127.0.0.1:${amqpPort}/%2f`,
  NO_COLOR: '1',
};
const text = readFileSync(page, 'utf8');
const steps = readCommands(text).filter(({ section }) => section.includes(options.only ?? ''));
const outputs = [];
let failures = 0;
let section = '';
try {
  for (const step of steps) {
    if (step.section !== section) {
      section = step.section;
      process.stdout.write(`${section}\n`);
    }
    const printed = run(step.command, environment, port);
    outputs.push(printed);
    const isGood = isAsExpected(step.expected, printed);
    if (!isGood) failures += 1;
    if (options.update !== true) tell(step, isGood, printed);
    // What varies was marked by hand: it stays where it still fits.
    else if (isGood) outputs[outputs.length - 1] = step.expected;
  }
} finally {
  node.kill('SIGTERM');
  if (node.exitCode === null) await once(node, 'exit');
  rmSync(folder, { recursive: true, force: true });
}
if (options.update === true && options.only === undefined) writeFileSync(page, withOutputs(text, outputs));
const sections = new Set(steps.map((step) => step.section)).size;
const verdict = failures === 0 ? 'each printed what the page says' : `${failures} printed something else`;
process.stdout.write(`${steps.length} commands in ${sections} sections: ${verdict}\n`);
process.exitCode = failures === 0 || options.update === true ? 0 : 1;

// Runs the k6 scripts against a node of its own and prints what they measured.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { readFlags } from '../harness/arguments.mjs';
import { builtUrl } from '../harness/built.mjs';
import { adopt, limitTime, makeFolder } from '../harness/cleanup.mjs';
import { conditions, loadText } from '../harness/conditions.mjs';
import { startNode } from '../harness/node-under-test.mjs';
import { number, short, table } from '../harness/tables.mjs';
import { installK6 } from './install-k6.mjs';

const SCRIPTS = ['publish', 'subscribe', 'mixed', 'slow-consumer', 'broadcast'];
const THRESHOLDS_FAILED = 99;
const flags = readFlags(
  `Usage: npm run load:k6 -- [--only SCRIPT]... [--seconds N]\n\nScripts: ${SCRIPTS.join(', ')}`,
  {
    only: { type: 'string', multiple: true, default: SCRIPTS },
    seconds: { type: 'string', default: '8' },
  },
);

const here = (path) => fileURLToPath(new URL(path, import.meta.url));

/** Puts a script, the session and the generated protobuf code into one file that k6 can run. */
async function bundle(name, folder) {
  const outfile = join(folder, `${name}.js`);
  await build({
    entryPoints: [here(`scripts/${name}.js`)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    target: 'es2020',
    inject: [here('text-shim.js')],
    external: ['k6', 'k6/*'],
    alias: { 'duolog-wire': fileURLToPath(builtUrl('proto/client-wire.js')) },
    logLevel: 'error',
  });
  return outfile;
}

/** Runs one script. Returns k6's summary and whether its thresholds held. */
async function runScript(k6, name, url, folder) {
  const summary = join(folder, `${name}.json`);
  const script = await bundle(name, folder);
  const env = { ...process.env, URL: url, SECONDS: flags.seconds, K6_NO_USAGE_REPORT: 'true' };
  const words = [
    'run',
    '--quiet',
    '--no-color',
    '--include-system-env-vars',
    '--address',
    '',
    '--summary-export',
    summary,
    script,
  ];
  const child = adopt(spawn(k6, words, { env, stdio: ['ignore', 'pipe', 'pipe'] }));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) console.log(output);
  if (code !== 0 && code !== THRESHOLDS_FAILED) throw new Error(`k6 ended with ${code} in ${name}`);
  return { name, metrics: JSON.parse(readFileSync(summary, 'utf8')).metrics, holds: code === 0 };
}

const isOwn = (metric) => /_(ms|confirmed|consumed|heard|missed|fetched)$|^errors$/.test(metric);

function rowsOf({ name, metrics }) {
  return Object.entries(metrics)
    .filter(([metric]) => isOwn(metric))
    .map(([metric, values]) => [
      name,
      metric,
      values.count === undefined ? '–' : number(values.count),
      values.rate === undefined ? '–' : number(values.rate),
      short(values.med),
      short(values['p(95)']),
      short(values['p(99)']),
      values.thresholds === undefined
        ? '–'
        : Object.values(values.thresholds).some((failed) => failed)
          ? 'FAIL'
          : 'pass',
    ]);
}

async function main() {
  const k6 = installK6();
  if (k6 === undefined) {
    console.log('Skipped: k6 is not installed, and without Go (https://go.dev) it cannot be built.');
    return;
  }
  limitTime(300);
  for (const [name, value] of conditions()) console.log(`${name}: ${value}`);
  const node = await startNode();
  const folder = makeFolder('k6');
  const results = [];
  for (const name of flags.only) {
    console.error(`… ${name}`);
    results.push(await runScript(k6, name, `ws://127.0.0.1:${node.port}/ws`, folder));
  }
  await node.remove();
  const head = ['Script', 'Metric', 'Count', 'per s', 'p50 ms', 'p95 ms', 'p99 ms', 'Threshold'];
  console.log(`\n${table(head, results.flatMap(rowsOf))}\n\nLoad average at end: ${loadText()}`);
  const failed = results.filter(({ holds }) => !holds).map(({ name }) => name);
  console.log(failed.length === 0 ? 'All thresholds hold.' : `Thresholds failed in: ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
}

await main();

// `npm run ok`: every house rule, side by side on two cores, each with its time. Exits with 1 when one of them is broken.
import { spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const sideBySide = 2;

/** @typedef {{ name: string, script: string, args: string[] }} Step */
/** @typedef {{ name: string, passed: boolean, seconds: number, output: string }} Outcome */

/** The generated code must be there before anything else reads the tree. @type {Step} */
const generate = { name: 'generated code', script: 'tools/build-proto.mjs', args: [] };

/** The longest first, so that the short ones fill the other core. @type {Step[]} */
const steps = [
  {
    name: 'floating promises',
    script: join(dirname(require.resolve('eslint/package.json')), 'bin/eslint.js'),
    args: ['--max-warnings', '0'],
  },
  { name: 'types', script: require.resolve('typescript/bin/tsc'), args: ['-p', 'tsconfig.test.json'] },
  { name: 'import directions', script: 'tools/check-imports.mjs', args: [] },
  { name: 'house rules', script: 'tools/house.mjs', args: [] },
  {
    name: 'format and lint',
    script: require.resolve('@biomejs/biome/bin/biome'),
    args: ['check', '--error-on-warnings', '--reporter=concise', '--max-diagnostics=200'],
  },
];

/**
 * @param {Step} step
 * @returns {Promise<Outcome>}
 */
function run({ name, script, args }) {
  return new Promise((resolve) => {
    const started = performance.now();
    const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text) => (output += text));
    child.on('close', (code) => {
      resolve({ name, passed: code === 0, seconds: (performance.now() - started) / 1000, output: output.trim() });
    });
  });
}

/** @param {Outcome} outcome */
function print({ name, passed, seconds, output }) {
  console.log(`${passed ? 'ok    ' : 'BROKEN'} ${name.padEnd(20)} ${seconds.toFixed(1).padStart(5)} s`);
  if (output !== '') console.log(output.replace(/^/gm, '       '));
}

/**
 * Runs `waiting` with `sideBySide` processes at a time; prints each outcome as it comes.
 * @param {Step[]} waiting
 */
async function runAll(waiting) {
  /** @type {Outcome[]} */
  const outcomes = [];
  const lane = async () => {
    for (let step = waiting.shift(); step !== undefined; step = waiting.shift()) {
      const outcome = await run(step);
      print(outcome);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: sideBySide }, lane));
  return outcomes;
}

const started = performance.now();
const outcomes = [...(await runAll([generate])), ...(await runAll([...steps]))];
const broken = outcomes.filter(({ passed }) => !passed).map(({ name }) => name);
const seconds = ((performance.now() - started) / 1000).toFixed(1);
console.log(
  broken.length === 0 ? `All house rules hold (${seconds} s).` : `Broken: ${broken.join(', ')} (${seconds} s).`,
);
if (broken.length > 0) process.exitCode = 1;

// Runs the tests on other versions of Node: `npm run test:nodes`, or `npm run test:nodes -- 24 26`, and prints a table.
// The npm package `node` brings the binaries; they are kept in .cache/nodes/ and start first in the PATH of everything below.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { countTests, readReport, sentence } from './count-tests.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const defaultVersions = ['22', '24', '26'];
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';

/**
 * The folder with the binary of the newest release of a major version; installed on first use.
 * @param {string} major
 */
function installNode(major) {
  const folder = join(root, '.cache/nodes', major);
  const binaries = join(folder, 'node_modules/node/bin');
  if (!existsSync(join(binaries, 'node'))) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const options = ['--ignore-scripts=false', '--no-audit', '--no-fund', '--no-save', '--prefix', folder];
    execFileSync(npm, ['install', ...options, `node@${major}`], { cwd: folder, stdio: 'inherit' });
  }
  return binaries;
}

/**
 * @param {string} major
 * @returns {{ version: string, result: string, seconds: number, failed: boolean }}
 */
function testOn(major) {
  const started = performance.now();
  const seconds = () => Math.round((performance.now() - started) / 1000);
  const folder = mkdtempSync(join(tmpdir(), 'duolog-nodes-'));
  try {
    const binaries = installNode(major);
    const node = join(binaries, 'node');
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    console.log(`\n== Node ${version}`);
    const report = join(folder, 'tests.json');
    const env = { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH']}`, DUOLOG_TEST_REPORT: report };
    const { status } = spawnSync(node, [join(root, 'node_modules/vitest/vitest.mjs'), 'run'], {
      cwd: root,
      stdio: 'inherit',
      env,
    });
    const counts = countTests(readReport(report), status === 0 ? 0 : 1);
    return { version, result: sentence(counts), seconds: seconds(), failed: counts.failed > 0 };
  } catch (error) {
    return { version: major, result: `not run: ${error}`, seconds: seconds(), failed: true };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const asked = process.argv.slice(2);
const bad = asked.find((major) => !/^\d{2}(\.\d+){0,2}$/.test(major));
if (bad !== undefined) {
  console.error(`Cannot test on Node "${bad}": give versions such as ${defaultVersions.join(' ')}`);
  process.exit(2);
}
const outcomes = (asked.length > 0 ? asked : defaultVersions).map(testOn);
console.log('\n| Node | tests | seconds |\n|---|---|---|');
for (const { version, result, seconds } of outcomes) console.log(`| ${version} | ${result} | ${seconds} |`);
if (outcomes.some(({ failed }) => failed)) process.exitCode = 1;

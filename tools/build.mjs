// Builds everything a user runs: generated protobuf code, dist/ from TypeScript, and the browser bundle of the client.
// A fresh tree costs one walk over the sources: `npm test` and `npm ci` may call this as often as they like.
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lockUntilExit } from './build-lock.mjs';
import { fingerprint, staleOutputs } from './build-state.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const stamp = join(root, 'dist/.build-stamp');

/**
 * Runs one step; when it fails its own words are enough, so the build ends without a stack trace of its own.
 * @param {string} script
 * @param {string[]} args
 */
function run(script, ...args) {
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** The compilers are development packages: an install without them cannot build, and should say so. */
function checkCompilers() {
  for (const name of ['protobufjs-cli/package.json', 'typescript/package.json', 'esbuild/package.json']) {
    try {
      require.resolve(name);
    } catch {
      console.error(
        `Cannot build: the package ${dirname(name)} is not installed. Run \`npm ci\`, or, where dist/ is built already,`,
      );
      console.error('`npm ci --omit=dev --ignore-scripts`.');
      process.exit(1);
    }
  }
}

function build() {
  checkCompilers();
  run(join(root, 'tools/build-proto.mjs'));
  for (const output of staleOutputs(root)) rmSync(output);
  run(require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json');
  const cli = join(root, 'dist/cli/main.js');
  if (existsSync(cli)) chmodSync(cli, 0o755);
  run(join(root, 'tools/build-browser.mjs'));
}

const isFresh = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint(root);
if (!isFresh()) {
  lockUntilExit(join(root, 'dist/.build-lock'));
  // Another build may just have done the work that this one waited for.
  if (!isFresh()) {
    // The fingerprint from before the build: a file saved meanwhile makes the next build run again.
    const sources = fingerprint(root);
    build();
    writeFileSync(stamp, sources);
  }
}

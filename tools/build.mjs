// Builds everything a user runs: generated protobuf code, dist/ from TypeScript, and the browser bundle of the client.
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const require = createRequire(import.meta.url);
const run = (script, ...args) => execFileSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' });

run(join(root, 'tools/build-proto.mjs'));
run(require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.json');
const cli = join(root, 'dist/cli/main.js');
if (existsSync(cli)) chmodSync(cli, 0o755);
if (existsSync(join(root, 'tools/build-browser.mjs'))) run(join(root, 'tools/build-browser.mjs'));

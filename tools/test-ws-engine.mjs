// `npm run test:ws-engine`: the tests of whole nodes with every node on the `ws` package, where they would take uWebSockets.js. Words after `--` go
// to vitest.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const vitest = join(root, 'node_modules/vitest/vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', 'test/', ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, DUOLOG_WS_ENGINE: 'ws' },
});
process.exitCode = status ?? 1;

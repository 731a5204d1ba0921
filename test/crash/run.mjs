// Bundles the crash tests, which are TypeScript, and runs them: `npm run crash -- node|amqp|power|amqp-power OPTIONS`.
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const outfile = join(here, '../../.cache/crash/main.mjs');
await build({
  entryPoints: [join(here, 'main.ts')],
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  sourcemap: true,
  outfile,
  logLevel: 'error',
});
const options = ['--enable-source-maps', outfile, ...process.argv.slice(2)];
const { status } = spawnSync(process.execPath, options, { stdio: 'inherit' });
process.exitCode = status ?? 1;

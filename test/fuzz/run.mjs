// `npm run fuzz -- ws|amqp --frames 1000000 [--seed N] [--job N] [--engine uws|ws] [--shards N] [--folder DIR]`, for amqp also
// `[--campaign NAME,NAME] [--rate FRAMES_A_SECOND]`: bundles the fuzzer, which is TypeScript,
// and runs it against the node in dist/.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const root = dirname(dirname(here));
const bundle = join(root, '.cache/fuzz', `main-${process.pid}.mjs`);

const [target, ...rest] = process.argv.slice(2);
const entries = { ws: 'main.ts', amqp: 'amqp/main.ts' };
if (!Object.hasOwn(entries, target ?? '')) {
  console.error(
    'Usage: npm run fuzz -- ws|amqp [--frames N] [--seed N] [--job N] [--engine uws|ws] [--shards N] [--folder DIR]\n       amqp: [--campaign NAME,NAME] [--rate N]',
  );
  process.exit(2);
}
// A test run has built dist/ already, and must not do so twice at a time.
if (process.env.DUOLOG_FUZZ_BUILT === undefined) {
  const { status } = spawnSync(process.execPath, [join(root, 'tools/build.mjs')], { cwd: root, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
mkdirSync(dirname(bundle), { recursive: true });
await build({
  entryPoints: [join(here, entries[target])],
  outfile: bundle,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  packages: 'external',
  logLevel: 'warning',
  define: { 'process.env.DUOLOG_ROOT': JSON.stringify(root) },
});
const { status } = spawnSync(process.execPath, [bundle, ...rest], { stdio: 'inherit', cwd: root });
rmSync(bundle, { force: true });
process.exitCode = status ?? 1;

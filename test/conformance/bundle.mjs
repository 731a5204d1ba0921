// Bundles a program of the tests, which is TypeScript, and runs it.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/**
 * Runs the program at `entry` (a path from the project's root) with these arguments; where it needs the node, dist/ is brought up to date first.
 * @param {string} entry
 * @param {string[]} args
 * @param {boolean} needsNode
 * @returns {Promise<number>} the exit code
 */
export async function runBundled(entry, args, needsNode) {
  // A test run has built dist/ already, and must not do so twice at a time.
  if (needsNode && process.env.NODE_IS_BUILT === undefined) {
    const { status } = spawnSync(process.execPath, [join(root, 'tools/build.mjs')], { cwd: root, stdio: 'inherit' });
    if (status !== 0) return status ?? 1;
  }
  const outfile = join(root, '.cache/conformance', `bundle-${process.pid}.mjs`);
  mkdirSync(dirname(outfile), { recursive: true });
  await build({
    entryPoints: [join(root, entry)],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    packages: 'external',
    logLevel: 'warning',
    define: { "process.env['DUOLOG_ROOT']": JSON.stringify(root) },
  });
  try {
    const child = spawn(process.execPath, [outfile, ...args], { stdio: 'inherit', cwd: root });
    // The child gets Ctrl-C from the terminal too, and stops its brokers; this process waits for it.
    process.on('SIGINT', () => undefined);
    process.on('SIGTERM', () => child.kill('SIGTERM'));
    const [code] = await once(child, 'exit');
    return code ?? 1;
  } finally {
    rmSync(outfile, { force: true });
  }
}

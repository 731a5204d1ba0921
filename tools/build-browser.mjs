// Bundles the client for browsers into one ES module, and prints what it costs to download.
// `platform: browser` makes esbuild refuse every Node builtin, so a client that needs Node fails the build here.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Bundles `entry` into `outfile`, minified, with its source map beside it.
 * Rejects when the entry reaches a Node builtin or a package that cannot be found.
 * @param {string} entry
 * @param {string} outfile
 * @returns {Promise<{ rawBytes: number, gzipBytes: number }>}
 */
export async function bundleForBrowsers(entry, outfile) {
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    minify: true,
    sourcemap: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    logLevel: 'silent',
  });
  const bytes = readFileSync(outfile);
  return { rawBytes: bytes.length, gzipBytes: gzipSync(bytes, { level: 9 }).length };
}

/** @param {number} bytes */
const kibibytes = (bytes) => `${(bytes / 1024).toFixed(1)} KiB`;

async function main() {
  const entry = join(root, 'dist/client/index.js');
  if (!existsSync(entry)) {
    console.log('browser bundle: skipped, there is no dist/client/index.js');
    return;
  }
  const { rawBytes, gzipBytes } = await bundleForBrowsers(entry, join(root, 'dist/browser/duolog-client.js'));
  console.log(`browser bundle: ${kibibytes(rawBytes)} minified, ${kibibytes(gzipBytes)} gzipped`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await main().catch((error) => {
    console.error(`Cannot bundle the client for browsers: ${error.message}`);
    process.exitCode = 1;
  });
}

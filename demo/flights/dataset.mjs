// The airline records of the npm package vega-datasets: fetched once, checked, and kept in .cache/.
// It is no development dependency: 43 MB for everybody who installs, for the sake of one file.
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

const packageName = 'vega-datasets@2.11.0';
const tarballSha512 = 'JWV4ryGY1C/FIgrWP2N/zdSIhtt7bJD0cq9YlYlGq9f5P27/Mkq6U03iS7wNKGWYTTBS3PfTgyDgbWpdkmcyUg==';
const member = 'package/data/flights-200k.json';
const memberSha256 = 'd03c0a44048361d8ca452c404911c506247b65a5f3e7371369bd0f717c23ce04';
const patienceMs = 120_000;

/** Where the file is kept. */
export const cacheFolder = fileURLToPath(new URL('../../.cache/demo/', import.meta.url));

/**
 * One flight: its delay in minutes, its distance in miles, its time of departure in hours.
 * @typedef {{ delay: number, distance: number, time: number }} Flight
 */

/**
 * @param {string} path
 * @param {'sha256' | 'sha512'} algorithm
 * @param {'hex' | 'base64'} encoding
 */
const digestOf = (path, algorithm, encoding) => createHash(algorithm).update(readFileSync(path)).digest(encoding);

/**
 * The records, and whether they had to be fetched. `signal` ends the fetching.
 * @param {AbortSignal} signal
 * @returns {Promise<{ flights: Flight[], wasFetched: boolean }>}
 */
export async function loadFlights(signal) {
  const file = join(cacheFolder, 'flights-200k.json');
  const isKept = existsSync(file) && digestOf(file, 'sha256', 'hex') === memberSha256;
  if (!isKept) await fetchInto(file, signal);
  return { flights: JSON.parse(readFileSync(file, 'utf8')), wasFetched: !isKept };
}

/**
 * Puts the file at `file`, whole or not at all.
 * @param {string} file
 * @param {AbortSignal} signal
 */
async function fetchInto(file, signal) {
  mkdirSync(cacheFolder, { recursive: true });
  const folder = mkdtempSync(join(cacheFolder, 'fetch-'));
  try {
    const tarball = await download(folder, signal);
    const digest = digestOf(tarball, 'sha512', 'base64');
    if (digest !== tarballSha512) {
      throw new Error(`Cannot use ${packageName}: its sha512 is ${digest}, and should be ${tarballSha512}`);
    }
    await run('tar', ['-xzf', tarball, '-C', folder, member], { signal });
    renameSync(join(folder, member), file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * Has npm fetch the package, from the registry and through the proxy that the user has configured.
 * @param {string} folder
 * @param {AbortSignal} signal
 */
async function download(folder, signal) {
  const npm = process.env['npm_execpath'];
  const [program, ...words] = npm === undefined ? ['npm'] : [process.execPath, npm];
  const options = ['pack', packageName, '--silent', '--pack-destination', folder];
  try {
    const { stdout } = await run(program, [...words, ...options], { cwd: folder, signal, timeout: patienceMs });
    return join(folder, stdout.trim());
  } catch (error) {
    if (signal.aborted) throw error;
    throw new Error(`Cannot fetch ${packageName} with npm: ${error}`, { cause: error });
  }
}

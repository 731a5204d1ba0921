// One build at a time in one checkout: two test runs that start together would otherwise write dist/ under each other's feet.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const retryMs = 50;
const patienceMs = 180_000;
/** How long a lock may be without its owner's process id: it is created first and written at once after. */
const unwrittenMs = 2_000;

/** @param {unknown} error */
const codeOf = (error) => (error instanceof Error && 'code' in error ? error.code : undefined);

/**
 * Whether the process that wrote the lock is gone.
 * @param {string} path
 */
function isAbandoned(path) {
  try {
    const owner = Number(readFileSync(path, 'utf8'));
    if (owner === 0) return Date.now() - statSync(path).mtimeMs > unwrittenMs;
    process.kill(owner, 0);
    return false;
  } catch (error) {
    return codeOf(error) === 'ESRCH';
  }
}

/** @param {string} path */
function tryTake(path) {
  try {
    writeFileSync(path, String(process.pid), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    if (isAbandoned(path)) rmSync(path, { force: true });
    return false;
  }
}

/**
 * Takes the lock file at `path`, waiting for another process to release it; it is released when this process exits, however that is.
 * @param {string} path
 */
export function lockUntilExit(path) {
  mkdirSync(dirname(path), { recursive: true });
  const sleeper = new Int32Array(new SharedArrayBuffer(4));
  for (let waitedMs = 0; !tryTake(path); waitedMs += retryMs) {
    if (waitedMs > patienceMs) throw new Error(`Another build has held ${path} for ${patienceMs / 1000} s`);
    Atomics.wait(sleeper, 0, 0, retryMs);
  }
  process.once('exit', () => rmSync(path, { force: true }));
}

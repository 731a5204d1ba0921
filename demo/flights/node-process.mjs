// A node of the demo's own, as a user would start it: the command line in a process of its own, on a temporary folder and a free port.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const commandLine = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const stopLimitMs = 10_000;

/**
 * Starts a node with two shards and resolves when it serves. `stop` ends it in good order and removes its folder; should this process end before,
 * that happens at once and without ceremony.
 * @returns {Promise<{ url: string, engine: string, folder: string, stop: () => Promise<void> }>}
 */
export async function startNode() {
  const folder = mkdtempSync(join(tmpdir(), 'duolog-demo-'));
  const flags = ['--data', folder, '--host', '127.0.0.1', '--port', '0', '--shards', '2', '--log-format', 'json'];
  const child = spawn(process.execPath, [commandLine, 'start', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit');
  const removeAll = () => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  };
  process.once('exit', removeAll);
  const stop = async () => {
    const timer = setTimeout(() => child.kill('SIGKILL'), stopLimitMs);
    child.kill('SIGTERM');
    await exited;
    clearTimeout(timer);
    process.removeListener('exit', removeAll);
    removeAll();
  };
  try {
    return { ...(await serving(child)), folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/**
 * Resolves with what the node says when it serves. @throws Error with its last words when it ends instead.
 * @param {import('node:child_process').ChildProcessByStdio<null, import('node:stream').Readable, import('node:stream').Readable>} child
 * @returns {Promise<{ url: string, engine: string }>}
 */
function serving(child) {
  let words = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    words = (words + text).slice(-4000);
  });
  return new Promise((resolve, reject) => {
    createInterface(child.stdout).on('line', (line) => {
      words = `${words}${line}\n`.slice(-4000);
      const { url, engine } = fieldsOf(line);
      if (url !== undefined && engine !== undefined) resolve({ url, engine });
    });
    child.once('exit', (code, signal) => reject(new Error(`The node ended with ${signal ?? code}: ${words}`)));
  });
}

/**
 * @param {string} line
 * @returns {{ url?: string, engine?: string }}
 */
function fieldsOf(line) {
  try {
    return JSON.parse(line);
  } catch {
    return {};
  }
}

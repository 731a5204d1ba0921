// `npm run image:check`: builds and starts the image as far as that goes without Docker. Every stage of the Dockerfile is carried
// out in a temporary folder; then the entry point starts there, the health check must pass, and SIGTERM must end it with 0.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseDockerfile } from './image/dockerfile.mjs';
import { carryOutStages } from './image/stages.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const patienceMs = 15_000;

/** @returns {Promise<number>} a port that nobody listens on at this moment */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('A TCP server has no port');
  return address.port;
}

/**
 * Starts the stage's entry point, waits for its health check, and stops it.
 * @param {import('./image/stages.mjs').Stage} stage
 */
async function tryOut(stage) {
  const env = { ...process.env, ...stage.env, DUOLOG_ALLOW_ANONYMOUS: 'true', DUOLOG_PORT: String(await freePort()) };
  const cwd = join(stage.folder, stage.workingDirectory);
  /** @param {string} word */
  const own = (word) => (word === 'node' ? process.execPath : word);
  const words = [
    ...stage.entrypoint,
    ...stage.command.map((word) => (word === '/data' ? join(stage.folder, word) : word)),
  ];
  console.log(`[${stage.name}] ${words.join(' ')}`);
  const node = spawn(own(words[0] ?? ''), words.slice(1), { cwd, env, stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(node, 'exit');
  const [program = '', ...args] = stage.healthcheck;
  const started = performance.now();
  try {
    while (spawnSync(own(program), args, { cwd, env }).status !== 0) {
      if (node.exitCode !== null) throw new Error(`The entry point ended with ${node.exitCode}`);
      if (performance.now() - started > patienceMs) throw new Error(`Not healthy after ${patienceMs} ms`);
      await wait(100);
    }
    console.log(`healthy after ${Math.round(performance.now() - started)} ms`);
    node.kill('SIGTERM');
    const outcome = await Promise.race([ended, wait(patienceMs)]);
    if (outcome?.[0] !== 0) throw new Error(`SIGTERM ended the entry point with ${outcome ?? 'nothing'}, expected 0`);
  } finally {
    node.kill('SIGKILL');
  }
}

const folder = mkdtempSync(join(tmpdir(), 'duolog-image-'));
try {
  const instructions = parseDockerfile(readFileSync(join(root, 'Dockerfile'), 'utf8'));
  const ignoreText = readFileSync(join(root, '.dockerignore'), 'utf8');
  const image = carryOutStages(instructions, { folder, context: root, ignoreText });
  if (image.user === 'root') throw new Error('The image runs as root');
  const size = spawnSync('du', ['-sm', image.folder], { encoding: 'utf8' }).stdout.split('\t')[0];
  console.log(`${size} MB on top of the base image`);
  await tryOut(image);
  for (const command of image.skipped) console.log(`not tried, it needs a real image: ${command}`);
  console.log('The Dockerfile works as far as it can be tried without Docker.');
} catch (error) {
  console.error(`The Dockerfile does not work: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}

// Builds k6 from the Go module proxy into .cache/k6, once.
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = 'v1.8.1';
const folder = fileURLToPath(new URL('../../.cache/k6', import.meta.url));

const isThere = (command, ...words) => spawnSync(command, words, { stdio: 'ignore' }).status === 0;

/** The path of k6, built where it is missing; undefined where neither k6 nor Go is there. */
export function installK6() {
  const k6 = join(folder, process.platform === 'win32' ? 'k6.exe' : 'k6');
  if (existsSync(k6)) return k6;
  if (!isThere('go', 'version')) return isThere('k6', 'version') ? 'k6' : undefined;
  console.error(`Building k6 ${VERSION} (some minutes, once) …`);
  mkdirSync(folder, { recursive: true });
  execFileSync('go', ['install', `go.k6.io/k6@${VERSION}`], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  return k6;
}

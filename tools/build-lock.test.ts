import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const module = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'build-lock.mjs')).href);
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-lock-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A program that takes the lock, notes that it entered and left, and holds it in between. */
function program(lock: string, log: string, heldMs: number): string[] {
  const source = `
    import { appendFileSync } from 'node:fs';
    import { lockUntilExit } from ${module};
    lockUntilExit(${JSON.stringify(lock)});
    appendFileSync(${JSON.stringify(log)}, 'in ');
    setTimeout(() => appendFileSync(${JSON.stringify(log)}, 'out '), ${heldMs});
  `;
  return ['--input-type=module', '--eval', source];
}

test('holders follow each other, and the lock is gone after the last', async () => {
  const [lock, log] = [join(folder, 'one'), join(folder, 'one.log')];
  const ends = [1, 2, 3].map(() => {
    const child = spawn(process.execPath, program(lock, log, 100), { stdio: 'inherit' });
    return new Promise((resolve) => child.once('exit', resolve));
  });
  expect(await Promise.all(ends)).toEqual([0, 0, 0]);
  expect(readFileSync(log, 'utf8')).toBe('in out in out in out ');
  expect(existsSync(lock)).toBe(false);
});

test('the lock of a process that was killed is taken over', () => {
  const [lock, log] = [join(folder, 'two'), join(folder, 'two.log')];
  const dead = spawnSync(process.execPath, ['--eval', '']).pid;
  writeFileSync(lock, String(dead));
  const { status } = spawnSync(process.execPath, program(lock, log, 0), { stdio: 'inherit' });
  expect(status).toBe(0);
  expect(readFileSync(log, 'utf8')).toBe('in out ');
});

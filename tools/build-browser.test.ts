import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleForBrowsers } from './build-browser.mjs';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'duolog-bundle-'));
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function entry(name: string, source: string): string {
  const path = join(directory, name);
  writeFileSync(path, source);
  return path;
}

test('a client that needs only the browser is bundled and measured', async () => {
  const source = entry('good.js', `export const greet = (name) => new TextEncoder().encode('hello ' + name);`);
  const { rawBytes, gzipBytes } = await bundleForBrowsers(source, join(directory, 'good.out.js'));
  expect(rawBytes).toBeGreaterThan(20);
  expect(gzipBytes).toBeGreaterThan(20);
});

test.each(['node:fs', 'net'])('a client that drags in %s fails the build', async (builtin) => {
  const source = entry('bad.js', `import * as builtin from '${builtin}'; export const leaked = builtin;`);
  await expect(bundleForBrowsers(source, join(directory, 'bad.out.js'))).rejects.toThrow(builtin);
});

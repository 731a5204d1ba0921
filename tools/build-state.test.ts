import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fingerprint, staleOutputs } from './build-state.mjs';

let root: string;

function write(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'duolog-build-'));
  write('src/base/assert.ts', 'one');
  write('proto/client.proto', 'two');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test('the fingerprint changes with content, time, and the set of sources, and not with tests or rules', () => {
  const seen = new Set([fingerprint(root)]);
  write('src/base/assert.ts', 'longer');
  seen.add(fingerprint(root));
  utimesSync(join(root, 'proto/client.proto'), 1, 1);
  seen.add(fingerprint(root));
  write('src/base/added.ts');
  seen.add(fingerprint(root));
  expect(seen.size).toBe(4);
  const before = fingerprint(root);
  write('src/base/assert.test.ts');
  write('src/proto/gen/client.js');
  write('tools/house/rule.mjs');
  expect(fingerprint(root)).toBe(before);
});

test('outputs are stale when their source is gone, and only then', () => {
  for (const ending of ['.js', '.js.map', '.d.ts']) {
    write(`dist/base/assert${ending}`);
    write(`dist/base/gone${ending}`);
  }
  write('dist/.tsbuildinfo');
  write('dist/browser/duolog-client.js');
  write('dist/proto/gen/client.js');
  expect(staleOutputs(root).map((file) => relative(root, file))).toEqual([
    'dist/base/gone.d.ts',
    'dist/base/gone.js',
    'dist/base/gone.js.map',
  ]);
});

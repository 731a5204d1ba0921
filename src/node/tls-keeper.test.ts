import { renameSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { CertificateFolder, TestAuthority } from '../io/tls/fixtures/certificates.js';
import type { TlsMaterial } from '../io/tls/port.js';
import type { NodeLog } from './log.js';
import { TlsKeeper } from './tls-keeper.js';

const authority = await TestAuthority.create();
const [first, second, third] = [await authority.sign(), await authority.sign(), await authority.sign({ days: 2 })];
const folders: CertificateFolder[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) folder.remove();
});

function keeper() {
  const folder = new CertificateFolder();
  folders.push(folder);
  const lines: string[] = [];
  const note = (_fields: object, message?: string): void => void lines.push(message ?? '');
  const silent = (): void => undefined;
  const log: NodeLog = { debug: silent, info: note, warn: note, error: note, fatal: note };
  const changes: TlsMaterial[] = [];
  const files = { certificates: [folder.write('node', first)], caFile: undefined, verify: 'none' as const };
  const make = () =>
    new TlsKeeper(
      files,
      log,
      () => Date.now(),
      (material) => changes.push(material),
    );
  return { folder, lines, changes, make };
}

test('reads files anew once they have changed and rest', () => {
  const { folder, changes, lines, make } = keeper();
  const kept = make();
  kept.check();
  expect(changes).toEqual([]);
  folder.text('node.pem', second.cert);
  kept.check();
  // Somebody may still be writing.
  expect(changes).toEqual([]);
  folder.text('node.key', second.key);
  kept.check();
  expect(changes).toEqual([]);
  kept.check();
  expect(changes.map(({ certificates }) => certificates[0]!.key)).toEqual([second.key]);
  expect(kept.material).toBe(changes[0]);
  kept.check();
  expect(changes).toHaveLength(1);
  expect(lines).toEqual(['New certificates are in use for new connections']);
});

test('keeps the old ones, and says so once, while the new are broken', () => {
  const { folder, changes, lines, make } = keeper();
  const kept = make();
  const before = kept.material;
  folder.text('node.pem', 'broken');
  for (let count = 0; count < 5; count++) kept.check();
  rmSync(join(folder.path, 'node.pem'));
  for (let count = 0; count < 5; count++) kept.check();
  expect(kept.material).toBe(before);
  expect(lines).toEqual([
    expect.stringMatching(/no certificate in PEM.*stay in use/),
    expect.stringMatching(/cannot be read.*stay in use/),
  ]);
  folder.write('node', second);
  kept.check();
  kept.check();
  expect(changes).toHaveLength(1);
});

test('follows links, as secrets are mounted', () => {
  const { folder, changes, make } = keeper();
  const kept = make();
  folder.write('next', second);
  for (const end of ['pem', 'key']) {
    symlinkSync(join(folder.path, `next.${end}`), join(folder.path, 'link'));
    renameSync(join(folder.path, 'link'), join(folder.path, `node.${end}`));
  }
  kept.check();
  kept.check();
  expect(changes).toHaveLength(1);
});

test('reads at once when told to, and warns of what expires', () => {
  const { folder, changes, lines, make } = keeper();
  const kept = make();
  folder.write('node', third);
  kept.reload();
  expect(changes).toHaveLength(1);
  expect(lines.at(-1)).toContain('expires soon');
  folder.text('node.key', first.key);
  expect(make).toThrow(expect.objectContaining({ code: 'key-mismatch' }));
});

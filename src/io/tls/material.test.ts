import { rmSync } from 'node:fs';
import { afterAll, expect, test } from 'vitest';
import { CertificateFolder, TestAuthority } from './fixtures/certificates.js';
import { expiryWarnings, loadTlsMaterial, tlsFilesSignature } from './material.js';
import type { TlsFiles } from './port.js';

const folder = new CertificateFolder();
const authority = await TestAuthority.create();
const good = await authority.sign({
  names: [
    { type: 'dns', value: 'Broker.Example.org' },
    { type: 'dns', value: '*.example.net' },
  ],
});
const other = await authority.sign();
afterAll(() => folder.remove());

function filesOf(pair: { cert: string; key: string }, ca?: string): TlsFiles {
  const caFile = ca === undefined ? undefined : folder.text('ca.pem', ca);
  return { certificates: [folder.write('one', pair)], caFile, verify: ca === undefined ? 'none' : 'required' };
}

test('reads certificates with the names that they are for', () => {
  const material = loadTlsMaterial(filesOf({ cert: good.cert + authority.cert, key: good.key }, authority.cert));
  expect(material.certificates[0]!.names).toEqual(['broker.example.org', '*.example.net']);
  expect(material).toMatchObject({ verify: 'required', ca: authority.cert });
  expect(structuredClone(material)).toEqual(material);
});

test.each([
  [
    'unreadable-file',
    () => ({
      certificates: [{ certFile: '/nowhere.pem', keyFile: '/nowhere.key' }],
      caFile: undefined,
      verify: 'none' as const,
    }),
  ],
  ['unreadable-file', () => filesOf({ cert: `${good.cert}${' '.repeat(1_048_576)}`, key: good.key })],
  ['bad-certificate', () => filesOf({ cert: 'no certificate', key: good.key })],
  ['bad-certificate', () => filesOf({ cert: good.cert.slice(0, 200), key: good.key })],
  [
    'bad-certificate',
    () =>
      filesOf({ cert: `${good.cert}\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`, key: good.key }),
  ],
  ['bad-key', () => filesOf({ cert: good.cert, key: 'no key' })],
  ['key-mismatch', () => filesOf({ cert: good.cert, key: other.key })],
  ['bad-authority', () => filesOf(good, 'no authority')],
  ['bad-authority', () => filesOf(good, authority.cert.replace(/\n.{20}/, '\nAAAA'))],
])('refuses with %s, naming the file', (code, files) => {
  const load = (): unknown => loadTlsMaterial(files());
  expect(load).toThrow(expect.objectContaining({ code }));
  expect(load).toThrow(/\/(nowhere|one|ca)\.(pem|key)/);
});

test('never shows a key in an error', () => {
  for (const broken of [good.key.slice(0, 100), good.key.replace('PRIVATE', 'SECRET')]) {
    try {
      loadTlsMaterial(filesOf({ cert: good.cert, key: broken }));
      expect.unreachable();
    } catch (error) {
      expect(String((error as Error).stack)).not.toContain(good.key.slice(60, 80));
    }
  }
});

test('warns of certificates that have expired, will soon, or are not yet valid', async () => {
  const material = (days: number) => authority.sign({ days }).then((pair) => loadTlsMaterial(filesOf(pair)));
  const now = Date.now();
  expect(expiryWarnings(await material(90), now)).toEqual([]);
  expect(expiryWarnings(await material(3), now)).toEqual([expect.stringContaining('expires soon')]);
  expect(expiryWarnings(await material(-3), now)).toEqual([expect.stringContaining('has expired')]);
  expect(expiryWarnings(await material(90), now - 3 * 86_400_000)).toEqual([
    expect.stringContaining('valid only from'),
  ]);
});

test('sees when files change or go', () => {
  const files = filesOf(good);
  const before = tlsFilesSignature(files);
  expect(tlsFilesSignature(files)).toBe(before);
  folder.write('one', { cert: other.cert, key: `${good.key}\n` });
  const after = tlsFilesSignature(files);
  expect(after).not.toBe(before);
  rmSync(files.certificates[0]!.keyFile);
  expect(tlsFilesSignature(files)).not.toBe(after);
});

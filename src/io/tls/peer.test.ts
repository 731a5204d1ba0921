import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { TestAuthority } from './fixtures/certificates.js';
import { alternativeNamesOf, certificateUser, peerCertificateOf } from './peer.js';
import type { CertificateLoginRule } from './port.js';

const authority = await TestAuthority.create('CN=Authority,O=Example');
const rule = (
  from: CertificateLoginRule['from'],
  type: CertificateLoginRule['alternativeNameType'] = 'dns',
  index = 0,
) => ({
  from,
  alternativeNameType: type,
  alternativeNameIndex: index,
});

async function peer(subject: string, names = {}) {
  const pair = await authority.sign({ subject, ...names });
  return peerCertificateOf(new X509Certificate(pair.cert));
}

test('the distinguished name is in the order of RFC 4514, with its escapes', async () => {
  // The maker of certificates writes relative names in the order given, so the last is the most specific here.
  const carol = await peer('O=Example\\, Inc.,OU=Sales,CN=Carol Müller');
  expect(carol.subject).toBe('CN=Carol Müller,OU=Sales,O=Example\\, Inc.');
  expect(carol.commonNames).toEqual(['Carol Müller']);
  expect(carol.issuer).toBe('O=Example,CN=Authority');
  expect(carol.fingerprint).toMatch(/^[0-9a-f]{64}$/);
  expect(carol.notAfterMs - carol.notBeforeMs).toBeGreaterThan(86_400_000);
});

test('a name that looks like several is one', async () => {
  const sly = await peer('CN=mallory\\,CN\\=admin');
  expect(sly.commonNames).toEqual(['mallory,CN=admin']);
  expect(sly.subject).not.toMatch(/(^|[^\\]),CN=admin/);
});

test('user names follow the rule', async () => {
  const carol = await peer('O=Example,CN=carol', {
    names: [
      { type: 'dns', value: 'a.example' },
      { type: 'email', value: 'carol@example.org' },
      { type: 'dns', value: 'b.example' },
      { type: 'ip', value: '10.1.2.3' },
      { type: 'url', value: 'spiffe://example/carol' },
    ],
  });
  expect(certificateUser(carol, rule('distinguished_name'))).toBe('CN=carol,O=Example');
  expect(certificateUser(carol, rule('common_name'))).toBe('carol');
  expect(certificateUser(carol, rule('subject_alternative_name'))).toBe('a.example');
  expect(certificateUser(carol, rule('subject_alternative_name', 'dns', 1))).toBe('b.example');
  expect(certificateUser(carol, rule('subject_alternative_name', 'email'))).toBe('carol@example.org');
  expect(certificateUser(carol, rule('subject_alternative_name', 'ip'))).toBe('10.1.2.3');
  expect(certificateUser(carol, rule('subject_alternative_name', 'uri'))).toBe('spiffe://example/carol');
  expect(certificateUser(carol, rule('subject_alternative_name', 'dns', 2))).toBeUndefined();
  const nameless = await peer('O=Example', { names: [] });
  expect(certificateUser(nameless, rule('common_name'))).toBeUndefined();
  expect(certificateUser(nameless, rule('subject_alternative_name'))).toBeUndefined();
});

test('alternative names with commas and quotes stay whole', () => {
  expect(
    alternativeNamesOf(
      'DNS:a.example, DNS:"b, DNS:admin", URI:"http://x/\\"y", IP Address:10.0.0.1, DirName:"CN = x", email:c@d',
    ),
  ).toEqual([
    { type: 'dns', value: 'a.example' },
    { type: 'dns', value: 'b, DNS:admin' },
    { type: 'uri', value: 'http://x/"y' },
    { type: 'ip', value: '10.0.0.1' },
    { type: 'email', value: 'c@d' },
  ]);
  expect(alternativeNamesOf(undefined)).toEqual([]);
});

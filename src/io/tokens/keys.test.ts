import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { TokenKeysError } from './errors.js';
import { SigningKey } from './fixtures/issuer.js';
import { parseKeySet, readKeySet, readPemKey } from './keys.js';
import { KEY_SET_BYTES_MAX } from './limits.js';

const key = new SigningKey('one');
const curve = new SigningKey('two', 'ES256');
const folder = mkdtempSync(join(tmpdir(), 'duolog-keys-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const setOf = (...keys: unknown[]): string => JSON.stringify({ keys });

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'none';
  } catch (error) {
    return (error as TokenKeysError).code;
  }
}

test('reads the keys of a set, public parts alone, and passes over what is not for signatures', () => {
  const shared = { kty: 'oct', k: 'c2VjcmV0', kid: 'shared' };
  const encryption = { ...key.jwk, use: 'enc' };
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey.export({ format: 'jwk' });
  const slow = { ...key.jwk, e: key.jwk['n'] };
  const secret = { ...curve.jwk, d: 'AAAA' };
  const off = { ...curve.jwk, x: 'AAAA' };
  const others = [shared, encryption, weak, slow, secret, off, null, 7, { kty: 'EC', crv: 'P-192' }];
  const { keys, passedOver } = parseKeySet(setOf(key.jwk, ...others, { ...curve.jwk, x5c: ['x'] }), 'here');
  const { use: _, ...left } = curve.jwk;
  expect(keys.map(({ kid }) => kid)).toEqual(['one', 'two']);
  expect(keys[1]).toEqual(left);
  expect(passedOver).toHaveLength(others.length);
  expect(structuredClone(keys)).toEqual(keys);
});

describe('refuses', () => {
  test.each([
    ['no JSON', '<html>'],
    ['no set', '{}'],
    ['null', 'null'],
    ['a set without a usable key', setOf({ kty: 'oct', k: 'AAAA' })],
    ['an empty set', setOf()],
    ['too many keys', setOf(...Array.from({ length: 65 }, () => key.jwk))],
    ['a name that is none', setOf({ ...key.jwk, kid: 7 })],
  ])('%s', async (_what, text) => {
    expect(await codeOf(() => parseKeySet(text, 'here'))).toBe('bad-keys');
  });

  test('files that are not there, too long, or hold a private key', async () => {
    expect(await codeOf(() => readKeySet(join(folder, 'none')))).toBe('unreadable');
    expect(await codeOf(() => readKeySet(file('long', ' '.repeat(KEY_SET_BYTES_MAX + 1))))).toBe('unreadable');
    expect(await codeOf(() => readPemKey(file('private.pem', key.privatePem)))).toBe('bad-keys');
    expect(await codeOf(() => readPemKey(file('garbage.pem', 'garbage')))).toBe('bad-keys');
    expect(await codeOf(() => readPemKey(file('public.pem', key.pem)))).toBe('none');
    expect(readPemKey(join(folder, 'public.pem'))).toMatchObject({ kty: 'RSA', n: key.jwk['n'] });
  });
});

describe('from an address', () => {
  async function served(answer: RequestListener, path = '/keys'): Promise<readonly [string, string]> {
    const server = createServer(answer);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`;
    try {
      const { keys } = await readKeySet(url);
      return ['none', String(keys[0]?.kid)];
    } catch (error) {
      return [(error as TokenKeysError).code, (error as Error).message];
    } finally {
      server.closeAllConnections();
      server.close();
    }
  }

  test('takes what answers, within bounds', async () => {
    expect(await served((_, answer) => answer.end(setOf(key.jwk)))).toEqual(['none', 'one']);
    expect(await served((_, answer) => answer.writeHead(503).end(setOf(key.jwk)))).toEqual([
      'unreadable',
      expect.stringContaining('503'),
    ]);
    const elsewhere: RequestListener = (request, answer) =>
      request.url === '/keys' ? answer.writeHead(302, { location: '/other' }).end() : answer.end(setOf(key.jwk));
    expect((await served(elsewhere))[0]).toBe('unreadable');
    let sent = 0;
    const endless: RequestListener = (_, answer) => {
      const more = (): void => {
        sent += 65_536;
        if (!answer.destroyed) answer.write(' '.repeat(65_536), more);
      };
      more();
    };
    expect((await served(endless))[0]).toBe('unreadable');
    expect(sent).toBeLessThan(32 * KEY_SET_BYTES_MAX);
    expect(await codeOf(() => readKeySet('http://127.0.0.1:1/keys'))).toBe('unreadable');
  });
});

import { describe, expect, test } from 'vitest';
import { AUDIENCE, goodClaims, ISSUER, SigningKey, unsigned } from './fixtures/issuer.js';
import { parseKeySet } from './keys.js';
import type { SignatureAlgorithm } from './port.js';
import { SignedTokens } from './verifier.js';

const NOW = 1_800_000_000_000;
const [rsa, curve, stranger] = [new SigningKey('rsa'), new SigningKey('curve', 'ES256'), new SigningKey('rsa')];

function verifierOf(keys: readonly unknown[], algorithms: readonly SignatureAlgorithm[] = ['RS256', 'ES256']) {
  const rules = { algorithms, issuer: ISSUER, audience: AUDIENCE, clockSkewSeconds: 2 };
  return new SignedTokens(rules, parseKeySet(JSON.stringify({ keys }), 'test').keys);
}

const verifier = verifierOf([rsa.jwk, curve.jwk]);
const claims = goodClaims(NOW);
const second = Math.floor(NOW / 1000);

async function faultOf(token: string, by = verifier): Promise<string> {
  const checked = await by.check(token, NOW);
  return checked.valid ? 'none' : checked.fault;
}

test('takes what the issuer has signed, with both kinds of keys', async () => {
  for (const key of [rsa, curve]) {
    expect(await verifier.check(key.sign(claims), NOW)).toEqual({ valid: true, claims });
  }
  expect(await faultOf(rsa.sign({ ...claims, aud: ['other', AUDIENCE] }))).toBe('none');
});

describe('refuses', () => {
  const without = (name: string): Record<string, unknown> =>
    Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
  const good = rsa.sign(claims);
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const forged = Buffer.from(JSON.stringify({ ...claims, sub: 'eve' })).toString('base64url');

  test.each([
    ['no algorithm', unsigned(claims), 'algorithm'],
    ['alg none with a signature of nothing', rsa.sign(claims, { alg: 'none' }), 'algorithm'],
    ['alg None', rsa.sign(claims, { alg: 'None' }), 'algorithm'],
    ['HS256 with the public key as secret', rsa.confuse(claims), 'algorithm'],
    ['an algorithm that is not configured', rsa.sign(claims, { alg: 'RS512' }), 'algorithm'],
    ["another key type's algorithm under the name of a key", rsa.sign(claims, { alg: 'ES256' }), 'unknown-key'],
    ['an unknown key', rsa.sign(claims, { kid: 'other' }), 'unknown-key'],
    ['another key under a known name', stranger.sign(claims), 'signature'],
    ['the name of another key', curve.sign(claims, { kid: 'rsa' }), 'unknown-key'],
    ['a key that the token brings along', stranger.sign(claims, { kid: 'x', jwk: stranger.jwk }), 'unknown-key'],
    ['changed claims', `${header}.${forged}.${signature}`, 'signature'],
    ['a cut signature', good.slice(0, -8), 'signature'],
    ['a header that must be understood', rsa.sign(claims, { crit: ['new'], new: 1 }), 'malformed'],
    ['claims that are not encoded', rsa.sign(claims, { crit: ['b64'], b64: false }), 'malformed'],
    ['another issuer', rsa.sign({ ...claims, iss: 'https://evil.example' }), 'issuer'],
    ['no issuer', rsa.sign(without('iss')), 'issuer'],
    ['an issuer among others', rsa.sign({ ...claims, iss: [ISSUER] }), 'issuer'],
    ['another audience', rsa.sign({ ...claims, aud: 'other' }), 'audience'],
    ['other audiences', rsa.sign({ ...claims, aud: ['duolog2', 'duo'] }), 'audience'],
    ['no audience', rsa.sign(without('aud')), 'audience'],
    ['not yet', rsa.sign({ ...claims, nbf: second + 3 }), 'not-yet-valid'],
    ['expired', rsa.sign({ ...claims, exp: second - 2 }), 'expired'],
    ['no end', rsa.sign(without('exp')), 'no-expiry'],
    ['an end that is no number', rsa.sign({ ...claims, exp: '9999999999' }), 'malformed'],
    ['a beginning that is no number', rsa.sign({ ...claims, nbf: 'soon' }), 'malformed'],
    ['claims that are a list', rsa.sign([claims]), 'malformed'],
    ['nothing', '', 'malformed'],
    ['garbage', 'garbage', 'malformed'],
    ['points', '..', 'malformed'],
    ['parts that are no JSON', 'eyJ.eyJ.eyJ', 'malformed'],
    ['an encrypted token', `${good}.a.b`, 'malformed'],
    ['space around', ` ${good}`, 'malformed'],
    ['other base64', `${header}.${payload}=.${signature}`, 'malformed'],
  ])('%s', async (_what, token, fault) => {
    expect(await faultOf(token)).toBe(fault);
  });

  test('no token when there are no keys', async () => {
    const rules = { algorithms: ['RS256'], issuer: ISSUER, audience: AUDIENCE, clockSkewSeconds: 2 } as const;
    expect(await faultOf(good, new SignedTokens(rules, []))).toBe('unknown-key');
  });
});

test('clocks may differ by the skew, and no more', async () => {
  for (const [more, fault] of [
    [{ nbf: second + 2 }, 'none'],
    [{ exp: second - 1 }, 'none'],
    [{ nbf: second + 3 }, 'not-yet-valid'],
    [{ exp: second - 2 }, 'expired'],
  ] as const) {
    expect([more, await faultOf(rsa.sign({ ...claims, ...more }))]).toEqual([more, fault]);
  }
});

test('the algorithms of the configuration count, not those of the token', async () => {
  const only = verifierOf([rsa.jwk, curve.jwk], ['ES256']);
  expect(await faultOf(curve.sign(claims), only)).toBe('none');
  expect(await faultOf(rsa.sign(claims), only)).toBe('algorithm');
});

test('a key without a name is for tokens that name another, and for those that name none where there is no doubt', async () => {
  const { kid: _, ...unnamed } = rsa.jwk;
  const one = verifierOf([unnamed, curve.jwk]);
  expect(await faultOf(rsa.sign(claims, { kid: 'any' }), one)).toBe('none');
  expect(await faultOf(rsa.sign(claims, { kid: undefined }), one)).toBe('none');
  // By a key that the issuer may have taken since: it is worth looking for.
  expect(await faultOf(stranger.sign(claims, { kid: 'new' }), one)).toBe('unknown-key');
  expect(await faultOf(stranger.sign(claims, { kid: undefined }), one)).toBe('signature');
  const two = verifierOf([rsa.jwk, { ...stranger.jwk, kid: 'second' }]);
  expect(await faultOf(rsa.sign(claims, { kid: undefined }), two)).toBe('unknown-key');
});

test('replaced keys count at once', async () => {
  const changing = verifierOf([rsa.jwk]);
  const next = new SigningKey('rsa');
  expect(await faultOf(rsa.sign(claims), changing)).toBe('none');
  changing.replaceKeys(parseKeySet(JSON.stringify({ keys: [next.jwk] }), 'test').keys);
  expect(await faultOf(rsa.sign(claims), changing)).toBe('signature');
  expect(await faultOf(next.sign(claims), changing)).toBe('none');
});

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Bearer, bearerOf, type ClaimRules } from './claims.js';
import { SCOPES_MAX } from './limits.js';
import { rightsOf } from './scopes.js';
import { parseWildcard } from './wildcard.js';

const rules: ClaimRules = {
  usernameClaims: ['preferred_username', 'sub'],
  scopeClaim: 'scope',
  scopePrefix: 'duolog.',
  clockSkewSeconds: 2,
};

describe('patterns', () => {
  test.each([
    ['*', '', true],
    ['*', 'a/b', true],
    ['', '', true],
    ['', 'a', false],
    ['orders', 'orders', true],
    ['orders', 'orders2', false],
    ['orders', 'Orders', false],
    ['or*', 'orders', true],
    ['*.b', 'a.b.b', true],
    ['a*a', 'a', false],
    ['a*b*c', 'axbxc', true],
    ['a*b*c', 'acb', false],
    ['**', 'x', true],
    ['%2F', '/', true],
    ['a%2Ab', 'a*b', true],
    ['a%2Ab', 'axb', false],
    ['a+b', 'a b', true],
    ['.*', 'x', false],
    ['%zz', '%zz', undefined],
  ] as const)('%s on %j', (pattern, text, expected) => {
    expect(parseWildcard(pattern)?.test(text)).toBe(expected);
  });

  test('are what a regular expression of them finds', () => {
    const letters = (characters: string) => fc.string({ unit: fc.constantFrom(...characters), maxLength: 8 });
    fc.assert(
      fc.property(letters('ab*'), letters('ab'), (pattern, text) => {
        const model = new RegExp(`^${pattern.replaceAll('*', '.*')}$`);
        expect(parseWildcard(pattern)?.test(text)).toBe(model.test(text));
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('scopes', () => {
  const { authority, tags } = rightsOf([
    'read:%2F/orders',
    'write:prod*/*',
    'configure:*/mine-*',
    'write:%2F/amq.topic/sensor.ann.*',
    'read:*',
    'read:a/b/c/d',
    'write:%zz/*',
    'write:secret/%zz',
    'delete:*/*',
    'tag:management',
    'tag:',
    '*:*/*',
  ]);

  test('allow what they name, and nothing else', () => {
    expect(authority.may('/', 'read', 'queue', 'orders')).toBe(true);
    expect(authority.may('/', 'write', 'queue', 'orders')).toBe(false);
    expect(authority.may('/', 'read', 'queue', 'orders2')).toBe(false);
    expect(authority.may('production', 'write', 'exchange', 'anything')).toBe(true);
    expect(authority.may('test', 'write', 'exchange', 'anything')).toBe(false);
    expect(authority.may('secret', 'write', 'exchange', '%zz')).toBe(false);
    expect(authority.may('anywhere', 'configure', 'topic', 'mine-1')).toBe(true);
    expect(authority.mayEnter('anywhere')).toBe(true);
    expect(rightsOf(['read:a/b', 'tag:administrator']).authority.mayEnter('b')).toBe(false);
    expect(rightsOf([]).authority.mayEnter('/')).toBe(false);
    expect(tags).toEqual(['management']);
  });

  test('allow routing keys only where they say so', () => {
    expect(authority.mayTopic('/', 'write', 'amq.topic', 'sensor.ann.heat')).toBe(true);
    expect(authority.mayTopic('/', 'write', 'amq.topic', 'sensor.bob.heat')).toBe(false);
    expect(authority.mayTopic('/', 'read', 'amq.topic', 'sensor.ann.heat')).toBe(false);
    expect(authority.mayTopic('production', 'write', 'anything', 'key')).toBe(false);
    // As in RabbitMQ: what allows routing keys allows the exchange as well.
    expect(authority.may('/', 'write', 'exchange', 'amq.topic')).toBe(true);
  });
});

describe('claims', () => {
  const bearer = (claims: Record<string, unknown>): Bearer | string =>
    bearerOf({ exp: 1000, sub: 'ann', ...claims }, rules);
  const reads = (scope: unknown): boolean => {
    const found = bearer({ scope });
    return typeof found !== 'string' && found.authority.may('/', 'read', 'queue', 'orders');
  };

  test('name the user, in the order of the settings', () => {
    expect(bearer({})).toMatchObject({ user: 'ann', expiresAtMs: 1_002_000 });
    expect(bearer({ preferred_username: 'bob' })).toMatchObject({ user: 'bob' });
    expect(bearer({ preferred_username: ['bob'] })).toMatchObject({ user: 'ann' });
    for (const sub of ['', 7, undefined, 'a\nb', 'x'.repeat(256)]) expect(bearer({ sub })).toContain('names no user');
    const inherited = { ...rules, usernameClaims: ['toString', 'constructor'] };
    expect(bearerOf({ exp: 1 }, inherited)).toContain('names no user');
  });

  test('have an end, and never one beyond all dates', () => {
    expect(bearerOf({ sub: 'ann' }, rules)).toContain('no end');
    expect(bearer({ exp: Number.POSITIVE_INFINITY })).toMatchObject({ expiresAtMs: 8_640_000_000_000_000 });
  });

  test('have scopes as text or as a list, each counted once, those of others not at all', () => {
    const [wanted, other] = ['duolog.read:%2F/orders', 'other.read:%2F/orders'];
    expect(reads(wanted)).toBe(true);
    expect(reads(`${other}  ${wanted} ${wanted}`)).toBe(true);
    expect(reads([other, wanted])).toBe(true);
    expect(reads([`${other} ${wanted}`])).toBe(true);
    expect([reads(other), reads('read:%2F/orders'), reads('duolog.'), reads(undefined)]).toEqual([
      false,
      false,
      false,
      false,
    ]);
    for (const scope of [7, { a: 1 }, [wanted, 7]]) expect(bearer({ scope })).toContain('neither text nor a list');
    expect(reads(Array.from({ length: 10 * SCOPES_MAX }, () => wanted))).toBe(true);
    const many = Array.from({ length: SCOPES_MAX + 1 }, (_, index) => `duolog.read:${index}/*`);
    expect(bearer({ scope: many })).toContain('more than');
    expect(bearer({ scope: [...Array(500).fill('duolog.tag:management'), 'duolog.tag:monitoring'] })).toMatchObject({
      tags: ['management', 'monitoring'],
    });
  });
});

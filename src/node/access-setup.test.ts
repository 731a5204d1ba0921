import { describe, expect, test } from 'vitest';
import type { UserEntry } from '../broker/access/model.js';
import { Catalog } from '../broker/catalog.js';
import { accessRules, firstUser, refuseStrangers } from './access-setup.js';
import { ConfigError, checkSettings, type NodeSettings } from './config.js';

function catalogWith(...names: string[]): Catalog {
  const catalog = new Catalog();
  for (const [index, name] of names.entries()) {
    const user: UserEntry = { name, tags: [], verifiers: [], passwordVersion: 1 };
    catalog.apply(index + 1, { kind: 'access', change: { kind: 'put-user', user } });
  }
  return catalog;
}

function refusal(settings: NodeSettings, catalog = new Catalog()): string | undefined {
  try {
    refuseStrangers(checkSettings(settings), catalog);
    return undefined;
  } catch (error) {
    if (error instanceof ConfigError) return error.message;
    throw error;
  }
}

describe('beyond loopback', () => {
  const host = '0.0.0.0';

  test('a node starts only when there is a user for strangers', () => {
    expect(refusal({ host })).toContain('--default-user');
    expect(refusal({ host, defaultUser: 'ann' })).toContain('--default-pass');
    expect(refusal({ host, defaultPass: 'secret' })).toContain('--default-user');
    expect(refusal({ host, defaultUser: 'ann', defaultPass: 'secret' })).toBeUndefined();
    expect(refusal({ host: '127.0.0.1.example.org' })).toContain('others can reach');
  });

  test('users of earlier starts count, the default user of the settings does not any more', () => {
    expect(refusal({ host }, catalogWith('guest'))).toContain('loopback only: guest');
    expect(refusal({ host, defaultUser: 'ann', defaultPass: 'secret' }, catalogWith('guest'))).toContain('guest');
    expect(refusal({ host }, catalogWith('guest', 'bob'))).toBeUndefined();
    expect(refusal({ host, loopbackUsers: ['none'] }, catalogWith('guest'))).toBeUndefined();
  });

  test('or when everybody may come in, or nobody', () => {
    expect(refusal({ host, allowAnonymous: true })).toBeUndefined();
    expect(refusal({ host, anonymous: 'everywhere' })).toBeUndefined();
    expect(refusal({ host, anonymous: 'loopback' })).toBeDefined();
    const closed = { port: 'off', amqpPort: 'off', amqpsPort: 'off', managementPort: 'off' } as const;
    expect(refusal({ host, ...closed })).toBeUndefined();
    expect(refusal({ host, ...closed, managementPort: 0 })).toBeDefined();
  });
});

test('on loopback a node starts as it is', () => {
  for (const host of ['127.0.0.1', '127.8.0.1', 'localhost', '::1']) expect(refusal({ host })).toBeUndefined();
});

test('the first user is made once', () => {
  const config = checkSettings({});
  expect(firstUser(new Catalog(), config).map(({ kind }) => kind)).toEqual(['put-user', 'set-permission']);
  expect(firstUser(catalogWith('ann'), config)).toEqual([]);
  const emptied = new Catalog();
  emptied.apply(1, { kind: 'access', change: { kind: 'seeded' } });
  expect(firstUser(emptied, config)).toEqual([]);
});

test('--allow-anonymous is both rules', () => {
  expect(accessRules(checkSettings({}))).toEqual({ anonymous: 'loopback', loopbackUsers: ['guest'] });
  expect(accessRules(checkSettings({ allowAnonymous: true }))).toEqual({ anonymous: 'everywhere', loopbackUsers: [] });
  expect(accessRules(checkSettings({ anonymous: 'off', loopbackUsers: 'none' }))).toEqual({
    anonymous: 'off',
    loopbackUsers: [],
  });
});

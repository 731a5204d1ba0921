import { describe, expect, test } from 'vitest';
import type { CatalogTopic } from '../catalog.js';
import { validateDeclaration } from '../declarations.js';
import { effectivePolicy } from '../queue-arguments.js';
import { AccessWorld } from './fixtures/access-world.js';
import { JSON_BYTES_MAX } from './limits.js';
import type { JsonValue } from './model.js';
import { checkPasswordChange, exportedPassword, importedPassword } from './passwords.js';
import type { AccessRequest } from './requests.js';

const ALL = { configure: '.*', write: '.*', read: '.*' };
const user = (name: string, tags: readonly string[] = []): AccessRequest => {
  return { kind: 'put-user', name, tags, password: { kind: 'keep' } };
};
const policy = (name: string, definition = {}, over = {}): AccessRequest => {
  return {
    kind: 'set-policy',
    operator: false,
    vhost: '/',
    name,
    pattern: '.*',
    applyTo: 'all',
    priority: 0,
    definition,
    ...over,
  };
};

async function refusal(world: AccessWorld, request: AccessRequest): Promise<string> {
  const before = world.catalog.snapshot();
  try {
    await world.ask(request);
  } catch (error) {
    expect(world.catalog.snapshot()).toEqual(before);
    return `${(error as { code?: string }).code}: ${(error as Error).message}`;
  }
  throw new Error('It was not refused');
}

describe('outcomes', () => {
  test('tell what was there before', async () => {
    const world = new AccessWorld();
    const permission: AccessRequest = { kind: 'set-permission', user: 'ann', vhost: '/', ...ALL };
    const limit: AccessRequest = { kind: 'set-vhost-limit', vhost: '/', limit: 'max-queues', value: 5 };
    const parameter: AccessRequest = {
      kind: 'set-parameter',
      vhost: '/',
      component: 'c',
      name: 'p',
      value: { a: [1] },
    };
    const global: AccessRequest = { kind: 'set-parameter', component: '', name: 'g', value: 'x' };
    const asked: [AccessRequest, string][] = [
      [user('ann'), 'created'],
      [user('ann'), 'unchanged'],
      [user('ann', ['monitoring']), 'changed'],
      [permission, 'created'],
      [permission, 'unchanged'],
      [{ ...permission, read: '' }, 'changed'],
      [{ kind: 'clear-permission', user: 'ann', vhost: '/' }, 'deleted'],
      [policy('p', { 'max-length': 1 }), 'created'],
      [policy('p', { 'max-length': 2 }), 'changed'],
      [{ kind: 'clear-policy', operator: false, vhost: '/', name: 'p' }, 'deleted'],
      [limit, 'changed'],
      [limit, 'unchanged'],
      [{ kind: 'clear-vhost-limit', vhost: '/' }, 'deleted'],
      [parameter, 'created'],
      [global, 'created'],
      [{ kind: 'clear-parameter', component: '', name: 'g' }, 'deleted'],
      [{ kind: 'put-vhost', vhost: 'v' }, 'created'],
      [{ kind: 'put-vhost', vhost: 'v' }, 'unchanged'],
      [{ kind: 'put-vhost', vhost: 'v', metadata: { description: 'd', tags: ['t'] } }, 'changed'],
      [{ kind: 'delete-vhost', vhost: 'v' }, 'deleted'],
      [{ kind: 'delete-user', name: 'ann' }, 'deleted'],
    ];
    for (const [request, outcome] of asked)
      expect([request.kind, await world.ask(request)]).toEqual([request.kind, [outcome]]);
  });
});

test('what belongs to a user or a virtual host goes with it', async () => {
  const world = new AccessWorld();
  for (const name of ['ann', 'bob']) {
    await world.ask(user(name), { kind: 'put-vhost', vhost: 'v' });
    for (const vhost of ['/', 'v']) {
      await world.ask(
        { kind: 'set-permission', user: name, vhost, ...ALL },
        { kind: 'set-topic-permission', user: name, vhost, exchange: 'x', write: '', read: '' },
      );
    }
    await world.ask({ kind: 'set-user-limit', user: name, limit: 'max-channels', value: 3 });
  }
  await world.ask(
    policy('p', { expires: 1 }, { vhost: 'v' }),
    policy('p', { expires: 1 }, { vhost: 'v', operator: true }),
    { kind: 'set-parameter', vhost: 'v', component: 'c', name: 'n', value: 1 },
    { kind: 'set-vhost-limit', vhost: 'v', limit: 'max-queues', value: 1 },
    { kind: 'put-vhost', vhost: 'v', metadata: { description: 'd', tags: [] } },
  );
  const { access } = world.catalog;
  await world.ask({ kind: 'delete-user', name: 'ann' });
  expect([access.permissionCount, access.topicPermissionCount, [...access.limitedUsers()].length]).toEqual([2, 2, 1]);
  await world.ask({ kind: 'delete-vhost', vhost: 'v' });
  expect([access.permissionCount, access.topicPermissionCount, access.policyCount, access.parameterCount]).toEqual([
    1, 1, 0, 0,
  ]);
  expect([access.vhostLimits('v'), access.vhostMetadata('v').description, access.isAbout('v')]).toEqual([
    {},
    '',
    false,
  ]);
});

describe('refused, and nothing is changed', () => {
  const deep = (levels: number): JsonValue => (levels === 0 ? 1 : [deep(levels - 1)]);
  const cases: [string, AccessRequest, RegExp][] = [
    ['an unknown user', { kind: 'delete-user', name: 'bob' }, /^not-found: no user 'bob'/],
    ['a permission of one', { kind: 'set-permission', user: 'bob', vhost: '/', ...ALL }, /^not-found: no user/],
    [
      'an unknown virtual host',
      { kind: 'set-permission', user: 'ann', vhost: 'w', ...ALL },
      /^not-found: no vhost 'w'/,
    ],
    [
      'a bad expression',
      { kind: 'set-permission', user: 'ann', vhost: '/', ...ALL, read: '(' },
      /^invalid-request: the regular expression '\('/,
    ],
    ['a name too long', user('x'.repeat(256)), /^invalid-request/],
    ['an empty name', user(''), /^invalid-request/],
    ['too many tags', user('x', Array.from({ length: 33 }, String)), /33 tags/],
    ['an unknown policy key', policy('p', { nonsense: 1 }), /not recognised policy settings/],
    ['a bad pattern', policy('p', { expires: 1 }, { pattern: '*' }), /regular expression/],
    ['a priority that is no number', policy('p', { expires: 1 }, { priority: 1.5 }), /priority/],
    [
      'a policy that is not there',
      { kind: 'clear-policy', operator: true, vhost: '/', name: 'p' },
      /^not-found: no operator policy/,
    ],
    [
      'a parameter without component',
      { kind: 'set-parameter', vhost: '/', component: '', name: 'p', value: 1 },
      /component/,
    ],
    ['deep JSON', { kind: 'set-parameter', component: '', name: 'p', value: deep(33) }, /nested deeper/],
    [
      'much JSON',
      { kind: 'set-parameter', component: '', name: 'p', value: 'x'.repeat(JSON_BYTES_MAX) },
      /the limit is 65536/,
    ],
    [
      'a limit that is no number',
      { kind: 'set-vhost-limit', vhost: '/', limit: 'max-queues', value: 0.5 },
      /whole number/,
    ],
    ['the internal virtual host', { kind: 'put-vhost', vhost: 'duolog.internal' }, /reserved/],
  ];
  test.each(cases)('%s', async (_what, request, complaint) => {
    const world = new AccessWorld();
    await world.ask(user('ann'));
    expect(await refusal(world, request)).toMatch(complaint);
  });
});

describe('passwords of definitions', () => {
  test('survive export and import, ours and those of RabbitMQ', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'secret');
    const entry = world.catalog.access.user('ann')!;
    const ours = exportedPassword(entry);
    expect(importedPassword(ours.password_hash, ours.hashing_algorithm)).toEqual({
      kind: 'verifiers',
      verifiers: entry.verifiers,
    });
    // `rabbitmqctl hash_password`'s form: base64 of salt and SHA-256.
    const rabbit = 'kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR';
    const change = importedPassword(rabbit, 'rabbit_password_hashing_sha256')!;
    expect(importedPassword(rabbit)).toEqual(change);
    expect(change.kind).toBe('rabbit-hash');
    checkPasswordChange('ann', change);
    await world.ask({ kind: 'put-user', name: 'bob', tags: [], password: change });
    expect(exportedPassword(world.catalog.access.user('bob')!)).toEqual({
      password_hash: rabbit,
      hashing_algorithm: 'rabbit_password_hashing_sha256',
    });
    expect((await world.login('bob', 'test12')).accepted).toBe(true);
    expect(exportedPassword({ ...entry, verifiers: [] }).password_hash).toBe('');
    expect(importedPassword('')).toEqual({ kind: 'none' });
  });

  test.each([
    ['AAAA', 'rabbit_password_hashing_sha256'],
    ['not base64!', undefined],
    ['kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR', 'rabbit_password_hashing_md5'],
    ['kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR', 'another'],
    ['SCRAM-SHA-256$1:AA==$AA==', 'duolog_password_hashing_scram'],
  ])('that make no sense are none: %s %s', (hash, algorithm) => {
    expect(importedPassword(hash, algorithm)).toBeUndefined();
  });

  test('that are too weak or too slow to check are refused', () => {
    const verifier = {
      kind: 'scram-sha-256',
      salt: new Uint8Array(16),
      iterations: 100_000,
      storedKey: new Uint8Array(32),
      serverKey: new Uint8Array(32),
    } as const;
    const check = (over: object) => () =>
      checkPasswordChange('ann', { kind: 'verifiers', verifiers: [{ ...verifier, ...over }] });
    check({})();
    for (const over of [
      { iterations: 1 },
      { iterations: 9_999_999 },
      { salt: new Uint8Array(1) },
      { storedKey: new Uint8Array(31) },
    ]) {
      expect(check(over)).toThrow(/not sound/);
    }
    expect(() => checkPasswordChange('ann', { kind: 'password', password: '' })).toThrow(/empty/);
    expect(() => checkPasswordChange('ann', { kind: 'password', password: 'x'.repeat(1025) })).toThrow(/longer/);
  });
});

test('a virtual host may have a default type of queue, and a number of them', async () => {
  const world = new AccessWorld();
  const metadata = { description: '', tags: [], defaultQueueType: 'quorum' } as const;
  const node = { defaultPartitions: 1, slots: 100, shards: 1 };
  const declare = (name: string, over = {}) => {
    const queue = { ...FLAGS, arguments: new Uint8Array(0), connection: 'c', shard: 0, ...over };
    const shape = { partitions: 0, settings: { kind: 'queue' }, passive: false, start: { at: 'end' } } as const;
    world.apply(validateDeclaration(world.catalog, { name, vhost: '/', queue, ...shape }, node));
    return isQuorum(world.catalog.topic(name));
  };
  expect(declare('before')).toBe(false);
  await world.ask({ kind: 'put-vhost', vhost: '/', metadata });
  expect([declare('before'), declare('q'), declare('q')]).toEqual([false, true, true]);
  // Quorum queues are durable and shared: others stay what they are.
  expect([declare('t', { durable: false }), declare('x', { exclusive: true })]).toEqual([false, false]);
  await world.ask({ kind: 'set-vhost-limit', vhost: '/', limit: 'max-queues', value: 4 });
  expect(() => declare('z')).toThrow("cannot declare queue 'z': queue limit in vhost '/' (4) is reached");
  expect(declare('q')).toBe(true);
});

const FLAGS = { durable: true, exclusive: false, autoDelete: false };

function isQuorum(topic: CatalogTopic | undefined): boolean {
  return topic !== undefined && effectivePolicy(topic.settings).type === 'quorum';
}

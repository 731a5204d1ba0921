/**
 * Every operation of the API asked by people who may not, and with bodies that make no sense: nothing happens, and the answer says so. Wrong
 * passwords, which the node answers late, are tried on all of them in handler.test.ts.
 */
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, type ApiUser, operations, pathOf, startApi } from './api.js';

const PARTS = { vhost: '/', queue: 'q', exchange: 'x', kind: 'q', user: 'guest', component: 'c', port: '1' };

let api: Api;
const users: Record<string, ApiUser> = {};

beforeAll(async () => {
  api = await startApi();
  users['untagged'] = await api.user('untagged', '', ['/']);
  users['outsider'] = await api.user('outsider', 'management,policymaker');
  users['manager'] = await api.user('manager', 'management', ['/']);
  users['monitor'] = await api.user('monitor', 'monitoring', ['/']);
});
afterAll(() => api.node.remove());

/** Who may not use an operation, by what it needs. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  nobody: [],
  management: ['untagged'],
  owner: ['untagged'],
  vhost: ['untagged', 'outsider'],
  'vhost-visible': ['untagged', 'outsider'],
  monitoring: ['untagged', 'outsider', 'manager'],
  policymaker: ['untagged', 'outsider', 'manager', 'monitor'],
  'global-policymaker': ['untagged', 'manager', 'monitor'],
  administrator: ['untagged', 'outsider', 'manager', 'monitor'],
};

const everything = async () => JSON.stringify(await api.get('/definitions'));

describe('an operation of the API', () => {
  it.each(operations.map((one) => [`${one.method} ${one.path}`, one] as const))('%s', async (_, operation) => {
    const path = pathOf(operation.path, PARTS);
    const before = await everything();
    const emptyBody = operation.method === 'GET' ? undefined : {};
    const ask = async (user: ApiUser | undefined) =>
      (await api.ask(operation.method, path, emptyBody, { user })).status;
    if (operation.needs !== 'nobody') {
      expect(await ask(undefined), 'without credentials').toBe(401);
    }
    for (const name of REFUSED[operation.needs] ?? []) {
      const { status, body } = await api.ask(operation.method, path, emptyBody, { user: users[name] });
      expect([status, body?.error], name).toEqual([401, 'not_authorised']);
    }
    expect(await everything()).toBe(before);
  });

  it.each(operations.filter((one) => one.body !== undefined).map((one) => [`${one.method} ${one.path}`, one] as const))(
    'answers garbage: %s',
    async (_, operation) => {
      const path = pathOf(operation.path, { ...PARTS, node: 'no-node' });
      const before = await everything();
      const garbage = ['{', '[]', '7', '"{}"', '\u0000', `{"a":${'['.repeat(500)}${']'.repeat(500)}}`, '{"a":1}}'];
      for (const body of garbage) {
        const { status, body: answer } = await api.ask(operation.method, path, body);
        expect([400, 404], body.slice(0, 20)).toContain(status);
        expect(typeof answer.reason).toBe('string');
      }
      const wrong = { ...Object.fromEntries(FIELDS.map((name) => [name, { a: [{}] }])), __proto__: { x: 1 } };
      expect([400, 404]).toContain(await api.status(operation.method, path, wrong));
      expect(await everything()).toBe(before);
    },
  );

  it('is in the table of the manual', () => {
    const manual = readFileSync(new URL('../../docs/protocols/management.md', import.meta.url), 'utf8');
    const missing = operations.filter(({ method, path }) => !manual.includes(`| \`${method} ${path}\` |`));
    expect(missing.map(({ method, path }) => `${method} ${path}`)).toEqual([]);
  });

  it('is described with its body, by the schemas that check it', async () => {
    const description = await api.get('/openapi.json');
    expect(description.openapi).toBe('3.1.0');
    const described = Object.entries<object>(description.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const expected = operations.map(({ method, path }) => `${method} /api${path.replace(/:(\w+)/g, '{$1}')}`);
    expect(described.sort()).toEqual(expected.filter((one) => !one.endsWith('/openapi.json')).sort());
    const queue = description.paths['/api/queues/{vhost}/{queue}'].put.requestBody.content['application/json'].schema;
    expect(Object.keys(queue.properties)).toEqual(['durable', 'auto_delete', 'exclusive', 'arguments']);
  });
});

/** Names that bodies have, so that each meets a value of the wrong type. */
const FIELDS = [
  'name',
  'users',
  'vhosts',
  'queues',
  'bindings',
  'durable',
  'arguments_',
  'type',
  'routing_key',
  'properties',
  'payload',
  'count',
  'encoding',
  'action',
  'description',
  'tags',
  'password',
  'configure',
  'write',
  'read',
  'exchange',
  'pattern',
  'definition',
  'priority',
  'bytes',
];

/** Definitions: a RabbitMQ's own are imported, and a round trip through an empty node loses nothing. */
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type Api, startApi } from './api.js';

const RABBITMQ = JSON.parse(
  readFileSync(new URL('./fixtures/rabbitmq-3.10.8-definitions.json', import.meta.url), 'utf8'),
) as Definitions;

type Definitions = Readonly<Record<string, readonly object[]>>;

const nodes: Api[] = [];
async function start(): Promise<Api> {
  const api = await startApi();
  nodes.push(api);
  return api;
}
afterEach(async () => {
  for (const api of nodes.splice(0)) await api.node.remove();
});

/** Every section as a sorted list of texts, so that order does not matter. */
function sections(definitions: Definitions, without: readonly string[] = []): Record<string, string[]> {
  const lists = Object.entries(definitions).filter(([name, items]) => Array.isArray(items) && !without.includes(name));
  return Object.fromEntries(lists.map(([name, items]) => [name, items.map((item) => sorted(item)).sort()]));
}

function sorted(item: unknown): string {
  return JSON.stringify(item, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

describe('definitions', () => {
  it('of a RabbitMQ 3.10 are imported whole, and its users log in', async () => {
    const api = await start();
    expect(await api.status('POST', '/definitions', RABBITMQ)).toBe(204);
    const exported = (await api.get('/definitions')) as Definitions;
    const [theirs, ours] = [sections(RABBITMQ, ['vhosts']), sections(exported, ['vhosts'])];
    expect(ours).toEqual(theirs);
    const names = (definitions: Definitions) => definitions['vhosts']!.map((vhost) => (vhost as { name: string }).name);
    expect(names(exported).sort()).toEqual(names(RABBITMQ).sort());
    const alice = { user: { name: 'alice', password: 'secret' } };
    expect((await api.ask('GET', '/whoami', undefined, alice)).body).toMatchObject({ name: 'alice' });
    expect((await api.ask('GET', '/whoami', undefined, { user: { name: 'alice', password: 'Secret' } })).status).toBe(
      401,
    );
    expect(await api.get('/queues/orders/a1')).toMatchObject({
      type: 'quorum',
      policy: 'ttl',
      operator_policy: 'cap',
      effective_policy_definition: { 'message-ttl': 60000, 'max-length': 1000 },
    });
    // Once more changes nothing.
    expect(await api.status('POST', '/definitions', RABBITMQ)).toBe(204);
    expect(sections((await api.get('/definitions')) as Definitions, ['users', 'vhosts'])).toEqual(
      sections(RABBITMQ, ['users', 'vhosts']),
    );
  });

  it('go through an empty node without loss, passwords included', async () => {
    const first = await start();
    await first.ask('POST', '/definitions', RABBITMQ);
    await first.user('carol', 'administrator', ['/', 'orders']);
    const exported = (await first.get('/definitions')) as Definitions;
    const second = await start();
    expect(await second.status('POST', '/definitions', exported)).toBe(204);
    expect(sections((await second.get('/definitions')) as Definitions)).toEqual(sections(exported));
    const carol = { user: { name: 'carol', password: "carol's password" } };
    expect((await second.ask('GET', '/whoami', undefined, carol)).status).toBe(200);
  });

  it('of one virtual host go into another', async () => {
    const api = await start();
    await api.ask('POST', '/definitions', RABBITMQ);
    const orders = (await api.get('/definitions/orders')) as Definitions;
    expect(JSON.stringify(orders)).not.toContain('"vhost"');
    await api.ask('PUT', '/vhosts/copy', {});
    expect(await api.status('POST', '/definitions/copy', orders)).toBe(204);
    expect(sections((await api.get('/definitions/copy')) as Definitions)).toEqual(sections(orders));
  });

  it('that make no sense change nothing', async () => {
    const api = await start();
    const before = await api.get('/definitions');
    const bad: object[] = [
      { users: [{ name: 'x', password_hash: 'no hash', tags: [] }] },
      {
        vhosts: [{ name: 'new' }],
        permissions: [{ user: 'nobody', vhost: 'new', configure: '', write: '', read: '' }],
      },
      { vhosts: [{ name: 'new' }], policies: [{ vhost: 'new', name: 'p', pattern: '(', definition: {} }] },
      { exchanges: [{ name: 'x', type: 'nonsense' }], queues: [{ name: 'q' }] },
      { queues: [{ durable: true }] },
      { bindings: [{ source: 'x', destination: 'y', destination_type: 'z' }] },
      { queues: {} },
    ];
    for (const definitions of bad) {
      const { status } = await api.ask('POST', '/definitions', definitions);
      expect([400, 404], JSON.stringify(definitions)).toContain(status);
    }
    expect(await api.get('/definitions')).toEqual(before);
  });
});

/** Queues, exchanges, bindings, messages, virtual hosts, users, permissions, limits, policies and parameters: made, looked at, removed. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, startApi } from './api.js';

let api: Api;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.node.remove());

describe('queues', () => {
  it('are declared, declared again, told of, and deleted', async () => {
    const declaration = { durable: true, arguments: { 'x-max-length': 10, 'x-queue-type': 'quorum' } };
    expect(await api.status('PUT', '/queues/%2F/q', declaration)).toBe(201);
    expect(await api.status('PUT', '/queues/%2F/q', { ...declaration, durable: 'true' })).toBe(204);
    const refused = await api.ask('PUT', '/queues/%2F/q', { durable: false });
    expect([refused.status, refused.body.error]).toEqual([400, 'bad_request']);
    expect(refused.body.reason).toContain("inequivalent arg 'durable' for queue 'q' in vhost '/'");
    expect(await api.get('/queues/%2F/q')).toMatchObject({
      name: 'q',
      vhost: '/',
      type: 'quorum',
      durable: true,
      auto_delete: false,
      exclusive: false,
      messages: 0,
      messages_ready: 0,
      messages_unacknowledged: 0,
      messages_details: { rate: 0 },
      consumers: 0,
      state: 'running',
      arguments: declaration.arguments,
      effective_policy_definition: {},
      policy: null,
      consumer_details: [],
    });
    expect(await api.status('DELETE', '/queues/%2F/q?if-unused=true&if-empty=true')).toBe(204);
    expect(await api.status('DELETE', '/queues/%2F/q')).toBe(404);
    expect(await api.status('PUT', '/queues/%2F/amq.mine', {})).toBe(401);
    expect(await api.status('PUT', '/queues/%2F/typed', { arguments: { 'x-queue-type': 'nonsense' } })).toBe(400);
  });

  it('come in pages, sorted, filtered and cut to columns', async () => {
    await api.ask('PUT', '/vhosts/paged', {});
    await Promise.all(
      Array.from({ length: 25 }, (_, index) =>
        api.ask('PUT', `/queues/paged/page-${String(index).padStart(2, '0')}`, {}),
      ),
    );
    const page = await api.get('/queues/paged?page=3&page_size=10&columns=name&name=PAGE&sort=name&sort_reverse=true');
    expect(page).toMatchObject({ total_count: 25, filtered_count: 25, page_count: 3, item_count: 5 });
    expect(page.items).toEqual(['04', '03', '02', '01', '00'].map((number) => ({ name: `page-${number}` })));
    expect(await api.get('/queues/paged?page=9')).toMatchObject({ error: 'page_out_of_range' });
    expect(await api.get('/queues?page=1&columns=vhost&page_size=1')).toMatchObject({ item_count: 1 });
    expect(
      (await api.ask('GET', '/queues?columns=name', undefined, { headers: { 'x-vhost': 'paged' } })).body,
    ).toHaveLength(25);
  });
});

describe('exchanges and bindings', () => {
  it('are declared, bound, told of by all their ends, unbound and deleted', async () => {
    expect(await api.status('PUT', '/exchanges/%2F/x', { type: 'topic', durable: true })).toBe(201);
    expect(await api.status('PUT', '/exchanges/%2F/x', { type: 'topic', durable: true })).toBe(204);
    expect(await api.status('PUT', '/exchanges/%2F/x', { type: 'fanout', durable: true })).toBe(400);
    expect(await api.status('PUT', '/exchanges/%2F/wrong', { type: 'wrong' })).toBe(400);
    await api.ask('PUT', '/queues/%2F/bound', {});
    const made = await api.ask('POST', '/bindings/%2F/e/x/q/bound', { routing_key: 'a b~c' });
    expect([made.status, made.headers.get('location')]).toEqual([201, 'bound/a%2Bb%257Ec']);
    await api.ask('POST', '/bindings/%2F/e/x/q/bound', {
      routing_key: 'k',
      arguments: { size: 7, deep: { list: [true, null] } },
    });
    await api.ask('POST', '/bindings/%2F/e/amq.fanout/e/x', {});
    const bindings = await api.get('/bindings/%2F/e/x/q/bound');
    expect(bindings.map(({ properties_key: key }: { properties_key: string }) => key)).toContain('a+b%7Ec');
    const withArguments = bindings.find(({ routing_key: key }: { routing_key: string }) => key === 'k');
    expect(withArguments.arguments).toEqual({ size: 7, deep: { list: [true, null] } });
    expect(await api.get('/queues/%2F/bound/bindings')).toHaveLength(3);
    expect(await api.get('/exchanges/%2F/x/bindings/source')).toHaveLength(2);
    expect(await api.get('/exchanges/%2F/x/bindings/destination')).toHaveLength(1);
    expect((await api.get('/bindings/%2F/e/amq.fanout/e/x'))[0].properties_key).toBe('~');
    for (const { properties_key: key } of bindings) {
      const path = `/bindings/%2F/e/x/q/bound/${encodeURIComponent(key)}`;
      expect((await api.get(path)).properties_key).toBe(key);
      expect(await api.status('DELETE', path)).toBe(204);
      expect(await api.status('DELETE', path)).toBe(404);
    }
    expect(await api.status('DELETE', '/bindings/%2F/e/amq.fanout/e/x/~')).toBe(204);
    expect(await api.status('DELETE', '/exchanges/%2F/x?if-unused=true')).toBe(204);
    expect(await api.status('DELETE', '/exchanges/%2F/x')).toBe(404);
    expect(await api.status('DELETE', '/exchanges/%2F/amq.direct')).toBe(401);
  });
});

describe('messages', () => {
  const publish = (payload: string, more: object = {}, exchange = 'amq.default') =>
    api.ask('POST', `/exchanges/%2F/${exchange}/publish`, {
      routing_key: 'm',
      properties: {},
      payload,
      payload_encoding: 'string',
      ...more,
    });
  const get = async (more: object = {}) =>
    (await api.ask('POST', '/queues/%2F/m/get', { count: 10, ackmode: 'ack_requeue_false', encoding: 'auto', ...more }))
      .body;

  it('are published, got, given back, dropped and purged', async () => {
    await api.ask('PUT', '/queues/%2F/m', { durable: true });
    const properties = {
      delivery_mode: 2,
      message_id: 'one',
      headers: { a: 1, b: [true, 'x'] },
      timestamp: 5,
      priority: 3,
    };
    expect((await publish('first', { properties })).body).toEqual({ routed: true });
    expect((await publish('', { routing_key: 'nobody' })).body).toEqual({ routed: false });
    expect((await publish('gA==', { payload_encoding: 'base64' })).body).toEqual({ routed: true });
    const [first, second] = await get({ ackmode: 'ack_requeue_true' });
    expect(first).toEqual({
      payload_bytes: 5,
      redelivered: false,
      exchange: '',
      routing_key: 'm',
      message_count: 1,
      properties,
      payload: 'first',
      payload_encoding: 'string',
    });
    expect(second).toMatchObject({ payload: 'gA==', payload_encoding: 'base64', message_count: 0 });
    expect(await get({ count: 1, truncate: 2 })).toMatchObject([
      { payload: 'fi', payload_bytes: 5, redelivered: true },
    ]);
    expect(await get({ ackmode: 'reject_requeue_false', encoding: 'base64' })).toHaveLength(1);
    expect(await get()).toEqual([]);
    await publish('again');
    expect(await api.get('/queues/%2F/m')).toMatchObject({ messages: 1, message_stats: { publish: 3 } });
    expect(await api.status('DELETE', '/queues/%2F/m/contents')).toBe(204);
    expect(await api.get('/queues/%2F/m')).toMatchObject({ messages: 0 });
  });

  it('are refused with a reason', async () => {
    expect((await publish('x', {}, 'nowhere')).status).toBe(404);
    expect((await publish('x', { payload_encoding: 'rot13' })).status).toBe(400);
    expect((await publish('?', { payload_encoding: 'base64' })).status).toBe(400);
    expect((await publish('x', { properties: { user_id: 'somebody' } })).status).toBe(400);
    expect((await publish('x', { properties: { expiration: 'soon' } })).status).toBe(400);
    expect((await publish('x', { properties: { delivery_mode: 1000 } })).status).toBe(400);
    expect((await publish('x', { properties: { content_type: 'x'.repeat(300) } })).status).toBe(400);
    expect(await get({ ackmode: 'keep' })).toMatchObject({ error: 'bad_request' });
    expect(await get({ count: -1 })).toMatchObject({ error: 'bad_request' });
    expect(await get({ encoding: 'hex' })).toMatchObject({ error: 'bad_request' });
    expect(await api.get('/aliveness-test/%2F')).toEqual({ status: 'ok' });
  });
});

describe('virtual hosts, users and permissions', () => {
  it('are made, changed, told of and removed', async () => {
    expect(await api.status('PUT', '/vhosts/a%2Fb', { description: 'Two words', tags: 'x,y' })).toBe(201);
    expect(await api.status('PUT', '/vhosts/a%2Fb', { description: 'Two words', tags: ['x', 'y'] })).toBe(204);
    expect(await api.get('/vhosts/a%2Fb')).toMatchObject({ name: 'a/b', description: 'Two words', tags: ['x', 'y'] });
    expect(await api.status('PUT', '/users/ann', { password: 'p', tags: 'management' })).toBe(201);
    expect(await api.status('PUT', '/users/ann', { tags: ['management', 'policymaker'] })).toBe(204);
    expect(await api.get('/users/ann')).toEqual({ name: 'ann', tags: ['management', 'policymaker'], limits: {} });
    expect((await api.get('/users/without-permissions')).map(({ name }: { name: string }) => name)).toContain('ann');
    const permission = { configure: '^ann', write: '.*', read: '' };
    expect(await api.status('PUT', '/permissions/a%2Fb/ann', permission)).toBe(201);
    expect(await api.status('PUT', '/permissions/a%2Fb/ann', permission)).toBe(204);
    const entry = { user: 'ann', vhost: 'a/b', ...permission };
    expect(await api.get('/permissions/a%2Fb/ann')).toEqual(entry);
    expect(await api.get('/users/ann/permissions')).toEqual([entry]);
    expect(await api.get('/vhosts/a%2Fb/permissions')).toContainEqual(entry);
    const ann = { user: { name: 'ann', password: 'p' } };
    expect((await api.ask('PUT', '/queues/a%2Fb/ann-1', {}, ann)).status).toBe(201);
    expect((await api.ask('PUT', '/queues/a%2Fb/bob-1', {}, ann)).status).toBe(401);
    expect(
      (
        await api.ask(
          'POST',
          '/queues/a%2Fb/ann-1/get',
          { count: 1, ackmode: 'ack_requeue_true', encoding: 'auto' },
          ann,
        )
      ).status,
    ).toBe(401);
    expect((await api.ask('GET', '/queues', undefined, ann)).body).toMatchObject([{ vhost: 'a/b', name: 'ann-1' }]);
    expect(await api.status('DELETE', '/permissions/a%2Fb/ann')).toBe(204);
    expect(await api.status('DELETE', '/permissions/a%2Fb/ann')).toBe(404);
    expect((await api.ask('GET', '/queues/a%2Fb', undefined, ann)).status).toBe(401);
    expect(await api.status('POST', '/users/bulk-delete', { users: ['ann', 'never-was'] })).toBe(204);
    expect((await api.ask('GET', '/whoami', undefined, ann)).status).toBe(401);
    expect(await api.status('DELETE', '/vhosts/a%2Fb')).toBe(204);
    expect(await api.status('GET', '/vhosts/a%2Fb')).toBe(404);
  });

  it('have limits, topic permissions, policies and parameters', async () => {
    await api.ask('PUT', '/vhosts/rules', {});
    expect(await api.status('PUT', '/vhost-limits/rules/max-queues', { value: 1 })).toBe(204);
    expect(await api.get('/vhost-limits/rules')).toEqual([{ vhost: 'rules', value: { 'max-queues': 1 } }]);
    expect(await api.status('PUT', '/queues/rules/one', { durable: true })).toBe(201);
    expect(await api.status('PUT', '/queues/rules/two', { durable: true })).toBe(400);
    expect(await api.status('DELETE', '/vhost-limits/rules/max-queues')).toBe(204);
    expect(await api.status('PUT', '/user-limits/guest/max-channels', { value: '7' })).toBe(204);
    expect(await api.get('/user-limits/guest')).toEqual([{ user: 'guest', value: { 'max-channels': 7 } }]);
    expect(await api.status('DELETE', '/user-limits/guest/max-channels')).toBe(204);
    const topic = { exchange: 'amq.topic', write: '^a', read: '.*' };
    expect(await api.status('PUT', '/topic-permissions/rules/guest', topic)).toBe(201);
    expect(await api.get('/topic-permissions/rules/guest')).toEqual([{ user: 'guest', vhost: 'rules', ...topic }]);
    const denied = { routing_key: 'b', properties: {}, payload: '', payload_encoding: 'string' };
    expect(await api.status('POST', '/exchanges/rules/amq.topic/publish', denied)).toBe(401);
    expect(await api.status('DELETE', '/topic-permissions/rules/guest/amq.topic')).toBe(204);
    const policy = { pattern: '^o', definition: { 'max-length': 5 }, priority: 2, 'apply-to': 'queues' };
    expect(await api.status('PUT', '/policies/rules/p', policy)).toBe(201);
    expect(await api.status('PUT', '/operator-policies/rules/o', { ...policy, definition: { 'max-length': 3 } })).toBe(
      201,
    );
    expect(await api.get('/policies/rules/p')).toEqual({ vhost: 'rules', name: 'p', ...policy });
    expect(await api.get('/queues/rules/one')).toMatchObject({
      policy: 'p',
      operator_policy: 'o',
      effective_policy_definition: { 'max-length': 3 },
    });
    expect((await api.ask('PUT', '/policies/rules/bad', { pattern: '(', definition: {} })).status).toBe(400);
    expect(await api.status('PUT', '/parameters/shovel/rules/s', { value: { a: [1, null] } })).toBe(201);
    expect(await api.get('/parameters/shovel/rules/s')).toMatchObject({ value: { a: [1, null] } });
    expect((await api.get('/parameters')).map(({ component }: { component: string }) => component)).toEqual([
      'operator_policy',
      'shovel',
    ]);
    expect(await api.status('DELETE', '/parameters/shovel/rules/s')).toBe(204);
    expect(await api.status('PUT', '/global-parameters/g', { value: 'x' })).toBe(201);
    expect(await api.get('/global-parameters/g')).toEqual({ name: 'g', value: 'x' });
    expect(await api.status('DELETE', '/global-parameters/g')).toBe(204);
    expect(await api.status('PUT', '/cluster-name', { name: 'mine' })).toBe(204);
    expect((await api.get('/overview')).cluster_name).toBe('mine');
    for (const path of ['/policies/rules/p', '/operator-policies/rules/o', '/vhosts/rules']) {
      expect(await api.status('DELETE', path)).toBe(204);
    }
  });
});

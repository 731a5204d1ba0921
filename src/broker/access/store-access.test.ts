import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import type { LiveSession, Principal, SessionEnd } from '../access.js';
import { AccessWorld } from './fixtures/access-world.js';

const ALL = { configure: '.*', write: '.*', read: '.*' };

describe('coming in', () => {
  test('with the right password, and with no other', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'secret', ALL);
    expect(await world.login('ann', 'secret')).toMatchObject({
      accepted: true,
      principal: { user: 'ann', kind: 'user' },
    });
    for (const [user, password] of [
      ['ann', 'Secret'],
      ['ann', ''],
      ['bob', 'secret'],
      ['', 'secret'],
    ] as const) {
      expect(await world.login(user, password)).toEqual({
        accepted: false,
        reason: `user '${user}' - invalid credentials`,
      });
    }
    expect(world.lines.map(({ audit, user, verdict }) => [audit, user, verdict])).toContainEqual([
      'login',
      'bob',
      'denied',
    ]);
    expect(JSON.stringify(world.lines)).not.toContain('ecret');
  });

  test('costs one slow hash whoever it is, and none a moment later when it was right', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'secret', ALL);
    await world.ask({ kind: 'put-user', name: 'none', tags: [], password: { kind: 'none' } });
    const cost = async (user: string, password: string): Promise<number> => {
      const before = world.hashes;
      await world.login(user, password);
      return world.hashes - before;
    };
    expect(await cost('ann', 'wrong')).toBe(1);
    expect(await cost('nobody', 'wrong')).toBe(1);
    expect(await cost('none', 'wrong')).toBe(1);
    expect(await cost('ann', '')).toBe(1);
    expect(await cost('ann', 'secret')).toBe(1);
    expect(await cost('ann', 'secret')).toBe(0);
    expect(await cost('ann', 'wrong')).toBe(1);
    world.clock.advance(11_000);
    expect(await cost('ann', 'secret')).toBe(1);
  });

  test('another password counts at once, also against what was remembered', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'secret', ALL);
    await world.principal('ann', 'secret');
    await world.ask({ kind: 'put-user', name: 'ann', tags: [], password: { kind: 'password', password: 'other' } });
    expect((await world.login('ann', 'secret')).accepted).toBe(false);
    expect((await world.login('ann', 'other')).accepted).toBe(true);
    await world.ask({ kind: 'delete-user', name: 'ann' });
    expect((await world.login('ann', 'other')).accepted).toBe(false);
  });

  test('loopback users come from loopback', async () => {
    const world = new AccessWorld();
    await world.user('guest', 'guest', ALL);
    for (const from of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      expect((await world.login('guest', 'guest', from)).accepted).toBe(true);
    }
    expect(await world.login('guest', 'guest', '10.0.0.1')).toEqual({
      accepted: false,
      reason: "user 'guest' can only connect via localhost",
    });
    const open = new AccessWorld({ loopbackUsers: [] });
    await open.user('guest', 'guest', ALL);
    expect((await open.login('guest', 'guest', '10.0.0.1')).accepted).toBe(true);
  });

  test('without credentials where that is allowed, by the native door alone', async () => {
    const native = { mechanism: 'native' } as const;
    for (const [anonymous, here, there] of [
      ['off', false, false],
      ['loopback', true, false],
      ['everywhere', true, true],
    ] as const) {
      const world = new AccessWorld({ anonymous });
      expect((await world.login('', '', '127.0.0.1', native)).accepted).toBe(here);
      expect((await world.login('', '', '10.0.0.1', native)).accepted).toBe(there);
      expect((await world.login('', '', '127.0.0.1')).accepted).toBe(false);
      // Who says a name must show that it is his.
      expect((await world.login('anonymous', '', '127.0.0.1', native)).accepted).toBe(false);
    }
  });

  test('a certificate and a token only by those who have checked them', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'secret', ALL);
    const external = { mechanism: 'EXTERNAL' } as const;
    expect((await world.login('ann', '', '127.0.0.1', external)).accepted).toBe(false);
    expect((await world.login('ann', '', '127.0.0.1', { ...external, certificate: 'ann' })).accepted).toBe(true);
    expect((await world.login('ann', '', '127.0.0.1', { ...external, certificate: 'bob' })).accepted).toBe(false);
    expect((await world.login('ann', 'secret', '127.0.0.1', { token: 'x' })).accepted).toBe(false);
  });

  test.each(['sha256', 'sha512', 'md5'] as const)("RabbitMQ's %s hash opens once, and is replaced", async (digest) => {
    const world = new AccessWorld();
    const salt = Buffer.from([1, 2, 3, 4]);
    const hash = Buffer.concat([salt, createHash(digest).update(salt).update('secret').digest()]);
    const verifier = { kind: `rabbit-${digest}`, hash: new Uint8Array(hash) } as const;
    await world.ask({ kind: 'put-user', name: 'ann', tags: [], password: { kind: 'rabbit-hash', verifier } });
    expect((await world.login('ann', 'wrong')).accepted).toBe(false);
    const principal = await world.principal('ann', 'secret');
    await world.until(() => world.upgrades.length > 0);
    const { upgradeChanges } = await import('./plan.js');
    world.apply(upgradeChanges(world.catalog, world.upgrades[0]!));
    const user = world.catalog.access.user('ann')!;
    expect(user.verifiers.map(({ kind }) => kind)).toEqual(['scram-sha-256', 'scram-sha-512']);
    expect(user.passwordVersion).toBe(principal.passwordVersion);
    world.clock.advance(11_000);
    expect((await world.login('ann', 'secret')).accepted).toBe(true);
    expect((await world.login('ann', 'wrong')).accepted).toBe(false);
    // An upgrade of a password that is no more is nothing.
    await world.ask({ kind: 'put-user', name: 'ann', tags: [], password: { kind: 'password', password: 'other' } });
    expect(upgradeChanges(world.catalog, world.upgrades[0]!)).toEqual([]);
  });
});

describe('permissions', () => {
  // The table of https://www.rabbitmq.com/docs/access-control, as expressions: configure, write, read; and what they allow.
  const cases: [string, string, string, boolean][] = [
    ['.*', 'orders', 'any name', true],
    ['', 'orders', 'nothing but the empty name', false],
    ['^$', 'orders', 'nothing but the empty name', false],
    ['^orders$', 'orders', 'the whole name', true],
    ['^orders$', 'orders2', 'the whole name', false],
    ['orders', 'my orders', 'anywhere', true],
    ['^(amq\\.gen.*|amq\\.default)$', 'amq.gen-abc', 'server-named queues', true],
    ['^(amq\\.gen.*|amq\\.default)$', 'orders', 'server-named queues', false],
  ];
  test.each(cases)('%s on %s: %s', async (text, name, _what, allowed) => {
    for (const action of ['configure', 'write', 'read'] as const) {
      const world = new AccessWorld();
      await world.user('ann', 'x', { configure: '', write: '', read: '', [action]: text });
      const ann = await world.principal('ann', 'x');
      expect(world.access.may(ann, '/', action, 'queue', name)).toBe(allowed);
      const other = action === 'read' ? 'write' : 'read';
      expect(world.access.may(ann, '/', other, 'queue', name)).toBe(false);
    }
  });

  test('the default exchange is amq.default', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'x', { configure: '', write: '^amq\\.default$', read: '' });
    const ann = await world.principal('ann', 'x');
    expect(world.access.may(ann, '/', 'write', 'exchange', '')).toBe(true);
    // An empty expression does not open it by its empty name.
    expect(world.access.may(ann, '/', 'read', 'exchange', '')).toBe(false);
  });

  test('are for one virtual host; without an entry it is closed', async () => {
    const world = new AccessWorld();
    await world.ask({ kind: 'put-vhost', vhost: 'v' });
    await world.user('ann', 'x', ALL, 'v');
    const ann = await world.principal('ann', 'x');
    expect([world.access.mayEnter(ann, 'v'), world.access.mayEnter(ann, '/')]).toEqual([true, false]);
    expect(world.access.may(ann, '/', 'read', 'queue', 'q')).toBe(false);
    expect(world.lines.map(({ audit, vhost }) => `${audit} ${vhost}`)).toEqual(['enter /', 'access /']);
  });

  test('a verdict is remembered until something changes', async () => {
    const world = new AccessWorld();
    await world.user('ann', 'x', ALL);
    const ann = await world.principal('ann', 'x');
    expect(world.access.may(ann, '/', 'read', 'queue', 'q')).toBe(true);
    const { version } = world.access;
    await world.ask({ kind: 'set-permission', user: 'ann', vhost: '/', configure: '', write: '', read: '^x' });
    expect(world.access.version).not.toBe(version);
    expect(world.access.may(ann, '/', 'read', 'queue', 'q')).toBe(false);
    expect(world.access.may(ann, '/', 'read', 'queue', 'x')).toBe(true);
    await world.ask({ kind: 'clear-permission', user: 'ann', vhost: '/' });
    expect(world.access.may(ann, '/', 'read', 'queue', 'x')).toBe(false);
  });

  test('of anonymous sessions: everything, and no tags', async () => {
    const world = new AccessWorld();
    const somebody = await world.principal('', '', { mechanism: 'native' });
    expect(somebody.tags).toEqual([]);
    expect(world.access.may(somebody, '/', 'configure', 'topic', 'q')).toBe(true);
  });
});

describe('topic permissions', () => {
  async function guarded(write: string, over = {}) {
    const world = new AccessWorld();
    await world.user('a.b', 'x', ALL);
    await world.ask({
      kind: 'set-topic-permission',
      user: 'a.b',
      vhost: '/',
      exchange: 'amq.topic',
      write,
      read: '^r',
    });
    return { world, who: await world.principal('a.b', 'x', over) };
  }

  test('restrict the keys of one exchange', async () => {
    const { world, who } = await guarded('^news\\.');
    const write = world.access.topicGuard(who, '/', 'amq.topic', 'write')!;
    expect([write('news.x'), write('sport.x')]).toEqual([true, false]);
    expect(world.access.topicGuard(who, '/', 'amq.topic', 'read')!('r')).toBe(true);
    expect(world.access.topicGuard(who, '/', 'other', 'write')).toBeUndefined();
    expect(world.lines.at(-1)).toMatchObject({ audit: 'access', resource: "topic 'sport.x' in exchange 'amq.topic'" });
  });

  test('an empty one allows the empty key alone', async () => {
    const { world, who } = await guarded('');
    const write = world.access.topicGuard(who, '/', 'amq.topic', 'write')!;
    expect([write(''), write('a')]).toEqual([true, false]);
  });

  test('names in braces stand for the escaped value', async () => {
    const { world, who } = await guarded('^{username}-{vhost}-{client_id}-{other}$', { clientId: 'c*' });
    const write = world.access.topicGuard(who, '/', 'amq.topic', 'write')!;
    expect(write('a.b-/-c*-{other}')).toBe(true);
    expect([write('axb-/-c*-{other}'), write('a.b-/-ccc-{other}')]).toEqual([false, false]);
  });
});

describe('sessions', () => {
  class Session implements LiveSession {
    readonly principal: Principal;
    readonly vhost: string;
    ended: [SessionEnd, string] | undefined;
    rechecks = 0;

    constructor(principal: Principal, vhost = '/') {
      this.principal = principal;
      this.vhost = vhost;
    }

    end(why: SessionEnd, text: string): void {
      this.ended = [why, text];
    }

    recheck(): void {
      this.rechecks++;
    }
  }

  async function entered(over: Partial<Principal> = {}, vhost = '/') {
    const world = new AccessWorld();
    await world.ask({ kind: 'put-vhost', vhost: 'v' });
    await world.user('ann', 'x', ALL, vhost);
    const session = new Session({ ...(await world.principal('ann', 'x')), ...over }, vhost);
    const admission = world.access.enter(session);
    expect(admission.admitted).toBe(true);
    return { world, session, admission };
  }

  test('end when their user has gone, also when one like him comes back', async () => {
    const { world, session } = await entered();
    await world.ask({ kind: 'delete-user', name: 'ann' });
    await world.user('ann', 'x', ALL);
    world.clock.advance(0);
    expect(session.ended).toEqual(['password-changed', "the password of user 'ann' has changed"]);
    const gone = await entered();
    await gone.world.ask({ kind: 'delete-user', name: 'ann' });
    gone.world.clock.advance(0);
    expect(gone.session.ended).toEqual(['user-deleted', "user 'ann' is deleted"]);
  });

  test('go on when a tag or a permission changes, and are told to look again', async () => {
    const { world, session } = await entered();
    await world.ask({ kind: 'put-user', name: 'ann', tags: ['monitoring'], password: { kind: 'keep' } });
    world.clock.advance(0);
    expect([session.ended, session.rechecks]).toEqual([undefined, 1]);
  });

  test('end when they may not be in the virtual host any more, or it has gone', async () => {
    const { world, session } = await entered();
    await world.ask({ kind: 'clear-permission', user: 'ann', vhost: '/' });
    world.clock.advance(0);
    expect(session.ended?.[0]).toBe('vhost-refused');
    const other = await entered({}, 'v');
    await other.world.ask({ kind: 'delete-vhost', vhost: 'v' });
    other.world.clock.advance(0);
    expect(other.session.ended).toEqual(['vhost-deleted', "vhost 'v' is deleted"]);
  });

  test('end when their credentials expire, within a second', async () => {
    const { world, session } = await entered({ expiresAtMs: 1_700_000_100_000 });
    world.clock.advance(1_700_000_099_900 - world.clock.nowMs());
    expect(session.ended).toBeUndefined();
    world.clock.advance(1_100);
    expect(session.ended).toEqual(['credentials-expired', 'credential expired']);
  });

  test('that have left are left alone, and watched over no more', async () => {
    const { world, session, admission } = await entered();
    if (admission.admitted) admission.leave();
    await world.ask({ kind: 'delete-user', name: 'ann' });
    world.clock.advance(2_000);
    expect([session.ended, world.access.sessionCount]).toEqual([undefined, 0]);
  });

  test('are counted against the limits of their virtual host and user, exactly', async () => {
    const { world, session, admission } = await entered();
    const enter = () => world.access.enter(new Session(session.principal));
    await world.ask({ kind: 'set-vhost-limit', vhost: '/', limit: 'max-connections', value: 2 });
    const second = enter();
    expect(second.admitted).toBe(true);
    expect(enter()).toEqual({
      admitted: false,
      reason: "access to vhost '/' refused for user 'ann': connection limit (2) is reached",
    });
    if (second.admitted) {
      second.leave();
      second.leave();
    }
    await world.ask({ kind: 'set-user-limit', user: 'ann', limit: 'max-connections', value: 1 });
    expect(enter()).toEqual({
      admitted: false,
      reason: "connection refused for user 'ann': user connection limit (1) is reached",
    });
    if (admission.admitted) admission.leave();
    expect(enter().admitted).toBe(true);
    await world.ask({ kind: 'set-user-limit', user: 'ann', limit: 'max-connections', value: -1 });
    expect(enter().admitted).toBe(true);
    await world.ask({ kind: 'set-vhost-limit', vhost: '/', limit: 'max-connections', value: 0 });
    expect(enter().admitted).toBe(false);
  });

  test('may open so many channels as their user may have', async () => {
    const { world, session } = await entered();
    await world.ask({ kind: 'set-user-limit', user: 'ann', limit: 'max-channels', value: 1 });
    expect(world.access.openChannel(session.principal)).toBeUndefined();
    expect(world.access.openChannel(session.principal)).toBe(
      "number of channels opened for user 'ann' has reached the maximum allowed user limit of (1)",
    );
    world.access.closeChannel(session.principal);
    expect(world.access.openChannel(session.principal)).toBeUndefined();
  });
});

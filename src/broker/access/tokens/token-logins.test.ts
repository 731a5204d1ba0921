import { expect, test } from 'vitest';
import { SimulatedClock } from '../../../io/clock/simulated-clock.js';
import { realPasswordHasher } from '../../../io/password-hasher.js';
import type { TokenCheck, TokenVerifier } from '../../../io/ports.js';
import type { AccessVerdict } from '../../access.js';
import { TOKEN_LENGTH_MAX, TOKENS_KEPT, TOKENS_WAITING_MAX } from './limits.js';
import { looksLikeToken, TokenLogins } from './token-logins.js';

/** Tokens are `KEY USER EXPIRY`, with the expiry in seconds; known keys can be changed. */
class World implements TokenVerifier {
  readonly clock = new SimulatedClock();
  readonly keys = new Set(['k1']);
  checks = 0;
  refreshes = 0;
  /** What the next look at the keys finds. */
  next: string[] = [];
  readonly logins = new TokenLogins({
    verifier: this,
    rules: { usernameClaims: ['sub'], scopeClaim: 'scope', scopePrefix: '', clockSkewSeconds: 0 },
    clock: this.clock,
    hasher: realPasswordHasher,
    refreshKeys: async () => {
      this.refreshes++;
      await Promise.resolve();
      return this.learn(this.next.splice(0));
    },
  });

  learn(keys: readonly string[]): boolean {
    for (const key of keys) this.keys.add(key);
    if (keys.length > 0) this.logins.forget();
    return keys.length > 0;
  }

  async check(token: string, nowMs: number): Promise<TokenCheck> {
    this.checks++;
    await Promise.resolve();
    const [key = '', sub = '', exp = ''] = token.split(' ');
    if (!this.keys.has(key)) return { valid: false, fault: 'unknown-key' };
    if (nowMs >= Number(exp) * 1000) return { valid: false, fault: 'expired' };
    return { valid: true, claims: { sub, exp: Number(exp), scope: 'read:*/*' } };
  }

  login(token: string): AccessVerdict | Promise<AccessVerdict> {
    const said = { mechanism: 'native', user: 'said', password: '', token, door: 'native', clientId: 'c' } as const;
    return this.logins.authenticate(said, '10.0.0.1');
  }

  token(seconds: number, user = 'ann', key = 'k1'): string {
    return `${key} ${user} ${Math.floor(this.clock.nowMs() / 1000) + seconds}`;
  }
}

test('a token makes a principal of its own, whatever user the client says', async () => {
  const world = new World();
  const verdict = await world.login(world.token(60));
  expect(verdict).toMatchObject({
    accepted: true,
    principal: { user: 'ann', kind: 'token', address: '10.0.0.1', door: 'native', clientId: 'c' },
  });
});

test('the same token is computed once, until it ends or the keys change', async () => {
  const world = new World();
  const token = world.token(60);
  const first = await world.login(token);
  const again = world.login(token);
  expect(again).not.toBeInstanceOf(Promise);
  // Verdicts are kept by principal: each session has its own.
  expect(first.accepted && (await again).accepted && first.principal !== (again as typeof first).principal).toBe(true);
  expect(world.checks).toBe(1);
  world.logins.forget();
  await world.login(token);
  expect(world.checks).toBe(2);
  world.clock.advance(60_000);
  expect(await world.login(token)).toEqual({ accepted: false, reason: 'the token has expired' });
  expect(world.logins.knownCount).toBe(0);
});

test('what is remembered is bounded', async () => {
  const world = new World();
  for (let index = 0; index < TOKENS_KEPT + 10; index++) await world.login(world.token(60, `u${index}`));
  expect(world.logins.knownCount).toBe(TOKENS_KEPT);
});

test('what is under way is bounded, and too long a token is not looked at', async () => {
  const world = new World();
  const pending = Array.from({ length: TOKENS_WAITING_MAX }, async (_, index) =>
    world.login(world.token(60, `u${index}`)),
  );
  expect(await world.login(world.token(60, 'late'))).toMatchObject({ accepted: false, reason: /under way/ });
  expect((await Promise.all(pending)).every(({ accepted }) => accepted)).toBe(true);
  expect(await world.login(world.token(60, 'late'))).toMatchObject({ accepted: true });
  const before = world.checks;
  expect(await world.login('x'.repeat(TOKEN_LENGTH_MAX + 1))).toMatchObject({ accepted: false });
  expect(world.checks).toBe(before);
});

test('keys that are not known are looked for once for all who wait, and not again at once', async () => {
  const world = new World();
  world.next = ['k2'];
  const token = world.token(60, 'ann', 'k2');
  const verdicts = await Promise.all([world.login(token), world.login(world.token(60, 'bob', 'k2'))]);
  expect(verdicts.map(({ accepted }) => accepted)).toEqual([true, true]);
  expect(world.refreshes).toBe(1);
  expect(await world.login(world.token(60, 'eve', 'k3'))).toMatchObject({ accepted: false });
  expect(world.refreshes).toBe(1);
  world.clock.advance(1_000);
  expect(await world.login(world.token(60, 'eve', 'k3'))).toMatchObject({ accepted: false });
  expect(world.refreshes).toBe(2);
});

test('keys that come by themselves while somebody looks for them count', async () => {
  const world = new World();
  await world.login(world.token(60, 'eve', 'k9'));
  const verdict = world.login(world.token(60, 'ann', 'k2'));
  world.learn(['k2']);
  expect(await verdict).toMatchObject({ accepted: true });
});

test('what was found with keys that are gone meanwhile is not remembered', async () => {
  const world = new World();
  const verdict = world.login(world.token(60));
  world.logins.forget();
  expect((await verdict).accepted).toBe(true);
  expect(world.logins.knownCount).toBe(0);
});

test('passwords that can only be tokens are known by their looks', () => {
  expect(looksLikeToken('eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln')).toBe(true);
  expect(looksLikeToken('eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.')).toBe(true);
  for (const password of ['', 'secret', 'eyJ', 'eyJ.a', 'eyJ.a.b.c', 'eyJ.a b.c', 'xeyJ.a.b']) {
    expect(looksLikeToken(password)).toBe(false);
  }
});

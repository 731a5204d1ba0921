/** Signed tokens as logins of a whole node: AMQP, the native protocol and the management API. */
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ChannelModel } from 'amqplib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Client, type ConnectOptions, connect } from '../../dist/client/index.js';
import { AUDIENCE, goodClaims, ISSUER, SigningKey, unsigned } from '../../src/io/tokens/fixtures/issuer.js';
import { TestNode, unique } from '../amqp/fixtures/node.js';
import { RawConnection } from '../amqp/fixtures/raw-connection.js';

const [first, second, next] = [new SigningKey('first'), new SigningKey('second', 'ES256'), new SigningKey('next')];
const patiently = { timeout: 10_000, interval: 100 };
const lines: string[] = [];
let published = [first, second];
let asked = 0;
let issuer: Server;
let node: TestNode;

beforeAll(async () => {
  issuer = createServer((_, answer) => {
    asked++;
    answer.end(JSON.stringify({ keys: published.map(({ jwk }) => jwk) }));
  });
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  node = await TestNode.start(
    {
      jwtJwks: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`,
      jwtIssuer: ISSUER,
      jwtAudience: AUDIENCE,
      jwtClockSkew: 0,
      jwtRefreshInterval: 1,
      logLevel: 'debug',
    },
    recordingLog(),
  );
});
afterAll(async () => {
  await node.remove();
  issuer.close();
});

/** Keeps everything that the node logs, to look for secrets in it. */
function recordingLog() {
  const keep = (...said: unknown[]): void => {
    lines.push(JSON.stringify(said));
  };
  return { debug: keep, info: keep, warn: keep, error: keep, fatal: keep };
}

const EVERYTHING = 'duolog.configure:*/* duolog.write:*/*/* duolog.read:*/*/*';

function tokenOf(scope: string | string[], more: Record<string, unknown> = {}, key = first): string {
  return key.sign(goodClaims(Date.now(), { scope, ...more }));
}

/** A token that ends so many seconds from now. */
function shortToken(seconds: number, scope = EVERYTHING): string {
  return tokenOf(scope, { exp: Date.now() / 1000 + seconds });
}

async function amqp(token: string, username = ''): Promise<ChannelModel> {
  const connection = await node.connect({ username, password: token });
  connection.on('error', () => {});
  return connection;
}

function native(token: ConnectOptions['token']): Promise<Client> {
  return connect(node.running.url!, { token: token ?? '', reconnect: { maxAttempts: 0 } });
}

async function api(path: string, authorization: string): Promise<{ status: number; body: unknown }> {
  const answer = await fetch(`http://127.0.0.1:${node.running.managementPort}/api${path}`, {
    headers: { authorization },
  });
  return { status: answer.status, body: JSON.parse(await answer.text()) };
}

async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    return String((error as Error).message);
  }
  return 'not refused';
}

const bad: readonly (readonly [string, () => string])[] = [
  ['alg none', () => unsigned(goodClaims(Date.now(), { scope: EVERYTHING }))],
  ['HS256 with the public key', () => first.confuse(goodClaims(Date.now(), { scope: EVERYTHING }))],
  ['another audience', () => tokenOf(EVERYTHING, { aud: 'other' })],
  ['another issuer', () => tokenOf(EVERYTHING, { iss: 'https://other.example' })],
  ['expired', () => shortToken(-1)],
  ['not yet', () => tokenOf(EVERYTHING, { nbf: Date.now() / 1000 + 60 })],
  ['an unknown key', () => tokenOf(EVERYTHING, {}, new SigningKey('unknown'))],
  ['a stranger under a known name', () => tokenOf(EVERYTHING, {}, new SigningKey('first'))],
  ['too long', () => tokenOf(EVERYTHING, { filling: 'x'.repeat(7_000) })],
  ['no user', () => tokenOf(EVERYTHING, { sub: undefined })],
];

describe('every door', () => {
  test('lets in whoever has a good token', async () => {
    const queue = unique('queue');
    const channel = await (await amqp(tokenOf(EVERYTHING))).createChannel();
    await channel.assertQueue(queue);
    const client = await native(tokenOf(EVERYTHING, {}, second));
    await client.publish(queue, 'hello');
    expect(await client.describe(queue)).toMatchObject({ messagesReady: 1 });
    await client.close();
    const token = tokenOf([
      'duolog.tag:management',
      'duolog.read:*/*',
      'duolog.tag:management',
      'other.tag:policymaker',
    ]);
    const basic = `Basic ${Buffer.from(`anybody:${token}`).toString('base64')}`;
    for (const authorization of [`Bearer ${token}`, `bearer  ${token}`, basic]) {
      expect(await api('/whoami', authorization)).toMatchObject({
        status: 200,
        body: { name: 'ann', tags: ['management'] },
      });
    }
    expect((await api('/users', `Bearer ${token}`)).status).toBe(401);
    expect((await api('/users', `Bearer ${tokenOf('duolog.tag:administrator')}`)).status).toBe(200);
  });

  test('denies what no scope allows, in words', async () => {
    const own = unique('own');
    const token = tokenOf(`duolog.configure:%2F/${own} duolog.write:%2F/${own} duolog.read:%2F/${own}`);
    const client = await native(token);
    await client.declareTopic(own);
    await client.publish(own, 'mine');
    const words = `refused for user 'ann'`;
    expect(await refusal(client.publish('elsewhere', 'x'))).toContain(`access to topic 'elsewhere'`);
    expect(await refusal(client.declareTopic('elsewhere'))).toContain(words);
    expect(await refusal(client.broadcast('elsewhere'))).toContain(words);
    await client.close();
    const channel = await (await amqp(token)).createChannel();
    channel.on('error', () => {});
    expect(await refusal(channel.assertQueue('elsewhere'))).toContain(
      `ACCESS_REFUSED - configure access to queue 'elsewhere' in vhost '/' ${words}`,
    );
    const nowhere = tokenOf('duolog.read:other/*');
    const told = await RawConnection.refusalTextOf(node.running.amqpPort ?? 0, '/', '', nowhere);
    expect(told).toContain(`access to vhost '/' ${words}`);
    expect(await refusal(native(nowhere))).toContain(`access to vhost '/' ${words}`);
  });

  test('topic exchanges go by the routing key', async () => {
    const scope = 'duolog.configure:*/* duolog.write:*/* duolog.write:%2F/amq.topic/sensor.ann.*';
    const channel = await (await amqp(tokenOf(scope))).createConfirmChannel();
    channel.on('error', () => {});
    channel.publish('amq.topic', 'sensor.ann.heat', Buffer.from('1'));
    await channel.waitForConfirms();
    const failed = new Promise<string>((resolve) => channel.on('error', (error: Error) => resolve(error.message)));
    channel.publish('amq.topic', 'sensor.bob.heat', Buffer.from('1'));
    expect(await failed).toContain(`write access to topic 'sensor.bob.heat'`);
  });
});

describe('the end of a token', () => {
  test('ends AMQP and native sessions within five seconds, in words', async () => {
    const connection = await amqp(shortToken(1.5));
    const began = Date.now();
    const ended = new Promise<string>((resolve) =>
      connection.on('close', (error?: Error) => resolve(String(error?.message))),
    );
    const client = await native(shortToken(1.5));
    const closed = new Promise<string>((resolve) =>
      client.onState(({ state, error }) => {
        if (state === 'closed') resolve(String(error?.message));
      }),
    );
    expect(await ended).toContain('CONNECTION_FORCED - credential expired');
    expect(await closed).toContain('4003, credential expired');
    expect(Date.now() - began).toBeLessThan(1_500 + 5_000);
  });

  test('does not come when the token is renewed; what is under way stays so, and the new one counts', async () => {
    const [queue, other] = [unique('queue'), unique('other')];
    const client = await native(shortToken(2));
    await client.declareQueue(queue);
    await client.declareQueue(other);
    await client.publish(
      queue,
      ['one', 'two'].map((value) => ({ value })),
    );
    await client.publish(other, 'x');
    const subscription = await client.subscribe(queue, { prefetch: 10 });
    const coming = subscription[Symbol.asyncIterator]();
    const held = await coming.next();
    if (held.done === true) throw new Error('Nothing came');
    const states: string[] = [];
    client.onState(({ state }) => states.push(state));
    expect(await refusal(client.renewToken(tokenOf(EVERYTHING, { sub: 'bob' })))).toContain("not one of user 'ann'");
    expect(await refusal(client.renewToken(shortToken(-1)))).toContain('the token has expired');
    expect(await refusal(client.renewToken(''))).toContain('the token is not one');
    await client.renewToken(tokenOf(`duolog.*:*/* duolog.read:*/${queue} duolog.write:*/${queue}`));
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(states).toEqual([]);
    await held.value.ackConfirmed();
    expect((await coming.next()).value).toMatchObject({ redelivered: false });
    await client.publish(queue, 'three');
    expect(await refusal(client.publish(other, 'x'))).toContain('write access');
    await client.close();
  });

  test('AMQP renews by update-secret, with what the new token allows', async () => {
    const queue = unique('queue');
    const connection = await amqp(shortToken(2));
    const channel = await connection.createChannel();
    channel.on('error', () => {});
    await channel.assertQueue(queue);
    await connection.updateSecret(Buffer.from(tokenOf(`duolog.read:*/* duolog.write:*/*`)), 'expires');
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    expect(await channel.checkQueue(queue)).toMatchObject({ queue });
    expect(await refusal(channel.assertQueue(unique('new')))).toContain('configure access');
    const wrong = await amqp(shortToken(60));
    const ended = new Promise<string>((resolve) =>
      wrong.on('close', (error?: Error) => resolve(String(error?.message))),
    );
    void refusal(wrong.updateSecret(Buffer.from(tokenOf(EVERYTHING, { sub: 'bob' })), 'x'));
    expect(await ended).toContain('New secret was refused by one of the backends');
  });

  test('a client with a source of tokens renews by itself, and comes back with a new one after a loss', async () => {
    let given = 0;
    const client = await connect(node.running.url!, {
      token: async () => {
        given++;
        return shortToken(2.5);
      },
      reconnect: { firstDelayMs: 10 },
    });
    const states: string[] = [];
    client.onState(({ state }) => states.push(state));
    await new Promise((resolve) => setTimeout(resolve, 6_000));
    expect(states).toEqual([]);
    expect(given).toBeGreaterThanOrEqual(3);
    await client.close();
    // Renewals fail, new connections do not.
    let isOut = false;
    const unlucky = await connect(node.running.url!, {
      token: () => {
        if (isOut) throw new Error('the issuer is out');
        return shortToken(2);
      },
      reconnect: { firstDelayMs: 10 },
    });
    const seen: string[] = [];
    unlucky.onState(({ state }) => seen.push(state));
    isOut = true;
    await expect.poll(() => seen, patiently).toContain('reconnecting');
    isOut = false;
    await expect.poll(() => seen.at(-1), patiently).toBe('open');
    await unlucky.close();
  });
});

describe('keys', () => {
  test('a new one is looked for when a token comes by it, and at most once per interval', async () => {
    published = [first, second, next];
    await expect.poll(() => refusal(amqp(tokenOf(EVERYTHING, {}, next))), patiently).toBe('not refused');
    const before = asked;
    const strangers = Array.from({ length: 20 }, () => native(tokenOf(EVERYTHING, {}, new SigningKey('x', 'ES256'))));
    for (const outcome of await Promise.all(strangers.map(refusal))) expect(outcome).not.toBe('not refused');
    expect(asked - before).toBeLessThan(15);
  });

  test('one that was taken away counts no more, also for tokens that were let in before', async () => {
    const token = tokenOf(EVERYTHING, {}, next);
    await (await native(token)).close();
    published = [first, second];
    await expect.poll(() => refusal(native(token)), patiently).not.toBe('not refused');
  });

  test('go on when the issuer is out', async () => {
    published = [];
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await (await native(tokenOf(EVERYTHING))).close();
    published = [first, second];
    expect(lines.some((line) => line.includes('Cannot read the keys of tokens'))).toBe(true);
  });
});

// Failures are slowed by address: they come last, and all together.
test('every door refuses every other token, and none is in the log', async () => {
  const outcomes = bad.map(async ([what, make]) => {
    const token = make();
    const told = [refusal(amqp(token)), refusal(native(token)), api('/whoami', `Bearer ${token}`)] as const;
    const [overAmqp, overNative, { status }] = await Promise.all(told);
    return [what, overAmqp.includes('ACCESS_REFUSED'), /4003|token/.test(overNative), status >= 400];
  });
  expect(await Promise.all(outcomes)).toEqual(bad.map(([what]) => [what, true, true, true]));
  const audit = lines.filter((line) => line.includes('the token is for another audience'));
  expect(audit.length).toBeGreaterThan(0);
  expect(lines.filter((line) => line.includes('eyJ'))).toEqual([]);
});

test('a node does not start with settings that let in too many', async () => {
  const good = { jwtJwks: 'https://x.example', jwtIssuer: ISSUER, jwtAudience: AUDIENCE };
  for (const [settings, words] of [
    [{ ...good, jwtAlgorithms: ['none'] }, 'jwt-algorithms'],
    [{ ...good, jwtAlgorithms: ['RS256', 'HS256'] }, 'jwt-algorithms'],
    [{ ...good, jwtJwks: 'http://issuer.example/keys' }, 'https'],
    [{ ...good, jwtJwks: 'ftp://issuer.example/keys' }, 'https'],
    [{ ...good, jwtAudience: undefined }, 'jwt-audience'],
    [{ ...good, jwtIssuer: undefined }, 'jwt-issuer'],
    [{ jwtAudience: AUDIENCE }, 'jwt-jwks'],
    [{ ...good, jwtJwks: '/nowhere/keys.json' }, '/nowhere/keys.json'],
  ] as const) {
    expect(await refusal(TestNode.start(settings))).toContain(words);
  }
  const file = `${node.folder}/key.pem`;
  writeFileSync(file, first.privatePem);
  expect(await refusal(TestNode.start({ ...good, jwtJwks: undefined, jwtKey: file }))).toContain('private key');
  writeFileSync(file, first.pem);
  const byKey = await TestNode.start({ ...good, jwtJwks: undefined, jwtKey: file });
  const client = await connect(byKey.running.url!, { token: tokenOf(EVERYTHING) });
  await client.close();
  await byKey.remove();
});

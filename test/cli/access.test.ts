import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CertificateFolder, TestAuthority } from '../../src/io/tls/fixtures/certificates.js';
import { type Outcome, type RunOptions, run, startTestNode, type TestNode } from './fixtures/duolog.js';

let node: TestNode;
const folder = mkdtempSync(join(tmpdir(), 'duolog-cli-access-'));
const configuration = { XDG_CONFIG_HOME: folder };
beforeAll(async () => {
  node = await startTestNode(['--anonymous', 'off']);
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  expect((await node.stop()).code).toBe(0);
});

/** As the node's first user, unless the options say otherwise. */
function duolog(words: readonly string[], { environment, ...options }: RunOptions = {}): Promise<Outcome> {
  const login = { DUOLOG_USER: 'guest', DUOLOG_PASSWORD: 'guest' };
  return node.duolog(words, { ...options, environment: { ...configuration, ...login, ...environment } });
}

/** Runs a command that must succeed. */
async function done(words: readonly string[], input = ''): Promise<Outcome> {
  const outcome = await duolog(words, { input });
  expect(outcome.code, `${words.join(' ')}: ${outcome.stderr}`).toBe(0);
  expect(outcome.stderr).not.toContain('Warning');
  return outcome;
}

const json = async (...words: string[]): Promise<unknown> => JSON.parse((await done([...words, '-o', 'json'])).stdout);

describe('administration', () => {
  it('of virtual hosts, users and permissions: what was set is shown, and holds on the native protocol', async () => {
    await done(['vhost', 'add', 'a/b', '--description', 'for a test']);
    await done(['user', 'add', 'alice', '--tags', 'management'], 'first secret\n');
    await done(['permission', 'set', 'alice', '--vhost', 'a/b', '--configure', '^own', '--write', '^own']);
    expect(await json('vhost', 'list')).toMatchObject([{ name: '/' }, { name: 'a/b', description: 'for a test' }]);
    expect((await done(['user', 'list'])).stdout).toBe('NAME   TAGS\nalice  management\nguest  administrator\n');
    expect((await done(['permission', 'list', 'alice'])).stdout).toMatch(/^alice +a\/b +\^own +\^own +\.\*$/m);
    const alice = { DUOLOG_USER: 'alice', DUOLOG_PASSWORD: 'first secret', DUOLOG_VHOST: 'a/b' };
    expect(await duolog(['queue', 'declare', 'own.queue'], { environment: alice })).toMatchObject({ code: 0 });
    expect(await duolog(['queue', 'declare', 'other'], { environment: alice })).toMatchObject({ code: 7 });
    expect(await duolog(['queue', 'list'], { environment: { ...alice, DUOLOG_VHOST: '/' } })).toMatchObject({
      code: 7,
    });
    expect(await duolog(['user', 'list'], { environment: alice })).toMatchObject({ code: 7 });
    await done(['user', 'password', 'alice'], 'second secret');
    expect(await duolog(['queue', 'list'], { environment: alice })).toMatchObject({ code: 7 });
    const changed = { ...alice, DUOLOG_PASSWORD: 'second secret' };
    expect(await duolog(['queue', 'list'], { environment: changed })).toMatchObject({ code: 0 });
    await done(['user', 'tags', 'alice', 'monitoring']);
    expect(await json('user', 'list')).toMatchObject([{ name: 'alice', tags: ['monitoring'] }, { name: 'guest' }]);
    // The password is as it was.
    expect(await duolog(['queue', 'list'], { environment: changed })).toMatchObject({ code: 0 });
    await done(['permission', 'delete', 'alice', '--vhost', 'a/b']);
    expect((await done(['user', 'list', '--without-permissions'])).stdout).toContain('alice');
    await done(['user', 'delete', 'alice']);
    await done(['vhost', 'delete', 'a/b']);
    expect(await duolog(['user', 'tags', 'alice'])).toMatchObject({ code: 3 });
    expect((await duolog(['user', 'delete', 'alice'])).code).toBe(3);
  });

  it('of topic permissions, policies and limits', async () => {
    await done(['user', 'add', 'bob', '--without-password']);
    await done(['topic-permission', 'set', 'bob', 'amq.topic', '--write', '^bob\\.']);
    expect((await done(['topic-permission', 'list', 'bob'])).stdout).toMatch(/^bob +\/ +amq\.topic +\^bob\\\. +\.\*$/m);
    await done(['topic-permission', 'delete', 'bob', 'amq.topic']);
    expect(await json('topic-permission', 'list')).toEqual([]);

    await done(['policy', 'set', 'short', '^short', '-d', 'max-length=3', '--apply-to', 'queues', '--priority', '2']);
    await done(['operator-policy', 'set', 'bound', '.*', '--definition', '{"message-ttl":60000}']);
    expect(await json('policy', 'list')).toMatchObject([
      { name: 'short', pattern: '^short', definition: { 'max-length': 3 }, 'apply-to': 'queues', priority: 2 },
    ]);
    expect((await done(['operator-policy', 'list'])).stdout).toContain('message-ttl=60000');
    expect(await duolog(['policy', 'set', 'bad', '('])).toMatchObject({ code: 2 });
    await done(['queue', 'declare', 'short.queue']);
    await done(['publish', 'short.queue', '1', '2', '3', '4', '5']);
    expect(await json('queue', 'describe', 'short.queue')).toMatchObject({ partitions: [{ messagesReady: 3 }] });
    await done(['policy', 'delete', 'short']);
    await done(['operator-policy', 'delete', 'bound']);
    expect(await json('policy', 'list')).toEqual([]);

    await done(['limit', 'set', 'vhost', '/', 'max-queues', '1']);
    await done(['limit', 'set', 'user', 'bob', 'max-channels', '5']);
    expect(await json('limit', 'list')).toEqual([
      { kind: 'vhost', name: '/', limit: 'max-queues', value: 1 },
      { kind: 'user', name: 'bob', limit: 'max-channels', value: 5 },
    ]);
    expect((await duolog(['queue', 'declare', 'one-too-many'])).code).not.toBe(0);
    await done(['limit', 'delete', 'vhost', '/', 'max-queues']);
    await done(['queue', 'declare', 'one-too-many']);
    expect((await duolog(['limit', 'set', 'vhost', '/', 'max-channels', '1'])).code).toBe(2);
  });

  it('of definitions: exported, imported, and for the owner alone', async () => {
    const file = join(folder, 'definitions.json');
    await done(['queue', 'declare', 'kept']);
    await done(['definitions', 'export', file]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    const { stdout } = await done(['definitions', 'export']);
    expect(JSON.parse(stdout)).toEqual(JSON.parse(readFileSync(file, 'utf8')));
    await done(['queue', 'delete', 'kept']);
    await done(['definitions', 'import', file]);
    await done(['queue', 'describe', 'kept']);
    await done(['vhost', 'add', 'twin']);
    const ofOne = await done(['definitions', 'export', '--vhost', '/']);
    await done(['definitions', 'import', '-', '--vhost', 'twin'], ofOne.stdout);
    expect(await duolog(['definitions', 'import', join(folder, 'none')])).toMatchObject({ code: 3 });
    writeFileSync(join(folder, 'bad'), 'no json');
    expect(await duolog(['definitions', 'import', join(folder, 'bad')])).toMatchObject({ code: 2 });
  });

  it('of connections: listed, and closed with a reason', async () => {
    const child = node.launch(['queue', 'consume', 'kept', '--follow'], {
      environment: { ...configuration, DUOLOG_USER: 'guest', DUOLOG_PASSWORD: 'guest' },
    });
    const named = async (): Promise<string[]> =>
      ((await json('connection', 'list')) as { name: string }[]).map(({ name }) => name);
    await expect.poll(named).toHaveLength(1);
    const names = await named();
    expect((await done(['connection', 'list'])).stdout).toMatch(/^NAME +USER +VHOST +PROTOCOL/);
    await done(['connection', 'close', ...names, '--reason', 'maintenance']);
    // The client comes again, by another name.
    await expect.poll(async () => (await named()).includes(names[0]!)).toBe(false);
    child.kill('SIGKILL');
    expect(await duolog(['connection', 'close', ...names])).toMatchObject({ code: 3 });
    expect(await duolog(['connection', 'close'])).toMatchObject({ code: 2 });
  });
});

describe('contexts', () => {
  const bare = (words: readonly string[], input = '') => run(words, { input, environment: configuration });

  it('carry address and login for every command; their secrets are never shown', async () => {
    const added = await bare(['context', 'add', 'here', '--url', node.url, '--user', 'guest'], 'guest\n');
    expect(added.code, added.stderr).toBe(0);
    expect((await bare(['queue', 'list'])).code).toBe(0);
    expect((await bare(['user', 'list'])).stdout).toContain('administrator');
    await bare(['context', 'add', 'wrong', '--url', node.url, '--user', 'guest'], 'not the password');
    expect((await bare(['queue', 'list', '--context', 'wrong'])).code).toBe(7);
    const list = await bare(['context', 'list']);
    expect(list.stdout).toMatch(/^\* +here +ws:\S+ +\/ +guest +password$/m);
    expect(JSON.stringify([list, await bare(['context', 'list', '-o', 'json'])])).not.toContain('not the password');
    await bare(['context', 'use', 'wrong']);
    expect((await bare(['user', 'list'])).code).toBe(7);
    // An address that was given is another node: no password goes there.
    expect((await bare(['queue', 'list', '--url', node.url])).code).toBe(7);
    expect((await bare(['context', 'use', 'nowhere'])).code).toBe(3);
    expect((await bare(['context', 'remove', 'wrong'])).code).toBe(0);
    expect((await bare(['context', 'list', '-o', 'json'])).stdout).not.toContain('wrong');
  });

  it('a user without a password is asked, and where nobody can be asked it is said', async () => {
    const outcome = await node.duolog(['user', 'list', '--user', 'guest'], { environment: configuration });
    expect(outcome.code).toBe(2);
    expect(outcome.stderr).toContain('DUOLOG_PASSWORD');
  });
});

describe('over TLS', () => {
  it('administration believes the authorities that are named', async () => {
    const authority = await TestAuthority.create();
    const certificates = new CertificateFolder();
    const ca = certificates.text('ca.pem', authority.cert);
    const { certFile, keyFile } = certificates.write('node', await authority.sign({ subject: 'CN=node' }));
    const tls = await startTestNode(['--tls-cert', certFile, '--tls-key', keyFile]);
    try {
      const words = ['user', 'list', '--user', 'guest', '--password', 'guest'];
      expect((await tls.duolog(words)).code).toBe(5);
      const trusted = await tls.duolog([...words, '--ca', ca]);
      expect(trusted.code, trusted.stderr).toBe(0);
      expect((await tls.duolog([...words, '--insecure'])).stdout).toContain('administrator');
    } finally {
      await tls.stop();
      certificates.remove();
    }
  });
});

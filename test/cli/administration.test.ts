import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, run, startTestNode, type TestNode } from './fixtures/duolog.js';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  expect((await node.stop()).code).toBe(0);
});

const codeOf = async (...words: string[]) => (await node.duolog(words)).code;

describe('topics and queues', () => {
  it('creates, lists, describes and deletes', async () => {
    const none = await node.duolog(['topic', 'list']);
    expect(none).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('duolog topic create') });
    const created = await node.duolog(['topic', 'create', 'orders', '-p', '3', '--retention', '1h', '-d', 'memory']);
    expect(created).toMatchObject({ code: 0, stdout: '', stderr: 'Created topic orders\n' });
    await node.duolog(['queue', 'declare', 'jobs']);
    const listed = await node.duolog(['topic', 'list']);
    expect(listed.stdout).toMatch(
      /^TOPIC +PARTITIONS +MESSAGES +SIZE +DURABILITY +RETENTION\norders +3 +0 +0 B +memory +1h\n$/,
    );
    const all = await node.duolog(['topic', 'list', '--all', '-o', 'ndjson']);
    const kinds = all.stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line));
    expect(kinds).toMatchObject([
      { kind: 'queue', name: 'jobs' },
      { kind: 'topic', name: 'orders' },
    ]);
    const described = await node.duolog(['topic', 'describe', 'orders']);
    expect(described.stdout).toMatch(/partitions +3\n[\s\S]*PARTITION .*\n +0 +0 +0 /);
    expect(await codeOf('topic', 'delete', 'orders')).toBe(0);
    expect(await codeOf('queue', 'rm', 'jobs')).toBe(0);
    expect(JSON.parse((await node.duolog(['topic', 'list', '--all', '-o', 'json'])).stdout)).toEqual([]);
  });

  it('takes an equal declaration for the same, and another one for a conflict', async () => {
    expect(await codeOf('topic', 'create', 'twice', '-p', '2')).toBe(0);
    expect((await node.duolog(['topic', 'create', 'twice', '-p', '2'])).stderr).toContain('exists already');
    const other = await node.duolog(['topic', 'create', 'twice', '-p', '4']);
    expect(other.code).toBe(4);
    expect(other.stderr).toMatch(/partitions=2.*partitions=4/);
    expect(await codeOf('queue', 'delete', 'twice')).toBe(4);
    expect(await codeOf('queue', 'purge', 'twice')).toBe(4);
    expect(await codeOf('topic', 'delete', 'twice')).toBe(0);
  });

  it('prints the state of the node and its shards', async () => {
    const { stdout } = await node.duolog(['status']);
    expect(stdout).toMatch(/version +\d+\.\d+\.\d+\n/);
    expect(stdout).toMatch(/connections +1 \(1 native, 0 AMQP\)\nAMQP port +\d+\nalarms +none\n/);
    expect(stdout).toMatch(/SHARD +CONNECTIONS[^\n]*\n +0 [^\n]*\n +1 [^\n]*\n$/);
    expect(JSON.parse((await node.duolog(['status', '-o', 'json'])).stdout)).toMatchObject({
      shards: [{ shard: 0 }, { shard: 1 }],
    });
  });

  it('measures, says under which conditions, and cleans up', async () => {
    const { code, stdout, stderr } = await node.duolog(['bench', '--duration', '200ms', '--rate', '500']);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/messages +100 B, confirmed at disk/);
    for (const test of ['publish', 'pull', 'push with ack', 'end to end at 500/s'])
      expect(stdout).toContain(`\n${test}`);
    expect(JSON.parse((await node.duolog(['topic', 'list', '--all', '-o', 'json'])).stdout)).toEqual([]);
  });

  it('completes names of topics and queues', async () => {
    await node.duolog(['topic', 'create', 'alpha']);
    await node.duolog(['queue', 'declare', 'altitude']);
    const complete = async (...words: string[]) => (await node.duolog(['__complete', '--', ...words])).stdout;
    expect(await complete('topic', 'consume', 'al')).toBe('alpha\ttopic\n');
    expect(await complete('queue', 'consume', '')).toBe('altitude\tqueue\n');
    expect(await complete('publish', 'al')).toBe('alpha\ttopic\naltitude\tqueue\n');
  });
});

describe('exit codes and messages', () => {
  it('says what is not there', async () => {
    const missing = await Promise.all([
      node.duolog(['topic', 'describe', 'nothing']),
      node.duolog(['topic', 'consume', 'nothing']),
      node.duolog(['queue', 'consume', 'nothing']),
      node.duolog(['publish', 'nothing', 'x']),
      node.duolog(['topic', 'tail', 'nothing']),
      node.duolog(['topic', 'delete', 'nothing']),
    ]);
    for (const { code, stderr } of missing) {
      expect(stderr).toContain('"nothing"');
      expect(code, stderr).toBe(3);
    }
  });

  it('tells wrong usage apart, with a suggestion', async () => {
    const cases = [
      [['topic', 'lst'], 'Did you mean'],
      [['topic', 'create', 'x', '--partition', '3'], '--partitions'],
      [['topic', 'create', 'x', '-p', 'three'], 'whole number'],
      [['status', '-o', 'xml'], 'table, json, ndjson'],
      [['status', '--timeout', '10'], 'unit'],
      [['topic'], 'Usage'],
      [['topic', 'describe'], "missing required argument 'topic'"],
      [['topic', 'produce', 't', '-i', 'ndjson', '-K', ':'], 'separator'],
    ] as const;
    for (const [words, hint] of cases) {
      const { code, stderr } = await node.duolog(words);
      expect(stderr).toContain(hint);
      expect(code, stderr).toBe(2);
    }
  });

  it('says where no node was found', async () => {
    const { code, stderr } = await run(['status', '--url', '127.0.0.1:1', '--timeout', '5s']);
    expect(stderr).toMatch(/^error: Cannot connect to ws:\/\/127\.0\.0\.1:1\/ws: .*ECONNREFUSED.*\n.*duolog start/);
    expect(code).toBe(5);
  });

  it('prints help and version on stdout', async () => {
    const version = await run(['--version']);
    expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/), stderr: '' });
    const help = await run(['topic', 'consume', '--help']);
    expect(help.stdout).toContain('--from');
    expect(help.stdout).toContain('--url');
    expect((await run(['start', '--help'])).stdout).not.toContain('--url');
  });

  it('colours when it is told to, unless NO_COLOR is there', async () => {
    const coloured = await node.duolog(['status'], { environment: { FORCE_COLOR: '1' } });
    expect(coloured.stdout).toContain('\u001b[1mSHARD');
    const plain = await node.duolog(['status'], { environment: { FORCE_COLOR: '1', NO_COLOR: '1' } });
    expect(plain.stdout).not.toContain('\u001b');
  });

  it('ends at Ctrl-C while it waits for input, and says what was confirmed', async () => {
    await node.duolog(['topic', 'create', 'typed']);
    const child = node.launch(['topic', 'produce', 'typed']);
    const outcome = ended(child);
    child.stdin?.write('one\ntwo\n');
    const read = async () => (await node.duolog(['topic', 'consume', 'typed', '-q'])).stdout;
    await expect.poll(read, { timeout: 10_000 }).toBe('one\ntwo\n');
    child.kill('SIGINT');
    expect(await outcome).toMatchObject({ code: 130, stderr: expect.stringContaining('Published 2 messages') });
  });
});

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { cleanEnvironment, ended, MAIN, printed, startTestNode, type TestNode } from './fixtures/duolog.js';

const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}\n`).join('');
const lines = (text: string) => text.trimEnd().split('\n');

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  expect((await node.stop()).code).toBe(0);
});

describe('publishing and reading topics', () => {
  it('publishes lines and reads them back, each once and in order', async () => {
    await node.duolog(['topic', 'create', 'lines']);
    const published = await node.duolog(['topic', 'produce', 'lines'], { input: numbers(5000) });
    expect(published.stderr).toMatch(/^Published 5,000 messages to lines .* confirmed at disk\n$/);
    expect(published).toMatchObject({ code: 0, stdout: '' });
    const read = await node.duolog(['topic', 'consume', 'lines']);
    expect(read).toMatchObject({ code: 0, stdout: numbers(5000) });
    expect(read.stderr).toMatch(/^Read 5,000 messages of lines in .*\n$/);
  });

  it('publishes no empty message because nothing came from stdin, unless it is told to', async () => {
    await node.duolog(['topic', 'create', 'empty']);
    const refused = await node.duolog(['publish', 'empty'], { input: '' });
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(
      /^error: Cannot publish to empty: nothing was read from stdin\n.*duolog publish empty ''\n$/,
    );
    const produced = await node.duolog(['topic', 'produce', 'empty'], { input: '' });
    expect(produced.code).toBe(0);
    expect(produced.stderr).toMatch(/\nNothing was read from stdin: each line of it would be a message\n$/);
    expect((await node.duolog(['publish', 'empty', ''])).code).toBe(0);
    const read = await node.duolog(['topic', 'consume', 'empty', '-q', '--format', '%o:%S\\n', '-D', '']);
    expect(read.stdout).toBe('0:0\n');
    const nowhere = await node.duolog(['publish', 'nowhere', 'x']);
    expect(nowhere).toMatchObject({ code: 3, stderr: 'error: There is no topic or queue "nowhere"\n' });
    const purge = await node.duolog(['queue', 'purge', 'empty']);
    expect(purge).toMatchObject({ code: 4, stderr: 'error: Cannot purge queue empty: it is a topic\n' });
  });

  it('starts where it is told, and stops after so many', async () => {
    await node.duolog(['topic', 'create', 'places']);
    await node.duolog(['topic', 'produce', 'places'], { input: numbers(10) });
    const read = async (...words: string[]) =>
      (await node.duolog(['topic', 'consume', 'places', '-q', ...words])).stdout;
    expect(await read('--from', '7')).toBe('8\n9\n10\n');
    expect(await read('--from', '-2')).toBe('9\n10\n');
    expect(await read('--from', 'end')).toBe('');
    expect(await read('--from', '@1h', '-n', '1')).toBe('1\n');
    expect(await read('--from', '@2020-01-01', '-n', '2', '--format', '%p:%o=%v', '-D', ';')).toBe('0:0=1;0:1=2;');
    const beyond = await node.duolog(['topic', 'consume', 'places', '--from', '11']);
    expect(beyond.code).toBe(1);
    expect(beyond.stderr).toContain('partition 0 goes from 0 to 10');
    expect((await node.duolog(['topic', 'consume', 'places', '-p', '1'])).code).toBe(3);
  });

  it('goes on where the group has stopped', async () => {
    await node.duolog(['topic', 'create', 'grouped']);
    await node.duolog(['topic', 'produce', 'grouped'], { input: numbers(10) });
    const read = async (...words: string[]) =>
      (await node.duolog(['topic', 'consume', 'grouped', '-q', '--group', 'g', ...words])).stdout;
    expect(await read('-n', '4')).toBe('1\n2\n3\n4\n');
    expect(await read()).toBe('5\n6\n7\n8\n9\n10\n');
    expect(await read()).toBe('');
    expect(await read('--from', '8')).toBe('9\n10\n');
  });

  it('keeps keys and headers, and copies topics by ndjson', async () => {
    for (const topic of ['keyed', 'copied']) await node.duolog(['topic', 'create', topic, '--partitions', '3']);
    const how = ['topic', 'produce', 'keyed', '-K', '\\t', '-H', 'from=test', '-H', 'n=1'];
    await node.duolog(how, { input: 'a\t1\nb\t2\na\t3\n' });
    const read = (topic: string) => node.duolog(['topic', 'consume', topic, '-q', '--format', '%p %k=%v %h']);
    const { stdout } = await read('keyed');
    expect(
      lines(stdout)
        .map((line) => line.slice(2))
        .sort(),
    ).toEqual(['a=1 from=test,n=1', 'a=3 from=test,n=1', 'b=2 from=test,n=1']);
    const json = await node.duolog(['topic', 'consume', 'keyed', '-q', '-o', 'ndjson']);
    await node.duolog(['topic', 'produce', 'copied', '-i', 'ndjson'], { input: json.stdout });
    expect((await read('copied')).stdout).toBe(stdout);
  });

  it('passes every byte of a raw message', async () => {
    await node.duolog(['topic', 'create', 'bytes']);
    const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7 + (index >> 8)) % 256);
    const file = join(node.folder, 'bytes');
    writeFileSync(file, bytes);
    expect((await node.duolog(['topic', 'produce', 'bytes', '--raw', '-', file], { input: bytes })).code).toBe(0);
    const environment = { ...cleanEnvironment(), DUOLOG_URL: node.url };
    const words = [MAIN, 'topic', 'consume', 'bytes', '-q', '-D', ''];
    const read = execFileSync(process.execPath, words, { env: environment, maxBuffer: 1e6 });
    expect(read).toEqual(Buffer.concat([bytes, bytes]));
  });

  it('prints JSON that programs can read', async () => {
    await node.duolog(['topic', 'create', 'json']);
    expect(JSON.parse((await node.duolog(['topic', 'consume', 'json', '-o', 'json'])).stdout)).toEqual([]);
    const published = await node.duolog(['publish', 'json', '-k', 'k', 'one', 'two', '-o', 'json']);
    expect(JSON.parse(published.stdout)).toEqual({
      to: 'json',
      published: 2,
      durability: ['disk'],
      partitions: [{ partition: 0, first: 0, last: 1, count: 2 }],
    });
    const { stdout } = await node.duolog(['topic', 'consume', 'json', '-o', 'json']);
    expect(JSON.parse(stdout)).toMatchObject([
      { from: 'json', partition: 0, offset: 0, key: 'k', value: 'one', headers: [] },
      { offset: 1, value: 'two' },
    ]);
  });

  it('follows: consume from where it is told, tail from now on; Ctrl-C ends both with 130', async () => {
    await node.duolog(['topic', 'create', 'live']);
    await node.duolog(['publish', 'live', 'before']);
    const consume = node.launch(['topic', 'consume', 'live', '--follow']);
    const tail = node.launch(['topic', 'tail', 'live', '--format', 'tail %v']);
    const outcomes = [ended(consume), ended(tail)];
    await Promise.all([printed(consume, 'stdout', /before\n/), printed(tail, 'stderr', /Following live/)]);
    const arrived = [printed(consume, 'stdout', /after\n/), printed(tail, 'stdout', /tail after\n/)];
    await node.duolog(['publish', 'live', 'after']);
    await Promise.all(arrived);
    for (const child of [consume, tail]) child.kill('SIGINT');
    expect(await Promise.all(outcomes)).toMatchObject([
      { code: 130, stdout: 'before\nafter\n' },
      { code: 130, stdout: 'tail after\n' },
    ]);
  });

  it('ends quietly when nobody reads on', async () => {
    await node.duolog(['topic', 'create', 'long']);
    await node.duolog(['topic', 'produce', 'long'], { input: numbers(50_000) });
    const script = `"${process.execPath}" "${MAIN}" topic consume long | head -n 2; echo "code \${PIPESTATUS[0]}"`;
    const text = execFileSync('bash', ['-c', `${script} 2>&1`], {
      env: { ...cleanEnvironment(), DUOLOG_URL: node.url },
    });
    expect(text.toString()).toBe('1\n2\ncode 0\n');
  });

  it('says which line is too large, after confirming those before it', async () => {
    await node.duolog(['topic', 'create', 'limited']);
    const input = `small\n${'x'.repeat(17 * 1024 * 1024)}\n`;
    const { code, stderr } = await node.duolog(['topic', 'produce', 'limited'], { input });
    expect(code).toBe(1);
    expect(stderr).toContain('Published 1 message to limited');
    expect(stderr).toContain('stdin, line 2');
  });
});

describe('queues', () => {
  it('takes messages out, acknowledges what was printed, and leaves the rest', async () => {
    await node.duolog(['queue', 'declare', 'jobs']);
    await node.duolog(['publish', 'jobs', 'a', 'b', 'c']);
    const looked = await node.duolog(['queue', 'consume', 'jobs', '--requeue']);
    expect(looked.stdout).toBe('a\nb\nc\n');
    const taken = await node.duolog(['queue', 'consume', 'jobs', '-n', '2', '-o', 'ndjson']);
    expect(lines(taken.stdout).map((line): unknown => JSON.parse(line))).toMatchObject([
      { from: 'jobs', value: 'a', redelivered: true, deliveryCount: 1 },
      { value: 'b', redelivered: true },
    ]);
    const listed = await node.duolog(['queue', 'list', '-o', 'json']);
    expect(JSON.parse(listed.stdout)).toMatchObject([{ name: 'jobs', messagesReady: 1, messagesUnacknowledged: 0 }]);
    expect((await node.duolog(['queue', 'consume', 'jobs', '--ack', 'auto'])).stdout).toBe('c\n');
    expect((await node.duolog(['queue', 'consume', 'jobs'])).stderr).toContain('Consumed 0 messages');
  });

  it('loses nothing when automatic acknowledgement meets a limit', async () => {
    await node.duolog(['queue', 'declare', 'limited-jobs']);
    await node.duolog(['topic', 'produce', 'limited-jobs'], { input: numbers(20) });
    const first = await node.duolog(['queue', 'consume', 'limited-jobs', '-a', 'auto', '-n', '5', '-q']);
    const rest = await node.duolog(['queue', 'consume', 'limited-jobs', '-q']);
    expect(first.stdout + rest.stdout).toBe(numbers(20));
  });

  it('works off many messages, and purges the rest', async () => {
    await node.duolog(['queue', 'declare', 'many']);
    await node.duolog(['topic', 'produce', 'many'], { input: numbers(3000) });
    const taken = await node.duolog(['queue', 'consume', 'many', '-n', '2900', '-q']);
    expect(taken.stdout).toBe(numbers(2900));
    const purged = await node.duolog(['queue', 'purge', 'many', '-o', 'json']);
    expect(JSON.parse(purged.stdout)).toEqual({ queue: 'many', purged: 100 });
  });

  it('gives a topic a cursor, from its beginning', async () => {
    await node.duolog(['topic', 'create', 'grown']);
    await node.duolog(['publish', 'grown', 'old']);
    expect((await node.duolog(['queue', 'declare', 'grown', '--start', 'beginning'])).code).toBe(0);
    expect((await node.duolog(['queue', 'consume', 'grown', '-q'])).stdout).toBe('old\n');
  });
});

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestNode, type TestNode } from './fixtures/duolog.js';

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  expect((await node.stop()).code).toBe(0);
});

/** Runs a command that must succeed; returns what it printed. */
async function done(...words: string[]): Promise<{ stdout: string; stderr: string }> {
  const outcome = await node.duolog(words);
  expect(outcome.code, `${words.join(' ')}: ${outcome.stderr}`).toBe(0);
  // Warnings of Node itself, such as about listeners, are defects.
  expect(outcome.stderr).not.toContain('Warning');
  return outcome;
}

const json = async (...words: string[]): Promise<unknown> => JSON.parse((await done(...words, '-o', 'json')).stdout);

describe('exchanges and bindings', () => {
  it('are declared, listed, described and deleted', async () => {
    expect((await done('exchange', 'declare', 'logs', '-t', 'topic', '--alternate', 'rest')).stderr).toBe(
      'Declared topic exchange logs\n',
    );
    expect((await done('exchange', 'declare', 'logs', '-t', 'topic', '--alternate', 'rest')).stderr).toContain(
      'existed already',
    );
    const other = await node.duolog(['exchange', 'declare', 'logs', '-t', 'fanout']);
    expect(other.code).toBe(4);
    expect(other.stderr).toContain("received 'fanout' but current is 'topic'");
    expect((await done('exchange', 'list')).stdout).toMatch(
      /\(default\) +direct[\s\S]*\nlogs +topic +yes +no +no +rest\n$/,
    );
    await done('queue', 'declare', 'errors');
    await done('binding', 'add', 'logs', 'errors', '#.error');
    await done('binding', 'add', 'amq.headers', 'errors', '-A', 'x-match=any', '-A', 'level=5');
    await done('binding', 'add', 'logs', 'amq.fanout', '#', '--exchange');
    expect(await json('binding', 'list', '--to', 'errors')).toEqual([
      { exchange: 'logs', destination: 'errors', kind: 'queue', routingKey: '#.error', arguments: {} },
      {
        exchange: 'amq.headers',
        destination: 'errors',
        kind: 'queue',
        routingKey: '',
        arguments: { 'x-match': 'any', level: 5 },
      },
    ]);
    expect((await done('exchange', 'describe', 'logs')).stdout).toMatch(
      /bindings +2\n\nTO +KIND +ROUTING KEY[^\n]*\nerrors +queue +#\.error\namq\.fanout +exchange +#\n$/,
    );
    await done('binding', 'remove', 'logs', 'errors', '#.error');
    expect(await json('binding', 'list', 'logs')).toMatchObject([{ destination: 'amq.fanout', kind: 'exchange' }]);
    expect((await node.duolog(['exchange', 'delete', 'logs', '--if-unused'])).code).toBe(4);
    await done('exchange', 'delete', 'logs');
    expect((await node.duolog(['exchange', 'describe', 'logs'])).code).toBe(3);
  });

  it('names of exchanges are completed', async () => {
    const { stdout } = await done('__complete', '--', 'exchange', 'describe', 'amq.t');
    expect(stdout).toBe('amq.topic\ttopic\n');
  });
});

describe('a route', () => {
  it('is told with its reasons, and publishes nothing', async () => {
    await done('exchange', 'declare', 'rest', '-t', 'fanout');
    await done('exchange', 'declare', 'news', '-t', 'topic', '--alternate', 'rest');
    await done('queue', 'declare', 'sport');
    await done('queue', 'declare', 'lost');
    await done('binding', 'add', 'news', 'sport', 'sport.#');
    await done('binding', 'add', 'rest', 'lost');
    await done('binding', 'add', 'amq.headers', 'sport', '-A', 'x-match=all', '-A', 'size=5');
    expect((await done('route', 'test', 'news', 'sport.ice')).stdout).toMatch(
      /^EXCHANGE[^\n]*\nnews +sport +queue +sport\.# +the pattern "sport\.#" matches "sport\.ice"\n$/,
    );
    expect(await json('route', 'test', 'news', 'weather')).toMatchObject({
      destinations: ['lost'],
      steps: [
        { exchange: 'news', alternate: 'rest' },
        { exchange: 'rest', reachedBy: 'alternate', from: 'news' },
      ],
    });
    expect(await json('route', 'test', 'amq.headers', '', '-H', 'size=5')).toMatchObject({ destinations: ['sport'] });
    expect(await json('route', 'test', 'amq.headers', '', '-H', 'size=6')).toMatchObject({ destinations: [] });
    const nowhere = await node.duolog(['route', 'test', '', 'no-queue']);
    expect(nowhere.stderr).toContain('No topic or queue');
    expect(nowhere.code).toBe(0);
    expect((await node.duolog(['route', 'test', 'none', 'x'])).code).toBe(3);
    expect((await done('queue', 'peek', 'sport')).stderr).toBe('Nothing waits in queue sport\n');
  });
});

describe('messages of queues', () => {
  it('are looked at without being taken, and taken one by one', async () => {
    await done('queue', 'declare', 'jobs', '--message-ttl', '1h', '--max-priority', '9');
    expect((await done('queue', 'describe', 'jobs')).stdout).toMatch(/message TTL +1h\npriorities +9\n/);
    await done('exchange', 'publish', '', 'jobs', 'low', 'low too', '-H', 'n=5', '-H', 'text="5"');
    await done('exchange', 'publish', '', 'jobs', 'high', '--priority', '5');
    expect((await done('queue', 'peek', 'jobs', '-n', '2')).stderr).toBe('1 message more\n');
    const seen = await json('queue', 'peek', 'jobs');
    expect(seen).toMatchObject([
      { value: 'high', properties: { priority: 5 }, deliveryCount: 1 },
      { value: 'low', routingKey: 'jobs', properties: { headers: { n: 5, text: '5' } }, deliveryCount: 1 },
      { value: 'low too', deliveryCount: 0 },
    ]);
    expect((await done('queue', 'get', 'jobs')).stdout).toBe('high\n');
    expect((await done('queue', 'get', 'jobs', '-n', '9')).stdout).toBe('low\nlow too\n');
    expect((await done('queue', 'get', 'jobs')).stderr).toBe('Nothing waits in queue jobs\n');
  });

  it('go to another queue, and dead letters back to where they came from', async () => {
    await done('exchange', 'declare', 'dlx', '-t', 'fanout');
    await done('queue', 'declare', 'failed');
    await done('binding', 'add', 'dlx', 'failed');
    const rules = ['--max-length', '1', '--dead-letter-exchange', 'dlx'];
    await done('queue', 'declare', 'short', ...rules);
    await done('exchange', 'publish', '', 'short', 'first', '-H', 'kept=yes');
    await done('exchange', 'publish', '', 'short', 'second');
    await expect
      .poll(async () => (await done('queue', 'peek', 'failed')).stdout)
      .toMatch(/maxlen in short ×1, from offset 0 .*first/);
    await done('queue', 'declare', 'spare');
    expect((await done('queue', 'move', 'short', 'spare')).stderr).toBe('Moved 1 message from queue short to spare\n');
    expect((await done('queue', 'get', 'spare')).stdout).toBe('second\n');
    await done('publish', 'failed', 'never died');
    const redriven = await done('queue', 'redrive', 'failed');
    expect(redriven.stderr).toContain('Sent 1 dead letter of queue failed back');
    expect(redriven.stderr).toContain('1 message stayed');
    expect(await json('queue', 'peek', 'short')).toMatchObject([
      { value: 'first', deadLetters: [], properties: { headers: { kept: 'yes' } } },
    ]);
    expect((await done('queue', 'get', 'failed', '-n', '5')).stdout).toBe('never died\n');
    expect((await node.duolog(['queue', 'move', 'short', 'nowhere'])).code).toBe(3);
  });

  it('that somebody holds are told with who it is', async () => {
    await done('queue', 'declare', 'held');
    expect((await done('queue', 'unacked', 'held')).stderr).toBe('Nobody holds messages of queue held\n');
    await done('publish', 'held', 'a', 'b');
    const rules = [
      '--dead-letter-exchange',
      '',
      '--dead-letter-key',
      'nobody',
      '-A',
      'x-dead-letter-strategy=at-least-once',
    ];
    const careful = ['--type', 'quorum', '--overflow', 'reject-publish', '--message-ttl', '1ms'];
    await done('queue', 'declare', 'careful', ...rules, ...careful);
    await done('publish', 'careful', 'x');
    await expect
      .poll(async () => json('queue', 'unacked', 'careful'))
      .toMatchObject([{ kind: 'dead-letters', session: '', consumer: '', partition: 0, count: 1, firstOffset: 0 }]);
    expect((await done('queue', 'unacked', 'careful')).stdout).toMatch(/^HOLDER .*\ndead-letters .* ago\n$/);
    expect((await node.duolog(['queue', 'unacked', 'none'])).code).toBe(3);
  });

  it('that wait for their time are counted and cancelled', async () => {
    await done('exchange', 'declare', 'later', '-t', 'x-delayed-message', '--delayed-type', 'fanout');
    await done('exchange', 'publish', 'later', 'k', 'x', '--delay', '1h', '--message-id', 'm1');
    expect(await json('delayed', 'count', 'later')).toMatchObject({ exchange: 'later', held: 1 });
    expect((await done('delayed', 'count')).stdout).toMatch(/^waiting +1\nnext fires +20.*Z\n$/);
    expect((await node.duolog(['delayed', 'cancel', 'later', 'm2'])).code).toBe(3);
    expect((await done('delayed', 'cancel', 'later', 'm1')).stderr).toBe('Cancelled 1 message\n');
    expect(await json('delayed', 'count', 'later')).toEqual({ exchange: 'later', held: 0, nextFire: null });
    expect((await node.duolog(['delayed', 'count', 'none'])).code).toBe(3);
  });

  it('that are rejected one by one go where dead letters go', async () => {
    await done('queue', 'declare', 'rejects');
    await done('queue', 'declare', 'judged', '--dead-letter-exchange', '', '--dead-letter-key', 'rejects');
    await done('publish', 'judged', 'no good');
    expect((await done('queue', 'get', 'judged', '--reject')).stdout).toBe('no good\n');
    await expect
      .poll(async () => json('queue', 'peek', 'rejects'))
      .toMatchObject([{ value: 'no good', origin: { queue: 'judged', offset: 0, reason: 'rejected' } }]);
  });

  it('that no queue wants are not published quietly', async () => {
    const refused = await node.duolog(['exchange', 'publish', 'amq.direct', 'nobody', 'x']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('no queue wants the message');
    await done('exchange', 'publish', 'amq.direct', 'nobody', 'x', '--no-mandatory');
  });
});

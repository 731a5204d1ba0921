import { describe, expect, test } from 'vitest';
import { BrokerError } from '../broker/errors.js';
import type { SpawnOptions, ThreadHandle, Threads } from '../io/threads.js';
import type { ControlRequest, FromShard, ToShard } from './control-messages.js';
import { ShardGroup } from './shard-group.js';
import type { ShardSetup } from './shard-setup.js';

const STEPS = [{ version: 7, changes: [{ kind: 'delete-topic', topicId: 1 }] }] as const;

/** A thread whose messages a test sees and answers. */
class FakeThread {
  readonly name: string;
  readonly received: ToShard[] = [];
  readonly transferred: unknown[] = [];
  say: (message: FromShard) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  end: (code: number) => void = () => undefined;

  constructor(name: string) {
    this.name = name;
  }

  get handle(): ThreadHandle<ToShard, FromShard> {
    return {
      name: this.name,
      postMessage: (message) => void this.received.push(message),
      onMessage: (listener) => {
        this.say = listener;
      },
      onError: (listener) => {
        this.fail = listener;
      },
      onExit: (listener) => {
        this.end = listener;
      },
      terminate: () => Promise.resolve(1),
    };
  }

  get kinds(): string[] {
    return this.received.map(({ kind }) => kind);
  }
}

class World {
  readonly threads: FakeThread[] = [];
  readonly deaths: string[] = [];
  readonly lines: string[] = [];
  answer: (body: ControlRequest) => Promise<unknown> = () => Promise.resolve('answered');
  readonly group: ShardGroup;

  constructor(shards: number) {
    // Through unknown: a group starts shards only, and their messages are all that this fake knows.
    const spawner = {
      spawn: (_entry: unknown, { name }: { name: string }) => {
        const thread = new FakeThread(name);
        this.threads.push(thread);
        return thread.handle;
      },
    } as unknown as Threads;
    const setups = Array.from({ length: shards }, (_, shard) => ({ name: `shard ${shard}`, setup: {} }));
    // What is in a setup is the shard's business.
    this.group = new ShardGroup(spawner, setups as SpawnOptions<ShardSetup>[], {
      request: (body) => this.answer(body),
      log: (level, message) => this.lines.push(`${level} ${message}`),
      died: (shard, error) => this.deaths.push(`${shard}: ${error.message}`),
      plain: (error) => ({
        code: error instanceof BrokerError ? error.code : 'internal',
        message: error instanceof Error ? error.message : '',
      }),
    });
  }
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

describe('shard group', () => {
  test('steps are applied when all say so, with what failed anywhere', async () => {
    const { group, threads } = new World(3);
    let outcome: unknown = 'waiting';
    const applied = group.apply(STEPS).then((failures) => {
      outcome = failures;
    });
    threads[0]!.say({ kind: 'applied', failures: [] });
    const failure = { version: 7, error: { code: 'no-space', message: 'full' } } as const;
    threads[2]!.say({ kind: 'applied', failures: [failure] });
    await turn();
    expect(outcome).toBe('waiting');
    threads[1]!.say({ kind: 'applied', failures: [] });
    await applied;
    expect(outcome).toEqual([failure]);
    expect(threads[1]!.received).toEqual([{ kind: 'apply', steps: STEPS }]);
  });

  test('the first listener finds the port, the others share it; one that fails is named', async () => {
    const { group, threads } = new World(2);
    const listening = group.listen('http', 0, 2);
    threads[0]!.say({ kind: 'listening', port: 4711 });
    await turn();
    expect(threads[1]!.received).toEqual([{ kind: 'listen', door: 'http', port: 4711, sharePort: true }]);
    threads[1]!.say({ kind: 'listening', port: 4711 });
    expect(await listening).toBe(4711);
    const again = group.listen('http', 4711, 1);
    threads[0]!.say({ kind: 'listen-failed', message: 'Port 4711 is taken' });
    await expect(again).rejects.toThrow('Port 4711 is taken');
  });

  test('logs are sealed at their owners: all of them, or none', async () => {
    const { group, threads } = new World(2);
    const conditions = { ifUnused: true, ifEmpty: false };
    const sealed = group.seal([4, 7, 6], conditions);
    expect(threads[0]!.received).toEqual([{ kind: 'seal', seal: 1, logIds: [4, 6], conditions }]);
    expect(threads[1]!.received).toEqual([{ kind: 'seal', seal: 2, logIds: [7], conditions }]);
    const other = group.seal([9, 8], conditions);
    threads[1]!.say({ kind: 'sealed', seal: 3, result: { sealed: true, ready: 1 } });
    threads[1]!.say({ kind: 'sealed', seal: 2, result: { sealed: true, ready: 5 } });
    threads[0]!.say({ kind: 'sealed', seal: 1, result: { sealed: true, ready: 2 } });
    expect(await sealed).toEqual({ sealed: true, ready: 7 });
    threads[0]!.say({ kind: 'sealed', seal: 4, result: { sealed: false, reason: 'in-use' } });
    expect(await other).toEqual({ sealed: false, reason: 'in-use' });
    expect(threads[0]!.kinds).toEqual(['seal', 'seal']);
    expect(threads[1]!.received.at(-1)).toEqual({ kind: 'unseal', logIds: [9] });
  });

  test('requests are answered to the shard that asked, errors in plain words', async () => {
    const world = new World(2);
    world.answer = () => Promise.reject(new BrokerError('not-found', 'Nothing there'));
    world.threads[1]!.say({ kind: 'request', request: 5, body: { kind: 'delete', name: 'x' } });
    await turn();
    expect(world.threads[0]!.received).toEqual([]);
    expect(world.threads[1]!.received).toEqual([
      { kind: 'answer', request: 5, result: undefined, error: { code: 'not-found', message: 'Nothing there' } },
    ]);
  });

  test('stopping goes in two steps for all together, and passes over those that are gone', async () => {
    const { group, threads, deaths } = new World(3);
    threads[1]!.end(1);
    expect(deaths).toEqual(['1: its thread ended with code 1']);
    let isStopped = false;
    const stopped = group.stop('enough').then(() => {
      isStopped = true;
    });
    expect(threads.map(({ kinds }) => kinds)).toEqual([['drain'], [], ['drain']]);
    threads[0]!.say({ kind: 'drained' });
    await turn();
    expect(threads[0]!.kinds).toEqual(['drain']);
    // One that dies on the way does not keep the others.
    threads[2]!.fail(new Error('out of luck'));
    threads[2]!.end(1);
    await turn();
    expect(threads[0]!.kinds).toEqual(['drain', 'stop']);
    threads[0]!.say({ kind: 'stopped' });
    await turn();
    expect(isStopped).toBe(false);
    threads[0]!.end(0);
    await stopped;
    expect(deaths).toEqual(['1: its thread ended with code 1', '2: out of luck']);
  });

  test('says what a stop waits for', async () => {
    const { group, threads } = new World(2);
    expect(group.waitsFor).toEqual([]);
    const stopped = group.stop('enough');
    threads[0]!.say({ kind: 'drained' });
    await turn();
    expect(group.waitsFor).toEqual(['shard 1 to confirm what was published and close its doors']);
    threads[1]!.say({ kind: 'drained' });
    await turn();
    expect(group.waitsFor).toEqual(['shard 0 to put everything on disk', 'shard 1 to put everything on disk']);
    for (const thread of threads) thread.say({ kind: 'stopped' });
    threads[1]!.end(0);
    await turn();
    expect(group.waitsFor).toEqual(['shard 0 to end its thread']);
    threads[0]!.end(0);
    await stopped;
    expect(group.waitsFor).toEqual([]);
  });

  test('a failure is told once, although the thread then ends', () => {
    const { threads, deaths } = new World(1);
    threads[0]!.fail(new Error('broken'));
    threads[0]!.end(1);
    expect(deaths).toEqual(['0: broken']);
  });

  test('two that ask for reports at the same time are both served', async () => {
    const { group, threads } = new World(1);
    const both = Promise.all([group.collect(), group.collect()]);
    const report = { shard: 0 } as never;
    threads[0]!.say({ kind: 'report', collection: 1, report });
    threads[0]!.say({ kind: 'report', collection: 2, report });
    expect(await both).toEqual([[report], [report]]);
  });
});

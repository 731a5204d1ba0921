import { describe, expect, test } from 'vitest';
import { Catalog, type MetadataChange, type MetadataStep } from '../broker/catalog.js';
import { VOLATILE_ID_FIRST } from '../broker/metadata-limits.js';
import type { Binding } from '../broker/model.js';
import type { Declaration } from '../broker/ports.js';
import { SimulatedDisk } from '../io/disk/simulated-disk.js';
import { Control, type ControlShards } from './control.js';
import type { PlainError, SealConditions, SealResult, StepFailure } from './control-messages.js';
import { MetadataLog } from './metadata-log.js';

const FOLDER = '/data/metadata';
const NONE = new Uint8Array(0);
const FULL: PlainError = { code: 'no-space', message: 'Cannot make the log: the disk is full' };

function queue(name: string, partitions = 2): Declaration {
  return { name, partitions, settings: { kind: 'queue' }, passive: false, start: { at: 'beginning' } };
}

function amqpQueue(
  name: string,
  over: { durable?: boolean; exclusive?: boolean; connection?: string; shard?: number } = {},
): Declaration {
  const { durable = true, exclusive = false, connection = 'c1', shard = 1 } = over;
  const model = { durable, exclusive, autoDelete: false, arguments: NONE, connection, shard };
  return { ...queue(name, 1), queue: model };
}

function binding(source: string, destination: string, routingKey = 'k'): Binding {
  return { source, destination, destinationKind: 'queue', routingKey, arguments: NONE };
}

function exchange(name: string, durable = true) {
  const flags = { passive: false, durable, autoDelete: false, internal: false };
  return { vhost: '/', name, type: 'direct', ...flags, arguments: NONE } as const;
}

/** Shards that apply what they are told, a little later, and fail where the test says so. */
class FakeShards implements ControlShards {
  readonly catalogs: Catalog[] = [new Catalog(), new Catalog()];
  readonly groups: (readonly MetadataStep[])[] = [];
  readonly unsealed: number[] = [];
  sealResult: SealResult = { sealed: true, ready: 3 };
  /** Makes of a new queue fail, by name. */
  failing = new Map<string, PlainError>();
  applying = 0;

  async apply(steps: readonly MetadataStep[]): Promise<readonly StepFailure[]> {
    expect(++this.applying).toBe(1);
    this.groups.push(steps);
    const failures: StepFailure[] = [];
    for (const catalog of this.catalogs) {
      await new Promise((resolve) => setImmediate(resolve));
      for (const { version, changes } of structuredClone(steps)) catalog.applyStep(version, changes);
    }
    for (const { version, changes } of steps) {
      for (const change of changes) {
        const error = this.failing.get(this.nameOf(change) ?? '');
        if (error !== undefined) failures.push({ version, error });
      }
    }
    this.applying--;
    return failures;
  }

  /** The topic that a change gives something to. */
  private nameOf(change: MetadataChange): string | undefined {
    if (change.kind === 'create-topic') return change.topic.name;
    const isQueue = change.kind === 'attach-cursor' && change.settings.kind === 'queue';
    return isQueue ? this.catalogs[0]!.topicById(change.topicId)?.name : undefined;
  }

  seal(_logIds: readonly number[], _conditions: SealConditions): Promise<SealResult> {
    return Promise.resolve(this.sealResult);
  }

  unseal(logIds: readonly number[]): void {
    this.unsealed.push(...logIds);
  }

  get names(): string[][] {
    return this.catalogs.map((catalog) => [...catalog.topics()].map(({ name }) => name));
  }

  get kinds(): string[][] {
    return this.groups.map((steps) => steps.flatMap(({ changes }) => changes.map(({ kind }) => kind)));
  }
}

function start(disk = new SimulatedDisk({ directories: ['/data', FOLDER] })) {
  const log = MetadataLog.open(disk, FOLDER);
  const shards = new FakeShards();
  return { disk, log, shards, control: new Control(log, shards, { defaultPartitions: 3, slots: 1000, shards: 2 }) };
}

function outcomes(promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(
    promises.map((promise) =>
      promise.then(
        (value) => value,
        (error: unknown) => (error as PlainError).code,
      ),
    ),
  );
}

describe('control', () => {
  test('answers a declaration when every shard has applied it, and the same one again without a change', async () => {
    const { shards, control } = start();
    expect(await control.declare(queue('orders'))).toEqual({ created: true });
    expect(shards.names).toEqual([['orders'], ['orders']]);
    expect(await control.declare(queue('orders'))).toEqual({ created: false });
    expect(shards.kinds).toEqual([['create-topic']]);
    await expect(control.declare(queue('orders', 5))).rejects.toMatchObject({ code: 'already-exists' });
  });

  test('requests that come together are carried out one after the other, with one write and one message', async () => {
    const { disk, log, shards, control } = start();
    const found = await outcomes([
      control.declare(queue('orders')),
      control.declare(queue('orders')),
      control.delete('orders'),
      control.delete('orders'),
      control.declare(queue('orders')),
      control.initProducer(0),
      control.initProducer(0),
      control.declareExchange(exchange('x')),
      control.bind('/', binding('x', 'orders'), ''),
      control.bind('/', binding('x', 'nowhere'), ''),
    ]);
    const stamp = { epoch: 0 };
    expect(found).toEqual([
      { created: true },
      { created: false },
      undefined,
      'not-found',
      { created: true },
      { producerId: 1, ...stamp },
      { producerId: 2, ...stamp },
      undefined,
      undefined,
      'not-found',
    ]);
    expect(shards.groups.length).toBe(1);
    expect(shards.names).toEqual([['orders'], ['orders']]);
    // Log ids are never used again.
    expect(log.catalog.topic('orders')!.partitions.map(({ logId }) => logId)).toEqual([3, 4]);
    log.close();
    const again = MetadataLog.open(disk, FOLDER).catalog;
    expect(again.snapshot()).toEqual(shards.catalogs[1]!.snapshot());
    expect(again.bindingCount).toBe(1);
  });

  test('what one shard cannot make is taken back everywhere, without harm to the others of its group', async () => {
    const { disk, log, shards, control } = start();
    await control.declareExchange(exchange('x'));
    shards.failing.set('bad', FULL);
    const found = await outcomes([
      control.declare(queue('before')),
      control.declare(queue('bad')),
      control.bind('/', binding('x', 'bad'), ''),
      control.declare(queue('bad')),
      control.bind('/', binding('x', 'before'), ''),
      control.declare(queue('after')),
    ]);
    expect(found).toEqual([{ created: true }, 'no-space', 'no-space', 'no-space', undefined, { created: true }]);
    expect(shards.names).toEqual([
      ['before', 'after'],
      ['before', 'after'],
    ]);
    expect([...shards.catalogs[0]!.bindings('/')].map(({ destination }) => destination)).toEqual(['before']);
    shards.failing.clear();
    expect(await control.declare(queue('bad'))).toEqual({ created: true });
    log.close();
    expect(MetadataLog.open(disk, FOLDER).catalog.snapshot()).toEqual(shards.catalogs[0]!.snapshot());
  });

  test('a cursor that one shard cannot make is taken back, and the topic is as it was', async () => {
    const { disk, log, shards, control } = start();
    await control.declare({ ...queue('events'), settings: { kind: 'topic' } });
    const before = shards.catalogs[0]!.topic('events');
    shards.failing.set('events', FULL);
    const found = await outcomes([
      control.declare(queue('events')),
      control.declare(queue('events')),
      control.declare(queue('other')),
    ]);
    expect(found).toEqual(['no-space', 'no-space', { created: true }]);
    for (const catalog of shards.catalogs) expect(catalog.topic('events')).toEqual(before);
    log.close();
    expect(MetadataLog.open(disk, FOLDER).catalog.topic('events')).toEqual(before);
  });

  test('taking back is written later when there is no room for it now', async () => {
    const { disk, log, shards, control } = start();
    shards.failing.set('bad', FULL);
    disk.inject({ operation: 'write', nth: 2, times: 1, effect: { errno: 'ENOSPC' } });
    await expect(control.declare(queue('bad'))).rejects.toMatchObject({ code: 'no-space' });
    expect(shards.names).toEqual([[], []]);
    disk.clearFaults();
    await control.declare(queue('good'));
    log.close();
    expect([...MetadataLog.open(disk, FOLDER).catalog.topics()].map(({ name }) => name)).toEqual(['good']);
  });

  test('a full disk refuses what is written and nothing else', async () => {
    const { disk, shards, control, log } = start();
    disk.inject({ operation: 'write', times: 100, effect: { errno: 'ENOSPC' } });
    const found = await outcomes([
      control.declare(queue('written')),
      control.declare(amqpQueue('mine', { exclusive: true })),
      control.declareExchange(exchange('fleeting', false)),
      control.bind('/', binding('fleeting', 'mine'), 'c1'),
      control.bind('/', binding('fleeting', 'written'), 'c1'),
    ]);
    expect(found).toEqual(['no-space', { created: true }, undefined, undefined, 'not-found']);
    expect(shards.names).toEqual([['mine'], ['mine']]);
    disk.clearFaults();
    expect(await control.declare(queue('written'))).toEqual({ created: true });
    expect(log.catalog.topic('written')!.partitions.map(({ logId }) => logId)).not.toContain(VOLATILE_ID_FIRST);
  });

  test('a metadata log that cannot be synced changes nothing anywhere, and refuses what follows', async () => {
    const { disk, shards, control } = start();
    disk.inject({ operation: 'sync', effect: { errno: 'EIO' } });
    await expect(control.declare(queue('orders'))).rejects.toMatchObject({ code: 'failed' });
    await expect(control.declare(queue('later'))).rejects.toMatchObject({ code: 'failed' });
    expect(shards.groups).toEqual([]);
  });

  test('what is volatile is known everywhere, owned by the shard that asked, and never on disk', async () => {
    const { disk, log, shards, control } = start();
    // Whatever writes or syncs here fails.
    for (const operation of ['write', 'sync'] as const)
      disk.inject({ operation, times: 100, effect: { errno: 'EIO' } });
    await Promise.all([
      control.declare(amqpQueue('a', { exclusive: true, shard: 1 })),
      control.declare(amqpQueue('b', { durable: false, shard: 0 })),
      control.declareExchange(exchange('x', false)),
      control.bind('/', binding('x', 'a'), 'c1'),
      control.bind('/', binding('amq.direct', 'b'), ''),
    ]);
    for (const catalog of shards.catalogs) {
      const ids = ['a', 'b'].map((name) => catalog.topic(name)!.partitions[0]!.logId);
      expect(ids.map((logId) => logId % 2)).toEqual([1, 0]);
      expect(Math.min(...ids)).toBeGreaterThanOrEqual(VOLATILE_ID_FIRST);
      expect(catalog.bindingCount).toBe(2);
    }
    disk.clearFaults();
    await control.declare(amqpQueue('c'));
    await control.connectionClosed('c1');
    expect(shards.names).toEqual([
      ['b', 'c'],
      ['b', 'c'],
    ]);
    expect(shards.kinds.at(-1)).toEqual(['unbind', 'delete-topic']);
    log.close();
    const again = MetadataLog.open(disk, FOLDER).catalog;
    expect([...again.topics()].map(({ name }) => name)).toEqual(['c']);
    expect([again.exchangeCount, again.bindingCount]).toEqual([0, 0]);
  });

  test('a queue is deleted when its owners agree, and unsealed when it stays', async () => {
    const { disk, shards, control } = start();
    const options = { ifUnused: true, ifEmpty: true, connection: 'c1' };
    expect(await control.deleteQueue('/', 'q', options)).toBe(0);
    await control.declare(amqpQueue('q'));
    shards.sealResult = { sealed: false, reason: 'not-empty' };
    await expect(control.deleteQueue('/', 'q', options)).rejects.toMatchObject({
      code: 'precondition-failed',
      message: "queue 'q' in vhost '/' not empty",
    });
    shards.sealResult = { sealed: true, ready: 7 };
    disk.inject({ operation: 'write', times: 1, effect: { errno: 'ENOSPC' } });
    await expect(control.deleteQueue('/', 'q', options)).rejects.toMatchObject({ code: 'no-space' });
    expect(shards.unsealed).toEqual([1]);
    expect(await control.deleteQueue('/', 'q', options)).toBe(7);
    expect(shards.names).toEqual([[], []]);
    await control.declare(amqpQueue('mine', { exclusive: true }));
    const others = control.deleteQueue('/', 'mine', { ...options, connection: 'c2' });
    await expect(others).rejects.toMatchObject({ code: 'resource-locked' });
    const { topicId } = shards.catalogs[0]!.topic('mine')!;
    await control.deleteTopic(topicId);
    await control.deleteTopic(topicId);
    expect(shards.names).toEqual([[], []]);
  });

  test('a producer that comes back gets the next epoch; one that was never known is refused', async () => {
    const { control } = start();
    const { producerId, epoch } = await control.initProducer(0);
    expect(epoch).toBe(0);
    expect(await control.initProducer(producerId)).toEqual({ producerId, epoch: 1 });
    expect(await control.initProducer(producerId)).toEqual({ producerId, epoch: 2 });
    await expect(control.initProducer(producerId + 1)).rejects.toMatchObject({ code: 'unknown-producer' });
  });
});

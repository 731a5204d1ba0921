import { describe, expect, test } from 'vitest';
import type { Catalog, MetadataChange } from '../broker/catalog.js';
import { Catalog as CatalogImage } from '../broker/catalog.js';
import type { Declaration } from '../broker/ports.js';
import { SimulatedDisk } from '../io/disk/simulated-disk.js';
import { Control } from './control.js';
import type { PlainError } from './control-messages.js';
import { MetadataLog } from './metadata-log.js';

const FOLDER = '/data/metadata';

function queue(name: string, partitions = 2): Declaration {
  return { name, partitions, settings: { kind: 'queue' }, passive: false, start: { at: 'beginning' } };
}

/** Shards that apply what they are told, a little later, and fail when the test says so. */
class FakeShards {
  readonly catalogs: Catalog[] = [new CatalogImage(), new CatalogImage()];
  readonly changes: MetadataChange[] = [];
  failNext: PlainError | undefined;
  applying = 0;
  readonly apply = async (version: number, change: MetadataChange): Promise<PlainError | undefined> => {
    expect(++this.applying).toBe(1);
    this.changes.push(change);
    for (const catalog of this.catalogs) {
      await new Promise((resolve) => setImmediate(resolve));
      catalog.apply(version, change);
    }
    this.applying--;
    const failure = this.failNext;
    this.failNext = undefined;
    return failure;
  };

  get names(): string[][] {
    return this.catalogs.map((catalog) => [...catalog.topics()].map(({ name }) => name));
  }
}

function start(): { disk: SimulatedDisk; log: MetadataLog; shards: FakeShards; control: Control } {
  const disk = new SimulatedDisk({ directories: ['/data', FOLDER] });
  const log = MetadataLog.open(disk, FOLDER);
  const shards = new FakeShards();
  return { disk, log, shards, control: new Control(log, shards.apply, 3) };
}

describe('control', () => {
  test('answers a declaration when every shard has applied it, and the same one again without a change', async () => {
    const { shards, control } = start();
    expect(await control.declare(queue('orders'))).toEqual({ created: true });
    expect(shards.names).toEqual([['orders'], ['orders']]);
    expect(await control.declare(queue('orders'))).toEqual({ created: false });
    expect(shards.changes.length).toBe(1);
    await expect(control.declare(queue('orders', 5))).rejects.toMatchObject({ code: 'already-exists' });
  });

  test('requests that come together are carried out one after the other', async () => {
    const { log, shards, control } = start();
    const outcomes = await Promise.allSettled([
      control.declare(queue('orders')),
      control.declare(queue('orders')),
      control.delete('orders'),
      control.delete('orders'),
      control.declare(queue('orders')),
      control.initProducer(0),
      control.initProducer(0),
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual([
      'fulfilled',
      'fulfilled',
      'fulfilled',
      'rejected',
      'fulfilled',
      'fulfilled',
      'fulfilled',
    ]);
    const [first, second] = outcomes.slice(-2).map((outcome) => outcome.status === 'fulfilled' && outcome.value);
    expect(first).not.toEqual(second);
    expect(shards.names).toEqual([['orders'], ['orders']]);
    // Log ids are never used again.
    expect(log.catalog.topic('orders')!.partitions.map(({ logId }) => logId)).toEqual([3, 4]);
  });

  test('what one shard cannot make is taken back everywhere, and the name is free again', async () => {
    const { disk, log, shards, control } = start();
    shards.failNext = { code: 'no-space', message: 'Cannot make log 1: the disk is full' };
    await expect(control.declare(queue('orders'))).rejects.toMatchObject({
      code: 'no-space',
      message: 'Cannot make log 1: the disk is full',
    });
    expect(shards.names).toEqual([[], []]);
    expect(await control.declare(queue('orders'))).toEqual({ created: true });
    log.close();
    expect([...MetadataLog.open(disk, FOLDER).catalog.topics()].map(({ name }) => name)).toEqual(['orders']);
  });

  test('a cursor that one shard cannot make is taken back everywhere: the topic is a topic again, also after a restart', async () => {
    const { disk, log, shards, control } = start();
    await control.declare({ ...queue('orders'), settings: { kind: 'topic', retentionMs: 5 } });
    const before = log.catalog.topic('orders');
    shards.failNext = { code: 'log-offline', message: 'Log 1 stopped serving' };
    const attaching = { ...queue('orders'), start: { at: 'end' } } as const;
    await expect(control.declare(attaching)).rejects.toMatchObject({ code: 'log-offline' });
    for (const catalog of [log.catalog, ...shards.catalogs]) expect(catalog.topic('orders')).toEqual(before);
    expect(await control.declare(attaching)).toEqual({ created: true });
    for (const catalog of [log.catalog, ...shards.catalogs]) {
      expect(catalog.topic('orders')).toMatchObject({ settings: { kind: 'queue' }, start: { at: 'end' } });
    }
    shards.failNext = { code: 'log-offline', message: 'Log 1 stopped serving' };
    await control.declare({ ...queue('later'), settings: { kind: 'topic' } }).catch(() => undefined);
    log.close();
    const again = MetadataLog.open(disk, FOLDER);
    expect([...again.catalog.topics()].map(({ name, settings }) => [name, settings.kind])).toEqual([
      ['orders', 'queue'],
    ]);
  });

  test('a declaration that finds no room changes nothing, and works when there is some', async () => {
    const { disk, shards, control } = start();
    disk.inject({ operation: 'write', effect: { errno: 'ENOSPC' } });
    await expect(control.declare(queue('orders'))).rejects.toMatchObject({ code: 'no-space' });
    expect(shards.changes).toEqual([]);
    expect(await control.declare(queue('orders'))).toEqual({ created: true });
  });

  test('a metadata log that cannot be synced changes nothing anywhere, and refuses what follows', async () => {
    const { disk, shards, control } = start();
    disk.inject({ operation: 'sync', effect: { errno: 'EIO' } });
    await expect(control.declare(queue('orders'))).rejects.toMatchObject({ code: 'failed' });
    await expect(control.declare(queue('later'))).rejects.toMatchObject({ code: 'failed' });
    expect(shards.changes).toEqual([]);
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

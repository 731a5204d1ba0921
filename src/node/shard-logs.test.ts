import { describe, expect, test } from 'vitest';
import type { Catalog } from '../broker/catalog.js';
import { BrokerWorld } from '../broker/fixtures/broker-world.js';
import { VOLATILE_ID_FIRST } from '../broker/metadata-limits.js';
import { DurabilityLevel, type PublishListener, type TopicEntry } from '../broker/ports.js';
import { createMeshLayout, InThreadDoorbells, planMeshBudget, ShardMesh } from '../io/ring/index.js';
import { batchOf } from '../storage/fixtures/harness.js';
import { PartitionPublisher } from './partition-publisher.js';
import { ShardLogs } from './shard-logs.js';

const silent: PublishListener = { published: () => undefined, publishFailed: () => undefined };

function publisher(): { publisher: PartitionPublisher; released: number[] } {
  const layout = createMeshLayout(planMeshBudget(1, 0, 1024), 1024);
  const quiet = {
    onRequest: () => undefined,
    onNotice: () => undefined,
    onReply: () => undefined,
    onDirty: () => undefined,
  };
  const mesh = ShardMesh.attach(layout, 0, InThreadDoorbells.create(1)[0]!, quiet);
  const released: number[] = [];
  const real = new PartitionPublisher(mesh, () => 0);
  const release = real.release.bind(real);
  real.release = (slot) => {
    released.push(slot);
    release(slot);
  };
  return { publisher: real, released };
}

async function start(): Promise<{
  world: BrokerWorld;
  logs: ShardLogs;
  catalog: Catalog;
  released: number[];
  topic: TopicEntry;
}> {
  const world = await BrokerWorld.start(1);
  const { broker, storage } = world.shards[0]!;
  const { publisher: table, released } = publisher();
  const logs = new ShardLogs({ storage, broker, files: world.files(), publisher: table });
  const { catalog } = world;
  const settings = { ...(await world.declare('settings', 1, { kind: 'topic' })).settings };
  const partitions = [10, 11, 12].map((logId, partition) => ({ partition, logId, slot: 10 + partition }));
  return { world, logs, catalog, released, topic: { name: 'orders', topicId: 50, settings, partitions } };
}

describe('the logs of a shard', () => {
  test('a queue on an old topic counts what a write in the middle of the turn has put there just once', async () => {
    const { world, logs, catalog, topic } = await start();
    const { broker, storage } = world.shards[0]!;
    await world.settle(logs.apply(catalog, 10, { kind: 'create-topic', topic }));
    broker.publishBatch(topic, 0, batchOf(['a', 'b']), DurabilityLevel.memory, 1, silent);
    // As a group commit does that begins while messages come in.
    storage.flush();
    const settings = { ...topic.settings, kind: 'queue' as const };
    const attached = logs.apply(catalog, 11, {
      kind: 'attach-cursor',
      topicId: topic.topicId,
      settings,
      start: { at: 'beginning' },
    });
    broker.publishBatch(topic, 0, batchOf(['c']), DurabilityLevel.memory, 2, silent);
    await world.settle(attached);
    const { cursor } = broker.owner.get(10)!;
    expect([cursor!.ready, cursor!.end]).toEqual([3, 3]);
    expect(storage.log(10)!.companionOffset).toBeGreaterThan(0);
  });

  test('where a cursor starts is on disk before the declaration is answered', async () => {
    const { world, logs, catalog, topic } = await start();
    const { storage } = world.shards[0]!;
    await world.settle(logs.apply(catalog, 10, { kind: 'create-topic', topic }));
    const before = storage.log(10)!.companionOffset;
    const settings = { ...topic.settings, kind: 'queue' as const };
    const attach = { kind: 'attach-cursor', topicId: topic.topicId, settings, start: { at: 'end' } } as const;
    const { journal } = storage;
    let synced = -1;
    await world.settle(
      logs.apply(catalog, 11, attach).then(() => {
        synced = journal.syncedSequence;
      }),
    );
    expect(storage.log(10)!.companionOffset).toBe(before + 1);
    expect(synced).toBe(journal.lastSequence);
  });

  test('a cursor that one partition could not be given is taken from all, and a later one starts anew', async () => {
    const { world, logs, catalog, topic } = await start();
    const { broker } = world.shards[0]!;
    await world.settle(logs.apply(catalog, 10, { kind: 'create-topic', topic }));
    broker.publishBatch(topic, 0, batchOf(['a', 'b']), DurabilityLevel.memory, 1, silent);
    broker.owner.finishWrites();
    const settings = { ...topic.settings, kind: 'queue' as const, lingerMs: 77 };
    const attach = {
      kind: 'attach-cursor',
      topicId: topic.topicId,
      settings,
      start: { at: 'timestamp', timestampMs: 0 },
    } as const;
    broker.publishBatch(topic, 1, batchOf(['d']), DurabilityLevel.memory, 3, silent);
    broker.owner.finishWrites();
    world.disk.inject({ operation: 'read', path: /\/logs\/11\/.*log$/, effect: { errno: 'EIO' } });
    await expect(world.settle(logs.apply(catalog, 11, attach))).rejects.toThrow('EIO');
    expect(topic.partitions.map(({ logId }) => broker.owner.get(logId)!.cursor?.ready)).toEqual([2, 0, undefined]);
    const undo = {
      kind: 'attach-cursor',
      topicId: topic.topicId,
      settings: topic.settings,
      start: { at: 'beginning' },
    } as const;
    await world.settle(logs.apply(catalog, 12, undo));
    for (const { logId } of topic.partitions) {
      const partition = broker.owner.get(logId)!;
      expect([partition.cursor, partition.settings, partition.log.config.lingerMs]).toEqual([
        undefined,
        topic.settings,
        topic.settings.lingerMs,
      ]);
      expect(partition.companion.retainFrom()).toBe(Number.POSITIVE_INFINITY);
    }
    broker.publishBatch(topic, 0, batchOf(['c']), DurabilityLevel.memory, 2, silent);
    broker.owner.finishWrites();
    await world.settle(logs.apply(catalog, 13, { ...attach, start: { at: 'beginning' } }));
    expect(topic.partitions.map(({ logId }) => broker.owner.get(logId)!.cursor!.ready)).toEqual([3, 1, 0]);
  });

  test('what could be made only half is removed whole', async () => {
    const { world, logs, catalog, released, topic } = await start();
    const { broker, storage } = world.shards[0]!;
    world.disk.inject({ operation: 'mkdir', path: /\/logs\/11$/, effect: { errno: 'ENOSPC' } });
    await expect(logs.apply(catalog, 10, { kind: 'create-topic', topic })).rejects.toThrow();
    await world.settle(logs.apply(catalog, 11, { kind: 'delete-topic', topicId: topic.topicId }));
    for (const { logId } of topic.partitions) {
      expect(storage.log(logId)).toBeUndefined();
      expect(broker.owner.get(logId)).toBeUndefined();
      expect(world.disk.exists(`/data/logs/${logId}`)).toBe(false);
    }
    expect(released).toEqual([10, 11]);
  });

  test('steps behind one that failed are applied all the same, and what is deleted again needs no commit', async () => {
    const { world, logs, catalog, topic } = await start();
    const { broker } = world.shards[0]!;
    world.disk.inject({ operation: 'mkdir', path: /\/logs\/11$/, effect: { errno: 'ENOSPC' } });
    const other = { ...topic, name: 'other', topicId: 51, partitions: [{ partition: 0, logId: 20, slot: 20 }] };
    const brief = { ...topic, name: 'brief', topicId: 52, partitions: [{ partition: 0, logId: 21, slot: 21 }] };
    const failures = await world.settle(
      logs.applySteps(catalog, [
        { version: 10, changes: [{ kind: 'create-topic', topic: brief }] },
        { version: 11, changes: [{ kind: 'create-topic', topic }] },
        { version: 12, changes: [{ kind: 'create-topic', topic: other }] },
        { version: 13, changes: [{ kind: 'delete-topic', topicId: 52 }] },
      ]),
    );
    expect(failures.map(({ version }) => version)).toEqual([11]);
    expect([20, 21].map((logId) => broker.owner.get(logId) !== undefined)).toEqual([true, false]);
    expect(catalog.version).toBe(13);
  });

  test('what is volatile is there without a file, and goes without a trace', async () => {
    const { world, logs, catalog, topic, released } = await start();
    const { broker, storage } = world.shards[0]!;
    for (const operation of ['write', 'sync', 'mkdir'] as const) {
      world.disk.inject({ operation, times: 100, effect: { errno: 'EIO' } });
    }
    const logId = VOLATILE_ID_FIRST + 3;
    const settings = { ...topic.settings, kind: 'queue', durability: DurabilityLevel.memory } as const;
    const queue = { name: 'q', topicId: VOLATILE_ID_FIRST, settings, partitions: [{ partition: 0, logId, slot: 30 }] };
    await world.settle(logs.apply(catalog, 10, { kind: 'create-topic', topic: queue, volatile: true }));
    expect(broker.owner.get(logId)!.log.isVolatile).toBe(true);
    await world.settle(logs.apply(catalog, 11, { kind: 'delete-topic', topicId: queue.topicId, volatile: true }));
    expect([broker.owner.get(logId), storage.memory.log(logId)]).toEqual([undefined, undefined]);
    expect(released).toEqual([30]);
  });

  test('files that cannot be removed do not keep the other partitions', async () => {
    const { world, logs, catalog, released, topic } = await start();
    const { broker, storage } = world.shards[0]!;
    await world.settle(logs.apply(catalog, 10, { kind: 'create-topic', topic }));
    world.disk.inject({ operation: 'remove', path: /\/logs\/10$/, effect: { errno: 'EIO' } });
    await expect(logs.apply(catalog, 11, { kind: 'delete-topic', topicId: topic.topicId })).rejects.toThrow();
    for (const { logId } of topic.partitions) {
      expect(storage.log(logId)).toBeUndefined();
      expect(broker.owner.get(logId)).toBeUndefined();
    }
    expect(released).toEqual([10, 11, 12]);
  });

  test('a declaration does not fail for another log in the same commit', async () => {
    const { world, logs, catalog, topic } = await start();
    const { broker } = world.shards[0]!;
    const sick = await world.declare('sick', 1, { kind: 'topic' });
    broker.publishBatch(sick, 0, batchOf(['a']), DurabilityLevel.disk, 1, silent);
    world.disk.inject({
      operation: 'sync',
      path: new RegExp(`/logs/${sick.partitions[0]!.logId}/`),
      effect: { errno: 'EIO' },
    });
    broker.owner.finishWrites();
    await world.settle(logs.apply(catalog, 20, { kind: 'create-topic', topic }));
    expect(broker.owner.get(sick.partitions[0]!.logId)!.log.offline).toBeDefined();
  });
});

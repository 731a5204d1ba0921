import { afterEach, describe, expect, test } from 'vitest';
import { copyOf } from '../base/copy.js';
import { batchLength } from '../record/batch-header.js';
import { StorageError } from '../storage/errors.js';
import { batchOf, recordsOf } from '../storage/fixtures/harness.js';
import { BrokerError } from './errors.js';
import { BrokerWorld } from './fixtures/broker-world.js';
import { OFFSET_METADATA_BYTES_MAX } from './metadata-limits.js';
import {
  DurabilityLevel,
  type FetchedBatches,
  type PublishListener,
  type QueueConsumer,
  type RecordView,
  SettleOutcome,
  type TopicEntry,
} from './ports.js';

const decoder = new TextDecoder();
const GONE = new BrokerError('not-found', '"orders" was deleted');

class Collector implements QueueConsumer, PublishListener {
  readonly values: string[] = [];
  readonly offsets: number[] = [];
  readonly closes: BrokerError[] = [];
  readonly confirms: { token: number; baseOffset: number; reached: DurabilityLevel }[] = [];
  readonly failures: BrokerError[] = [];
  onDeliver: () => void = () => undefined;

  deliver(_partition: number, record: RecordView): void {
    this.values.push(record.value === null ? '' : decoder.decode(record.value));
    this.offsets.push(record.offset);
    this.onDeliver();
  }

  flush(): void {}

  closed(error: BrokerError): void {
    this.closes.push(error);
  }

  published(token: number, _partition: number, baseOffset: number, _count: number, reached: DurabilityLevel): void {
    this.confirms.push({ token, baseOffset, reached });
  }

  publishFailed(_token: number, error: BrokerError): void {
    this.failures.push(error);
  }
}

function publish(
  world: BrokerWorld,
  shard: number,
  queue: TopicEntry,
  values: string[],
  to: Collector,
  partition = 0,
): void {
  const { broker } = world.shards[shard]!;
  broker.publishBatch(queue, partition, batchOf(values), DurabilityLevel.disk, values.length, to);
}

/** The shard that owns a queue's partition, and one that does not. */
function nearAndFar(world: BrokerWorld, queue: TopicEntry, partition = 0): [number, number] {
  const near = queue.partitions[partition]!.logId % world.shards.length;
  return [near, (near + 1) % world.shards.length];
}

const MANUAL = { automaticAck: false, credit: 1000 };

describe('damaged messages', () => {
  async function threeBatches(): Promise<{ world: BrokerWorld; queue: TopicEntry; near: number }> {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const [near] = nearAndFar(world, queue);
    const publisher = new Collector();
    for (const values of [['a', 'b'], ['c', 'd'], ['e']]) publish(world, near, queue, values, publisher);
    await world.rest();
    expect(publisher.confirms.length).toBe(3);
    return { world, queue, near };
  }

  /** Changes a byte of the second batch, wherever a read holds it. */
  function damage(world: BrokerWorld, at: (batchAt: number, batchEnd: number) => number): void {
    world.onRead = (_logId, offset, bytes) => {
      if (offset !== 0) return bytes;
      const changed = copyOf(bytes);
      const second = batchLength(changed, 0);
      changed[at(second, second + batchLength(changed, second))]! ^= 1;
      return changed;
    };
  }

  test('a batch whose bytes are not those that were written is passed over, and somebody is told', async () => {
    const { world, queue, near } = await threeBatches();
    damage(world, (_at, end) => end - 3);
    const consumer = new Collector();
    world.shards[near]!.broker.consume(queue, MANUAL, consumer);
    await world.rest();
    expect(consumer.values).toEqual(['a', 'b', 'e']);
    expect(world.shards[near]!.damage).toEqual([expect.stringMatching(/offset 2 to 3.*bad-crc/)]);
    const { cursor } = world.shards[near]!.broker.owner.get(queue.partitions[0]!.logId)!;
    expect([cursor!.ready, cursor!.unacknowledged]).toEqual([0, 3]);
  });

  test('damage in what says where a batch ends takes the log offline, and ends its consumers with the reason', async () => {
    const { world, queue, near } = await threeBatches();
    // The last byte of the last offset's delta.
    damage(world, (at) => at + 26);
    const consumer = new Collector();
    world.shards[near]!.broker.consume(queue, MANUAL, consumer);
    await world.rest();
    expect(consumer.values).toEqual(['a', 'b']);
    expect(consumer.closes.map(({ code }) => code)).toEqual(['corrupt-batch']);
    const [report] = await world.settle(world.shards[near]!.broker.describe(queue));
    expect(report!.offlineReason).toMatch(/Cannot deliver offset 2/);
  });

  test('offsets that storage knows for damaged are passed over; a read without a known end takes the log offline', async () => {
    const { world, queue, near } = await threeBatches();
    let resumeOffset = 4;
    world.onRead = (_logId, offset, bytes) => {
      if (offset >= 4) return bytes;
      throw new StorageError('corrupt', 'Offsets 0 to 3 are damaged', undefined, resumeOffset);
    };
    const consumer = new Collector();
    const handle = world.shards[near]!.broker.consume(queue, MANUAL, consumer);
    await world.rest();
    expect(consumer.values).toEqual(['e']);
    handle.cancel();
    resumeOffset = -1;
    world.onRead = () => {
      throw new StorageError('corrupt', 'No batch here');
    };
    const later = new Collector();
    world.shards[near]!.broker.consume(queue, MANUAL, later);
    await world.rest();
    expect(later.closes.length).toBe(1);
    const refused = new Collector();
    expect(() => world.shards[near]!.broker.consume(queue, MANUAL, refused)).toThrow('No batch here');
  });

  test('while files cannot be opened a queue waits and tries again', async () => {
    const { world, queue, near } = await threeBatches();
    world.onRead = () => {
      throw new StorageError('no-space', 'Too many open files');
    };
    const consumer = new Collector();
    world.shards[near]!.broker.consume(queue, MANUAL, consumer);
    await world.clock.advanceAsync(1000);
    expect(consumer.values).toEqual([]);
    world.onRead = (_logId, _offset, bytes) => bytes;
    await world.clock.advanceAsync(200);
    expect(consumer.values).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('a follower passes over what is known to be damaged', async () => {
    const { world, queue, near } = await threeBatches();
    world.onRead = (_logId, offset, bytes) => {
      if (offset >= 4) return bytes;
      throw new StorageError('corrupt', 'Offsets 0 to 3 are damaged', undefined, 4);
    };
    const seen: string[] = [];
    world.shards[near]!.broker.follow(queue, [{ partition: 0, offset: 0 }], {
      batches: ({ batches }) => {
        seen.push(...recordsOf(batches).map(({ value }) => value));
        return true;
      },
      closed: () => seen.push('closed'),
    });
    await world.rest();
    expect(seen).toEqual(['e']);
  });
});

describe('what happens to one log is nothing to the others', () => {
  test('a queue goes on beyond its lease although another log failed in the same commit', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('orders', 1);
    const other = await world.declare('other', 1);
    const outcome = new Collector();
    const consumer = new Collector();
    world.shards[0]!.broker.consume(queue, { automaticAck: true, credit: 100_000 }, consumer);
    const values = Array.from({ length: 500 }, (_, index) => `v${index}`);
    // Each commit in which a lease may be wanted fails for some log.
    let sick = other;
    for (let round = 0; round < 20; round++) {
      publish(world, 0, queue, values, outcome);
      publish(world, 0, sick, ['x'], outcome);
      world.disk.inject({
        operation: 'sync',
        path: new RegExp(`/logs/${sick.partitions[0]!.logId}/`),
        effect: { errno: 'EIO' },
      });
      await world.rest();
      world.disk.clearFaults();
      sick = await world.declare(`other-${round}`, 1);
    }
    await world.rest();
    expect(consumer.values.length).toBe(20 * values.length);
  });

  test('a deleted queue fails what is under way, ends consumers, and leaves its neighbours alone', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 2);
    const stays = await world.declare('stays', 2);
    const consumers = [new Collector(), new Collector()];
    const handles = consumers.map((consumer, shard) => world.shards[shard]!.broker.consume(queue, MANUAL, consumer));
    const outcome = new Collector();
    for (const shard of [0, 1]) for (const partition of [0, 1]) publish(world, shard, queue, ['a'], outcome, partition);
    await world.rest();
    const settles: (string | undefined)[] = [];
    for (const shard of [0, 1]) for (const partition of [0, 1]) publish(world, shard, queue, ['b'], outcome, partition);
    for (const handle of handles) {
      for (const partition of [0, 1])
        handle.settle(partition, [0, 1], SettleOutcome.acknowledge, (e) => settles.push(e?.code));
    }
    world.delete(queue, GONE);
    await world.rest();
    expect(outcome.confirms.length + outcome.failures.length).toBe(8);
    expect(outcome.failures.every(({ code }) => code === 'not-found')).toBe(true);
    expect(settles.length).toBe(4);
    expect(consumers.map(({ closes }) => closes.map(({ code }) => code))).toEqual([['not-found'], ['not-found']]);
    for (const { broker } of world.shards) await world.settle(broker.drained());
    publish(world, 0, stays, ['c'], outcome, 1);
    await world.rest();
    expect(outcome.confirms.at(-1)).toMatchObject({ reached: DurabilityLevel.disk });
  });

  test('what could not be written for want of space fails once, and later appends get its offsets', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const [near, far] = nearAndFar(world, queue);
    const outcome = new Collector();
    const consumer = new Collector();
    world.shards[far]!.broker.consume(queue, MANUAL, consumer);
    publish(world, near, queue, ['a'], outcome);
    await world.rest();
    world.disk.inject({ operation: 'write', path: /\.log$/, effect: { errno: 'ENOSPC' } });
    publish(world, near, queue, ['b'], outcome);
    publish(world, near, queue, ['c'], outcome);
    await world.rest();
    expect(outcome.failures.map(({ code }) => code)).toEqual(['no-space', 'no-space']);
    publish(world, far, queue, ['d'], outcome);
    await world.rest();
    expect(outcome.confirms.map(({ baseOffset }) => baseOffset)).toEqual([0, 1]);
    expect(consumer.values).toEqual(['a', 'd']);
  });
});

describe('between shards', () => {
  test('a full way holds deliveries back instead of piling them up, and lets them go on', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const [near, far] = nearAndFar(world, queue);
    const consumer = new Collector();
    world.shards[far]!.broker.consume(queue, MANUAL, consumer);
    await world.rest();
    const link = world.shards[near]!.links.get(far)!;
    link.isCongested = true;
    publish(world, near, queue, ['a', 'b', 'c', 'd'], new Collector());
    await world.rest();
    const { cursor } = world.shards[near]!.broker.owner.get(queue.partitions[0]!.logId)!;
    expect(cursor!.unacknowledged).toBe(1);
    link.isCongested = false;
    await world.rest();
    expect(consumer.values).toEqual(['a', 'b', 'c', 'd']);
  });

  test('tens of thousands of deliveries are settled in requests that fit a ring', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const [near, far] = nearAndFar(world, queue);
    const consumer = new Collector();
    const handle = world.shards[far]!.broker.consume(queue, { automaticAck: false, credit: 40_000 }, consumer);
    for (let round = 0; round < 40; round++) {
      publish(
        world,
        near,
        queue,
        Array.from({ length: 1000 }, () => ''),
        new Collector(),
      );
      await world.rest();
    }
    expect(consumer.offsets.length).toBe(40_000);
    let answers = 0;
    handle.settle(0, consumer.offsets, SettleOutcome.acknowledge, (error) => {
      expect(error).toBeUndefined();
      answers++;
    });
    await world.rest();
    expect(answers).toBe(1);
    const { cursor } = world.shards[near]!.broker.owner.get(queue.partitions[0]!.logId)!;
    expect([cursor!.floor, cursor!.unacknowledged]).toEqual([40_000, 0]);
  });

  test.each(['"', '\\', '\u0001', 'ü'])(
    'a committed offset beside a text of %j comes back as it was',
    async (character) => {
      const world = await BrokerWorld.start(2);
      const queue = await world.declare('orders', 1);
      const [near, far] = nearAndFar(world, queue);
      await world.rest();
      const metadata = character.repeat(OFFSET_METADATA_BYTES_MAX / Buffer.byteLength(character));
      const group = '"'.repeat(255);
      publish(world, near, queue, ['a', 'b'], new Collector());
      const { broker } = world.shards[far]!;
      const offset = { partition: 0, offset: 1, metadata, committedMs: 5 };
      await world.settle(broker.commitOffsets(group, queue, [offset]));
      expect(await world.settle(broker.fetchOffsets(group, queue, [0]))).toEqual([offset]);
    },
  );

  test('a message that no ring can carry ends the far consumer, and reaches a near one', async () => {
    const world = await BrokerWorld.start(2, 2048);
    const queue = await world.declare('orders', 1);
    const [near, far] = nearAndFar(world, queue);
    publish(world, near, queue, ['x'.repeat(4000), 'small'], new Collector());
    const farConsumer = new Collector();
    world.shards[far]!.broker.consume(queue, MANUAL, farConsumer);
    await world.rest();
    expect(farConsumer.closes.map(({ code }) => code)).toEqual(['too-large']);
    const nearConsumer = new Collector();
    world.shards[near]!.broker.consume(queue, MANUAL, nearConsumer);
    await world.rest();
    expect(nearConsumer.values.map(({ length }) => length)).toEqual([4000, 5]);
  });
});

describe('calls from within a delivery', () => {
  test('settling, changing the prefetch and cancelling do no harm', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('orders', 2);
    const outcome = new Collector();
    for (const partition of [0, 1]) publish(world, 0, queue, ['a', 'b', 'c', 'd'], outcome, partition);
    await world.rest();
    const consumer = new Collector();
    const { broker } = world.shards[0]!;
    const handle = broker.consume(queue, { automaticAck: false, credit: 2 }, consumer);
    let settles = 0;
    consumer.onDeliver = () => {
      const offset = consumer.offsets.at(-1)!;
      for (const partition of [0, 1]) handle.settle(partition, [offset], SettleOutcome.acknowledge, () => settles++);
      handle.setPrefetch(consumer.values.length % 3);
      if (consumer.values.length === 5) handle.cancel();
      else handle.setPrefetch(4);
    };
    await world.clock.advanceAsync(500);
    expect(consumer.values.length).toBe(5);
    expect(settles).toBe(10);
    const rest = new Collector();
    broker.consume(queue, MANUAL, rest);
    await world.rest();
    expect(rest.values.length).toBe(3);
  });

  test('what is settled from within a delivery is confirmed only when it is in the journal', async () => {
    const world = await BrokerWorld.start(1);
    const first = await world.declare('first', 1);
    const second = await world.declare('second', 1, { durability: DurabilityLevel.memory });
    const { broker, storage } = world.shards[0]!;
    const held = new Collector();
    const handle = broker.consume(second, MANUAL, held);
    publish(world, 0, second, ['a'], new Collector());
    await world.rest();
    const consumer = new Collector();
    const { logId } = second.partitions[0]!;
    const log = storage.log(logId)!;
    const before = log.companionOffset;
    let journaledAtAnswer = -1;
    consumer.onDeliver = () => {
      handle.settle(0, [0], SettleOutcome.acknowledge, () => {
        journaledAtAnswer = log.companionOffset;
      });
    };
    broker.consume(first, MANUAL, consumer);
    publish(world, 0, first, ['b'], new Collector());
    await world.rest();
    expect(journaledAtAnswer).toBe(before + 1);
  });
});

describe('stopping', () => {
  let world: BrokerWorld | undefined;
  afterEach(() => {
    world = undefined;
  });

  test('what was taken is confirmed or refused, and draining waits for it', async () => {
    world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 2);
    const outcome = new Collector();
    for (const shard of [0, 1]) for (const partition of [0, 1]) publish(world, shard, queue, ['a'], outcome, partition);
    world.shards[0]!.links.get(1)!.isCongested = true;
    world.shards[0]!.broker.stopAccepting();
    publish(world, 0, queue, ['late'], outcome);
    expect(outcome.failures.map(({ code }) => code)).toEqual(['shutting-down']);
    let isDrained = false;
    const drained = world.shards[0]!.broker.drained().then(() => {
      isDrained = true;
    });
    publish(world, 1, queue, ['b'], outcome);
    await world.clock.advanceAsync(50);
    world.shards[0]!.links.get(1)!.isCongested = false;
    await world.clock.advanceAsync(50);
    await drained;
    expect(isDrained).toBe(true);
    expect(outcome.confirms.length).toBe(5);
  });
});

describe('long polls', () => {
  function poll(
    world: BrokerWorld,
    queue: TopicEntry,
    shard: number,
    limits: { maxBytes: number; minBytes: number; maxWaitMs: number },
    offsets: readonly number[] = [0],
  ): { answers: (readonly FetchedBatches[])[]; give: () => void } {
    const answers: (readonly FetchedBatches[])[] = [];
    const positions = offsets.map((offset, partition) => ({ partition, offset }));
    const give = world.shards[shard]!.broker.fetch(queue, positions, limits, (fetched) => {
      answers.push(fetched.map((part) => ({ ...part, batches: copyOf(part.batches) })));
    });
    return { answers, give };
  }

  const size = batchOf(['0123456789']).length;

  test('wait for as many bytes as they want, but not beyond their time', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const [near, far] = nearAndFar(world, queue);
    const { answers } = poll(world, queue, far, { maxBytes: 10_000, minBytes: 2 * size, maxWaitMs: 500 });
    const late = poll(world, queue, far, { maxBytes: 10_000, minBytes: 3 * size, maxWaitMs: 500 });
    publish(world, near, queue, ['0123456789'], new Collector());
    await world.clock.advanceAsync(50);
    expect(answers.length).toBe(0);
    publish(world, near, queue, ['0123456789'], new Collector());
    await world.clock.advanceAsync(50);
    expect(answers.length).toBe(1);
    expect(answers[0]![0]).toMatchObject({ nextOffset: 2, end: 2 });
    expect(late.answers.length).toBe(0);
    await world.clock.advanceAsync(400);
    expect(late.answers.length).toBe(1);
    expect(late.answers[0]![0]!.batches.length).toBe(2 * size);
  });

  test('do not wait for more than one read can bring', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('orders', 1, { segmentBytes: 16 * 1024 });
    for (let round = 0; round < 40; round++) publish(world, 0, queue, ['x'.repeat(1000)], new Collector());
    await world.rest();
    // The first segment ends below the least that is wanted.
    const across = poll(world, queue, 0, { maxBytes: 1 << 20, minBytes: 30_000, maxWaitMs: 60_000 });
    expect(across.answers.length).toBe(1);
    const narrow = poll(world, queue, 0, { maxBytes: 2000, minBytes: 30_000, maxWaitMs: 60_000 }, [38]);
    expect(narrow.answers.length).toBe(1);
  });

  test('hear of what came between their look and their registration', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('orders', 1);
    publish(world, 0, queue, ['a'], new Collector());
    await world.rest();
    const { slot } = queue.partitions[0]!;
    const row = world.hide(slot);
    world.onInterest = () => row.show();
    const { answers } = poll(world, queue, 0, { maxBytes: 1000, minBytes: 1, maxWaitMs: 60_000 });
    expect(answers.length).toBe(1);
  });

  test('serve every partition in turn when one alone would fill the answer', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 3);
    for (const partition of [0, 1, 2]) publish(world, 0, queue, ['0123456789'], new Collector(), partition);
    await world.rest();
    const read = new Set<number>();
    for (let round = 0; round < 3; round++) {
      const { answers } = poll(world, queue, 0, { maxBytes: 1, minBytes: 1, maxWaitMs: 0 }, [0, 0, 0]);
      expect(answers[0]!.map(({ partition }) => partition)).toEqual([0, 1, 2]);
      for (const { partition, batches } of answers[0]!) if (batches.length > 0) read.add(partition);
    }
    expect([...read].sort()).toEqual([0, 1, 2]);
  });

  test('end with their topic, also when its slot belongs to another at once', async () => {
    const world = await BrokerWorld.start(2);
    const queue = await world.declare('orders', 1);
    const polls = [0, 1].map((shard) => poll(world, queue, shard, { maxBytes: 1000, minBytes: 1, maxWaitMs: 60_000 }));
    world.delete(queue, GONE);
    const next = await world.declare('next', 1);
    expect(next.partitions[0]!.slot).toBe(queue.partitions[0]!.slot);
    publish(world, 0, next, ['a'], new Collector());
    await world.clock.advanceAsync(100);
    for (const { answers } of polls) {
      expect(answers.map(([part]) => part!.error?.code)).toEqual(['not-found']);
    }
  });

  test('one that is given up while another is answered stays silent', async () => {
    const world = await BrokerWorld.start(1);
    const queue = await world.declare('orders', 1);
    const limits = { maxBytes: 1000, minBytes: 1, maxWaitMs: 60_000 };
    const silent: unknown[] = [];
    const { broker } = world.shards[0]!;
    let give = (): void => undefined;
    const positions = [{ partition: 0, offset: 0 }];
    broker.fetch(queue, positions, limits, () => give());
    give = broker.fetch(queue, positions, limits, (fetched) => silent.push(fetched));
    publish(world, 0, queue, ['a'], new Collector());
    await world.clock.advanceAsync(100);
    expect(silent).toEqual([]);
  });
});

describe('followers', () => {
  test('get every partition in order, also when they pause and seek', async () => {
    const world = await BrokerWorld.start(2);
    const topic = await world.declare('live', 3, { kind: 'topic' });
    const seen: string[] = [];
    let isOpen = true;
    const positions = [0, 1, 2].map((partition) => ({ partition, offset: 0 }));
    const handle = world.shards[1]!.broker.follow(topic, positions, {
      batches: ({ partition, batches }) => {
        seen.push(...recordsOf(batches).map(({ value }) => `${partition}${value}`));
        return isOpen;
      },
      closed: () => seen.push('closed'),
    });
    for (const value of ['a', 'b']) {
      for (const partition of [0, 1, 2]) publish(world, 0, topic, [value], new Collector(), partition);
      await world.rest();
    }
    expect([...seen].sort()).toEqual(['0a', '0b', '1a', '1b', '2a', '2b']);
    for (const partition of [0, 1, 2]) {
      expect(seen.filter((text) => text.startsWith(`${partition}`))).toEqual([`${partition}a`, `${partition}b`]);
    }
    isOpen = false;
    for (const partition of [0, 1, 2]) publish(world, 0, topic, ['c'], new Collector(), partition);
    await world.rest();
    expect(seen.length).toBe(7);
    isOpen = true;
    handle.resume();
    await world.rest();
    expect(seen.length).toBe(9);
    handle.seek([{ partition: 1, offset: 2 }]);
    await world.rest();
    expect(seen.slice(9)).toEqual(['1c']);
    world.delete(topic, GONE);
    await world.rest();
    expect(seen.at(-1)).toBe('closed');
  });

  test('many that catch up share the turns', async () => {
    const world = await BrokerWorld.start(1);
    const topic = await world.declare('live', 1, { kind: 'topic' });
    publish(world, 0, topic, ['a'], new Collector());
    await world.rest();
    let read = 0;
    for (let count = 0; count < 200; count++) {
      world.shards[0]!.broker.follow(topic, [{ partition: 0, offset: 0 }], {
        batches: () => {
          read++;
          return true;
        },
        closed: () => undefined,
      });
    }
    world.clock.runImmediates();
    expect(read).toBeLessThan(200);
    await world.rest();
    expect(read).toBe(200);
  });
});

import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/prng.js';
import { DurabilityLevel, type QueueConsumer, SettleOutcome } from '../../../src/broker/ports.js';
import { SimulatedDisk } from '../../../src/io/disk/simulated-disk.js';
import { listener } from './publishers.js';
import { readLog, textOf } from './read-log.js';
import { SimulatedNode } from './simulated-node.js';

const QUEUE = { name: 'orders', partitions: 1, settings: { kind: 'queue' as const, segmentBytes: 16 * 1024 } };

/** A byte of the second message's value: a batch of one message of three bytes has 71. */
const MIDDLE_OF_TWO = 139;

/** The magic byte in the header of the second message's batch. */
const HEADER_OF_TWO = 71 + 16;

/** One queue on a disk, whose node is started and ended at will. */
class Scene {
  readonly disk = new SimulatedDisk({ directories: ['/data'] });
  node!: SimulatedNode;
  private startMs = 1_700_000_000_000;

  async start(): Promise<SimulatedNode> {
    this.startMs += 1000;
    this.node = await SimulatedNode.start({
      disk: this.disk,
      limits: {
        journalAreaBytes: 64 * 1024,
        changeMaxBytes: 8 * 1024,
        journalCopyMaxBytes: 4 * 1024,
        smallCopyMaxBytes: 0,
      },
      startMs: this.startMs,
      isDead: () => false,
    });
    return this.node;
  }

  async declare(): Promise<void> {
    const { node } = this;
    await node.settle(node.control.declare({ ...QUEUE, passive: false, start: { at: 'beginning' } }));
  }

  /** Publishes each value as a batch of its own; resolves with the codes of what was refused. */
  async publish(values: readonly string[], level: DurabilityLevel = DurabilityLevel.disk): Promise<string[]> {
    const refused: string[] = [];
    const topic = this.node.broker.topic(QUEUE.name)!;
    for (const value of values) {
      await this.node.settle(
        new Promise<void>((resolve) => {
          const messages = [{ key: null, value: new TextEncoder().encode(value), headers: [], timestampMs: 1 }];
          const outcome = listener(
            () => resolve(),
            (code) => {
              refused.push(code);
              resolve();
            },
          );
          this.node.broker.publishMessages(topic, 0, messages, level, undefined, 1, outcome);
        }),
      );
    }
    return refused;
  }

  /** What a consumer gets who takes everything; it acknowledges what `isDone` says. */
  async consume(isDone: (value: string) => boolean = () => false): Promise<string[]> {
    const { broker, clock } = this.node;
    const values: string[] = [];
    const done: number[] = [];
    const consumer: QueueConsumer = {
      deliver: (_partition, record) => {
        const value = textOf(record.value);
        values.push(value);
        if (isDone(value)) done.push(record.offset);
      },
      flush: () => {},
      closed: (error) => values.push(`closed: ${error.code}`),
    };
    const handle = broker.consume(broker.topic(QUEUE.name)!, { automaticAck: false, credit: 1000 }, consumer);
    await clock.advanceAsync(200);
    handle.settle(0, done, SettleOutcome.acknowledge);
    handle.cancel();
    await clock.advanceAsync(200);
    return values;
  }

  /** Flips a bit of the log's first segment. */
  flip(position: number): void {
    const file = this.disk.open('/data/logs/1/00000000000000000000.log', 'write');
    const byte = new Uint8Array(1);
    file.read(byte, position);
    byte[0]! ^= 4;
    file.write(byte, position);
    file.close();
  }
}

async function withFive(): Promise<Scene> {
  const scene = new Scene();
  await scene.start();
  await scene.declare();
  await scene.publish(['one', 'two', 'three', 'four', 'five']);
  return scene;
}

describe('a node of one shard', () => {
  it('delivers on after it has lost power twice with nothing published in between', async () => {
    const scene = await withFive();
    for (let seed = 1; seed <= 2; seed++) {
      scene.disk.crash(new Prng(seed));
      await scene.start();
    }
    expect(await scene.consume()).toEqual(['one', 'two', 'three', 'four', 'five']);
    await scene.publish(['six']);
    expect(await scene.consume()).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
  });

  it('never takes a new message for the acknowledged one that was lost at its offset', async () => {
    const scene = await withFive();
    await scene.publish(['lost'], DurabilityLevel.memory);
    expect(await scene.consume((value) => value === 'lost')).toContain('lost');
    scene.disk.crash(new Prng(3));
    await scene.start();
    await scene.publish(['new']);
    expect(await scene.consume()).toContain('new');
  });

  it('reports a flipped bit in the middle of a queue, quarantines it, and delivers the rest', async () => {
    const scene = await withFive();
    // The durable position is noted now and then, and when nothing is going on.
    await scene.node.clock.advanceAsync(2000);
    scene.flip(MIDDLE_OF_TWO);
    scene.disk.killProcess();
    const node = await scene.start();
    expect(node.warnings.join()).toMatch(/lost offsets 1 to 1/);
    expect(scene.disk.list('/data/logs/1').join()).toContain('.quarantine');
    expect(await scene.consume()).toEqual(['one', 'three', 'four', 'five']);
    expect(await scene.publish(['six'])).toEqual([]);
    expect(await scene.consume()).toEqual(['one', 'three', 'four', 'five', 'six']);
  });

  it('keeps serving when the header of a stored batch turns bad while it runs', async () => {
    const scene = await withFive();
    await scene.node.close();
    await scene.start();
    scene.flip(HEADER_OF_TWO);
    expect(await scene.publish(['six'])).toEqual([]);
    const values = await scene.consume();
    expect(values[0]).toBe('one');
    expect(values[1]).toMatch(/^closed: /);
    // Whatever this log answers, the node goes on.
    expect((await scene.publish(['seven'])).length).toBeLessThanOrEqual(1);
  });

  it('refuses what a full disk cannot take, in the middle of a batch, and serves on when there is room', async () => {
    const scene = await withFive();
    scene.disk.setCapacity(scene.disk.totalBytes('/data') - scene.disk.freeBytes('/data') + 512);
    expect(await scene.publish(['x'.repeat(4000)])).toEqual(['no-space']);
    scene.disk.setCapacity(2 ** 40);
    expect(await scene.publish(['six'])).toEqual([]);
    scene.disk.crash(new Prng(5));
    await scene.start();
    expect(readLog(scene.node, 1, 0).map(({ value }) => value)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
  });

  it.each([1, 2, 3])(
    'confirms nothing from the %i. sync on that fails, and keeps all that it had confirmed',
    async (nth) => {
      const scene = await withFive();
      scene.disk.inject({
        operation: 'sync',
        path: /\/data\/logs\//,
        nth,
        times: Number.POSITIVE_INFINITY,
        effect: { errno: 'EIO' },
      });
      const refused = await scene.publish(['six', 'seven', 'eight', 'nine']);
      expect(refused.length).toBe(4 - (nth - 1));
      expect(new Set(refused)).toEqual(new Set(['log-offline']));
      scene.disk.clearFaults();
      scene.disk.crash(new Prng(nth));
      await scene.start();
      const kept = ['one', 'two', 'three', 'four', 'five', 'six', 'seven'].slice(0, 5 + nth - 1);
      expect(
        readLog(scene.node, 1, 0)
          .map(({ value }) => value)
          .slice(0, kept.length),
      ).toEqual(kept);
      expect(await scene.publish(['ten'])).toEqual([]);
    },
  );

  it('does not believe bytes that a failed sync left in the page cache when the process comes back', async () => {
    const scene = await withFive();
    scene.disk.inject({ operation: 'sync', path: /\.log$/, times: Number.POSITIVE_INFINITY, effect: { errno: 'EIO' } });
    // Several sectors, which what comes next does not share.
    await scene.publish(['x'.repeat(3000)]);
    scene.disk.clearFaults();
    scene.disk.killProcess();
    await scene.start();
    const before = readLog(scene.node, 1, 0);
    await scene.publish(['seven']);
    scene.disk.crash(new Prng(9));
    const node = await scene.start();
    expect(node.warnings).toEqual([]);
    expect(readLog(scene.node, 1, 0).slice(0, before.length)).toEqual(before);
  });

  it('does not believe metadata that a failed sync left in the page cache when the process comes back', async () => {
    const scene = new Scene();
    await scene.start();
    scene.disk.inject({
      operation: 'sync',
      path: /metadata/,
      times: Number.POSITIVE_INFINITY,
      effect: { errno: 'EIO' },
    });
    await expect(scene.declare()).rejects.toThrow(/metadata log/);
    scene.disk.clearFaults();
    scene.disk.killProcess();
    const isThere = (await scene.start()).catalog.topic(QUEUE.name) !== undefined;
    expect(isThere).toBe(true);
    scene.disk.crash(new Prng(1));
    expect((await scene.start()).catalog.topic(QUEUE.name)).toBeDefined();
  });

  it.each([
    ['starts beside a journal that lost power while it was made', 0, true],
    ['refuses a journal that was in use and lost its header', 1, false],
  ])('%s', async (_name, recordByte, mayStart) => {
    const scene = await withFive();
    await scene.node.close();
    const file = scene.disk.open('/data/journals/999999.journal', 'create');
    file.write(new Uint8Array(128 * 1024), 0);
    file.write(new Uint8Array([68, 1, 2]), 0);
    file.write(new Uint8Array([recordByte]), 100_000);
    file.syncNow();
    file.close();
    const started = scene.start();
    if (mayStart) expect((await started).catalog.topic(QUEUE.name)).toBeDefined();
    else await expect(started).rejects.toThrow(/its header is damaged/);
  });
});

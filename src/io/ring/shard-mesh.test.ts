import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { minimumMeshBytes, planMeshBudget } from './budget.js';
import { InThreadDoorbells } from './doorbell.js';
import type { InboundMessage } from './inbound-message.js';
import { createMeshLayout } from './mesh-layout.js';
import { OverflowQueue } from './overflow-queue.js';
import { freePartitionRow } from './partition-table.js';
import { REFUSED } from './peer-channel.js';
import { type MeshSchedule, type ShardHandlers, ShardMesh } from './shard-mesh.js';

const KIB = 1024;
const MIB = 1024 * KIB;
const SLOTS = 1024;

/** Pending callbacks of all shards; `order` picks the next one, so that a test decides how the shards interleave. */
class Turns {
  readonly pending: (() => void)[] = [];
  ran = 0;
  readonly schedule: MeshSchedule = {
    nextTurn: (callback) => void this.pending.push(callback),
    endOfTurn: (callback) => void this.pending.push(callback),
    idleTurns: 1,
  };

  /** Runs callbacks until none is left: every shard is asleep then. */
  settle(order: () => number = () => 0, limit = 20_000): void {
    while (this.pending.length > 0) {
      const [callback] = this.pending.splice(order() % this.pending.length, 1);
      callback!();
      if (++this.ran > limit) throw new Error('The shards do not come to rest');
    }
  }
}

interface TestShard {
  mesh: ShardMesh;
  handlers: ShardHandlers;
}

const open: ShardMesh[] = [];
afterEach(() => {
  for (const mesh of open.splice(0)) mesh.close();
});

function quiet(): ShardHandlers {
  return { onRequest: () => undefined, onNotice: () => undefined, onReply: () => undefined, onDirty: () => undefined };
}

function startShards(count: number, turns: Turns, totalBytes = 0, maxBodyBytes = 16 * KIB): TestShard[] {
  const least = minimumMeshBytes(count, maxBodyBytes);
  const layout = createMeshLayout(planMeshBudget(count, Math.max(least, totalBytes), maxBodyBytes), SLOTS);
  const doorbells = InThreadDoorbells.create(count, turns.schedule.nextTurn);
  return doorbells.map((bells, self) => {
    const handlers = quiet();
    const mesh = ShardMesh.attach(layout, self, bells, handlers, turns.schedule);
    open.push(mesh);
    mesh.start();
    return { mesh, handlers };
  });
}

function text(value: string): [number, (bytes: Buffer, start: number) => void] {
  return [value.length, (bytes, start) => void bytes.write(value, start, 'latin1')];
}

/** Requests to one peer with an overflow queue and one source that pauses, as a broker would use it. */
class Requester {
  readonly queue: OverflowQueue<number>;
  readonly answered: number[] = [];
  readonly expected = new Map<number, number>();
  mostWaiting = 0;
  private next = 0;
  private readonly total: number;

  constructor(shard: TestShard, peer: number, total: number, size: (index: number) => number, bodyBytes = 0) {
    this.total = total;
    const channel = shard.mesh.channel(peer);
    this.queue = new OverflowQueue<number>({
      maxItems: 4,
      sizeOf: () => 1,
      trySend: (index) => {
        const body = bodyBytes > 0 ? Buffer.alloc(bodyBytes, index + 1) : null;
        const correlation = channel.request(
          1,
          size(index),
          size(index),
          (bytes, start, end) => bytes.fill(index, start, end),
          body,
        );
        if (correlation !== REFUSED) this.expected.set(correlation, index);
        return correlation !== REFUSED;
      },
    });
    channel.onWritable(() => this.queue.flush());
    shard.handlers.onReply = (message) => {
      const index = this.expected.get(message.correlation)!;
      this.expected.delete(message.correlation);
      expect(message.copyContent().equals(Buffer.alloc(size(index), index))).toBe(true);
      this.answered.push(index);
    };
  }

  readonly produce = (): void => {
    while (this.next < this.total) {
      const outcome = this.queue.send(this.next);
      this.mostWaiting = Math.max(this.mostWaiting, this.queue.waitingItems);
      if (outcome !== 'full') this.next++;
      if (outcome !== 'sent') return this.queue.whenWritable(this.produce);
    }
  };
}

/** Answers every request with its own content. */
function echo(shard: TestShard): (message: InboundMessage) => void {
  return (message) => {
    const content = message.copyContent();
    shard.mesh
      .channel(message.from)
      .reply(message.correlation, 2, content.length, (bytes, start) => void content.copy(bytes, start));
  };
}

const range = (count: number): number[] => [...Array(count).keys()];

describe('shard mesh', () => {
  it('carries requests, replies, notices and large bodies between any two shards', () => {
    const turns = new Turns();
    const shards = startShards(3, turns);
    const seen: string[] = [];
    for (const shard of shards) {
      const note = (what: string) => (message: InboundMessage) => {
        const body = message.body ? `+${message.body.length}×${message.body[0]}` : '';
        seen.push(`${message.from}>${shard.mesh.self} ${what} ${message.kind} ${message.copyContent()}${body}`);
      };
      shard.handlers.onNotice = note('notice');
      shard.handlers.onReply = note('reply');
      shard.handlers.onRequest = (message) => {
        note('request')(message);
        shard.mesh.channel(message.from).reply(message.correlation, 9, ...text('yes'), Buffer.alloc(3 * KIB, 8));
      };
    }
    shards[0]!.mesh.channel(1).request(3, ...([5, 3] as const), text('hello')[1], Buffer.alloc(16 * KIB, 7));
    shards[2]!.mesh.channel(0).notify(4, ...text('psst'));
    turns.settle();
    expect(seen.sort()).toEqual(['0>1 request 3 hello+16384×7', `1>0 reply 9 yes+${3 * KIB}×8`, '2>0 notice 4 psst']);
    for (const shard of shards) expect(shard.mesh.arenaUsedBytes).toBe(0);
  });

  it('answers later, and lets a body be kept until then', () => {
    const turns = new Turns();
    const [asker, answerer] = startShards(2, turns) as [TestShard, TestShard];
    const replies: string[] = [];
    asker.handlers.onReply = (message) => void replies.push(String(message.copyContent()));
    const later: (() => void)[] = [];
    answerer.handlers.onRequest = (message) => {
      const { from, correlation } = message;
      const body = message.keepBody();
      later.push(() => {
        expect(body.bytes.every((byte) => byte === 5)).toBe(true);
        body.release();
        answerer.mesh.channel(from).reply(correlation, 0, ...text('late'));
      });
    };
    asker.mesh.channel(1).request(0, 0, 4, () => undefined, Buffer.alloc(10 * KIB, 5));
    turns.settle();
    expect(asker.mesh.arenaUsedBytes).toBe(16 * KIB);
    later[0]!();
    turns.settle();
    expect([replies, asker.mesh.arenaUsedBytes]).toEqual([['late'], 0]);
  });

  it('comes to rest when there is nothing to do, and wakes for one message', () => {
    const turns = new Turns();
    const [left, right] = startShards(2, turns) as [TestShard, TestShard];
    turns.settle();
    const before = turns.ran;
    let notices = 0;
    right.handlers.onNotice = () => void notices++;
    for (let count = 0; count < 10; count++) left.mesh.channel(1).notify(0, 0, () => undefined);
    turns.settle();
    expect(notices).toBe(10);
    // One flush, one doorbell, and the idle turns of the shard that was woken.
    expect(turns.ran - before).toBeLessThan(6);
  });

  it('is no deadlock when both directions are full, whatever the order of turns', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(1000)), fc.infiniteStream(fc.nat(15 * KIB)), (orders, sizes) => {
        const turns = new Turns();
        const shards = startShards(2, turns);
        const sizeOf = [...sizes.take(150)];
        const requesters = shards.map((shard, self) => {
          shard.handlers.onRequest = echo(shard);
          return new Requester(shard, 1 - self, 150, (index) => sizeOf[index]!);
        });
        for (const requester of requesters) requester.produce();
        turns.settle(() => orders.next().value);
        for (const requester of requesters) {
          expect(requester.answered).toEqual(range(150));
          expect(requester.mostWaiting).toBeLessThanOrEqual(4);
        }
        for (const { mesh } of shards) {
          const peer = mesh.channel(1 - mesh.self);
          expect(peer.occupancy()).toEqual({
            requestBytes: 0,
            replyBytes: 0,
            reservedBytes: 0,
            outstanding: 0,
            owed: 0,
          });
        }
      }),
      { numRuns: 60 },
    );
  });

  it('has room for every reply that was asked for, even if all are written at once, wherever the lane wraps', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(15 * KIB)), (sizes) => {
        const turns = new Turns();
        const [asker, answerer] = startShards(2, turns) as [TestShard, TestShard];
        const sizeOf = [...sizes.take(120)];
        const channel = asker.mesh.channel(1);
        const owed: [correlation: number, replyBytes: number][] = [];
        answerer.handlers.onRequest = (message) => void owed.push([message.correlation, message.replyBytes]);
        const answered: number[] = [];
        asker.handlers.onReply = (message) => void answered.push(message.end - message.start);
        const queue = new OverflowQueue<number>({
          sizeOf: () => 1,
          trySend: (index) => channel.request(0, 0, sizeOf[index]!, () => undefined) !== REFUSED,
        });
        channel.onWritable(() => queue.flush());
        for (const index of range(120)) queue.send(index);
        turns.settle();
        while (owed.length > 0) {
          for (const [correlation, replyBytes] of owed.splice(0)) {
            expect(answerer.mesh.channel(0).reply(correlation, 0, replyBytes, () => undefined)).toBe(true);
          }
          turns.settle();
        }
        expect(answered).toEqual(sizeOf);
      }),
      { numRuns: 40 },
    );
  });

  it('loses no wish for room: notices that filled the lane go on when the peer has taken some', () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.nat(1000)), (orders) => {
        const turns = new Turns();
        const [left, right] = startShards(2, turns) as [TestShard, TestShard];
        const seen: number[] = [];
        right.handlers.onNotice = (message) => void seen.push(message.bytes.readUInt32LE(message.start));
        const channel = left.mesh.channel(1);
        const queue = new OverflowQueue<number>({
          sizeOf: () => 1,
          trySend: (index) => channel.notify(0, 12 * KIB, (bytes, start) => void bytes.writeUInt32LE(index, start)),
        });
        channel.onWritable(() => queue.flush());
        for (const index of range(100)) queue.send(index);
        turns.settle(() => orders.next().value);
        expect(seen).toEqual(range(100));
      }),
      { numRuns: 50 },
    );
  });

  it('sends 16 MiB bodies through the smallest rings past a stalled shard: bounded, complete, in order', () => {
    const turns = new Turns();
    const shards = startShards(3, turns, 0, 16 * MIB) as [TestShard, TestShard, TestShard];
    const held: (() => void)[] = [];
    let stalled = true;
    const bodies: number[] = [];
    shards[1].handlers.onRequest = (message) => {
      const { from, correlation, body } = message;
      expect(body?.length).toBe(16 * MIB);
      bodies.push(body![0]!);
      const kept = message.keepBody();
      const finish = (): void => {
        kept.release();
        shards[1].mesh
          .channel(from)
          .reply(correlation, 0, 4, (bytes, start) => bytes.fill(bodies.length - 1, start, start + 4));
      };
      if (stalled) held.push(finish);
      else finish();
    };
    const large = new Requester(shards[0], 1, 10, () => 4, 16 * MIB);
    shards[0].handlers.onReply = (message) => {
      large.expected.delete(message.correlation);
      large.answered.push(message.bytes[message.start]!);
    };
    large.produce();
    turns.settle();
    expect([held.length, large.queue.waitingItems, shards[0].mesh.arenaUsedBytes]).toEqual([1, 1, 16 * MIB]);
    // Small messages to others are not held up.
    shards[2].handlers.onRequest = echo(shards[2]);
    shards[0].mesh.channel(2).request(0, 4, 4, (bytes, start) => bytes.fill(99, start, start + 4));
    turns.settle();
    expect(large.answered).toEqual([99]);
    stalled = false;
    held[0]!();
    turns.settle();
    expect(bodies).toEqual(range(10).map((index) => index + 1));
    expect(large.answered).toEqual([99, ...range(10)]);
    expect(large.mostWaiting).toBeLessThanOrEqual(4);
  });

  it('tells only the interested shards of a changed partition, itself included', () => {
    const turns = new Turns();
    const shards = startShards(3, turns) as [TestShard, TestShard, TestShard];
    const seen: string[] = [];
    for (const { mesh, handlers } of shards) {
      handlers.onDirty = (slot) =>
        void seen.push(`${mesh.self}: ${slot} ends at ${mesh.partitionTable.read(slot, freePartitionRow()).logEnd}`);
    }
    shards[0].mesh.setInterest(40, true);
    shards[2].mesh.setInterest(40, true);
    turns.settle();
    const row = { ...freePartitionRow(), logId: 1, ownerShard: 0 };
    for (const logEnd of [5, 6, 7]) shards[0].mesh.publishPartition(40, { ...row, logEnd });
    shards[0].mesh.publishPartition(41, row);
    turns.settle();
    expect(seen.sort()).toEqual(['0: 40 ends at 7', '2: 40 ends at 7']);
    shards[2].mesh.setInterest(40, false);
    shards[0].mesh.publishPartition(40, row);
    turns.settle();
    expect(seen).toHaveLength(3);
  });

  it('bounds what one turn hands over', () => {
    const turns = new Turns();
    const [left, right] = startShards(2, turns, 64 * MIB) as [TestShard, TestShard];
    turns.settle();
    let inTurn = 0;
    let most = 0;
    right.handlers.onNotice = () => {
      most = Math.max(most, ++inTurn);
    };
    right.handlers.onTurnEnd = () => {
      inTurn = 0;
    };
    for (let count = 0; count < 2000; count++) expect(left.mesh.channel(1).notify(0, 8, () => undefined)).toBe(true);
    turns.settle();
    expect(most).toBe(256);
  });

  it('works alone', () => {
    const turns = new Turns();
    const [only] = startShards(1, turns) as [TestShard];
    const seen: number[] = [];
    only.handlers.onDirty = (slot) => void seen.push(slot);
    only.mesh.setInterest(3, true);
    turns.settle();
    only.mesh.publishPartition(3, freePartitionRow());
    turns.settle();
    expect(seen).toEqual([3]);
    expect(() => only.mesh.channel(0)).toThrow('no channel');
  });

  it('runs on the real event loop, too', async () => {
    const layout = createMeshLayout(planMeshBudget(2, 8 * MIB, MIB), SLOTS);
    const bells = InThreadDoorbells.create(2);
    const handlers = [quiet(), quiet()] as const;
    const meshes = bells.map((bell, self) => ShardMesh.attach(layout, self, bell, handlers[self]!));
    open.push(...meshes);
    for (const mesh of meshes) mesh.start();
    handlers[1].onRequest = (message) => meshes[1]!.channel(0).reply(message.correlation, 0, 0, () => undefined);
    for (const pauseMs of [0, 1, 20]) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await new Promise<void>((resolve) => {
        handlers[0].onReply = () => resolve();
        expect(meshes[0]!.channel(1).request(0, 0, 0, () => undefined)).not.toBe(REFUSED);
      });
    }
  });
});

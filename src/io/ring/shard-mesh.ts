import { assert } from '../../base/assert.js';
import { ArenaOwner, ArenaReader } from './arena.js';
import { DirtyBitmap } from './dirty-bitmap.js';
import type { Doorbells } from './doorbell.js';
import { ASLEEP_STRIDE_WORDS, ROW_INTEREST_WORDS } from './layout.js';
import { DIRTY_SLOTS_PER_TURN, FRAMES_PER_LANE_AND_TURN, IDLE_TURNS_BEFORE_SLEEP } from './limits.js';
import type { MeshLayout } from './mesh-layout.js';
import { type PartitionRow, PartitionTable } from './partition-table.js';
import { type MessageHandlers, PeerChannel } from './peer-channel.js';

/** What a shard does with what reaches it. */
export interface ShardHandlers extends MessageHandlers {
  /** A slot that this shard has declared its interest in has changed, once or more often: read the row. */
  onDirty(slot: number): void;
  /** The end of a turn in which something arrived: the place for what is done once per turn. What it sends still leaves in this turn. */
  onTurnEnd?(): void;
}

/** How a shard's turns are scheduled; a simulator passes its own. */
export interface MeshSchedule {
  /** Runs a callback in a later turn of the event loop. */
  nextTurn(callback: () => void): void;
  /** Runs a callback before the thread goes back to its event loop. */
  endOfTurn(callback: () => void): void;
  /** Turns without work before the shard sleeps. */
  readonly idleTurns: number;
}

const EVENT_LOOP: MeshSchedule = {
  nextTurn: setImmediate,
  endOfTurn: queueMicrotask,
  idleTurns: IDLE_TURNS_BEFORE_SLEEP,
};

/**
 * A shard's end of the shared memory: channels to the other shards, the partition table, and the loop that works on what arrives. It shares the
 * event loop with sockets and timers: each turn does a bounded amount, and a shard without work sleeps until its doorbell rings.
 */
export class ShardMesh {
  readonly self: number;
  readonly shards: number;
  /** Where partitions publish their state; write through `publishPartition`. */
  readonly partitionTable: PartitionTable;
  private readonly asleep: Int32Array;
  private readonly dirty: readonly DirtyBitmap[];
  private readonly arena: ArenaOwner;
  private readonly channels: readonly (PeerChannel | null)[];
  private readonly peers: readonly PeerChannel[];
  private readonly doorbells: Doorbells;
  private readonly handlers: ShardHandlers;
  private readonly schedule: MeshSchedule;
  private isFlushScheduled = false;
  private isTurnScheduled = false;
  private isPolling = false;
  private isClosed = false;
  private idleTurns = 0;

  private constructor(
    layout: MeshLayout,
    self: number,
    doorbells: Doorbells,
    handlers: ShardHandlers,
    schedule: MeshSchedule,
  ) {
    this.self = self;
    this.shards = layout.budget.shards;
    this.partitionTable = new PartitionTable(layout.table);
    this.asleep = new Int32Array(layout.control);
    this.dirty = layout.dirty.map((buffer) => new DirtyBitmap(buffer, layout.slots));
    this.arena = new ArenaOwner(layout.arenas[self]!, layout.budget.arenaGranules);
    this.doorbells = doorbells;
    this.handlers = handlers;
    this.schedule = schedule;
    this.channels = layout.pairs.map((_, peer) => (peer === self ? null : this.openChannel(layout, peer)));
    this.peers = this.channels.filter((channel) => channel !== null);
  }

  /**
   * Takes shard `self`'s place in the mesh. Each shard attaches once. Nothing is handed over before `start`, but frames may already be sent.
   */
  static attach(
    layout: MeshLayout,
    self: number,
    doorbells: Doorbells,
    handlers: ShardHandlers,
    schedule: MeshSchedule = EVENT_LOOP,
  ): ShardMesh {
    assert(self >= 0 && self < layout.budget.shards, `There is no shard ${self} in a mesh of ${layout.budget.shards}`);
    return new ShardMesh(layout, self, doorbells, handlers, schedule);
  }

  /** Begins to work on what arrives. */
  start(): void {
    this.doorbells.onRing(this.runTurn);
    this.scheduleTurn();
  }

  /** Stops, and lets the thread end. What has arrived and was not handed over stays where it is. */
  close(): void {
    this.isClosed = true;
    Atomics.store(this.asleep, this.self * ASLEEP_STRIDE_WORDS, 0);
    this.doorbells.close();
  }

  /** The way to another shard. @throws BugError for this shard itself: call directly. */
  channel(peer: number): PeerChannel {
    const channel = this.channels[peer];
    assert(channel, `Shard ${this.self} has no channel to ${peer}`);
    return channel;
  }

  /** Publishes the state of a partition that this shard owns, and tells the shards that are interested in it. */
  publishPartition(slot: number, row: Readonly<PartitionRow>): void {
    this.partitionTable.write(slot, row);
    this.markDirty(slot);
  }

  /** Tells the shards that are interested in this slot that it has changed; this shard too, if it has declared interest. */
  markDirty(slot: number): void {
    for (let half = 0; half < ROW_INTEREST_WORDS; half++) {
      let bits = this.partitionTable.interestBits(slot, half);
      while (bits !== 0) {
        const shard = half * 32 + 31 - Math.clz32(bits & -bits);
        bits &= bits - 1;
        if (this.dirty[shard]!.mark(slot)) this.wake(shard);
      }
    }
  }

  /** Declares whether this shard's `onDirty` is to hear of a slot. Read the row after declaring interest. */
  setInterest(slot: number, interested: boolean): void {
    this.partitionTable.setInterest(slot, this.self, interested);
  }

  /** Works on what has arrived, up to a limit, and sends what that produced. Returns whether there was anything. */
  poll(): boolean {
    assert(!this.isPolling, 'A shard polls from within its own turn');
    this.isPolling = true;
    try {
      this.arena.collect();
      let handled = 0;
      for (const channel of this.peers) handled += channel.drain(FRAMES_PER_LANE_AND_TURN);
      for (const channel of this.peers) channel.retry();
      handled += this.dirty[this.self]!.take(this.onDirty, DIRTY_SLOTS_PER_TURN);
      if (handled > 0) this.handlers.onTurnEnd?.();
      return handled > 0;
    } finally {
      this.isPolling = false;
      this.flush();
    }
  }

  /** Sends everything written so far. Happens by itself at the end of a turn. */
  flush(): void {
    for (const channel of this.peers) channel.flush();
  }

  /** Bytes of this shard's arena that are in use, for metrics. */
  get arenaUsedBytes(): number {
    return this.arena.usedBytes;
  }

  private openChannel(layout: MeshLayout, peer: number): PeerChannel {
    const { laneBytes, inlineLimit, arenaGranules } = layout.budget;
    return new PeerChannel(peer, {
      laneBytes,
      inlineLimit,
      outgoing: layout.pairs[this.self]![peer]!,
      incoming: layout.pairs[peer]![this.self]!,
      ownArena: this.arena,
      peerArena: new ArenaReader(layout.arenas[peer]!, arenaGranules),
      handlers: this.handlers,
      wakePeer: () => this.wake(peer),
      flushLater: this.flushLater,
    });
  }

  private readonly onDirty = (slot: number): void => this.handlers.onDirty(slot);

  private readonly flushLater = (): void => {
    // A poll ends with a flush anyway.
    if (this.isFlushScheduled || this.isPolling) return;
    this.isFlushScheduled = true;
    this.schedule.endOfTurn(this.runFlush);
  };

  private readonly runFlush = (): void => {
    this.isFlushScheduled = false;
    this.flush();
  };

  // The work that the wake is for is visible before this looks at the flag (docs/formats/ring.md, "Sleeping").
  private wake(shard: number): void {
    if (!this.takeAsleep(shard)) return;
    if (shard === this.self) this.scheduleTurn();
    else this.doorbells.ring(shard);
  }

  private takeAsleep(shard: number): boolean {
    const word = shard * ASLEEP_STRIDE_WORDS;
    return Atomics.load(this.asleep, word) === 1 && Atomics.compareExchange(this.asleep, word, 1, 0) === 1;
  }

  private scheduleTurn(): void {
    if (this.isTurnScheduled || this.isClosed) return;
    this.isTurnScheduled = true;
    this.idleTurns = 0;
    this.schedule.nextTurn(this.runScheduledTurn);
  }

  private readonly runScheduledTurn = (): void => {
    this.isTurnScheduled = false;
    this.runTurn();
  };

  private readonly runTurn = (): void => {
    if (this.isClosed || this.isTurnScheduled) return;
    const idleTurns = this.poll() ? 0 : this.idleTurns + 1;
    if (idleTurns > this.schedule.idleTurns) {
      this.fallAsleep();
    } else {
      this.scheduleTurn();
      this.idleTurns = idleTurns;
    }
  };

  private fallAsleep(): void {
    Atomics.store(this.asleep, this.self * ASLEEP_STRIDE_WORDS, 1);
    // Whoever takes the flag is responsible for the turn: if a peer was faster, its doorbell is on the way.
    if (this.hasWork() && this.takeAsleep(this.self)) this.scheduleTurn();
  }

  private hasWork(): boolean {
    return this.dirty[this.self]!.isPending() || this.peers.some((channel) => channel.hasWork());
  }
}

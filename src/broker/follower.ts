/**
 * Follows a topic live: hands new batches of every partition over, in offset order per partition, as fast as the follower takes them.
 */
import { StorageError } from '../storage/errors.js';
import { fromStorage } from './append-waiters.js';
import { nextBatchOffset } from './batch-walk.js';
import type { BrokerError } from './errors.js';
import { FOLLOW_READ_BYTES } from './limits.js';
import type { LogBoundsTable, LogFiles } from './log-views.js';
import type { BatchFollower, FollowHandle, PartitionPosition, TopicEntry } from './ports.js';
import type { SlotWatch } from './slot-watch.js';

/** What every follower of a shard shares. */
export interface FollowerContext {
  readonly table: LogBoundsTable;
  readonly files: LogFiles;
  readonly watch: SlotWatch;
  /** Runs `work` once at the end of this turn, or of the next when called during it. */
  later(work: () => void): void;
}

/** See the top of this file. */
export class TopicFollower implements FollowHandle {
  private readonly context: FollowerContext;
  private readonly topic: TopicEntry;
  private readonly follower: BatchFollower;
  private readonly positions = new Map<number, number>();
  private readonly partitions: readonly number[];
  /** Place in `partitions` of the one to be read next. */
  private nextIndex = 0;
  private readonly stopWatching: () => void;
  private readonly ended: () => void;
  private paused = false;
  private scheduled = false;
  private cancelled = false;

  constructor(
    context: FollowerContext,
    topic: TopicEntry,
    positions: readonly PartitionPosition[],
    follower: BatchFollower,
    ended: () => void,
  ) {
    this.ended = ended;
    this.context = context;
    this.topic = topic;
    this.follower = follower;
    for (const { partition, offset } of positions) this.positions.set(partition, offset);
    this.partitions = [...this.positions.keys()];
    const slots = positions.map((position) => topic.partitions[position.partition]!.slot);
    this.stopWatching = context.watch.add(slots, () => this.schedule());
    this.schedule();
  }

  resume(): void {
    this.paused = false;
    this.schedule();
  }

  seek(positions: readonly PartitionPosition[]): void {
    for (const { partition, offset } of positions) {
      if (this.positions.has(partition)) this.positions.set(partition, offset);
    }
    this.schedule();
  }

  cancel(): void {
    if (this.cancelled) return;
    this.cancelled = true;
    this.stopWatching();
    this.ended();
  }

  /** The topic is gone. */
  close(error: BrokerError): void {
    if (this.cancelled) return;
    this.cancel();
    this.follower.closed(error);
  }

  get topicId(): number {
    return this.topic.topicId;
  }

  private schedule(): void {
    if (this.scheduled || this.paused || this.cancelled) return;
    this.scheduled = true;
    this.context.later(() => {
      this.scheduled = false;
      if (this.cancelled || this.paused) return;
      if (this.advance()) this.schedule();
    });
  }

  /** Reads one share of a turn, going on with the partition behind the one that was read last. Returns whether there is more to read at once. */
  private advance(): boolean {
    const { length } = this.partitions;
    let bytes = 0;
    let more = false;
    for (let step = 0; step < length; step++) {
      if (bytes >= FOLLOW_READ_BYTES) return true;
      const partition = this.partitions[this.nextIndex]!;
      this.nextIndex = (this.nextIndex + 1) % length;
      bytes += this.advancePartition(partition);
      if (this.cancelled || this.paused) return false;
      more ||= this.isBehind(partition);
    }
    return more;
  }

  private isBehind(partition: number): boolean {
    return this.positions.get(partition)! < this.context.table.read(this.topic.partitions[partition]!.slot).end;
  }

  /** Reads on in one partition. Returns how many bytes there were. */
  private advancePartition(partition: number): number {
    const entry = this.topic.partitions[partition]!;
    const { logStart, end } = this.context.table.read(entry.slot);
    // Retention may have overtaken a paused follower: it goes on at the log's start, and sees the gap in the offsets.
    const offset = Math.max(this.positions.get(partition)!, logStart);
    if (offset >= end) return 0;
    try {
      const batches = this.context.files.read(entry.logId, entry.slot, offset, FOLLOW_READ_BYTES, end);
      const nextOffset = nextBatchOffset(batches, end);
      this.positions.set(partition, nextOffset);
      if (batches.length === 0) return 0;
      this.paused = !this.follower.batches({ partition, batches, nextOffset, logStart, end });
      return batches.length;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.failed(partition, offset, error);
      return 0;
    }
  }

  /** Damage whose end is known is passed over like any gap in the offsets; anything else ends the follower. */
  private failed(partition: number, offset: number, error: StorageError): void {
    if (error.resumeOffset > offset) this.positions.set(partition, error.resumeOffset);
    else this.close(fromStorage(error));
  }
}

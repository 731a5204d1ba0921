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

  /** One read per partition. Returns whether there is more to read at once. */
  private advance(): boolean {
    let more = false;
    for (const [partition, position] of this.positions) {
      if (this.cancelled || this.paused) return false;
      more = this.advancePartition(partition, position) || more;
    }
    return more;
  }

  private advancePartition(partition: number, position: number): boolean {
    const entry = this.topic.partitions[partition]!;
    const { logStart, end } = this.context.table.read(entry.slot);
    // Retention may have overtaken a paused follower: it goes on at the log's start, and sees the gap in the offsets.
    const offset = Math.max(position, logStart);
    if (offset >= end) return false;
    try {
      const batches = this.context.files.read(entry.logId, entry.slot, offset, FOLLOW_READ_BYTES, end);
      const nextOffset = nextBatchOffset(batches, end);
      this.positions.set(partition, nextOffset);
      if (batches.length > 0) {
        this.paused = !this.follower.batches({ partition, batches, nextOffset, logStart, end });
      }
      return nextOffset < end;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.close(fromStorage(error));
      return false;
    }
  }
}

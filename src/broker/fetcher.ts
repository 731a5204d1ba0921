/**
 * Pull: long polls over any number of partitions, served from the files by the session's own shard.
 */

import { copyOf } from '../base/copy.js';
import type { TimerHandle, Timers } from '../io/ports.js';
import { StorageError } from '../storage/errors.js';
import { fromStorage } from './append-waiters.js';
import { nextBatchOffset } from './batch-walk.js';
import { BrokerError } from './errors.js';
import { DEFAULT_FETCH_BYTES } from './limits.js';
import type { LogBoundsTable, LogFiles } from './log-views.js';
import type { FetchedBatches, PartitionEntry, PartitionPosition, TopicEntry } from './ports.js';
import type { SlotWatch } from './slot-watch.js';

/** Limits of one fetch; sizes in bytes. */
export interface FetchLimits {
  readonly maxBytes: number;
  readonly minBytes: number;
  readonly maxWaitMs: number;
}

interface Poll {
  readonly topic: TopicEntry;
  readonly positions: readonly PartitionPosition[];
  readonly limits: FetchLimits;
  readonly done: (fetched: readonly FetchedBatches[]) => void;
  timer: TimerHandle | undefined;
  stopWatching: (() => void) | undefined;
}

const NO_BYTES = new Uint8Array(0);

/** See the top of this file. */
export class Fetcher {
  private readonly table: LogBoundsTable;
  private readonly files: LogFiles;
  private readonly timers: Timers;
  private readonly watch: SlotWatch;

  constructor(table: LogBoundsTable, files: LogFiles, timers: Timers, watch: SlotWatch) {
    this.table = table;
    this.files = files;
    this.timers = timers;
    this.watch = watch;
  }

  /** Answers through `done` once, at once when enough is there. Returns a function that gives the wait up without an answer. */
  fetch(
    topic: TopicEntry,
    positions: readonly PartitionPosition[],
    limits: FetchLimits,
    done: (fetched: readonly FetchedBatches[]) => void,
  ): () => void {
    const poll: Poll = { topic, positions, limits, done, timer: undefined, stopWatching: undefined };
    if (this.answerIfEnough(poll, limits.maxWaitMs <= 0)) return () => {};
    poll.timer = this.timers.setTimeout(() => this.finish(poll), limits.maxWaitMs);
    const slots = positions.map((position) => topic.partitions[position.partition]?.slot ?? -1);
    poll.stopWatching = this.watch.add(slots, () => {
      if (this.answerIfEnough(poll, false)) this.stop(poll);
    });
    return () => this.stop(poll);
  }

  private finish(poll: Poll): void {
    poll.timer = undefined;
    this.stop(poll);
    this.answerIfEnough(poll, true);
  }

  private stop(poll: Poll): void {
    if (poll.timer !== undefined) this.timers.clearTimeout(poll.timer);
    poll.timer = undefined;
    poll.stopWatching?.();
    poll.stopWatching = undefined;
  }

  private answerIfEnough(poll: Poll, anyway: boolean): boolean {
    const maxBytes = poll.limits.maxBytes || DEFAULT_FETCH_BYTES;
    const fetched: FetchedBatches[] = [];
    let total = 0;
    let failed = false;
    for (const position of poll.positions) {
      const entry = poll.topic.partitions[position.partition];
      const part = this.readPartition(poll.topic, entry, position, maxBytes - total);
      failed ||= part.error !== undefined;
      total += part.batches.length;
      // The files' view is valid until their next read, so with several partitions each answer needs bytes of its own.
      fetched.push(poll.positions.length > 1 ? { ...part, batches: copyOf(part.batches) } : part);
    }
    if (!anyway && !failed && total < Math.max(1, poll.limits.minBytes)) return false;
    poll.done(fetched);
    return true;
  }

  private readPartition(
    topic: TopicEntry,
    entry: PartitionEntry | undefined,
    position: PartitionPosition,
    maxBytes: number,
  ): FetchedBatches {
    const { partition, offset } = position;
    if (entry === undefined) {
      const error = new BrokerError(
        'not-found',
        `Cannot fetch from partition ${partition} of "${topic.name}": it has ${topic.partitions.length}`,
      );
      return { partition, batches: NO_BYTES, nextOffset: offset, logStart: 0, end: 0, error };
    }
    const { logStart, end } = this.table.read(entry.slot);
    const empty = { partition, batches: NO_BYTES, nextOffset: offset, logStart, end };
    if (offset < logStart || offset > end) {
      const text = `Cannot fetch "${topic.name}" partition ${partition} from offset ${offset}: it holds ${logStart} to ${end}`;
      return { ...empty, error: new BrokerError('offset-out-of-range', text) };
    }
    if (offset === end || maxBytes <= 0) return empty;
    try {
      const batches = this.files.read(entry.logId, entry.slot, offset, maxBytes, end);
      return { ...empty, batches, nextOffset: nextBatchOffset(batches, end) };
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return { ...empty, error: fromStorage(error) };
    }
  }
}

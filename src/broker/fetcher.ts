/**
 * Pull: long polls over any number of partitions, served from the files by the session's own shard.
 */

import type { TimerHandle, Timers } from '../io/ports.js';
import { StorageError } from '../storage/errors.js';
import { fromStorage } from './append-waiters.js';
import { Assembly } from './assembly.js';
import { nextBatchOffset } from './batch-walk.js';
import { BrokerError } from './errors.js';
import { DEFAULT_FETCH_BYTES, FETCH_LOOK_INTERVAL_MS } from './limits.js';
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
  /** Answered, or given up. */
  isOver: boolean;
  timer: TimerHandle | undefined;
  /** Set while the poll, having found too little, does not look again for a moment. */
  lookTimer: TimerHandle | undefined;
  stopWatching: () => void;
}

/** What one look at the partitions has found. */
interface Look {
  readonly fetched: readonly FetchedBatches[];
  readonly isEnough: boolean;
  readonly isAny: boolean;
}

const NO_BYTES = new Uint8Array(0);

/** See the top of this file. */
export class Fetcher {
  private readonly table: LogBoundsTable;
  private readonly files: LogFiles;
  private readonly timers: Timers;
  private readonly watch: SlotWatch;
  private readonly polls = new Set<Poll>();
  private readonly spareAssemblies: Assembly[] = [];
  private nextFirst = 0;

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
    const poll: Poll = {
      topic,
      positions,
      limits,
      done,
      isOver: false,
      timer: undefined,
      lookTimer: undefined,
      stopWatching: () => undefined,
    };
    if (this.answerIf(poll, (look) => look.isEnough || limits.maxWaitMs <= 0)) return () => undefined;
    this.polls.add(poll);
    poll.timer = this.timers.setTimeout(() => this.answerIf(poll, () => true), limits.maxWaitMs);
    const slots = positions.map((position) => topic.partitions[position.partition]?.slot ?? -1);
    poll.stopWatching = this.watch.add(slots, () => this.advanced(poll));
    // What came between the look and the registered interest was announced to nobody.
    this.advanced(poll);
    return () => this.stop(poll);
  }

  /** Ends the long polls of a topic that is gone: its slots in the shared table are about to belong to others. */
  topicDeleted(topicId: number, error: BrokerError): void {
    for (const poll of [...this.polls]) {
      if (poll.topic.topicId !== topicId || poll.isOver) continue;
      this.stop(poll);
      poll.done(
        poll.positions.map(({ partition, offset }) => ({
          partition,
          batches: NO_BYTES,
          nextOffset: offset,
          logStart: 0,
          end: 0,
          error,
        })),
      );
    }
  }

  private advanced(poll: Poll): void {
    if (poll.isOver || poll.lookTimer !== undefined) return;
    let isAny = false;
    const isAnswered = this.answerIf(poll, (look) => {
      isAny = look.isAny;
      return look.isEnough;
    });
    if (isAnswered || !isAny) return;
    // Too little yet: reading the same bytes again at every append would cost far more than the moment's delay.
    poll.lookTimer = this.timers.setTimeout(() => {
      poll.lookTimer = undefined;
      this.advanced(poll);
    }, FETCH_LOOK_INTERVAL_MS);
  }

  private stop(poll: Poll): void {
    poll.isOver = true;
    this.polls.delete(poll);
    if (poll.timer !== undefined) this.timers.clearTimeout(poll.timer);
    if (poll.lookTimer !== undefined) this.timers.clearTimeout(poll.lookTimer);
    poll.timer = undefined;
    poll.lookTimer = undefined;
    poll.stopWatching();
  }

  /** Reads, and answers if what was found is to be the answer. */
  private answerIf(poll: Poll, isAnswer: (look: Look) => boolean): boolean {
    if (poll.isOver) return true;
    // Another one where an answer leads to the next fetch at once.
    const assembly = this.spareAssemblies.pop() ?? new Assembly();
    try {
      const look = this.look(poll, assembly);
      if (!isAnswer(look)) return false;
      this.stop(poll);
      poll.done(look.fetched);
      return true;
    } finally {
      assembly.clear();
      if (this.spareAssemblies.length === 0) this.spareAssemblies.push(assembly);
    }
  }

  private look(poll: Poll, assembly: Assembly): Look {
    const { topic, positions, limits } = poll;
    const maxBytes = limits.maxBytes || DEFAULT_FETCH_BYTES;
    const fetched = new Array<FetchedBatches>(positions.length);
    let total = 0;
    let isFull = false;
    // Another partition comes first each time: one that always has more than fits must not keep the others from being read.
    const first = positions.length > 1 ? this.nextFirst++ : 0;
    for (let step = 0; step < positions.length; step++) {
      const index = (first + step) % positions.length;
      const position = positions[index]!;
      const entry = topic.partitions[position.partition];
      const part = this.readPartition(topic, entry, position, maxBytes - total);
      total += part.batches.length;
      // What one read brings ends at a segment's end, too: there may be more behind it that no waiting would add.
      isFull ||= part.error !== undefined || (part.batches.length > 0 && part.nextOffset < part.end);
      // The files' view is valid until their next read.
      fetched[index] = positions.length > 1 ? { ...part, batches: assembly.add(part.batches) } : part;
    }
    const wanted = Math.max(1, Math.min(limits.minBytes, maxBytes));
    return { fetched, isEnough: isFull || total >= wanted, isAny: total > 0 };
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

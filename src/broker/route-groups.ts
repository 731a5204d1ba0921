/**
 * Which logs get the same bytes: the logs of one route that one shard owns are a group, for which messages are gathered and sent once. Two routes to
 * the same logs have the same group, so that their messages share batches.
 */
import { MAX_GATHERED_BATCH_BYTES, MAX_LOGS_PER_GROUP, MAX_ROUTE_GROUPS } from './limits.js';
import { VOLATILE_ID_FIRST } from './metadata-limits.js';
import type { TopicEntry } from './ports.js';
import type { Destinations } from './routing/destinations.js';

/** Whether a log is kept in memory only. */
export function isVolatileLog(logId: number): boolean {
  return logId >= VOLATILE_ID_FIRST;
}

/** Logs of one owner that get the same messages. `G` is what its batcher keeps with it. */
export class LogGroup<G = unknown> {
  /** Ascending. */
  readonly logIds: readonly number[];
  /** Of the only log; 0 where there are several. */
  readonly partition: number;
  /** All of its logs are kept in memory only: no message reaches another level. */
  readonly isVolatile: boolean;
  /** A rule of one of its queues may refuse a message: each comes in a batch of its own. */
  readonly takesSingly: boolean;
  /** A batch of several messages is no larger. */
  maxBatchBytes: number = MAX_GATHERED_BATCH_BYTES;
  /** What is gathered for it just now. */
  open: G | undefined;

  constructor(logIds: readonly number[], partition: number, takesSingly = false) {
    this.takesSingly = takesSingly;
    this.logIds = logIds;
    this.partition = partition;
    this.isVolatile = logIds.every(isVolatileLog);
  }
}

/** Where the messages of a route go. */
export interface RoutePlan {
  readonly groups: readonly LogGroup[];
  /** Topics with several partitions: the key chooses one. */
  readonly spread: readonly TopicEntry[];
  /** How many outcomes a message has. */
  readonly outcomes: number;
}

/** See the top of this file. One per shard. */
export class RouteGroups {
  private readonly shards: number;
  private readonly mayRefuse: (logId: number) => boolean;
  private readonly singles = new Map<number, LogGroup>();
  private several = new Map<string, LogGroup>();

  /** `mayRefuse`: whether the queue of a log may refuse single messages (`queueMayRefuse`). */
  constructor(shards: number, mayRefuse: (logId: number) => boolean = () => false) {
    this.mayRefuse = mayRefuse;
    this.shards = shards;
  }

  /** The group of one log alone. */
  single(partition: number, logId: number): LogGroup {
    let group = this.singles.get(logId);
    if (group === undefined) {
      group = new LogGroup([logId], partition, this.mayRefuse(logId));
      this.singles.set(logId, group);
    }
    return group;
  }

  /** Where a route's messages go; computed once per route. */
  planOf(destinations: Destinations): RoutePlan {
    // Nobody else writes there.
    const known = destinations.cached as RoutePlan | undefined;
    if (known !== undefined) return known;
    const plan = this.plan(destinations.topics);
    destinations.cached = plan;
    return plan;
  }

  /** A topic has gone: its groups are not needed any more. Those that others still hold stay right, and only gather by themselves. */
  forget(topic: TopicEntry): void {
    for (const { logId } of topic.partitions) this.singles.delete(logId);
    if (this.several.size > 0) this.several = new Map();
  }

  private plan(topics: readonly TopicEntry[]): RoutePlan {
    const spread: TopicEntry[] = [];
    const byShard = new Map<number, number[]>();
    for (const topic of topics) {
      const [first, second] = topic.partitions;
      if (first === undefined) continue;
      if (second !== undefined) {
        spread.push(topic);
        continue;
      }
      const shard = first.logId % this.shards;
      const logIds = byShard.get(shard);
      if (logIds === undefined) byShard.set(shard, [first.logId]);
      else logIds.push(first.logId);
    }
    const groups: LogGroup[] = [];
    for (const logIds of byShard.values()) {
      logIds.sort((left, right) => left - right);
      for (let at = 0; at < logIds.length; at += MAX_LOGS_PER_GROUP) {
        groups.push(this.group(logIds.slice(at, at + MAX_LOGS_PER_GROUP)));
      }
    }
    return { groups, spread, outcomes: groups.length + spread.length };
  }

  private group(logIds: readonly number[]): LogGroup {
    if (logIds.length === 1) return this.single(0, logIds[0]!);
    const name = logIds.join();
    let group = this.several.get(name);
    if (group === undefined) {
      if (this.several.size >= MAX_ROUTE_GROUPS) this.several = new Map();
      group = new LogGroup(logIds, 0, logIds.some(this.mayRefuse));
      this.several.set(name, group);
    }
    return group;
  }
}

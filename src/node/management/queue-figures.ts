/** What all shards together know of each queue. */
import type { Catalog, CatalogTopic } from '../../broker/catalog.js';
import { INTERNAL_VHOST } from '../../broker/model.js';
import type { PartitionReport, ShardReport } from '../shard-report.js';
import type { DeliveryCounts } from './message-stats.js';

/** Sums over the partitions of one queue, or over many queues. Sizes in bytes. */
export interface QueueFigures extends DeliveryCounts {
  readonly ready: number;
  readonly unacknowledged: number;
  readonly consumers: number;
  readonly sizeBytes: number;
  /** Messages that the logs hold, acknowledged ones that are still there included. */
  readonly stored: number;
  readonly isOffline: boolean;
}

const NOTHING: QueueFigures = {
  ready: 0,
  unacknowledged: 0,
  consumers: 0,
  sizeBytes: 0,
  stored: 0,
  isOffline: false,
  published: 0,
  delivered: 0,
  redelivered: 0,
  acknowledged: 0,
};

/** Partitions by their log. */
export type PartitionTable = ReadonlyMap<number, PartitionReport>;

/** All partitions of all shards. */
export function partitionTable(reports: readonly ShardReport[]): PartitionTable {
  const table = new Map<number, PartitionReport>();
  for (const report of reports) for (const partition of report.partitions) table.set(partition.logId, partition);
  return table;
}

/** The figures of one queue; nothing where no shard has it yet. */
export function figuresOf(topic: CatalogTopic, table: PartitionTable): QueueFigures {
  const partitions = topic.partitions.flatMap(({ logId }) => table.get(logId) ?? []);
  return partitions.reduce((sum, partition) => plus(sum, figuresOfPartition(partition)), NOTHING);
}

function figuresOfPartition(partition: PartitionReport): QueueFigures {
  const { queue, isQueue, logStart, logEnd } = partition;
  const stored = Math.max(0, logEnd - logStart);
  return {
    // Streams have no cursor: all that is there can be read.
    ready: isQueue ? partition.ready : stored,
    unacknowledged: partition.unacknowledged,
    consumers: partition.consumers,
    sizeBytes: partition.sizeBytes,
    stored,
    isOffline: partition.isOffline,
    published: queue?.counters.published ?? (isQueue ? 0 : logEnd),
    delivered: queue?.counters.delivered ?? 0,
    redelivered: queue?.counters.redelivered ?? 0,
    acknowledged: queue?.counters.acknowledged ?? 0,
  };
}

function plus(left: QueueFigures, right: QueueFigures): QueueFigures {
  return {
    ready: left.ready + right.ready,
    unacknowledged: left.unacknowledged + right.unacknowledged,
    consumers: left.consumers + right.consumers,
    sizeBytes: left.sizeBytes + right.sizeBytes,
    stored: left.stored + right.stored,
    isOffline: left.isOffline || right.isOffline,
    published: left.published + right.published,
    delivered: left.delivered + right.delivered,
    redelivered: left.redelivered + right.redelivered,
    acknowledged: left.acknowledged + right.acknowledged,
  };
}

/** Sums over many queues. */
export function sumOf(topics: Iterable<CatalogTopic>, table: PartitionTable): QueueFigures {
  let sum = NOTHING;
  for (const topic of topics) sum = plus(sum, figuresOf(topic, table));
  return sum;
}

/** Queues by their virtual host. */
export function byVhost(topics: readonly CatalogTopic[]): ReadonlyMap<string, readonly CatalogTopic[]> {
  const groups = new Map<string, CatalogTopic[]>();
  for (const topic of topics) {
    const vhost = topic.vhost ?? '/';
    const group = groups.get(vhost);
    if (group === undefined) groups.set(vhost, [topic]);
    else group.push(topic);
  }
  return groups;
}

/** Queues of some virtual hosts, or of all; the node's own are nobody's to see. */
export function queuesOf(catalog: Catalog, vhosts: readonly string[] | undefined): CatalogTopic[] {
  const wanted = vhosts === undefined ? undefined : new Set(vhosts);
  return [...catalog.topics()].filter(({ settings, vhost = '/' }) => {
    if (settings.kind !== 'queue' || vhost === INTERNAL_VHOST) return false;
    return wanted === undefined || wanted.has(vhost);
  });
}

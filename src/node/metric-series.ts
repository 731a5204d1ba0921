/** Which partitions and exchanges have series of their own, and which are summed. */
import type { Catalog } from '../broker/catalog.js';
import { DEFAULT_VHOST } from '../broker/model.js';
import type { ExchangeCounts } from '../broker/routing/exchange-counters.js';
import { LABELLED_EXCHANGES_MAX, LABELLED_PARTITIONS_MAX } from './metrics-limits.js';
import type { PartitionReport, ShardReport } from './shard-report.js';

/** Stands for what has no series of its own. */
export const OTHERS = '(others)';
/** Stands for queues that end with their connection: a series for each would be a new one with every connection. */
export const EXCLUSIVE = '(exclusive)';
/** What the default exchange is called: a label without text counts as absent. */
export const DEFAULT_EXCHANGE = '(default)';

/** A partition, or several that are summed. */
export interface PartitionSeries {
  readonly labels: { readonly vhost: string; readonly topic: string; readonly partition: number | '' };
  /** Only sums and greatest values make sense here. */
  readonly isSum: boolean;
  readonly partitions: readonly PartitionReport[];
}

interface Named {
  readonly vhost: string;
  readonly topic: string;
  readonly partition: number;
  readonly isExclusive: boolean;
  readonly report: PartitionReport;
}

/** Every partition that has a name, the oldest first, then sums of the others. */
export function partitionSeries(
  catalog: Catalog,
  reports: readonly ShardReport[],
  most = LABELLED_PARTITIONS_MAX,
): PartitionSeries[] {
  const all = reports
    .flatMap(({ partitions }) => partitions.flatMap((report) => named(catalog, report)))
    .sort((a, b) => a.report.logId - b.report.logId);
  const shared = all.filter(({ isExclusive }) => !isExclusive);
  const own = shared.slice(0, most).map(({ vhost, topic, partition, report }): PartitionSeries => {
    return { labels: { vhost, topic, partition }, isSum: false, partitions: [report] };
  });
  const exclusive = all.filter(({ isExclusive }) => isExclusive);
  return [...own, ...sumsByVhost(shared.slice(most), OTHERS), ...sumsByVhost(exclusive, EXCLUSIVE)];
}

function named(catalog: Catalog, report: PartitionReport): Named[] {
  const topic = catalog.topicOfLog(report.logId);
  const entry = topic?.partitions.find((one) => one.logId === report.logId);
  // A log that was deleted a moment ago has no name any more.
  if (topic === undefined || entry === undefined) return [];
  const isExclusive = (topic.settings.queue?.exclusiveOwner ?? '') !== '';
  const vhost = topic.vhost ?? DEFAULT_VHOST;
  return [{ vhost, topic: topic.name, partition: entry.partition, isExclusive, report }];
}

function sumsByVhost(partitions: readonly Named[], topic: string): PartitionSeries[] {
  const byVhost = new Map<string, PartitionReport[]>();
  for (const { vhost, report } of partitions) {
    const known = byVhost.get(vhost);
    if (known === undefined) byVhost.set(vhost, [report]);
    else known.push(report);
  }
  return [...byVhost].map(([vhost, reports]) => ({
    labels: { vhost, topic, partition: '' },
    isSum: true,
    partitions: reports,
  }));
}

/** Counts of an exchange, of all shards together. */
export interface ExchangeSeries {
  readonly labels: { readonly vhost: string; readonly exchange: string };
  published: number;
  routed: number;
  unroutable: number;
}

/** Every exchange that somebody has published to, by name, then the sum of the others. */
export function exchangeSeries(reports: readonly ShardReport[], most = LABELLED_EXCHANGES_MAX): ExchangeSeries[] {
  const sums = new Map<string, ExchangeSeries>();
  for (const counts of reports.flatMap(({ exchanges }) => exchanges))
    addTo(sums, counts.vhost, counts.exchange, counts);
  const keys = [...sums.keys()].sort();
  if (keys.length <= most) return keys.map((key) => sums.get(key)!);
  const others = new Map<string, ExchangeSeries>();
  for (const key of keys.slice(most)) {
    const series = sums.get(key)!;
    addTo(others, series.labels.vhost, OTHERS, series);
  }
  return [...keys.slice(0, most).map((key) => sums.get(key)!), ...others.values()];
}

function addTo(
  sums: Map<string, ExchangeSeries>,
  vhost: string,
  exchange: string,
  { published, routed, unroutable }: Pick<ExchangeCounts, 'published' | 'routed' | 'unroutable'>,
): void {
  const key = JSON.stringify([vhost, exchange]);
  let series = sums.get(key);
  if (series === undefined) {
    const labels = { vhost, exchange: exchange === '' ? DEFAULT_EXCHANGE : exchange };
    series = { labels, published: 0, routed: 0, unroutable: 0 };
    sums.set(key, series);
  }
  series.published += published;
  series.routed += routed;
  series.unroutable += unroutable;
}

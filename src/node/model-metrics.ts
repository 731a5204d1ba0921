/** Metrics of partitions, queues, exchanges, held messages and the AMQP door. Names are part of the interface. */
import type { DeathReason } from '../broker/queue/death-headers.js';
import type { Family, Sample } from '../doors/http/index.js';
import { EXCLUSIVE, type ExchangeSeries, OTHERS, type PartitionSeries } from './metric-series.js';
import type { PartitionReport, QueueReport, ShardReport } from './shard-report.js';

/** Places in a log: they say nothing when several logs are taken together. */
const OFFSET_GAUGES = [
  ['logStart', 'duolog_partition_log_start_offset', 'First offset that can be read'],
  ['logEnd', 'duolog_partition_log_end_offset', 'Next offset to be given away'],
  ['durableEnd', 'duolog_partition_durable_end_offset', 'Offset below which everything survives power loss'],
] as const;

const PARTITION_GAUGES = [
  ['sizeBytes', 'duolog_partition_size_bytes', 'Bytes of all segments'],
  ['segments', 'duolog_partition_segments', 'Number of segments'],
] as const;

const QUEUE_GAUGES = [
  ['ready', 'duolog_queue_messages_ready', 'Messages that wait for a consumer'],
  ['unacknowledged', 'duolog_queue_messages_unacknowledged', 'Messages delivered and not settled'],
  ['consumers', 'duolog_queue_consumers', 'Consumers'],
] as const;

/** Counters of a queue's rules: their key, their metric, and what they count. */
const QUEUE_COUNTERS = [
  ['published', 'duolog_queue_published_total', 'Messages stored in the queue'],
  ['delivered', 'duolog_queue_delivered_total', 'Messages handed to consumers, and got one by one'],
  ['redelivered', 'duolog_queue_redelivered_total', 'Of the delivered ones: not for the first time'],
  ['acknowledged', 'duolog_queue_acknowledged_total', 'Messages acknowledged, on sending included'],
  ['returned', 'duolog_queue_returned_total', 'Deliveries that came back to the queue'],
  ['expired', 'duolog_queue_expired_total', 'Messages whose time to live was over'],
  ['refused', 'duolog_queue_refused_total', 'Publishes refused because the queue was full'],
  ['duplicates', 'duolog_queue_duplicates_total', 'Publishes dropped because their message id had been seen'],
  [
    'lostDeadLetters',
    'duolog_queue_dead_letters_lost_total',
    'Dead letters that nobody wanted, that went in a circle, or that the target refused',
  ],
  [
    'missingExchange',
    'duolog_queue_dead_letter_exchange_missing_total',
    'Messages dropped because the dead letter exchange does not exist',
  ],
] as const;

/** Counters of a shard's AMQP door: their key in the report, their metric, and what they count. */
const AMQP_COUNTERS = [
  ['connectionsAccepted', 'duolog_amqp_connections_accepted_total', 'Connections accepted'],
  ['connectionsRefused', 'duolog_amqp_connections_refused_total', 'Connections that ended before they were open'],
  ['framesIn', 'duolog_amqp_frames_received_total', 'Frames received'],
  ['bytesIn', 'duolog_amqp_bytes_received_total', 'Bytes received'],
  ['bytesOut', 'duolog_amqp_bytes_sent_total', 'Bytes sent'],
  ['publishes', 'duolog_amqp_publishes_total', 'Messages published'],
  ['publishedBytes', 'duolog_amqp_published_bytes_total', 'Bytes of the bodies of published messages'],
  ['confirms', 'duolog_amqp_confirms_total', 'Publishes confirmed'],
  ['nacks', 'duolog_amqp_nacks_total', 'Publishes refused with nack'],
  ['returns', 'duolog_amqp_returns_total', 'Mandatory messages returned to their publisher'],
  ['unroutable', 'duolog_amqp_unroutable_total', 'Messages that no queue wanted, and that were not mandatory'],
  ['deliveries', 'duolog_amqp_deliveries_total', 'Messages delivered to consumers'],
  ['gets', 'duolog_amqp_gets_total', 'Messages got one by one'],
  ['emptyGets', 'duolog_amqp_empty_gets_total', 'Gets that found nothing'],
  ['acknowledged', 'duolog_amqp_acknowledged_total', 'Deliveries acknowledged'],
  ['requeued', 'duolog_amqp_requeued_total', 'Deliveries given back to their queue'],
  ['rejected', 'duolog_amqp_rejected_total', 'Deliveries rejected for good'],
  ['throttled', 'duolog_amqp_throttled_total', 'Times that a connection was held back for its backlog'],
  ['blocked', 'duolog_amqp_blocked_total', 'Times that a publisher was not read because of an alarm'],
] as const;

const AMQP_GAUGES = [
  ['connections', 'duolog_amqp_connections', 'Open AMQP connections'],
  ['channels', 'duolog_amqp_channels', 'Open channels'],
  ['consumers', 'duolog_amqp_consumers', 'Consumers'],
] as const;

/** A gauge. */
export function gauge(name: string, help: string, samples: readonly Sample[]): Family {
  return { type: 'gauge', name, help, samples };
}

function counter(name: string, help: string, samples: readonly Sample[]): Family {
  return { type: 'counter', name, help, samples };
}

/** What the AMQP doors of all shards have done. */
export function amqpFamilies(reports: readonly ShardReport[]): Family[] {
  const perShard = (key: string): Sample[] =>
    reports.map(({ shard, amqp }) => ({ labels: { shard }, value: amqp[key] ?? 0 }));
  const errors = reports.flatMap(({ shard, amqpErrors }) =>
    Object.entries(amqpErrors).map(([error, value]) => ({ labels: { shard, error }, value })),
  );
  return [
    ...AMQP_GAUGES.map(([key, name, help]) => gauge(name, help, perShard(key))),
    ...AMQP_COUNTERS.map(([key, name, help]) => counter(name, help, perShard(key))),
    counter('duolog_amqp_errors_total', 'Channels and connections that the node closed for an error', errors),
  ];
}

/** What went through exchanges. */
export function exchangeFamilies(series: readonly ExchangeSeries[]): Family[] {
  const of = (key: 'published' | 'routed' | 'unroutable'): Sample[] =>
    series.map((one) => ({ labels: one.labels, value: one[key] }));
  return [
    counter(
      'duolog_exchange_published_total',
      'Messages published to the exchange itself, dead letters included; not what comes from other exchanges',
      of('published'),
    ),
    counter('duolog_exchange_routed_total', 'Messages handed to queues and topics, one for each', of('routed')),
    counter('duolog_exchange_unroutable_total', 'Messages that no queue or topic wanted', of('unroutable')),
  ];
}

/** Places and sizes of logs. */
export function partitionFamilies(series: readonly PartitionSeries[]): Family[] {
  const single = series.filter(({ isSum }) => !isSum);
  const summed = series.filter(({ isSum }) => isSum).reduce((sum, { partitions }) => sum + partitions.length, 0);
  return [
    ...OFFSET_GAUGES.map(([key, name, help]) =>
      gauge(
        name,
        help,
        sums(single, (partition) => partition[key]),
      ),
    ),
    ...PARTITION_GAUGES.map(([key, name, help]) =>
      gauge(
        name,
        help,
        sums(series, (partition) => partition[key]),
      ),
    ),
    gauge(
      'duolog_partition_offline',
      '1 when the partition stopped serving',
      sums(series, ({ isOffline }) => (isOffline ? 1 : 0)),
    ),
    gauge(
      'duolog_partitions_summed',
      `Partitions without series of their own: in topic="${OTHERS}" those beyond the limit, in topic="${EXCLUSIVE}" exclusive queues`,
      [{ value: summed }],
    ),
  ];
}

/** What waits in queues, and what has happened to their messages. */
export function queueFamilies(all: readonly PartitionSeries[]): Family[] {
  const series = onlyWith(all, ({ isQueue, delayed }) => isQueue && delayed === undefined);
  const ruled = onlyWith(series, ({ queue }) => queue !== undefined);
  return [
    ...QUEUE_GAUGES.map(([key, name, help]) =>
      gauge(
        name,
        help,
        sums(series, (partition) => partition[key]),
      ),
    ),
    ...QUEUE_COUNTERS.map(([key, name, help]) =>
      counter(
        name,
        help,
        sums(ruled, ({ queue }) => countOf(queue, key)),
      ),
    ),
    byReason('deadLettered', 'duolog_queue_dead_lettered_total', 'Messages that arrived as dead letters', ruled),
    byReason('dropped', 'duolog_queue_dropped_total', 'Messages that died without a dead letter exchange', ruled),
    gauge('duolog_queue_oldest_ready_seconds', 'Age of the oldest message that waits', oldest(ruled)),
  ];
}

function countOf(queue: QueueReport | undefined, key: (typeof QUEUE_COUNTERS)[number][0]): number {
  return queue?.counters[key] ?? 0;
}

function onlyWith(
  series: readonly PartitionSeries[],
  isWanted: (partition: PartitionReport) => boolean,
): PartitionSeries[] {
  return series
    .map((one) => ({ ...one, partitions: one.partitions.filter(isWanted) }))
    .filter(({ partitions }) => partitions.length > 0);
}

function sums(series: readonly PartitionSeries[], value: (partition: PartitionReport) => number): Sample[] {
  return series.map(({ labels, partitions }) => ({
    labels,
    value: partitions.reduce((sum, partition) => sum + value(partition), 0),
  }));
}

/** A reason appears with its first message. */
function byReason(
  key: 'deadLettered' | 'dropped',
  name: string,
  help: string,
  series: readonly PartitionSeries[],
): Family {
  const reasons: readonly DeathReason[] = ['rejected', 'expired', 'maxlen', 'delivery_limit'];
  const samples = reasons.flatMap((reason) =>
    sums(series, ({ queue }) => queue?.counters[key][reason] ?? 0).map(({ labels, value }) => ({
      labels: { ...labels, reason },
      value,
    })),
  );
  const seen = samples.filter(({ value }) => value > 0);
  return counter(name, help, seen);
}

function oldest(series: readonly PartitionSeries[]): Sample[] {
  return series.flatMap(({ labels, partitions }) => {
    const ageMs = partitions.reduce((most, { queue }) => Math.max(most, queue?.oldestReadyAgeMs ?? -1), -1);
    return ageMs < 0 ? [] : [{ labels, value: ageMs / 1000 }];
  });
}

/** Messages that wait for their time. */
export function delayedFamilies(reports: readonly ShardReport[]): Family[] {
  const logs = reports.flatMap(({ shard, partitions }) =>
    partitions.flatMap(({ delayed }) => (delayed === undefined ? [] : [{ shard, ...delayed }])),
  );
  const perShard = (value: (log: (typeof logs)[number]) => number): Sample[] => {
    const byShard = new Map<number, number>();
    for (const log of logs) byShard.set(log.shard, (byShard.get(log.shard) ?? 0) + value(log));
    return [...byShard].map(([shard, sum]) => ({ labels: { shard }, value: sum }));
  };
  return [
    gauge(
      'duolog_delayed_messages',
      'Messages that wait for their time',
      perShard(({ held }) => held),
    ),
    counter(
      'duolog_delayed_fired_total',
      'Messages whose time has come',
      perShard(({ fired }) => fired),
    ),
    counter(
      'duolog_delayed_late_seconds_total',
      'How late they were, together',
      perShard(({ lateSumMs }) => lateSumMs / 1000),
    ),
    gauge(
      'duolog_delayed_index_bytes',
      'Memory that the index of waiting messages takes',
      perShard(({ indexBytes }) => indexBytes),
    ),
  ];
}

/**
 * Metrics by the names of RabbitMQ's Prometheus plugin, so that the dashboards which its makers publish (RabbitMQ-Overview, Grafana 10991) show this node.
 * They count AMQP, but for queues, which are everybody's; they are a fixed number of series, however many queues there are.
 */
import type { Catalog } from '../broker/catalog.js';
import type { Family } from '../doors/http/index.js';
import { ERLANG_VERSION, RABBITMQ_VERSION } from '../doors/management/versions.js';
import type { ManagementFacts } from './management/node-items.js';
import { partitionTable, queuesOf, sumOf } from './management/queue-figures.js';
import type { ShardReport } from './shard-report.js';

/** What was done to queues since the start. */
export interface QueueCounts {
  readonly declared: number;
  readonly created: number;
  readonly deleted: number;
}

/** Nothing was done so far. */
export const NO_COUNTS: QueueCounts = { declared: 0, created: 0, deleted: 0 };

const CLUSTER_NAME = 'cluster_name';
const PROTOCOL = { protocol: 'amqp091' };

/** Counters of the AMQP door by RabbitMQ's names: their keys in the report are summed. */
const GLOBAL_COUNTERS: readonly (readonly [name: string, keys: readonly string[], minus: readonly string[]])[] = [
  ['received', ['publishes'], []],
  ['received_confirm', ['confirms', 'nacks'], []],
  ['confirmed', ['confirms'], []],
  ['unroutable_returned', ['returns'], []],
  ['unroutable_dropped', ['unroutable'], []],
  ['delivered', ['deliveries', 'gets'], []],
  ['delivered_consume_manual_ack', ['deliveries'], ['automaticDeliveries']],
  ['delivered_consume_auto_ack', ['automaticDeliveries'], []],
  ['delivered_get_manual_ack', ['gets'], ['automaticGets']],
  ['delivered_get_auto_ack', ['automaticGets'], []],
  ['get_empty', ['emptyGets'], []],
  ['redelivered', ['redelivered'], []],
  ['acknowledged', ['acknowledged'], []],
];

/** See the top of this file. */
export function rabbitMqFamilies(
  facts: ManagementFacts,
  catalog: Catalog,
  reports: readonly ShardReport[],
  counts: QueueCounts,
): Family[] {
  const amqp = (key: string): number => reports.reduce((sum, report) => sum + (report.amqp[key] ?? 0), 0);
  const all = (keys: readonly string[]): number => keys.reduce((sum, key) => sum + amqp(key), 0);
  return [
    ...identity(facts, catalog),
    ...GLOBAL_COUNTERS.map(([name, keys, minus]) =>
      counter(`rabbitmq_global_messages_${name}_total`, `Messages ${name}`, all(keys) - all(minus), PROTOCOL),
    ),
    counter('rabbitmq_global_messages_routed_total', 'Messages routed to queues', routed(reports), PROTOCOL),
    gauge('rabbitmq_global_publishers', 'Channels that have published', amqp('publishers'), PROTOCOL),
    gauge('rabbitmq_global_consumers', 'Consumers', amqp('consumers'), PROTOCOL),
    ...objects(amqp, counts),
    ...queues(catalog, reports),
    ...resources(facts, reports),
  ];
}

function identity({ nodeName, version }: ManagementFacts, catalog: Catalog): Family[] {
  const named = catalog.access.parameter(undefined, '', CLUSTER_NAME)?.value;
  const cluster = typeof named === 'string' ? named : nodeName;
  const build = {
    rabbitmq_version: RABBITMQ_VERSION,
    prometheus_client_version: version,
    prometheus_plugin_version: version,
    erlang_version: ERLANG_VERSION,
    product_name: 'Duolog',
    product_version: version,
  };
  const who = { rabbitmq_node: nodeName, rabbitmq_cluster: cluster, rabbitmq_cluster_permanent_id: nodeName };
  return [
    gauge('rabbitmq_build_info', 'Versions; the value is 1', 1, build),
    gauge('rabbitmq_identity_info', 'Names; the value is 1', 1, who),
  ];
}

function objects(amqp: (key: string) => number, counts: QueueCounts): Family[] {
  const open = amqp('connections');
  const accepted = amqp('connectionsAccepted');
  const channels = amqp('channels');
  const opened = amqp('channelsOpened');
  return [
    gauge('rabbitmq_connections', 'Connections open now', open),
    counter('rabbitmq_connections_opened_total', 'Connections opened', accepted),
    counter('rabbitmq_connections_closed_total', 'Connections closed', Math.max(0, accepted - open)),
    gauge('rabbitmq_channels', 'Channels open now', channels),
    counter('rabbitmq_channels_opened_total', 'Channels opened', opened),
    counter('rabbitmq_channels_closed_total', 'Channels closed', Math.max(0, opened - channels)),
    gauge('rabbitmq_consumers', 'Consumers open now', amqp('consumers')),
    counter('rabbitmq_queues_declared_total', 'Declarations of queues', counts.declared),
    counter('rabbitmq_queues_created_total', 'Queues created', counts.created),
    counter('rabbitmq_queues_deleted_total', 'Queues deleted', counts.deleted),
  ];
}

function queues(catalog: Catalog, reports: readonly ShardReport[]): Family[] {
  const all = queuesOf(catalog, undefined);
  const { ready, unacknowledged, consumers } = sumOf(all, partitionTable(reports));
  return [
    gauge('rabbitmq_queues', 'Queues', all.length),
    gauge('rabbitmq_queue_messages_ready', 'Messages that wait for a consumer', ready),
    gauge('rabbitmq_queue_messages_unacked', 'Messages delivered and not settled', unacknowledged),
    gauge('rabbitmq_queue_messages', 'Messages in queues', ready + unacknowledged),
    gauge('rabbitmq_queue_consumers', 'Consumers of queues', consumers),
  ];
}

function resources(facts: ManagementFacts, reports: readonly ShardReport[]): Family[] {
  const connections = reports.reduce((sum, report) => sum + report.connections, 0);
  const files = reports.reduce((sum, report) => sum + report.openFiles, 0);
  const alarm = (name: string): number => (facts.alarms.includes(name) ? 1 : 0);
  return [
    gauge('rabbitmq_process_resident_memory_bytes', 'Resident memory', process.memoryUsage.rss()),
    gauge('rabbitmq_resident_memory_limit_bytes', 'Above it publishers are held back', facts.memoryLimit),
    gauge('rabbitmq_disk_space_available_bytes', 'Free space of the data folder', finite(facts.freeDiskBytes)),
    gauge('rabbitmq_disk_space_available_limit_bytes', 'Below it publishers are held back', facts.diskFreeLimit),
    gauge('rabbitmq_process_open_fds', 'Open files of logs, and connections', files + connections),
    gauge('rabbitmq_process_max_fds', 'Connections that are accepted', facts.maxConnections),
    gauge('rabbitmq_process_open_tcp_sockets', 'Open connections', connections),
    gauge('rabbitmq_process_max_tcp_sockets', 'Connections that are accepted', facts.maxConnections),
    gauge('rabbitmq_alarms_memory_used_watermark', '1 while memory is low', alarm('memory')),
    gauge('rabbitmq_alarms_free_disk_space_watermark', '1 while the disk is low', alarm('disk')),
    gauge('rabbitmq_alarms_file_descriptor_limit', '1 while descriptors are low', 0),
  ];
}

function routed(reports: readonly ShardReport[]): number {
  return reports.reduce((sum, { exchanges }) => exchanges.reduce((own, one) => own + one.routed, sum), 0);
}

function finite(value: number): number {
  return Number.isFinite(value) ? value : 0;
}

function gauge(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): Family {
  return { type: 'gauge', name, help, samples: [{ labels, value }] };
}

function counter(name: string, help: string, value: number, labels: Readonly<Record<string, string>> = {}): Family {
  return { type: 'counter', name, help, samples: [{ labels, value }] };
}

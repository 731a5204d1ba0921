/** The node and the overview as RabbitMQ's API shows them. */
import type { ListenerFact } from '../../doors/management/index.js';
import type { Json, JsonObject } from '../../doors/management/json.js';
import { ERLANG_VERSION, PRODUCT_NAME, RABBITMQ_VERSION } from '../../doors/management/versions.js';
import type { ShardReport } from '../shard-report.js';
import { withRates } from './message-stats.js';
import type { QueueFigures } from './queue-figures.js';

/** What the node knows of itself. Times in milliseconds since 1970, sizes in bytes. */
export interface ManagementFacts {
  readonly nodeName: string;
  readonly version: string;
  readonly startedMs: number;
  readonly nowMs: number;
  readonly host: string;
  readonly dataPath: string;
  readonly listeners: readonly ListenerFact[];
  readonly alarms: readonly string[];
  readonly certificates: readonly { readonly file: string; readonly expiresMs: number }[];
  readonly memoryLimit: number;
  readonly diskFreeLimit: number;
  readonly freeDiskBytes: number;
  readonly maxConnections: number;
  readonly processors: number;
}

const EXCHANGE_TYPES: readonly JsonObject[] = ['direct', 'fanout', 'headers', 'topic', 'x-delayed-message'].map(
  (name) => ({ name, description: `AMQP ${name} exchange`, enabled: true }),
);
const MECHANISMS: readonly JsonObject[] = ['AMQPLAIN', 'PLAIN', 'EXTERNAL'].map((name) => ({
  name,
  description: `SASL ${name} authentication mechanism`,
  enabled: true,
}));

function sum(reports: readonly ShardReport[], value: (report: ShardReport) => number | undefined): number {
  return reports.reduce((total, report) => total + (value(report) ?? 0), 0);
}

/** Counts of the AMQP doors and the native ones together: what the overview shows, and what its rates are of. */
export function totalsOf(reports: readonly ShardReport[]): JsonCounts {
  const amqp = (name: string) => sum(reports, (report) => report.amqp[name]);
  const native = (name: string) => sum(reports, (report) => report.counters[name]);
  return {
    publish: amqp('publishes') + native('messagesIn'),
    confirm: amqp('confirms') + native('confirms'),
    return_unroutable: amqp('returns'),
    drop_unroutable: amqp('unroutable'),
    deliver: amqp('deliveries') + native('deliveries'),
    get: amqp('gets'),
    get_empty: amqp('emptyGets'),
    ack: amqp('acknowledged'),
    redeliver: 0,
    connection_created: amqp('connectionsAccepted') + native('connectionsAccepted'),
    connection_closed: Math.max(
      0,
      amqp('connectionsAccepted') + native('connectionsAccepted') - amqp('connections') - native('connections'),
    ),
  };
}

/** Counts by RabbitMQ's names. */
export interface JsonCounts {
  readonly [name: string]: number;
}

const MESSAGE_COUNTS: readonly string[] = [
  'ack',
  'confirm',
  'deliver',
  'drop_unroutable',
  'get',
  'get_empty',
  'publish',
  'redeliver',
  'return_unroutable',
];

/** The overview's counts in the order of their samples. */
export function totalSample(totals: JsonCounts): number[] {
  return Object.values(totals);
}

/** What there is of everything. */
export interface ObjectTotals {
  readonly channels: number;
  readonly connections: number;
  readonly consumers: number;
  readonly exchanges: number;
  readonly queues: number;
}

/** What the overview is made of. */
export interface OverviewParts {
  readonly facts: ManagementFacts;
  readonly totals: JsonCounts;
  readonly totalRate: (index: number) => number;
  readonly queues: QueueFigures;
  readonly queueRate: (index: number) => number;
  readonly objects: ObjectTotals;
}

/** See the top of this file. */
export function overviewItem({ facts, totals, totalRate, queues, queueRate, objects }: OverviewParts): JsonObject {
  const names = Object.keys(totals);
  const counted = (name: string) => [name, totals[name] ?? 0, totalRate(names.indexOf(name))] as const;
  const delivered = (totals['deliver'] ?? 0) + (totals['get'] ?? 0);
  const deliveredRate = totalRate(names.indexOf('deliver')) + totalRate(names.indexOf('get'));
  return {
    management_version: RABBITMQ_VERSION,
    rates_mode: 'basic',
    sample_retention_policies: { global: [600], basic: [600], detailed: [600] },
    exchange_types: EXCHANGE_TYPES,
    product_version: facts.version,
    product_name: PRODUCT_NAME,
    rabbitmq_version: RABBITMQ_VERSION,
    cluster_name: facts.nodeName,
    erlang_version: ERLANG_VERSION,
    erlang_full_version: `Node.js ${process.versions.node}`,
    release_series_support_status: 'supported',
    disable_stats: false,
    is_op_policy_updating_enabled: true,
    enable_queue_totals: false,
    message_stats: {
      ...withRates(MESSAGE_COUNTS.map(counted)),
      ...withRates([
        ['deliver_get', delivered, deliveredRate],
        ['deliver_no_ack', 0, 0],
        ['get_no_ack', 0, 0],
        ['disk_reads', 0, 0],
        ['disk_writes', 0, 0],
      ]),
    },
    churn_rates: withRates([
      counted('connection_created'),
      counted('connection_closed'),
      ['channel_created', 0, 0],
      ['channel_closed', 0, 0],
      ['queue_declared', 0, 0],
      ['queue_created', 0, 0],
      ['queue_deleted', 0, 0],
    ]),
    queue_totals: withRates([
      ['messages', queues.ready + queues.unacknowledged, queueRate(2)],
      ['messages_ready', queues.ready, queueRate(0)],
      ['messages_unacknowledged', queues.unacknowledged, queueRate(1)],
    ]),
    object_totals: { ...objects },
    statistics_db_event_queue: 0,
    node: facts.nodeName,
    listeners: facts.listeners.map((listener) => listenerItem(listener, facts.nodeName)),
    contexts: contextItems(facts),
  };
}

function listenerItem({ protocol, address, port }: ListenerFact, node: string): JsonObject {
  return { node, protocol, ip_address: address, port, socket_opts: {} };
}

function contextItems({ listeners, nodeName, host }: ManagementFacts): Json[] {
  return listeners
    .filter(({ protocol }) => protocol.startsWith('http'))
    .map(({ port, isTls }) => ({
      node: nodeName,
      description: 'RabbitMQ Management',
      path: '/',
      ip: host,
      port: String(port),
      ...(isTls ? { ssl: true, protocol: 'https' } : { protocol: 'http' }),
      ssl_opts: [],
    }));
}

/** The node, for those who watch it. */
export function nodeItem(facts: ManagementFacts, reports: readonly ShardReport[]): JsonObject {
  const { alarms } = facts;
  const connections = sum(reports, (report) => report.connections);
  const openFiles = sum(reports, (report) => report.openFiles);
  return {
    name: facts.nodeName,
    type: 'disc',
    running: true,
    being_drained: false,
    os_pid: String(process.pid),
    uptime: Math.max(0, Math.round(facts.nowMs - facts.startedMs)),
    processors: facts.processors,
    rates_mode: 'basic',
    mem_limit: facts.memoryLimit,
    mem_alarm: alarms.includes('memory'),
    mem_calculation_strategy: 'rss',
    disk_free_limit: facts.diskFreeLimit,
    disk_free_alarm: alarms.includes('disk'),
    fd_total: facts.maxConnections,
    sockets_total: facts.maxConnections,
    proc_total: reports.length + 1,
    run_queue: 0,
    ...withRates([
      ['mem_used', process.memoryUsage.rss(), 0],
      ['disk_free', Number.isFinite(facts.freeDiskBytes) ? facts.freeDiskBytes : 0, 0],
      ['fd_used', openFiles + connections, 0],
      ['sockets_used', connections, 0],
      ['proc_used', reports.length + 1, 0],
      ['gc_num', 0, 0],
      ['gc_bytes_reclaimed', 0, 0],
      ['context_switches', 0, 0],
      ['io_sync_count', sum(reports, (report) => report.counters['commits']), 0],
    ]),
    exchange_types: EXCHANGE_TYPES,
    auth_mechanisms: MECHANISMS,
    applications: [{ name: 'duolog', description: PRODUCT_NAME, version: facts.version }],
    contexts: contextItems(facts),
    partitions: [],
    cluster_links: [],
    log_files: [],
    config_files: [],
    enabled_plugins: ['rabbitmq_management'],
    db_dir: facts.dataPath,
    net_ticktime: 60,
    metrics_gc_queue_length: {},
  };
}

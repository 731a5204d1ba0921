/** The node's metrics in Prometheus' terms. Names are part of the interface: dashboards rely on them. */
import { getHeapStatistics } from 'node:v8';
import type { Catalog } from '../broker/catalog.js';
import { encodePrometheus, type Family } from '../doors/http/index.js';
import type { AlarmName } from './alarms.js';
import { channelFamilies } from './channel-metrics.js';
import { exchangeSeries, partitionSeries } from './metric-series.js';
import {
  amqpFamilies,
  delayedFamilies,
  exchangeFamilies,
  gauge,
  partitionFamilies,
  queueFamilies,
} from './model-metrics.js';
import type { NodeFacts } from './node-status.js';
import type { ShardReport } from './shard-report.js';

/** Counters of a shard's native door: their key in the report, their metric, and what they count. */
const DOOR_COUNTERS = [
  ['connectionsAccepted', 'duolog_connections_accepted_total', 'WebSocket connections accepted'],
  ['connectionsRefused', 'duolog_connections_refused_total', 'WebSocket handshakes refused'],
  ['framesIn', 'duolog_frames_received_total', 'Frames received'],
  ['framesOut', 'duolog_frames_sent_total', 'Frames sent'],
  ['bytesIn', 'duolog_bytes_received_total', 'Bytes of frames received'],
  ['bytesOut', 'duolog_bytes_sent_total', 'Bytes of frames sent'],
  ['publishes', 'duolog_publishes_total', 'Publish frames taken'],
  ['messagesIn', 'duolog_messages_published_total', 'Messages published'],
  ['confirms', 'duolog_confirms_total', 'Publishes confirmed'],
  ['deliveries', 'duolog_deliveries_total', 'Messages delivered to queue consumers'],
  ['messagesOut', 'duolog_messages_read_total', 'Messages sent to topic subscribers, broadcasts and fetches'],
  ['missed', 'duolog_broadcast_missed_total', 'Offsets that slow broadcast subscribers missed'],
  ['throttled', 'duolog_sessions_throttled_total', 'Times that a session was held back for its backlog'],
  ['commits', 'duolog_group_commits_total', 'Group commits'],
] as const;

/** Everything that `/metrics` tells; `more` comes last. */
export function nodeMetrics(
  facts: NodeFacts,
  catalog: Catalog,
  reports: readonly ShardReport[],
  nowMs: number,
  more: readonly Family[] = [],
): string {
  const series = partitionSeries(catalog, reports);
  return encodePrometheus([
    ...processFamilies(facts, nowMs),
    heapFamily(reports),
    ...doorFamilies(reports),
    ...shardFamilies(reports),
    alarmFamily(facts),
    ...memoryLogFamilies(reports),
    ...amqpFamilies(reports),
    ...channelFamilies(reports),
    ...exchangeFamilies(exchangeSeries(reports)),
    ...partitionFamilies(series),
    ...queueFamilies(series),
    ...delayedFamilies(reports),
    ...more,
  ]);
}

function processFamilies(facts: NodeFacts, nowMs: number): Family[] {
  const cpu = process.cpuUsage();
  const info = { version: facts.version, node: process.versions.node, engine: facts.engine };
  return [
    gauge('duolog_info', 'Versions; the value is 1', [{ labels: info, value: 1 }]),
    gauge('duolog_uptime_seconds', 'Time since the start', [{ value: (nowMs - facts.startedMs) / 1000 }]),
    gauge('process_resident_memory_bytes', 'Resident memory', [{ value: process.memoryUsage.rss() }]),
    {
      type: 'counter',
      name: 'process_cpu_seconds_total',
      help: 'CPU time, user and system',
      samples: [{ value: (cpu.user + cpu.system) / 1e6 }],
    },
  ];
}

function alarmFamily({ alarms }: NodeFacts): Family {
  const names: readonly AlarmName[] = ['memory', 'disk'];
  const samples = names.map((alarm) => ({ labels: { alarm }, value: alarms.includes(alarm) ? 1 : 0 }));
  return gauge('duolog_alarm', '1 while publishers are held back because the node is low on this', samples);
}

function memoryLogFamilies(reports: readonly ShardReport[]): Family[] {
  const perShard = (value: (report: ShardReport) => number) =>
    reports.map((report) => ({ labels: { shard: report.shard }, value: value(report) }));
  return [
    gauge(
      'duolog_memory_log_bytes',
      'Memory that messages of transient and exclusive queues take',
      perShard(({ memoryLogBytes }) => memoryLogBytes),
    ),
    gauge(
      'duolog_memory_logs',
      'Logs in memory: partitions of transient and exclusive queues',
      perShard(({ memoryLogs }) => memoryLogs),
    ),
  ];
}

function heapFamily(reports: readonly ShardReport[]): Family {
  // Without shards of its own the control thread runs the one shard, and both have one heap.
  const control = { labels: { thread: 'control' }, value: getHeapStatistics().total_heap_size };
  const shards = reports.map(({ shard, heapBytes }) => ({ labels: { thread: `shard ${shard}` }, value: heapBytes }));
  return gauge('duolog_heap_committed_bytes', 'V8 heap of each thread', [control, ...shards]);
}

function doorFamilies(reports: readonly ShardReport[]): Family[] {
  const families: Family[] = DOOR_COUNTERS.map(([key, name, help]) => ({
    type: 'counter',
    name,
    help,
    samples: reports.map(({ shard, counters }) => ({ labels: { shard }, value: counters[key] ?? 0 })),
  }));
  families.push(labelled('duolog_request_errors_total', 'Requests answered with an error', 'code', reports, 'errors'));
  families.push(labelled('duolog_closes_total', 'Connections that the node closed', 'close_code', reports, 'closes'));
  return families;
}

function labelled(
  name: string,
  help: string,
  label: string,
  reports: readonly ShardReport[],
  key: 'errors' | 'closes',
): Family {
  const samples = reports.flatMap((report) =>
    Object.entries(report[key]).map(([text, value]) => ({ labels: { shard: report.shard, [label]: text }, value })),
  );
  return { type: 'counter', name, help, samples };
}

function shardFamilies(reports: readonly ShardReport[]): Family[] {
  const perShard = (name: string, help: string, value: (report: ShardReport) => number): Family =>
    gauge(
      name,
      help,
      reports.map((report) => ({ labels: { shard: report.shard }, value: value(report) })),
    );
  return [
    perShard('duolog_connections', 'Open connections on all doors', (report) => report.connections),
    perShard('duolog_subscriptions', 'Open subscriptions', (report) => report.counters['subscriptions'] ?? 0),
    perShard('duolog_event_loop_lag_p99_seconds', 'Event loop delay, p99', (report) => report.eventLoopLagP99Ms / 1000),
    perShard(
      'duolog_journal_backlog_bytes',
      'Journal records that wait for room',
      (report) => report.journalBacklogBytes,
    ),
    perShard('duolog_open_log_files', 'Open files of logs', (report) => report.openFiles),
    {
      type: 'histogram',
      name: 'duolog_commit_seconds',
      help: 'From the end of a turn until the group commit that covers it is done, syncs included',
      samples: reports.map(({ shard, commitLatency }) => ({
        labels: { shard },
        bounds: commitLatency.boundsSeconds,
        counts: commitLatency.counts,
        count: commitLatency.count,
        sum: commitLatency.sumSeconds,
      })),
    },
    ...ringFamilies(reports),
  ];
}

function ringFamilies(reports: readonly ShardReport[]): Family[] {
  const rings = reports.flatMap(({ shard, rings: own }) =>
    own.map((ring) => ({ labels: { from: shard, to: ring.peer }, ring })),
  );
  return [
    gauge(
      'duolog_ring_request_bytes',
      'Bytes of requests in the lane to another shard',
      rings.map(({ labels, ring }) => ({ labels, value: ring.requestBytes })),
    ),
    gauge(
      'duolog_ring_occupancy_ratio',
      'Fill of the request lane to another shard, 0 to 1',
      rings.map(({ labels, ring }) => ({ labels, value: ring.requestBytes / ring.laneBytes })),
    ),
    gauge(
      'duolog_ring_waiting_bytes',
      'Bytes of requests that wait for room in a lane',
      rings.map(({ labels, ring }) => ({ labels, value: ring.waitingBytes })),
    ),
  ];
}

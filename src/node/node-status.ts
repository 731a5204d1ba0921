import type { Catalog } from '../broker/catalog.js';
import type { NodeStatusAnswer } from '../doors/ws/index.js';
import type { AlarmName } from './alarms.js';
import type { ShardReport } from './shard-report.js';

/** What the node knows of itself, for people. */
export interface NodeFacts {
  readonly nodeName: string;
  readonly version: string;
  readonly engine: string;
  readonly startedMs: number;
  readonly warnings: readonly string[];
  /** The bound port of AMQP; undefined when that door is closed. */
  readonly amqpPort: number | undefined;
  /** What holds publishers back now. */
  readonly alarms: readonly AlarmName[];
}

/** The answer to a status request. */
export function nodeStatus(
  facts: NodeFacts,
  catalog: Catalog,
  reports: readonly ShardReport[],
  nowMs: number,
): NodeStatusAnswer {
  const topics = [...catalog.topics()];
  const offline = reports.flatMap((report) => report.partitions.filter((partition) => partition.isOffline));
  return {
    nodeName: facts.nodeName,
    version: facts.version,
    uptimeMs: Math.max(0, Math.round(nowMs - facts.startedMs)),
    wsEngine: facts.engine,
    shards: reports.length,
    topics: topics.filter((topic) => topic.settings.kind === 'topic').length,
    queues: topics.filter((topic) => topic.settings.kind === 'queue').length,
    partitions: catalog.partitionCount,
    connections: reports.reduce((sum, report) => sum + report.connections, 0),
    rssBytes: process.memoryUsage.rss(),
    shardStates: reports.map(shardState),
    amqpPort: facts.amqpPort ?? 0,
    amqpConnections: reports.reduce((sum, report) => sum + (report.amqp['connections'] ?? 0), 0),
    alarms: [...facts.alarms],
    warnings: [
      ...facts.warnings,
      ...alarmWarnings(facts.alarms),
      ...offline.map(({ logId }) => `Log ${logId} is offline`),
    ],
  };
}

function alarmWarnings(alarms: readonly AlarmName[]): string[] {
  return alarms.length === 0 ? [] : [`Publishers are held back: the node is low on ${alarms.join(' and ')}`];
}

function shardState(report: ShardReport): NonNullable<NodeStatusAnswer['shardStates']>[number] {
  const { counters } = report;
  const fullest = Math.max(0, ...report.rings.map((ring) => ring.requestBytes / ring.laneBytes));
  return {
    shard: report.shard,
    connections: report.connections,
    partitions: report.partitions.length,
    eventLoopLagP99Ms: report.eventLoopLagP99Ms,
    fsyncP99Ms: report.commitP99Ms,
    ringOccupancy: fullest,
    messagesIn: counters['messagesIn'] ?? 0,
    messagesOut: (counters['deliveries'] ?? 0) + (counters['messagesOut'] ?? 0),
  };
}

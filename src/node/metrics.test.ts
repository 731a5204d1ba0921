import { describe, expect, it } from 'vitest';
import { Catalog } from '../broker/catalog.js';
import { DurabilityLevel } from '../broker/ports.js';
import { QueueCounters } from '../broker/queue/counters.js';
import { busiestOf, type ChannelReport } from '../doors/amqp/index.js';
import { encodePrometheus } from '../doors/http/index.js';
import { channelFamilies } from './channel-metrics.js';
import { exchangeSeries, partitionSeries } from './metric-series.js';
import { nodeMetrics } from './metrics.js';
import type { NodeFacts } from './node-status.js';
import type { PartitionReport, ShardReport } from './shard-report.js';

const facts: NodeFacts = {
  nodeName: 'n',
  version: '0',
  engine: 'ws',
  startedMs: 0,
  warnings: [],
  amqpPort: 5672,
  alarms: ['disk'],
};

function partition(logId: number, changes: Partial<PartitionReport> = {}): PartitionReport {
  return {
    logId,
    logStart: 0,
    logEnd: 10,
    durableEnd: 10,
    sizeBytes: 100,
    segments: 1,
    isQueue: true,
    ready: 3,
    unacknowledged: 0,
    consumers: 0,
    isOffline: false,
    queue: undefined,
    delayed: undefined,
    ...changes,
  };
}

function report(shard: number, changes: Partial<ShardReport>): ShardReport {
  return {
    shard,
    connections: 0,
    counters: {},
    amqp: {},
    amqpErrors: {},
    errors: {},
    closes: {},
    commitLatency: { boundsSeconds: [], counts: [], count: 0, sumSeconds: 0 },
    commitP99Ms: 0,
    channels: busiestOf([], 1),
    partitions: [],
    exchanges: [],
    memoryLogBytes: 0,
    memoryLogs: 0,
    rings: [],
    eventLoopLagP99Ms: 0,
    journalBacklogBytes: 0,
    openFiles: 0,
    heapBytes: 0,
    ...changes,
  };
}

/** Queues of one partition each; a name that begins with `x` is exclusive. */
function catalogOf(...names: string[]): Catalog {
  const catalog = new Catalog();
  names.forEach((name, index) => {
    const queue = { durable: true, autoDelete: false, exclusiveOwner: name.startsWith('x') ? 'c' : '' };
    catalog.apply(index + 1, {
      kind: 'create-topic',
      topic: {
        name,
        topicId: index + 1,
        settings: {
          kind: 'queue',
          durability: DurabilityLevel.disk,
          retentionMs: -1,
          retentionBytes: -1,
          segmentBytes: 1024 * 1024,
          segmentMs: -1,
          lingerMs: 0,
          queue: { ...queue, arguments: new Uint8Array(0) },
        },
        partitions: [{ partition: 0, logId: index, slot: index }],
      },
    });
  });
  return catalog;
}

describe('metrics of AMQP channels', () => {
  it('name the busiest of all shards, and sum the others', () => {
    const figures = { published: 1, delivered: 2, redelivered: 0, acknowledged: 1, consumers: 1, unconfirmed: 0 };
    const one = (channel: number, unacknowledged: number): ChannelReport => {
      return { ...figures, vhost: '/', connection: 'app at 10.0.0.1:99', channel, unacknowledged };
    };
    const shards = [[one(1, 3), one(2, 8)], [one(3, 5)]].map((channels, shard) =>
      report(shard, { channels: busiestOf(channels, 50) }),
    );
    const text = encodePrometheus(channelFamilies(shards, 2));
    const labels = (channel: number) => `{vhost="/",connection="app at 10.0.0.1:99",channel="${channel}"}`;
    expect(text).toContain(`duolog_amqp_channel_unacknowledged${labels(2)} 8\n`);
    expect(text).toContain(`duolog_amqp_channel_unacknowledged${labels(3)} 5\n`);
    expect(text).not.toContain('channel="1"');
    expect(text).toContain('duolog_amqp_channel_unacknowledged{vhost="",connection="(others)",channel=""} 3\n');
    expect(text).toContain('duolog_amqp_channel_delivered_total{vhost="",connection="(others)",channel=""} 2\n');
  });
});

describe('series of partitions', () => {
  it('are the oldest ones, with a bound; the others and exclusive queues are summed', () => {
    const catalog = catalogOf('a', 'xb', 'c', 'd', 'xe');
    const reports = [
      report(0, { partitions: [4, 2, 0].map((id) => partition(id)) }),
      report(1, { partitions: [3, 1, 99].map((id) => partition(id)) }),
    ];
    const series = partitionSeries(catalog, reports, 2);
    expect(series.map(({ labels, partitions }) => [labels.topic, partitions.map(({ logId }) => logId)])).toEqual([
      ['a', [0]],
      ['c', [2]],
      ['(others)', [3]],
      ['(exclusive)', [1, 4]],
    ]);
  });
});

describe('series of exchanges', () => {
  it('are sums of all shards, with a bound', () => {
    const counts = (exchange: string, published: number) => ({
      vhost: '/',
      exchange,
      published,
      routed: published,
      unroutable: 0,
    });
    const reports = [
      report(0, { exchanges: [counts('b', 1), counts('', 5)] }),
      report(1, { exchanges: [counts('b', 2), counts('c', 7), counts('d', 8)] }),
    ];
    const short = (most: number) =>
      exchangeSeries(reports, most).map(({ labels, published }) => [labels.exchange, published]);
    expect(short(9)).toEqual([
      ['(default)', 5],
      ['b', 3],
      ['c', 7],
      ['d', 8],
    ]);
    expect(short(2)).toEqual([
      ['(default)', 5],
      ['b', 3],
      ['(others)', 15],
    ]);
  });
});

describe('metrics', () => {
  it('tell what queues, exchanges, the AMQP door and alarms do', () => {
    const counters = new QueueCounters();
    counters.published = 9;
    counters.deadLettered.expired = 2;
    const queue = { counters, oldestReadyAgeMs: 1500 };
    const reports = [
      report(0, {
        partitions: [partition(0, { queue }), partition(1, { queue: { counters, oldestReadyAgeMs: 4000 } })],
        amqp: { channels: 4, publishes: 17 },
        amqpErrors: { NOT_FOUND: 3 },
        exchanges: [{ vhost: '/', exchange: 'logs', published: 6, routed: 11, unroutable: 1 }],
        memoryLogBytes: 4096,
      }),
    ];
    const lines = nodeMetrics(facts, catalogOf('jobs', 'xtemporary'), reports, 1000).split('\n');
    for (const line of [
      'duolog_alarm{alarm="memory"} 0',
      'duolog_alarm{alarm="disk"} 1',
      'duolog_queue_messages_ready{vhost="/",topic="jobs",partition="0"} 3',
      'duolog_queue_published_total{vhost="/",topic="jobs",partition="0"} 9',
      'duolog_queue_dead_lettered_total{vhost="/",topic="jobs",partition="0",reason="expired"} 2',
      'duolog_queue_oldest_ready_seconds{vhost="/",topic="jobs",partition="0"} 1.5',
      'duolog_queue_oldest_ready_seconds{vhost="/",topic="(exclusive)",partition=""} 4',
      'duolog_partitions_summed 1',
      'duolog_amqp_channels{shard="0"} 4',
      'duolog_amqp_publishes_total{shard="0"} 17',
      'duolog_amqp_errors_total{shard="0",error="NOT_FOUND"} 3',
      'duolog_exchange_routed_total{vhost="/",exchange="logs"} 11',
      'duolog_memory_log_bytes{shard="0"} 4096',
    ])
      expect(lines).toContain(line);
    expect(lines.filter((line) => line.includes('reason="rejected"'))).toEqual([]);
    // A monitor refuses a page on which a series is there twice.
    const series = lines.filter((line) => /^duolog_/.test(line)).map((line) => line.replace(/ \S+$/, ''));
    expect(new Set(series).size).toBe(series.length);
  });
});

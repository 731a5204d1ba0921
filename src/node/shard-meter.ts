import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import { DelayLog } from '../broker/delay/delay-log.js';
import type { OwnedPartition } from '../broker/owned-partition.js';
import { QueueEngine } from '../broker/queue/queue-engine.js';
import type { ShardBroker } from '../broker/shard-broker.js';
import type { ShardMesh } from '../io/ring/index.js';
import type { ShardStorage } from '../storage/shard-storage.js';
import type { MeshLink } from './mesh-link.js';
import { LABELLED_CHANNELS_MAX, OLDEST_LOOKS_MAX } from './metrics-limits.js';
import type { ShardDoors } from './shard-doors.js';
import type { DelayedReport, PartitionReport, QueueReport, RingReport, ShardReport } from './shard-report.js';

const NANOSECONDS_PER_MS = 1e6;
/** Resolution of the event loop's delay: each sample is a timer. */
const LAG_RESOLUTION_MS = 20;

/** What a meter reads. */
export interface ShardMeterParts {
  readonly shard: number;
  readonly broker: ShardBroker;
  readonly doors: ShardDoors;
  readonly mesh: ShardMesh;
  readonly links: ReadonlyMap<number, MeshLink>;
  readonly storage: ShardStorage;
  /** Size of one lane of a ring. */
  readonly laneBytes: number;
}

/** Reads a shard's figures when somebody asks for them. */
export class ShardMeter {
  private readonly parts: ShardMeterParts;
  private readonly lag: IntervalHistogram = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });

  constructor(parts: ShardMeterParts) {
    this.parts = parts;
    this.lag.enable();
  }

  stop(): void {
    this.lag.disable();
  }

  report(): ShardReport {
    const { shard, broker, doors, storage } = this.parts;
    const { errors, closes, ...counters } = doors.native.counters;
    const { errors: replies, ...amqp } = doors.amqp.counters;
    return {
      shard,
      connections: doors.connections(),
      counters: { ...counters, commits: storage.commits },
      amqp,
      amqpErrors: Object.fromEntries(replies),
      errors: Object.fromEntries(errors),
      closes: Object.fromEntries(closes),
      commitLatency: broker.owner.commitLatency.figures(),
      commitP99Ms: broker.owner.commitLatency.percentileMs(0.99),
      channels: doors.amqp.channels(LABELLED_CHANNELS_MAX),
      partitions: this.partitions(),
      exchanges: [...broker.router.counters.all()],
      memoryLogBytes: storage.memory.sizeBytes,
      memoryLogs: storage.memory.count,
      rings: this.rings(),
      // The histogram's values include its own interval.
      eventLoopLagP99Ms: Math.max(0, this.lag.percentile(99) / NANOSECONDS_PER_MS - LAG_RESOLUTION_MS),
      journalBacklogBytes: storage.journal.backlogBytes,
      openFiles: storage.files.statistics().openFiles,
      // Of the calling thread alone: each has a heap of its own.
      heapBytes: getHeapStatistics().total_heap_size,
    };
  }

  private partitions(): PartitionReport[] {
    let looks = 0;
    // The lowest log ids are the ones that keep series of their own in the metrics.
    const owned = [...this.parts.broker.owner.all()].sort((a, b) => a.log.logId - b.log.logId);
    return owned.map((partition) => {
      const mayRead = looks < OLDEST_LOOKS_MAX;
      if (mayRead && partition.policies instanceof QueueEngine && partition.policies.mustReadForAge) looks++;
      return reportOf(partition, mayRead);
    });
  }

  private rings(): RingReport[] {
    const { mesh, links } = this.parts;
    return [...links].map(([peer, link]) => {
      const { requestBytes, replyBytes } = mesh.channel(peer).occupancy();
      return { peer, requestBytes, replyBytes, waitingBytes: link.waitingBytes, laneBytes: this.parts.laneBytes };
    });
  }
}

function reportOf({ log, cursor, consumerCount, policies }: OwnedPartition, mayRead: boolean): PartitionReport {
  return {
    logId: log.logId,
    logStart: log.logStart,
    logEnd: log.logEnd,
    durableEnd: log.durableEnd,
    sizeBytes: log.sizeBytes,
    segments: log.segmentCount,
    isQueue: cursor !== undefined,
    ready: cursor?.ready ?? 0,
    unacknowledged: cursor?.unacknowledged ?? 0,
    consumers: consumerCount,
    isOffline: log.offline !== undefined,
    queue: policies instanceof QueueEngine ? queueReport(policies, mayRead) : undefined,
    delayed: policies instanceof DelayLog ? delayedReport(policies, cursor?.ready ?? 0) : undefined,
  };
}

function queueReport(engine: QueueEngine, mayRead: boolean): QueueReport {
  return { counters: engine.counters, oldestReadyAgeMs: engine.oldestReadyAgeMs(mayRead) };
}

function delayedReport({ lateness, indexBytes }: DelayLog, held: number): DelayedReport {
  return { held, fired: lateness.fired, lateSumMs: lateness.sumMs, lateMaxMs: lateness.maxMs, indexBytes };
}

import type { LatencyFigures } from '../broker/latency-histogram.js';
import type { QueueCounters } from '../broker/queue/counters.js';
import type { ExchangeCounts } from '../broker/routing/exchange-counters.js';
import type { ChannelReports } from '../doors/amqp/index.js';

/** What one shard tells the control thread when somebody asks for the status or the metrics. Plain values: it is cloned between threads. */
export interface ShardReport {
  readonly shard: number;
  /** On all doors; `amqp` says how many of them are AMQP's. */
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
  /** Of the AMQP door. */
  readonly amqp: Readonly<Record<string, number>>;
  /** Channel and connection exceptions of the AMQP door, by name. */
  readonly amqpErrors: Readonly<Record<string, number>>;
  /** Error frames sent, by code. */
  readonly errors: Readonly<Record<string, number>>;
  /** Connections that the node closed, by WebSocket close code. */
  readonly closes: Readonly<Record<string, number>>;
  /** What confirms at `disk` wait for. */
  readonly commitLatency: LatencyFigures;
  readonly commitP99Ms: number;
  readonly channels: ChannelReports;
  readonly partitions: readonly PartitionReport[];
  /** Of what this shard's sessions and dead letters published. */
  readonly exchanges: readonly Readonly<ExchangeCounts>[];
  /** Memory that messages in memory logs take. */
  readonly memoryLogBytes: number;
  readonly memoryLogs: number;
  readonly rings: readonly RingReport[];
  readonly eventLoopLagP99Ms: number;
  readonly journalBacklogBytes: number;
  readonly openFiles: number;
  /** V8's heap of the shard's thread as far as it is committed; what lies outside of it (buffers, libraries) is not in it. */
  readonly heapBytes: number;
}

/** One owned partition. Sizes in bytes. */
export interface PartitionReport {
  readonly logId: number;
  readonly logStart: number;
  readonly logEnd: number;
  readonly durableEnd: number;
  readonly sizeBytes: number;
  readonly segments: number;
  readonly isQueue: boolean;
  readonly ready: number;
  readonly unacknowledged: number;
  readonly consumers: number;
  readonly isOffline: boolean;
  /** Of a queue with rules: every queue but streams. */
  readonly queue: QueueReport | undefined;
  /** Of a log that holds messages until their time comes. */
  readonly delayed: DelayedReport | undefined;
}

/** What has happened in a partition of a queue. */
export interface QueueReport {
  readonly counters: Readonly<QueueCounters>;
  /** Milliseconds since the oldest waiting message was stored; -1 when nothing waits, or it was not looked at. */
  readonly oldestReadyAgeMs: number;
}

/** A log of held messages. Times in milliseconds. */
export interface DelayedReport {
  readonly held: number;
  readonly fired: number;
  /** How late all those that fired were, together. */
  readonly lateSumMs: number;
  /** The latest of them. */
  readonly lateMaxMs: number;
  readonly indexBytes: number;
}

/** The way to one other shard, in bytes: what lies in the lanes, and what waits for room. */
export interface RingReport {
  readonly peer: number;
  readonly requestBytes: number;
  readonly replyBytes: number;
  readonly waitingBytes: number;
  /** Size of one lane. */
  readonly laneBytes: number;
}

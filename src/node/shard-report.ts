/** What one shard tells the control thread when somebody asks for the status or the metrics. Plain values: it is cloned between threads. */
export interface ShardReport {
  readonly shard: number;
  readonly connections: number;
  readonly counters: Readonly<Record<string, number>>;
  /** Latency histograms: upper bounds in seconds, with cumulative counts. */
  readonly histograms: readonly HistogramReport[];
  readonly partitions: readonly PartitionReport[];
  readonly rings: readonly RingReport[];
  readonly eventLoopLagP99Ms: number;
  readonly fsyncP99Ms: number;
}

/** One histogram in Prometheus' terms. */
export interface HistogramReport {
  readonly name: string;
  readonly help: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly boundsSeconds: readonly number[];
  /** Observations at or below each bound, cumulative; the total follows in `count`. */
  readonly cumulative: readonly number[];
  readonly count: number;
  readonly sumSeconds: number;
}

/** One owned partition. Sizes in bytes. */
export interface PartitionReport {
  readonly logId: number;
  readonly logStart: number;
  readonly logEnd: number;
  readonly durableEnd: number;
  readonly sizeBytes: number;
  readonly segments: number;
  readonly appendedMessages: number;
  readonly appendedBytes: number;
  readonly isQueue: boolean;
  readonly ready: number;
  readonly unacknowledged: number;
  readonly consumers: number;
  readonly offline: boolean;
}

/** The way to one other shard: fill from 0 to 1, and what waits for room in bytes. */
export interface RingReport {
  readonly peer: number;
  readonly occupancy: number;
  readonly waitingBytes: number;
}

import type { LogBounds, LogBoundsTable } from '../broker/log-views.js';
import { freePartitionRow, type PartitionRow, type ShardMesh } from '../io/ring/index.js';
import type { LogProgress, PartitionProgress } from '../storage/ports.js';

/** Writes what the owner knows of its logs into the shared partition table, and wakes the shards that wait for it. */
export class PartitionPublisher implements PartitionProgress {
  private readonly mesh: ShardMesh;
  private readonly row: PartitionRow = freePartitionRow();
  private readonly readyOf: (logId: number) => number;

  /** `readyOf` tells how many messages a log's queue could hand out; 0 for topics. It is called with every publication. */
  constructor(mesh: ShardMesh, readyOf: (logId: number) => number) {
    this.mesh = mesh;
    this.readyOf = readyOf;
    this.row.ownerShard = mesh.self;
  }

  publish(log: LogProgress): void {
    const { row } = this;
    row.logId = log.logId;
    row.logStart = log.logStart;
    row.logEnd = log.logEnd;
    row.durableEnd = log.durableEnd;
    row.highWatermark = log.visibleEnd;
    // Without transactions everything visible is stable.
    row.lastStableOffset = log.visibleEnd;
    row.leaderEpoch = log.leaderEpoch;
    row.segmentListVersion = log.segmentListVersion;
    row.readyCount = this.readyOf(log.logId);
    this.mesh.publishPartition(log.slot, row);
  }

  /** The log of this slot is gone. */
  release(slot: number): void {
    this.mesh.publishPartition(slot, freePartitionRow());
  }
}

/** The shared partition table as a shard's broker reads it. */
export class SharedBounds implements LogBoundsTable {
  private readonly mesh: ShardMesh;
  private readonly row: PartitionRow = freePartitionRow();

  constructor(mesh: ShardMesh) {
    this.mesh = mesh;
  }

  read(slot: number): LogBounds {
    const row = this.mesh.partitionTable.read(slot, this.row);
    const { logStart, highWatermark, durableEnd, leaderEpoch, readyCount } = row;
    return { logStart, end: highWatermark, durableEnd, leaderEpoch, ready: readyCount };
  }

  setInterest(slot: number, interested: boolean): void {
    this.mesh.setInterest(slot, interested);
  }

  /** Moves whenever the log's list of segments changes. */
  segmentListVersion(slot: number): number {
    return this.mesh.partitionTable.read(slot, this.row).segmentListVersion;
  }
}

/** A log at one moment, for a copy of it: docs/design/backup.md. */
import { encodeCheckpoint } from './checkpoint.js';
import type { PartitionLog } from './partition-log.js';

/** The part of a segment that belongs to the moment. It never changes. */
export interface SegmentCapture {
  readonly baseOffset: number;
  readonly sizeBytes: number;
}

/** Together with the bytes of its segments this is the log: a recovery needs nothing else. */
export interface LogCapture {
  readonly logId: number;
  /** The bytes of its checkpoint, a clean one. */
  readonly checkpoint: Uint8Array;
  readonly segments: readonly SegmentCapture[];
}

/** A transaction that is to be committed, whatever its logs know of that. */
export interface DecisionCapture {
  readonly producerId: number;
  readonly epoch: number;
}

/** All logs of a shard at one moment. */
export interface ShardCapture {
  readonly journalId: number;
  readonly logs: readonly LogCapture[];
  readonly decisions: readonly DecisionCapture[];
}

/** Takes a log as it is; between turns. @throws StorageError of a log that does not serve, or cannot write what is buffered */
export function captureLog(log: PartitionLog): LogCapture {
  if (log.offline !== undefined) throw log.offline;
  log.write();
  const checkpoint = encodeCheckpoint(log.image(true));
  const segments = log.segments.map(({ baseOffset, sizeBytes }) => ({ baseOffset, sizeBytes }));
  return { logId: log.logId, checkpoint, segments };
}

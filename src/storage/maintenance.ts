import { CodedError } from '../base/errors.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { FileCache } from '../io/disk/file-cache.js';
import type { Clock, Disk } from '../io/ports.js';
import { type CleanJob, type CleanResult, cleanSegment } from './clean-segment.js';
import { finishIndex } from './index-rebuild.js';
import { CLEAN_RATIO, CLEAN_SAMPLES } from './limits.js';
import type { PartitionLog } from './partition-log.js';
import type { Segment, SegmentSums } from './segment.js';

/** Runs heavy work elsewhere; a twin in the same thread just calls `cleanSegment`. */
export interface BackgroundPool {
  run(job: CleanJob): Promise<CleanResult>;
}

/** The pool that is none: it does the work on the calling thread, at once. */
export function inlinePool(disk: Disk): BackgroundPool {
  return { run: async (job) => cleanSegment(disk, job) };
}

/** What maintenance uses of its shard. */
export interface MaintenanceHost {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly files: FileCache;
  /** The shard stops, and waits for what maintenance has begun. */
  readonly isClosed: boolean;
  checkpoint(log: PartitionLog): Promise<void>;
  unlinkQuietly(path: string): void;
  /** A log could not be looked after; the next round tries again. */
  maintenanceFailed(log: PartitionLog, cause: CodedError<string>): void;
}

/** Frees space: retention by time and size, segments that a queue is done with, and the rewriting of those that are mostly done with. */
export class Maintenance {
  private readonly host: MaintenanceHost;
  private readonly pool: BackgroundPool | undefined;

  constructor(host: MaintenanceHost, pool: BackgroundPool | undefined) {
    this.host = host;
    this.pool = pool;
  }

  /** Looks after one log. Never rejects for reasons of the disk: what could not be done is left for the next time. */
  async run(log: PartitionLog): Promise<void> {
    if (log.offline !== undefined || log.segments.length === 0) return;
    try {
      this.noteDone(log);
      log.purgeTo(this.retainedFrom(log));
      const last = log.segments[log.segments.length - 1]!;
      if (last.endOffset <= log.logStart) log.rollSegment();
      log.dropSegments((segment) => segment.endOffset <= log.logStart || this.isDone(log, segment));
      if (log.obsolete.length > 0) await this.host.checkpoint(log);
      if (this.pool !== undefined) await this.clean(log, this.pool);
    } catch (cause) {
      if (!(cause instanceof CodedError)) throw cause;
      this.host.maintenanceFailed(log, cause);
    }
  }

  /** Where the log should start. Retention takes whole segments, from the front, and nothing that a cursor still needs. */
  private retainedFrom(log: PartitionLog): number {
    const { config } = log;
    const nowMs = this.host.clock.nowMs();
    const floor = Math.min(log.companion.retainFrom(), log.durableEnd);
    let excessBytes = config.retentionBytes < 0 ? 0 : log.sizeBytes - config.retentionBytes;
    let start = log.logStart;
    for (const segment of log.segments) {
      if (segment.endOffset > floor || segment.sizeBytes === 0) break;
      const isOld = config.retentionMs >= 0 && nowMs - segment.lastArrivalMs >= config.retentionMs;
      const isExcess = excessBytes >= segment.sizeBytes && segment !== log.segments[log.segments.length - 1];
      if (!isOld && !isExcess && !this.isDone(log, segment)) break;
      excessBytes -= segment.sizeBytes;
      start = Math.max(start, segment.endOffset);
    }
    return start;
  }

  /** Notes since when a queue has been done with each closed segment: its linger counts from there. */
  private noteDone(log: PartitionLog): void {
    const floor = log.companion.retainFrom();
    if (floor === Number.POSITIVE_INFINITY) return;
    const nowMs = this.host.clock.nowMs();
    for (const segment of log.segments) {
      if (segment.doneSinceMs >= 0 || segment === log.segments[log.segments.length - 1]) continue;
      if (segment.endOffset <= floor || this.garbageRatio(log, segment) === 1) segment.doneSinceMs = nowMs;
    }
  }

  private isDone(log: PartitionLog, segment: Segment): boolean {
    const { doneSinceMs } = segment;
    return doneSinceMs >= 0 && this.host.clock.nowMs() - doneSinceMs >= Math.max(0, log.config.lingerMs);
  }

  /** Which part of a segment's offsets the cursor is done with; a guess, but exact when it says 1. */
  private garbageRatio(log: PartitionLog, segment: Segment): number {
    const count = segment.endOffset - segment.baseOffset;
    const step = Math.max(1, Math.floor(count / CLEAN_SAMPLES));
    let looked = 0;
    let done = 0;
    for (let offset = segment.baseOffset; offset < segment.endOffset; offset += step) {
      looked++;
      if (log.companion.isAcknowledged(offset)) done++;
    }
    if (done < looked) return done / looked;
    for (let offset = segment.baseOffset; offset < segment.endOffset; offset++) {
      if (!log.companion.isAcknowledged(offset)) return 1 - 1 / count;
    }
    return 1;
  }

  private async clean(log: PartitionLog, pool: BackgroundPool): Promise<void> {
    if (log.companion.retainFrom() === Number.POSITIVE_INFINITY) return;
    for (const segment of log.segments.slice(0, -1)) {
      if (log.offline !== undefined || this.host.isClosed) return;
      if (!this.isWorthCleaning(log, segment)) continue;
      await this.cleanOne(log, segment, pool);
    }
  }

  private isWorthCleaning(log: PartitionLog, segment: Segment): boolean {
    if (segment.isRemoved || segment.records === 0 || segment.doneSinceMs >= 0) return false;
    // What is acknowledged may stay readable for a while, and nothing says since when a single message is.
    const isLingering = this.host.clock.nowMs() - segment.lastArrivalMs < log.config.lingerMs;
    if (isLingering || this.host.disk.exists(segment.path('quarantine'))) return false;
    const ratio = this.garbageRatio(log, segment);
    // Offsets whose records are gone already count as acknowledged, so what can be won is measured in records.
    const kept = (1 - ratio) * (segment.endOffset - segment.baseOffset);
    return kept <= segment.records * (1 - CLEAN_RATIO);
  }

  /**
   * Replaces a segment by its rewritten self. First a checkpoint with the new size, then the swap: recovery finishes it if the power fails
   * in between, and forgets the new file if there is no such checkpoint.
   */
  private async cleanOne(log: PartitionLog, segment: Segment, pool: BackgroundPool): Promise<void> {
    const { host } = this;
    // The segment's end must be in a checkpoint, so that the journal never writes old batches into the new file.
    if (segment.isUnsynced || (log.checkpointed?.logEnd ?? 0) < segment.endOffset) await host.checkpoint(log);
    const before = segment.sums();
    const removable = removableBits(log, segment);
    const job = { directory: log.directory, baseOffset: segment.baseOffset, sizeBytes: segment.sizeBytes, removable };
    const result = await pool.run(job);
    if (log.offline !== undefined || segment.isRemoved || host.isClosed)
      return host.unlinkQuietly(segment.path('cleaned'));
    if (result.sizeBytes >= before.sizeBytes) return host.unlinkQuietly(segment.path('cleaned'));
    takeSums(segment, { ...before, ...result });
    try {
      await host.checkpoint(log);
    } catch (cause) {
      takeSums(segment, before);
      host.unlinkQuietly(segment.path('cleaned'));
      throw cause;
    }
    this.swap(log, segment);
    await host.disk.syncDirectoryAsync(log.directory);
  }

  private swap(log: PartitionLog, segment: Segment): void {
    const { host } = this;
    // Without an index readers walk; with the wrong one they would be lost.
    host.unlinkQuietly(segment.path('index'));
    host.files.forget(segment.path('log'));
    host.disk.rename(segment.path('cleaned'), segment.path('log'));
    log.segmentsChanged();
    try {
      finishIndex(segment, host.files);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
    }
  }
}

function takeSums(segment: Segment, sums: SegmentSums): void {
  segment.setSums(sums);
  segment.syncedBytes = sums.sizeBytes;
  segment.safeBytes = sums.sizeBytes;
}

function removableBits(log: PartitionLog, segment: Segment): Uint8Array {
  const count = segment.endOffset - segment.baseOffset;
  const bits = new Uint8Array(Math.ceil(count / 8));
  for (let bit = 0; bit < count; bit++) {
    if (log.companion.isAcknowledged(segment.baseOffset + bit)) bits[bit >> 3] = bits[bit >> 3]! | (1 << (bit & 7));
  }
  return bits;
}

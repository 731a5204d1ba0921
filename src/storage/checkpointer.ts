import { EncodeError } from '../base/errors.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk, Timers } from '../io/ports.js';
import { encodeCheckpoint, writeCheckpoint } from './checkpoint.js';
import { StorageError } from './errors.js';
import type { Journal } from './journal/journal.js';
import type { StorageLimits } from './limits.js';
import type { PartitionLog } from './partition-log.js';
import type { Segment } from './segment.js';

/** What checkpoints use of their shard. */
export interface CheckpointHost {
  readonly disk: Disk;
  readonly timers: Timers;
  readonly journal: Journal;
  readonly limits: StorageLimits;
  /** Nothing is appended any more: every checkpoint from now on is a clean one. */
  readonly isClosed: boolean;
  syncSegment(log: PartitionLog, segment: Segment): Promise<void>;
  syncDirectories(log: PartitionLog): Promise<void>;
  /** Keeps the journal's records of a log that can have no checkpoint any more. */
  carry(log: PartitionLog): void;
  /** Removes a file; if that fails it is found and removed by a later recovery. */
  unlinkQuietly(path: string): void;
}

type Waiter = (error?: StorageError) => void;

interface Job {
  readonly log: PartitionLog;
  readonly waiters: Waiter[];
}

const RETRY_MS = 1000;

/**
 * Writes the checkpoints of logs, a few at a time: it syncs the log's segments, then replaces its checkpoint, and then lets the journal go
 * of the records that this contains. A log is in here at most twice: being written, and asked for again.
 */
export class Checkpointer {
  private readonly host: CheckpointHost;
  private readonly queue = new Map<PartitionLog, Job>();
  private readonly running = new Set<PartitionLog>();
  private idle: (() => void)[] = [];

  constructor(host: CheckpointHost) {
    this.host = host;
  }

  /** Asks for a checkpoint of what the log is when its turn comes. */
  request(log: PartitionLog): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue(log, (error) => (error === undefined ? resolve() : reject(error)));
    });
  }

  /** The same, for when nobody waits. */
  requestSoon(log: PartitionLog): void {
    this.enqueue(log, undefined);
  }

  /** Resolves when nothing is under way or waiting. */
  async drain(): Promise<void> {
    while (this.queue.size > 0 || this.running.size > 0) await new Promise<void>((resolve) => this.idle.push(resolve));
  }

  private enqueue(log: PartitionLog, waiter: Waiter | undefined): void {
    const job = this.queue.get(log) ?? { log, waiters: [] };
    if (waiter !== undefined) job.waiters.push(waiter);
    this.queue.set(log, job);
    this.startNext();
  }

  private startNext(): void {
    for (const [log, job] of this.queue) {
      if (this.running.size >= this.host.limits.parallelSyncs) return;
      if (this.running.has(log)) continue;
      this.queue.delete(log);
      this.running.add(log);
      void this.run(job);
    }
    if (this.running.size > 0) return;
    const { idle } = this;
    this.idle = [];
    for (const resolve of idle) resolve();
  }

  private async run(job: Job): Promise<void> {
    let error: StorageError | undefined;
    try {
      // A checkpoint is taken between turns, never in the middle of an append.
      await Promise.resolve();
      await this.checkpoint(job.log, this.host.isClosed);
    } catch (cause) {
      error = this.failed(job, cause);
      if (job.log.offline !== undefined && !job.log.isDeleted) this.host.carry(job.log);
    }
    this.running.delete(job.log);
    for (const waiter of job.waiters) waiter(error);
    this.startNext();
  }

  private async checkpoint(log: PartitionLog, shouldBeClean: boolean): Promise<void> {
    const { host } = this;
    if (log.isDeleted) return;
    log.write();
    const image = log.image(shouldBeClean);
    const bytes = encodeCheckpoint(image);
    const obsolete = log.obsolete;
    for (const segment of [...log.unsynced]) await host.syncSegment(log, segment);
    if (log.isDirectoryUnsynced) await host.syncDirectories(log);
    if (log.offline !== undefined) throw log.offline;
    if (log.isDeleted) return;
    await writeCheckpoint(host.disk, log.directory, bytes);
    log.checkpointedSequence = image.journalSequence;
    log.isCheckpointInSet = false;
    // Who opened the log meanwhile journaled that after the image was taken.
    const { companionOffset, logStart, logEnd, isClean } = image;
    log.checkpointed = { companionOffset, logStart, logEnd, isClean: isClean && (shouldBeClean || !log.isOpen) };
    host.journal.released(log);
    this.unlink(log, obsolete);
  }

  /** Removes the files of segments that the durable checkpoint does not name any more. */
  private unlink(log: PartitionLog, obsolete: readonly Segment[]): void {
    if (obsolete.length === 0) return;
    log.obsolete = log.obsolete.filter((segment) => !obsolete.includes(segment));
    for (const segment of obsolete) {
      for (const kind of ['index', 'quarantine', 'log'] as const) this.host.unlinkQuietly(segment.path(kind));
    }
  }

  private failed(job: Job, cause: unknown): StorageError {
    const { log } = job;
    if (cause instanceof StorageError) return cause;
    // The folder went with the log.
    if (log.isDeleted) return new StorageError('log-not-found', `Log ${log.logId} was deleted`);
    if (!(cause instanceof DiskError) && !(cause instanceof EncodeError)) throw cause;
    const isFull = cause.code === 'no-space' || cause.code === 'descriptor-limit';
    const error = new StorageError(
      isFull ? 'no-space' : 'log-offline',
      `Cannot write the checkpoint of log ${log.logId}: ${cause.message}`,
      cause,
    );
    if (!isFull) log.goOffline(error);
    else this.host.timers.setTimeout(() => this.requestSoon(log), RETRY_MS).unref();
    return error;
  }
}

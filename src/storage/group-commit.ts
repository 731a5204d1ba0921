import { DiskError } from '../io/disk/disk-error.js';
import type { Clock, Disk, TimerHandle, Timers } from '../io/ports.js';
import { StorageError } from './errors.js';
import type { Journal } from './journal/journal.js';
import { QUICK_SYNC_MAX_BYTES, type StorageLimits } from './limits.js';
import type { OwnerLog } from './owner-log.js';
import type { PartitionLog } from './partition-log.js';
import { runLimited } from './run-limited.js';
import type { Segment } from './segment.js';
import { SyncPace } from './sync-pace.js';

/** What the group commit uses of its shard. */
export interface CommitHost {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly journal: Journal;
  readonly limits: StorageLimits;
  readonly shardFailure: StorageError | undefined;
  /** Writes what is buffered, of all logs and the journal. */
  flush(): void;
  /** Syncs one segment and its name; takes its log offline when that fails. `isHere`: the calling thread waits for the segment. */
  syncSegment(log: PartitionLog, segment: Segment, isHere?: boolean): Promise<void>;
  /** Reads what a segment holds from `position` to its end. @throws DiskError */
  readBack(segment: Segment, position: number): Uint8Array;
  /** The journal holds a segment's new bytes; its own sync can wait. */
  copied(log: PartitionLog, segment: Segment): void;
  /** A log is durable up to its end. */
  noteDurable(log: PartitionLog): void;
  /** Logs are durable further than was noted. */
  readonly hasUnnoted: boolean;
  /** Notes how far they are. */
  noteRest(): void;
  /** Bytes of the journal's area that copies must leave for decisions. */
  readonly reservedJournalBytes: number;
  /** A commit ended. */
  committed(): void;
}

interface Waiter {
  readonly done: (error?: StorageError) => void;
  readonly log: OwnerLog | undefined;
  /** Offsets of the log below this are what the waiter waits for. */
  readonly upTo: number;
}

/** A record that must not be durable before everything that was appended and journaled until now. */
export interface CommitDecision {
  /** Journals it, if what it decides has come through. */
  readonly write: () => void;
  readonly done: (error?: StorageError) => void;
}

/** A segment that a commit syncs, with the number of its bytes that nothing covers yet. */
interface SegmentSync {
  readonly log: PartitionLog;
  readonly segment: Segment;
  readonly bytes: number;
}

const DONE = Promise.resolve();

interface Target {
  readonly log: PartitionLog;
  readonly end: number;
}

/**
 * Makes what was appended durable, for all logs of a shard at once; one commit is under way at a time, and covers what was appended before
 * it began. Large dirty segments are synced themselves. The new bytes of small ones are copied into the journal, so that one sync covers them
 * all, and the changes of cursors beside them; where segments are few, only very small ones are.
 */
export class GroupCommit {
  /** Logs with bytes that nothing covers yet. */
  readonly dirty = new Set<PartitionLog>();
  /** Commits that ended, for metrics. */
  commits = 0;
  /** Nothing that comes now is durable to anybody before `resume`. */
  isHeld = false;
  private readonly host: CommitHost;
  private readonly pace: SyncPace;
  private waiters: Waiter[] = [];
  private decisions: CommitDecision[] = [];
  private isRunning = false;
  private isWanted = false;
  private isScheduled = false;
  private idleTimer: TimerHandle | undefined;
  private idle: (() => void)[] = [];

  constructor(host: CommitHost) {
    this.host = host;
    this.pace = new SyncPace(host.limits.quickSyncMs);
  }

  /** Calls back when everything appended and journaled up to now is durable, or cannot be. */
  wait(done: (error?: StorageError) => void, log: OwnerLog | undefined): void {
    this.waiters.push({ done, log, upTo: log?.nextOffset ?? 0 });
    this.schedule();
  }

  /** Writes `decision` when everything appended and journaled up to now is durable or will be by the same sync, and makes it durable too. */
  decide(decision: CommitDecision): void {
    this.decisions.push(decision);
    this.schedule();
  }

  private schedule(): void {
    if (this.isRunning || this.isScheduled) return;
    this.isScheduled = true;
    // The end of the turn starts the commit; this is for callers outside of one.
    this.host.timers.setImmediate(() => {
      this.isScheduled = false;
      this.startIfWanted();
    });
  }

  /** Asks for a commit that nobody waits for. */
  want(): void {
    this.isWanted = true;
  }

  /** Starts a commit if one is wanted and none is under way. */
  startIfWanted(): void {
    if (this.isRunning || this.isHeld || !this.hasWork) return;
    this.isRunning = true;
    void this.run();
  }

  /** No commit starts from here on; one that is under way ends. Nothing that is appended or decided from now on is durable to anybody. */
  hold(): void {
    this.isHeld = true;
  }

  /** Commits go on. */
  resume(): void {
    this.isHeld = false;
    this.startIfWanted();
  }

  private get hasWork(): boolean {
    return this.isWanted || this.waiters.length > 0 || this.decisions.length > 0;
  }

  /** Something was written; if nobody asks for a commit, one comes by itself after a while. */
  armIdleTimer(): void {
    if (this.idleTimer !== undefined || this.isRunning) return;
    this.idleTimer = this.host.timers.setTimeout(() => {
      this.idleTimer = undefined;
      this.host.noteRest();
      this.isWanted = true;
      this.startIfWanted();
    }, this.host.limits.idleCommitMs);
    this.idleTimer.unref();
  }

  /** Appends to a log at and above an offset were taken back. */
  failWaiters(log: PartitionLog, fromOffset: number, error: StorageError): void {
    const failed = this.waiters.filter((waiter) => waiter.log === log && waiter.upTo > fromOffset);
    if (failed.length === 0) return;
    this.waiters = this.waiters.filter((waiter) => !failed.includes(waiter));
    for (const waiter of failed) waiter.done(error);
  }

  /** Commits what is there, and resolves when nothing is under way any more. */
  async drain(): Promise<void> {
    this.isHeld = false;
    this.isWanted = true;
    this.startIfWanted();
    while (this.isRunning) await new Promise<void>((resolve) => this.idle.push(resolve));
    this.disarmIdleTimer();
  }

  /** The files are closed: what comes by itself does not any more. */
  disarmIdleTimer(): void {
    if (this.idleTimer !== undefined) this.host.timers.clearTimeout(this.idleTimer);
    this.idleTimer = undefined;
  }

  private async run(): Promise<void> {
    const { host } = this;
    // The turn in which a commit starts may go on appending; it begins with what is there now.
    host.flush();
    const { waiters, decisions } = this;
    this.waiters = [];
    this.decisions = [];
    this.isWanted = false;
    const targets = [...this.dirty].map((log) => ({ log, end: log.logEnd }));
    this.dirty.clear();
    const failure = await this.makeDurable(targets, decisions);
    this.finish(targets, waiters, failure);
    for (const { done } of decisions) done(failure);
    this.isRunning = false;
    host.committed();
    if (this.hasWork && !this.isHeld) this.startIfWanted();
    else this.becomeIdle();
  }

  private becomeIdle(): void {
    const { journal } = this.host;
    const hasNotes = journal.lastSequence > journal.syncedSequence || this.host.hasUnnoted;
    if (this.host.shardFailure === undefined && (this.dirty.size > 0 || hasNotes)) this.armIdleTimer();
    const { idle } = this;
    this.idle = [];
    for (const resolve of idle) resolve();
  }

  /** Resolves with the reason why the whole commit failed, or undefined; logs that failed by themselves are offline. */
  private async makeDurable(
    targets: readonly Target[],
    decisions: readonly CommitDecision[],
  ): Promise<StorageError | undefined> {
    const { host } = this;
    if (host.shardFailure !== undefined) return host.shardFailure;
    const syncs = this.plan(targets);
    // The journal has it all by then, and a missing record voids those behind it: one sync is enough.
    const canDecideNow = syncs.length === 0;
    if (canDecideNow) for (const { write } of decisions) write();
    await this.syncAll(syncs);
    if (!canDecideNow && decisions.length > 0 && host.shardFailure === undefined) {
      for (const { write } of decisions) write();
      await this.syncAll([]);
    }
    return host.shardFailure;
  }

  private async syncAll(syncs: readonly SegmentSync[]): Promise<void> {
    const { host } = this;
    const { clock, journal, limits } = host;
    const needed = journal.lastSequence;
    await this.waitForRoom(needed);
    const isJournalDirty =
      needed > journal.syncedSequence && (journal.neededSequence > journal.syncedSequence || syncs.length === 0);
    const isOne = syncs.length + (isJournalDirty ? 1 : 0) === 1;
    const isSmall = isOne && (syncs[0]?.bytes ?? journal.unsyncedBytes) <= QUICK_SYNC_MAX_BYTES;
    const startedMs = clock.monotonicMs();
    // A sync of the same file that is under way may have been told already of a failure that this one would not be told of: it must not overtake.
    const isOverlapping =
      syncs.length === 0 ? journal.isSyncing : syncs.some(({ segment }) => segment.syncsUnderWay > 0);
    const isHere = isSmall && !isOverlapping && this.pace.isQuick(startedMs);
    // Order does not matter: recovery drops whatever names a message that is not there.
    const journaled = isJournalDirty ? this.syncJournal(isHere) : undefined;
    const tasks = syncs.map(
      ({ log, segment }) =>
        () =>
          host.syncSegment(log, segment, isHere),
    );
    await runLimited(tasks, limits.parallelSyncs);
    await journaled;
    if (!isSmall) return;
    const endedMs = clock.monotonicMs();
    if (isHere) this.pace.waited(endedMs - startedMs, endedMs);
    else this.pace.observe(endedMs - startedMs);
  }

  /** What the journal says of a failure has been told to its shard. */
  private syncJournal(isHere: boolean): Promise<void> {
    const { journal } = this.host;
    if (!isHere) return journal.sync().catch(() => {});
    try {
      journal.syncNow();
    } catch (cause) {
      // Anything else is a fault of this program.
      if (!(cause instanceof DiskError)) throw cause;
    }
    return DONE;
  }

  /** Backpressure: until an area of the journal is free again, commits wait. */
  private async waitForRoom(needed: number): Promise<void> {
    const { journal } = this.host;
    journal.write();
    while (journal.writtenSequence < needed && this.host.shardFailure === undefined) {
      await journal.whenRoom();
      journal.write();
    }
  }

  /** Copies small dirty ranges into the journal; returns the syncs that remain to be done. */
  private plan(targets: readonly Target[]): SegmentSync[] {
    const { host } = this;
    const dirty: { log: PartitionLog; segment: Segment }[] = [];
    for (const { log } of targets) {
      // Behind bytes whose sync failed there may be a hole: a journaled copy of what follows would make recovery take it for damage.
      if (log.offline !== undefined) continue;
      for (const segment of log.unsynced) if (segment.safeBytes < segment.sizeBytes) dirty.push({ log, segment });
    }
    const { directSyncSegments, journalCopyMaxBytes, smallCopyMaxBytes } = host.limits;
    const isMany = dirty.length > directSyncSegments;
    const copyMaxBytes = isMany ? journalCopyMaxBytes : Math.min(smallCopyMaxBytes, journalCopyMaxBytes);
    const syncs: SegmentSync[] = [];
    let uncopied: PartitionLog | undefined;
    for (const { log, segment } of dirty) {
      // Recovery takes what lies before a copy for synced: nothing behind a segment that is still to be synced is copied.
      if (log !== uncopied && this.copy(log, segment, copyMaxBytes)) continue;
      uncopied = log;
      syncs.push({ log, segment, bytes: segment.sizeBytes - segment.safeBytes });
      segment.safeBytes = segment.sizeBytes;
    }
    return syncs;
  }

  /** Copies a segment's uncovered bytes into the journal. False when they are too many, or there is no room. */
  private copy(log: PartitionLog, segment: Segment, maxBytes: number): boolean {
    const { journal } = this.host;
    const length = segment.sizeBytes - segment.safeBytes;
    if (length >= maxBytes || !journal.hasRoom(length + 16 + this.host.reservedJournalBytes)) return false;
    try {
      journal.appendBytes(log, segment.baseOffset, segment.safeBytes, this.host.readBack(segment, segment.safeBytes));
    } catch (cause) {
      log.goOffline(new StorageError('log-offline', `Cannot read back log ${log.logId}: ${String(cause)}`, cause));
      return true;
    }
    segment.safeBytes = segment.sizeBytes;
    this.host.copied(log, segment);
    return true;
  }

  private finish(targets: readonly Target[], waiters: readonly Waiter[], failure: StorageError | undefined): void {
    this.commits++;
    let firstFailure = failure;
    for (const { log, end } of targets) {
      if (failure !== undefined || log.offline !== undefined) firstFailure ??= log.offline;
      else if (end > log.durableEnd) {
        log.durableEnd = end;
        if (log.isDeleted) continue;
        log.publish();
        this.host.noteDurable(log);
      }
    }
    for (const { done, log } of waiters) {
      const error = log === undefined ? firstFailure : (failure ?? log.offline);
      if (error === undefined) done();
      else done(error);
    }
  }
}

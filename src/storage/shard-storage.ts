import { assert } from '../base/assert.js';
import { DiskError } from '../io/disk/disk-error.js';
import { FileCache } from '../io/disk/file-cache.js';
import type { Clock, Disk, DiskFile, Random, Timers } from '../io/ports.js';
import { readCheckpointSets } from './checkpoint-set.js';
import { writeCheckpointSet } from './checkpoint-set-writer.js';
import { Checkpointer } from './checkpointer.js';
import { Decisions } from './decisions.js';
import { StorageError } from './errors.js';
import { GroupCommit } from './group-commit.js';
import { RecordKind } from './journal/format.js';
import { Journal, type JournalTenant } from './journal/journal.js';
import { replayJournal, secureJournal } from './journal/reader.js';
import { checkStorageLimits, DEFAULT_STORAGE_LIMITS, JOURNAL_BACKLOG_BYTES, type StorageLimits } from './limits.js';
import { captureLog, type ShardCapture } from './log-capture.js';
import { LogRecovery, type LogRecoveryReport } from './log-recovery.js';
import { type BackgroundPool, Maintenance } from './maintenance.js';
import { MemoryLogs } from './memory-log.js';
import type { OwnerLog } from './owner-log.js';
import { PartitionLog } from './partition-log.js';
import { type CheckpointSetKind, journalsDirectory, logDirectory, logsDirectory } from './paths.js';
import type { LogDescription, LogProgress, PartitionProgress } from './ports.js';
import { runLimited } from './run-limited.js';
import type { Segment } from './segment.js';
import { TurnBuffers } from './turn-buffers.js';

/** What a shard's storage is made of. */
export interface ShardStorageOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  /** The data folder; the node holds its lock. */
  readonly directory: string;
  /** Greater than the id of any journal before. */
  readonly journalId: number;
  /** Which start a journal is of, where the shards of a node have journals of their own: rises with every start. Unless given, each is of another. */
  readonly startOf?: (journalId: number) => number;
  readonly table: PartitionProgress;
  readonly limits?: Partial<StorageLimits>;
  /** The shard's journal failed: nothing of this shard can be written any more. Must not throw: promises that are caught would swallow it. */
  readonly onFatal: (error: StorageError) => void;
  /** Retention or cleaning of a log failed; the next round tries again. */
  readonly onMaintenanceFailed?: (log: PartitionLog, cause: Error) => void;
  /** A log stopped serving. */
  readonly onLogOffline?: (log: PartitionLog, error: StorageError) => void;
}

/** What recovery found. */
export interface RecoveryReport {
  /** No journal had anything to replay. */
  readonly wasClean: boolean;
  /** What had not been synced may have been lost. */
  readonly wasPowerLost: boolean;
  readonly replayedRecords: number;
  readonly journalCorruption: readonly string[];
  /** What an operator should know, in words. */
  readonly warnings: readonly string[];
  /** Logs that were scanned or are damaged. */
  readonly logs: readonly LogRecoveryReport[];
}

/** The logs that one shard owns, their journal and their group commit. */
export class ShardStorage {
  readonly disk: Disk;
  /** The data folder. */
  readonly directory: string;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly limits: StorageLimits;
  readonly files: FileCache;
  readonly buffers: TurnBuffers;
  readonly journal: Journal;
  /** Logs that end with this start. */
  readonly memory: MemoryLogs;
  /** Transactions that this shard has decided to commit. */
  readonly decisions: Decisions;
  /** `close` was called: nothing is appended any more. */
  isClosed = false;
  /** Why the whole shard stopped, if it did. */
  shardFailure: StorageError | undefined;
  private readonly options: ShardStorageOptions;
  private readonly logs = new Map<number, PartitionLog>();
  private readonly commit: GroupCommit;
  private readonly checkpoints: Checkpointer;
  private readonly leasing = new Set<PartitionLog>();
  /** Segments whose last bytes only the journal holds safely, the oldest first. */
  private readonly unsynced = new Map<Segment, PartitionLog>();
  /** Logs that were synced further than the journal says. */
  private readonly unnoted = new Set<PartitionLog>();
  private turn: PartitionLog[] = [];
  private isFlushing = false;
  /** The round of maintenance that is under way. */
  private maintaining: Promise<void> | undefined;
  /** What is to be removed once nobody copies files any more; undefined while nobody does. */
  private postponed: (() => void)[] | undefined;
  /** All files are closed. */
  private isEnded = false;
  private wasClean = true;

  private constructor(options: ShardStorageOptions, limits: StorageLimits, journal: Journal) {
    this.options = options;
    this.disk = options.disk;
    this.directory = options.directory;
    this.clock = options.clock;
    this.timers = options.timers;
    this.limits = limits;
    this.journal = journal;
    this.memory = new MemoryLogs(options.table);
    this.files = new FileCache(options.disk, limits.openFiles);
    this.buffers = new TurnBuffers(limits.turnBufferBytes);
    this.commit = new GroupCommit(this);
    this.checkpoints = new Checkpointer(this);
    this.decisions = new Decisions(journal);
    journal.onAreaFull = (tenants) => this.checkpointAll(tenants);
    journal.onFailed = (cause) => this.fail(cause);
  }

  /**
   * Makes a new journal and is ready for `recover`.
   * @throws StorageError `no-space`; DiskError
   */
  static open(options: ShardStorageOptions): ShardStorage {
    const limits = { ...DEFAULT_STORAGE_LIMITS, ...options.limits };
    checkStorageLimits(limits);
    const { disk, directory, journalId, random } = options;
    for (const path of [logsDirectory(directory), journalsDirectory(directory)]) {
      if (disk.exists(path)) continue;
      disk.mkdir(path);
      disk.syncDirectory(directory);
    }
    try {
      return new ShardStorage(
        options,
        limits,
        Journal.create(disk, directory, journalId, limits.journalAreaBytes, random),
      );
    } catch (cause) {
      if (!(cause instanceof DiskError) || cause.code !== 'no-space') throw cause;
      throw new StorageError('no-space', `Cannot make journal ${journalId}: ${cause.message}`, cause);
    }
  }

  /** Whether the shard should take in more work: the journal's backlog is bounded by this. */
  get accepting(): boolean {
    return this.shardFailure === undefined && this.journal.backlogBytes < JOURNAL_BACKLOG_BYTES;
  }

  /** Commits since the start, for metrics. */
  get commits(): number {
    return this.commit.commits;
  }

  /**
   * Brings back the logs that this shard owns now: segments, then the journals' batches, then the companions. They can be read at once;
   * `checkpointRecovered` must resolve before anything is appended.
   * @throws DiskError; StorageError `bad-format`
   */
  recover(descriptions: readonly LogDescription[], journalIds: readonly number[]): RecoveryReport {
    const earlier = journalIds.filter((journalId) => journalId !== this.journal.journalId);
    const logIds = new Set(descriptions.map(({ logId }) => logId));
    const sets = readCheckpointSets(this.disk, this.directory, earlier, logIds);
    const startOf = this.options.startOf ?? ((journalId: number): number => journalId);
    const recoveries = new Map<number, LogRecovery>();
    for (const description of descriptions) {
      const log = this.makeLog(description);
      log.isRecovering = true;
      recoveries.set(log.logId, new LogRecovery(this, log, sets, startOf));
    }
    const found = this.replay(journalIds, recoveries);
    this.wasClean = found.wasClean;
    const reports = [...recoveries.values()].map((recovery) => {
      const report = recovery.finish(found.wasPowerLost, found.wasClean, (producerId, epoch) =>
        this.decisions.rely(producerId, epoch),
      );
      recovery.log.publish();
      return report;
    });
    const warnings = [...found.journalCorruption, ...reports.flatMap((report) => report.damage)];
    return { ...found, warnings, logs: reports.filter((report) => report.wasScanned || report.damage.length > 0) };
  }

  /**
   * Writes the checkpoints of all logs that recovery changed, and of those that sets of earlier starts hold; afterwards appends are taken in. A message lost in this recovery must never be
   * mistaken for one appended later, should this start crash as well; so what was recovered is written down before anything new. Resolves
   * with whether this shard can do without older journals: when every shard can, the node removes them (`removeJournals`). A log whose
   * checkpoint cannot be written does not serve.
   */
  async checkpointRecovered(): Promise<boolean> {
    // The process before may have died just before the name of a log's own checkpoint was safe: the journals must not go before it is.
    const changed = [...this.logs.values()].filter(
      (log) => log.needsCheckpoint || log.isCheckpointInSet || !this.wasClean,
    );
    if (this.decisions.size > 0) await this.syncDecisions();
    await this.checkpointTogether('start', changed, (log, error) => log.goOffline(error));
    for (const log of this.logs.values()) {
      log.isRecovering = false;
      log.writeOwedMarkers();
      // What is in its checkpoint is durable, and the next commit says so.
      if (log.durableEnd < log.logEnd) this.dirtied(log);
    }
    this.flush();
    const isWritten = changed.every((log) => log.offline === undefined);
    // What other shards' logs rely on is in their journals, and in the old ones until all are through.
    if (isWritten) this.decisions.forgetAll();
    return isWritten;
  }

  /** Checkpoints logs that nothing is appended to: most of them in one file, the others each in its own. */
  private async checkpointTogether(
    kind: CheckpointSetKind,
    logs: readonly PartitionLog[],
    failed: (log: PartitionLog, error: StorageError) => void,
  ): Promise<void> {
    const others = await writeCheckpointSet(this, kind, logs);
    const [changed, unchanged] = [others.filter(mustCheckpoint), others.filter((log) => !mustCheckpoint(log))];
    await runLimited(
      unchanged.map((log) => () => this.syncDirectories(log)),
      this.limits.parallelSyncs,
    );
    await Promise.all(
      changed.map((log) => this.checkpoints.request(log).catch((error: StorageError) => failed(log, error))),
    );
  }

  /** What recovery has relied on must be durable before what follows from it. */
  private async syncDecisions(): Promise<void> {
    this.journal.write();
    // A failure has been told to `onFatal`.
    await this.journal.sync().catch(() => {});
  }

  private replay(
    journalIds: readonly number[],
    recoveries: ReadonlyMap<number, LogRecovery>,
  ): Omit<RecoveryReport, 'logs' | 'warnings'> {
    let replayedRecords = 0;
    let wasClean = true;
    let wasPowerLost = false;
    const journalCorruption: string[] = [];
    const bootId = this.disk.bootId();
    for (const journalId of [...journalIds].sort((left, right) => left - right)) {
      if (journalId === this.journal.journalId) continue;
      const findings = replayJournal(this.disk, this.directory, journalId, (record) => {
        if (record.kind === RecordKind.decision) this.decisions.replay(record);
        else recoveries.get(record.logId)?.apply(journalId, record);
      });
      replayedRecords += findings.records;
      if (findings.corruption !== undefined) journalCorruption.push(findings.corruption);
      if (findings.isClean) continue;
      wasClean = false;
      const isSameBoot = bootId === 'unknown' || findings.bootId === bootId;
      // Other logs rely on a decision when this journal has gone: what it decides must not be less safe than it is.
      if (findings.hasUnsyncedDecision && isSameBoot) secureJournal(this.disk, this.directory, journalId);
      wasPowerLost ||= bootId === 'unknown' || findings.bootId !== bootId;
    }
    return { wasClean, wasPowerLost, replayedRecords, journalCorruption };
  }

  /**
   * Makes a log. It survives power loss after the next commit.
   * @throws StorageError `log-exists`, `shard-offline`; DiskError
   */
  createLog(description: LogDescription): PartitionLog {
    if (this.shardFailure !== undefined) throw this.shardFailure;
    const log = this.makeLog(description);
    this.disk.mkdir(log.directory);
    log.companion.restore(undefined);
    log.begin();
    log.publish();
    return log;
  }

  /** Removes a log and its files. Readers that have them open may finish. @throws StorageError `log-not-found`; DiskError */
  deleteLog(logId: number): void {
    const log = this.logs.get(logId);
    if (log === undefined) throw new StorageError('log-not-found', `Cannot delete log ${logId}: it is not here`);
    this.logs.delete(logId);
    log.isDeleted = true;
    log.goOffline(new StorageError('log-not-found', `Log ${logId} was deleted`));
    this.commit.dirty.delete(log);
    this.leasing.delete(log);
    this.unnoted.delete(log);
    for (const segment of log.segments) this.unsynced.delete(segment);
    this.journal.forget(log);
    log.releaseFiles();
    for (const segment of log.segments) {
      for (const kind of ['log', 'index'] as const) this.files.forget(segment.path(kind));
    }
    if (this.postponed === undefined) this.disk.remove(log.directory);
    else this.postponed.push(() => this.disk.remove(log.directory));
  }

  /** A log of this shard. */
  log(logId: number): PartitionLog | undefined {
    return this.logs.get(logId);
  }

  /** All logs of this shard. */
  allLogs(): IterableIterator<PartitionLog> {
    return this.logs.values();
  }

  /** End of a turn: one write per log with buffered appends, then their new ends are published. Starts a commit if one is wanted. */
  flush(): void {
    // A turn that ends behind the close has nothing that anybody waits for, and no file to write to.
    if (this.isFlushing || this.isEnded) return;
    this.isFlushing = true;
    this.memory.flush();
    const { turn } = this;
    this.turn = [];
    for (const log of turn) {
      log.isTouched = false;
      if (!log.isDeleted) log.flush();
    }
    this.journal.write();
    this.isFlushing = false;
    // Changes beside the logs, such as acknowledgements, do not wait for ever for the next append's commit either.
    if (this.journal.neededSequence > this.journal.syncedSequence) this.commit.armIdleTimer();
    this.commit.startIfWanted();
  }

  /**
   * Calls back, in a later turn, when everything appended and journaled up to now is durable. With `log` the error is that log's own;
   * without, that of any log in the commit.
   */
  afterCommit(done: (error?: StorageError) => void, log?: OwnerLog): void {
    this.commit.wait(done, log);
  }

  /**
   * Decides to commit a transaction, all parts of which on this shard were appended and journaled before: the decision is not durable before they are.
   * `mayDecide` is asked last, when those parts have come through or have failed. `done` is called when the decision is durable; with false when
   * it was not made.
   */
  decide(
    producerId: number,
    epoch: number,
    mayDecide: () => boolean,
    done: (isDecided: boolean, error?: StorageError) => void,
  ): void {
    let isDecided = false;
    const write = (): void => {
      if (!mayDecide()) return;
      isDecided = true;
      this.decisions.record(producerId, epoch);
    };
    this.commit.decide({ write, done: (error) => done(isDecided, error) });
  }

  /** The same for a transaction that need not survive power loss: decided when this returns. Its parts were flushed before. */
  decideInMemory(producerId: number, epoch: number): void {
    this.decisions.record(producerId, epoch);
    this.journal.write();
  }

  /**
   * Frees space in all logs, one after the other: retention, segments that are done with, and, with a pool, the rewriting of segments
   * that are mostly done with. To be called now and then; a call while one is under way returns at once.
   */
  async maintain(pool?: BackgroundPool): Promise<void> {
    if (this.maintaining !== undefined || this.isClosed || this.isPinned) return;
    this.maintaining = this.maintainAll(pool);
    try {
      await this.maintaining;
    } finally {
      this.maintaining = undefined;
    }
  }

  private async maintainAll(pool: BackgroundPool | undefined): Promise<void> {
    const maintenance = new Maintenance(this, pool);
    for (const log of [...this.logs.values()]) if (!this.isClosed && !this.isPinned) await maintenance.run(log);
  }

  private get isPinned(): boolean {
    return this.postponed !== undefined;
  }

  /** Leaves every file where it is from here on, so that others can copy what `capture` tells. Resolves when none is being rewritten any more. */
  async pin(): Promise<void> {
    this.postponed ??= [];
    // What failed there is told to whoever maintains.
    await this.maintaining?.catch(() => {});
  }

  /**
   * All logs at this moment, between turns. Until `resume` nothing that comes from here on is durable to anybody, so that the moments of several shards
   * can be taken for one. @throws StorageError of a log that does not serve
   */
  capture(): ShardCapture {
    assert(this.isPinned, 'Files that may go cannot be copied');
    this.commit.hold();
    this.flush();
    const logs = Array.from(this.logs.values(), captureLog);
    return { journalId: this.journal.journalId, logs, decisions: [...this.decisions.all()] };
  }

  /** Between `capture` and `resume`: what is told to other shards must wait for a commit, or they would know more than the capture does. */
  get isHeld(): boolean {
    return this.commit.isHeld;
  }

  /** Commits go on. */
  resume(): void {
    this.commit.resume();
  }

  /** Removes what was to be removed meanwhile. */
  unpin(): void {
    const { postponed = [] } = this;
    this.postponed = undefined;
    for (const remove of postponed) {
      try {
        remove();
      } catch (cause) {
        // The next start finds it and removes it.
        if (!(cause instanceof DiskError)) throw cause;
      }
    }
  }

  /** Writes a checkpoint of a log now. Rejects with StorageError. */
  checkpoint(log: PartitionLog): Promise<void> {
    return this.checkpoints.request(log);
  }

  /**
   * Writes, syncs and checkpoints everything: the next start replays nothing. What is offline stays as it is. Rejects with DiskError.
   */
  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    await this.commit.drain();
    // A rewritten segment is in a checkpoint before its name is safe, and a start that finds the mark of a clean stop does not look. Who maintains hears of a failure.
    await this.maintaining?.catch(() => {});
    await this.checkpoints.drain();
    const open = [...this.logs.values()].filter((log) => log.offline === undefined && log.needsCheckpoint);
    await this.checkpointTogether('stop', open, () => {});
    await this.checkpoints.drain();
    const isClean = [...this.logs.values()].every((log) => log.offline === undefined && !log.needsCheckpoint);
    if (isClean && this.decisions.size === 0 && this.shardFailure === undefined) this.journal.markClean();
    this.isEnded = true;
    // A turn may have ended since the last commit.
    this.commit.disarmIdleTimer();
    this.journal.close();
    for (const log of this.logs.values()) log.releaseFiles();
    this.files.closeAll();
  }

  touched(log: PartitionLog): void {
    if (this.isClosed) throw new StorageError('closed', `Cannot append to log ${log.logId}: its storage was closed`);
    if (log.isTouched) return;
    log.isTouched = true;
    this.turn.push(log);
  }

  dirtied(log: PartitionLog): void {
    this.commit.dirty.add(log);
    this.commit.armIdleTimer();
  }

  leaseRecorded(log: PartitionLog): void {
    this.leasing.add(log);
    this.commit.want();
  }

  publish(log: LogProgress): void {
    this.options.table.publish(log);
  }

  appendsFailed(log: PartitionLog, fromOffset: number, error: StorageError): void {
    this.commit.failWaiters(log, fromOffset, error);
  }

  maintenanceFailed(log: PartitionLog, cause: Error): void {
    this.options.onMaintenanceFailed?.(log, cause);
  }

  wentOffline(log: PartitionLog): void {
    // What the journal holds for the log stays there: it may be all that is left of it.
    if (!log.isDeleted && log.offline !== undefined) this.options.onLogOffline?.(log, log.offline);
  }

  async syncSegment(log: PartitionLog, segment: Segment, isHere = false): Promise<void> {
    // After a failed sync the kernel may call bytes clean that it has lost: no sync of this log may succeed any more.
    if (log.offline !== undefined) return;
    const target = segment.sizeBytes;
    try {
      const file = segment.hold(this.files);
      segment.syncsUnderWay++;
      try {
        this.writeUnheld(segment, file);
        // Bytes in a file whose name may vanish are not safe.
        const synced = isHere ? file.syncNow() : file.sync();
        await Promise.all([synced, log.isDirectoryUnsynced ? this.syncDirectories(log) : undefined]);
      } finally {
        segment.syncsUnderWay--;
        segment.drop(this.files);
      }
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      const reason = `Cannot sync segment "${segment.path('log')}" of log ${log.logId}: ${cause.message}`;
      log.goOffline(new StorageError('log-offline', reason, cause));
    }
    if (log.offline !== undefined) return;
    if (target > segment.syncedBytes) segment.syncedBytes = target;
    if (target > segment.safeBytes) segment.safeBytes = target;
    this.settle(log, segment);
  }

  /** See Segment.unheldBytes. @throws DiskError */
  private writeUnheld(segment: Segment, file: DiskFile): void {
    const bytes = new Uint8Array(Math.max(0, Math.min(segment.unheldBytes, segment.sizeBytes) - segment.syncedBytes));
    segment.unheldBytes = 0;
    if (bytes.length === 0) return;
    readWritten(file, bytes, segment.syncedBytes);
    file.write(bytes, segment.syncedBytes);
  }

  async syncDirectories(log: PartitionLog): Promise<void> {
    const changes = log.directoryChanges;
    try {
      await this.disk.syncDirectoryAsync(log.directory);
      if (!log.isFolderDurable) await this.disk.syncDirectoryAsync(logsDirectory(this.directory));
      log.isFolderDurable = true;
      log.directoryChangesSynced = Math.max(log.directoryChangesSynced, changes);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
      const reason = `Cannot sync the folder of log ${log.logId}: ${cause.message}`;
      log.goOffline(new StorageError('log-offline', reason, cause));
    }
  }

  readBack(segment: Segment, position: number): Uint8Array {
    const bytes = new Uint8Array(segment.sizeBytes - position);
    const file = segment.hold(this.files);
    try {
      readWritten(file, bytes, position);
      return bytes;
    } finally {
      segment.drop(this.files);
    }
  }

  copied(log: PartitionLog, segment: Segment): void {
    if (!this.unsynced.has(segment)) this.unsynced.set(segment, log);
  }

  /**
   * Notes in the journal how far a log is synced, so that bad bytes below are known for damage. Only after a whole commit: until the
   * folder is synced as well, the file itself may vanish.
   */
  noteDurable(log: PartitionLog): void {
    const segment = log.segments[log.segments.length - 1];
    const nowMs = this.clock.monotonicMs();
    if (segment === undefined || segment.isUnsynced || log.isDirectoryUnsynced) return;
    if (segment.sizeBytes === 0) return;
    if (nowMs - log.lastNoteMs < this.limits.durableNoteMs) {
      this.unnoted.add(log);
      return;
    }
    this.unnoted.delete(log);
    log.lastNoteMs = nowMs;
    this.journal.noteDurable(log, segment.baseOffset, segment.sizeBytes, segment.endOffset);
  }

  get reservedJournalBytes(): number {
    return this.decisions.journalBytes;
  }

  /** Whether the durable position of a log has moved since it was noted. */
  get hasUnnoted(): boolean {
    return this.unnoted.size > 0;
  }

  /** Notes what came too soon after the last note, so that damage to the last commits before a quiet time is not taken for a torn tail. */
  noteRest(): void {
    const logs = [...this.unnoted];
    this.unnoted.clear();
    if (this.shardFailure !== undefined) return;
    for (const log of logs) {
      if (log.isDeleted || log.offline !== undefined) continue;
      log.lastNoteMs = Number.NEGATIVE_INFINITY;
      this.noteDurable(log);
    }
  }

  committed(): void {
    for (const log of this.leasing) {
      if (log.leaseSequence > this.journal.syncedSequence) continue;
      this.leasing.delete(log);
      log.publish();
    }
    this.boundUnsynced();
    this.decisions.repeatIfOwed();
  }

  carry(log: PartitionLog): void {
    if (this.shardFailure !== undefined) return;
    try {
      if (this.journal.carry(log)) return;
      this.fail(new Error(`it has no room for what only it holds of log ${log.logId}, which is offline`));
    } catch (cause) {
      this.fail(cause);
    }
  }

  unlinkQuietly(path: string): void {
    if (this.postponed !== undefined) {
      this.postponed.push(() => this.unlinkQuietly(path));
      return;
    }
    this.files.forget(path);
    try {
      this.disk.unlink(path);
    } catch (cause) {
      if (!(cause instanceof DiskError)) throw cause;
    }
  }

  private makeLog(description: LogDescription): PartitionLog {
    const { logId } = description;
    if (this.logs.has(logId)) throw new StorageError('log-exists', `Cannot make log ${logId}: it is here already`);
    const log = new PartitionLog(this, description, logDirectory(this.directory, logId));
    this.logs.set(logId, log);
    return log;
  }

  private checkpointAll(tenants: Iterable<JournalTenant>): void {
    for (const tenant of [...tenants]) {
      if (tenant === this.decisions) this.decisions.repeatSoon();
      // The journal's other tenants are this shard's logs.
      else this.checkpoints.requestSoon(tenant as PartitionLog);
    }
  }

  private settle(log: PartitionLog, segment: Segment): void {
    if (segment.isUnsynced) return;
    log.unsynced.delete(segment);
    this.unsynced.delete(segment);
    segment.settle(this.files);
  }

  /** Open files are bounded: segments that wait for their sync since long get it now. */
  private boundUnsynced(): void {
    let excess = this.unsynced.size - this.limits.unsyncedSegments;
    for (const [segment, log] of this.unsynced) {
      if (excess <= 0) return;
      excess--;
      this.unsynced.delete(segment);
      void this.syncSegment(log, segment);
    }
  }

  private fail(cause: unknown): void {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const error = new StorageError('shard-offline', `Cannot write journal ${this.journal.journalId}: ${reason}`, cause);
    this.shardFailure = error;
    for (const log of this.logs.values()) log.goOffline(error);
    this.options.onFatal(error);
  }
}

/** What the newest checkpoint of a log does not say, or only a set does that goes with its journal. */
function mustCheckpoint(log: PartitionLog): boolean {
  return log.needsCheckpoint || log.isCheckpointInSet;
}

/** Fills `bytes` from a segment's file. @throws DiskError */
function readWritten(file: DiskFile, bytes: Uint8Array, position: number): void {
  const count = file.read(bytes, position);
  assert(count === bytes.length, `Segment "${file.path}" is shorter than what was written to it`);
}

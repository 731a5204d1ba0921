import { assert } from '../base/assert.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { FileCache } from '../io/disk/file-cache.js';
import type { Clock, Disk } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import type { CheckpointImage, EpochStart } from './checkpoint.js';
import { StorageError } from './errors.js';
import { openIndex } from './index-rebuild.js';
import { RecordKind } from './journal/format.js';
import type { Journal, JournalTenant } from './journal/journal.js';
import type { StorageLimits } from './limits.js';
import { countRecordsBelow } from './log-lookup.js';
import type { OwnerLog } from './owner-log.js';
import type { Companion, LogConfig, LogDescription } from './ports.js';
import { ProducerState } from './producer-state.js';
import { Segment } from './segment.js';
import { SegmentWriter } from './segment-writer.js';
import { encodeMarker } from './transaction-marker.js';
import { OWN_PRODUCER_ID_FIRST, TransactionState, TransactionTable } from './transaction-table.js';
import { addAborted, writeTransactions } from './transactions-file.js';
import type { TurnBuffers } from './turn-buffers.js';

/** What a log uses of its shard. */
export interface LogHost {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly files: FileCache;
  readonly buffers: TurnBuffers;
  readonly journal: Journal;
  readonly limits: StorageLimits;
  /** The log has something to flush at the end of the turn. @throws StorageError `closed` */
  touched(log: PartitionLog): void;
  /** Bytes were written that no sync covers yet. */
  dirtied(log: PartitionLog): void;
  /** A lease was journaled that a commit must cover before the log can show more. */
  leaseRecorded(log: PartitionLog): void;
  /** Any published value changed. */
  publish(log: PartitionLog): void;
  /** Appends up to here were taken back. */
  appendsFailed(log: PartitionLog, fromOffset: number, error: StorageError): void;
  wentOffline(log: PartitionLog): void;
}

/**
 * One partition's log, at its owner. Offsets are given away at once; the bytes follow at the end of the turn, and become visible when they
 * are in the file and below the journaled offset lease. Made by ShardStorage only.
 */
export class PartitionLog implements OwnerLog, JournalTenant {
  readonly isVolatile = false;
  readonly logId: number;
  readonly slot: number;
  readonly directory: string;
  readonly companion: Companion;
  config: LogConfig;
  /** The first offset that is to be read. */
  logStart = 0;
  /** The next offset to be given away. */
  nextOffset = 0;
  /** Everything below is in the files. */
  logEnd = 0;
  /** Everything below may be shown to anyone. */
  visibleEnd = 0;
  /** Everything below survives power loss. */
  durableEnd = 0;
  leaderEpoch = 0;
  segmentListVersion = 0;
  /** Why the log stopped serving, if it did. */
  offline: StorageError | undefined;
  /** Damage that was found below the durable position; the rest of the log serves. */
  corruption: StorageError | undefined;
  /** The batch given to the last `append` was there already: the offset returned was its first one. */
  lastAppendWasDuplicate = false;
  /** From the oldest to the one that is being written. For storage itself. */
  segments: Segment[] = [];
  /** Segments that left the list; their files go once a checkpoint without them is durable. For storage itself. */
  obsolete: Segment[] = [];
  /** Segments with bytes that no sync of the file covers. For storage itself. */
  readonly unsynced = new Set<Segment>();
  readonly producers = new ProducerState();
  readonly transactions = new TransactionTable();
  epochs: EpochStart[] = [];
  companionOffset = 0;
  /** Offsets below may be given away without another record in the journal. */
  leaseEnd = 0;
  /** The lease's record in this journal; 0 as long as there is none. */
  leaseSequence = 0;
  checkpointedSequence = 0;
  /** The newest checkpoint is in a set, not in the log's own file. */
  isCheckpointInSet = false;
  /** What the last checkpoint said; undefined while there is none that counts. */
  checkpointed: { companionOffset: number; logStart: number; logEnd: number; isClean: boolean } | undefined;
  /** The end of the last lease that is known to be synced in this journal. */
  private leaseSafeEnd = 0;
  /** The log was written to since this journal began: its lease is in there. */
  isOpen = false;
  isDeleted = false;
  /** Recovery is not written down yet, so nothing may be added. */
  isRecovering = false;
  /** Counts changes of the folder, and those that survive power loss. */
  directoryChanges = 0;
  directoryChangesSynced = 0;
  /** The folder itself survives power loss. */
  isFolderDurable = false;
  /** The log waits for the end of the turn. */
  isTouched = false;
  lastNoteMs = Number.NEGATIVE_INFINITY;
  private readonly host: LogHost;
  private readonly description: LogDescription;
  private writer: SegmentWriter | undefined;

  constructor(host: LogHost, description: LogDescription, directory: string) {
    this.host = host;
    this.description = description;
    this.logId = description.logId;
    this.slot = description.slot;
    this.companion = description.companion;
    this.config = description.config;
    this.directory = directory;
  }

  /** Whether the log changed since its last checkpoint, or that one does not say that it is at rest. */
  get needsCheckpoint(): boolean {
    const { checkpointed, companionOffset, logStart } = this;
    if (checkpointed === undefined || !checkpointed.isClean) return true;
    return checkpointed.companionOffset !== companionOffset || checkpointed.logStart !== logStart;
  }

  /** Whether names in the folder, or its own, may not survive power loss yet. */
  get isDirectoryUnsynced(): boolean {
    return this.directoryChanges > this.directoryChangesSynced;
  }

  /** Number of records in the files. */
  get recordCount(): number {
    return this.segments.reduce((sum, segment) => sum + segment.records, 0);
  }

  get segmentCount(): number {
    return this.segments.length;
  }

  /** Bytes of all segments. */
  get sizeBytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  }

  /**
   * Appends one verified batch, which lies at `at` and is borrowed; its offset and epoch are patched in place. Returns its base offset, or,
   * with `lastAppendWasDuplicate`, that of the same batch appended before.
   * @throws StorageError `out-of-order-sequence`, `producer-fenced`, `no-space`, `log-offline`
   */
  append(bytes: Uint8Array, at: number, length: number, arrivalMs: number): number {
    this.lastAppendWasDuplicate = false;
    if (this.offline !== undefined) throw this.offline;
    const duplicateOf = this.findDuplicate(bytes, at);
    if (duplicateOf >= 0) {
      this.lastAppendWasDuplicate = true;
      return duplicateOf;
    }
    if (!this.transactions.hasAny && batch.batchIsTransactional(bytes, at)) this.beginTransactions();
    this.host.touched(this);
    const writer = this.writerFor(length, this.nextOffset + batch.batchLastOffsetDelta(bytes, at), arrivalMs);
    const base = this.nextOffset;
    const end = base + batch.batchLastOffsetDelta(bytes, at) + 1;
    batch.patchBatch(bytes, at, base, this.leaderEpoch);
    if (writer.isLarge(length)) this.writeLarge(writer, bytes, at, length, end, arrivalMs);
    else {
      writer.add(bytes, at, length, base, end, arrivalMs);
      this.noteAppended(bytes, at, base, end, arrivalMs);
    }
    this.extendLease();
    return base;
  }

  /**
   * Puts one change of the companion into the journal; copied. It is in the file after the next flush, and durable with the next commit.
   * @throws StorageError `too-large`, `log-offline`
   */
  recordChange(change: Uint8Array): void {
    if (this.offline !== undefined) throw this.offline;
    const { journal, limits } = this.host;
    if (change.length > limits.changeMaxBytes) {
      throw new StorageError(
        'too-large',
        `Cannot record a companion change of ${change.length} bytes of log ${this.logId}: the limit is ${limits.changeMaxBytes}`,
      );
    }
    this.companionOffset++;
    journal.appendChange(this, this.companionOffset, change);
  }

  endTransaction(producerId: number, epoch: number, isCommit: boolean): boolean {
    if (this.offline !== undefined) throw this.offline;
    const entry = this.transactions.find(producerId, epoch);
    if (entry?.state !== TransactionState.open) return true;
    if (!isCommit) {
      const { firstOffset, lastOffset } = entry;
      this.toFolder(() => addAborted(this.host.disk, this.directory, { producerId, epoch, firstOffset, lastOffset }));
      this.segmentListVersion++;
    }
    this.transactions.decide(entry, isCommit);
    this.host.touched(this);
    return this.writeMarker(producerId, epoch, isCommit);
  }

  /** Appends the markers of transactions that were decided without; for the end of a recovery. */
  writeOwedMarkers(): void {
    for (const { producerId, epoch, state } of [...this.transactions.values()]) {
      if (state === TransactionState.open) continue;
      if (this.offline === undefined) this.writeMarker(producerId, epoch, state === TransactionState.committed);
    }
  }

  /**
   * Moves the log's start up to `offset`, but not beyond what is visible: what lies below is not to be read any more. Survives power loss
   * after the next commit; the space comes back with the next maintenance.
   */
  purgeTo(offset: number): void {
    const target = Math.min(offset, this.visibleEnd);
    if (target <= this.logStart || this.offline !== undefined) return;
    this.logStart = target;
    this.host.journal.appendNumber(this, RecordKind.logStart, target);
    this.host.publish(this);
  }

  /** Takes segments off the list that lie below the log's start, or are given. Their files stay until the next checkpoint. */
  dropSegments(isDropped: (segment: Segment) => boolean): void {
    const last = this.segments[this.segments.length - 1];
    const dropped = this.segments.filter((segment) => segment !== last && isDropped(segment));
    if (dropped.length === 0) return;
    this.segments = this.segments.filter((segment) => !dropped.includes(segment));
    for (const segment of dropped) {
      this.unsynced.delete(segment);
      segment.isRemoved = true;
      segment.settle(this.host.files);
    }
    this.obsolete.push(...dropped);
    this.segmentsChanged();
  }

  /** The list of segments is another, or the files behind it are: readers are to look again. */
  segmentsChanged(): void {
    this.segmentListVersion++;
    this.host.publish(this);
  }

  /** Ends the segment that is being written, if there is anything in it, so that it can be removed. @throws StorageError */
  rollSegment(): void {
    const last = this.segments[this.segments.length - 1];
    if (last === undefined || last.sizeBytes === 0) return;
    if (!this.isOpen) this.open();
    this.roll();
    this.publish();
  }

  /** Writes what the turn appended. Failures are reported to those who appended. */
  flush(): void {
    try {
      this.write();
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
    }
    this.publish();
  }

  /** Brings visible what may be visible, and publishes. */
  publish(): void {
    this.noteLease();
    // All or nothing: a lease may end in the middle of a batch, and readers would take a part of one for offsets without a message.
    if (this.logEnd <= this.leaseSafeEnd) {
      const stableEnd = Math.min(this.logEnd, this.transactions.stableEnd);
      this.visibleEnd = Math.max(this.visibleEnd, stableEnd);
    }
    this.host.publish(this);
  }

  /** Writes what is buffered. @throws StorageError after having told who appended */
  write(): void {
    const { writer } = this;
    if (writer === undefined || !writer.hasBuffered) return;
    try {
      writer.write();
    } catch (cause) {
      throw this.takeBack(cause, writer.segment);
    }
    this.written(writer.segment);
  }

  /** Number of records at or above `offset`. May read the segment's bytes. @throws DiskError, StorageError */
  recordsAbove(offset: number): number {
    let records = 0;
    for (const segment of this.segments) {
      if (segment.endOffset <= offset) continue;
      records += segment.records;
      if (segment.baseOffset < offset) records -= countRecordsBelow(this.host.files, segment, offset);
    }
    return records;
  }

  /** What a checkpoint taken now says, and up to which journal sequence it is complete. Everything must be written. */
  image(isClean: boolean): CheckpointImage {
    assert(this.writer?.hasBuffered !== true, 'A checkpoint must not lack appended batches');
    this.writer?.writeIndex();
    this.transactions.prune(this.logStart);
    this.producers.expire(this.host.clock.nowMs() - this.host.limits.producerExpiryMs);
    const { logId, leaderEpoch, logStart, leaseEnd, companionOffset, epochs, segments, producers, transactions } = this;
    return {
      logId,
      isClean: isClean || !this.isOpen,
      leaderEpoch,
      journalId: this.host.journal.journalId,
      journalSequence: this.host.journal.lastSequence,
      logStart,
      logEnd: this.logEnd,
      leaseEnd,
      companionOffset,
      epochs,
      segments,
      producers: producers.values(),
      producerCount: producers.size,
      snapshot: this.companion.snapshot(),
      transactions: transactions.hasAny
        ? { open: [...transactions.values()], aborted: transactions.aborted }
        : undefined,
    };
  }

  /** Files give their space back with maintenance. */
  release(): void {}

  /** Stops serving for good. */
  goOffline(error: StorageError): void {
    if (this.offline !== undefined) return;
    this.offline = error;
    this.host.wentOffline(this);
  }

  /** Gives all files back; nothing is appended any more. */
  releaseFiles(): void {
    for (const segment of this.segments) {
      segment.isRemoved = true;
      segment.settle(this.host.files);
    }
  }

  /** A new log: its first lease goes into the journal. */
  begin(): void {
    this.isOpen = true;
    this.epochs = [{ epoch: this.leaderEpoch, startOffset: 0 }];
    this.directoryChanges++;
    this.recordLease(RecordKind.created);
  }

  /** False when the log cannot take it now; it stays owed. */
  private writeMarker(producerId: number, epoch: number, isCommit: boolean): boolean {
    const nowMs = this.host.clock.nowMs();
    const marker = encodeMarker(producerId, epoch, isCommit, nowMs);
    try {
      this.append(marker, 0, marker.length, nowMs);
      return true;
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      return false;
    }
  }

  /** The first transaction of the log: readers must know before they can meet its batches. @throws StorageError */
  private beginTransactions(): void {
    this.toFolder(() => writeTransactions(this.host.disk, this.directory, this.transactions.aborted));
    this.transactions.hasAny = true;
    this.segmentListVersion++;
  }

  /** @throws StorageError, with the log offline unless it is for want of space */
  private toFolder(write: () => void): void {
    try {
      write();
    } catch (cause) {
      const error = this.toStorageError(cause, 'note a transaction of');
      if (error.code !== 'no-space') this.goOffline(error);
      throw error;
    }
  }

  private findDuplicate(bytes: Uint8Array, at: number): number {
    const producerId = batch.batchProducerId(bytes, at);
    if (producerId < 0) return -1;
    const epoch = batch.batchProducerEpoch(bytes, at);
    if (batch.batchIsControl(bytes, at) || producerId >= OWN_PRODUCER_ID_FIRST) return -1;
    return this.producers.check(
      producerId,
      epoch,
      batch.batchBaseSequence(bytes, at),
      batch.batchLastSequence(bytes, at),
    );
  }

  private writerFor(length: number, lastOffset: number, arrivalMs: number): SegmentWriter {
    if (!this.isOpen) this.open();
    let { writer } = this;
    if (writer === undefined || writer.isFull(length, lastOffset, arrivalMs, this.config)) writer = this.roll();
    if (writer.mustWriteBefore(length)) this.write();
    return writer;
  }

  private writeLarge(
    writer: SegmentWriter,
    bytes: Uint8Array,
    at: number,
    length: number,
    end: number,
    arrivalMs: number,
  ): void {
    const base = this.nextOffset;
    try {
      writer.writeLarge(bytes, at, length, base, end, arrivalMs);
    } catch (cause) {
      throw this.takeBack(cause, writer.segment);
    }
    this.noteAppended(bytes, at, base, end, arrivalMs);
    this.written(writer.segment);
  }

  private noteAppended(bytes: Uint8Array, at: number, base: number, end: number, arrivalMs: number): void {
    this.nextOffset = end;
    const producerId = batch.batchProducerId(bytes, at);
    if (producerId < 0) return;
    this.transactions.append(bytes, at);
    if (producerId >= OWN_PRODUCER_ID_FIRST) return;
    const first = batch.batchIsControl(bytes, at) ? -1 : batch.batchBaseSequence(bytes, at);
    const last = batch.batchLastSequence(bytes, at);
    this.producers.append(producerId, batch.batchProducerEpoch(bytes, at), first, last, base, arrivalMs);
  }

  private written(segment: Segment): void {
    this.logEnd = this.nextOffset;
    this.producers.commitTurn();
    this.transactions.commitTurn();
    this.unsynced.add(segment);
    this.host.dirtied(this);
  }

  /** A write failed: its offsets go back, and half a batch behind the segment's end is cut off. */
  private takeBack(cause: unknown, segment: Segment): StorageError {
    const error = this.toStorageError(cause, 'append to');
    const { logEnd: fromOffset, nextOffset: toOffset } = this;
    this.nextOffset = fromOffset;
    this.producers.rollbackTurn();
    this.transactions.rollbackTurn();
    if (error.code !== 'no-space') this.goOffline(error);
    else this.cutBack(segment);
    if (toOffset > fromOffset) {
      this.description.appendFailed?.(fromOffset, toOffset, error);
      this.host.appendsFailed(this, fromOffset, error);
    }
    return error;
  }

  private cutBack(segment: Segment): void {
    try {
      segment.holdUntilSynced(this.host.files).truncate(segment.sizeBytes);
      segment.settle(this.host.files);
    } catch (cause) {
      // Nobody reads beyond the segment's end, and the next write goes over it; recovery would see a torn tail.
      if (!(cause instanceof DiskError) || cause.code === 'io') this.goOffline(this.toStorageError(cause, 'cut back'));
    }
  }

  private toStorageError(cause: unknown, doing: string): StorageError {
    if (cause instanceof StorageError) return cause;
    if (!(cause instanceof DiskError)) throw cause;
    const isFull = cause.code === 'no-space' || cause.code === 'descriptor-limit';
    const code = isFull ? 'no-space' : 'log-offline';
    return new StorageError(code, `Cannot ${doing} log ${this.logId}: ${cause.message}`, cause);
  }

  /** The first append since this journal began: looks after the file, and journals the lease. */
  private open(): void {
    assert(!this.isRecovering, 'Nothing may be appended before checkpointRecovered has resolved');
    const segment = this.segments[this.segments.length - 1];
    try {
      if (segment !== undefined) this.resume(segment);
    } catch (cause) {
      const error = this.toStorageError(cause, 'open');
      if (error.code !== 'no-space') this.goOffline(error);
      throw error;
    }
    this.isOpen = true;
    if (this.checkpointed !== undefined) this.checkpointed.isClean = false;
    if (this.epochs[this.epochs.length - 1]?.epoch !== this.leaderEpoch) {
      this.epochs = [...this.epochs, { epoch: this.leaderEpoch, startOffset: this.nextOffset }];
    }
    this.recordLease(RecordKind.lease);
  }

  private resume(segment: Segment): void {
    const { files, buffers } = this.host;
    const file = segment.hold(files);
    try {
      const size = file.size();
      if (size < segment.sizeBytes) {
        throw new StorageError(
          'log-offline',
          `Cannot append to log ${this.logId}: segment "${file.path}" has ${size} bytes, of ${segment.sizeBytes} that were synced`,
        );
      }
      // Batches that were written but never shown to anyone.
      if (size > segment.sizeBytes) file.truncate(segment.sizeBytes);
      this.writer = new SegmentWriter(segment, files, buffers, openIndex(segment, files));
    } finally {
      segment.drop(files);
    }
    if (segment.firstArrivalMs < 0) segment.firstArrivalMs = this.host.clock.nowMs();
  }

  /** Ends the segment, if there is one, and starts the next. @throws StorageError */
  private roll(): SegmentWriter {
    this.write();
    const { files, buffers } = this.host;
    const segment = new Segment(this.directory, this.nextOffset);
    try {
      this.createFile(segment);
    } catch (cause) {
      throw this.takeBack(cause, segment);
    }
    this.writer?.finish();
    this.segments.push(segment);
    this.segmentListVersion++;
    this.directoryChanges++;
    this.writer = new SegmentWriter(segment, files, buffers);
    return this.writer;
  }

  private createFile(segment: Segment): void {
    const { files } = this.host;
    let file: ReturnType<Segment['hold']>;
    try {
      file = segment.hold(files, 'create');
    } catch (cause) {
      if (!(cause instanceof DiskError) || cause.code !== 'exists') throw cause;
      // A crash came between the creation and the first batch that anyone has seen.
      file = segment.hold(files);
      file.truncate(0);
    }
    segment.holdUntilSynced(files);
    segment.drop(files);
  }

  /** Leases are extended when half of one is used up, so that normally nobody waits for the commit. */
  private extendLease(): void {
    if (this.nextOffset > this.leaseEnd - this.host.limits.leaseOffsets / 2) this.recordLease(RecordKind.lease);
  }

  private recordLease(kind: typeof RecordKind.created | typeof RecordKind.lease): void {
    const { journal, limits } = this.host;
    this.noteLease();
    if (this.nextOffset > this.leaseEnd - limits.leaseOffsets / 2)
      this.leaseEnd = this.nextOffset + limits.leaseOffsets;
    this.leaseSequence = journal.appendNumber(this, kind, this.leaseEnd);
    this.host.leaseRecorded(this);
  }

  private noteLease(): void {
    const isSynced = this.leaseSequence > 0 && this.leaseSequence <= this.host.journal.syncedSequence;
    if (isSynced) this.leaseSafeEnd = this.leaseEnd;
  }
}

import { readI64 } from '../base/integers.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk, DiskFile } from '../io/ports.js';
import * as batch from '../record/batch-header.js';
import { type CheckpointImage, readCheckpoint } from './checkpoint.js';
import { damagedBeyond, type FoundCheckpoints, newestCheckpoint, type SegmentTail } from './checkpoint-set.js';
import { StorageError } from './errors.js';
import { finishIndex, writeIndex } from './index-rebuild.js';
import { RecordKind } from './journal/format.js';
import type { JournalRecord } from './journal/reader.js';
import { INDEX_INTERVAL_BYTES, SCAN_CHUNK_BYTES, SET_TAIL_MAX_BYTES } from './limits.js';
import type { LogHost, PartitionLog } from './partition-log.js';
import { checkpointPath, segmentBaseOf, segmentPath } from './paths.js';
import { type BadRange, encodeQuarantine, readQuarantine } from './quarantine.js';
import { Segment } from './segment.js';
import { type ScanResult, scanSegment } from './segment-scan.js';
import { messagesIn } from './transaction-marker.js';
import { OWN_PRODUCER_ID_FIRST, type TransactionExtent } from './transaction-table.js';
import { writeTransactions } from './transactions-file.js';

/** What recovery had to do to one log. */
export interface LogRecoveryReport {
  readonly logId: number;
  /** It was written to before the crash, and so was looked at. */
  readonly wasScanned: boolean;
  /** Bytes of unconfirmed writes that were cut off. */
  readonly tornBytes: number;
  readonly recoveredEnd: number;
  readonly nextOffset: number;
  /** What was found bad below the durable position; empty for a sound log. */
  readonly damage: readonly string[];
}

/** Whether there is a decision for a transaction. */
type IsCommitted = (producerId: number, epoch: number) => boolean;

/** A place in the log's segments. */
interface DurablePlace {
  readonly segmentBase: number;
  readonly position: number;
  readonly endOffset: number;
}

/**
 * Recovers one log: reads its checkpoint, takes the journal's records in order, and then, if the log was being written to, scans what lies
 * behind the checkpoint. Nothing here needs to be durable before the next checkpoint: done again, it gives the same result.
 */
export class LogRecovery {
  readonly log: PartitionLog;
  private readonly host: LogHost;
  private readonly checkpoint: CheckpointImage | undefined;
  private readonly damage: string[] = [];
  private wasOpen: boolean;
  private wasCreated = false;
  private hasRecords = false;
  private highestEpoch: number;
  private durable: DurablePlace;
  private tornBytes = 0;
  private lastRedo: Segment | undefined;
  private isSameBoot = false;
  /** The journal of the last companion change that was applied, or contained in the checkpoint. */
  private changesJournal: number;
  private hasChangeGap = false;
  /** Bases of the segments that have an index. */
  private hasIndex: ReadonlySet<number> = new Set();
  /** Companion changes that were found before one that comes first, by their offsets. */
  private readonly earlyChanges = new Map<number, Uint8Array>();

  /** `sets`: the checkpoints that earlier starts wrote for many logs at once; `startOf`: the start that a journal is of. */
  constructor(host: LogHost, log: PartitionLog, sets: FoundCheckpoints, startOf: (journalId: number) => number) {
    this.host = host;
    this.log = log;
    const own = this.loadCheckpoint();
    const isOwnDamaged = this.damage.length > 0;
    const entries = sets.byLog.get(log.logId) ?? [];
    const lost = damagedBeyond(own, entries, sets.damaged, startOf);
    this.damage.push(...lost.map(({ message }) => message));
    const isLost = lost.length > 0;
    const newest = isLost ? undefined : newestCheckpoint(own, entries);
    // The damaged file may be the newer one: what a start's set names may be gone since, or rewritten. Behind the set of a stop nothing was written.
    const inSet = isOwnDamaged && newest?.kind === 'start' ? undefined : newest;
    this.checkpoint = isLost ? undefined : (inSet?.image ?? own);
    log.isCheckpointInSet = inSet !== undefined;
    // A checkpoint of its own was written only after the folder was durable.
    log.isFolderDurable = this.checkpoint !== undefined && inSet?.isFolderUnsynced !== true;
    if (!log.isFolderDurable) {
      host.disk.mkdir(log.directory);
      log.directoryChanges++;
    }
    this.wasOpen = this.checkpoint?.isClean === false;
    this.highestEpoch = this.checkpoint?.leaderEpoch ?? -1;
    this.changesJournal = this.checkpoint?.journalId ?? -1;
    const last = this.checkpoint?.segments[this.checkpoint.segments.length - 1];
    const endOffset = this.checkpoint?.logEnd ?? 0;
    this.durable = { segmentBase: last?.baseOffset ?? 0, position: last?.sizeBytes ?? 0, endOffset };
    this.restore();
    for (const tail of inSet?.tails ?? []) this.restoreTail(tail);
  }

  /** Takes one record of journal `journalId`; they must come in order. */
  apply(journalId: number, record: JournalRecord): void {
    if (this.isContained(journalId, record.sequence)) return;
    this.hasRecords = true;
    const { log } = this;
    const { bytes, at, end, kind } = record;
    this.highestEpoch = Math.max(this.highestEpoch, record.leaderEpoch);
    if (kind === RecordKind.change) this.applyChange(journalId, readI64(bytes, at), bytes.subarray(at + 8, end));
    else if (kind === RecordKind.logStart) log.logStart = Math.max(log.logStart, readI64(bytes, at));
    else {
      this.wasOpen = true;
      if (kind === RecordKind.bytes)
        this.redo(readI64(bytes, at), readI64(bytes, at + 8), bytes.subarray(at + 16, end));
      else if (kind === RecordKind.durable) {
        this.raiseDurable(readI64(bytes, at), readI64(bytes, at + 8), readI64(bytes, at + 16));
      } else {
        this.wasCreated ||= kind === RecordKind.created;
        log.leaseEnd = Math.max(log.leaseEnd, readI64(bytes, at));
      }
    }
  }

  /** All records were given. `wasPowerLost`: what was not synced may be gone; `wasClean`: nothing happened behind checkpoints. */
  finish(wasPowerLost: boolean, wasClean: boolean, isCommitted: IsCommitted = () => false): LogRecoveryReport {
    const { log } = this;
    this.isSameBoot = !wasPowerLost;
    this.dropRedo();
    this.reportChangeGap();
    const isBlind = this.checkpoint === undefined && !this.wasCreated;
    const isNew = isBlind && !this.wasOpen && basesIn(this.host.disk.list(log.directory)).length === 0;
    const isScanned = this.wasOpen || (isBlind && !isNew);
    if (!isScanned && !wasClean) this.tidy();
    const recoveredEnd = isScanned ? this.scan(isBlind) : log.logEnd;
    log.logEnd = recoveredEnd;
    log.nextOffset = isScanned && wasPowerLost ? Math.max(recoveredEnd, log.leaseEnd) : recoveredEnd;
    if (isScanned) log.leaderEpoch = this.highestEpoch + 1;
    this.settleEnds(recoveredEnd);
    if (this.checkpoint !== undefined && !isScanned) {
      const { companionOffset, logStart, logEnd } = this.checkpoint;
      log.checkpointed = { companionOffset, logStart, logEnd, isClean: true };
    }
    if (isNew) log.begin();
    const aborted = this.endTransactions(isCommitted);
    if (this.damage.length > 0) log.corruption = new StorageError('corrupt', this.damage.join('; '));
    log.companion.recovered({
      logStart: log.logStart,
      logEnd: recoveredEnd,
      nextOffset: log.nextOffset,
      clean: !isScanned && !this.hasRecords,
      recordsAbove: (offset) => log.recordsAbove(offset),
      isCommitted,
      aborted,
    });
    const { tornBytes, damage } = this;
    return { logId: log.logId, wasScanned: isScanned, tornBytes, recoveredEnd, nextOffset: log.nextOffset, damage };
  }

  /** Decides what the crash has left open; the log's checkpoint must say so before the decisions go. Returns what is aborted. */
  private endTransactions(isCommitted: IsCommitted): readonly TransactionExtent[] {
    const { log, host } = this;
    const aborted = log.transactions.resolve(isCommitted);
    if (log.transactions.hasAny) writeTransactions(host.disk, log.directory, log.transactions.aborted);
    const wasPending = aborted !== undefined || log.companion.hasPendingTransactions === true;
    if (wasPending && log.checkpointed !== undefined) log.checkpointed.isClean = false;
    return aborted ?? [];
  }

  private loadCheckpoint(): CheckpointImage | undefined {
    // Most logs of many have none of their own: a look is cheaper than a failure.
    if (!this.host.disk.exists(checkpointPath(this.log.directory))) return undefined;
    try {
      return readCheckpoint(this.host.disk, this.log.directory);
    } catch (cause) {
      if (!(cause instanceof StorageError)) throw cause;
      this.damage.push(cause.message);
      return undefined;
    }
  }

  private restore(): void {
    const { log, checkpoint } = this;
    log.companion.restore(checkpoint?.snapshot);
    if (checkpoint === undefined) return;
    log.logStart = checkpoint.logStart;
    log.logEnd = checkpoint.logEnd;
    log.leaderEpoch = checkpoint.leaderEpoch;
    log.leaseEnd = checkpoint.leaseEnd;
    log.companionOffset = checkpoint.companionOffset;
    log.epochs = [...checkpoint.epochs];
    for (const producer of checkpoint.producers) log.producers.restore(producer);
    if (checkpoint.transactions !== undefined) {
      log.transactions.restore(checkpoint.transactions.open, checkpoint.transactions.aborted);
    }
    for (const image of checkpoint.segments) {
      const segment = new Segment(log.directory, image.baseOffset);
      segment.setSums(image);
      segment.syncedBytes = image.sizeBytes;
      segment.safeBytes = image.sizeBytes;
      log.segments.push(segment);
    }
  }

  /** Writes the end of a segment to its place, where it may never have got to. */
  private restoreTail({ segmentBase, position, bytes }: SegmentTail): void {
    const { log, host } = this;
    const segment = log.segments.find(({ baseOffset }) => baseOffset === segmentBase);
    if (segment === undefined) return;
    const file = segment.hold(host.files);
    try {
      if (bytes.length > 0) file.write(bytes, position);
    } finally {
      segment.drop(host.files);
    }
    segment.syncedBytes = position;
    segment.unheldBytes = segment.sizeBytes;
    if (segment.isUnsynced) log.unsynced.add(segment);
  }

  private isContained(journalId: number, sequence: number): boolean {
    const { checkpoint } = this;
    if (checkpoint === undefined || journalId > checkpoint.journalId) return false;
    return journalId < checkpoint.journalId || sequence <= checkpoint.journalSequence;
  }

  private applyChange(journalId: number, companionOffset: number, change: Uint8Array): void {
    const { log } = this;
    // The records of a log that was offline are repeated in the journal, behind later ones.
    if (companionOffset <= log.companionOffset) return;
    // Borrowed: what is not applied at once is kept as a copy.
    this.earlyChanges.set(companionOffset, companionOffset > log.companionOffset + 1 ? change.slice() : change);
    // What a start before this journal's had recovered was not on disk yet when the power failed: nothing confirmed is missing then.
    if (companionOffset > log.companionOffset + 1) this.hasChangeGap ||= journalId === this.changesJournal;
    else this.changesJournal = journalId;
    for (let next = companionOffset; next === log.companionOffset + 1; next++) {
      const found = this.earlyChanges.get(next);
      if (found === undefined) break;
      this.earlyChanges.delete(next);
      log.companionOffset = next;
      log.companion.apply(found);
    }
  }

  /** What comes behind a missing change cannot be applied. */
  private reportChangeGap(): void {
    if (this.earlyChanges.size === 0 || !this.hasChangeGap) return;
    const { companionOffset, logId } = this.log;
    const upTo = Math.min(...this.earlyChanges.keys()) - 1;
    this.damage.push(`Log ${logId} lacks the companion changes from ${companionOffset + 1} to ${upTo}`);
  }

  private raiseDurable(segmentBase: number, position: number, endOffset: number): void {
    const { durable } = this;
    const isHigher =
      segmentBase > durable.segmentBase || (segmentBase === durable.segmentBase && position > durable.position);
    if (isHigher) this.durable = { segmentBase, position, endOffset };
  }

  /** Writes batches to their place again, in case the segment's own copy did not get through. */
  private redo(segmentBase: number, position: number, bytes: Uint8Array): void {
    const last = this.checkpoint?.segments[this.checkpoint.segments.length - 1];
    // Segments before the checkpoint's last one, and this one's beginning, were synced; they may have been rewritten since.
    const isCovered =
      last !== undefined &&
      (segmentBase < last.baseOffset || (segmentBase === last.baseOffset && position + bytes.length <= last.sizeBytes));
    if (isCovered) return;
    const file = this.redoFile(segmentBase);
    // Also when the same bytes are read there: they may be in the page cache only, and called clean by a sync that failed.
    file.write(bytes, position);
    let endOffset = 0;
    for (let at = 0, next = batch.nextBatch(bytes, 0, bytes.length); next !== -1; ) {
      endOffset = batch.batchLastOffset(bytes, at) + 1;
      at = next;
      next = batch.nextBatch(bytes, at, bytes.length);
    }
    this.raiseDurable(segmentBase, position + bytes.length, endOffset);
  }

  private redoFile(segmentBase: number): DiskFile {
    if (this.lastRedo?.baseOffset !== segmentBase) {
      this.dropRedo();
      this.lastRedo = new Segment(this.log.directory, segmentBase);
      return this.lastRedo.hold(this.host.files);
    }
    const file = this.lastRedo.hold(this.host.files);
    this.lastRedo.drop(this.host.files);
    return file;
  }

  private dropRedo(): void {
    this.lastRedo?.drop(this.host.files);
    this.lastRedo = undefined;
  }

  /** Scans what is behind the checkpoint. Returns the log's end. */
  private scan(isBlind: boolean): number {
    const { log } = this;
    const lastKnown = log.segments[log.segments.length - 1];
    const names = this.host.disk.list(log.directory);
    const all = basesIn(names);
    const found = all.filter((base) => lastKnown === undefined || base >= lastKnown.baseOffset);
    this.finishSwaps(names);
    this.removeStray(all.filter((base) => lastKnown !== undefined && base < lastKnown.baseOffset));
    this.hasIndex = indexesIn(names);
    this.reportMissing(new Set(found), lastKnown);
    let expected = lastKnown === undefined ? (found[0] ?? 0) : log.logEnd;
    let epoch = this.checkpoint?.leaderEpoch ?? -1;
    if (isBlind) log.logStart = Math.max(log.logStart, expected);
    for (const [index, base] of found.entries()) {
      const segment = base === lastKnown?.baseOffset ? lastKnown : this.addSegment(base);
      const result = this.scanOne(segment, expected, epoch, isBlind, found[index + 1]);
      if (base > expected && segment.records === 0 && !isBlind && !this.isDurable(base)) {
        // The end of the segment before did not get through, so neither counts this one, which nobody had confirmed.
        this.cutFrom(found.slice(index));
        break;
      }
      expected = Math.max(result.expectedOffset, expected);
      epoch = result.epoch;
      if (result.isTorn) {
        this.cutFrom(found.slice(index + 1));
        break;
      }
    }
    this.highestEpoch = Math.max(this.highestEpoch, epoch);
    return Math.max(expected, this.durable.endOffset);
  }

  /** Removes segments that the checkpoint does not name: they were removed, or begun and never shown to anyone. */
  private removeStray(bases: readonly number[]): void {
    const known = new Set(this.log.segments.map((segment) => segment.baseOffset));
    this.cutFrom(bases.filter((base) => !known.has(base)));
  }

  /**
   * A rewritten segment on its way: its size is in the checkpoint just before it takes the old one's place. If the checkpoint has it, the
   * swap is finished, otherwise forgotten.
   */
  private finishSwaps(names: readonly string[]): void {
    const { log, host } = this;
    const { disk } = host;
    for (const name of names) {
      if (!name.endsWith('.cleaned')) continue;
      const path = `${log.directory}/${name}`;
      const segment = log.segments.find((known) => known.path('cleaned') === path);
      if (segment === undefined || sizeOf(disk, path) !== segment.sizeBytes) this.unlink(path);
      else if (sizeOf(disk, segment.path('log')) === segment.sizeBytes) this.unlink(path);
      else {
        this.unlink(segment.path('index'));
        host.files.forget(segment.path('log'));
        disk.rename(path, segment.path('log'));
      }
      disk.syncDirectory(log.directory);
    }
  }

  private reportMissing(found: ReadonlySet<number>, lastKnown: Segment | undefined): void {
    if (lastKnown === undefined || found.has(lastKnown.baseOffset)) return;
    this.damage.push(`Segment "${lastKnown.path('log')}" of log ${this.log.logId} is missing`);
    this.log.segments.pop();
  }

  private addSegment(baseOffset: number): Segment {
    const segment = new Segment(this.log.directory, baseOffset);
    this.log.segments.push(segment);
    return segment;
  }

  private isDurable(baseOffset: number): boolean {
    return baseOffset <= this.durable.segmentBase && this.durable.position > 0;
  }

  private scanOne(
    segment: Segment,
    expectedOffset: number,
    epoch: number,
    isBlind: boolean,
    nextBase: number | undefined,
  ): ScanResult {
    const { host } = this;
    const { baseOffset, sizeBytes: position } = segment;
    const known = { epoch, maxEpoch: this.highestEpoch, isBlind };
    const start = { position, baseOffset, expectedOffset, ...known, ...this.durableIn(baseOffset, nextBase) };
    const file = segment.hold(host.files);
    try {
      const result = scanSegment(file, start, (bytes, at) => this.accept(segment, bytes, at));
      this.takeResult(segment, file, result);
      const isClosed = nextBase !== undefined && !result.isTorn;
      // Better none than one that knows batches which did not get through.
      if (!(isClosed ? finishIndex(segment, host.files) : this.bringIndex(segment))) this.unlink(segment.path('index'));
      return result;
    } finally {
      segment.drop(host.files);
    }
  }

  /** False when the index could not be written. A segment that is too small for an entry needs none. */
  private bringIndex(segment: Segment): boolean {
    const { host } = this;
    if (segment.sizeBytes <= INDEX_INTERVAL_BYTES && !this.hasIndex.has(segment.baseOffset)) return true;
    return writeIndex(segment, host.files);
  }

  private durableIn(baseOffset: number, nextBase: number | undefined): { durablePosition: number; durableEnd: number } {
    const { durable } = this;
    if (baseOffset === durable.segmentBase) return { durablePosition: durable.position, durableEnd: durable.endOffset };
    // Every byte of a segment before the one with the durable position was synced.
    if (baseOffset < durable.segmentBase)
      return { durablePosition: Number.MAX_SAFE_INTEGER, durableEnd: nextBase ?? 0 };
    return { durablePosition: 0, durableEnd: 0 };
  }

  private takeResult(segment: Segment, file: DiskFile, result: ScanResult): void {
    segment.sizeBytes = result.endPosition;
    segment.endOffset = Math.max(segment.baseOffset, result.expectedOffset);
    segment.syncedBytes = Math.min(segment.syncedBytes, segment.sizeBytes);
    segment.safeBytes = segment.syncedBytes;
    const size = file.size();
    if (size > result.endPosition) {
      this.tornBytes += size - result.endPosition;
      // A cut that is lost again would bring back what nobody looks for any more.
      file.truncate(result.endPosition);
      file.syncNow();
    }
    if (result.bad.length > 0) this.quarantine(segment, result.bad);
    if (this.isSameBoot) this.writeAgain(segment, file);
    this.log.directoryChanges++;
    if (!segment.isUnsynced) return;
    this.log.unsynced.add(segment);
    // Short ends go into a set of checkpoints; of thousands of logs the files cannot all stay open.
    if (segment.sizeBytes - segment.syncedBytes <= SET_TAIL_MAX_BYTES) segment.unheldBytes = segment.sizeBytes;
    else segment.holdUntilSynced(this.host.files);
  }

  /**
   * The process before may have ended because a sync had failed. Then the kernel still shows the bytes, and calls them clean although they are
   * not on disk: only what is written again will be.
   */
  private writeAgain(segment: Segment, file: DiskFile): void {
    const { durable } = this;
    const isBelow = segment.baseOffset < durable.segmentBase;
    if (isBelow) return;
    const known = segment.baseOffset === durable.segmentBase ? durable.position : 0;
    const chunk = new Uint8Array(Math.min(SCAN_CHUNK_BYTES, segment.sizeBytes));
    for (let at = Math.max(segment.syncedBytes, known); at < segment.sizeBytes; ) {
      const wanted = chunk.subarray(0, Math.min(chunk.length, segment.sizeBytes - at));
      const length = file.read(wanted, at);
      if (length === 0) return;
      file.write(wanted.subarray(0, length), at);
      at += length;
    }
  }

  private accept(segment: Segment, bytes: Uint8Array, at: number): void {
    const { log } = this;
    const nowMs = this.host.clock.nowMs();
    segment.records += messagesIn(bytes, at);
    segment.maxTimestampMs = Math.max(segment.maxTimestampMs, batch.batchMaxTimestamp(bytes, at));
    segment.lastArrivalMs = Math.max(segment.lastArrivalMs, nowMs);
    const epoch = batch.batchLeaderEpoch(bytes, at);
    const base = batch.batchBaseOffset(bytes, at);
    if (epoch > (log.epochs[log.epochs.length - 1]?.epoch ?? -1)) log.epochs.push({ epoch, startOffset: base });
    const producerId = batch.batchProducerId(bytes, at);
    if (producerId < 0) return;
    log.transactions.append(bytes, at);
    log.transactions.commitTurn();
    if (producerId >= OWN_PRODUCER_ID_FIRST) return;
    const first = batch.batchIsControl(bytes, at) ? -1 : batch.batchBaseSequence(bytes, at);
    const last = batch.batchLastSequence(bytes, at);
    log.producers.append(producerId, batch.batchProducerEpoch(bytes, at), first, last, base, nowMs);
    log.producers.commitTurn();
  }

  private quarantine(segment: Segment, bad: readonly BadRange[]): void {
    for (const range of bad) {
      this.damage.push(
        `Log ${this.log.logId} lost offsets ${range.fromOffset} to ${range.toOffset - 1}: bytes ${range.fromPosition} to ` +
          `${range.toPosition} of "${segment.path('log')}" are not what was written`,
      );
    }
    const path = segment.path('quarantine');
    this.host.disk.writeFileAtomic(path, encodeQuarantine([...readQuarantine(this.host.disk, path), ...bad]));
  }

  /** Removes segments that consist of unconfirmed writes behind a hole. */
  private cutFrom(bases: readonly number[]): void {
    const { log, host } = this;
    for (const base of bases) {
      const position = log.segments.findIndex((segment) => segment.baseOffset === base);
      const segment = position >= 0 ? log.segments.splice(position, 1)[0] : undefined;
      if (segment !== undefined) {
        log.unsynced.delete(segment);
        segment.isRemoved = true;
        segment.settle(host.files);
      }
      for (const kind of ['log', 'index'] as const) this.unlink(segmentPath(log.directory, base, kind));
    }
    if (bases.length > 0) host.disk.syncDirectory(log.directory);
  }

  /**
   * Looks after a log that was at rest: removes what a write left that came too late to be journaled, and so was never shown to anyone, and
   * finds synced bytes that are missing.
   */
  private tidy(): void {
    const { log, host } = this;
    const names = host.disk.list(log.directory);
    const found = basesIn(names);
    this.hasIndex = indexesIn(names);
    this.finishSwaps(names);
    this.removeStray(found);
    const last = log.segments[log.segments.length - 1];
    if (last === undefined) return;
    if (!found.includes(last.baseOffset)) {
      this.damage.push(`Segment "${last.path('log')}" of log ${log.logId} is missing`);
      return;
    }
    const file = last.hold(host.files);
    try {
      const size = file.size();
      if (size < last.sizeBytes)
        this.damage.push(`"${file.path}" has ${size} bytes, of ${last.sizeBytes} that were synced`);
      if (size > last.sizeBytes) {
        file.truncate(last.sizeBytes);
        file.syncNow();
      }
      // The index may have got through where the batches did not.
      if (!this.bringIndex(last)) this.unlink(last.path('index'));
    } finally {
      last.drop(host.files);
    }
  }

  private unlink(path: string): void {
    this.host.files.forget(path);
    if (!this.host.disk.exists(path)) return;
    try {
      this.host.disk.unlink(path);
    } catch (cause) {
      if (!(cause instanceof DiskError) || cause.code !== 'not-found') throw cause;
    }
  }

  private settleEnds(recoveredEnd: number): void {
    const { log } = this;
    log.logEnd = log.nextOffset;
    log.visibleEnd = log.nextOffset;
    log.durableEnd = Math.min(recoveredEnd, this.durable.endOffset);
    if (log.durableEnd === recoveredEnd) log.durableEnd = log.nextOffset;
    const last = log.segments[log.segments.length - 1];
    if (last !== undefined) last.endOffset = Math.max(last.endOffset, recoveredEnd);
  }
}

function basesIn(names: readonly string[]): number[] {
  return names.map(segmentBaseOf).filter((base) => base >= 0);
}

function indexesIn(names: readonly string[]): ReadonlySet<number> {
  return new Set(
    names.filter((name) => name.endsWith('.index')).map((name) => Number(name.slice(0, -'.index'.length))),
  );
}

function sizeOf(disk: Disk, path: string): number {
  if (!disk.exists(path)) return -1;
  const file = disk.open(path, 'read');
  try {
    return file.size();
  } finally {
    file.close();
  }
}

import { assert } from '../../base/assert.js';
import { ByteWriter } from '../../base/byte-writer.js';
import { crc32c } from '../../base/crc32c.js';
import { Deque } from '../../base/deque.js';
import { readI64, readU32 } from '../../base/integers.js';
import type { Disk, DiskFile, Random } from '../../io/ports.js';
import { journalPath, journalsDirectory } from '../paths.js';
import {
  AREAS_AT,
  CLEAN_MARK_AT,
  DECISION_BYTES,
  encodeCleanMark,
  encodeHeader,
  RECORD_EPOCH_AT,
  RECORD_HEADER_BYTES,
  RECORD_KIND_AT,
  RECORD_LENGTH_AT,
  RECORD_LOG_AT,
  RECORD_NEEDED_AT,
  RECORD_SALT_AT,
  RECORD_SEQUENCE_AT,
  RECORD_SYNCED_AT,
  RecordKind,
  SALT_BYTES,
} from './format.js';

/** A log, as its journal sees it. */
export interface JournalTenant {
  readonly logId: number;
  readonly leaderEpoch: number;
  /** Records up to this sequence are contained in a durable checkpoint. */
  readonly checkpointedSequence: number;
}

/** Every area ends with room for the record that sets the other one free. */
const RESERVE_BYTES = RECORD_HEADER_BYTES;
const NO_TENANT = { logId: 0, leaderEpoch: -1 };

interface Area {
  readonly start: number;
  /** Bytes that are in the file. */
  used: number;
  /** Sequence of the first record of this lap; 0 when there is none. */
  first: number;
  /** Nothing in here is needed any more, and a synced record in the other area says so. */
  isFree: boolean;
  isBeingFreed: boolean;
  /** Logs with records here, and the last sequence of each. */
  readonly tenants: Map<JournalTenant, number>;
}

interface WaitingRecord {
  readonly tenant: JournalTenant;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/**
 * A shard's journal: two areas written in turn, as drawn in docs/formats/journal.md. Records are gathered in memory until `write`; the
 * caller decides when to write and to sync. When the disk fails, `onFailed` is told once, and nothing is written or synced ever again.
 */
export class Journal {
  readonly journalId: number;
  /** Sequence of the last record that was appended. */
  lastSequence = 0;
  /** Sequence of the last record that is in the file. */
  writtenSequence = 0;
  /** Sequence of the last record that is synced. */
  syncedSequence = 0;
  /** Sequence of the last record that somebody waits for; notes alone are no reason to sync. */
  neededSequence = 0;
  /** Called when an area is full and was left: its logs need checkpoints, so that it can be used again. */
  onAreaFull: (tenants: Iterable<JournalTenant>) => void = () => {};
  /** Called once, when a write or a sync failed. */
  onFailed: (cause: unknown) => void = () => {};
  /** Bytes that are in the file, and those of them that are synced, since the journal was made. */
  private writtenBytes = 0;
  private syncedBytes = 0;
  private failure: unknown;
  private syncsUnderWay = 0;
  private readonly forgotten = new WeakSet<JournalTenant>();
  private readonly file: DiskFile;
  private readonly areaBytes: number;
  private readonly salt: Uint8Array;
  private readonly areas: readonly [Area, Area];
  private current = 0;
  private readonly pending: ByteWriter;
  private pendingSequence = 0;
  private readonly waiting = new Deque<WaitingRecord>();
  private waitingBytes = 0;
  private roomWaiters: (() => void)[] = [];

  private constructor(file: DiskFile, journalId: number, areaBytes: number, salt: Uint8Array) {
    this.file = file;
    this.salt = salt;
    this.journalId = journalId;
    this.areaBytes = areaBytes;
    this.pending = new ByteWriter(64 * 1024, areaBytes);
    this.areas = [
      { start: AREAS_AT, used: 0, first: 0, isFree: false, isBeingFreed: false, tenants: new Map() },
      { start: AREAS_AT + areaBytes, used: 0, first: 0, isFree: true, isBeingFreed: false, tenants: new Map() },
    ];
  }

  /** Makes a new journal with all of its blocks; durable when this returns. @throws DiskError */
  static create(disk: Disk, dataDirectory: string, journalId: number, areaBytes: number, random: Random): Journal {
    const salt = random.bytes(SALT_BYTES);
    const file = disk.open(journalPath(dataDirectory, journalId), 'create');
    try {
      file.allocate(AREAS_AT + 2 * areaBytes);
      file.write(encodeHeader({ journalId, areaBytes, bootId: disk.bootId(), salt }), 0);
      file.syncNow();
      disk.syncDirectory(journalsDirectory(dataDirectory));
    } catch (cause) {
      file.close();
      throw cause;
    }
    return new Journal(file, journalId, areaBytes, salt);
  }

  /** Bytes of records that are in memory only. */
  get backlogBytes(): number {
    return this.waitingBytes + this.pending.at;
  }

  /** Records a number: `created`, `lease` or `logStart`. Returns its sequence. */
  appendNumber(tenant: JournalTenant, kind: RecordKind, value: number): number {
    const record = this.begin(tenant, kind, 8);
    record.i64(value);
    return this.end(tenant, record, true);
  }

  /** Records a companion change; `change` is copied. Returns its sequence. */
  appendChange(tenant: JournalTenant, companionOffset: number, change: Uint8Array): number {
    const record = this.begin(tenant, RecordKind.change, 8 + change.length);
    record.i64(companionOffset);
    record.raw(change);
    return this.end(tenant, record, true);
  }

  /** Records whole batches of a segment as they stand at `position`; copied. Returns its sequence. */
  appendBytes(tenant: JournalTenant, segmentBase: number, position: number, batches: Uint8Array): number {
    const record = this.begin(tenant, RecordKind.bytes, 16 + batches.length);
    record.i64(segmentBase);
    record.i64(position);
    record.raw(batches);
    return this.end(tenant, record, true);
  }

  /** Notes up to where a segment is synced. Nobody waits for it. */
  noteDurable(tenant: JournalTenant, segmentBase: number, position: number, endOffset: number): void {
    const record = this.begin(tenant, RecordKind.durable, 24);
    record.i64(segmentBase);
    record.i64(position);
    record.i64(endOffset);
    this.end(tenant, record, false);
  }

  /** Records the decision to commit a transaction; `tenant` stands for no log. Returns its sequence. */
  appendDecision(tenant: JournalTenant, producerId: number, epoch: number): number {
    const record = this.begin(tenant, RecordKind.decision, DECISION_BYTES);
    record.i64(producerId);
    record.u16(epoch);
    return this.end(tenant, record, true);
  }

  /** Whether records wait in memory for an area to become free. */
  get isWaiting(): boolean {
    return this.waiting.length > 0;
  }

  /** Whether a record with this payload can be written without waiting for an area. */
  hasRoom(payloadBytes: number): boolean {
    const recordBytes = RECORD_HEADER_BYTES + payloadBytes;
    return (
      this.waiting.length === 0 &&
      (this.fits(recordBytes) || (this.otherIsFree() && recordBytes <= this.areaBytes - RESERVE_BYTES))
    );
  }

  /** Writes what was gathered, as far as there is room. Check `writtenSequence`. */
  write(): void {
    if (this.pending.at === 0) return;
    const area = this.areas[this.current]!;
    if (this.failure === undefined) {
      try {
        this.file.write(this.pending.view(), area.start + area.used);
      } catch (cause) {
        this.fail(cause);
      }
    }
    if (this.failure !== undefined) {
      this.pending.reset();
      return;
    }
    area.used += this.pending.at;
    this.writtenBytes += this.pending.at;
    this.pending.reset();
    this.writtenSequence = this.pendingSequence;
  }

  /** Resolves when an area has become free. */
  whenRoom(): Promise<void> {
    return new Promise((resolve) => this.roomWaiters.push(resolve));
  }

  /** Makes what was written before this call durable. Rejects with what the disk said, then and ever after. */
  async sync(): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const sequence = this.writtenSequence;
    const bytes = this.writtenBytes;
    this.syncsUnderWay++;
    try {
      await this.file.sync();
    } catch (cause) {
      this.fail(cause);
      throw cause;
    } finally {
      this.syncsUnderWay--;
    }
    if (sequence > this.syncedSequence) this.syncedSequence = sequence;
    if (bytes > this.syncedBytes) this.syncedBytes = bytes;
  }

  /** Bytes in the file that the next sync is to make durable. */
  get unsyncedBytes(): number {
    return this.writtenBytes - this.syncedBytes;
  }

  /** Whether a thread of the pool syncs the file. It may have been told of a failure already that no other sync of the file is told of. */
  get isSyncing(): boolean {
    return this.syncsUnderWay > 0;
  }

  /** The same, but the calling thread waits; not to be called while `isSyncing`. @throws DiskError, now and ever after */
  syncNow(): void {
    if (this.failure !== undefined) throw this.failure;
    try {
      this.file.syncNow();
    } catch (cause) {
      this.fail(cause);
      throw cause;
    }
    if (this.writtenSequence > this.syncedSequence) this.syncedSequence = this.writtenSequence;
    this.syncedBytes = this.writtenBytes;
  }

  /** A log has a newer checkpoint: areas may have become free. */
  released(tenant: JournalTenant): void {
    for (const area of this.areas) {
      const last = area.tenants.get(tenant);
      if (last !== undefined && last <= tenant.checkpointedSequence) area.tenants.delete(tenant);
    }
    this.freeOther();
  }

  /** A log was deleted: its records mean nothing any more. */
  forget(tenant: JournalTenant): void {
    this.forgotten.add(tenant);
    for (const area of this.areas) area.tenants.delete(tenant);
    this.freeOther();
  }

  /**
   * Moves on the records of a log that can have no checkpoint any more, from the area that was left into this one: they may be all that is
   * left of its last messages, and must not keep the area from being used again. False when they do not fit.
   * @throws DiskError
   */
  carry(tenant: JournalTenant): boolean {
    const other = this.areas[1 - this.current]!;
    if (!other.tenants.has(tenant)) return true;
    const bytes = new Uint8Array(other.used);
    this.file.read(bytes, other.start);
    const kept: Uint8Array[] = [];
    let size = 0;
    for (let at = 0; at < bytes.length; ) {
      const end = at + RECORD_HEADER_BYTES + readU32(bytes, at + RECORD_LENGTH_AT);
      const isOurs =
        readU32(bytes, at + RECORD_LOG_AT) === tenant.logId && bytes[at + RECORD_KIND_AT] !== RecordKind.released;
      if (isOurs && readI64(bytes, at + RECORD_SEQUENCE_AT) > tenant.checkpointedSequence) {
        kept.push(bytes.subarray(at, end));
        size += end - at;
      }
      at = end;
    }
    // A log's share that passes half an area would be carried round for ever with no room left for others.
    if (size > this.areaBytes / 2 || this.waiting.length > 0 || !this.fits(size)) return false;
    for (const record of kept) this.repeat(tenant, record);
    other.tenants.delete(tenant);
    this.freeOther();
    return true;
  }

  private repeat(tenant: JournalTenant, record: Uint8Array): void {
    // The kind was written by this class.
    const kind = record[RECORD_KIND_AT] as RecordKind;
    const payload = record.subarray(RECORD_HEADER_BYTES);
    const writer = this.begin(tenant, kind, payload.length);
    writer.raw(payload);
    this.end(tenant, writer, true);
  }

  /** Logs with a record in either area. */
  *tenants(): IterableIterator<JournalTenant> {
    yield* this.areas[0].tenants.keys();
    for (const tenant of this.areas[1].tenants.keys()) if (!this.areas[0].tenants.has(tenant)) yield tenant;
  }

  /** Marks the journal as one that needs no replay: every log has a clean checkpoint. @throws DiskError */
  markClean(): void {
    this.file.write(encodeCleanMark(this.journalId, this.lastSequence), CLEAN_MARK_AT);
    this.file.syncNow();
  }

  /** Closes the file. */
  close(): void {
    this.file.close();
  }

  private fail(cause: unknown): void {
    if (this.failure !== undefined) return;
    this.failure = cause;
    this.onFailed(cause);
    this.wakeWaiters();
  }

  private wakeWaiters(): void {
    const waiters = this.roomWaiters;
    this.roomWaiters = [];
    for (const wake of waiters) wake();
  }

  /** Starts a record where it will stay if there is room, and else in a writer of its own. */
  private begin(tenant: JournalTenant, kind: RecordKind, payloadBytes: number): ByteWriter {
    const recordBytes = RECORD_HEADER_BYTES + payloadBytes;
    assert(recordBytes <= this.areaBytes - RESERVE_BYTES, `A journal record of ${recordBytes} bytes exceeds an area`);
    const canPlace = this.waiting.length === 0 && this.makeRoom(recordBytes);
    const writer = canPlace ? this.pending : new ByteWriter(recordBytes, recordBytes);
    const at = writer.skip(RECORD_HEADER_BYTES);
    this.lastSequence++;
    this.putHeader(writer, at, tenant, kind, payloadBytes, this.lastSequence);
    this.recordAt = at;
    return writer;
  }

  private recordAt = 0;

  private end(tenant: JournalTenant, writer: ByteWriter, isNeeded: boolean): number {
    if (writer === this.pending) this.seal(writer, this.recordAt, this.lastSequence);
    if (isNeeded) this.neededSequence = this.lastSequence;
    if (writer === this.pending) {
      this.placed(tenant, this.lastSequence);
      this.freeOther();
    } else {
      this.waiting.pushBack({ tenant, sequence: this.lastSequence, bytes: writer.view() });
      this.waitingBytes += writer.at;
    }
    return this.lastSequence;
  }

  /** Completes the record at `at` once it is known in which area it will be. */
  private seal(writer: ByteWriter, at: number, sequence: number): void {
    const current = this.areas[this.current]!;
    if (current.first === 0) current.first = sequence;
    const other = this.areas[1 - this.current]!;
    writer.patchI64(at + RECORD_NEEDED_AT, other.tenants.size > 0 ? other.first : current.first);
    writer.patchU32(at, crc32c(writer.bytes, at + RECORD_LENGTH_AT, writer.at));
  }

  private placed(tenant: JournalTenant, sequence: number): void {
    this.areas[this.current]!.tenants.set(tenant, sequence);
    this.pendingSequence = sequence;
  }

  private fits(recordBytes: number): boolean {
    return this.areas[this.current]!.used + this.pending.at + recordBytes <= this.areaBytes - RESERVE_BYTES;
  }

  private otherIsFree(): boolean {
    return this.areas[1 - this.current]!.isFree;
  }

  /**
   * Sets the other area free once no log needs it. First a synced record of this area says so: were the first records of the next lap lost
   * with the power, recovery would otherwise miss what they have overwritten.
   */
  private freeOther(): void {
    const other = this.areas[1 - this.current]!;
    if (other.isFree || other.isBeingFreed || other.tenants.size > 0) return;
    other.isBeingFreed = true;
    this.noteReleased();
    this.write();
    this.sync().then(
      () => {
        other.isBeingFreed = false;
        other.isFree = true;
        this.drain();
      },
      // A failed sync was reported to whoever uses the journal.
      () => {},
    );
  }

  /** Repeats the last sequence, as later ones may have been given to records that wait. The reserve at an area's end is for this. */
  private noteReleased(): void {
    const at = this.pending.skip(RECORD_HEADER_BYTES);
    const sequence = this.pendingSequence;
    this.putHeader(this.pending, at, NO_TENANT, RecordKind.released, 0, sequence);
    this.seal(this.pending, at, sequence);
  }

  private putHeader(
    writer: ByteWriter,
    at: number,
    tenant: Pick<JournalTenant, 'logId' | 'leaderEpoch'>,
    kind: RecordKind,
    payloadBytes: number,
    sequence: number,
  ): void {
    writer.patchU32(at + RECORD_LENGTH_AT, payloadBytes);
    writer.patchI64(at + RECORD_SEQUENCE_AT, sequence);
    writer.patchI64(at + RECORD_SYNCED_AT, this.syncedSequence);
    writer.bytes.set(this.salt, at + RECORD_SALT_AT);
    writer.patchU32(at + RECORD_LOG_AT, tenant.logId);
    writer.patchU32(at + RECORD_EPOCH_AT, tenant.leaderEpoch);
    writer.bytes[at + RECORD_KIND_AT] = kind;
  }

  /** Turns to the other area when this one is full. False when that is not free. */
  private makeRoom(recordBytes: number): boolean {
    if (this.fits(recordBytes)) return true;
    if (!this.otherIsFree()) return false;
    this.write();
    const left = this.areas[this.current]!;
    this.current = 1 - this.current;
    this.areas[this.current]!.used = 0;
    this.areas[this.current]!.first = 0;
    this.areas[this.current]!.isFree = false;
    this.onAreaFull(left.tenants.keys());
    return true;
  }

  /** Places waiting records once there is room. */
  private drain(): void {
    for (let record = this.waiting.peekFront(); record !== undefined; record = this.waiting.peekFront()) {
      if (!this.makeRoom(record.bytes.length)) break;
      this.waiting.popFront();
      this.waitingBytes -= record.bytes.length;
      const at = this.pending.at;
      this.pending.raw(record.bytes);
      this.seal(this.pending, at, record.sequence);
      this.placed(record.tenant, record.sequence);
      if (this.forgotten.has(record.tenant)) this.areas[this.current]!.tenants.delete(record.tenant);
    }
    this.write();
    this.wakeWaiters();
  }
}

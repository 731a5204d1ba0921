/**
 * The metadata log: every declaration and deletion, in order, on the control thread's disk (docs/formats/metadata.md). A snapshot keeps starts
 * short; the log behind it is replayed.
 *
 * ```
 * DATA/metadata/snapshot       the catalog's snapshot, framed like one record, replaced atomically
 * DATA/metadata/VERSION.log    records behind the snapshot of that version
 * record   length u32 (of what follows the CRC) · crc32c u32 (of what follows it) · version i64 · change, step or group
 * ```
 */
import { join } from 'node:path';
import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { crc32c } from '../base/crc32c.js';
import { CodedError } from '../base/errors.js';
import { Catalog, type MetadataChange } from '../broker/catalog.js';
import { decodeGroup, type EncodedStep, encodeGroup, encodeStep } from '../broker/metadata-changes.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk, DiskFile } from '../io/ports.js';

/** Bytes before a record's version. */
const FRAME_BYTES = 8;
/** A record longer than this is no record of ours. */
const MAX_RECORD_BYTES = 64 * 1024 * 1024;
/** A log of this size is replaced by a snapshot at the next start or change. */
const SNAPSHOT_AFTER_BYTES = 16 * 1024 * 1024;

/**
 * Why the metadata log cannot be used. After `no-space` it is as it was, and goes on once there is room; after `failed` nothing more is appended
 * until the next start.
 */
export class MetadataLogError extends CodedError<'corrupt' | 'no-space' | 'failed'> {}

interface MetadataRecord {
  readonly version: number;
  readonly payload: Uint8Array;
  /** Position after the record. */
  readonly end: number;
}

/** See the top of this file. */
export class MetadataLog {
  readonly catalog: Catalog;
  private readonly disk: Disk;
  private readonly folder: string;
  private readonly writer = new ByteWriter(4096, MAX_RECORD_BYTES);
  private file: DiskFile;
  private filePath: string;
  private size: number;
  /** A record that found no room may have left a part of itself behind the end. */
  private hasRest = false;
  private failure: MetadataLogError | undefined;

  private constructor(disk: Disk, folder: string, catalog: Catalog, filePath: string, file: DiskFile, size: number) {
    this.disk = disk;
    this.folder = folder;
    this.catalog = catalog;
    this.filePath = filePath;
    this.file = file;
    this.size = size;
  }

  /** Reads the log, cuts what a crash left half written, and opens it for appending. @throws MetadataLogError `corrupt` */
  static open(disk: Disk, folder: string): MetadataLog {
    const catalog = readSnapshot(disk, join(folder, 'snapshot'));
    const filePath = join(folder, logName(catalog.version));
    const file = disk.open(filePath, 'write');
    const size = replay(file, filePath, catalog);
    // What lies behind the last whole record was never confirmed to anybody.
    if (file.size() > size) file.truncate(size);
    writeAgain(file, size);
    file.syncNow();
    disk.syncDirectory(folder);
    removeOldLogs(disk, folder, filePath);
    return new MetadataLog(disk, folder, catalog, filePath, file, size);
  }

  /** Number of the last change. */
  get version(): number {
    return this.catalog.version;
  }

  /**
   * Appends a change, waits until it is on disk, and applies it to the catalog. Returns its version.
   * @throws MetadataLogError `no-space`, `failed`: then nothing was changed
   */
  async append(change: MetadataChange): Promise<number> {
    const version = this.catalog.version + 1;
    await this.writeGroup([{ version, bytes: encodeStep([change]) }]);
    this.catalog.apply(version, change);
    this.snapshotIfLong();
    return version;
  }

  /**
   * Writes steps that the catalog has already, as one record with one sync: after a crash all of them are there, or none.
   * @throws MetadataLogError `no-space`, `failed`: then none of them is on disk, and the catalog is the caller's to put right; EncodeError when they
   * are too much for one record
   */
  async appendApplied(steps: readonly EncodedStep[]): Promise<void> {
    await this.writeGroup(steps);
    this.snapshotIfLong();
  }

  private async writeGroup(steps: readonly EncodedStep[]): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    const record = frame(this.writer, steps[0]!.version, encodeGroup(steps));
    this.write(record);
    try {
      await this.file.sync();
    } catch (error) {
      // After a failed sync nobody knows what is on disk, so nothing more may follow it.
      throw this.fail(error);
    }
    this.size += record.length;
  }

  private snapshotIfLong(): void {
    if (this.size >= SNAPSHOT_AFTER_BYTES) this.writeSnapshot();
  }

  /** Puts a record behind the last one, in place of what is left of one that found no room. */
  private write(record: Uint8Array): void {
    try {
      this.cutRest();
      // Until the whole record is there, it is a rest.
      this.hasRest = true;
      this.file.write(record, this.size);
      this.hasRest = false;
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'no-space') throw this.fail(error);
      this.cutRestIfPossible();
      throw new MetadataLogError('no-space', `Cannot write the metadata log ${this.filePath}: no space is left`, error);
    }
  }

  private cutRest(): void {
    if (!this.hasRest) return;
    this.file.truncate(this.size);
    this.hasRest = false;
  }

  /** Gives the room back at once. Where even that needs room, the next record tries again, and a start cuts it as a torn tail. */
  private cutRestIfPossible(): void {
    try {
      this.cutRest();
    } catch (error) {
      if (!(error instanceof DiskError) || error.code !== 'no-space') throw this.fail(error);
    }
  }

  private fail(error: unknown): MetadataLogError {
    this.failure = new MetadataLogError('failed', `Cannot write the metadata log ${this.filePath}`, error);
    return this.failure;
  }

  close(): void {
    this.file.close();
  }

  /** Replaces the log by a snapshot. Without room for one the log goes on; what it holds is on disk already. */
  private writeSnapshot(): void {
    const path = join(this.folder, logName(this.catalog.version));
    let next: DiskFile | undefined;
    try {
      next = this.disk.open(path, 'write');
      this.disk.syncDirectory(this.folder);
      this.disk.writeFileAtomic(join(this.folder, 'snapshot'), snapshotFile(this.catalog));
    } catch (error) {
      if (!(error instanceof DiskError)) throw error;
      next?.close();
      // The snapshot may be in place after all: a start would then read the new log, and miss what is appended to the old one from here on.
      if (error.code !== 'no-space') {
        this.failure = new MetadataLogError('failed', `Cannot replace the metadata log ${this.filePath}`, error);
      } else if (next !== undefined) this.disk.unlink(path);
      return;
    }
    this.file.close();
    this.disk.unlink(this.filePath);
    this.file = next;
    this.filePath = path;
    this.size = 0;
  }
}

/** The content of `snapshot` for a catalog as it is. */
export function snapshotFile(catalog: Catalog): Uint8Array {
  return frame(new ByteWriter(4096), catalog.version, catalog.snapshot());
}

function logName(version: number): string {
  return `${String(version).padStart(20, '0')}.log`;
}

function frame(writer: ByteWriter, version: number, payload: Uint8Array): Uint8Array {
  writer.reset();
  writer.u32(8 + payload.length);
  writer.u32(0);
  writer.i64(version);
  writer.raw(payload);
  writer.patchU32(4, crc32c(writer.bytes, FRAME_BYTES, writer.at));
  return writer.copy();
}

/** The record at `at`, or undefined where no whole one is. */
function readRecord(bytes: Uint8Array, at: number): MetadataRecord | undefined {
  if (bytes.length - at < FRAME_BYTES + 8) return undefined;
  const reader = new ByteReader(bytes, at);
  const length = reader.u32();
  const crc = reader.u32();
  const end = at + FRAME_BYTES + length;
  if (length < 8 || length > MAX_RECORD_BYTES || end > bytes.length) return undefined;
  if (crc32c(bytes, at + FRAME_BYTES, end) !== crc) return undefined;
  const version = reader.i64();
  return { version, payload: bytes.subarray(reader.at, end), end };
}

function readSnapshot(disk: Disk, path: string): Catalog {
  const catalog = new Catalog();
  if (!disk.exists(path)) return catalog;
  const record = readRecord(disk.readFile(path), 0);
  if (record === undefined)
    throw new MetadataLogError('corrupt', `Cannot read the metadata snapshot ${path}: it is damaged`);
  catalog.restore(record.payload);
  return catalog;
}

/** Applies the records of a file. Returns where the last whole one ends. */
function replay(file: DiskFile, path: string, catalog: Catalog): number {
  const bytes = new Uint8Array(file.size());
  file.read(bytes, 0);
  let at = 0;
  for (let record = readRecord(bytes, at); record !== undefined; record = readRecord(bytes, at)) {
    for (const { version, changes } of decodeGroup(record.version, record.payload)) {
      if (version > catalog.version) catalog.applyStep(version, changes);
    }
    at = record.end;
  }
  if (wholeRecordBehind(bytes, at)) {
    throw new MetadataLogError('corrupt', `Cannot read the metadata log ${path}: the record at byte ${at} is damaged`);
  }
  return at;
}

/**
 * A node may have ended because a sync failed. Then the kernel still shows the bytes, and calls them clean although they are not on disk: only what
 * is written again will be.
 */
function writeAgain(file: DiskFile, size: number): void {
  const bytes = new Uint8Array(size);
  file.read(bytes, 0);
  if (size > 0) file.write(bytes, 0);
}

/** A torn tail has nothing behind it; a whole record behind bad bytes means that confirmed changes were damaged. */
function wholeRecordBehind(bytes: Uint8Array, at: number): boolean {
  for (let start = at + 1; start < bytes.length; start++) {
    if (readRecord(bytes, start) !== undefined) return true;
  }
  return false;
}

/** A crash between a snapshot and the removal of the log that it replaces leaves that log behind. */
function removeOldLogs(disk: Disk, folder: string, keepPath: string): void {
  for (const name of disk.list(folder)) {
    const path = join(folder, name);
    if (name.endsWith('.log') && path !== keepPath) disk.unlink(path);
  }
}

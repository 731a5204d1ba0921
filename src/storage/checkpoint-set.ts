import { ByteReader } from '../base/byte-reader.js';
import { ByteWriter } from '../base/byte-writer.js';
import { crc32c } from '../base/crc32c.js';
import { DecodeError } from '../base/errors.js';
import { readU32 } from '../base/integers.js';
import type { Disk } from '../io/ports.js';
import { type CheckpointImage, decodeCheckpoint } from './checkpoint.js';
import { StorageError } from './errors.js';
import { CHECKPOINT_SET_MAX_BYTES, LIST_MAX_ENTRIES } from './limits.js';
import { type CheckpointSetKind, checkpointSetPath } from './paths.js';

/** Layout of `J.start.checkpoints` and `J.stop.checkpoints`; drawn in docs/formats/checkpoint.md. */
const MAGIC = 0x444c4353;
const VERSION = 1;
const HEADER_BYTES = 24;
const CRC_BYTES = 4;
const TAIL_HEADER_BYTES = 20;
const ENTRY_MIN_BYTES = 16;
const FOLDER_UNSYNCED_FLAG = 1;

/** The end of a segment that no sync of its file covers: recovery writes it to its place. */
export interface SegmentTail {
  readonly segmentBase: number;
  readonly position: number;
  /** May be empty: then the file may not be there, and is to be made. */
  readonly bytes: Uint8Array;
}

/** What a set says of one log. */
export interface CheckpointSetEntry {
  /** Its segments' sizes include the tails. */
  readonly image: CheckpointImage;
  readonly tails: readonly SegmentTail[];
  /** Names in the log's folder, or its own, may be lost with power. */
  readonly isFolderUnsynced: boolean;
  readonly kind: CheckpointSetKind;
}

/** The checkpoints that sets hold for each log. */
export interface FoundCheckpoints {
  readonly byLog: ReadonlyMap<number, readonly CheckpointSetEntry[]>;
  /** The sets that could not be read to their end. */
  readonly damaged: readonly DamagedSet[];
}

/** A set that may have held more than was read of it. */
export interface DamagedSet {
  readonly journalId: number;
  readonly kind: CheckpointSetKind;
  readonly message: string;
}

/** Gathers the checkpoints of many logs for one file. */
export class CheckpointSetBuilder {
  private readonly writer = new ByteWriter(64 * 1024, CHECKPOINT_SET_MAX_BYTES);
  private count = 0;

  constructor(journalId: number) {
    this.writer.u32(MAGIC);
    this.writer.u16(VERSION);
    this.writer.u16(0);
    this.writer.i64(journalId);
    this.writer.u32(0);
    this.writer.u32(0);
  }

  /** Bytes so far. */
  get sizeBytes(): number {
    return this.writer.at;
  }

  /** Adds a log, by the bytes of its checkpoint; all is copied. */
  add(logId: number, checkpoint: Uint8Array, tails: readonly SegmentTail[], isFolderUnsynced: boolean): void {
    const { writer } = this;
    const start = writer.at;
    writer.u32(0);
    writer.u32(logId);
    writer.u32(isFolderUnsynced ? FOLDER_UNSYNCED_FLAG : 0);
    writer.u32(checkpoint.length);
    writer.raw(checkpoint);
    writer.u32(tails.length);
    for (const { segmentBase, position, bytes } of tails) {
      writer.i64(segmentBase);
      writer.i64(position);
      writer.u32(bytes.length);
      writer.raw(bytes);
    }
    patchU32(writer, start, writer.at + CRC_BYTES - start);
    writer.u32(crc32c(writer.bytes, start, writer.at));
    this.count++;
  }

  /** The file's bytes; nothing is added afterwards. */
  finish(): Uint8Array {
    const { writer } = this;
    patchU32(writer, HEADER_BYTES - 2 * CRC_BYTES, this.count);
    patchU32(writer, HEADER_BYTES - CRC_BYTES, crc32c(writer.bytes, 0, HEADER_BYTES - CRC_BYTES));
    return writer.view();
  }
}

function patchU32(writer: ByteWriter, at: number, value: number): void {
  const end = writer.at;
  writer.at = at;
  writer.u32(value);
  writer.at = end;
}

/**
 * Reads what the sets of earlier starts hold of `logIds`, as far as they are sound. Entries of one log are in no order: the caller takes the newest.
 * @throws DiskError
 */
export function readCheckpointSets(
  disk: Disk,
  dataDirectory: string,
  journalIds: readonly number[],
  logIds: ReadonlySet<number>,
): FoundCheckpoints {
  const byLog = new Map<number, CheckpointSetEntry[]>();
  const damaged: DamagedSet[] = [];
  for (const journalId of journalIds) {
    for (const kind of ['start', 'stop'] as const) {
      const path = checkpointSetPath(dataDirectory, journalId, kind);
      if (!disk.exists(path)) continue;
      try {
        decodeSet(disk.readFile(path), path, journalId, kind, logIds, byLog);
      } catch (cause) {
        if (!(cause instanceof StorageError)) throw cause;
        damaged.push({ journalId, kind, message: cause.message });
      }
    }
  }
  return { byLog, damaged };
}

function decodeSet(
  bytes: Uint8Array,
  path: string,
  journalId: number,
  kind: CheckpointSetKind,
  logIds: ReadonlySet<number>,
  byLog: Map<number, CheckpointSetEntry[]>,
): void {
  let at = HEADER_BYTES;
  for (let left = decodeHeader(bytes, path, journalId); left > 0; left--) {
    const length = at + ENTRY_MIN_BYTES <= bytes.length ? readU32(bytes, at) : 0;
    const crcAt = at + length - CRC_BYTES;
    const isWhole = length >= ENTRY_MIN_BYTES + CRC_BYTES && at + length <= bytes.length;
    if (!isWhole || readU32(bytes, crcAt) !== crc32c(bytes, at, crcAt)) throw damage(path, `from byte ${at} on`);
    const logId = readU32(bytes, at + 4);
    // Every shard reads the sets of all: what is of others' logs is neither decoded nor kept.
    if (logIds.has(logId)) {
      const entry = decodeEntry(new ByteReader(bytes, at + 8, crcAt), path, kind);
      const known = byLog.get(logId);
      if (known === undefined) byLog.set(logId, [entry]);
      else known.push(entry);
    }
    at += length;
  }
}

/** Returns how many entries there are. */
function decodeHeader(bytes: Uint8Array, path: string, journalId: number): number {
  if (bytes.length < HEADER_BYTES) throw damage(path, 'in its header');
  const crcAt = HEADER_BYTES - CRC_BYTES;
  if (readU32(bytes, crcAt) !== crc32c(bytes, 0, crcAt)) throw damage(path, 'in its header');
  const reader = new ByteReader(bytes, 0, crcAt);
  const isOurs = reader.u32() === MAGIC && reader.u16() === VERSION && reader.u16() === 0;
  if (!isOurs || reader.u64() !== journalId) throw damage(path, 'in its header, or of another version');
  return reader.u32();
}

/** What follows an entry's log id. */
function decodeEntry(reader: ByteReader, path: string, kind: CheckpointSetKind): CheckpointSetEntry {
  try {
    const isFolderUnsynced = (reader.u32() & FOLDER_UNSYNCED_FLAG) !== 0;
    const image = decodeCheckpoint(reader.view(reader.u32()), path);
    const count = reader.u32();
    if (count > Math.min(LIST_MAX_ENTRIES, reader.remaining / TAIL_HEADER_BYTES)) {
      throw new DecodeError('invalid', `${count} tails cannot be`);
    }
    const tails = Array.from({ length: count }, () => readTail(reader));
    return { image, tails, isFolderUnsynced, kind };
  } catch (cause) {
    if (!(cause instanceof DecodeError)) throw cause;
    throw damage(path, `(${cause.message})`, cause);
  }
}

function readTail(reader: ByteReader): SegmentTail {
  return { segmentBase: reader.u64(), position: reader.u64(), bytes: reader.view(reader.u32()) };
}

function damage(path: string, where: string, cause?: unknown): StorageError {
  return new StorageError('bad-format', `Checkpoints "${path}" are damaged ${where}`, cause);
}

/**
 * The newest of what is known of a log: its own checkpoint file, which a run replaces as it goes, and entries of sets. Of the same journal position
 * the set of the start comes first, then the file, then the set of the stop.
 */
export function newestCheckpoint(
  own: CheckpointImage | undefined,
  entries: readonly CheckpointSetEntry[],
): CheckpointSetEntry | undefined {
  let newest: CheckpointSetEntry | undefined;
  for (const entry of entries) {
    const rival = newest?.image;
    if (rival === undefined || isNewer(entry.image, rival, entry.kind === 'stop')) newest = entry;
  }
  if (newest === undefined || own === undefined) return newest;
  return isNewer(newest.image, own, newest.kind === 'stop') ? newest : undefined;
}

function isNewer(one: CheckpointImage, other: CheckpointImage, winsTie: boolean): boolean {
  if (one.journalId !== other.journalId) return one.journalId > other.journalId;
  if (one.journalSequence !== other.journalSequence) return one.journalSequence > other.journalSequence;
  return winsTie;
}

/**
 * The sets that cannot be read and may have held something newer of a log than what is known of it: then nothing known can be relied on. `startOf`: the
 * start that a journal is of.
 */
export function damagedBeyond(
  own: CheckpointImage | undefined,
  entries: readonly CheckpointSetEntry[],
  damaged: readonly DamagedSet[],
  startOf: (journalId: number) => number,
): readonly DamagedSet[] {
  if (damaged.length === 0) return damaged;
  const known: Place[] = entries.map(({ image, kind }) => ({ journalId: image.journalId, kind }));
  if (own !== undefined) known.push({ journalId: own.journalId, kind: 'own' });
  return damaged.filter((place) => known.every((other) => mayFollow(place, other, startOf)));
}

/** Where in the order of what is written of a log something stands. */
interface Place {
  readonly journalId: number;
  readonly kind: CheckpointSetKind | 'own';
}

function mayFollow(one: Place, other: Place, startOf: (journalId: number) => number): boolean {
  // Within a start a log is of one shard, and so its checkpoints are of one journal.
  if (one.journalId !== other.journalId) return startOf(one.journalId) > startOf(other.journalId);
  return orderOf(one.kind) > orderOf(other.kind);
}

/** Rises with what is written in the life of one journal. */
function orderOf(kind: Place['kind']): number {
  return ['start', 'own', 'stop'].indexOf(kind);
}

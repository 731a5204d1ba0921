import { crc32c } from '../../base/crc32c.js';
import { readI64, readU32 } from '../../base/integers.js';
import { releaseMemory } from '../../base/release-memory.js';
import type { Disk, DiskFile } from '../../io/ports.js';
import { StorageError } from '../errors.js';
import { SCAN_CHUNK_BYTES } from '../limits.js';
import { checkpointSetJournalOf, journalIdOf, journalPath, journalsDirectory } from '../paths.js';
import {
  AREAS_AT,
  CLEAN_MARK_AT,
  CLEAN_MARK_BYTES,
  decodeHeader,
  isCleanMark,
  JOURNAL_HEADER_BYTES,
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

const NO_BYTES = new Uint8Array(0);
const AREA_MAX_BYTES = 1024 * 1024 * 1024;

/** A journaled record in borrowed memory. */
export interface JournalRecord {
  sequence: number;
  logId: number;
  leaderEpoch: number;
  kind: number;
  /** The payload is `bytes` from `at` to `end`; gone when the visit ends. */
  bytes: Uint8Array;
  at: number;
  end: number;
}

/** What was found in a journal. */
export interface JournalFindings {
  readonly journalId: number;
  readonly bootId: string;
  /** It was closed in order: nothing was replayed, nothing needed to be. */
  readonly isClean: boolean;
  readonly records: number;
  /** Says what is wrong when records that had been synced are missing. */
  readonly corruption: string | undefined;
  /** There is a decision that may never have been synced, nor the records before it, which it stands on. */
  readonly hasUnsyncedDecision: boolean;
}

/** A whole record that was found. */
interface Found {
  readonly sequence: number;
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** All whole records of both areas, of whatever lap, and what the latest of them know. */
interface Findings {
  readonly found: Found[];
  maxSynced: number;
  neededFrom: number;
}

/** The ids of the journals that are there, rising. @throws DiskError */
export function findJournals(disk: Disk, dataDirectory: string): number[] {
  const directory = journalsDirectory(dataDirectory);
  if (!disk.exists(directory)) return [];
  const ids = disk.list(directory).map(journalIdOf);
  return ids.filter((id) => id >= 0).sort((left, right) => left - right);
}

/** Removes journals that all logs have newer checkpoints than, and the sets of checkpoints that are as old. @throws DiskError */
export function removeJournals(disk: Disk, dataDirectory: string, journalIds: readonly number[]): void {
  if (journalIds.length === 0) return;
  const directory = journalsDirectory(dataDirectory);
  const newest = Math.max(...journalIds);
  for (const journalId of journalIds) disk.remove(journalPath(dataDirectory, journalId));
  for (const name of disk.list(directory)) {
    const journalId = checkpointSetJournalOf(name);
    // Those that an earlier removal has left over are older still.
    if (journalId >= 0 && journalId <= newest) disk.remove(`${directory}/${name}`);
  }
  disk.syncDirectory(directory);
}

/**
 * Reads a journal, and passes on in order what is to be replayed. A journal that was closed in order has nothing.
 * @throws DiskError; StorageError `bad-format` when the header is damaged
 */
export function replayJournal(
  disk: Disk,
  dataDirectory: string,
  journalId: number,
  visit: (record: JournalRecord) => void,
): JournalFindings {
  const path = journalPath(dataDirectory, journalId);
  const file = disk.open(path, 'read');
  try {
    return replayFile(file, journalId, visit);
  } finally {
    file.close();
  }
}

/**
 * Writes what a journal holds to its place again, and syncs it: the process before may have died with it in the page cache only, and after a failed sync
 * the kernel calls such bytes clean. @throws DiskError
 */
export function secureJournal(disk: Disk, dataDirectory: string, journalId: number): void {
  const file = disk.open(journalPath(dataDirectory, journalId), 'write');
  try {
    const bytes = new Uint8Array(SCAN_CHUNK_BYTES);
    for (let at = 0, length = file.read(bytes, at); length > 0; length = file.read(bytes, at)) {
      file.write(bytes.subarray(0, length), at);
      at += length;
    }
    file.syncNow();
  } finally {
    file.close();
  }
}

function replayFile(file: DiskFile, journalId: number, visit: (record: JournalRecord) => void): JournalFindings {
  const headerBytes = new Uint8Array(JOURNAL_HEADER_BYTES);
  file.read(headerBytes, 0);
  const header = decodeHeader(headerBytes);
  if (header === undefined || header.journalId !== journalId || header.areaBytes > AREA_MAX_BYTES) {
    // A journal is made durable with its header before it is used, so this one never was, or its first sector is lost. A header may also be half
    // written; then there is nothing behind it.
    const isUnused = isZero(headerBytes) || isZeroFrom(file, AREAS_AT);
    if (isUnused)
      return {
        journalId,
        bootId: 'unknown',
        isClean: true,
        records: 0,
        corruption: undefined,
        hasUnsyncedDecision: false,
      };
    throw new StorageError('bad-format', `Cannot read journal "${file.path}": its header is damaged`);
  }
  const mark = new Uint8Array(CLEAN_MARK_BYTES);
  file.read(mark, CLEAN_MARK_AT);
  const { bootId, areaBytes, salt } = header;
  if (isCleanMark(mark, journalId))
    return { journalId, bootId, isClean: true, records: 0, corruption: undefined, hasUnsyncedDecision: false };
  const findings: Findings = { found: [], maxSynced: 0, neededFrom: 1 };
  const areas = [new Uint8Array(areaBytes), new Uint8Array(areaBytes)];
  for (const [index, area] of areas.entries()) readArea(file, salt, AREAS_AT + index * areaBytes, area, findings);
  const { records, corruption } = visitInOrder(findings, file.path, visit);
  const hasUnsyncedDecision = findings.found.some(
    ({ sequence, bytes, at }) => sequence > findings.maxSynced && bytes[at + RECORD_KIND_AT] === RecordKind.decision,
  );
  for (const area of areas) releaseMemory(area);
  return { journalId, bootId, isClean: false, records, corruption, hasUnsyncedDecision };
}

function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

function isZeroFrom(file: DiskFile, start: number): boolean {
  const chunk = new Uint8Array(SCAN_CHUNK_BYTES);
  for (let at = start, length = 0; ; at += length) {
    length = file.read(chunk, at);
    if (!isZero(chunk.subarray(0, length))) return false;
    if (length < chunk.length) return true;
  }
}

function readArea(
  file: DiskFile,
  salt: Uint8Array,
  start: number,
  bytes: Uint8Array<ArrayBuffer>,
  findings: Findings,
): void {
  const length = file.read(bytes, start);
  // Buffer's search runs in native code; the view shares the memory.
  const haystack = Buffer.from(bytes.buffer, bytes.byteOffset, length);
  for (let at = 0; at + RECORD_HEADER_BYTES <= length; ) {
    const recordBytes = wholeRecordBytes(bytes, at, length, salt);
    if (recordBytes === 0) {
      // Look for the next record behind bytes that are none: every record has the journal's salt at a fixed place.
      const next = haystack.indexOf(salt, at + 1 + RECORD_SALT_AT);
      if (next === -1) break;
      at = next - RECORD_SALT_AT;
      continue;
    }
    findings.maxSynced = Math.max(findings.maxSynced, readI64(bytes, at + RECORD_SYNCED_AT));
    findings.neededFrom = Math.max(findings.neededFrom, readI64(bytes, at + RECORD_NEEDED_AT));
    const isReplayed = bytes[at + RECORD_KIND_AT] !== RecordKind.released;
    if (isReplayed) findings.found.push({ sequence: readI64(bytes, at + RECORD_SEQUENCE_AT), bytes, at });
    at += recordBytes;
  }
}

/** The record's size, or 0 when there is no whole record of this journal. */
function wholeRecordBytes(bytes: Uint8Array, at: number, length: number, salt: Uint8Array): number {
  const recordBytes = RECORD_HEADER_BYTES + readU32(bytes, at + RECORD_LENGTH_AT);
  if (at + recordBytes > length) return 0;
  for (let index = 0; index < SALT_BYTES; index++) if (bytes[at + RECORD_SALT_AT + index] !== salt[index]) return 0;
  return readU32(bytes, at) === crc32c(bytes, at + RECORD_LENGTH_AT, at + recordBytes) ? recordBytes : 0;
}

function visitInOrder(
  { found, maxSynced, neededFrom }: Findings,
  path: string,
  visit: (record: JournalRecord) => void,
): { records: number; corruption: string | undefined } {
  // Sectors of two laps may lie side by side after power loss: only the sequences say what belongs together.
  const needed = found.filter(({ sequence }) => sequence >= neededFrom);
  needed.sort((left, right) => left.sequence - right.sequence);
  const record: JournalRecord = { sequence: 0, logId: 0, leaderEpoch: 0, kind: 0, bytes: NO_BYTES, at: 0, end: 0 };
  let expected = neededFrom;
  let corruption: string | undefined;
  let records = 0;
  for (const { sequence, bytes, at } of needed) {
    if (sequence > expected) {
      // Missing and never synced: what follows was not confirmed to anyone either.
      if (maxSynced < expected) return { records, corruption };
      corruption ??= lacks(path, expected, sequence - 1);
    }
    if (sequence < expected) continue;
    expected = sequence + 1;
    records++;
    loadRecord(record, bytes, at);
    visit(record);
  }
  // The last synced records may be gone altogether.
  if (maxSynced >= expected) corruption ??= lacks(path, expected, maxSynced);
  return { records, corruption };
}

function lacks(path: string, from: number, to: number): string {
  return `Journal "${path}" lacks the records from ${from} to ${to}, which had been synced`;
}

function loadRecord(record: JournalRecord, bytes: Uint8Array, at: number): void {
  record.sequence = readI64(bytes, at + RECORD_SEQUENCE_AT);
  record.logId = readU32(bytes, at + RECORD_LOG_AT);
  record.leaderEpoch = readU32(bytes, at + RECORD_EPOCH_AT) | 0;
  record.kind = bytes[at + RECORD_KIND_AT]!;
  record.bytes = bytes;
  record.at = at + RECORD_HEADER_BYTES;
  record.end = record.at + readU32(bytes, at + RECORD_LENGTH_AT);
}

import { crc32c } from '../../base/crc32c.js';
import { readI64, readU16, readU32, writeI64, writeU16, writeU32 } from '../../base/integers.js';
import { readUtf8 } from '../../base/utf8.js';

/** Layout of `J.journal`; drawn in docs/formats/journal.md. */

/** Where the header, the clean mark and area 0 begin. */
export const CLEAN_MARK_AT = 4096;
export const AREAS_AT = 8192;
/** Bytes of a record before its payload. */
export const RECORD_HEADER_BYTES = 52;

/** Positions of a record's fields; see docs/formats/journal.md. */
export const RECORD_LENGTH_AT = 4;
export const RECORD_SEQUENCE_AT = 8;
export const RECORD_SYNCED_AT = 16;
export const RECORD_SALT_AT = 24;
/** Bytes of a journal's salt. */
export const SALT_BYTES = 8;
export const RECORD_LOG_AT = 32;
export const RECORD_EPOCH_AT = 36;
export const RECORD_NEEDED_AT = 40;
export const RECORD_KIND_AT = 48;

const HEADER_MAGIC = 0x444c4a52;
const CLEAN_MAGIC = 0x444c4a43;
const VERSION = 1;
const HEADER_CRC_AT = 88;
const BOOT_ID_AT = 26;
const SALT_AT = 80;
const BOOT_ID_MAX_BYTES = SALT_AT - BOOT_ID_AT;
const CLEAN_CRC_AT = 20;

/** Bytes of the header that mean something. */
export const JOURNAL_HEADER_BYTES = HEADER_CRC_AT + 4;
/** Bytes of the clean mark. */
export const CLEAN_MARK_BYTES = CLEAN_CRC_AT + 4;

/** Payload of a decision: i64 producer id, u16 epoch. */
export const DECISION_BYTES = 10;

/** What a record says; the numbers are on disk. */
export const RecordKind = {
  created: 1,
  lease: 2,
  bytes: 3,
  change: 4,
  durable: 5,
  logStart: 6,
  released: 7,
  decision: 8,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

/** What identifies a journal. */
export interface JournalHeader {
  readonly journalId: number;
  readonly areaBytes: number;
  readonly bootId: string;
  /** Random bytes that every record of this journal carries, so that nothing a client sends can pass for a record. */
  readonly salt: Uint8Array;
}

/** The header's bytes. A boot id that is too long is cut: it only has to differ between boots. */
export function encodeHeader(header: JournalHeader): Uint8Array {
  const bytes = new Uint8Array(JOURNAL_HEADER_BYTES);
  const bootId = new TextEncoder().encode(header.bootId).subarray(0, BOOT_ID_MAX_BYTES);
  writeU32(bytes, 0, HEADER_MAGIC);
  writeU16(bytes, 4, VERSION);
  writeI64(bytes, 8, header.journalId);
  writeI64(bytes, 16, header.areaBytes);
  writeU16(bytes, 24, bootId.length);
  bytes.set(bootId, BOOT_ID_AT);
  bytes.set(header.salt, SALT_AT);
  writeU32(bytes, HEADER_CRC_AT, crc32c(bytes, 0, HEADER_CRC_AT));
  return bytes;
}

/** Reads a header; undefined when it is damaged or of another version. */
export function decodeHeader(bytes: Uint8Array): JournalHeader | undefined {
  if (bytes.length < JOURNAL_HEADER_BYTES || readU32(bytes, HEADER_CRC_AT) !== crc32c(bytes, 0, HEADER_CRC_AT)) {
    return undefined;
  }
  if (readU32(bytes, 0) !== HEADER_MAGIC || readU16(bytes, 4) !== VERSION) return undefined;
  const bootIdBytes = Math.min(readU16(bytes, 24), BOOT_ID_MAX_BYTES);
  return {
    journalId: readI64(bytes, 8),
    areaBytes: readI64(bytes, 16),
    bootId: readUtf8(bytes, BOOT_ID_AT, BOOT_ID_AT + bootIdBytes),
    salt: bytes.slice(SALT_AT, SALT_AT + SALT_BYTES),
  };
}

/** The mark of a journal whose logs all have clean checkpoints. */
export function encodeCleanMark(journalId: number, lastSequence: number): Uint8Array {
  const bytes = new Uint8Array(CLEAN_MARK_BYTES);
  writeU32(bytes, 0, CLEAN_MAGIC);
  writeI64(bytes, 4, journalId);
  writeI64(bytes, 12, lastSequence);
  writeU32(bytes, CLEAN_CRC_AT, crc32c(bytes, 0, CLEAN_CRC_AT));
  return bytes;
}

/** Whether these bytes are the clean mark of journal `journalId`. */
export function isCleanMark(bytes: Uint8Array, journalId: number): boolean {
  return (
    bytes.length >= CLEAN_MARK_BYTES &&
    readU32(bytes, 0) === CLEAN_MAGIC &&
    readU32(bytes, CLEAN_CRC_AT) === crc32c(bytes, 0, CLEAN_CRC_AT) &&
    readI64(bytes, 4) === journalId
  );
}

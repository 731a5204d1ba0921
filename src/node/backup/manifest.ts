/** `MANIFEST` of a backup: what it is, and every file with its size and CRC. Drawn in docs/design/backup.md. */
import { crc32c } from '../../base/crc32c.js';
import { CodedError } from '../../base/errors.js';

/** Why a backup cannot be made or restored. */
export class BackupError extends CodedError<'bad-request' | 'damaged' | 'not-empty' | 'failed'> {}

/** The manifest's name in the backup. */
export const MANIFEST = 'MANIFEST';

const FIRST_LINE = 'duolog-backup 1';
const FILE_LINE = /^([0-9a-f]{8}) (\d{1,15}) (\S+)$/;
/** Files that a backup may have: nothing in a manifest may lead out of its folder. */
const PATHS =
  /^(starts|metadata\/snapshot|journals\/\d{1,15}\.journal|logs\/\d{1,10}\/(checkpoint|\d{20}\.(log|index|quarantine)))$/;

/** One file of a backup. */
export interface BackupFile {
  /** Below the backup's folder, with slashes. */
  readonly path: string;
  readonly size: number;
  readonly crc: number;
}

/** What a backup says of itself. */
export interface BackupFacts {
  readonly node: string;
  readonly version: string;
  /** ISO 8601: the moment that it shows. */
  readonly takenAt: string;
  readonly metadataVersion: number;
  readonly logs: number;
}

/** See the top of this file. */
export interface Manifest {
  readonly facts: BackupFacts;
  readonly files: readonly BackupFile[];
}

/** The file's bytes. */
export function encodeManifest({ facts, files }: Manifest): Uint8Array {
  const lines = files.map(({ crc, size, path }) => `${hex(crc)} ${size} ${path}\n`);
  const text = new TextEncoder().encode(`${FIRST_LINE}\n${JSON.stringify(facts)}\n${lines.join('')}`);
  return Buffer.concat([text, Buffer.from(`end ${hex(crc32c(text))}\n`)]);
}

/** Reads a manifest. @throws BackupError `damaged` */
export function decodeManifest(bytes: Uint8Array): Manifest {
  const text = new TextDecoder().decode(bytes);
  const end = text.lastIndexOf('end ');
  const body = text.slice(0, Math.max(0, end));
  if (end < 0 || text.slice(end) !== `end ${hex(crc32c(new TextEncoder().encode(body)))}\n`) {
    throw new BackupError('damaged', 'its manifest is damaged');
  }
  const [first, facts = '', ...lines] = body.split('\n').slice(0, -1);
  if (first !== FIRST_LINE)
    throw new BackupError('damaged', `its manifest begins with "${first}", not "${FIRST_LINE}"`);
  // The crc says that it is what a backup wrote.
  return { facts: JSON.parse(facts) as BackupFacts, files: lines.map(fileOf) };
}

function fileOf(line: string): BackupFile {
  const [, crc = '', size = '', path = ''] = FILE_LINE.exec(line) ?? [];
  if (!PATHS.test(path)) throw new BackupError('damaged', `its manifest has the line "${line}"`);
  return { path, size: Number(size), crc: Number.parseInt(crc, 16) };
}

function hex(crc: number): string {
  return (crc >>> 0).toString(16).padStart(8, '0');
}

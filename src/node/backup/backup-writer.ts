/** Writes the folder of a backup: files one after the other, noted for the manifest. */
import { dirname, join } from 'node:path';
import { crc32c } from '../../base/crc32c.js';
import type { Disk, Random } from '../../io/ports.js';
import { Decisions } from '../../storage/decisions.js';
import { Journal } from '../../storage/journal/journal.js';
import type { DecisionCapture, LogCapture } from '../../storage/log-capture.js';
import { checkpointPath, logDirectory, segmentPath } from '../../storage/paths.js';
import { copyFile } from './copy-file.js';
import { type BackupFacts, type BackupFile, encodeManifest, MANIFEST } from './manifest.js';

/** Room for the decisions of a journal: each takes far less than this. */
const DECISION_ROOM_BYTES = 128;
const JOURNAL_AREA_MIN_BYTES = 64 * 1024;

/** What is written, from where, and whether to give up. */
export interface BackupWriterOptions {
  readonly disk: Disk;
  readonly random: Random;
  /** The node's data folder. */
  readonly source: string;
  /** A folder that does not exist yet. */
  readonly target: string;
  readonly isCancelled: () => boolean;
}

/** See the top of this file. */
export class BackupWriter {
  private readonly options: BackupWriterOptions;
  private readonly files: BackupFile[] = [];
  private readonly folders = new Set<string>();

  constructor(options: BackupWriterOptions) {
    this.options = options;
    options.disk.mkdir(options.target);
  }

  /** Bytes of all files so far. */
  get bytes(): number {
    return this.files.reduce((sum, { size }) => sum + size, 0);
  }

  /** Files so far. */
  get count(): number {
    return this.files.length;
  }

  /** Writes a small file. */
  async write(path: string, content: Uint8Array): Promise<void> {
    const file = this.options.disk.open(this.place(path), 'create');
    try {
      if (content.length > 0) file.write(content, 0);
      await file.sync();
    } finally {
      file.close();
    }
    this.files.push({ path, size: content.length, crc: crc32c(content) });
  }

  /** Copies what belongs to a log. */
  async log({ logId, checkpoint, segments }: LogCapture): Promise<void> {
    const { disk, source } = this.options;
    const folder = logDirectory('.', logId).slice(2);
    await this.write(checkpointPath(folder), checkpoint);
    for (const [index, { baseOffset, sizeBytes }] of segments.entries()) {
      await this.copy(segmentPath(folder, baseOffset, 'log'), sizeBytes);
      // The last one's index is still being written; a start makes it anew.
      const kinds = index === segments.length - 1 ? (['quarantine'] as const) : (['index', 'quarantine'] as const);
      for (const kind of kinds) {
        const path = segmentPath(folder, baseOffset, kind);
        if (disk.exists(join(source, path))) await this.copy(path, sizeOf(disk, join(source, path)));
      }
    }
  }

  /** Writes a journal that holds these decisions. */
  async journal(journalId: number, decisions: readonly DecisionCapture[]): Promise<void> {
    const { disk, random, target } = this.options;
    const path = `journals/${journalId}.journal`;
    const place = this.place(path);
    const areaBytes = Math.max(JOURNAL_AREA_MIN_BYTES, decisions.length * DECISION_ROOM_BYTES);
    const journal = Journal.create(disk, target, journalId, areaBytes, random);
    const kept = new Decisions(journal);
    for (const { producerId, epoch } of decisions) kept.record(producerId, epoch);
    journal.write();
    await journal.sync();
    journal.close();
    const content = disk.readFile(place);
    this.files.push({ path, size: content.length, crc: crc32c(content) });
  }

  /** Writes the manifest: the backup is complete. */
  async finish(facts: BackupFacts): Promise<void> {
    const { disk, target } = this.options;
    for (const folder of this.folders) await disk.syncDirectoryAsync(folder);
    disk.writeFileAtomic(join(target, MANIFEST), encodeManifest({ facts, files: this.files }));
  }

  private async copy(path: string, size: number): Promise<void> {
    const { disk, source, isCancelled } = this.options;
    const crc = await copyFile({ disk, from: join(source, path), to: this.place(path), size, isCancelled });
    this.files.push({ path, size, crc });
  }

  /** Where a file goes; its folder is there. */
  private place(path: string): string {
    const { disk, target } = this.options;
    const place = join(target, path);
    for (let folder = dirname(place); folder.length >= target.length; folder = dirname(folder)) {
      if (this.folders.has(folder)) break;
      disk.mkdir(folder);
      this.folders.add(folder);
    }
    return place;
  }
}

function sizeOf(disk: Disk, path: string): number {
  const file = disk.open(path, 'read');
  try {
    return file.size();
  } finally {
    file.close();
  }
}

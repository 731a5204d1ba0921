import type { LogFiles } from '../broker/log-views.js';
import { DiskError } from '../io/disk/disk-error.js';
import type { Disk } from '../io/ports.js';
import { StorageError } from '../storage/errors.js';
import { LogReader } from '../storage/log-reader.js';
import type { SharedBounds } from './partition-publisher.js';

/** The files of all logs as one shard reads them; which segments there are, shared memory tells. */
export class SharedLogFiles implements LogFiles {
  private readonly reader: LogReader;
  private readonly bounds: SharedBounds;

  constructor(disk: Disk, directory: string, bounds: SharedBounds) {
    this.reader = new LogReader({ disk, directory });
    this.bounds = bounds;
  }

  read(logId: number, slot: number, offset: number, maxBytes: number, end: number): Uint8Array {
    return typed(
      logId,
      () => this.reader.read(logId, offset, maxBytes, end, this.bounds.segmentListVersion(slot)).bytes,
    );
  }

  offsetForTime(
    logId: number,
    slot: number,
    timestampMs: number,
    end: number,
  ): { offset: number; timestampMs: number } | undefined {
    const { logStart } = this.bounds.read(slot);
    const version = this.bounds.segmentListVersion(slot);
    return typed(logId, () => this.reader.offsetForTime(logId, timestampMs, logStart, end, version));
  }

  forget(logId: number): void {
    this.reader.forget(logId);
  }

  close(): void {
    this.reader.close();
  }
}

/** Runs a read; what the disk says becomes storage's error, which readers know how to answer. */
function typed<T>(logId: number, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    // A full descriptor table comes back behind "corrupt" when even the second try found it so.
    const failure = cause instanceof StorageError && cause.cause instanceof DiskError ? cause.cause : cause;
    if (!(failure instanceof DiskError)) throw cause;
    const code = failure.code === 'descriptor-limit' ? 'no-space' : 'corrupt';
    throw new StorageError(code, `Cannot read log ${logId}: ${failure.message}`, failure);
  }
}

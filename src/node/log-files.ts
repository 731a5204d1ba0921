import type { LogFiles } from '../broker/log-views.js';
import type { Disk } from '../io/ports.js';
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
    return this.reader.read(logId, offset, maxBytes, end, this.bounds.segmentListVersion(slot)).bytes;
  }

  offsetForTime(
    logId: number,
    slot: number,
    timestampMs: number,
    end: number,
  ): { offset: number; timestampMs: number } | undefined {
    const { logStart } = this.bounds.read(slot);
    const version = this.bounds.segmentListVersion(slot);
    return this.reader.offsetForTime(logId, timestampMs, logStart, end, version);
  }

  forget(logId: number): void {
    this.reader.forget(logId);
  }

  close(): void {
    this.reader.close();
  }
}

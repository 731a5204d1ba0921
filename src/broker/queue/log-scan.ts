import { StorageError } from '../../storage/errors.js';
import type { StoredRecord } from '../push-reader.js';
import { SCANNED_PER_TURN } from './limits.js';
import type { EngineHost } from './parts.js';

/** Goes through the messages that wait in a queue's log, a piece per turn: for what only the messages themselves can tell after a start. */
export class LogScan {
  private readonly host: EngineHost;
  private readonly end: number;
  private readonly visit: (record: StoredRecord) => void;
  private at: number;
  private found = 0;

  /** From the cursor's floor to its end as they are now; nothing may be delivered until it is done. */
  constructor(host: EngineHost, visit: (record: StoredRecord) => void) {
    this.host = host;
    this.at = host.cursor.floor;
    this.end = host.cursor.end;
    this.visit = visit;
  }

  /** Messages found so far. */
  get count(): number {
    return this.found;
  }

  /** The next piece; true when all has been seen. */
  advance(): boolean {
    for (let left = SCANNED_PER_TURN; left > 0 && this.at < this.end; left--) this.step();
    if (this.at < this.end) return false;
    this.host.forget();
    return true;
  }

  private step(): void {
    let record: StoredRecord | undefined;
    try {
      record = this.host.read(this.at);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // What is damaged is passed over here as it is in delivery.
      this.at = error.resumeOffset > this.at ? error.resumeOffset : this.end;
      return;
    }
    if (record === undefined || record.offset >= this.end) {
      this.at = this.end;
      return;
    }
    this.at = record.offset + 1;
    if (this.host.cursor.isAcknowledged(record.offset)) return;
    this.found++;
    this.visit(record);
  }
}

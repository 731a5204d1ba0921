/** A walk along a log of held messages, a piece per turn, over what is not settled. */
import { StorageError } from '../../storage/errors.js';
import type { StoredRecord } from '../push-reader.js';
import type { DelayHost } from './parts.js';

/** `done`: all was seen. `more`: another piece follows. `wait`: the next message cannot be read yet. */
export type ScanProgress = 'done' | 'more' | 'wait';

/** See the top of this file. */
export class HeldScan {
  /** What is appended from here on is none of this scan's. */
  readonly end: number;
  private readonly host: DelayHost;
  private readonly visit: (record: StoredRecord) => void;
  private readonly perTurn: number;
  private at: number;

  /** From the cursor's floor to its end as they are now, `perTurn` messages in each piece. */
  constructor(host: DelayHost, perTurn: number, visit: (record: StoredRecord) => void) {
    this.host = host;
    this.perTurn = perTurn;
    this.visit = visit;
    this.at = host.cursor.floor;
    this.end = host.cursor.end;
  }

  /** The next piece. */
  advance(): ScanProgress {
    const readable = Math.min(this.end, this.host.visibleEnd);
    for (let left = this.perTurn; left > 0 && this.at < readable; left--) {
      if (!this.step(readable)) return 'wait';
    }
    if (this.at < readable) return 'more';
    if (this.at < this.end) return 'wait';
    this.host.forgetScan();
    return 'done';
  }

  private step(readable: number): boolean {
    let record: StoredRecord | undefined;
    try {
      record = this.host.scan(this.at, readable);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // Too many open files pass, damage does not.
      if (error.code === 'no-space') return false;
      this.passOver(error, readable);
      return true;
    }
    if (record === undefined || record.offset >= readable) {
      this.at = readable;
      return true;
    }
    this.at = record.offset + 1;
    if (!this.host.cursor.isAcknowledged(record.offset)) this.visit(record);
    return true;
  }

  private passOver(error: StorageError, readable: number): void {
    const { host, at } = this;
    host.damaged(error);
    this.at = readable;
    if (error.resumeOffset <= at) return;
    this.at = Math.min(error.resumeOffset, readable);
    // As in delivery: nobody will ever read it, and its space comes back.
    host.cursor.skip(at, this.at);
    host.touch();
  }
}

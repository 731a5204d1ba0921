/**
 * The decisions to commit that this shard has made and that some log may still need: kept in its journal until they are forgotten. A transaction
 * without one is an aborted one.
 */
import { readI64, readU16 } from '../base/integers.js';
import { DECISION_BYTES, RECORD_HEADER_BYTES } from './journal/format.js';
import type { Journal, JournalTenant } from './journal/journal.js';
import type { JournalRecord } from './journal/reader.js';

interface Decision {
  readonly producerId: number;
  readonly epoch: number;
}

/** See the top of this file. In the journal it is a tenant like a log, under a number that no log has. */
export class Decisions implements JournalTenant {
  readonly logId = 0xffff_ffff;
  readonly leaderEpoch = 0;
  checkpointedSequence = 0;
  private readonly journal: Journal;
  private readonly outstanding = new Map<string, Decision>();
  /** Those that earlier starts have made. */
  private readonly earlier = new Set<string>();
  private isRepeating = false;
  /** Repeated records wait for room, and the area that was left for them. */
  private isOwed = false;

  constructor(journal: Journal) {
    this.journal = journal;
  }

  /** Decisions that are not forgotten. */
  get size(): number {
    return this.outstanding.size;
  }

  /** Bytes that repeating them all takes. */
  get journalBytes(): number {
    return this.outstanding.size * (RECORD_HEADER_BYTES + DECISION_BYTES);
  }

  /** Those that are not forgotten. */
  all(): Iterable<{ readonly producerId: number; readonly epoch: number }> {
    return this.outstanding.values();
  }

  /** Journals a decision; durable with the journal's next sync. */
  record(producerId: number, epoch: number): void {
    this.outstanding.set(keyOf(producerId, epoch), { producerId, epoch });
    this.journal.appendDecision(this, producerId, epoch);
  }

  /** No log needs it any more. */
  forget(producerId: number, epoch: number): void {
    if (!this.outstanding.delete(keyOf(producerId, epoch)) || this.outstanding.size > 0) return;
    this.release();
  }

  /** What recovery has relied on is in the checkpoints of this shard's logs. */
  forgetAll(): void {
    if (this.outstanding.size === 0) return;
    this.outstanding.clear();
    this.release();
  }

  private release(): void {
    this.isOwed = false;
    this.checkpointedSequence = this.journal.lastSequence;
    this.journal.released(this);
  }

  /** Takes a record of an earlier start's journal. */
  replay({ bytes, at }: JournalRecord): void {
    this.earlier.add(keyOf(readI64(bytes, at), readU16(bytes, at + 8)));
  }

  /**
   * Whether an earlier start has decided to commit. A decision that is asked for is journaled again: what relies on it must not outlive it, and its first
   * record may never have reached the disk.
   */
  rely(producerId: number, epoch: number): boolean {
    const key = keyOf(producerId, epoch);
    if (!this.earlier.has(key)) return false;
    if (!this.outstanding.has(key)) this.record(producerId, epoch);
    return true;
  }

  /** The journal turned to its other area: moves the records on, so that the one that was left can be used again. */
  repeatSoon(): void {
    if (this.isRepeating) return;
    this.isRepeating = true;
    // Not within the append that found the area full.
    queueMicrotask(() => {
      this.isRepeating = false;
      this.repeat();
    });
  }

  /** Tries once more what had no room. */
  repeatIfOwed(): void {
    if (this.isOwed && !this.journal.isWaiting) this.repeatSoon();
  }

  private repeat(): void {
    const { journal } = this;
    const before = journal.lastSequence;
    this.isOwed = true;
    if (journal.isWaiting) return;
    for (const { producerId, epoch } of this.outstanding.values()) journal.appendDecision(this, producerId, epoch);
    // Records that wait for room are not in the file when the other area is released.
    if (journal.isWaiting) return;
    this.isOwed = false;
    journal.write();
    // That the older records are not needed must not become durable before the newer ones are: recovery would look at neither.
    journal.sync().then(
      () => {
        this.checkpointedSequence = Math.max(this.checkpointedSequence, before);
        journal.released(this);
      },
      // A failed sync was reported to whoever uses the journal.
      () => {},
    );
  }
}

function keyOf(producerId: number, epoch: number): string {
  return `${producerId}/${epoch}`;
}

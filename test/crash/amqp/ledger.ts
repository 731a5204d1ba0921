/** What clients were promised about each message, and what has come of it. */
import { promised } from '../power/violation.js';

/** An acknowledgement of this age must have outlived a kill, in milliseconds: they are not confirmed, and journaled at the end of a turn. */
export const ACK_SETTLED_MS = 1000;

/** Queues that clients publish to themselves. Dead letters and delayed messages are sent at least once, so that a kill may make two of one. */
const ONCE: ReadonlySet<string> = new Set(['work', 'urgent', 'left', 'right']);

/** Where one copy of a message is to be found: in one of these queues, as long as it is not acknowledged. */
interface Copy {
  readonly queues: readonly string[];
  /** When it was acknowledged for good; undefined as long as it was not. */
  ackedMs: number | undefined;
  ackedIn: string;
  /** Seen in the drain that is under way. */
  isSeen: boolean;
}

/** One message that was published. */
export interface Entry {
  readonly id: string;
  readonly copies: readonly Copy[];
  /** Confirmed by ack, or by a commit. */
  isConfirmed: boolean;
  isNacked: boolean;
  /** The messages of a transaction carry one name. */
  readonly transaction: string | undefined;
  /** When it may come at the earliest, in milliseconds since 1970; 0 = at once. */
  readonly dueMs: number;
  hasCome: boolean;
}

/** See the top of this file. */
export class Ledger {
  readonly entries = new Map<string, Entry>();
  /** When nodes were killed, in milliseconds since 1970, ascending. */
  readonly kills: number[] = [];
  nackedYetStored = 0;
  redelivered = 0;
  twice = 0;

  /** Notes a publish. `groups`: for each copy the queues that it may be in. */
  published(
    id: string,
    groups: readonly (readonly string[])[],
    details: { transaction?: string; dueMs?: number } = {},
  ): Entry {
    const entry: Entry = {
      id,
      copies: groups.map((queues) => ({ queues, ackedMs: undefined, ackedIn: '', isSeen: false })),
      isConfirmed: false,
      isNacked: false,
      transaction: details.transaction,
      dueMs: details.dueMs ?? 0,
      hasCome: false,
    };
    this.entries.set(id, entry);
    return entry;
  }

  /** A delivery. @throws Violation for what nobody published, or what was acknowledged long before the last kill. */
  came(queue: string, id: string, nowMs: number): Entry {
    const entry = this.entries.get(id);
    const copy = entry?.copies.find(({ queues }) => queues.includes(queue));
    promised(copy !== undefined, 'unknown-message', () => `"${id}" came from ${queue}, where nobody published it`);
    promised(
      nowMs >= (entry?.dueMs ?? 0),
      'too-early',
      () => `"${id}" came ${(entry?.dueMs ?? 0) - nowMs} ms before its time`,
    );
    const { ackedMs } = copy!;
    // Only the first kill after it can have taken an acknowledgement away; without a kill nothing can.
    const killedMs = ackedMs === undefined ? undefined : (this.kills.find((kill) => kill >= ackedMs) ?? nowMs);
    const ageMs = (killedMs ?? 0) - (ackedMs ?? 0);
    const isOnce = ONCE.has(queue) && copy!.ackedIn === queue;
    const mayCome = ackedMs === undefined || !isOnce || (killedMs !== nowMs && ageMs < ACK_SETTLED_MS);
    promised(
      mayCome,
      'settled-came-back',
      () => `"${id}" came from ${queue} although it was acknowledged ${ageMs} ms before the kill`,
    );
    if (ackedMs !== undefined) this.twice++;
    copy!.isSeen = true;
    entry!.hasCome = true;
    return entry!;
  }

  /** An acknowledgement was sent. */
  acked(queue: string, id: string, nowMs: number): void {
    const copy = this.entries.get(id)?.copies.find(({ queues }) => queues.includes(queue));
    if (copy === undefined || copy.ackedMs !== undefined) return;
    copy.ackedMs = nowMs;
    copy.ackedIn = queue;
  }

  /** All queues were emptied: whatever was confirmed has come, now or before, and transactions are whole. @throws Violation */
  checkDrained(): void {
    const transactions = new Map<string, { there: number; missing: number; isCommitted: boolean }>();
    for (const entry of this.entries.values()) {
      const missing = entry.copies.filter(({ ackedMs, isSeen }) => ackedMs === undefined && !isSeen);
      promised(
        missing.length === 0 || !entry.isConfirmed,
        'confirmed-lost',
        () =>
          `"${entry.id}" was confirmed and is not in ${missing.map(({ queues }) => queues.join(' nor ')).join(', ')}`,
      );
      if (entry.isNacked && missing.length === 0) this.nackedYetStored++;
      if (entry.transaction === undefined) continue;
      const sums = transactions.get(entry.transaction) ?? { there: 0, missing: 0, isCommitted: false };
      sums.there += entry.copies.length - missing.length;
      sums.missing += missing.length;
      transactions.set(entry.transaction, sums);
    }
    for (const [name, { there, missing }] of transactions) {
      promised(
        there === 0 || missing === 0,
        'transaction-torn',
        () => `Of transaction ${name} ${there} messages are there and ${missing} are not`,
      );
    }
    // What is settled needs no looking at again.
    this.entries.clear();
  }
}

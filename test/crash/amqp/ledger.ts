/** What clients were promised about each message, and what has come of it. */
import { promised } from '../power/violation.js';
import type { LoadCounts } from './counts.js';
import { type Move, Moves, type Step } from './moves.js';
import { ONCE, STAGES } from './topology.js';

/** Where one copy of a message is to be found: in one of these queues, as long as it is not acknowledged. */
interface Copy {
  readonly queues: readonly string[];
  /** When it was acknowledged for good; undefined as long as it was not. */
  ackedMs: number | undefined;
  ackedIn: string;
  /** The acknowledgement must outlive whatever comes. */
  isFinal: boolean;
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
  private readonly kills: number[] = [];
  private readonly counts: LoadCounts;
  private readonly moves: Moves;
  private readonly ackSettledMs: number;
  /** `ackSettledMs`: an acknowledgement of this age must have outlived a kill: they are not confirmed, and journaled at the end of a turn. */
  constructor(counts: LoadCounts, ackSettledMs: number) {
    this.counts = counts;
    this.moves = new Moves(counts);
    this.ackSettledMs = ackSettledMs;
  }

  /** Notes a publish. `groups`: for each copy the queues that it may be in. */
  published(
    id: string,
    groups: readonly (readonly string[])[],
    details: { transaction?: string; dueMs?: number } = {},
  ): Entry {
    const entry: Entry = {
      id,
      copies: groups.map((queues) => ({ queues, ackedMs: undefined, ackedIn: '', isFinal: false, isSeen: false })),
      isConfirmed: false,
      isNacked: false,
      transaction: details.transaction,
      dueMs: details.dueMs ?? 0,
      hasCome: false,
    };
    this.entries.set(id, entry);
    if (groups[0] === STAGES) this.moves.entered(id, STAGES[0] ?? '');
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
    promised(
      queue !== 'narrow' || entry?.isNacked === false,
      'refused-came',
      () => `"${id}" came from ${queue}, which had refused it`,
    );
    this.moves.came(queue, id);
    const { ackedMs } = copy!;
    // Only the first kill after it can have taken an acknowledgement away; without a kill nothing can.
    const killedMs = ackedMs === undefined ? undefined : (this.kills.find((kill) => kill >= ackedMs) ?? nowMs);
    const ageMs = (killedMs ?? 0) - (ackedMs ?? 0);
    const isOnce = ONCE.has(queue) && copy!.ackedIn === queue;
    const isSettled = copy!.isFinal || killedMs === nowMs || ageMs >= this.ackSettledMs;
    const mayCome = ackedMs === undefined || !isOnce || !isSettled;
    promised(
      mayCome,
      'settled-came-back',
      () => `"${id}" came from ${queue} although it was acknowledged ${ageMs} ms before the kill`,
    );
    if (ackedMs !== undefined) this.counts.ackedTwice++;
    // It is to be acknowledged anew.
    copy!.ackedMs = undefined;
    copy!.isFinal = false;
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

  /** The node died. */
  died(nowMs: number): void {
    this.kills.push(nowMs);
    this.moves.died();
  }

  /** Whatever was acknowledged so far stays so. */
  settled(): void {
    for (const { copies } of this.entries.values()) {
      for (const copy of copies) if (copy.ackedMs !== undefined) copy.isFinal = true;
    }
  }

  /** A transaction is about to be committed that moves these messages, and publishes others under its name. */
  committing(transaction: string, steps: readonly Step[]): Move {
    return this.moves.begin(transaction, steps);
  }

  /** It was confirmed. @throws Violation */
  committed(move: Move, published: readonly Entry[]): void {
    this.moves.resolve(move, 'committed');
    for (const entry of published) entry.isConfirmed = true;
    for (const { id } of move.steps) {
      const entry = this.entries.get(id);
      if (entry !== undefined) entry.isConfirmed = true;
    }
  }

  /** All queues are about to be emptied: what is not acknowledged must be seen now, though it was seen before. */
  beginDrain(): void {
    for (const { copies } of this.entries.values()) for (const copy of copies) copy.isSeen = false;
  }

  /** All queues were emptied: whatever was confirmed has come, now or before, and transactions are whole. @throws Violation */
  checkDrained(): void {
    const transactions = new Map<string, { there: number; missing: number }>();
    for (const entry of this.entries.values()) {
      const missing = entry.copies.filter(({ ackedMs, isSeen }) => ackedMs === undefined && !isSeen);
      promised(
        missing.length === 0 || !entry.isConfirmed,
        'confirmed-lost',
        () =>
          `"${entry.id}" was confirmed and is not in ${missing.map(({ queues }) => queues.join(' nor ')).join(', ')}`,
      );
      if (entry.isNacked && missing.length === 0) this.counts.nackedYetStored++;
      if (entry.transaction === undefined) continue;
      const sums = transactions.get(entry.transaction) ?? { there: 0, missing: 0 };
      sums.there += entry.copies.length - missing.length;
      sums.missing += missing.length;
      transactions.set(entry.transaction, sums);
    }
    for (const [name, { there, missing }] of transactions) this.checkTransaction(name, there, missing);
    // What is settled needs no looking at again.
    this.entries.clear();
    this.moves.clear();
  }

  private checkTransaction(name: string, there: number, missing: number): void {
    const outcome = this.moves.outcomeOf(name);
    const mayBeThere = outcome !== 'aborted' && missing === 0;
    const mayBeMissing = outcome !== 'committed' && there === 0;
    promised(
      mayBeThere || mayBeMissing,
      'transaction-torn',
      () => `Of transaction ${name}, ${outcome ?? 'not known'}, ${there} messages are there and ${missing} are not`,
    );
  }
}

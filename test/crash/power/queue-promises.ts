import { LEASE_OFFSETS } from '../../../src/broker/cursor/limits.js';
import { type Safety, type SeenRecord, short } from './log-promises.js';
import { promised } from './violation.js';

/** What is known of the end of one message's time in a queue. `sent`: asked for, and not confirmed, so both outcomes are right. */
type Settlement = 'sent' | Safety;

/** A delivery that a consumer holds. */
export interface HeldDelivery {
  readonly consumer: number;
  readonly offset: number;
}

/** How the queue's cursor looks after a start, as the node has it. */
export interface RecoveredCursor {
  /** Messages that wait or are with a consumer. */
  readonly messages: number;
  isAcknowledged(offset: number): boolean;
  /** How many deliveries of a message came back. */
  deliveryCount(offset: number): number;
}

/** What was promised about the queue on one log: what is settled, what was delivered, and what flags deliveries must have. */
export class QueuePromises {
  /** Offsets below never belonged to the queue; those between it and `belongsFrom` may. */
  neverBelow = 0;
  /** Offsets from here on belong to the queue. */
  belongsFrom = 0;
  /** Deliveries since the last start. */
  deliveredInLife = 0;
  readonly held = new Map<string, HeldDelivery>();
  private readonly label: string;
  private readonly settled = new Map<string, Settlement>();
  private readonly delivered = new Set<string>();
  private readonly returns = new Map<string, { sent: number; safe: number; cached: number }>();
  private readonly settledInLife = new Set<string>();
  /** End of the log at the last start. */
  private recoveredEnd = 0;
  /** Offset of the last message that each consumer was the first to get. */
  private readonly latestNew = new Map<number | undefined, number>();
  /** Flags without need may follow sudden ends only, at most one lease each. */
  private needlessFlagsLeft = 0;

  constructor(label: string) {
    this.label = label;
  }

  /** Whether a message may be missing: somebody asked for its end. */
  mayBeGone(value: string): boolean {
    return this.settled.has(value);
  }

  /** A consumer got a message. Returns whether it was flagged without need. */
  deliver(record: SeenRecord, consumer: number | undefined, redelivered: boolean, deliveryCount: number): boolean {
    const { offset, value } = record;
    this.deliveredInLife++;
    const name = (): string => `${short(value)} at offset ${offset} of ${this.label}`;
    const settlement = this.settled.get(value) ?? 'sent';
    promised(
      settlement === 'sent' && !this.settledInLife.has(value),
      'settled-came-back',
      () => `${name()} was settled`,
    );
    promised(!this.held.has(value), 'settled-came-back', () => `${name()} is with another consumer`);
    promised(offset >= this.neverBelow, 'settled-came-back', () => `${name()} is older than its queue`);
    const isKnown = this.delivered.has(value);
    promised(redelivered || !isKnown, 'redelivered-flag', () => `${name()} was delivered before and is not flagged`);
    if (redelivered && !isKnown) this.checkNeedlessFlag(offset, name);
    this.checkCount(value, deliveryCount, name);
    if (!isKnown) {
      const latest = this.latestNew.get(consumer) ?? -1;
      promised(offset > latest, 'out-of-order', () => `${name()} is delivered behind ${latest}`);
      this.latestNew.set(consumer, offset);
    }
    this.delivered.add(value);
    if (consumer !== undefined) this.held.set(value, { consumer, offset });
    return redelivered && !isKnown;
  }

  /** A message's end was asked for; it never comes back in this life. */
  settle(value: string): void {
    this.held.delete(value);
    this.settledInLife.add(value);
    if (!this.settled.has(value)) this.settled.set(value, 'sent');
  }

  /** The end of a message was confirmed. */
  confirmSettled(value: string, safety: Safety): void {
    if (this.settled.get(value) !== 'disk') this.settled.set(value, safety);
  }

  /** A purge was asked for: what is there may be gone. */
  purge(records: readonly SeenRecord[]): SeenRecord[] {
    const purged = records.filter(({ value }) => !this.held.has(value));
    for (const { value } of purged) if (!this.settled.has(value)) this.settled.set(value, 'sent');
    return purged;
  }

  /** A message goes back to the queue. */
  giveBack(value: string): void {
    this.held.delete(value);
    const count = this.returns.get(value) ?? { sent: 0, safe: 0, cached: 0 };
    count.sent++;
    this.returns.set(value, count);
  }

  /** How often a message has come back, for `confirmReturns`. */
  returnsOf(value: string): number {
    return this.returns.get(value)?.sent ?? 0;
  }

  /** It was confirmed that a message has come back so often. */
  confirmReturns(value: string, times: number, safety: Safety): void {
    const count = this.returns.get(value);
    if (count === undefined) return;
    count.cached = Math.max(count.cached, times);
    if (safety === 'disk') count.safe = Math.max(count.safe, times);
  }

  /** An orderly stop: everything is on disk, and consumers' messages went back. */
  keepAll(): void {
    for (const [value, settlement] of this.settled) if (settlement === 'memory') this.settled.set(value, 'disk');
    for (const count of this.returns.values()) count.safe = count.cached;
    for (const value of [...this.held.keys()]) this.giveBack(value);
  }

  /** Compares a start's cursor with what was promised, and begins the next life. */
  check(
    records: readonly SeenRecord[],
    cursor: RecoveredCursor,
    end: 'power' | 'kill' | 'close',
    logEnd: number,
  ): void {
    if (end === 'power') {
      for (const [value, settlement] of this.settled) if (settlement === 'memory') this.settled.set(value, 'sent');
      for (const count of this.returns.values()) count.cached = count.safe;
    }
    this.belongsFrom = Math.min(this.belongsFrom, logEnd);
    this.forgetLost(records);
    let waiting = 0;
    for (const { offset, value } of records) {
      const isGone = cursor.isAcknowledged(offset);
      if (!isGone) waiting++;
      if (!isGone) this.recountReturns(value, cursor.deliveryCount(offset));
      const name = (): string => `${short(value)} at offset ${offset} of ${this.label}`;
      const settlement = this.settled.get(value);
      promised(
        !isGone || settlement !== undefined || offset < this.belongsFrom,
        'acknowledgement-swallowed',
        () => `${name()} was never settled and is taken for settled`,
      );
      promised(
        isGone || settlement === undefined || settlement === 'sent',
        'settled-came-back',
        () => `${name()} was settled (${settlement}) and waits again`,
      );
    }
    promised(
      cursor.messages === waiting,
      'message-count',
      () => `${this.label} counts ${cursor.messages} messages after ${end}, and ${waiting} wait`,
    );
    this.beginLife(end !== 'close', logEnd);
  }

  /** Begins a life after the process was killed, where nobody can look at the cursor itself. */
  beginAfterKill(records: readonly SeenRecord[], logEnd: number): void {
    this.forgetLost(records);
    this.beginLife(true, logEnd);
  }

  /** Compares how many messages a queue says it has, before anybody consumes, with what was promised. */
  checkReady(records: readonly SeenRecord[], ready: number): void {
    const most = records.filter(({ value }) => (this.settled.get(value) ?? 'sent') === 'sent').length;
    const least = records.filter(({ value }) => !this.settled.has(value)).length;
    promised(
      ready >= least && ready <= most,
      'message-count',
      () => `${this.label} counts ${ready} messages, and ${least} to ${most} wait`,
    );
  }

  /** Messages that a full drain of the queue must bring. */
  expected(records: readonly SeenRecord[]): SeenRecord[] {
    return records.filter(
      ({ offset, value }) => offset >= this.belongsFrom && !this.settled.has(value) && !this.held.has(value),
    );
  }

  /** What is lost and published again is a new message. */
  private forgetLost(records: readonly SeenRecord[]): void {
    const there = new Set(records.map(({ value }) => value));
    for (const value of [...this.delivered]) if (!there.has(value)) this.delivered.delete(value);
    for (const value of [...this.returns.keys()]) if (!there.has(value)) this.returns.delete(value);
    for (const value of [...this.settled.keys()]) if (!there.has(value)) this.settled.delete(value);
  }

  /** A count that was not confirmed may be lost; what is there now is on disk. */
  private recountReturns(value: string, found: number): void {
    this.checkCount(value, found, () => `${short(value)} of ${this.label}`);
    if (this.returns.has(value)) this.returns.set(value, { sent: found, cached: found, safe: found });
  }

  private beginLife(wasSudden: boolean, logEnd: number): void {
    this.recoveredEnd = logEnd;
    this.latestNew.clear();
    this.deliveredInLife = 0;
    if (wasSudden) this.needlessFlagsLeft += LEASE_OFFSETS;
    this.held.clear();
    this.settledInLife.clear();
  }

  private checkNeedlessFlag(offset: number, name: () => string): void {
    const isAllowed = --this.needlessFlagsLeft >= 0 && offset < this.recoveredEnd;
    promised(isAllowed, 'redelivered-flag', () => `${name()} was never delivered and is flagged`);
  }

  private checkCount(value: string, deliveryCount: number, name: () => string): void {
    const count = this.returns.get(value) ?? { sent: 0, cached: 0 };
    promised(
      deliveryCount >= count.cached && deliveryCount <= count.sent,
      'delivery-count',
      () => `${name()} came back ${count.cached} to ${count.sent} times, and the delivery says ${deliveryCount}`,
    );
  }
}

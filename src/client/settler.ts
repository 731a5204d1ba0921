import { Outcome, type WireKind } from '../proto/client-wire.js';
import { ClientError } from './errors.js';
import { MAX_TAG_RANGES } from './limits.js';
import type { Session } from './session.js';
import { afterTurn } from './turn.js';

const outcomes = [Outcome.OUTCOME_ACKNOWLEDGE, Outcome.OUTCOME_REQUEUE, Outcome.OUTCOME_DISCARD] as const;

/** What a settler needs to know of a delivery. */
export interface Settleable {
  readonly tag: number;
  /** Whether it was settled by itself. */
  isSettled: boolean;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: ClientError) => void;
}

/** The tags of one outcome that wait to be sent, as ranges: first and last in turn. */
class TagRanges {
  private ranges: number[] = [];
  private isSorted = true;

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }

  add(tag: number): void {
    const { ranges } = this;
    const last = ranges.length === 0 ? 0 : ranges[ranges.length - 1]!;
    if (ranges.length > 0 && tag === last + 1) {
      ranges[ranges.length - 1] = tag;
      return;
    }
    if (tag <= last) this.isSorted = false;
    ranges.push(tag, tag);
  }

  /** Takes everything: ascending, touching ranges joined. */
  take(): { first: number; last: number }[] {
    const pairs: { first: number; last: number }[] = [];
    for (let at = 0; at < this.ranges.length; at += 2)
      pairs.push({ first: this.ranges[at]!, last: this.ranges[at + 1]! });
    if (!this.isSorted) pairs.sort((one, other) => one.first - other.first);
    this.ranges = [];
    this.isSorted = true;
    const joined: { first: number; last: number }[] = [];
    for (const pair of pairs) {
      const before = joined[joined.length - 1];
      if (before !== undefined && before.last + 1 === pair.first) before.last = pair.last;
      else joined.push(pair);
    }
    return joined;
  }
}

/**
 * What a subscription's deliveries of one connection came to: collected over a turn of the event loop and sent as few Settle frames. Each
 * connection has a settler of its own, so that old deliveries find one that is stale.
 */
export class Settler {
  private readonly session: Session;
  private readonly subscription: number;
  private readonly isAutomatic: boolean;
  private readonly pending = outcomes.map(() => new TagRanges());
  private waiters: Waiter[] = [];
  private settledUpTo = 0;
  private isScheduled = false;
  private isStale = false;

  constructor(session: Session, subscription: number, isAutomatic: boolean) {
    this.session = session;
    this.subscription = subscription;
    this.isAutomatic = isAutomatic;
  }

  /** Notes an outcome; false when the connection is gone. @throws ClientError `already-settled`, `wrong-kind`. */
  settle(delivery: Settleable, outcome: Outcome): boolean {
    if (delivery.isSettled || delivery.tag <= this.settledUpTo || this.isAutomatic) throw this.refusal(delivery);
    if (this.isStale) return false;
    delivery.isSettled = true;
    this.pending[outcome]!.add(delivery.tag);
    this.schedule();
    return true;
  }

  private refusal(delivery: Settleable): ClientError {
    if (this.isAutomatic) {
      return new ClientError('wrong-kind', 'Cannot settle a delivery of a subscription with automatic acknowledgement');
    }
    return new ClientError('already-settled', `Delivery ${delivery.tag} was settled before`);
  }

  /** Like `settle`; resolves once the node has made it durable. */
  settleConfirmed(delivery: Settleable, outcome: Outcome): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.settle(delivery, outcome)) this.waiters.push({ resolve, reject });
      else reject(stale(delivery));
    });
  }

  /** Acknowledges every unsettled delivery up to and with this one. False when the connection is gone. */
  settleUpTo(delivery: Settleable): boolean {
    if (this.isAutomatic) throw this.refusal(delivery);
    if (this.isStale) return false;
    // What was settled by itself before must reach the node before, or its tags would be settled twice.
    this.flush();
    if (delivery.tag <= this.settledUpTo) return true;
    this.settledUpTo = delivery.tag;
    const { subscription } = this;
    this.post({ subscription, outcome: Outcome.OUTCOME_ACKNOWLEDGE, upToTag: delivery.tag });
    return true;
  }

  /** Notes that a transaction will settle a delivery. @throws ClientError `already-settled`, `wrong-kind`, `stale-delivery`. */
  give(delivery: Settleable): number {
    if (delivery.isSettled || delivery.tag <= this.settledUpTo || this.isAutomatic) throw this.refusal(delivery);
    if (this.isStale) throw stale(delivery);
    delivery.isSettled = true;
    return this.subscription;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    afterTurn(() => this.flush());
  }

  /** Sends what was settled in this turn. */
  flush(): void {
    this.isScheduled = false;
    // Between two connections of a session it gathers here, joined, until there is the next one.
    if (this.isStale || (this.session.isResumable && !this.session.isOpen)) return;
    const { waiters } = this;
    const answers: Promise<unknown>[] = [];
    if (waiters.length > 0) this.waiters = [];
    for (const outcome of outcomes) {
      const ranges = this.pending[outcome]!;
      if (!ranges.isEmpty) this.send(outcome, ranges.take(), waiters.length > 0 ? answers : undefined);
    }
    if (waiters.length === 0) return;
    Promise.all(answers).then(
      () => {
        for (const waiter of waiters) waiter.resolve();
      },
      (error: ClientError) => {
        for (const waiter of waiters) waiter.reject(error);
      },
    );
  }

  private send(
    outcome: Outcome,
    ranges: { first: number; last: number }[],
    answers: Promise<unknown>[] | undefined,
  ): void {
    const { subscription } = this;
    for (let at = 0; at < ranges.length; at += MAX_TAG_RANGES) {
      const tags = ranges.slice(at, at + MAX_TAG_RANGES);
      const settle = { subscription, outcome, tags };
      if (answers === undefined) this.post(settle);
      else answers.push(this.request(settle));
    }
  }

  /** In a session that may go on, each settling is kept until the node has answered, and sent again over the next connection. */
  private post(settle: WireKind<'settle'>): void {
    if (this.session.isResumable) this.request(settle).catch(() => undefined);
    else this.session.send({ settle });
  }

  private request(settle: WireKind<'settle'>): Promise<unknown> {
    const { requests, isResumable } = this.session;
    if (!isResumable) return requests.request({ settle }, 'done');
    const { subscription } = this;
    const options = { subscription, timeoutMs: Number.POSITIVE_INFINITY };
    return requests.request({ settle: { ...settle, skipSettled: true } }, 'done', options);
  }

  /** The connection is gone: nothing of it can be settled any more. */
  retire(): void {
    this.isStale = true;
    const { waiters } = this;
    this.waiters = [];
    for (const waiter of waiters) {
      waiter.reject(new ClientError('stale-delivery', 'The connection broke before the delivery could be settled'));
    }
  }
}

function stale(delivery: Settleable): ClientError {
  const message = `Delivery ${delivery.tag} came over a connection that is gone: the node delivers its message again`;
  return new ClientError('stale-delivery', message);
}

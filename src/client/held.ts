/** Messages that somebody holds, or that wait for their time. */
import type { WireKind } from '../proto/client-wire.js';

/** Somebody who holds messages of a queue that are not acknowledged. */
export interface UnackedHolder {
  /** `consumer`, `get`, `cancelled` (a consumer that may still settle), `transaction` or `dead-letters` (the queue itself). */
  readonly kind: string;
  /** For people: the client's name and address, and AMQP's channel. */
  readonly session: string;
  /** AMQP's consumer tag, or a subscription's number. */
  readonly consumer: string;
  readonly partition: number;
  readonly count: number;
  /** Of the oldest message that it holds. */
  readonly firstOffset: number;
  /** When that one was stored; undefined when it cannot be read. */
  readonly stored: Date | undefined;
}

/** Messages that wait for their time. */
export interface DelayedCount {
  readonly held: number;
  /** Undefined: nothing is held, or it is not known yet. */
  readonly nextFire: Date | undefined;
}

/** Holders as programs see them. */
export function holdersOf({ holders, more }: WireKind<'unackedList'>): {
  readonly holders: readonly UnackedHolder[];
  readonly more: boolean;
} {
  const read = (holders ?? []).map((holder) => ({
    kind: holder.kind ?? '',
    session: holder.session ?? '',
    consumer: holder.consumer ?? '',
    partition: holder.partition ?? 0,
    count: holder.count ?? 0,
    firstOffset: holder.firstOffset ?? 0,
    stored: holder.storedMs ? new Date(holder.storedMs) : undefined,
  }));
  return { holders: read, more: more ?? false };
}

/** A count as programs see it. */
export function delayedCountOf({ held, nextFireMs }: WireKind<'delayedCount'>): DelayedCount {
  return { held: held ?? 0, nextFire: nextFireMs ? new Date(nextFireMs) : undefined };
}

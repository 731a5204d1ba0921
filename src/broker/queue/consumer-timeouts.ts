/**
 * Ends consumers that leave a delivery unacknowledged for too long. Remembering a time for each delivery would cost more than the delivery: instead the
 * oldest one of each consumer is looked at now and then, and it is too old when it has been the oldest for the whole time. So it strikes late, by an
 * eighth of the time, or by as long as older deliveries took, and never early.
 */
import { BrokerError } from '../errors.js';
import type { DueTarget } from './due-times.js';
import { TIMEOUT_LOOKS } from './limits.js';
import { DEAD_LETTER_CONSUMER, type EngineHost, type EngineParts } from './parts.js';

interface Oldest {
  readonly offset: number;
  readonly deliveryCount: number;
  readonly sinceMs: number;
}

const NONE: ReadonlyMap<number, Oldest> = new Map();

/** See the top of this file. */
export class ConsumerTimeouts implements DueTarget {
  dueAtMs = Number.POSITIVE_INFINITY;
  private readonly parts: EngineParts;
  private readonly host: EngineHost;
  private readonly timeoutMs: number;
  private oldest: ReadonlyMap<number, Oldest> = NONE;

  constructor(timeoutMs: number, parts: EngineParts, host: EngineHost) {
    this.timeoutMs = timeoutMs;
    this.parts = parts;
    this.host = host;
  }

  /** Something was handed out. */
  delivered(): void {
    // It stands for the first delivery; while there are any, looks follow each other.
    if (this.dueAtMs !== Number.POSITIVE_INFINITY) return;
    this.lookLater();
  }

  due(): void {
    const before = this.oldest;
    const oldest = new Map<number, Oldest>();
    const nowMs = this.parts.clock.nowMs();
    for (const holder of [...this.host.holders()]) {
      const found = this.look(holder, before.get(holder), nowMs);
      if (found !== undefined) oldest.set(holder, found);
    }
    this.oldest = oldest.size > 0 ? oldest : NONE;
    if (oldest.size > 0) this.lookLater();
  }

  /** Returns its oldest delivery; undefined when it has none, or has just been ended. */
  private look(holder: number, before: Oldest | undefined, nowMs: number): Oldest | undefined {
    const { cursor } = this.host;
    const offset = holder === DEAD_LETTER_CONSUMER ? -1 : cursor.firstHeld(holder);
    if (offset < 0) return undefined;
    const deliveryCount = cursor.deliveryCount(offset);
    const isSame = before !== undefined && before.offset === offset && before.deliveryCount === deliveryCount;
    if (!isSame) return { offset, deliveryCount, sinceMs: nowMs };
    if (nowMs - before.sinceMs < this.timeoutMs) return before;
    this.host.close(holder, timedOut(this.timeoutMs));
    return undefined;
  }

  private lookLater(): void {
    const intervalMs = Math.max(1, Math.ceil(this.timeoutMs / TIMEOUT_LOOKS));
    this.parts.due.at(this.parts.clock.nowMs() + intervalMs, this);
  }
}

/** The door knows the channel and puts its number in, as RabbitMQ does. */
function timedOut(timeoutMs: number): BrokerError {
  return new BrokerError(
    'timeout',
    `delivery acknowledgement timed out. Timeout value used: ${timeoutMs} ms. This timeout value can be configured`,
  );
}

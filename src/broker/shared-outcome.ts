import type { BrokerError } from './errors.js';
import { MAX_KEPT_SHARES, MAX_SPARE_OUTCOMES } from './limits.js';
import { NO_OFFSET } from './many-appends.js';
import type { DurabilityLevel, PublishListener } from './ports.js';

/** Outcomes that are over and can be used again. */
export type SpareOutcomes = SharedOutcome[];

/** Hands the outcome of one gathered batch to those whose messages are in it. Used again once it has done so. */
export class SharedOutcome implements PublishListener {
  private readonly spares: SpareOutcomes;
  private readonly tokens: number[] = [];
  private readonly listeners: PublishListener[] = [];
  /** Place in the batch of the first message of each share. */
  private readonly firsts: number[] = [];
  private last = -1;

  constructor(spares: SpareOutcomes) {
    this.spares = spares;
  }

  get shares(): number {
    return this.last + 1;
  }

  /** Notes that the message at `index` of the batch is one of `listener`'s under `token`. */
  add(index: number, token: number, listener: PublishListener): void {
    const { last } = this;
    if (last >= 0 && this.tokens[last] === token && this.listeners[last] === listener) return;
    this.tokens.push(token);
    this.listeners.push(listener);
    this.firsts.push(index);
    this.last++;
  }

  published(
    _token: number,
    partition: number,
    baseOffset: number,
    total: number,
    reached: DurabilityLevel,
    duplicate: boolean,
  ): void {
    const { tokens, listeners, firsts, last } = this;
    for (let share = 0; share <= last; share++) {
      const first = firsts[share]!;
      const count = (share === last ? total : firsts[share + 1]!) - first;
      const offset = baseOffset === NO_OFFSET ? NO_OFFSET : baseOffset + first;
      listeners[share]!.published(tokens[share]!, partition, offset, count, reached, duplicate);
    }
    this.recycle();
  }

  publishFailed(_token: number, error: BrokerError): void {
    const { tokens, listeners, last } = this;
    for (let share = 0; share <= last; share++) listeners[share]!.publishFailed(tokens[share]!, error);
    this.recycle();
  }

  /** Nobody waits for it any more. */
  recycle(): void {
    if (this.spares.length >= MAX_SPARE_OUTCOMES || this.tokens.length > MAX_KEPT_SHARES) return;
    this.tokens.length = 0;
    this.listeners.length = 0;
    this.firsts.length = 0;
    this.last = -1;
    this.spares.push(this);
  }
}

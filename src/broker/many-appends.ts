import type { BrokerError } from './errors.js';
import { DurabilityLevel, type PublishListener } from './ports.js';

/** Several logs have no offset in common. */
export const NO_OFFSET = -1;

/** Makes one outcome of those of several appends: confirmed when all are, at the lowest level that any has reached; failed if one failed. */
export class ManyAppends implements PublishListener {
  private readonly token: number;
  private readonly listener: PublishListener;
  private waiting: number;
  private lowest: DurabilityLevel = DurabilityLevel.quorum;
  private failure: BrokerError | undefined;

  /** `waiting`: how many outcomes there will be. */
  constructor(waiting: number, token: number, listener: PublishListener) {
    this.waiting = waiting;
    this.token = token;
    this.listener = listener;
  }

  published(_token: number, _partition: number, _baseOffset: number, count: number, reached: DurabilityLevel): void {
    if (reached < this.lowest) this.lowest = reached;
    this.oneLess(count);
  }

  publishFailed(_token: number, error: BrokerError): void {
    this.failure ??= error;
    this.oneLess(0);
  }

  private oneLess(count: number): void {
    if (--this.waiting > 0) return;
    const { token, listener, failure } = this;
    if (failure === undefined) listener.published(token, 0, NO_OFFSET, count, this.lowest, false);
    else listener.publishFailed(token, failure);
  }
}

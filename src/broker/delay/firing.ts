/** Messages whose time has come, from their publish until all of their queues have confirmed: a bounded number, each by its number here. */
import type { BrokerError, BrokerErrorCode } from '../errors.js';
import type { PublishListener } from '../ports.js';
import { FIRING_BYTES_MAX, FIRING_MAX } from './limits.js';

/** Failures that may pass. After all others the message is done with: its queue has gone, is full, or will never take it. */
const PASSING: ReadonlySet<BrokerErrorCode> = new Set([
  'no-space',
  'log-offline',
  'shutting-down',
  'timeout',
  'internal',
  'limit-exceeded',
]);

/** Whether the same publish may succeed later. */
export function mayPass(error: BrokerError): boolean {
  return PASSING.has(error.code);
}

/** One message on its way. */
export interface Shot {
  readonly token: number;
  readonly offset: number;
  /** Number of its exchange. */
  readonly exchange: number;
  readonly sizeBytes: number;
  /** Outcomes that are still to come; below 0 while they come before the publish has said how many. */
  outstanding: number;
  /** The publish has returned. */
  isCounted: boolean;
  /** One of its queues could not take it for now. */
  mustRetry: boolean;
}

/** See the top of this file. */
export class Firing implements PublishListener {
  private readonly finished: (shot: Shot) => void;
  private readonly shots = new Map<number, Shot>();
  private readonly offsets = new Set<number>();
  private bytes = 0;
  private nextToken = 0;

  /** `finished` is called once for each message, possibly before its publish has returned to `counted`. */
  constructor(finished: (shot: Shot) => void) {
    this.finished = finished;
  }

  get size(): number {
    return this.shots.size;
  }

  /** No further message may start. */
  get isFull(): boolean {
    return this.shots.size >= FIRING_MAX || this.bytes >= FIRING_BYTES_MAX;
  }

  has(offset: number): boolean {
    return this.offsets.size > 0 && this.offsets.has(offset);
  }

  /** A message is about to be published, with `token` of what this returns. */
  begin(offset: number, exchange: number, sizeBytes: number): Shot {
    const token = this.nextToken++;
    const shot = { token, offset, exchange, sizeBytes, outstanding: 0, isCounted: false, mustRetry: false };
    this.shots.set(token, shot);
    this.offsets.add(offset);
    this.bytes += sizeBytes;
    return shot;
  }

  /** Its publish has so many outcomes. */
  counted(shot: Shot, outcomes: number): void {
    shot.outstanding += outcomes;
    shot.isCounted = true;
    if (shot.outstanding === 0) this.finished(shot);
  }

  /** It is done with, or will be begun anew. */
  end(shot: Shot): void {
    if (!this.shots.delete(shot.token)) return;
    this.offsets.delete(shot.offset);
    this.bytes -= shot.sizeBytes;
  }

  published(token: number): void {
    this.outcome(token, undefined);
  }

  publishFailed(token: number, error: BrokerError): void {
    this.outcome(token, error);
  }

  private outcome(token: number, error: BrokerError | undefined): void {
    const shot = this.shots.get(token);
    if (shot === undefined) return;
    if (error !== undefined && mayPass(error)) shot.mustRetry = true;
    shot.outstanding--;
    if (shot.isCounted && shot.outstanding === 0) this.finished(shot);
  }
}

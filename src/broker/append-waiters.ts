/**
 * Who waits for what was appended: from the append to the write of this turn, and from there to the group commit that covers it.
 */
import type { StorageError } from '../storage/errors.js';
import { BrokerError } from './errors.js';
import type { OwnedPartition } from './owned-partition.js';
import { DurabilityLevel, type PublishListener } from './ports.js';

/** One appended batch and its publisher. */
export interface AppendWaiter {
  readonly partition: OwnedPartition;
  readonly level: DurabilityLevel;
  readonly baseOffset: number;
  readonly count: number;
  /** The offset after the batch. */
  readonly nextOffset: number;
  readonly duplicate: boolean;
  /** Of an open transaction: told once it is written, and not shown. */
  readonly isHidden?: boolean;
  readonly token: number;
  readonly listener: PublishListener;
}

/** A storage error in the broker's words. */
export function fromStorage(error: StorageError): BrokerError {
  switch (error.code) {
    case 'out-of-order-sequence':
    case 'producer-fenced':
    case 'no-space':
    case 'offset-out-of-range':
    case 'too-large':
      return new BrokerError(error.code, error.message, error);
    case 'corrupt':
      return new BrokerError('corrupt-batch', error.message, error);
    case 'log-not-found':
      return new BrokerError('not-found', error.message, error);
    default:
      return new BrokerError('log-offline', error.message, error);
  }
}

/** See the top of this file. */
export class AppendWaiters {
  private readonly onRevealed: (partition: OwnedPartition) => void;
  private appended: AppendWaiter[] = [];
  private written: AppendWaiter[] = [];
  /** Partitions with messages beyond their lease, which the next commit shows. */
  private hidden = new Set<OwnedPartition>();

  /** `onRevealed` hears of partitions that show, after a commit, what the turn's write alone could not. */
  constructor(onRevealed: (partition: OwnedPartition) => void = () => undefined) {
    this.onRevealed = onRevealed;
  }

  /** A batch was appended and not written yet. */
  add(waiter: AppendWaiter): void {
    this.appended.push(waiter);
  }

  /** Whether somebody waits for a commit that was not asked for yet. */
  get awaitsCommit(): boolean {
    return this.written.length > 0;
  }

  /** What was appended to a log from `fromOffset` on could not be written: its offsets go to later messages. */
  failed(logId: number, fromOffset: number, error: StorageError): void {
    const isLost = (waiter: AppendWaiter): boolean =>
      waiter.partition.log.logId === logId && waiter.nextOffset > fromOffset;
    const lost = this.appended.filter(isLost);
    // Before anybody is told: who answers with another append gets an offset that was lost, and must not be told so, too.
    this.appended = this.appended.filter((waiter) => !isLost(waiter));
    for (const waiter of lost) fail(waiter, error);
  }

  /** The turn's write is done: what was appended exists now. Confirms what has reached its level. */
  afterWrite(): void {
    const waiters = this.appended;
    if (waiters.length === 0) return;
    this.appended = [];
    for (const waiter of waiters) {
      const { log, cursor, policies } = waiter.partition;
      if (!waiter.duplicate) {
        cursor?.appended(waiter.baseOffset, waiter.count, waiter.nextOffset);
        if (waiter.isHidden !== true) policies?.visible(waiter.nextOffset);
      }
      if (waiter.isHidden === true) {
        cursor?.withhold(waiter.count);
        if (log.offline === undefined) confirm(waiter, DurabilityLevel.memory);
        else fail(waiter, log.offline);
        continue;
      }
      const isShown = log.visibleEnd >= waiter.nextOffset;
      if (!isShown) this.hidden.add(waiter.partition);
      if (log.offline !== undefined) fail(waiter, log.offline);
      else if (isShown && (log.isVolatile || waiter.level === DurabilityLevel.memory)) {
        confirm(waiter, DurabilityLevel.memory);
      } else this.written.push(waiter);
    }
  }

  /** Takes those who wait for the next commit; the result is called with that commit's outcome. */
  takeForCommit(): (error?: StorageError) => void {
    const waiters = this.written;
    this.written = [];
    const { hidden } = this;
    if (hidden.size > 0) this.hidden = new Set();
    return (error) => {
      for (const partition of hidden) this.onRevealed(partition);
      for (const waiter of waiters) {
        // A commit covers many logs: the error of another one is none of this waiter's.
        const failure = waiter.partition.log.offline ?? (error?.code === 'shard-offline' ? error : undefined);
        if (failure !== undefined) fail(waiter, failure);
        // One node is its own quorum: what its disk holds is on every in-sync replica.
        else confirm(waiter, waiter.level === DurabilityLevel.quorum ? DurabilityLevel.quorum : DurabilityLevel.disk);
      }
    };
  }
}

function confirm(waiter: AppendWaiter, reached: DurabilityLevel): void {
  waiter.listener.published(
    waiter.token,
    waiter.partition.partition,
    waiter.baseOffset,
    waiter.count,
    reached,
    waiter.duplicate,
  );
}

function fail(waiter: AppendWaiter, error: StorageError): void {
  waiter.listener.publishFailed(waiter.token, fromStorage(error));
}

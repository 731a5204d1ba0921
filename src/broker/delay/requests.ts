/** What may be asked about held messages, of the shard that owns one of their logs. */
import { BrokerError } from '../errors.js';
import type { PartitionOwner } from '../partition-owner.js';
import { type DelayedCounts, DelayLog } from './delay-log.js';

/** Cold requests between shards. */
export type DelayRequest =
  | {
      readonly kind: 'cancel-delayed';
      readonly logId: number;
      readonly vhost: string;
      readonly exchange: string;
      readonly messageId: string;
    }
  | { readonly kind: 'delayed-counts'; readonly logId: number; readonly vhost: string; readonly exchange?: string };

/** What every session may ask of its broker about held messages. */
export interface DelayedMessages {
  /**
   * Takes out the messages that are held for an exchange under a message id; answers when that is durable with how many there were. Those that fire at
   * this moment are not among them. Costs a reading of what is held where that is more than the index has room for.
   */
  cancelDelayed(vhost: string, exchange: string, messageId: string): Promise<number>;
  /** What is held for an exchange, or for all of a virtual host. */
  delayedCounts(vhost: string, exchange?: string): Promise<DelayedCounts>;
}

/** Carries a request out on the owner. @throws BrokerError `not-found`, `wrong-kind` */
export async function answerDelayRequest(
  owner: PartitionOwner,
  request: DelayRequest,
): Promise<number | DelayedCounts> {
  const { logId, vhost } = request;
  // What was appended in this turn counts.
  owner.finishWrites();
  const { policies } = owner.require(logId);
  if (!(policies instanceof DelayLog)) {
    throw new BrokerError('wrong-kind', `Cannot look for delayed messages in log ${logId}: it holds none`);
  }
  if (request.kind === 'delayed-counts') return policies.counts(vhost, request.exchange);
  const count = await policies.cancel(vhost, request.exchange, request.messageId);
  if (count > 0) await owner.changeDurably(logId, () => undefined);
  return count;
}

/** The counts of several logs as those of all. */
export function sumOfCounts(counts: readonly DelayedCounts[]): DelayedCounts {
  let held = 0;
  let nextFireMs = -1;
  for (const one of counts) {
    held += one.held;
    if (one.nextFireMs >= 0 && (nextFireMs < 0 || one.nextFireMs < nextFireMs)) nextFireMs = one.nextFireMs;
  }
  return { held, nextFireMs };
}

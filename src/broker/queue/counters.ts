import type { DeathReason } from './death-headers.js';

/** What has happened to the messages of one partition of a queue since the start; all counts. */
export class QueueCounters {
  published = 0;
  /** Handed to consumers and to who asked for single messages. */
  delivered = 0;
  /** Of those: not for the first time. */
  redelivered = 0;
  /** Settled by a consumer, automatic acknowledgement included. */
  acknowledged = 0;
  /** Came back to the queue. */
  returned = 0;
  /** Their time was over, or there were too many: dead-lettered or dropped. */
  expired = 0;
  /** Publishes that were refused because the queue was full. */
  refused = 0;
  /** Publishes that were dropped because their message id had been seen. */
  duplicates = 0;
  /** Arrived at all their targets, by reason. */
  readonly deadLettered: Record<DeathReason, number> = byReason();
  /** Died without a dead letter: there is no exchange for them, by reason. */
  readonly dropped: Record<DeathReason, number> = byReason();
  /** Dead letters that nobody wanted, or only a queue where they had been already, or that the target refused. */
  lostDeadLetters = 0;
  /** Of the dropped ones: the queue names a dead letter exchange that does not exist. */
  missingExchange = 0;
}

function byReason(): Record<DeathReason, number> {
  return { rejected: 0, expired: 0, maxlen: 0, delivery_limit: 0 };
}

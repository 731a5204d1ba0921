import type { BrokerError } from '../errors.js';
import type { RoutedMessage } from '../model.js';
import type { DeliverySource, SettleOutcome } from '../ports.js';

/** Who holds deliveries that a transaction settles: a ConsumerHandle or a PollHandle. */
export interface TransactionHandle {
  source?(partition: number): DeliverySource | undefined;
}

/** What becomes of deliveries with the transaction. */
export interface TransactionSettle {
  readonly handle: TransactionHandle;
  readonly partition: number;
  readonly offsets: readonly number[];
  readonly outcome: SettleOutcome;
}

/** Everything that one commit does, in the order of its session. */
export interface Transaction {
  readonly vhost: string;
  readonly publishes: readonly RoutedMessage[];
  readonly settles: readonly TransactionSettle[];
}

/** The broker's transactions as a session sees them. */
export interface Transactions {
  /**
   * Commits: all of it or nothing. `done` is called once, in a later turn, when the outcome is as durable as the messages asked for and can be seen on
   * this node. `unroutable`: indexes of publishes that no queue wanted; they are no failure.
   */
  commit(transaction: Transaction, done: (error: BrokerError | undefined, unroutable: readonly number[]) => void): void;
}

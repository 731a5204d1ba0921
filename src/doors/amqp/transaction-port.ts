import type { BrokerError } from '../../broker/errors.js';
import type { ConsumerHandle, PollHandle, SettleOutcome } from '../../broker/ports.js';

/** A publish of a transaction: the bytes are its own. */
export interface TransactionPublish {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: Uint8Array;
  readonly body: Uint8Array;
  readonly persistent: boolean;
}

/** What becomes of deliveries with the transaction. */
export interface TransactionSettle {
  readonly handle: ConsumerHandle | PollHandle;
  readonly partition: number;
  readonly offsets: readonly number[];
  readonly outcome: SettleOutcome;
}

/** Everything that one tx.commit does, in the order of the channel. */
export interface AmqpTransaction {
  readonly vhost: string;
  readonly publishes: readonly TransactionPublish[];
  readonly settles: readonly TransactionSettle[];
}

/**
 * Commits a transaction: all of it or nothing, whatever happens meanwhile. The session has gathered it; until commit nobody else knows of it.
 * Filled in by the broker; without it the door answers tx.select with 540.
 */
export interface TransactionPort {
  /**
   * `done` is called once, in a later turn, when the outcome is as durable as the messages asked for. `unroutable`: indexes of publishes that no queue
   * wanted; they are no failure.
   */
  commit(
    transaction: AmqpTransaction,
    done: (error: BrokerError | undefined, unroutable: readonly number[]) => void,
  ): void;
}

import type { BrokerError } from '../../broker/errors.js';
import type { ConsumerHandle, ConsumerLabel, PartitionPosition } from '../../broker/ports.js';
import type { TransactionHandle } from '../../broker/transactions/port.js';
import type { CreditCommand, SettleCommand } from './commands.js';
import type { DoorCounters } from './counters.js';
import { invalidRequest } from './errors.js';
import type { SessionLimits } from './limits.js';
import type { Outbox } from './outbox.js';
import type { WriterPool } from './writer-pool.js';

/** Who has a session. */
export interface SessionName {
  /** For the broker. */
  readonly connection: string;
  /** For people: the client's own name and its address. */
  readonly shown: string;
}

/** The name of a subscription, for people who look for the holder of a message. */
export function labelOf({ shown }: SessionName, subscription: number): ConsumerLabel {
  return { session: shown, consumer: String(subscription) };
}

/** What a subscription needs from its session. */
export interface SubscriptionSetting {
  readonly limits: SessionLimits;
  readonly counters: DoorCounters;
  readonly writers: WriterPool;
  /** Another one with every connection of the session. */
  readonly outbox: Outbox;
  /** The subscription ended by itself: the session forgets it and tells the client why. */
  ended(subscription: number, reason: BrokerError): void;
}

/** Deliveries on their way into a transaction. */
export interface LentDeliveries {
  readonly handle: (TransactionHandle & Pick<ConsumerHandle, 'settle'>) | undefined;
  /** By partition. */
  readonly offsets: ReadonlyMap<number, readonly number[]>;
}

/** One subscription of a session. A command that its kind does not have throws BrokerError `invalid-request`. */
export interface Subscription {
  readonly number: number;
  credit(command: CreditCommand): void;
  /** `done` runs when the outcome is durable; undefined when nobody waits. */
  settle(command: SettleCommand, done: ((error?: BrokerError) => void) | undefined): void;
  seek(positions: readonly PartitionPosition[]): void;
  /** Takes deliveries that a transaction will settle; undefined for kinds that have none. @throws BrokerError; then nothing was taken. */
  lend?(command: SettleCommand): LentDeliveries;
  /** The socket is empty again. */
  drained(): void;
  /** The connection broke, but the session may go on: nothing arrives any more. Undefined for kinds that begin anew with each connection. */
  park?(): void;
  /** The session has another connection; `received`: the last tag that came over the one before. */
  resume?(received: number): void;
  /** Deliveries that wait for the connection, in bytes. */
  readonly heldBytes?: number;
  /** Ends it; nothing is sent afterwards. */
  cancel(): void;
}

/** The error for a command that subscriptions of this kind do not have. */
export function notFor(kind: string, command: string, subscription: number): Error {
  return invalidRequest(`Subscription ${subscription} is a ${kind} subscription: it has no ${command}`);
}

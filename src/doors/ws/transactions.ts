/** The transactions of one session: each is one request, with everything that it publishes and settles. */
import { copyOf } from '../../base/copy.js';
import { BrokerError } from '../../broker/errors.js';
import type { RoutedMessage } from '../../broker/model.js';
import { SettleOutcome } from '../../broker/ports.js';
import type { TransactionSettle, Transactions } from '../../broker/transactions/port.js';
import type { PublishRoutedCommand, SettleCommand, TransactCommand } from './commands.js';
import { invalidRequest } from './errors.js';
import { MAX_OPEN_TRANSACTIONS } from './limits.js';
import type { LentDeliveries } from './subscription.js';
import type { Subscriptions } from './subscriptions.js';

/** What was lent of one settlement. */
interface Lent extends LentDeliveries {
  readonly outcome: SettleOutcome;
}

/** Tells how it ended: `unroutable` has the places of messages that no queue wanted. */
export type Transacted = (error: BrokerError | undefined, unroutable: readonly number[]) => void;

/** See the top of this file. */
export class SessionTransactions {
  private readonly port: Transactions;
  private open = 0;

  constructor(port: Transactions) {
    this.port = port;
  }

  /** Carries a transaction out. @throws BrokerError; then nothing of it happens, and deliveries that were taken for it go back to their queues. */
  run(command: TransactCommand, subscriptions: Subscriptions, done: Transacted): void {
    if (command.publishes.length === 0 && command.settles.length === 0) {
      throw invalidRequest('The transaction neither publishes nor settles anything');
    }
    if (this.open >= MAX_OPEN_TRANSACTIONS) {
      throw new BrokerError('limit-exceeded', `There are ${MAX_OPEN_TRANSACTIONS} transactions under way already`);
    }
    const publishes = command.publishes.flatMap(messagesOf);
    const lent = borrow(subscriptions, command.settles);
    this.open++;
    const transaction = { vhost: command.vhost, publishes, settles: lent.flatMap(settlesOf) };
    this.port.commit(transaction, (error, unroutable) => {
      this.open--;
      // Its tags are gone: what it could not settle goes back to its queue.
      if (error !== undefined) giveBack(lent);
      done(error, unroutable);
    });
  }
}

/** The command's views are of the frame's bytes, which do not live as long as a transaction. */
function messagesOf({ exchange, persistent, messages }: PublishRoutedCommand): RoutedMessage[] {
  return messages.map(({ routingKey, value, properties, delayMs, deliverAtMs }) => ({
    exchange,
    routingKey,
    properties,
    body: copyOf(value),
    persistent,
    ...(delayMs > 0 ? { delayMs } : {}),
    ...(deliverAtMs > 0 ? { deliverAtMs } : {}),
  }));
}

function borrow(subscriptions: Subscriptions, settles: readonly SettleCommand[]): Lent[] {
  const lent: Lent[] = [];
  try {
    for (const settle of settles) lent.push({ ...subscriptions.lend(settle), outcome: settle.outcome });
  } catch (error) {
    giveBack(lent);
    throw error;
  }
  return lent;
}

function settlesOf({ handle, offsets, outcome }: Lent): TransactionSettle[] {
  if (handle === undefined) return [];
  return [...offsets].map(([partition, some]) => ({ handle, partition, offsets: some, outcome }));
}

function giveBack(lent: readonly Lent[]): void {
  for (const { handle, offsets } of lent) {
    for (const [partition, some] of offsets) handle?.settle(partition, some, SettleOutcome.requeue);
  }
}

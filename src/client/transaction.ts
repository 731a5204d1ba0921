/** Publishes and settlements that happen together, or not at all. */
import { Outcome, type WireFrame, type WireKind } from '../proto/client-wire.js';
import { type Delivery, type NackOptions, outcomeOf } from './delivery.js';
import { ClientError, invalidUse } from './errors.js';
import type { RequestOptions } from './requests.js';
import { type RoutedOutgoing, routedPublish } from './routed-message.js';
import type { Session } from './session.js';

/** How a message is published in a transaction. */
export interface TransactionPublishOptions {
  /** Default `disk`; `memory` makes the message transient. */
  readonly durability?: 'memory' | 'disk';
}

/** What a transaction has done. */
export interface TransactionReceipt {
  /** Messages that no queue wanted, counted from 0 in the order of their publishes. */
  readonly unroutable: readonly number[];
}

type WirePublish = NonNullable<WireFrame['publishRouted']>;
type WireSettle = WireKind<'settle'>;

/** Gathers what is to happen together; for `Client.transaction`. */
export class Transaction {
  private readonly publishes: WirePublish[] = [];
  private readonly settles: WireSettle[] = [];
  private isOver = false;

  /** Publishes to an exchange, or, without one, to the topic or queue that `routingKey` names. */
  publish(message: RoutedOutgoing, options: TransactionPublishOptions = {}): void {
    this.check();
    this.publishes.push(routedPublish(message, options));
  }

  /** Acknowledges a delivery. @throws ClientError `already-settled`, `stale-delivery`. */
  ack(delivery: Delivery): void {
    this.settle(delivery, Outcome.OUTCOME_ACKNOWLEDGE);
  }

  /** Gives a delivery back, or drops it. @throws ClientError `already-settled`, `stale-delivery`. */
  nack(delivery: Delivery, options: NackOptions = {}): void {
    this.settle(delivery, outcomeOf(options));
  }

  private settle(delivery: Delivery, outcome: Outcome): void {
    this.check();
    const subscription = delivery.source.give(delivery);
    this.settles.push({ subscription, outcome, tags: [{ first: delivery.tag, last: delivery.tag }] });
  }

  private check(): void {
    if (this.isOver) throw invalidUse('The transaction has been committed already');
  }

  /** Sends it. @throws ClientError as rejection. */
  async commit(session: Session, options: RequestOptions): Promise<TransactionReceipt> {
    this.isOver = true;
    const { publishes, settles } = this;
    if (publishes.length === 0 && settles.length === 0) return { unroutable: [] };
    const { unroutable } = await session.requests.request({ transact: { publishes, settles } }, 'transacted', options);
    return { unroutable: unroutable ?? [] };
  }

  /** Nothing of it happens: deliveries go back to their queues. */
  abandon(session: Session): void {
    this.isOver = true;
    for (const settle of this.settles) session.send({ settle: { ...settle, outcome: Outcome.OUTCOME_REQUEUE } });
  }
}

/** Runs `work` and commits what it has gathered. @throws ClientError as rejection, and whatever `work` throws. */
export async function runTransaction(
  session: Session,
  work: (transaction: Transaction) => void | Promise<void>,
  options: RequestOptions,
): Promise<TransactionReceipt> {
  const closedBy = session.closedBy;
  if (closedBy !== undefined) throw new ClientError('closed', closedBy.message, closedBy);
  const transaction = new Transaction();
  try {
    await work(transaction);
  } catch (thrown) {
    transaction.abandon(session);
    throw thrown;
  }
  return transaction.commit(session, options);
}

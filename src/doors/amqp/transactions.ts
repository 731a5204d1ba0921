import { copyOf } from '../../base/copy.js';
import type { BrokerError } from '../../broker/errors.js';
import type { SettleOutcome } from '../../broker/ports.js';
import { AmqpError, asAmqpError } from './errors.js';
import { writeBare } from './frame-writer.js';
import { Method } from './methods.js';
import type { ChannelScope } from './scope.js';
import type { HeldDelivery } from './settlements.js';
import type { AmqpTransaction, TransactionPort, TransactionPublish, TransactionSettle } from './transaction-port.js';

interface HeldPublish extends TransactionPublish {
  readonly mandatory: boolean;
}

interface HeldSettle {
  readonly delivery: HeldDelivery;
  readonly outcome: SettleOutcome;
}

/** The open transaction of one channel: what was published and settled since tx.select or the last commit; bounded. */
export class Transactions {
  private readonly scope: ChannelScope;
  private readonly port: TransactionPort;
  private publishes: HeldPublish[] = [];
  private settles: HeldSettle[] = [];
  private bytes = 0;

  /** What waits for the commit. */
  get pending(): { readonly publishes: number; readonly settles: number } {
    return { publishes: this.publishes.length, settles: this.settles.length };
  }

  constructor(scope: ChannelScope, port: TransactionPort) {
    this.scope = scope;
    this.port = port;
    scope.settlements.tap = (delivery, outcome) => {
      this.count(0);
      this.settles.push({ delivery, outcome });
    };
  }

  /** Keeps a publish. The views are borrowed. @throws AmqpError `precondition-failed` when the transaction grows too large. */
  publish(message: TransactionPublish, mandatory: boolean): void {
    this.count(message.body.length + message.properties.length);
    this.publishes.push({
      ...message,
      properties: copyOf(message.properties),
      body: copyOf(message.body),
      mandatory,
    });
  }

  private count(bytes: number): void {
    const { transactionMaxBytes, transactionMaxItems } = this.scope.context.ports.limits;
    this.bytes += bytes;
    const items = this.publishes.length + this.settles.length + 1;
    if (items <= transactionMaxItems && this.bytes <= transactionMaxBytes) return;
    const text = `transaction too large: ${items} publishes and acknowledgements, ${this.bytes} bytes`;
    throw new AmqpError('precondition-failed', text);
  }

  /** tx.commit: later frames wait for its answer. `giveBack` returns a message that no queue wanted to its publisher. */
  commit(giveBack: (message: TransactionPublish) => void): void {
    const { scope } = this;
    const { publishes, settles } = this;
    const release = scope.hold();
    this.forget();
    this.port.commit(this.transactionOf(publishes, settles), (error, unroutable) => {
      if (!scope.isOpen) return;
      if (error !== undefined) {
        scope.raise(commitFault(error));
        return;
      }
      this.settled(settles);
      for (const index of unroutable) {
        const message = publishes[index];
        if (message?.mandatory) giveBack(message);
      }
      writeBare(scope.outbox.open(), scope.id, Method.txCommitOk);
      release();
    });
  }

  private transactionOf(publishes: readonly HeldPublish[], settles: readonly HeldSettle[]): AmqpTransaction {
    const { settlements, session } = this.scope;
    const list: TransactionSettle[] = [];
    for (const { delivery, outcome } of settles) {
      const source = settlements.source(delivery.source);
      if (source === undefined || source.isStream) continue;
      list.push({ handle: source.handle, partition: delivery.partition, offsets: [delivery.offset], outcome });
    }
    return { vhost: session.vhost, publishes, settles: list };
  }

  private settled(settles: readonly HeldSettle[]): void {
    const { settlements } = this.scope;
    for (const { delivery } of settles) {
      const source = settlements.source(delivery.source);
      if (source === undefined) continue;
      source.unsettled--;
      if (source.isEnding) settlements.end(source);
      else source.onSettled?.();
    }
  }

  /** tx.rollback: what was published is forgotten, what was settled is unacknowledged again. */
  rollback(): void {
    const { settles } = this;
    this.forget();
    this.scope.settlements.table.restore(settles.map(({ delivery }) => delivery));
  }

  private forget(): void {
    this.publishes = [];
    this.settles = [];
    this.bytes = 0;
  }
}

function commitFault(error: BrokerError): AmqpError {
  // RabbitMQ's words, although nothing of the transaction has been done here.
  if (error.code === 'queue-full')
    return new AmqpError('precondition-failed', 'partial tx completion', Method.txCommit);
  const cause = asAmqpError(error, Method.txCommit);
  // An exchange may have gone since the publish.
  return cause.code === 'precondition-failed' || error.code === 'not-found'
    ? cause
    : new AmqpError('internal-error', cause.message, Method.txCommit);
}

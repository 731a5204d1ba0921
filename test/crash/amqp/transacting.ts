/** A client in transaction mode: it takes messages from one stage to the next, several in one transaction, with publishes of its own beside them. */
import type { AmqpChannel, Received } from '../../fuzz/amqp/client.js';
import { promised } from '../power/violation.js';
import type { Entry } from './ledger.js';
import { STAGES } from './topology.js';
import type { Work } from './work.js';

const MOST_MOVES = 4;

/** A delivery that waits for a transaction to acknowledge it. */
interface Held {
  readonly id: string;
  readonly deliveryTag: number;
  readonly to: string;
}

/** See the top of this file. */
export class TransactionClient {
  private readonly work: Work;
  private readonly channel: AmqpChannel;
  private held: Held[] = [];
  /** Messages of the open transaction that were returned. */
  private readonly returned = new Set<string>();
  private isCommitting = false;

  private constructor(work: Work, channel: AmqpChannel) {
    this.work = work;
    this.channel = channel;
  }

  static async start(work: Work): Promise<TransactionClient> {
    const channel = await work.channel();
    await channel.call('tx.select');
    await channel.call('basic.qos', { prefetchCount: work.prng.pick([3, 10]) });
    const client = new TransactionClient(work, channel);
    channel.onUnasked = (received) => work.guard(() => client.came(received));
    for (const queue of STAGES.slice(0, -1)) await channel.call('basic.consume', { queue, consumerTag: queue });
    client.run();
    return client;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return !this.isCommitting;
  }

  /** No transaction is under way any more. @throws Violation when one is */
  checkConfirmed(): void {
    promised(!this.isCommitting, 'not-confirmed', () => 'A transaction got no answer');
  }

  private came(received: Received): void {
    const { name, fields, properties } = received;
    if (name === 'basic.return') {
      this.work.counts.returned++;
      this.returned.add(properties.messageId ?? '');
      return;
    }
    const from = String(fields['consumerTag']);
    const { id } = this.work.note(from, received);
    const to = STAGES[STAGES.indexOf(from) + 1] ?? '';
    this.held.push({ id, deliveryTag: Number(fields['deliveryTag']), to });
  }

  private run(): void {
    const { work } = this;
    const step = (): void => {
      if (work.isOver || work.isQuiet) return;
      this.transaction().then(
        () => work.site.next(step),
        (error: unknown) => work.guard(() => promised(false, 'node-failed', () => `A transaction failed: ${error}`)),
      );
    };
    step();
  }

  private async transaction(): Promise<void> {
    const { work } = this;
    const name = work.newName('t');
    const isCommitted = work.prng.chance(0.8);
    const taken = this.held.splice(0, work.prng.between(0, MOST_MOVES));
    const move = isCommitted ? work.ledger.committing(name, taken) : undefined;
    const published = work.prng.chance(0.6) ? this.publishBeside(name, isCommitted) : [];
    for (const { id, to, deliveryTag } of taken) {
      this.publish(to, id);
      this.channel.send('basic.ack', { deliveryTag });
    }
    const stray = work.prng.chance(0.1) ? work.newName('') : undefined;
    if (stray !== undefined) this.publish('nobody', stray);
    this.returned.clear();
    this.isCommitting = true;
    await this.channel.call(isCommitted ? 'tx.commit' : 'tx.rollback');
    this.isCommitting = false;
    if (work.isGone) return;
    work.guard(() => {
      if (move !== undefined) work.ledger.committed(move, published);
      this.checkReturned(stray, isCommitted);
    });
    if (isCommitted) work.counts.committed++;
    else work.counts.rolledBack++;
    if (isCommitted) work.counts.moved += taken.length;
    // What was rolled back is the channel's to acknowledge again.
    else this.held.unshift(...taken);
  }

  /** Publishes to two queues, of different shards. What is rolled back must not come at all, so nobody enters it. */
  private publishBeside(transaction: string, isCommitted: boolean): Entry[] {
    const entries: Entry[] = [];
    for (const queue of ['left', 'right', 'left']) {
      const id = this.work.newName('');
      if (isCommitted) entries.push(this.work.ledger.published(id, [[queue]], { transaction }));
      this.publish(queue, id);
    }
    return entries;
  }

  private checkReturned(stray: string | undefined, isCommitted: boolean): void {
    const expected = stray !== undefined && isCommitted ? [stray] : [];
    promised(
      [...this.returned].join() === expected.join(),
      'not-returned',
      () => `A transaction's end came after the return of "${[...this.returned]}", and not of "${expected}"`,
    );
  }

  private publish(routingKey: string, id: string): void {
    this.channel.publish({ routingKey, mandatory: true }, { deliveryMode: 2, messageId: id }, this.work.body(id));
  }
}

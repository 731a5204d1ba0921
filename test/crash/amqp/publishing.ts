/** A client that publishes with confirms. */
import type { AmqpChannel, Received } from '../../fuzz/amqp/client.js';
import { promised } from '../power/violation.js';
import type { Entry } from './ledger.js';
import { BRIEF, PRIORITIES, STAGES, WORK } from './topology.js';
import type { Work } from './work.js';

/** The longest delay, in milliseconds. */
const LONGEST_DELAY_MS = 3000;

interface Pending {
  readonly id: string;
  /** Undefined for what no queue wants. */
  readonly entry: Entry | undefined;
  isReturned: boolean;
}

/** See the top of this file. */
export class Publisher {
  private readonly work: Work;
  private readonly channel: AmqpChannel;
  private readonly pending = new Map<number, Pending>();
  private tag = 0;

  private constructor(work: Work, channel: AmqpChannel) {
    this.work = work;
    this.channel = channel;
  }

  static async start(work: Work): Promise<Publisher> {
    const channel = await work.channel();
    await channel.call('confirm.select');
    const publisher = new Publisher(work, channel);
    channel.onUnasked = (received) => work.guard(() => publisher.told(received));
    publisher.publish();
    return publisher;
  }

  /** Whether nothing is under way. */
  get isIdle(): boolean {
    return this.pending.size === 0;
  }

  /** Nothing is under way any more. @throws Violation when something is */
  checkConfirmed(): void {
    const [first] = this.pending;
    promised(first === undefined, 'not-confirmed', () => `Publish ${first?.[0]}, "${first?.[1].id}", got no answer`);
  }

  private readonly publish = (): void => {
    const { work, pending } = this;
    while (pending.size < work.site.window && !work.isOver && !work.isQuiet) {
      pending.set(++this.tag, { isReturned: false, ...this.publishOne() });
    }
  };

  private told({ name, fields, properties }: Received): void {
    if (name === 'basic.return') {
      this.returned(properties.messageId ?? '');
      return;
    }
    const upTo = Number(fields['deliveryTag']);
    const tags = fields['multiple'] === true ? [...this.pending.keys()].filter((one) => one <= upTo) : [upTo];
    for (const one of tags) this.settle(one, name === 'basic.ack');
    this.work.site.next(this.publish);
  }

  private returned(id: string): void {
    this.work.counts.returned++;
    const publish = [...this.pending.values()].find((one) => one.id === id);
    promised(publish !== undefined, 'not-returned', () => `"${id}" was returned after its confirm`);
    promised(publish?.entry === undefined, 'not-returned', () => `"${id}" was returned, and a queue wants it`);
    if (publish !== undefined) publish.isReturned = true;
  }

  private settle(tag: number, isAck: boolean): void {
    const { counts } = this.work;
    const found = this.pending.get(tag);
    promised(found !== undefined, 'confirmed-twice', () => `Publish ${tag} of ${this.tag} was answered twice`);
    if (found === undefined) return;
    this.pending.delete(tag);
    const { entry, isReturned, id } = found;
    promised(
      entry !== undefined || isReturned || !isAck,
      'not-returned',
      () => `"${id}" was confirmed and not returned before`,
    );
    if (isAck) counts.confirmed++;
    else counts.nacked++;
    if (entry === undefined) return;
    entry.isConfirmed = isAck;
    entry.isNacked = !isAck;
  }

  private publishOne(): { entry: Entry | undefined; id: string } {
    const { work } = this;
    const { prng, ledger } = work;
    const id = work.newName('');
    const choice = prng.nextFloat();
    work.counts.published++;
    if (choice < 0.05) {
      this.send(id, '', 'nobody');
      return { entry: undefined, id };
    }
    if (choice < 0.18) {
      const delay = prng.between(20, prng.pick([100, LONGEST_DELAY_MS]));
      const entry = ledger.published(id, [['due']], { dueMs: work.site.clock.nowMs() + delay });
      this.send(id, 'later', 'due', { headers: { 'x-delay': delay } });
      return { entry, id };
    }
    const priority = prng.below(PRIORITIES + 1);
    if (choice < 0.32) {
      const entry = ledger.published(id, [WORK, ['urgent'], BRIEF]);
      this.send(id, 'all', '', { priority });
      return { entry, id };
    }
    const [queue, group] = prng.pick([
      ['work', WORK],
      ['urgent', ['urgent']],
      ['brief', BRIEF],
      ['narrow', ['narrow']],
      ['stage0', STAGES],
    ] as const);
    const entry = ledger.published(id, [group]);
    this.send(id, '', queue, { priority });
    return { entry, id };
  }

  private send(id: string, exchange: string, routingKey: string, more = {}): void {
    const properties = { deliveryMode: 2, messageId: id, ...more };
    this.channel.publish({ exchange, routingKey, mandatory: true }, properties, this.work.body(id));
  }
}

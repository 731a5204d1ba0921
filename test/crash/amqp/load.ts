/** What clients do to a node until it is killed. */
import type { Prng } from '../../../src/base/prng.js';
import { type AmqpChannel, AmqpClient, Closed, type Received } from '../../fuzz/amqp/client.js';
import type { NodeAddress } from '../../fuzz/amqp/stream.js';
import { promised } from '../power/violation.js';
import type { Entry, Ledger } from './ledger.js';

/** Time to live of the queue `brief`, in milliseconds. */
export const BRIEF_MS = 400;
const PRIORITIES = 5;
const WINDOW = 30;

/** Queue to its arguments. */
export const QUEUES: Readonly<Record<string, Record<string, string | number>>> = {
  work: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
  dead: {},
  urgent: { 'x-max-priority': PRIORITIES },
  brief: { 'x-message-ttl': BRIEF_MS, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'expired' },
  expired: {},
  due: {},
  left: {},
  right: {},
};
/** Queues that a message may have gone on to. */
const WORK = ['work', 'dead'];
const BRIEF = ['brief', 'expired'];

/** What a run has met, for the report. */
export interface LoadCounts {
  published: number;
  confirmed: number;
  nacked: number;
  returned: number;
  deliveries: number;
  acked: number;
  rejected: number;
  committed: number;
  rolledBack: number;
  latestMs: number;
}

/** Declares what the run uses. */
export async function declareAll(channel: AmqpChannel): Promise<void> {
  for (const [queue, table] of Object.entries(QUEUES))
    await channel.call('queue.declare', { queue, durable: true, arguments: table });
  await channel.call('exchange.declare', {
    exchange: 'later',
    type: 'x-delayed-message',
    durable: true,
    arguments: { 'x-delayed-type': 'direct' },
  });
  await channel.call('queue.bind', { queue: 'due', exchange: 'later', routingKey: 'due' });
  await channel.call('exchange.declare', { exchange: 'all', type: 'fanout', durable: true });
  for (const queue of ['work', 'urgent', 'brief']) await channel.call('queue.bind', { queue, exchange: 'all' });
}

/** One life of the node, from its start to its kill. */
export class Load {
  /** The first broken promise. */
  violation: unknown;
  private readonly address: NodeAddress;
  private readonly prng: Prng;
  private readonly ledger: Ledger;
  private readonly counts: LoadCounts;
  private readonly name: string;
  private readonly readyMs = Date.now();
  private readonly clients: AmqpClient[] = [];
  private serial = 0;
  /** From the kill on, nothing that still arrives from the dead node counts. */
  private isOver = false;

  /** `name` begins the names of this life's messages. */
  constructor(address: NodeAddress, prng: Prng, ledger: Ledger, counts: LoadCounts, name: string) {
    this.address = address;
    this.prng = prng;
    this.ledger = ledger;
    this.counts = counts;
    this.name = name;
  }

  /** Begins all work. */
  async begin(): Promise<void> {
    await Promise.all([this.publisher(), this.publisher(), this.transactions(), this.transactions()]);
    const outcomes = (): number => this.prng.nextFloat();
    await Promise.all([
      this.consumer('work', outcomes),
      this.consumer('work', outcomes),
      this.consumer('urgent', outcomes),
    ]);
    await Promise.all(['due', 'dead'].map((queue) => this.consumer(queue, () => this.prng.nextFloat() / 2)));
  }

  /** The node is about to be killed. */
  end(): void {
    this.isOver = true;
    for (const client of this.clients) client.destroy();
  }

  private async channel(): Promise<AmqpChannel> {
    const client = await AmqpClient.open(this.address, this.prng.chance(0.3) ? 'ws' : 'tcp');
    this.clients.push(client);
    client.onEnded = (error) =>
      this.guard(() => promised(false, 'node-failed', () => `A connection was ended: ${error.message}`));
    const channel = await client.channel();
    channel.onClosed = client.onEnded;
    return channel;
  }

  private guard(work: () => void): void {
    if (this.isOver) return;
    try {
      work();
    } catch (thrown) {
      this.violation ??= thrown;
    }
  }

  // ---- Publishing ----

  private async publisher(): Promise<void> {
    const channel = await this.channel();
    await channel.call('confirm.select');
    const pending = new Map<number, { entry: Entry | undefined; isReturned: boolean; id: string }>();
    let tag = 0;
    const publish = (): void => {
      while (pending.size < WINDOW && !this.isOver)
        pending.set(++tag, { isReturned: false, ...this.publishOne(channel) });
    };
    const settle = (one: number, isAck: boolean): void => {
      const found = pending.get(one);
      promised(found !== undefined, 'confirmed-twice', () => `Publish ${one} of ${tag} was answered twice`);
      pending.delete(one);
      promised(
        found!.entry !== undefined || found!.isReturned || !isAck,
        'not-returned',
        () => `"${found!.id}" was confirmed and not returned before`,
      );
      if (isAck) this.counts.confirmed++;
      else this.counts.nacked++;
      if (found!.entry !== undefined) {
        found!.entry.isConfirmed = isAck;
        found!.entry.isNacked = !isAck;
      }
    };
    channel.onUnasked = (received) =>
      this.guard(() => {
        const { name, fields, properties } = received;
        if (name === 'basic.return') {
          this.counts.returned++;
          for (const one of pending.values()) if (one.id === properties.messageId) one.isReturned = true;
          return;
        }
        const upTo = Number(fields['deliveryTag']);
        const tags = fields['multiple'] === true ? [...pending.keys()].filter((one) => one <= upTo) : [upTo];
        for (const one of tags) settle(one, name === 'basic.ack');
        setImmediate(publish);
      });
    publish();
  }

  private publishOne(channel: AmqpChannel): { entry: Entry | undefined; id: string } {
    const { prng } = this;
    const id = `${this.name}-${this.serial++}`;
    this.counts.published++;
    const send = (exchange: string, routingKey: string, more = {}): void =>
      channel.publish(
        { exchange, routingKey, mandatory: true },
        { deliveryMode: 2, messageId: id, ...more },
        Buffer.from(id),
      );
    const choice = prng.nextFloat();
    if (choice < 0.05) {
      send('', 'nobody');
      return { entry: undefined, id };
    }
    if (choice < 0.15) {
      const delay = prng.between(50, 3000);
      const entry = this.ledger.published(id, [['due']], { dueMs: Date.now() + delay });
      send('later', 'due', { headers: { 'x-delay': delay } });
      return { entry, id };
    }
    const priority = prng.below(PRIORITIES + 1);
    if (choice < 0.35) {
      const entry = this.ledger.published(id, [WORK, ['urgent'], BRIEF]);
      send('all', '', { priority });
      return { entry, id };
    }
    const [queue, group] = prng.pick([
      ['work', WORK],
      ['urgent', ['urgent']],
      ['brief', BRIEF],
    ] as const);
    const entry = this.ledger.published(id, [group]);
    send('', queue, { priority });
    return { entry, id };
  }

  private async transactions(): Promise<void> {
    const channel = await this.channel();
    await channel.call('tx.select');
    const loop = async (): Promise<void> => {
      while (!this.isOver) await this.transaction(channel);
    };
    loop().catch((error: unknown) =>
      this.guard(() => promised(false, 'node-failed', () => `A transaction failed: ${error}`)),
    );
  }

  private async transaction(channel: AmqpChannel): Promise<void> {
    const transaction = `${this.name}-t${this.serial++}`;
    const isCommitted = this.prng.chance(0.8);
    const entries: Entry[] = [];
    for (const queue of ['left', 'right', 'left']) {
      const id = `${this.name}-${this.serial++}`;
      // What is rolled back must not come at all, so nobody enters it.
      if (isCommitted) entries.push(this.ledger.published(id, [[queue]], { transaction }));
      channel.publish({ routingKey: queue }, { deliveryMode: 2, messageId: id }, Buffer.from(id));
    }
    await channel.call(isCommitted ? 'tx.commit' : 'tx.rollback');
    if (this.isOver) return;
    for (const entry of entries) entry.isConfirmed = true;
    if (isCommitted) this.counts.committed++;
    else this.counts.rolledBack++;
  }

  // ---- Consuming ----

  private async consumer(queue: string, draw: () => number): Promise<void> {
    const channel = await this.channel();
    await channel.call('basic.qos', { prefetchCount: this.prng.pick([5, 20, 100]) });
    channel.onUnasked = (received) => this.guard(() => this.delivered(channel, queue, received, draw()));
    await channel.call('basic.consume', { queue, consumerTag: queue });
  }

  /** `choice`: below 0.6 it is acknowledged, then rejected, then returned, then kept. */
  private delivered(channel: AmqpChannel, queue: string, received: Received, choice: number): void {
    const entry = this.note(queue, received);
    const deliveryTag = Number(received.fields['deliveryTag']);
    const isRejectable = queue === 'work';
    if (choice < 0.6) {
      channel.send('basic.ack', { deliveryTag });
      this.counts.acked++;
      this.ledger.acked(queue, entry.id, Date.now());
    } else if (choice < 0.8 && isRejectable) {
      this.counts.rejected++;
      channel.send('basic.nack', { deliveryTag, requeue: false });
    } else if (choice < 0.95) channel.send('basic.nack', { deliveryTag, requeue: true });
  }

  private note(queue: string, { fields, body }: Received): Entry {
    const nowMs = Date.now();
    this.counts.deliveries++;
    if (fields['redelivered'] === true) this.ledger.redelivered++;
    const known = this.ledger.entries.get(body.toString());
    const isFirst = known?.hasCome === false;
    const entry = this.ledger.came(queue, body.toString(), nowMs);
    if (entry.dueMs > 0 && isFirst)
      this.counts.latestMs = Math.max(this.counts.latestMs, nowMs - Math.max(entry.dueMs, this.readyMs));
    return entry;
  }

  /** Takes everything out of all queues and acknowledges it, until nothing has come for `quietMs`. */
  async drain(quietMs: number): Promise<void> {
    let lastMs = Date.now();
    for (const queue of Object.keys(QUEUES)) {
      const channel = await this.channel();
      await channel.call('basic.qos', { prefetchCount: 1000 });
      let lastPriority = PRIORITIES;
      let left = Number((await channel.call('queue.declare', { queue, passive: true })).fields['messageCount']);
      channel.onUnasked = (received) =>
        this.guard(() => {
          lastMs = Date.now();
          const entry = this.note(queue, received);
          const priority = Math.min(PRIORITIES, received.properties.priority ?? 0);
          // Those that waited come by priority; nothing else comes to this queue meanwhile.
          if (queue === 'urgent' && left-- > 0) {
            promised(
              priority <= lastPriority,
              'priority-order',
              () => `"${entry.id}" of priority ${priority} came after one of ${lastPriority}`,
            );
            lastPriority = priority;
          }
          channel.send('basic.ack', { deliveryTag: Number(received.fields['deliveryTag']) });
          this.ledger.acked(queue, entry.id, Date.now());
        });
      // Short-lived messages go on by themselves.
      await channel.call('basic.consume', { queue });
    }
    while (Date.now() - lastMs < quietMs && this.violation === undefined)
      await new Promise((resolve) => setTimeout(resolve, 50));
    if (this.violation !== undefined) throw this.violation;
    this.ledger.checkDrained();
    // Acknowledgements are not confirmed: what is asked behind them is answered after them.
    this.isOver = true;
    for (const client of this.clients) await client.close().catch((error: unknown) => ignoreClosed(error));
  }
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof Closed)) throw error;
}

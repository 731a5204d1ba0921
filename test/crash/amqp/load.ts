/** What clients do to a node until it dies. */
import type { Prng } from '../../../src/base/prng.js';
import { type AmqpChannel, type AmqpClient, Closed, type Received } from '../../fuzz/amqp/client.js';
import { promised } from '../power/violation.js';
import type { LoadCounts } from './counts.js';
import type { Entry, Ledger } from './ledger.js';
import { Publisher } from './publishing.js';
import type { Site } from './site.js';
import { DEATHS, PRIORITIES, QUEUES } from './topology.js';
import { TransactionClient } from './transacting.js';
import type { Work } from './work.js';

/** How often those that wait look. */
const LOOK_MS = 50;
/** Bodies are padded up to so many bytes. */
const PADDING_BYTES = 400;

/** One life of the node, from its start to its end. */
export class Load implements Work {
  readonly site: Site;
  readonly prng: Prng;
  readonly ledger: Ledger;
  readonly counts: LoadCounts;
  /** The first broken promise. */
  violation: unknown;
  isGone = false;
  isOver = false;
  isQuiet = false;
  private readonly name: string;
  private readonly readyMs: number;
  private readonly clients: AmqpClient[] = [];
  private readonly workers: (Publisher | TransactionClient)[] = [];
  private serial = 0;

  /** `name` begins the names of this life's messages. */
  constructor(site: Site, prng: Prng, ledger: Ledger, counts: LoadCounts, name: string) {
    this.site = site;
    this.prng = prng;
    this.ledger = ledger;
    this.counts = counts;
    this.name = name;
    this.readyMs = site.clock.nowMs();
  }

  /** Begins all work. */
  async begin(): Promise<void> {
    for (let count = 0; count < 2; count++) {
      this.workers.push(await Publisher.start(this), await TransactionClient.start(this));
    }
    const any = (): number => this.prng.nextFloat();
    const noneRejected = (): number => this.prng.nextFloat() / 2;
    await Promise.all([this.consumer('work', any), this.consumer('work', any)]);
    await Promise.all(['urgent', 'narrow', 'stage3'].map((queue) => this.consumer(queue, any)));
    await Promise.all(['due', 'dead'].map((queue) => this.consumer(queue, noneRejected)));
  }

  /** The node is dead: whatever still comes of it does not count. */
  end(): void {
    this.isGone = true;
    this.leave();
    for (const client of this.clients) client.destroy();
  }

  /** Nobody asks for anything any more, and the node may end connections. */
  leave(): void {
    this.isOver = true;
  }

  /** Begins nothing new, so that what is under way comes to its end. `checkQuiet` is to be called when it must have. */
  quieten(): void {
    this.isQuiet = true;
  }

  /** Whether every publish and every transaction has got its answer. */
  get isIdle(): boolean {
    return this.workers.every((worker) => worker.isIdle);
  }

  /** Every publish and every transaction has got its answer by now, and all that was acknowledged is settled. @throws Violation */
  checkQuiet(): void {
    for (const worker of this.workers) worker.checkConfirmed();
    this.ledger.settled();
  }

  async channel(): Promise<AmqpChannel> {
    const client = await this.site.connect(this.prng);
    this.clients.push(client);
    client.onEnded = (error) =>
      this.guard(() => promised(this.isOver, 'node-failed', () => `A connection was ended: ${error.message}`));
    const channel = await client.channel();
    channel.onClosed = client.onEnded;
    return channel;
  }

  guard(check: () => void): void {
    if (this.isGone) return;
    try {
      check();
    } catch (thrown) {
      this.violation ??= thrown;
    }
  }

  newName(kind: string): string {
    return `${this.name}-${kind}${this.serial++}`;
  }

  body(id: string): Buffer {
    const padding = this.prng.chance(0.2) ? this.prng.below(PADDING_BYTES) : 0;
    return Buffer.from(`${id} ${'x'.repeat(padding)}`);
  }

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
    if (this.isQuiet || this.isOver) return;
    if (choice < 0.6) {
      channel.send('basic.ack', { deliveryTag });
      this.counts.acked++;
      this.ledger.acked(queue, entry.id, this.site.clock.nowMs());
    } else if (choice < 0.8 && isRejectable) {
      this.counts.rejected++;
      if (choice < 0.7) channel.send('basic.nack', { deliveryTag, requeue: false });
      else channel.send('basic.reject', { deliveryTag, requeue: false });
    } else if (choice < 0.95) channel.send('basic.nack', { deliveryTag, requeue: true });
  }

  note(queue: string, received: Received): Entry {
    const { fields, properties } = received;
    const nowMs = this.site.clock.nowMs();
    const id = properties.messageId ?? '';
    this.counts.deliveries++;
    if (fields['redelivered'] === true) this.counts.redelivered++;
    const isFirst = this.ledger.entries.get(id)?.hasCome === false;
    const entry = this.ledger.came(queue, id, nowMs);
    promised(
      received.body.toString().trimEnd().startsWith(id),
      'unknown-message',
      () => `"${id}" came with the body "${received.body.subarray(0, 40)}"`,
    );
    this.checkDeath(queue, received);
    if (entry.dueMs > 0 && isFirst) this.counts.delayed++;
    return entry;
  }

  /** A dead letter says where it died, and why. */
  private checkDeath(queue: string, { properties }: Received): void {
    const expected = DEATHS[queue];
    if (expected === undefined) return;
    const deaths: unknown = properties.headers?.['x-death'];
    const [first]: unknown[] = Array.isArray(deaths) ? deaths : [];
    const isRight = Object.entries(expected).every(([name, value]) => Object(first)[name] === value);
    promised(isRight, 'death-header', () => `"${properties.messageId}" came from ${queue}: ${JSON.stringify(deaths)}`);
  }

  /** Takes everything out of all queues and acknowledges it, until nothing has come for `quietMs`. @throws Violation */
  async drain(quietMs: number): Promise<void> {
    const { clock, timers } = this.site;
    const last = { ms: clock.nowMs() };
    this.ledger.beginDrain();
    // Short-lived messages go on by themselves.
    for (const queue of Object.keys(QUEUES)) await this.drainQueue(queue, last);
    while (clock.nowMs() - last.ms < quietMs && this.violation === undefined)
      await new Promise<void>((resolve) => timers.setTimeout(resolve, LOOK_MS));
    if (this.violation !== undefined) throw this.violation;
    this.ledger.checkDrained();
    // Acknowledgements are not confirmed: what is asked behind them is answered after them.
    this.leave();
    for (const client of this.clients) await client.close().catch((error: unknown) => ignoreClosed(error));
  }

  private async drainQueue(queue: string, last: { ms: number }): Promise<void> {
    const channel = await this.channel();
    await channel.call('basic.qos', { prefetchCount: 1000 });
    let lastPriority = PRIORITIES;
    let left = Number((await channel.call('queue.declare', { queue, passive: true })).fields['messageCount']);
    channel.onUnasked = (received) =>
      this.guard(() => {
        last.ms = this.site.clock.nowMs();
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
        this.checkLateness(entry, last.ms);
        channel.send('basic.ack', { deliveryTag: Number(received.fields['deliveryTag']) });
        this.ledger.acked(queue, entry.id, last.ms);
      });
    await channel.call('basic.consume', { queue });
  }

  private checkLateness({ id, dueMs }: Entry, nowMs: number): void {
    if (dueMs === 0) return;
    const lateMs = nowMs - Math.max(dueMs, this.readyMs);
    this.counts.latestMs = Math.max(this.counts.latestMs, lateMs);
    promised(lateMs <= this.site.latestMs, 'too-late', () => `"${id}" came ${lateMs} ms after its time`);
  }
}

function ignoreClosed(error: unknown): void {
  if (!(error instanceof Closed)) throw error;
}

/**
 * The client that must not notice anything: in a process of its own it publishes persistent messages with confirms at a fixed rate over TCP, consumes and
 * acknowledges them over WebSocket, and checks that everything is confirmed and comes, once, and in order. Times count from when a message was due, so
 * that a client that could not send shows.
 */
import { build as buildHistogram, type Histogram } from 'hdr-histogram-js';
import { AMQP_GOOD_RATE } from '../limits.js';
import { type AmqpChannel, AmqpClient, type Received } from './client.js';
import { type GoodOrder, report, type Times } from './roles.js';
import type { NodeAddress } from './stream.js';

/** The queue that only the good client uses. */
export const GOOD_QUEUE = 'good';

const DRAIN_MS = 20_000;
const INTERVAL_MS = 1000 / AMQP_GOOD_RATE;
const BODY_BYTES = 100;

function newHistogram(): Histogram {
  return buildHistogram({ highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 });
}

class GoodClient {
  /** When each message was due; the index is in its body. */
  private readonly dueAt: number[] = [];
  private confirms = newHistogram();
  private deliveries = newHistogram();
  private publisher!: AmqpChannel;
  private consumer!: AmqpChannel;
  private confirmedTo = 0;
  private readonly early = new Set<number>();
  private delivered = 0;
  private nextDue = 0;
  private isFinishing = false;

  async run(address: NodeAddress): Promise<void> {
    const clients = await Promise.all([AmqpClient.open(address), AmqpClient.open(address, 'ws')]);
    for (const client of clients)
      client.onEnded = (error) => this.violation(`The good client was ended: ${error.message}`);
    this.publisher = await clients[0].channel();
    this.consumer = await clients[1].channel();
    await this.publisher.call('queue.declare', { queue: GOOD_QUEUE, durable: true });
    await this.publisher.call('confirm.select');
    this.publisher.onUnasked = (received) => this.confirmed(received);
    this.consumer.onUnasked = (received) => this.take(received);
    await this.consumer.call('basic.qos', { prefetchCount: 200 });
    await this.consumer.call('basic.consume', { queue: GOOD_QUEUE, consumerTag: 'good' });
    process.on('message', (order: GoodOrder) => {
      if (order === 'slice') this.endSlice();
      else void this.finish();
    });
    this.nextDue = performance.now();
    this.publishDue();
    report({ kind: 'ready' });
  }

  private violation(text: string): void {
    report({ kind: 'violation', text });
  }

  private endSlice(): void {
    const ms = (histogram: Histogram, percentile: number): number => histogram.getValueAtPercentile(percentile) / 1000;
    const { confirms, deliveries } = this;
    const times: Times = {
      confirmP50: ms(confirms, 50),
      confirmP99: ms(confirms, 99),
      deliverP50: ms(deliveries, 50),
      deliverP99: ms(deliveries, 99),
      confirmed: confirms.totalCount,
    };
    this.confirms = newHistogram();
    this.deliveries = newHistogram();
    report({ kind: 'slice', times });
  }

  private publishDue(): void {
    if (this.isFinishing) return;
    const now = performance.now();
    for (; this.nextDue <= now; this.nextDue += INTERVAL_MS) this.publish(this.nextDue);
    setTimeout(() => this.publishDue(), this.nextDue - performance.now());
  }

  private publish(due: number): void {
    const body = Buffer.alloc(BODY_BYTES);
    body.writeUInt32BE(this.dueAt.length);
    this.dueAt.push(due);
    this.publisher.publish({ routingKey: GOOD_QUEUE, mandatory: true }, { deliveryMode: 2 }, body);
  }

  private confirmed({ name, fields }: Received): void {
    if (name !== 'basic.ack') return this.violation(`A good publish was answered with ${name}`);
    const tag = Number(fields['deliveryTag']);
    for (let one = fields['multiple'] ? this.confirmedTo + 1 : tag; one <= tag; one++) {
      if (one <= this.confirmedTo || this.early.has(one) || one > this.dueAt.length) {
        if (fields['multiple'] !== true) this.violation(`Good publish ${one} was confirmed twice, or never made`);
        continue;
      }
      this.early.add(one);
      this.note(this.confirms, one - 1);
    }
    while (this.early.delete(this.confirmedTo + 1)) this.confirmedTo++;
  }

  private note(histogram: Histogram, index: number): void {
    histogram.recordValue(Math.max(1, Math.round((performance.now() - (this.dueAt[index] ?? 0)) * 1000)));
  }

  private take({ name, fields, body }: Received): void {
    if (name !== 'basic.deliver') return this.violation(`The good consumer got ${name}`);
    const index = body.length === BODY_BYTES ? body.readUInt32BE() : -1;
    if (index !== this.delivered || fields['redelivered'] === true)
      this.violation(`Good message ${this.delivered} was due, ${index} came, redelivered ${fields['redelivered']}`);
    this.delivered = index + 1;
    this.note(this.deliveries, index);
    this.consumer.send('basic.ack', { deliveryTag: Number(fields['deliveryTag']) });
  }

  private async finish(): Promise<void> {
    this.isFinishing = true;
    const deadline = performance.now() + DRAIN_MS;
    const published = this.dueAt.length;
    const isComplete = (): boolean => this.confirmedTo === published && this.delivered === published;
    while (!isComplete() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!isComplete())
      this.violation(
        `Of ${published} good messages ${this.confirmedTo} were confirmed and ${this.delivered} delivered`,
      );
    // Acknowledgements are not confirmed: what is asked on the channel behind them is.
    await this.consumer.call('basic.qos', { prefetchCount: 1 });
    report({ kind: 'done', published });
  }
}

/** Runs the good client in this process until it is ended. */
export async function runGoodClient(address: NodeAddress): Promise<void> {
  process.once('disconnect', () => process.exit(1));
  await new GoodClient().run(address);
}

/**
 * The client that must not notice anything: in a thread of its own it publishes persistent messages with confirms at a fixed rate, consumes them, and
 * checks that everything is confirmed and comes, once, and in order.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { build as buildHistogram, type Histogram } from 'hdr-histogram-js';
import { GOOD_RATE } from '../limits.js';
import { type AmqpChannel, AmqpClient, type Received } from './client.js';
import type { NodeAddress } from './stream.js';

/** The queue that only the good client uses. */
export const GOOD_QUEUE = 'good';

/** Times of one phase, in milliseconds. */
export interface Times {
  readonly confirmP50: number;
  readonly confirmP99: number;
  readonly deliverP50: number;
  readonly deliverP99: number;
}

/** What the good client reports. */
export type GoodReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'violation'; readonly text: string }
  | { readonly kind: 'phase'; readonly times: Times }
  | { readonly kind: 'done'; readonly published: number };

/** What it is told. */
export type GoodOrder = 'phase' | 'finish';

const DRAIN_MS = 20_000;

function newHistogram(): Histogram {
  return buildHistogram({ highestTrackableValue: 120_000_000, numberOfSignificantValueDigits: 3 });
}

class GoodClient {
  private readonly port: MessagePort;
  private readonly sentAt: number[] = [];
  private confirms = newHistogram();
  private deliveries = newHistogram();
  private publisher!: AmqpChannel;
  private consumer!: AmqpChannel;
  private confirmedTo = 0;
  private readonly early = new Set<number>();
  private delivered = 0;

  constructor(port: MessagePort) {
    this.port = port;
  }

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
    const timer = setInterval(() => this.publish(), 1000 / GOOD_RATE);
    this.port.on('message', (order: GoodOrder) => {
      if (order === 'phase') return this.endPhase();
      clearInterval(timer);
      void this.finish();
    });
    this.port.postMessage({ kind: 'ready' });
  }

  private violation(text: string): void {
    this.port.postMessage({ kind: 'violation', text });
  }

  private endPhase(): void {
    const ms = (histogram: Histogram, percentile: number): number => histogram.getValueAtPercentile(percentile) / 1000;
    const { confirms, deliveries } = this;
    const times: Times = {
      confirmP50: ms(confirms, 50),
      confirmP99: ms(confirms, 99),
      deliverP50: ms(deliveries, 50),
      deliverP99: ms(deliveries, 99),
    };
    this.confirms = newHistogram();
    this.deliveries = newHistogram();
    this.port.postMessage({ kind: 'phase', times });
  }

  private publish(): void {
    const body = Buffer.alloc(100);
    body.writeUInt32BE(this.sentAt.length);
    this.sentAt.push(performance.now());
    this.publisher.publish({ routingKey: GOOD_QUEUE, mandatory: true }, { deliveryMode: 2 }, body);
  }

  private confirmed({ name, fields }: Received): void {
    if (name !== 'basic.ack') return this.violation(`A good publish was answered with ${name}`);
    const tag = Number(fields['deliveryTag']);
    for (let one = fields['multiple'] ? this.confirmedTo + 1 : tag; one <= tag; one++) {
      if (one <= this.confirmedTo || this.early.has(one) || one > this.sentAt.length) {
        if (fields['multiple'] !== true) this.violation(`Good publish ${one} was confirmed twice, or never made`);
        continue;
      }
      this.early.add(one);
      this.note(this.confirms, one - 1);
    }
    while (this.early.delete(this.confirmedTo + 1)) this.confirmedTo++;
  }

  private note(histogram: Histogram, index: number): void {
    histogram.recordValue(Math.max(1, Math.round((performance.now() - (this.sentAt[index] ?? 0)) * 1000)));
  }

  private take({ name, fields, body }: Received): void {
    if (name !== 'basic.deliver') return this.violation(`The good consumer got ${name}`);
    const index = body.length === 100 ? body.readUInt32BE() : -1;
    if (index !== this.delivered || fields['redelivered'] === true)
      this.violation(`Good message ${this.delivered} was due, ${index} came, redelivered ${fields['redelivered']}`);
    this.delivered = index + 1;
    this.note(this.deliveries, index);
    this.consumer.send('basic.ack', { deliveryTag: Number(fields['deliveryTag']) });
  }

  private async finish(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    const published = this.sentAt.length;
    const isComplete = (): boolean => this.confirmedTo === published && this.delivered === published;
    while (!isComplete() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!isComplete())
      this.violation(
        `Of ${published} good messages ${this.confirmedTo} were confirmed and ${this.delivered} delivered`,
      );
    // Acknowledgements are not confirmed: what is asked on the channel behind them is.
    await this.consumer.call('basic.qos', { prefetchCount: 1 });
    this.port.postMessage({ kind: 'done', published });
  }
}

/** Runs the good client in this worker thread. */
export async function runGoodClient(): Promise<void> {
  if (parentPort === null) throw new Error('The good client runs in a worker thread');
  await new GoodClient(parentPort).run(workerData.address);
}

/**
 * The client that must not notice anything: in a thread of its own it publishes to a topic and a queue at a fixed rate, reads both by push, and
 * checks that everything comes, once, and in order.
 */
import { type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { build as buildHistogram, type Histogram } from 'hdr-histogram-js';
import { GOOD_RATE } from './limits.js';
import { WireClient, type WireFrame } from './wire-client.js';

/** The topic that only the good client uses. */
export const GOOD_TOPIC = 'good-topic';
/** The queue that only the good client uses. */
export const GOOD_QUEUE = 'good-queue';
/** The topic that nobody writes to. */
export const SILENT_TOPIC = 'silent-topic';

/** What the good client reports. */
export type GoodReport =
  | { readonly kind: 'ready' }
  | { readonly kind: 'violation'; readonly text: string }
  | { readonly kind: 'done'; readonly published: number; readonly confirmMs: string; readonly deliverMs: string };

const TICK_MS = 1000 / GOOD_RATE;
const PARTITIONS = 2;
/** How long the rest may take to arrive at the end. */
const DRAIN_MS = 20_000;

/** p50, p99 and maximum of a histogram of microseconds, in milliseconds. */
function spell(histogram: Histogram): string {
  const [p50, p99, most] = [histogram.getValueAtPercentile(50), histogram.getValueAtPercentile(99), histogram.maxValue];
  return `p50 ${(p50 / 1000).toFixed(1)}  p99 ${(p99 / 1000).toFixed(1)}  max ${(most / 1000).toFixed(1)} ms`;
}

class GoodClient {
  private readonly port: MessagePort;
  private readonly url: string;
  private readonly confirmTimes = buildHistogram({
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });
  private readonly deliverTimes = buildHistogram({
    highestTrackableValue: 120_000_000,
    numberOfSignificantValueDigits: 3,
  });
  private publisher!: WireClient;
  private reader!: WireClient;
  private worker!: WireClient;
  private published = 0;
  private confirmed = 0;
  private readonly expected = { topic: [0, 1], queue: 0 };
  private delivered = { topic: 0, queue: 0 };
  private settled = 0;

  constructor(port: MessagePort, url: string) {
    this.port = port;
    this.url = url;
  }

  async run(): Promise<void> {
    [this.publisher, this.reader, this.worker] = await Promise.all([this.open(), this.open(), this.open()]);
    await this.publisher.ask({ declare: { topic: { name: GOOD_TOPIC, partitions: PARTITIONS } } });
    await this.publisher.ask({ declare: { queue: { name: GOOD_QUEUE } } });
    await this.publisher.ask({ declare: { topic: { name: SILENT_TOPIC, partitions: 2 } } });
    this.reader.onFrame = (frame) => this.takeTopic(frame);
    this.worker.onFrame = (frame) => this.takeQueue(frame);
    await this.reader.ask({
      subscribe: {
        subscription: 1,
        from: GOOD_TOPIC,
        topic: { credit: 60_000, start: { beginning: true }, decoded: true },
      },
    });
    await this.worker.ask({ subscribe: { subscription: 1, from: GOOD_QUEUE, queue: { credit: 200 } } });
    this.port.postMessage({ kind: 'ready' });
    const timer = setInterval(() => this.publishPair(), TICK_MS);
    this.port.once('message', () => {
      clearInterval(timer);
      void this.finish();
    });
  }

  private async open(): Promise<WireClient> {
    const client = await WireClient.open(this.url);
    void client.closed.then(({ code, reason }) => this.violation(`The good client was closed with ${code} ${reason}`));
    return client;
  }

  private violation(text: string): void {
    this.port.postMessage({ kind: 'violation', text });
  }

  private publishPair(): void {
    const sequence = this.published++;
    const sentUs = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000));
    const value = Buffer.alloc(16);
    value.writeBigUInt64BE(BigInt(sequence), 0);
    value.writeBigUInt64BE(sentUs, 8);
    const targets = [{ to: GOOD_TOPIC, partition: sequence % PARTITIONS }, { to: GOOD_QUEUE }];
    for (const target of targets) {
      const started = performance.now();
      void this.publisher.request({ publish: { ...target, messages: [{ value }] } }).then((answer) => {
        if (answer.error) this.violation(`A good publish failed: ${answer.error.message}`);
        this.confirmed++;
        this.confirmTimes.recordValue(Math.max(1, Math.round((performance.now() - started) * 1000)));
      });
    }
  }

  private note(value: Uint8Array | null | undefined, wanted: number, where: string): void {
    const bytes = Buffer.from(value ?? new Uint8Array(0));
    if (bytes.length !== 16) return this.violation(`${where} holds a message that the good client never sent`);
    const sequence = Number(bytes.readBigUInt64BE(0));
    if (sequence !== wanted) this.violation(`${where}: message ${wanted} was due, ${sequence} came`);
    const nowUs = Math.round((performance.timeOrigin + performance.now()) * 1000);
    this.deliverTimes.recordValue(Math.max(1, nowUs - Number(bytes.readBigUInt64BE(8))));
  }

  private takeTopic(frame: WireFrame): void {
    if (frame.subscriptionClosed)
      this.violation(`The topic subscription ended: ${frame.subscriptionClosed.reason?.message}`);
    for (const records of frame.deliver?.records ?? []) {
      const partition = records.partition ?? 0;
      for (const { message } of records.messages ?? []) {
        this.note(message?.value, this.expected.topic[partition] ?? -1, `Partition ${partition}`);
        this.expected.topic[partition]! += PARTITIONS;
        this.delivered.topic++;
        if (this.delivered.topic % 1000 === 0) this.reader.send({ credit: { subscription: 1, add: 1000 } });
      }
    }
  }

  private takeQueue(frame: WireFrame): void {
    if (frame.subscriptionClosed)
      this.violation(`The queue subscription ended: ${frame.subscriptionClosed.reason?.message}`);
    const deliveries = frame.deliver?.deliveries ?? [];
    for (const delivery of deliveries) {
      if (delivery.redelivered) this.violation(`Message ${this.expected.queue} of the queue came as redelivered`);
      this.note(delivery.message?.value, this.expected.queue++, 'The queue');
      this.delivered.queue++;
    }
    const upToTag = deliveries.at(-1)?.tag;
    if (!upToTag) return;
    void this.worker.request({ settle: { subscription: 1, upToTag } }).then((answer) => {
      if (answer.error) this.violation(`A good settlement failed: ${answer.error.message}`);
      this.settled += deliveries.length;
    });
  }

  private async finish(): Promise<void> {
    const deadline = performance.now() + DRAIN_MS;
    const isComplete = (): boolean =>
      this.confirmed === 2 * this.published &&
      this.delivered.topic === this.published &&
      this.settled === this.published;
    while (!isComplete() && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    if (!isComplete()) {
      const { topic, queue } = this.delivered;
      this.violation(
        `Of ${this.published} good messages ${this.confirmed} of twice as many were confirmed, ${topic} came from the topic, ` +
          `${queue} from the queue, ${this.settled} were settled`,
      );
    }
    this.port.postMessage({
      kind: 'done',
      published: this.published,
      confirmMs: spell(this.confirmTimes),
      deliverMs: spell(this.deliverTimes),
    });
  }
}

/** Runs the good client in this worker thread. */
export async function runGoodClient(): Promise<void> {
  if (parentPort === null) throw new Error('The good client runs in a worker thread');
  await new GoodClient(parentPort, workerData.url).run();
}

/** Queues with rules in a world of one shard, whose time a test moves, and somebody who publishes to them and takes from them. */
import { copyOf } from '../../base/copy.js';
import { encodeUtf8 } from '../../base/utf8.js';
import { type Envelope, readEnvelope } from '../../record/amqp/envelope.js';
import { encodeTable, type FieldValue } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties } from '../../record/amqp/properties.js';
import type { BrokerError } from '../errors.js';
import { BrokerWorld } from '../fixtures/broker-world.js';
import { DEFAULT_QUEUE_POLICY, DEFAULT_VHOST, type QueuePolicy } from '../model.js';
import type {
  ConsumeOptions,
  ConsumerHandle,
  PollHandle,
  PublishListener,
  QueueConsumer,
  RecordView,
  TopicEntry,
} from '../ports.js';
import { PushReader } from '../push-reader.js';
import { attachQueueEngine } from './attach.js';
import type { QueueEngine } from './queue-engine.js';

/** A delivery as a test looks at it. */
export interface Taken {
  readonly body: string;
  readonly offset: number;
  readonly redelivered: boolean;
  readonly deliveryCount: number;
  readonly envelope: Envelope | undefined;
}

/** Somebody who consumes. */
export class Taker implements QueueConsumer {
  readonly taken: Taken[] = [];
  readonly closes: BrokerError[] = [];
  readonly active: boolean[] = [];
  handle: ConsumerHandle | undefined;

  get bodies(): string[] {
    return this.taken.map(({ body }) => body);
  }

  deliver(_partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    const body = new TextDecoder().decode(record.value ?? new Uint8Array(0));
    const envelope = readEnvelope(copyOf(record.headers));
    this.taken.push({ body, offset: record.offset, redelivered, deliveryCount, envelope });
  }

  flush(): void {}

  activeChanged(active: boolean): void {
    this.active.push(active);
  }

  closed(error: BrokerError): void {
    this.closes.push(error);
  }
}

/** Arguments of a queue: numbers become integers, texts long strings. */
export function queueArguments(values: Readonly<Record<string, number | string | boolean>>): Uint8Array {
  const table = new Map<string, FieldValue>();
  for (const [name, value] of Object.entries(values)) {
    if (typeof value === 'number') table.set(name, { type: 'int64', value: BigInt(value) });
    else if (typeof value === 'boolean') table.set(name, { type: 'boolean', value });
    else table.set(name, { type: 'longstr', value: encodeUtf8(value) });
  }
  return encodeTable(table);
}

/** See the top of this file. */
export class QueueWorld implements PublishListener {
  readonly world: BrokerWorld;
  readonly confirms: number[] = [];
  readonly failures: { token: number; error: BrokerError }[] = [];
  /** Hears which queue is to be deleted. */
  onDelete: (topicId: number) => void = () => undefined;
  private readonly polls = new Map<string, { handle: PollHandle; taker: Taker }>();

  private constructor(world: BrokerWorld) {
    this.world = world;
  }

  static async start(): Promise<QueueWorld> {
    const world = new QueueWorld(await BrokerWorld.start(1));
    world.world.onDelete = (topicId) => world.onDelete(topicId);
    return world;
  }

  get broker(): BrokerWorld['shards'][number]['broker'] {
    return this.world.shards[0]!.broker;
  }

  declare(
    name: string,
    args: Readonly<Record<string, number | string | boolean>> = {},
    autoDelete = false,
  ): Promise<TopicEntry> {
    const queue = { durable: true, autoDelete, exclusiveOwner: '', arguments: queueArguments(args) };
    return this.world.declare(name, 1, { queue });
  }

  engine(queue: TopicEntry): QueueEngine {
    // Every queue that QueueWorld declares was given one.
    return this.broker.owner.get(queue.partitions[0]!.logId)?.policies as QueueEngine;
  }

  /** Gives a queue with messages in it other rules, as a start does with what it finds. */
  restart(queue: TopicEntry, changes: Partial<QueuePolicy>): QueueEngine {
    const { owner, rules } = this.broker;
    const { logId, slot } = queue.partitions[0]!;
    return attachQueueEngine({
      partition: owner.require(logId),
      owner,
      aside: new PushReader(this.world.files(), logId, slot),
      identity: { vhost: DEFAULT_VHOST, queue: queue.name, partition: 0 },
      policy: { ...DEFAULT_QUEUE_POLICY, ...changes },
      autoDelete: false,
      parts: rules.parts,
      deleteQueue: () => Promise.resolve(),
    });
  }

  ready(queue: TopicEntry): number {
    return this.broker.owner.get(queue.partitions[0]!.logId)?.cursor?.ready ?? -1;
  }

  unacknowledged(queue: TopicEntry): number {
    return this.broker.owner.get(queue.partitions[0]!.logId)?.cursor?.unacknowledged ?? -1;
  }

  /** Publishes to the default exchange, and lets everything run. */
  async publish(queue: TopicEntry, body: string, properties: BasicProperties = {}): Promise<void> {
    this.send(queue, body, properties);
    await this.world.rest();
  }

  send(queue: TopicEntry, body: string, properties: BasicProperties = {}): void {
    const message = {
      exchange: '',
      routingKey: queue.name,
      properties: encodeProperties({ deliveryMode: 2, ...properties }),
      body: encodeUtf8(body),
      persistent: true,
    };
    this.broker.publishRouted(DEFAULT_VHOST, message, this.confirms.length, this);
  }

  published(token: number): void {
    this.confirms.push(token);
  }

  publishFailed(token: number, error: BrokerError): void {
    this.failures.push({ token, error });
  }

  async consume(queue: TopicEntry, options: Partial<ConsumeOptions> = {}): Promise<Taker> {
    const taker = new Taker();
    taker.handle = this.broker.consume(queue, { automaticAck: false, credit: 100, ...options }, taker);
    await this.world.rest();
    return taker;
  }

  /** Takes everything that waits, one by one, and acknowledges it. */
  async drain(queue: TopicEntry): Promise<Taken[]> {
    const got: Taken[] = [];
    for (let one = await this.get(queue); one !== undefined; one = await this.get(queue)) got.push(one);
    return got;
  }

  async get(queue: TopicEntry, automaticAck = true): Promise<Taken | undefined> {
    const poll = this.poll(queue);
    const before = poll.taker.taken.length;
    let isAnswered = false;
    poll.handle.get(automaticAck, () => {
      isAnswered = true;
    });
    for (let round = 0; round < 100 && !isAnswered; round++) await this.world.rest();
    if (!isAnswered) throw new Error('A get was not answered');
    return poll.taker.taken[before];
  }

  poll(queue: TopicEntry): { handle: PollHandle; taker: Taker } {
    let poll = this.polls.get(queue.name);
    if (poll === undefined) {
      const taker = new Taker();
      poll = { taker, handle: this.broker.poll(queue, '', taker) };
      this.polls.set(queue.name, poll);
    }
    return poll;
  }

  /** Moves time, and lets everything run. */
  async wait(ms: number): Promise<void> {
    this.world.clock.advance(ms);
    await this.world.rest();
  }
}

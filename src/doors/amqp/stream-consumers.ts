/**
 * Consumers that read by offset: of streams, of topics, and of queues whose messages they leave alone. Each has a reader of its own; acknowledging a
 * message makes room for another and changes nothing else.
 */
import { encodeUtf8 } from '../../base/utf8.js';
import { BrokerError } from '../../broker/errors.js';
import type {
  BatchFollower,
  Broker,
  ConsumerHandle,
  FetchedBatches,
  FollowHandle,
  PartitionPosition,
  TopicEntry,
} from '../../broker/ports.js';
import { decodeTable, encodeTable, type FieldValue } from '../../record/amqp/field-table.js';
import { headersOf, replaceHeaders } from '../../record/amqp/properties.js';
import type { ConsumeCommand } from './commands.js';
import { AmqpError, asAmqpError, resourceText } from './errors.js';
import { writeContent, writeDeliver } from './frame-writer.js';
import type { AmqpConsumerFacts } from './inspection.js';
import { messageOf } from './messages.js';
import { Method } from './methods.js';
import type { ChannelScope } from './scope.js';
import type { DeliverySource } from './settlements.js';
import { StreamChunk } from './stream-chunk.js';
import {
  checkStreamConsumer,
  passesFilter,
  type StreamFilter,
  startPositions,
  streamFilter,
  streamStart,
} from './stream-terms.js';

const OFFSET_HEADER = 'x-stream-offset';
const PARTITION_HEADER = 'x-stream-partition';

/** Settling is noted by the source itself. */
const NO_HANDLE: ConsumerHandle = { setPrefetch: () => {}, addCredit: () => {}, settle: () => {}, cancel: () => {} };

interface StreamSetting {
  readonly tag: string;
  readonly queue: TopicEntry;
  /** Deliveries that may be unsettled at once. */
  readonly prefetch: number;
  readonly filter: StreamFilter | undefined;
  /** Partitions that begin with their last batch, and where they ended when the consumer came. */
  readonly lastEnds: Map<number, number>;
}

/** One consumer that reads by offset. */
class StreamConsumer implements BatchFollower {
  readonly setting: StreamSetting;
  readonly source: DeliverySource;
  handle: FollowHandle | undefined;
  private readonly owner: StreamConsumers;
  private readonly scope: ChannelScope;
  private readonly tagBytes: Uint8Array;
  /** What was read and is not delivered, for want of room. */
  private readonly chunk = new StreamChunk();
  private isPaused = false;

  constructor(owner: StreamConsumers, scope: ChannelScope, setting: StreamSetting) {
    this.owner = owner;
    this.scope = scope;
    this.setting = setting;
    const text = encodeUtf8(setting.tag);
    this.tagBytes = new Uint8Array([text.length, ...text]);
    this.source = scope.settlements.open(NO_HANDLE, 'stream');
    this.source.onSettled = () => this.wake();
  }

  /** Where reading begins; what the first batches hold of earlier messages is passed over. */
  startAt(positions: readonly PartitionPosition[]): void {
    for (const { partition, offset } of positions) this.chunk.startAt(partition, offset);
  }

  batches(fetched: FetchedBatches): boolean {
    if (fetched.error !== undefined) {
      this.owner.ended(this, fetched.error);
      return true;
    }
    this.chunk.open(fetched);
    const { lastEnds } = this.setting;
    const end = lastEnds.get(fetched.partition);
    if (end !== undefined) this.chunk.skipToLastBatch(end);
    lastEnds.delete(fetched.partition);
    if (!this.deliverChunk()) this.chunk.keep();
    this.isPaused = !this.hasRoom();
    return !this.isPaused;
  }

  private hasRoom(): boolean {
    return this.source.unsettled < this.setting.prefetch && !this.scope.outbox.isClogged;
  }

  /** Delivers what is left of the chunk, as far as there is room. Returns whether nothing is left. */
  private deliverChunk(): boolean {
    const { chunk } = this;
    try {
      while (this.hasRoom()) {
        if (!chunk.next()) return true;
        this.deliver();
      }
      return false;
    } catch (thrown) {
      if (!(thrown instanceof BrokerError)) throw thrown;
      this.owner.ended(this, thrown);
      return true;
    }
  }

  private deliver(): void {
    const { scope, setting, chunk } = this;
    const { record, partition } = chunk;
    const message = messageOf(record, setting.queue.name);
    const headers = headersOf(message.properties);
    const table = new Map(headers === undefined ? [] : decodeTable(headers));
    if (!passesFilter(setting.filter, table)) return;
    const properties = replaceHeaders(message.properties, this.placed(table, partition, record.offset));
    const tag = scope.takeTag();
    const writer = scope.outbox.open();
    writeDeliver(writer, scope.id, this.tagBytes, tag, false, message.exchange, message.routingKey);
    writeContent(writer, scope.id, properties, message.body, scope.session.frameMaxBytes);
    scope.context.counters.deliveries++;
    scope.figures.delivered++;
    scope.settlements.add(tag, this.source, partition, record.offset);
  }

  private placed(table: Map<string, FieldValue>, partition: number, offset: number): Uint8Array {
    table.set(OFFSET_HEADER, { type: 'int64', value: BigInt(offset) });
    if (this.setting.queue.partitions.length > 1) table.set(PARTITION_HEADER, { type: 'int32', value: partition });
    return encodeTable(table);
  }

  /** There may be room again. */
  wake(): void {
    if (!this.isPaused || !this.hasRoom()) return;
    if (!this.deliverChunk() || !this.hasRoom()) return;
    this.isPaused = false;
    this.handle?.resume();
  }

  closed(error: BrokerError): void {
    this.owner.ended(this, error);
  }
}

/** The consumers of one channel that read by offset. */
export class StreamConsumers {
  private readonly scope: ChannelScope;
  /** Tells the client that its consumer has ended. */
  private readonly notify: (tag: string) => void;
  private readonly byTag = new Map<string, StreamConsumer>();

  constructor(scope: ChannelScope, notify: (tag: string) => void) {
    this.scope = scope;
    this.notify = notify;
  }

  /** Number of consumers. */
  get size(): number {
    return this.byTag.size;
  }

  /** What operators are told. */
  describe(): AmqpConsumerFacts[] {
    return Array.from(this.byTag.values(), ({ setting: { tag, queue, prefetch } }) => {
      return { tag, queue: queue.name, isAcknowledging: true, isExclusive: false, prefetch, priority: 0 };
    });
  }

  has(tag: string): boolean {
    return this.byTag.has(tag);
  }

  /** basic.consume. `limits` are those of basic.qos; `opened` writes the answer. @throws AmqpError. */
  consume(
    queue: TopicEntry,
    command: ConsumeCommand,
    tag: string,
    limits: { readonly consumer: number; readonly channel: number },
    opened: () => void,
  ): void {
    const { scope } = this;
    checkStreamConsumer(queue, scope.session.vhost, command.noAck, limits);
    const { broker, clock } = scope.context.ports;
    const start = streamStart(command.table, clock.nowMs());
    const setting = {
      tag,
      queue,
      prefetch: limits.consumer,
      filter: streamFilter(command.table),
      lastEnds: new Map(start.at === 'last' ? endsOf(broker, queue) : []),
    };
    const consumer = new StreamConsumer(this, scope, setting);
    try {
      const positions = startPositions(broker, queue, start);
      consumer.startAt(positions);
      consumer.handle = broker.follow(queue, positions, consumer);
    } catch (thrown) {
      scope.settlements.end(consumer.source);
      throw refusal(thrown, queue, scope.session.vhost);
    }
    this.byTag.set(tag, consumer);
    scope.context.counters.consumers++;
    // The first batch comes at the end of the turn at the earliest.
    opened();
  }

  /** basic.cancel. Returns false when the tag is none of these. */
  cancel(tag: string): boolean {
    const consumer = this.byTag.get(tag);
    if (consumer === undefined) return false;
    this.forget(consumer);
    this.scope.settlements.end(consumer.source);
    return true;
  }

  private forget(consumer: StreamConsumer): void {
    consumer.handle?.cancel();
    if (this.byTag.get(consumer.setting.tag) !== consumer) return;
    this.byTag.delete(consumer.setting.tag);
    this.scope.context.counters.consumers--;
  }

  /** A topic was deleted, or cannot be read. */
  ended(consumer: StreamConsumer, _error: BrokerError): void {
    if (this.byTag.get(consumer.setting.tag) !== consumer) return;
    this.cancel(consumer.setting.tag);
    if (this.scope.isOpen && this.scope.session.cancelNotify) this.notify(consumer.setting.tag);
  }

  /** The peer has read everything. */
  wakeAll(): void {
    for (const consumer of this.byTag.values()) consumer.wake();
  }

  /** The channel ends. */
  close(): void {
    for (const consumer of [...this.byTag.values()]) this.forget(consumer);
  }
}

function endsOf(broker: Broker, queue: TopicEntry): [partition: number, end: number][] {
  return queue.partitions.map(({ partition }) => [partition, broker.bounds(queue, partition).end]);
}

/** What lies in memory alone cannot be read by offset: that ends the channel, not the connection. */
function refusal(thrown: unknown, queue: TopicEntry, vhost: string): AmqpError {
  const method = Method.basicConsume;
  if (!(thrown instanceof BrokerError) || thrown.code !== 'unsupported') return asAmqpError(thrown, method);
  const subject = resourceText('queue', queue.name, vhost);
  return new AmqpError('precondition-failed', `${subject} is not durable: it cannot be read by offset`, method, thrown);
}

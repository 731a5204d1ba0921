import { encodeUtf8 } from '../../base/utf8.js';
import { erlangType } from '../../broker/catalog/sentences.js';
import type { BrokerError } from '../../broker/errors.js';
import type { ConsumerHandle, QueueConsumer, RecordView, TopicEntry } from '../../broker/ports.js';
import { SettleOutcome } from '../../broker/ports.js';
import type { TimerHandle } from '../../io/ports.js';
import { EnvelopeCursor } from '../../record/amqp/envelope.js';
import { type FieldTable, integerOf } from '../../record/amqp/field-table.js';
import type { ConsumeCommand } from './commands.js';
import { CreditSlice, nextPrefetch } from './credit.js';
import { AmqpError, asAmqpError, resourceText } from './errors.js';
import {
  beginMethod,
  endFrame,
  writeContent,
  writeContentFrom,
  writeDeliver,
  writeDeliverFrom,
  writeShort,
} from './frame-writer.js';
import type { AmqpConsumerFacts } from './inspection.js';
import { MAX_SHORT_STRING_BYTES, PREFETCH_DEAL_MS } from './limits.js';
import { isQuorum, messageOf, withDeliveryCount } from './messages.js';
import { Method } from './methods.js';
import { type ChannelScope, channelName } from './scope.js';
import type { DeliverySource } from './settlements.js';
import { StreamConsumers } from './stream-consumers.js';
import { readsByOffset } from './stream-terms.js';

const EMPTY = new Uint8Array(0);
const envelope = new EnvelopeCursor();

/** Holds the place of a handle until the broker has given one. */
const NO_HANDLE: ConsumerHandle = { setPrefetch: () => {}, addCredit: () => {}, settle: () => {}, cancel: () => {} };

type State = 'opening' | 'open' | 'cancelled' | 'gone';

/** One consumer of a channel. */
class Consumer implements QueueConsumer {
  readonly tag: string;
  readonly noAck: boolean;
  /** Deliveries that may be unsettled at once; 0 = without limit. */
  readonly prefetch: number;
  readonly queue: TopicEntry;
  readonly source: DeliverySource;
  readonly slice = new CreditSlice();
  handle: ConsumerHandle = NO_HANDLE;
  /** Deliveries that the broker may hand over: unsettled at once, or with automatic acknowledgement still to come. */
  granted = 0;
  state: State = 'opening';
  private readonly owner: Consumers;
  private readonly scope: ChannelScope;
  private readonly tagBytes: Uint8Array;
  private readonly countsDeliveries: boolean;
  private readonly setting: ConsumerSetting;
  private readonly opened: () => void;

  constructor(owner: Consumers, scope: ChannelScope, queue: TopicEntry, setting: ConsumerSetting, opened: () => void) {
    this.owner = owner;
    this.scope = scope;
    this.queue = queue;
    this.tag = setting.tag;
    this.noAck = setting.noAck;
    this.prefetch = setting.prefetch;
    this.countsDeliveries = setting.countsDeliveries;
    this.setting = setting;
    this.opened = opened;
    const text = encodeUtf8(setting.tag);
    this.tagBytes = new Uint8Array(1 + text.length);
    this.tagBytes[0] = text.length;
    this.tagBytes.set(text, 1);
    this.source = scope.settlements.open(NO_HANDLE);
    this.source.onSettled = () => this.owner.balance(this);
  }

  /** What operators are told. */
  describe(): AmqpConsumerFacts {
    const { tag, noAck, prefetch } = this;
    const { exclusive: isExclusive, priority } = this.setting;
    return { tag, queue: this.queue.name, isAcknowledging: !noAck, isExclusive, prefetch, priority };
  }

  attach(handle: ConsumerHandle): void {
    this.handle = handle;
    this.source.handle = handle;
  }

  /** The first of `opened` and a delivery tells the client: with owners on several shards either may come first. */
  confirmOpen(): void {
    if (this.state !== 'opening') return;
    this.state = 'open';
    this.opened();
  }

  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    this.confirmOpen();
    if (this.state !== 'open') {
      // It was under way when the consumer was cancelled.
      if (!this.noAck) this.handle.settle(partition, [record.offset], SettleOutcome.requeue);
      return;
    }
    const { scope } = this;
    const tag = scope.takeTag();
    const isCounted = this.countsDeliveries && deliveryCount > 0;
    if (isCounted || !this.writeInPlace(record, tag, redelivered)) {
      this.writeDecoded(record, tag, redelivered, isCounted ? deliveryCount : 0);
    }
    const { figures, settlements } = scope;
    const { counters } = scope.context;
    counters.deliveries++;
    figures.delivered++;
    if (redelivered) {
      counters.redelivered++;
      figures.redelivered++;
    }
    if (this.noAck) {
      counters.automaticDeliveries++;
      this.granted--;
    } else settlements.add(tag, this.source, partition, record.offset);
  }

  /** Nearly all messages came through this door: their names and properties are copied as they lie there. False: this one is not like that. */
  private writeInPlace(record: RecordView, tag: number, redelivered: boolean): boolean {
    if (!envelope.open(record.headers)) return false;
    if (envelope.exchangeEnd - envelope.exchangeStart > MAX_SHORT_STRING_BYTES) return false;
    if (envelope.routingKeyEnd - envelope.routingKeyStart > MAX_SHORT_STRING_BYTES) return false;
    const { scope } = this;
    const { bytes, propertiesStart, propertiesEnd } = envelope;
    const body = record.value ?? EMPTY;
    const writer = scope.outbox.open();
    writeDeliverFrom(writer, scope.id, this.tagBytes, tag, redelivered, envelope);
    writeContentFrom(writer, scope.id, bytes, propertiesStart, propertiesEnd, body, scope.session.frameMaxBytes);
    this.slice.count(body.length);
    return true;
  }

  /** `deliveryCount`: told in a header unless it is 0. */
  private writeDecoded(record: RecordView, tag: number, redelivered: boolean, deliveryCount: number): void {
    const { scope } = this;
    const message = messageOf(record, this.queue.name);
    if (deliveryCount > 0) {
      message.properties = withDeliveryCount(message.properties, deliveryCount);
    }
    const writer = scope.outbox.open();
    writeDeliver(writer, scope.id, this.tagBytes, tag, redelivered, message.exchange, message.routingKey);
    writeContent(writer, scope.id, message.properties, message.body, scope.session.frameMaxBytes);
    this.slice.count(message.body.length);
  }

  flush(): void {
    this.owner.balance(this);
  }

  closed(error: BrokerError): void {
    if (this.state !== 'gone') this.owner.ended(this, error);
  }
}

interface ConsumerSetting {
  readonly tag: string;
  readonly noAck: boolean;
  readonly prefetch: number;
  /** Deliveries say how often they came back, as those from quorum queues do. */
  readonly countsDeliveries: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
}

/** The consumers of one channel, and how many messages they may hold. */
export class Consumers {
  private readonly scope: ChannelScope;
  private readonly byTag = new Map<string, Consumer>();
  private readonly streams: StreamConsumers;
  /** What basic.qos said last for consumers to come. */
  private prefetch = 0;
  /** What basic.qos said for the whole channel; 0 = nothing. */
  private channelPrefetch = 0;
  private dealt = 0;
  private dealTimer: TimerHandle | undefined;

  constructor(scope: ChannelScope) {
    this.scope = scope;
    this.streams = new StreamConsumers(scope, (tag) => this.notify(tag));
  }

  /** Number of consumers. */
  get size(): number {
    return this.byTag.size + this.streams.size;
  }

  /** What operators are told. */
  describe(): AmqpConsumerFacts[] {
    return [...Array.from(this.byTag.values(), (consumer) => consumer.describe()), ...this.streams.describe()];
  }

  /** What basic.qos said last: for consumers to come, and for the whole channel. */
  get prefetches(): { readonly consumer: number; readonly channel: number } {
    return { consumer: this.prefetch, channel: this.channelPrefetch };
  }

  has(tag: string): boolean {
    return this.byTag.has(tag) || this.streams.has(tag);
  }

  /** basic.qos: per consumer for those to come, or for the whole channel at once, as RabbitMQ reads it. */
  setPrefetch(count: number, isGlobal: boolean): void {
    if (isGlobal) this.channelPrefetch = count;
    else this.prefetch = count;
    // A limit per consumer ends the channel's one, as RabbitMQ's limiter does.
    if (!isGlobal) this.channelPrefetch = 0;
    this.balanceAll();
  }

  /** basic.consume from a queue. `opened` writes the answer. @throws AmqpError. */
  consume(queue: TopicEntry, command: ConsumeCommand, tag: string, opened: () => void): void {
    const { scope } = this;
    if (readsByOffset(queue, command)) {
      const limits = { consumer: this.prefetch, channel: this.channelPrefetch };
      this.streams.consume(queue, command, tag, limits, opened);
      return;
    }
    const { broker } = scope.context.ports;
    const priority = priorityOf(command.table, queue.name, scope.session.vhost);
    const release = scope.hold();
    const { noAck, exclusive } = command;
    const setting = { tag, noAck, prefetch: this.prefetch, countsDeliveries: isQuorum(queue), exclusive, priority };
    const consumer = new Consumer(this, scope, queue, setting, () => {
      scope.context.counters.consumers++;
      opened();
      release();
    });
    consumer.granted = this.firstCredit(consumer);
    const options = {
      automaticAck: command.noAck,
      credit: consumer.granted,
      exclusive: command.exclusive,
      priority,
      connection: scope.session.connection,
      label: { session: channelName(scope), consumer: tag },
      opened: () => consumer.confirmOpen(),
    };
    this.byTag.set(tag, consumer);
    try {
      consumer.attach(broker.consume(queue, options, consumer));
    } catch (thrown) {
      this.forget(consumer);
      throw asAmqpError(thrown, Method.basicConsume);
    }
    if (this.channelPrefetch > 0) this.deal();
  }

  private firstCredit(consumer: Consumer): number {
    if (consumer.noAck) return consumer.slice.size;
    // With a limit for the channel, the room is dealt out when everybody is known.
    if (this.channelPrefetch > 0) return 0;
    return nextPrefetch(0, 0, consumer.prefetch, consumer.slice.size);
  }

  /** basic.cancel. Unknown tags are no error. What the consumer holds can still be settled. */
  cancel(tag: string): void {
    const consumer = this.byTag.get(tag);
    if (consumer === undefined) {
      this.streams.cancel(tag);
      return;
    }
    consumer.handle.cancel({ keepHeld: true });
    this.forget(consumer);
    consumer.state = 'cancelled';
    this.scope.settlements.end(consumer.source);
    this.balanceAll();
  }

  private forget(consumer: Consumer): void {
    // Another consumer may have the tag by now.
    if (this.byTag.get(consumer.tag) !== consumer) return;
    this.byTag.delete(consumer.tag);
    if (consumer.state === 'open') this.scope.context.counters.consumers--;
    consumer.state = 'gone';
  }

  /** The broker has ended a consumer. */
  ended(consumer: Consumer, error: BrokerError): void {
    const { scope } = this;
    const wasOpening = consumer.state === 'opening';
    const wasOpen = consumer.state === 'open';
    this.forget(consumer);
    scope.settlements.end(consumer.source);
    if (!scope.isOpen) return;
    // A refused consumer, and one whose deliveries were not acknowledged in time, end the channel.
    if (wasOpening) scope.raise(asAmqpError(error, Method.basicConsume));
    else if (error.code === 'timeout') scope.raise(new AmqpError('precondition-failed', error.message));
    else if (wasOpen && scope.session.cancelNotify) this.notify(consumer.tag);
  }

  private notify(tag: string): void {
    const { scope } = this;
    const writer = scope.outbox.open();
    const frame = beginMethod(writer, scope.id, Method.basicCancel);
    writeShort(writer, tag);
    writer.u8(1);
    endFrame(writer, frame);
  }

  /** Grants a consumer more messages, unless the peer does not keep up. */
  balance(consumer: Consumer): void {
    if (consumer.state !== 'open' || this.scope.outbox.isClogged) return;
    consumer.slice.adapt();
    const slice = consumer.slice.size;
    if (consumer.noAck) {
      if (consumer.granted * 2 > slice) return;
      const more = slice - consumer.granted;
      consumer.granted += more;
      consumer.handle.addCredit(more);
    } else if (this.channelPrefetch > 0) {
      this.deal();
    } else {
      this.grant(consumer, nextPrefetch(consumer.granted, consumer.source.unsettled, consumer.prefetch, slice));
    }
  }

  private grant(consumer: Consumer, prefetch: number): void {
    if (prefetch < 0 || prefetch === consumer.granted) return;
    consumer.granted = prefetch;
    consumer.handle.setPrefetch(prefetch);
  }

  /** The peer has read everything, or limits have changed. */
  balanceAll(): void {
    this.streams.wakeAll();
    if (this.channelPrefetch > 0) this.deal();
    else for (const consumer of this.byTag.values()) this.balance(consumer);
  }

  /**
   * Deals the channel's prefetch out among its consumers. They may hold less than there are consumers: then the turns go round by a timer, so that one
   * whose queue is empty does not keep the room from the others.
   */
  private deal(): void {
    const takers = [...this.byTag.values()].filter((consumer) => consumer.handle !== NO_HANDLE && !consumer.noAck);
    if (takers.length === 0 || this.scope.outbox.isClogged) return;
    const room = Math.max(0, this.channelPrefetch - this.scope.settlements.consumed);
    const share = Math.floor(room / takers.length);
    const extra = room % takers.length;
    for (const [index, consumer] of takers.entries()) {
      const place = (index + takers.length - (this.dealt % takers.length)) % takers.length;
      const most = share + (place < extra ? 1 : 0);
      const { unsettled } = consumer.source;
      const limit = consumer.prefetch === 0 ? most : Math.min(most, Math.max(0, consumer.prefetch - unsettled));
      this.grant(consumer, unsettled + Math.min(limit, consumer.slice.size));
    }
    if (extra > 0 && takers.length > 1 && share === 0) this.dealAgain();
  }

  private dealAgain(): void {
    if (this.dealTimer !== undefined) return;
    this.dealTimer = this.scope.context.ports.timers.setTimeout(() => {
      this.dealTimer = undefined;
      this.dealt++;
      if (this.scope.isOpen && this.channelPrefetch > 0) this.deal();
    }, PREFETCH_DEAL_MS);
    this.dealTimer.unref();
  }

  /** The channel ends; the sources are closed by its settlements. */
  close(): void {
    if (this.dealTimer !== undefined) this.scope.context.ports.timers.clearTimeout(this.dealTimer);
    for (const consumer of [...this.byTag.values()]) this.forget(consumer);
    this.streams.close();
  }
}

/** @throws AmqpError `precondition-failed` for a priority that is no integer, in RabbitMQ's words. */
function priorityOf(table: FieldTable, queue: string, vhost: string): number {
  const value = table.get('x-priority');
  if (value === undefined) return 0;
  const priority = integerOf(value);
  if (priority !== undefined) return priority;
  const fault = `"expected integer, got ${erlangType(value)}"`;
  const text = `invalid arg 'x-priority' for ${resourceText('queue', queue, vhost)}: ${fault}`;
  throw new AmqpError('precondition-failed', text, Method.basicConsume);
}

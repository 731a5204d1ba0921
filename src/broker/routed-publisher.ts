/**
 * Publishes to exchanges: asks the router where a message goes, makes the record that all of its destinations store, and gathers it by group of logs.
 */
import { EncodeError } from '../base/errors.js';
import { encodeUtf8, utf8Size, writeUtf8 } from '../base/utf8.js';
import type { MessageOrigin } from '../record/amqp/envelope.js';
import { HeaderBlocks } from '../record/amqp/header-blocks.js';
import { maxEncodedRecordSize } from '../record/batch-builder.js';
import { MAX_BATCH_BYTES } from '../record/limits.js';
import { NO_HEADERS, type RecordHeader } from '../record/records.js';
import type { MessageHolder } from './delay/message-holder.js';
import { BrokerError } from './errors.js';
import { MAX_LENT_KEY_BYTES } from './limits.js';
import type { MessageBatcher } from './message-batcher.js';
import type { RoutedMessage } from './model.js';
import { DurabilityLevel, type PublishListener, type TopicEntry } from './ports.js';
import type { DeadLetter, DeadLetterPublisher } from './queue/parts.js';
import type { RouteGroups, RoutePlan } from './route-groups.js';
import { storedProperties } from './routing/carbon-copies.js';
import type { Destinations } from './routing/destinations.js';
import type { Router } from './routing/router.js';

/** What a routed publish needs of its shard. */
export interface RoutedPublisherParts {
  readonly router: Router;
  readonly groups: RouteGroups;
  readonly batcher: MessageBatcher;
  readonly nowMs: () => number;
  /** The partition of a message in a topic that has several. */
  readonly partitionFor: (topic: TopicEntry, key: Uint8Array | null) => number;
  /** Takes what is to wait for its time. */
  readonly holder?: MessageHolder;
}

const NONE = new Uint8Array(0);

/** See the top of this file. One per shard. */
export class RoutedPublisher implements DeadLetterPublisher {
  private readonly parts: RoutedPublisherParts;
  private readonly blocks = new HeaderBlocks(storedProperties);
  /** Keys up to a length are written into the one of theirs. */
  private readonly keys: (Uint8Array | undefined)[] = [];
  /** The key that was encoded last, and where that still is. */
  private lastKey = '';
  private lastKeyBytes: Uint8Array = NONE;
  /** Filled anew for each message: the batcher copies. */
  private readonly record: {
    key: Uint8Array | null;
    value: Uint8Array | null;
    readonly headers: readonly RecordHeader[];
    encodedHeaders: Uint8Array;
    timestampMs: number;
  } = { key: null, value: null, headers: NO_HEADERS, encodedHeaders: NONE, timestampMs: 0 };

  constructor(parts: RoutedPublisherParts) {
    this.parts = parts;
  }

  /** As RoutingBroker.publishRouted. */
  publish(vhost: string, message: RoutedMessage, token: number, listener: PublishListener): number {
    const { exchange, routingKey, properties } = message;
    const { router, groups, holder } = this.parts;
    if (holder?.hold(vhost, message, token, listener) === true) {
      router.counters.held(vhost, exchange);
      return 1;
    }
    const destinations = router.routePublished(vhost, exchange, routingKey, properties);
    // What is too large is refused before any of it is held.
    if (destinations.topics.length > 0) this.fill(message);
    const held = this.holdOnTheWay(vhost, destinations, message, undefined, token, listener);
    router.counters.published(vhost, exchange, destinations.topics.length + held);
    if (destinations.topics.length === 0) return held;
    const plan = groups.planOf(destinations);
    const level = message.persistent ? DurabilityLevel.disk : DurabilityLevel.memory;
    this.gather(plan, level, token, listener);
    return plan.outcomes + held;
  }

  /** As DeadLetterPublisher.publishDead. */
  publishDead(letter: DeadLetter, token: number, listener: PublishListener): number {
    const { vhost, message, origin, isBarred } = letter;
    const { exchange, routingKey, properties } = message;
    const { router, groups, holder } = this.parts;
    const source = { isClient: false, origin } as const;
    if (holder?.hold(vhost, message, token, listener, source) === true) {
      router.counters.held(vhost, exchange);
      return 1;
    }
    const destinations = router.route(vhost, exchange, routingKey, properties);
    const topics = destinations.topics.filter(({ name }) => !isBarred(name));
    if (topics.length > 0) this.fill(message, origin);
    const held = this.holdOnTheWay(vhost, destinations, message, origin, token, listener);
    router.counters.published(vhost, exchange, topics.length + held);
    if (topics.length === 0) return held;
    const plan = groups.planOf(topics.length === destinations.topics.length ? destinations : { topics });
    this.gather(plan, message.persistent ? DurabilityLevel.disk : DurabilityLevel.memory, token, listener);
    return plan.outcomes + held;
  }

  /** Has every exchange on the way that delays keep the message for its time. Returns how many outcomes `listener` will get of that. */
  private holdOnTheWay(
    vhost: string,
    { held }: Destinations,
    message: RoutedMessage,
    origin: MessageOrigin | undefined,
    token: number,
    listener: PublishListener,
  ): number {
    const { holder } = this.parts;
    if (held === undefined || holder === undefined) return 0;
    holder.holdAt(vhost, held, message, origin, token, listener);
    return held.length;
  }

  /**
   * A message whose time has come goes to where the exchange that has held it (`from`) leads now, internal or not, and is not held there again. Returns how
   * many outcomes `listener` will get, 0 = nobody wants it.
   * @throws BrokerError `not-found`: the exchange has gone
   */
  publishHeld(
    vhost: string,
    message: RoutedMessage,
    origin: MessageOrigin | undefined,
    token: number,
    listener: PublishListener,
    from = message.exchange,
  ): number {
    const { routingKey, properties } = message;
    const { router, groups } = this.parts;
    const destinations = router.route(vhost, from, routingKey, properties);
    if (destinations.topics.length > 0) this.fill(message, origin);
    const held = this.holdOnTheWay(vhost, destinations, message, origin, token, listener);
    router.counters.fired(vhost, from, destinations.topics.length + held);
    if (destinations.topics.length === 0) return held;
    const plan = groups.planOf(destinations);
    this.gather(plan, message.persistent ? DurabilityLevel.disk : DurabilityLevel.memory, token, listener);
    return plan.outcomes + held;
  }

  private fill({ exchange, routingKey, properties, body }: RoutedMessage, origin?: MessageOrigin): void {
    const { record } = this;
    record.key = exchange === '' ? null : this.keyBytes(routingKey);
    record.value = body;
    record.encodedHeaders = this.headers(exchange, routingKey, properties, origin);
    record.timestampMs = this.parts.nowMs();
    const bytes = maxEncodedRecordSize(record.key?.length ?? -1, body.length, record.encodedHeaders.length);
    if (bytes > MAX_BATCH_BYTES / 2) {
      // Before anything is stored anywhere: a builder would refuse it in the midst of its destinations.
      throw new BrokerError(
        'too-large',
        `Cannot publish a message of ${bytes} bytes: the limit is ${MAX_BATCH_BYTES / 2}`,
      );
    }
  }

  private headers(
    exchange: string,
    routingKey: string,
    properties: Uint8Array,
    origin: MessageOrigin | undefined,
  ): Uint8Array {
    try {
      if (origin === undefined) return this.blocks.headersFor(exchange, routingKey, properties);
      return this.blocks.encode(exchange, routingKey, properties, origin);
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error;
      const text = `Cannot publish to exchange "${exchange}": its properties take ${properties.length} bytes, and ${error.message}`;
      throw new BrokerError('too-large', text, error);
    }
  }

  private gather(plan: RoutePlan, level: DurabilityLevel, token: number, listener: PublishListener): void {
    const { batcher, groups } = this.parts;
    const { record } = this;
    for (let index = 0; index < plan.groups.length; index++) {
      batcher.add(plan.groups[index]!, record, level, token, listener);
    }
    for (let index = 0; index < plan.spread.length; index++) {
      const topic = plan.spread[index]!;
      const partition = this.parts.partitionFor(topic, record.key);
      batcher.add(groups.single(partition, topic.partitions[partition]!.logId), record, level, token, listener);
    }
  }

  /**
   * Lent until the next call: the batcher copies. A memory of keys would serve those who publish with few; this serves those with 100,000 as well, and
   * costs no more.
   */
  private keyBytes(routingKey: string): Uint8Array {
    // Doors keep short strings: this compares no more than two references, and publishers mostly say the same again.
    if (routingKey === this.lastKey) return this.lastKeyBytes;
    this.lastKey = routingKey;
    this.lastKeyBytes = this.encodeKey(routingKey);
    return this.lastKeyBytes;
  }

  private encodeKey(routingKey: string): Uint8Array {
    const size = utf8Size(routingKey);
    if (size > MAX_LENT_KEY_BYTES) return encodeUtf8(routingKey);
    let bytes = this.keys[size];
    if (bytes === undefined) {
      bytes = new Uint8Array(size);
      this.keys[size] = bytes;
    }
    writeUtf8(bytes, 0, routingKey);
    return bytes;
  }
}

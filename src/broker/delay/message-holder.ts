/** The publisher's side of messages that wait for their time: which they are, and into which log they go. One per shard. */
import { copyOf } from '../../base/copy.js';
import { EncodeError } from '../../base/errors.js';
import { utf8Size } from '../../base/utf8.js';
import { EnvelopeWriter, type MessageOrigin } from '../../record/amqp/envelope.js';
import { maxRecordSize } from '../../record/batch-builder.js';
import { MAX_BATCH_BYTES } from '../../record/limits.js';
import type { RecordHeader } from '../../record/records.js';
import type { Catalog } from '../catalog.js';
import type { ControlLink } from '../control-link.js';
import { BrokerError } from '../errors.js';
import type { MessageBatcher } from '../message-batcher.js';
import { type ExchangeEntry, INTERNAL_VHOST, type RoutedMessage } from '../model.js';
import { DurabilityLevel, type PublishListener, type TopicEntry } from '../ports.js';
import type { RouteGroups } from '../route-groups.js';
import type { Router } from '../routing/router.js';
import { delayOf } from './delay-header.js';
import { exchangeKey, HeldHeaderWriter, textHash } from './held-record.js';
import { HELD_TOPIC, HELD_TOPIC_DECLARATION } from './internal-topic.js';
import { DELAY_MS_MAX, HELD_BATCH_BYTES, UNPLACED_BYTES_MAX, UNPLACED_MAX } from './limits.js';

/** What it needs of its shard. */
export interface MessageHolderParts {
  readonly catalog: Catalog;
  readonly router: Router;
  readonly groups: RouteGroups;
  readonly batcher: MessageBatcher;
  readonly control: Pick<ControlLink, 'declare'>;
  readonly nowMs: () => number;
  /** The turn has something to flush. */
  readonly mark: () => void;
}

/** A message, and everything about its publish. */
interface HeldPublish {
  readonly vhost: string;
  readonly message: RoutedMessage;
  readonly origin: MessageOrigin | undefined;
  readonly fireAtMs: number;
  readonly byHeader: boolean;
  /** The exchange that holds it, when that is not the one that it was published to. */
  readonly at: string | undefined;
  readonly token: number;
  readonly listener: PublishListener;
}

/** Where a client's message comes from: dead letters pass internal exchanges, and keep their origin. */
export type HeldSource = { readonly isClient: true } | { readonly isClient: false; readonly origin: MessageOrigin };

const CLIENT: HeldSource = { isClient: true };

/** See the top of this file. */
export class MessageHolder {
  private readonly parts: MessageHolderParts;
  private readonly envelopes = new EnvelopeWriter();
  private readonly headers = new HeldHeaderWriter();
  /** Exchanges of type x-delayed-message, by `exchangeKey`: without any, no publish is looked at. */
  private readonly delayedExchanges: Set<string>;
  private readonly isTransactional: boolean;
  /** Copies of what waits for the internal topic. */
  private unplaced: HeldPublish[] = [];
  private unplacedBytes = 0;
  private declaring: Promise<void> | undefined;

  /** `outer`: the one of the shard, for one that serves its transactions. */
  constructor(parts: MessageHolderParts, outer?: MessageHolder) {
    this.parts = parts;
    this.delayedExchanges = outer?.delayedExchanges ?? new Set();
    this.isTransactional = outer !== undefined;
  }

  /** One for transactions, whose messages `batcher` gathers: what it takes is held if the transaction is committed. */
  within(batcher: MessageBatcher): MessageHolder {
    return new MessageHolder({ ...this.parts, batcher }, this);
  }

  exchangeDeclared({ vhost, name, type }: ExchangeEntry): void {
    if (type === 'x-delayed-message') this.delayedExchanges.add(exchangeKey(vhost, name));
  }

  exchangeDeleted(vhost: string, name: string): void {
    this.delayedExchanges.delete(exchangeKey(vhost, name));
  }

  /**
   * Takes a message that is to wait; false when it is to be routed at once. It has one outcome then: `listener` hears when it is held as safely as it
   * asks for. Everything is borrowed.
   * @throws BrokerError as `Router.routePublished`; `invalid-request` for a delay that is too long; `too-large`; `limit-exceeded`
   */
  hold(
    vhost: string,
    message: RoutedMessage,
    token: number,
    listener: PublishListener,
    source: HeldSource = CLIENT,
  ): boolean {
    const isAsked = message.delayMs !== undefined || message.deliverAtMs !== undefined;
    if (!isAsked && this.delayedExchanges.size === 0) return false;
    const asked = isAsked ? this.askedTime(message) : 0;
    const fireAtMs = asked > 0 ? asked : this.headerTime(vhost, message);
    if (fireAtMs === 0) return false;
    const { exchange, routingKey, properties } = message;
    // For its refusals: where it goes is decided when it fires.
    if (source.isClient) this.parts.router.routePublished(vhost, exchange, routingKey, properties);
    const origin = source.isClient ? undefined : source.origin;
    this.place({ vhost, message, origin, fireAtMs, byHeader: asked === 0, at: undefined, token, listener });
    return true;
  }

  /**
   * Takes a message at exchanges of type x-delayed-message that it has come to over others: at all of them, or at none. It has one outcome for each.
   * As `hold` otherwise.
   */
  holdAt(
    vhost: string,
    exchanges: readonly string[],
    message: RoutedMessage,
    origin: MessageOrigin | undefined,
    token: number,
    listener: PublishListener,
  ): void {
    const fireAtMs = this.parts.nowMs() + delayOf(message.properties);
    if (this.mustWait) this.checkRoom(message, exchanges.length);
    for (const at of exchanges) this.place({ vhost, message, origin, fireAtMs, byHeader: true, at, token, listener });
  }

  /** Makes the internal topic unless it is there. @throws BrokerError */
  async prepare(): Promise<void> {
    if (this.topic === undefined) await this.declare();
  }

  /** The internal topic as this shard knows it. */
  get topic(): TopicEntry | undefined {
    return this.parts.catalog.topic(HELD_TOPIC, INTERNAL_VHOST);
  }

  /** What the publisher says itself: milliseconds since 1970, or 0 = at once. */
  private askedTime({ delayMs = 0, deliverAtMs }: RoutedMessage): number {
    const nowMs = this.parts.nowMs();
    const fireAtMs = deliverAtMs ?? nowMs + delayMs;
    if (!Number.isFinite(fireAtMs) || fireAtMs - nowMs > DELAY_MS_MAX) {
      const text = `Cannot delay a message by ${fireAtMs - nowMs} ms: the limit is ${DELAY_MS_MAX}`;
      throw new BrokerError('invalid-request', text);
    }
    return fireAtMs <= nowMs ? 0 : Math.ceil(fireAtMs);
  }

  private headerTime(vhost: string, { exchange, properties }: RoutedMessage): number {
    if (this.delayedExchanges.size === 0) return 0;
    const entry = this.parts.catalog.exchange(vhost, exchange);
    if (entry?.type !== 'x-delayed-message') return 0;
    const delayMs = delayOf(properties);
    return delayMs === 0 ? 0 : this.parts.nowMs() + delayMs;
  }

  private place(publish: HeldPublish): void {
    const { topic } = this;
    if (topic === undefined || this.mustWait) this.keep(publish);
    else this.store(topic, publish);
  }

  /** Without the internal topic, and behind those that wait for it already. */
  private get mustWait(): boolean {
    return this.topic === undefined || this.unplaced.length > 0;
  }

  private store(topic: TopicEntry, publish: HeldPublish): void {
    const { vhost, message, origin, fireAtMs, byHeader, at, token, listener } = publish;
    const { batcher, groups, nowMs, mark } = this.parts;
    const { exchange, routingKey, body, persistent } = message;
    const envelope = this.envelope(message, origin);
    const held = this.headers.header({ fireAtMs, vhost, persistent, byHeader, at });
    const partition = partitionOf(vhost, at ?? exchange, routingKey, topic.partitions.length);
    const group = groups.single(partition, topic.partitions[partition]!.logId);
    group.maxBatchBytes = HELD_BATCH_BYTES;
    const level = persistent ? DurabilityLevel.disk : DurabilityLevel.memory;
    const record = { key: null, value: body, headers: [envelope, held], timestampMs: nowMs() };
    batcher.add(group, record, level, token, listener);
    mark();
  }

  /** The envelope alone; refuses what would be too large when it fires. */
  private envelope(
    { exchange, routingKey, properties, body }: RoutedMessage,
    origin: MessageOrigin | undefined,
  ): RecordHeader {
    let headers: readonly RecordHeader[];
    try {
      headers = this.envelopes.headers(exchange, routingKey, properties, origin);
    } catch (error) {
      if (!(error instanceof EncodeError)) throw error;
      const text = `Cannot delay a message to exchange "${exchange}": its properties take ${properties.length} bytes, and ${error.message}`;
      throw new BrokerError('too-large', text, error);
    }
    // Negated, x-delay may take four bytes more; the header beside the envelope takes less than the record's own headers may.
    const bytes = maxRecordSize(utf8Size(routingKey), body.length, headers) + 512;
    if (bytes > MAX_BATCH_BYTES / 2) {
      throw new BrokerError(
        'too-large',
        `Cannot delay a message of ${bytes} bytes: the limit is ${MAX_BATCH_BYTES / 2}`,
      );
    }
    return headers[0]!;
  }

  /** Keeps a copy until the internal topic is there. */
  private keep(publish: HeldPublish): void {
    if (this.isTransactional) {
      // It is being made with this, and is there when the transaction is tried again.
      this.declare().catch(() => undefined);
      throw new BrokerError('unsupported', 'Cannot delay the first message of a node in a transaction: try it again');
    }
    const { message } = publish;
    this.envelope(message, publish.origin);
    this.checkRoom(message, 1);
    this.unplacedBytes += message.body.length + message.properties.length;
    const kept = { ...message, body: copyOf(message.body), properties: copyOf(message.properties) };
    this.unplaced.push({ ...publish, message: kept });
    this.declare().then(
      () => this.storeKept(),
      (error: unknown) => this.refuseKept(error),
    );
  }

  /** Throws unless so many copies of the message may wait. */
  private checkRoom({ body, properties }: RoutedMessage, copies: number): void {
    const bytes = copies * (body.length + properties.length);
    if (this.unplaced.length + copies <= UNPLACED_MAX && this.unplacedBytes + bytes <= UNPLACED_BYTES_MAX) return;
    const text = `Cannot delay a message: ${this.unplaced.length} wait for the internal topic already`;
    throw new BrokerError('limit-exceeded', text);
  }

  private declare(): Promise<void> {
    this.declaring ??= this.parts.control.declare(HELD_TOPIC_DECLARATION).then(
      () => {
        this.declaring = undefined;
      },
      (error: unknown) => {
        this.declaring = undefined;
        throw error;
      },
    );
    return this.declaring;
  }

  private storeKept(): void {
    const { topic } = this;
    for (const publish of this.takeKept()) {
      if (topic !== undefined) this.store(topic, publish);
      else publish.listener.publishFailed(publish.token, new BrokerError('internal', 'The internal topic is missing'));
    }
  }

  private refuseKept(cause: unknown): void {
    const error = cause instanceof BrokerError ? cause : new BrokerError('internal', String(cause), cause);
    for (const { listener, token } of this.takeKept()) listener.publishFailed(token, error);
  }

  private takeKept(): HeldPublish[] {
    const kept = this.unplaced;
    this.unplaced = [];
    this.unplacedBytes = 0;
    return kept;
  }
}

/** One log holds what one exchange does, so that its messages fire in order; queues behind the default exchange are one each. */
export function partitionOf(vhost: string, exchange: string, routingKey: string, partitions: number): number {
  const key = exchangeKey(vhost, exchange);
  return textHash(exchange === '' ? key + routingKey : key) % partitions;
}

/** Messages for exchanges, and what deliveries tell of how they were published. */
import { decodeRouted, encodeFrame, type WireFrame } from '../proto/client-wire.js';
import { invalidUse } from './errors.js';
import { type Bytes, durabilityLevel, toBytes } from './outgoing.js';
import { type Fields, fieldsOf, type WireProperties, wireFields } from './values.js';

/** What AMQP says about a message. */
export interface MessageProperties {
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly correlationId?: string;
  /** The queue for answers. */
  readonly replyTo?: string;
  /** Also what queues with `deduplicationMs` compare. */
  readonly messageId?: string;
  readonly type?: string;
  readonly appId?: string;
  /** 0 to 255; for queues with `maxPriority`. */
  readonly priority?: number;
  /** How long the message may wait in a queue, in milliseconds. */
  readonly ttlMs?: number;
  /** Kept in seconds. */
  readonly timestamp?: Date;
  readonly headers?: Fields;
}

/** A message for an exchange. */
export interface RoutedOutgoing extends MessageProperties {
  /** Default: the default exchange, whose routing keys are names of queues. */
  readonly exchange?: string;
  readonly routingKey?: string;
  readonly value?: Bytes | null;
  /** Held for so long before it is routed, in milliseconds. */
  readonly delayMs?: number;
  /** Held until then. */
  readonly deliverAt?: Date;
}

/** How a message is published to an exchange. */
export interface RoutedPublishOptions {
  /** Default `disk`; `memory` makes the message transient. */
  readonly durability?: 'memory' | 'disk';
  /** Fails with `unroutable` when no queue wants the message. */
  readonly mandatory?: boolean;
  /**
   * Default true: what was not confirmed when the connection broke is sent again, so it may be stored twice; queues with `deduplicationMs` drop the
   * second one by its message id. False: then it fails with `connection-lost`.
   */
  readonly resend?: boolean;
  /** Time until the confirm, in milliseconds. Default 120,000. */
  readonly timeoutMs?: number;
}

/** How a delivered message was published. */
export interface ReceivedProperties extends Omit<MessageProperties, 'headers'> {
  readonly userId?: string;
  readonly persistent: boolean;
  readonly headers: Fields;
}

/** One line of a dead letter's history. */
export interface DeadLetter {
  readonly queue: string;
  /** `rejected`, `expired`, `maxlen` or `delivery_limit`. */
  readonly reason: string;
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  readonly count: number;
  /** When it was for the first time. */
  readonly time: Date;
}

/** Where a dead letter lay when it died. */
export interface MessageOrigin {
  readonly vhost: string;
  readonly queue: string;
  readonly partition: number;
  /** With `retain` the message can still be read there. */
  readonly offset: number;
  /** As in DeadLetter. */
  readonly reason: string;
}

/** Exchange, routing key and properties of a delivered message. */
export interface RoutedPart {
  readonly exchange: string;
  readonly routingKey: string;
  readonly properties: ReceivedProperties;
  /** The newest first. */
  readonly deadLetters: readonly DeadLetter[];
  readonly origin: MessageOrigin | undefined;
}

const MS_PER_SECOND = 1000;
const MAX_DELAY_MS = 0xffff_ffff;

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const texts = ['contentType', 'contentEncoding', 'correlationId', 'replyTo', 'messageId', 'type', 'appId'] as const;

function wireProperties(message: RoutedOutgoing): WireProperties {
  const wire: WireProperties = {};
  for (const name of texts) if (message[name] !== undefined) wire[name] = message[name];
  const { priority, ttlMs, timestamp, headers } = message;
  if (priority !== undefined) wire.priority = checkedWhole('priority', priority, 255);
  if (ttlMs !== undefined) wire.ttlMs = checkedWhole('ttlMs', ttlMs, MAX_DELAY_MS);
  if (timestamp !== undefined) wire.timestampS = Math.floor(timestamp.getTime() / MS_PER_SECOND);
  if (headers !== undefined) wire.headers = wireFields(headers);
  return wire;
}

/** Numbers that the wire would bend into others are refused here. */
function checkedWhole(name: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 0 && value <= most) return value;
  throw invalidUse(`Cannot publish with ${name}=${value}: it must be a whole number from 0 to ${most}`);
}

/** The frame that publishes one message. @throws ClientError `invalid-request`. */
export function routedFrame(id: number, message: RoutedOutgoing, options: RoutedPublishOptions): Uint8Array {
  return encodeFrame({ id, publishRouted: routedPublish(message, options) });
}

/** The publish of one message. @throws ClientError `invalid-request`. */
export function routedPublish(
  message: RoutedOutgoing,
  options: Pick<RoutedPublishOptions, 'durability' | 'mandatory'>,
): NonNullable<WireFrame['publishRouted']> {
  const { exchange = '', routingKey = '', value, delayMs, deliverAt } = message;
  const wire: NonNullable<NonNullable<WireFrame['publishRouted']>['messages']>[number] = { routingKey };
  if (value !== undefined && value !== null) wire.value = toBytes(value);
  const properties = wireProperties(message);
  if (Object.keys(properties).length > 0) wire.properties = properties;
  if (delayMs !== undefined) wire.delayMs = checkedWhole('delayMs', delayMs, MAX_DELAY_MS);
  if (deliverAt !== undefined) wire.deliverAtMs = Math.max(1, deliverAt.getTime());
  return {
    exchange,
    messages: [wire],
    durability: durabilityLevel(options.durability),
    mandatory: options.mandatory ?? false,
  };
}

/** Reads how a message was published. */
export function routedPartOf(bytes: Uint8Array): RoutedPart {
  const wire = decodeRouted(bytes);
  return {
    exchange: wire.exchange ?? '',
    routingKey: wire.routingKey ?? '',
    properties: receivedProperties(wire.properties ?? {}),
    deadLetters: (wire.deadLetters ?? []).map((death) => ({
      queue: death.queue ?? '',
      reason: death.reason ?? '',
      exchange: death.exchange ?? '',
      routingKeys: death.routingKeys ?? [],
      count: death.count ?? 0,
      time: new Date((death.timeS ?? 0) * MS_PER_SECOND),
    })),
    origin: wire.origin ? originOf(wire.origin) : undefined,
  };
}

type WireOrigin = NonNullable<ReturnType<typeof decodeRouted>['origin']>;

function originOf({ vhost, queue, partition, offset, reason }: WireOrigin): MessageOrigin {
  return {
    vhost: vhost ?? '',
    queue: queue ?? '',
    partition: partition ?? 0,
    offset: offset ?? 0,
    reason: reason ?? '',
  };
}

function receivedProperties(wire: WireProperties): ReceivedProperties {
  const properties: Mutable<ReceivedProperties> = {
    persistent: wire.persistent ?? false,
    headers: fieldsOf(wire.headers),
  };
  for (const name of [...texts, 'userId'] as const) {
    const text = wire[name];
    if (text !== undefined && text !== null) properties[name] = text;
  }
  const { priority, ttlMs, timestampS } = wire;
  if (priority !== undefined && priority !== null) properties.priority = priority;
  if (ttlMs !== undefined && ttlMs !== null) properties.ttlMs = ttlMs;
  if (timestampS !== undefined && timestampS !== null) properties.timestamp = new Date(timestampS * MS_PER_SECOND);
  return properties;
}

/**
 * Exchanges, bindings and what a queue was declared with: the types that the catalog, the router, the owner's policies and the doors share.
 * docs/design/queue-model.md says who uses them when.
 */

/** The virtual host that always exists. */
export const DEFAULT_VHOST = '/';
/** The virtual host of what the node keeps for itself: nobody can enter, make or delete it. */
export const INTERNAL_VHOST = 'duolog.internal';

/** How an exchange chooses among its bindings. `x-delayed-message` holds messages back first and then routes as its `x-delayed-type` says. */
export type ExchangeType = 'direct' | 'fanout' | 'topic' | 'headers' | 'x-delayed-message';

/** A declared exchange, as every shard knows it. Never changed in place. */
export interface ExchangeEntry {
  readonly vhost: string;
  readonly name: string;
  readonly type: ExchangeType;
  /** What `x-delayed-message` routes as; for all others the type itself. */
  readonly routesAs: Exclude<ExchangeType, 'x-delayed-message'>;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  /** Takes no publishes from clients, only what other exchanges send on. */
  readonly internal: boolean;
  /** Gets what no binding matches: by its declaration, or by a policy; undefined without one. */
  readonly alternate: string | undefined;
  /** `alternate` comes from a policy. */
  readonly alternateByPolicy?: boolean;
  /** The declaration's argument table as AMQP encodes it, without its length. */
  readonly arguments: Uint8Array;
}

/** A binding from an exchange to a queue, a topic or another exchange of the same virtual host. */
export interface Binding {
  readonly source: string;
  readonly destination: string;
  readonly destinationKind: 'queue' | 'exchange';
  readonly routingKey: string;
  /** The argument table as AMQP encodes it, without its length: what a headers exchange matches. */
  readonly arguments: Uint8Array;
}

/** What becomes of a publish to a full queue. */
export type OverflowPolicy = 'drop-head' | 'reject-publish' | 'reject-publish-dlx';

/** What kind of queue RabbitMQ would call it. All are the same log and cursor; `quorum` counts deliveries, `stream` is read by offset. */
export type QueueType = 'classic' | 'quorum' | 'stream';

/** What a queue was declared with, beside what every topic has. */
export interface QueueSettings {
  /** Survives a restart. A queue that does not, and every exclusive one, is volatile. */
  readonly durable: boolean;
  /** Deleted when its last consumer has gone. */
  readonly autoDelete: boolean;
  /** The connection that alone may use it, and with which it ends; empty = shared. */
  readonly exclusiveOwner: string;
  /** The declaration's argument table as AMQP encodes it, without its length. */
  readonly arguments: Uint8Array;
}

/** What the arguments of a queue mean. Times in milliseconds, sizes in bytes, -1 = without limit. */
export interface QueuePolicy {
  readonly type: QueueType;
  readonly messageTtlMs: number;
  readonly expiresMs: number;
  readonly maxLength: number;
  readonly maxLengthBytes: number;
  readonly overflow: OverflowPolicy;
  /** Undefined = what is dead is dropped; '' = the default exchange. */
  readonly deadLetterExchange: string | undefined;
  /** Undefined = the message's own routing keys. */
  readonly deadLetterRoutingKey: string | undefined;
  readonly deadLetterStrategy: 'at-most-once' | 'at-least-once';
  /** 0 = no priorities; else 1 to 255: higher values count as this one. */
  readonly maxPriority: number;
  readonly singleActiveConsumer: boolean;
  /** How often a delivery may come back before the message is dead. */
  readonly deliveryLimit: number;
  /** How long a delivery may stay unacknowledged; -1 = the node's setting. */
  readonly consumerTimeoutMs: number;
  /** Acknowledged messages stay readable by offset. */
  readonly retain: boolean;
  /** A message whose id was seen within this time is dropped; -1 = no deduplication. */
  readonly deduplicationMs: number;
  /** Streams: how old messages may become. */
  readonly maxAgeMs: number;
}

/** The policy of a queue that was declared without arguments. */
export const DEFAULT_QUEUE_POLICY: QueuePolicy = {
  type: 'classic',
  messageTtlMs: -1,
  expiresMs: -1,
  maxLength: -1,
  maxLengthBytes: -1,
  overflow: 'drop-head',
  deadLetterExchange: undefined,
  deadLetterRoutingKey: undefined,
  deadLetterStrategy: 'at-most-once',
  maxPriority: 0,
  singleActiveConsumer: false,
  deliveryLimit: -1,
  consumerTimeoutMs: -1,
  retain: false,
  deduplicationMs: -1,
  maxAgeMs: -1,
};

/** An exchange as somebody wants it to be. */
export interface ExchangeDeclaration {
  readonly vhost: string;
  readonly name: string;
  readonly type: ExchangeType;
  readonly passive: boolean;
  readonly durable: boolean;
  readonly autoDelete: boolean;
  readonly internal: boolean;
  /** AMQP field table without its length; empty = none. */
  readonly arguments: Uint8Array;
}

/** What makes a declaration that of an AMQP queue; without it the queue is durable, shared and without arguments. */
export interface QueueDeclaration {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Uint8Array;
  /** The declaring connection: owner of what is exclusive. */
  readonly connection: string;
  /** The declaring session's shard: owner of the log of what is volatile. */
  readonly shard: number;
}

/** An exchange on the way of a message. */
export interface RouteStep {
  readonly exchange: string;
  readonly type: ExchangeType;
  /** How the message came here: published, by a binding between exchanges, or because an exchange whose alternate this is had no match. */
  readonly reachedBy: 'publish' | 'binding' | 'alternate';
  /** The exchange it came from; empty for `publish`. */
  readonly from: string;
  readonly matches: readonly RouteMatch[];
  /** The alternate exchange, when it is taken because nothing matches; else undefined. */
  readonly alternate: string | undefined;
  /** One sentence on the whole step. */
  readonly note: string;
}

/** A binding that matches, or a topic or queue whose name is the key of the default exchange. */
export interface RouteMatch {
  readonly binding: Binding;
  /** The routing key that matched: the message's own, or one of CC and BCC; empty where keys do not matter. */
  readonly key: string;
  readonly reason: string;
}

/** A message on its way to an exchange. The door keeps one and fills it anew; views are borrowed until the call returns. */
export interface RoutedMessage {
  readonly exchange: string;
  readonly routingKey: string;
  /** Property flags and list of the basic class, as in a content header frame after the body size. At least the two bytes of empty flags. */
  readonly properties: Uint8Array;
  readonly body: Uint8Array;
  /** Delivery mode 2. */
  readonly persistent: boolean;
  /** It is held for so long before it is routed, whatever its exchange; 0 or less = at once. At most 2^32-1 ms. */
  readonly delayMs?: number;
  /** It is held until then, in milliseconds since 1970; instead of `delayMs`. */
  readonly deliverAtMs?: number;
}

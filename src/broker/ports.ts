/**
 * What a door's session may ask of the broker on its own shard. Hot calls take callbacks with numbers instead of promises, and bytes that are
 * borrowed: they are valid only until the call returns.
 */
import type { BrokerError } from './errors.js';
import type {
  Binding,
  ExchangeDeclaration,
  ExchangeEntry,
  QueueDeclaration,
  QueueSettings,
  RoutedMessage,
  RouteStep,
} from './model.js';

/** How safe a message is; the numbers order the levels. */
export const DurabilityLevel = { memory: 1, disk: 2, quorum: 3 } as const;
export type DurabilityLevel = (typeof DurabilityLevel)[keyof typeof DurabilityLevel];

/** One partition of a topic, as every shard knows it. */
export interface PartitionEntry {
  readonly partition: number;
  readonly logId: number;
  /** Index in the shared partition table. */
  readonly slot: number;
}

/** A declared topic or queue, as every shard knows it. Objects are replaced, never changed, when settings change. */
export interface TopicEntry {
  readonly name: string;
  /** Absent = DEFAULT_VHOST. */
  readonly vhost?: string;
  readonly topicId: number;
  readonly settings: TopicSettings;
  readonly partitions: readonly PartitionEntry[];
}

/** Declared settings. Times are milliseconds, sizes bytes; -1 means without limit. */
export interface TopicSettings {
  readonly kind: 'topic' | 'queue';
  readonly durability: DurabilityLevel;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** How long acknowledged messages stay readable by offset before the cleaner may take them. */
  readonly lingerMs: number;
  /** Of a queue that was declared by the RabbitMQ model; absent = durable, shared, without arguments. */
  readonly queue?: QueueSettings;
  /** A queue's argument table with what policies make of it; absent when that is as declared. The catalog finds it out; it is never written. */
  readonly effectiveArguments?: Uint8Array;
}

/** Gets the outcome of publishes. `baseOffset` is -1 for a message that several logs have stored. `token` is the caller's own number. Called in a later turn or, for memory durability, at the end of this one. */
export interface PublishListener {
  published(
    token: number,
    partition: number,
    baseOffset: number,
    count: number,
    reached: DurabilityLevel,
    duplicate: boolean,
  ): void;
  publishFailed(token: number, error: BrokerError): void;
}

/** One message of a publish that is not yet a record batch. */
export interface OutgoingMessage {
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[];
  /** Instead of `headers`: as the record has them, their count before them. */
  readonly encodedHeaders?: Uint8Array;
  /** Milliseconds since 1970; 0 = set by the node. */
  readonly timestampMs: number;
}

/** A producer's place in its sequence, for idempotent publishing. */
export interface ProducerStamp {
  readonly producerId: number;
  readonly epoch: number;
  readonly sequence: number;
}

/** A record on its way to a push consumer: views into borrowed memory. */
export interface RecordView {
  readonly offset: number;
  readonly timestampMs: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  /** Kafka's encoding of the headers: varint count, then for each varint length + name, varint length + value. */
  readonly headers: Uint8Array;
}

/** A push consumer of a queue, living in a session of this shard. */
export interface QueueConsumer {
  /** `record` is borrowed. `deliveryCount` counts earlier deliveries that came back. */
  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void;
  /** All deliveries of this turn have been handed over: time to send. */
  flush(): void;
  /** Whether this consumer is the active one of a single-active-consumer queue has changed. */
  activeChanged?(active: boolean): void;
  /** The broker ended the consumer: its queue was deleted or went offline. */
  closed(error: BrokerError): void;
}

/** What becomes of a delivery: done with, back to its original position, or rejected. */
export const SettleOutcome = { acknowledge: 0, requeue: 1, discard: 2 } as const;
/** One of SettleOutcome's values. */
export type SettleOutcome = (typeof SettleOutcome)[keyof typeof SettleOutcome];

/** Where a consumer's deliveries lie, for who settles them as part of a transaction. */
export interface DeliverySource {
  readonly logId: number;
  /** The consumer's number on this shard. */
  readonly consumer: number;
  /** So many deliveries were settled in another way than by `settle`. */
  settled(count: number): void;
}

/** The session's hold on its consumer. */
export interface ConsumerHandle {
  /** Manual acknowledgement: the number of deliveries that may be unsettled at once. */
  setPrefetch(total: number): void;
  /** Automatic acknowledgement: grants further deliveries. */
  addCredit(count: number): void;
  /** `done` runs when the outcome is as durable as the queue's level; offsets the consumer does not hold are ignored. */
  settle(
    partition: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
    done?: (error?: BrokerError) => void,
  ): void;
  /** Undefined when it is over. */
  source?(partition: number): DeliverySource | undefined;
  /** Ends the consumer; what it holds returns to the queue at its original position, unless `keepHeld`: then it can be settled until `cancel()`. */
  cancel(options?: { readonly keepHeld: boolean }): void;
}

/** The session's hold on a queue that it asks for single messages: no consumer to others, but what it was given is in flight with it. */
export interface PollHandle {
  /**
   * Asks for one message. It comes by `QueueConsumer.deliver` before `done` is called; `done` gets how many messages wait behind it, or -1 when
   * there was none. `automaticAck`: it is settled by being handed over.
   */
  get(automaticAck: boolean, done: (left: number, error?: BrokerError) => void): void;
  /** As ConsumerHandle's. */
  settle(
    partition: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
    done?: (error?: BrokerError) => void,
  ): void;
  /** As ConsumerHandle's. */
  source?(partition: number): DeliverySource | undefined;
  /** Ends it; what it holds returns to the queue. */
  cancel(): void;
}

/** Who consumes, for people who look for the holder of a message. Longer texts are cut to MAX_LABEL_CHARACTERS. */
export interface ConsumerLabel {
  /** The connection, and its channel where there are some. */
  readonly session: string;
  /** The consumer's name within it. */
  readonly consumer: string;
}

/** How a consumer wants its messages; `credit` counts deliveries. */
export interface ConsumeOptions {
  readonly automaticAck: boolean;
  readonly credit: number;
  /** Nobody else may consume; refused with `access-refused` when somebody does. */
  readonly exclusive?: boolean;
  /** Higher ones get messages first, as long as they can take them; 0 = normal. */
  readonly priority?: number;
  /** The session's connection: exclusive queues are for their owner only. */
  readonly connection?: string;
  readonly label?: ConsumerLabel;
  /**
   * Called once after `consume` has returned, when every owner has taken the consumer, and before the first delivery. With it, every refusal comes by
   * `QueueConsumer.closed` instead, also after `consume` has returned; without it, what is known at once is thrown.
   */
  readonly opened?: () => void;
}

/** Whole record batches from one partition. `batches` is borrowed until the callback returns. */
export interface FetchedBatches {
  readonly partition: number;
  readonly batches: Uint8Array;
  /** Where reading goes on. */
  readonly nextOffset: number;
  readonly logStart: number;
  readonly end: number;
  readonly error?: BrokerError;
}

/** The next offset to read in one partition. */
export interface PartitionPosition {
  readonly partition: number;
  readonly offset: number;
}

/** Where reading begins. Times are milliseconds since 1970. */
export type StartAt =
  | { readonly at: 'beginning' }
  | { readonly at: 'end' }
  | { readonly at: 'timestamp'; readonly timestampMs: number };

/** Follows a topic live; many subscribers share one reader and one encoding per shard. */
export interface BatchFollower {
  /**
   * New batches; borrowed; they count as taken. Called in offset order per partition. Returning false means "no more for now", until `resume` is
   * called on the handle.
   */
  batches(fetched: FetchedBatches): boolean;
  closed(error: BrokerError): void;
}

/** The session's hold on a follower. */
export interface FollowHandle {
  resume(): void;
  seek(positions: readonly PartitionPosition[]): void;
  cancel(): void;
}

/** What a group of readers has committed for one partition. Times are milliseconds since 1970. */
export interface CommittedOffset {
  readonly partition: number;
  /** -1 = nothing committed (fetch) or forget it (commit). */
  readonly offset: number;
  readonly metadata: string;
  readonly committedMs: number;
}

/** What an operator sees of one partition. Offsets; sizes in bytes. */
export interface PartitionStateReport {
  readonly partition: number;
  readonly logId: number;
  readonly shard: number;
  readonly logStart: number;
  readonly end: number;
  readonly durableEnd: number;
  readonly leaderEpoch: number;
  readonly sizeBytes: number;
  readonly segments: number;
  readonly ready: number;
  readonly unacknowledged: number;
  readonly consumers: number;
  readonly offlineReason: string;
}

/** A topic or queue as somebody wants it to be; settings that are left out have defaults, and are not compared with what exists. */
export type Declaration = {
  readonly name: string;
  /** Absent = DEFAULT_VHOST. */
  readonly vhost?: string;
  /** Absent for a topic, and for a queue without more. */
  readonly queue?: QueueDeclaration;
  /** 0 = the node's default for topics, one for queues. */
  readonly partitions: number;
  readonly settings: Partial<TopicSettings> & { readonly kind: 'topic' | 'queue' };
  readonly passive: boolean;
  /** Where the cursor of an already existing topic starts. */
  readonly start: StartAt;
  /** Asked for by the node itself: the topic that holds delayed messages. */
  readonly isInternal?: boolean;
};

/** The broker as one shard's sessions see it. */
export interface Broker {
  readonly shard: number;
  /** Looks a name up in this shard's copy of the metadata. */
  topic(name: string, vhost?: string): TopicEntry | undefined;
  topics(): Iterable<TopicEntry>;

  /** Stores one RecordBatch v2 as it came; `bytes` is borrowed (and may be patched in place). */
  publishBatch(
    topic: TopicEntry,
    partition: number,
    bytes: Uint8Array,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void;
  /** Builds batches from messages: those of one turn for one partition become one batch. Without `partition`: by key, else round robin. */
  publishMessages(
    topic: TopicEntry,
    partition: number | undefined,
    messages: readonly OutgoingMessage[],
    level: DurabilityLevel,
    producer: ProducerStamp | undefined,
    token: number,
    listener: PublishListener,
  ): void;
  initProducer(producerId: number): Promise<{ producerId: number; epoch: number }>;

  consume(queue: TopicEntry, options: ConsumeOptions, consumer: QueueConsumer): ConsumerHandle;

  /** Long poll: calls `done` once, when minBytes are there or maxWaitMs has passed. Returns a function that gives the wait up. */
  fetch(
    topic: TopicEntry,
    positions: readonly PartitionPosition[],
    limits: { maxBytes: number; minBytes: number; maxWaitMs: number },
    done: (fetched: readonly FetchedBatches[]) => void,
  ): () => void;
  follow(topic: TopicEntry, positions: readonly PartitionPosition[], follower: BatchFollower): FollowHandle;
  /** Log start, end and the offset that a start means, per partition. */
  bounds(topic: TopicEntry, partition: number): { logStart: number; end: number };
  offsetAt(topic: TopicEntry, partition: number, start: StartAt): { offset: number; timestampMs: number } | undefined;

  commitOffsets(group: string, topic: TopicEntry, offsets: readonly CommittedOffset[]): Promise<void>;
  fetchOffsets(group: string, topic: TopicEntry, partitions: readonly number[]): Promise<CommittedOffset[]>;

  declare(declaration: Declaration): Promise<TopicEntry>;
  describe(topic: TopicEntry): Promise<PartitionStateReport[]>;
  delete(name: string, vhost?: string): Promise<void>;
  purge(name: string, vhost?: string): Promise<number>;
  /** False while the way to the disk or to another shard is congested: sessions then hold confirms, and with them window credit, back. */
  readonly accepting: boolean;
}

/** What is left of a queue after a `get`, or what it holds now. */
export interface QueueCounts {
  readonly ready: number;
  readonly consumers: number;
}

/** What the RabbitMQ model adds to the broker as a session sees it. Every name is one of a virtual host. */
export interface RoutingBroker {
  hasVhost(vhost: string): boolean;
  exchange(vhost: string, name: string): ExchangeEntry | undefined;
  exchanges(vhost: string): Iterable<ExchangeEntry>;
  /** All bindings of a virtual host, or those from one exchange, or those to one destination. */
  bindings(vhost: string, filter?: { readonly source?: string; readonly destination?: string }): Iterable<Binding>;

  /**
   * Routes and stores. Returns how many outcomes `listener` will get (each `published` or `publishFailed`, with `token`); 0 = no queue wanted it.
   * Everything in `message` is borrowed until the call returns.
   * @throws BrokerError `not-found` for an exchange that does not exist, `access-refused` for an internal one.
   */
  publishRouted(vhost: string, message: RoutedMessage, token: number, listener: PublishListener): number;

  /** Which exchanges a message would meet, which bindings match, and why; nothing is published. @throws BrokerError `not-found` */
  explainRoute(vhost: string, exchange: string, routingKey: string, properties: Uint8Array): readonly RouteStep[];

  declareExchange(declaration: ExchangeDeclaration): Promise<ExchangeEntry>;
  /** Deleting what does not exist is no error, as in RabbitMQ. @throws BrokerError `precondition-failed` when used and `ifUnused`. */
  deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void>;
  /** Binding twice is no error. @throws BrokerError `not-found`, `access-refused`. */
  bind(vhost: string, binding: Binding, connection: string): Promise<void>;
  unbind(vhost: string, binding: Binding, connection: string): Promise<void>;
  /** Returns how many messages went with it; 0 when there was no such queue. @throws BrokerError `precondition-failed`, `resource-locked`. */
  deleteQueue(vhost: string, name: string, options: DeleteQueueOptions): Promise<number>;
  /** Deletes every exclusive queue of a connection that has ended. */
  connectionClosed(connection: string): Promise<void>;
  /** Opens the way for single messages (`basic.get`) from a queue. @throws BrokerError `wrong-kind`. */
  poll(queue: TopicEntry, connection: string, consumer: QueueConsumer, label?: ConsumerLabel): PollHandle;
  /** Messages that wait and consumers, over all partitions. */
  counts(queue: TopicEntry): Promise<QueueCounts>;
}

/** `cancelled`: a consumer that gets nothing more and may still settle; `dead-letters`: the queue itself, which sends them on. */
export type HolderKind = 'consumer' | 'get' | 'cancelled' | 'transaction' | 'dead-letters';

/** Somebody who holds messages of one partition that are not acknowledged. */
export interface HolderReport extends ConsumerLabel {
  readonly kind: HolderKind;
  readonly partition: number;
  readonly count: number;
  /** Of the oldest message that it holds. */
  readonly firstOffset: number;
  /** When that was stored, in milliseconds since 1970; 0 = it cannot be read. */
  readonly storedMs: number;
}

/** A part of the holders; `more`: there are others. */
export interface HolderPage {
  readonly holders: readonly HolderReport[];
  readonly more: boolean;
}

/** What people ask about queues. */
export interface QueueInspection {
  /** Who holds messages of a queue, at most `limit` of them. @throws BrokerError `wrong-kind` */
  unacknowledged(queue: TopicEntry, limit: number): Promise<HolderPage>;
}

/** When a queue may be deleted, and for whom. */
export interface DeleteQueueOptions {
  readonly ifUnused: boolean;
  readonly ifEmpty: boolean;
  /** Who asks: exclusive queues are for their owner only. */
  readonly connection: string;
}

import { type Durability, ListKind, type WireKind } from '../proto/client-wire.js';
import { invalidUse } from './errors.js';
import { type DurabilityName, durabilityLevel, durabilityName } from './outgoing.js';
import { type Fields, fieldsOf, wireFields } from './values.js';

/** How a topic is declared; what is absent is the node's default. */
export interface TopicSettings {
  readonly partitions?: number;
  /** Of publishes that do not choose. Default disk. */
  readonly durability?: DurabilityName;
  /** How long messages are kept; -1 = for ever. Default 7 days. */
  readonly retentionMs?: number;
  /** How many bytes are kept per partition; -1 = all (default). */
  readonly retentionBytes?: number;
  readonly segmentBytes?: number;
  readonly segmentMs?: number;
  /** Only check that the topic exists. */
  readonly passive?: boolean;
}

/** How a queue is declared; what is absent is the node's default. */
export interface QueueSettings {
  readonly partitions?: number;
  readonly durability?: DurabilityName;
  readonly segmentBytes?: number;
  /** How long acknowledged messages stay readable by offset. */
  readonly lingerMs?: number;
  /** Where the cursor of an already existing topic starts. Default end. */
  readonly start?: StartPoint;
  /** Only check that the queue exists. */
  readonly passive?: boolean;
  /** Default true; false: gone with the node's next start. */
  readonly durable?: boolean;
  /** For this client's session alone, and gone with it. */
  readonly exclusive?: boolean;
  /** Gone with its last consumer. */
  readonly autoDelete?: boolean;
  /** How long messages may wait. */
  readonly messageTtlMs?: number;
  /** Gone when nobody has used it for so long. */
  readonly expiresMs?: number;
  /** Messages that may wait. */
  readonly maxLength?: number;
  readonly maxLengthBytes?: number;
  /** What becomes of a publish to a full queue. Default: the oldest message goes. */
  readonly overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  /** Where dead letters go; '' = the default exchange. */
  readonly deadLetterExchange?: string;
  /** Default: the message's own routing keys. */
  readonly deadLetterRoutingKey?: string;
  readonly deadLetterAtLeastOnce?: boolean;
  /** 1 to 255: messages of higher priority come first. */
  readonly maxPriority?: number;
  readonly singleActiveConsumer?: boolean;
  /** How often a delivery may come back before the message is a dead letter. */
  readonly deliveryLimit?: number;
  /** How long a delivery may stay unacknowledged. */
  readonly consumerTimeoutMs?: number;
  /** Acknowledged messages stay readable by offset. */
  readonly retain?: boolean;
  /** A message whose id was seen within this time is dropped. */
  readonly deduplicationMs?: number;
  readonly type?: 'classic' | 'quorum' | 'stream';
  /** Streams: how old messages may become: `7D`, `12h`, `30m`. */
  readonly maxAge?: string;
  /** Further arguments, by AMQP's names. */
  readonly arguments?: Fields;
}

const overflows = [undefined, 'drop-head', 'reject-publish', 'reject-publish-dlx'] as const;
const queueTypes = [undefined, 'classic', 'quorum', 'stream'] as const;

type WireQueue = NonNullable<WireKind<'declare'>['queue']>;
type WireModel = NonNullable<WireQueue['model']>;

/** Settings that make a queue one of the RabbitMQ model, as they are called on both sides. */
const modelFields = [
  'durable',
  'exclusive',
  'autoDelete',
  'messageTtlMs',
  'expiresMs',
  'maxLength',
  'maxLengthBytes',
  'deadLetterExchange',
  'deadLetterRoutingKey',
  'deadLetterAtLeastOnce',
  'maxPriority',
  'singleActiveConsumer',
  'deliveryLimit',
  'consumerTimeoutMs',
  'retain',
  'deduplicationMs',
  'maxAge',
] as const;

/** The model's part of a declaration; undefined when no setting is one of it and the queue has a name. */
function wireModel(name: string, settings: QueueSettings): WireModel | undefined {
  const model: Record<string, unknown> = {};
  for (const field of modelFields) if (settings[field] !== undefined) model[field] = settings[field];
  if (settings.overflow !== undefined) model['overflow'] = placeOf('overflow', overflows, settings.overflow);
  if (settings.type !== undefined) model['type'] = placeOf('type', queueTypes, settings.type);
  if (settings.arguments !== undefined) model['arguments'] = wireFields(settings.arguments);
  // Filled from settings of the same names and types.
  return Object.keys(model).length > 0 || name === '' ? (model as WireModel) : undefined;
}

function placeOf(what: string, names: readonly (string | undefined)[], name: string): number {
  const place = names.indexOf(name);
  if (place > 0) return place;
  throw invalidUse(
    `Cannot declare a queue with ${what} ${JSON.stringify(name)}: it is one of ${names.slice(1).join(', ')}`,
  );
}

/** What a description tells of the model. */
function modelSettings(model: WireModel): Partial<QueueSettings> {
  const settings: Record<string, unknown> = {};
  for (const field of modelFields)
    if (model[field] !== undefined && model[field] !== null) settings[field] = model[field];
  const overflow = overflows[model.overflow ?? 0];
  const type = queueTypes[model.type ?? 0];
  if (overflow !== undefined) settings['overflow'] = overflow;
  if (type !== undefined) settings['type'] = type;
  if (model.arguments?.length) settings['arguments'] = fieldsOf(model.arguments);
  // As in wireModel.
  return settings as Partial<QueueSettings>;
}

/** A place in a topic that is not an offset. */
export type StartPoint = 'beginning' | 'end' | { readonly timestamp: number };

/** Where one partition stands. */
export interface PartitionDescription {
  readonly partition: number;
  readonly logId: number;
  readonly shard: number;
  readonly logStart: number;
  /** The next offset to become visible. */
  readonly end: number;
  readonly durableEnd: number;
  readonly leaderEpoch: number;
  readonly sizeBytes: number;
  readonly segments: number;
  readonly messagesReady: number;
  readonly messagesUnacknowledged: number;
  readonly consumers: number;
  /** Why the partition does not serve, or undefined while it does. */
  readonly offlineReason: string | undefined;
}

/** What a topic or queue is like and how it stands. */
export interface Description {
  readonly kind: 'topic' | 'queue';
  readonly name: string;
  readonly durability: DurabilityName;
  readonly settings: TopicSettings | QueueSettings;
  readonly partitions: readonly PartitionDescription[];
  readonly messagesReady: number;
  readonly messagesUnacknowledged: number;
  readonly consumers: number;
}

/** What to list. */
export interface ListOptions {
  readonly kind?: 'topics' | 'queues';
  readonly prefix?: string;
  /** Names after this one: for the next page. */
  readonly after?: string;
  /** Default 1,000. */
  readonly limit?: number;
  /** Whether to ask how each stands, which costs more. */
  readonly withState?: boolean;
}

/** A page of a list. */
export interface Listing {
  readonly entries: readonly Description[];
  /** Whether there are more after the last one. */
  readonly more: boolean;
}

/** A start as it stands on the wire. */
export function wireStart(start: StartPoint): NonNullable<WireKind<'seek'>['start']> {
  if (start === 'beginning') return { beginning: true };
  return start === 'end' ? { end: true } : { timestampMs: start.timestamp };
}

/** Leaves out what is undefined: protobuf knows absent fields only. */
function present<T extends object>(fields: { [Name in keyof T]: T[Name] | undefined }): T {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  // What is left has the values that the type asks for.
  return Object.fromEntries(entries) as T;
}

/** A topic's declaration. */
export function declareTopicFrame(name: string, settings: TopicSettings): WireKind<'declare'> {
  const { partitions, retentionMs, retentionBytes, segmentBytes, segmentMs, passive } = settings;
  const durability: Durability = durabilityLevel(settings.durability);
  const topic = present({ name, partitions, durability, retentionMs, retentionBytes, segmentBytes, segmentMs });
  return { topic, passive: passive ?? false };
}

/** A queue's declaration. */
export function declareQueueFrame(name: string, settings: QueueSettings): WireKind<'declare'> {
  const { partitions, segmentBytes, lingerMs, passive } = settings;
  const durability: Durability = durabilityLevel(settings.durability);
  const start = settings.start === undefined ? undefined : wireStart(settings.start);
  const model = wireModel(name, settings);
  const queue = present({ name, partitions, durability, segmentBytes, lingerMs, start, model });
  return { queue, passive: passive ?? false };
}

/** A list request. */
export function listFrame(options: ListOptions): WireKind<'list'> {
  const kinds = { topics: ListKind.LIST_KIND_TOPICS, queues: ListKind.LIST_KIND_QUEUES };
  return {
    kind: options.kind === undefined ? ListKind.LIST_KIND_ALL : kinds[options.kind],
    namePrefix: options.prefix ?? '',
    after: options.after ?? '',
    limit: options.limit ?? 0,
    withState: options.withState ?? false,
  };
}

/** A description as programs see it. */
export function descriptionOf(wire: WireKind<'description'>): Description {
  const { topic, queue } = wire;
  const common = topic ?? queue;
  const durability = durabilityName(common?.durability ?? 0);
  return {
    kind: queue ? 'queue' : 'topic',
    name: common?.name ?? '',
    durability,
    settings: present({
      partitions: common?.partitions ?? undefined,
      durability,
      segmentBytes: common?.segmentBytes ?? undefined,
      retentionMs: topic?.retentionMs ?? undefined,
      retentionBytes: topic?.retentionBytes ?? undefined,
      segmentMs: topic?.segmentMs ?? undefined,
      lingerMs: queue?.lingerMs ?? undefined,
      ...(queue?.model ? modelSettings(queue.model) : {}),
    }),
    partitions: (wire.partitions ?? []).map(partitionOf),
    messagesReady: wire.messagesReady ?? 0,
    messagesUnacknowledged: wire.messagesUnacknowledged ?? 0,
    consumers: wire.consumers ?? 0,
  };
}

function partitionOf(wire: NonNullable<WireKind<'description'>['partitions']>[number]): PartitionDescription {
  return {
    partition: wire.partition ?? 0,
    logId: wire.logId ?? 0,
    shard: wire.shard ?? 0,
    logStart: wire.logStart ?? 0,
    end: wire.end ?? 0,
    durableEnd: wire.durableEnd ?? 0,
    leaderEpoch: wire.leaderEpoch ?? 0,
    sizeBytes: wire.sizeBytes ?? 0,
    segments: wire.segments ?? 0,
    messagesReady: wire.messagesReady ?? 0,
    messagesUnacknowledged: wire.messagesUnacknowledged ?? 0,
    consumers: wire.consumers ?? 0,
    offlineReason: wire.offlineReason || undefined,
  };
}

/** How a node is. */
export interface NodeStatus {
  readonly nodeName: string;
  readonly version: string;
  readonly uptimeMs: number;
  readonly wsEngine: string;
  readonly topics: number;
  readonly queues: number;
  readonly partitions: number;
  readonly connections: number;
  readonly rssBytes: number;
  /** Undefined: that door is closed. */
  readonly amqpPort: number | undefined;
  /** Of `connections`. */
  readonly amqpConnections: number;
  /** What holds publishers back: memory, disk. */
  readonly alarms: readonly string[];
  readonly shards: readonly ShardStatus[];
  readonly warnings: readonly string[];
}

/** How one shard of a node is. */
export interface ShardStatus {
  readonly shard: number;
  readonly connections: number;
  readonly partitions: number;
  readonly eventLoopLagP99Ms: number;
  readonly fsyncP99Ms: number;
  /** The fullest ring, 0 to 1. */
  readonly ringOccupancy: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
}

/** A status as programs see it. */
export function statusOf(wire: WireKind<'nodeStatus'>): NodeStatus {
  return {
    nodeName: wire.nodeName ?? '',
    version: wire.version ?? '',
    uptimeMs: wire.uptimeMs ?? 0,
    wsEngine: wire.wsEngine ?? '',
    topics: wire.topics ?? 0,
    queues: wire.queues ?? 0,
    partitions: wire.partitions ?? 0,
    connections: wire.connections ?? 0,
    rssBytes: wire.rssBytes ?? 0,
    amqpPort: wire.amqpPort || undefined,
    amqpConnections: wire.amqpConnections ?? 0,
    alarms: wire.alarms ?? [],
    shards: (wire.shardStates ?? []).map((shard) => ({
      shard: shard.shard ?? 0,
      connections: shard.connections ?? 0,
      partitions: shard.partitions ?? 0,
      eventLoopLagP99Ms: shard.eventLoopLagP99Ms ?? 0,
      fsyncP99Ms: shard.fsyncP99Ms ?? 0,
      ringOccupancy: shard.ringOccupancy ?? 0,
      messagesIn: shard.messagesIn ?? 0,
      messagesOut: shard.messagesOut ?? 0,
    })),
    warnings: wire.warnings ?? [],
  };
}

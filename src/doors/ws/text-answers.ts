/**
 * The protobuf JSON form of the frames that a node sends, by a table of their fields: the generated code that could do it is twice the size of all
 * encoders and decoders, and every shard would keep it in memory for sessions that hardly any program opens.
 */
import { Durability, ErrorCode, Overflow, QueueType } from '../../proto/client-wire.js';
import { toBase64 } from './text-form.js';
import { type FieldShape, frameShapeOf, type MessageShape, requestSchema } from './text-schema.js';
import type { WireFrame } from './wire-types.js';

/** What a node may send, as `requestSchema` has it for clients. Messages that requests use as well stand only there. */
export const answerSchema = {
  Frame: {
    id: 'uint32',
    welcome: 'Welcome in kind',
    confirms: 'Confirms in kind',
    subscribed: 'Subscribed in kind',
    deliver: 'Deliver in kind',
    broadcast: 'Broadcast in kind',
    missed: 'Missed in kind',
    subscriptionClosed: 'SubscriptionClosed in kind',
    done: 'Done in kind',
    fetched: 'Fetched in kind',
    offsetList: 'OffsetList in kind',
    producer: 'Producer in kind',
    description: 'Description in kind',
    listing: 'Listing in kind',
    purged: 'Purged in kind',
    pong: 'Pong in kind',
    error: 'Error in kind',
    goAway: 'GoAway in kind',
    nodeStatus: 'NodeStatus in kind',
    exchangeList: 'ExchangeList in kind',
    bindingList: 'BindingList in kind',
    got: 'Got in kind',
    routeExplanation: 'RouteExplanation in kind',
    unackedList: 'UnackedList in kind',
    delayedCount: 'DelayedCount in kind',
    subscriptionActive: 'SubscriptionActive in kind',
    transacted: 'Transacted in kind',
    renewed: 'Renewed in kind',
  },
  Error: { code: 'ErrorCode', message: 'string', retryAfterMs: 'uint32' },
  Done: {},
  Welcome: {
    version: 'uint32',
    nodeName: 'string',
    nodeId: 'uint32',
    nodeVersion: 'string',
    sessionId: 'bytes',
    limits: 'Limits',
    resumed: 'bool',
    subscriptions: 'repeated uint32',
    resumeWindowMs: 'uint32',
    expiresInMs: 'uint64',
  },
  Renewed: { expiresInMs: 'uint64' },
  Limits: {
    maxMessageBytes: 'uint32',
    maxFrameBytes: 'uint32',
    maxInflightPublishes: 'uint32',
    maxInflightBytes: 'uint32',
    maxInflightRequests: 'uint32',
    maxSubscriptions: 'uint32',
    maxCredit: 'uint32',
    maxFetchBytes: 'uint32',
    idleTimeoutMs: 'uint32',
  },
  GoAway: { reason: 'string' },
  Pong: { payload: 'bytes' },
  Confirms: { confirms: 'repeated Confirm' },
  Confirm: {
    id: 'uint32',
    ranges: 'repeated PartitionRange',
    reached: 'Durability',
    duplicate: 'bool',
    unroutable: 'repeated uint32',
  },
  PartitionRange: { partition: 'uint32', baseOffset: 'uint64', count: 'uint32' },
  Producer: { producerId: 'uint64', epoch: 'uint32' },
  Subscribed: { subscription: 'uint32', partitions: 'repeated PartitionBounds', channel: 'uint32' },
  PartitionBounds: { partition: 'uint32', logStart: 'uint64', end: 'uint64', position: 'uint64' },
  Deliver: { subscription: 'uint32', deliveries: 'repeated Delivery', records: 'repeated PartitionRecords' },
  Delivery: {
    tag: 'uint64',
    partition: 'uint32',
    offset: 'uint64',
    redelivered: 'bool',
    deliveryCount: 'uint32',
    message: 'Message',
    routed: 'Routed',
  },
  Routed: {
    exchange: 'string',
    routingKey: 'string',
    properties: 'Properties',
    deadLetters: 'repeated DeadLetter',
    origin: 'Origin',
  },
  Origin: { vhost: 'string', queue: 'string', partition: 'uint32', offset: 'uint64', reason: 'string' },
  DeadLetter: {
    queue: 'string',
    reason: 'string',
    exchange: 'string',
    routingKeys: 'repeated string',
    count: 'uint64',
    timeS: 'uint64',
  },
  Got: { delivery: 'Delivery', left: 'uint64' },
  PartitionRecords: {
    partition: 'uint32',
    nextOffset: 'uint64',
    batches: 'bytes',
    messages: 'repeated OffsetMessage',
  },
  OffsetMessage: { offset: 'uint64', message: 'Message' },
  Broadcast: { channel: 'uint32', records: 'repeated PartitionRecords' },
  Missed: { subscription: 'uint32', partition: 'uint32', count: 'uint64', nextOffset: 'uint64' },
  SubscriptionActive: { subscription: 'uint32', active: 'bool' },
  SubscriptionClosed: { subscription: 'uint32', reason: 'Error' },
  Fetched: { partitions: 'repeated FetchedPartition' },
  FetchedPartition: { records: 'PartitionRecords', logStart: 'uint64', end: 'uint64', error: 'Error' },
  OffsetList: { offsets: 'repeated PartitionOffset' },
  Description: {
    topic: 'TopicSettings in what',
    queue: 'QueueSettings in what',
    partitions: 'repeated PartitionState',
    messagesReady: 'uint64',
    messagesUnacknowledged: 'uint64',
    consumers: 'uint32',
    topicId: 'uint32',
  },
  PartitionState: {
    partition: 'uint32',
    logId: 'uint32',
    shard: 'uint32',
    logStart: 'uint64',
    end: 'uint64',
    durableEnd: 'uint64',
    leaderEpoch: 'uint32',
    sizeBytes: 'uint64',
    segments: 'uint32',
    messagesReady: 'uint64',
    messagesUnacknowledged: 'uint64',
    consumers: 'uint32',
    offlineReason: 'string',
  },
  Listing: { entries: 'repeated Description', more: 'bool' },
  Purged: { count: 'uint64' },
  UnackedList: { holders: 'repeated UnackedHolder', more: 'bool' },
  UnackedHolder: {
    kind: 'string',
    session: 'string',
    consumer: 'string',
    partition: 'uint32',
    count: 'uint64',
    firstOffset: 'uint64',
    storedMs: 'uint64',
  },
  Transacted: { unroutable: 'repeated uint32' },
  DelayedCount: { held: 'uint64', nextFireMs: 'uint64' },
  ExchangeList: { exchanges: 'repeated Exchange', more: 'bool' },
  BindingList: { bindings: 'repeated Binding', more: 'bool' },
  RouteExplanation: { steps: 'repeated RouteStep', more: 'bool' },
  RouteStep: {
    exchange: 'string',
    type: 'string',
    reachedBy: 'string',
    from: 'string',
    matches: 'repeated RouteMatch',
    alternate: 'string',
    note: 'string',
  },
  RouteMatch: { binding: 'Binding', key: 'string', reason: 'string' },
  NodeStatus: {
    nodeName: 'string',
    version: 'string',
    uptimeMs: 'uint64',
    wsEngine: 'string',
    shards: 'uint32',
    topics: 'uint32',
    queues: 'uint32',
    partitions: 'uint32',
    connections: 'uint32',
    rssBytes: 'uint64',
    shardStates: 'repeated ShardStatus',
    warnings: 'repeated string',
    amqpPort: 'uint32',
    amqpConnections: 'uint32',
    alarms: 'repeated string',
  },
  ShardStatus: {
    shard: 'uint32',
    connections: 'uint32',
    partitions: 'uint32',
    eventLoopLagP99Ms: 'double',
    fsyncP99Ms: 'double',
    ringOccupancy: 'double',
    messagesIn: 'uint64',
    messagesOut: 'uint64',
  },
} as const;

const answerShape = frameShapeOf({ ...requestSchema, ...answerSchema }, { Durability, ErrorCode, Overflow, QueueType });

/** A value whose type is the table's, which a test compares with the schema file. */
function textOfOne(field: FieldShape, value: unknown): unknown {
  if (field.message !== undefined) return textOfMessage(field.message, value as object);
  if (field.values !== undefined) return field.values[value as number] ?? value;
  if (field.scalar === 'bytes') return toBase64(value as Uint8Array);
  return field.scalar === 'uint64' || field.scalar === 'int64' ? String(value) : value;
}

function textOfMessage(shape: MessageShape, message: object): Record<string, unknown> {
  const text: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(message) as [string, unknown][]) {
    const field = shape.fields.get(name);
    if (field === undefined || value === undefined || value === null) continue;
    if (!Array.isArray(value)) text[name] = textOfOne(field, value);
    else if (value.length > 0) text[name] = value.map((item) => textOfOne(field, item));
  }
  return text;
}

/** A frame of the node in protobuf JSON: what is not set is left out, 64-bit integers are strings, bytes are base64, enums go by name. */
export function encodeText(frame: WireFrame): string {
  return JSON.stringify(textOfMessage(answerShape, frame));
}

import { assert } from '../../base/assert.js';
import { Durability, ListKind, Outcome, Overflow, QueueType, SlowReader } from '../../proto/client-wire.js';

/**
 * What a client may send, by message and field, as proto/client.proto has it; the generated code knows these types only as code. A field is
 * written `[repeated] TYPE [in ONEOF]`. A test compares the table with the schema file.
 */
export const requestSchema = {
  Frame: {
    id: 'uint32',
    hello: 'Hello in kind',
    publish: 'Publish in kind',
    subscribe: 'Subscribe in kind',
    unsubscribe: 'Unsubscribe in kind',
    credit: 'Credit in kind',
    settle: 'Settle in kind',
    seek: 'Seek in kind',
    fetch: 'Fetch in kind',
    listOffsets: 'ListOffsets in kind',
    commitOffsets: 'CommitOffsets in kind',
    fetchOffsets: 'FetchOffsets in kind',
    initProducer: 'InitProducer in kind',
    declare: 'Declare in kind',
    describe: 'Describe in kind',
    list: 'List in kind',
    delete: 'Delete in kind',
    purge: 'Purge in kind',
    ping: 'Ping in kind',
    status: 'Status in kind',
    publishRouted: 'PublishRouted in kind',
    declareExchange: 'DeclareExchange in kind',
    deleteExchange: 'DeleteExchange in kind',
    bind: 'Bind in kind',
    unbind: 'Unbind in kind',
    listExchanges: 'ListExchanges in kind',
    listBindings: 'ListBindings in kind',
    get: 'Get in kind',
    explainRoute: 'ExplainRoute in kind',
    listUnacked: 'ListUnacked in kind',
    countDelayed: 'CountDelayed in kind',
    cancelDelayed: 'CancelDelayed in kind',
    transact: 'Transact in kind',
    renewToken: 'RenewToken in kind',
  },
  Hello: {
    version: 'uint32',
    clientName: 'string',
    clientVersion: 'string',
    user: 'string',
    password: 'string',
    token: 'string',
    resumeSession: 'bytes',
    vhost: 'string',
    resumeWindowMs: 'uint32',
    received: 'repeated ReceivedTag',
  },
  RenewToken: { token: 'string' },
  ReceivedTag: { subscription: 'uint32', tag: 'uint64' },
  Publish: {
    to: 'string',
    partition: 'uint32',
    messages: 'repeated Message',
    batch: 'bytes',
    durability: 'Durability',
    producer: 'ProducerSequence',
    vhost: 'string',
  },
  PublishRouted: {
    exchange: 'string',
    vhost: 'string',
    messages: 'repeated RoutedMessage',
    durability: 'Durability',
    mandatory: 'bool',
  },
  RoutedMessage: {
    routingKey: 'string',
    value: 'bytes',
    properties: 'Properties',
    delayMs: 'uint32',
    deliverAtMs: 'uint64',
  },
  Properties: {
    contentType: 'string',
    contentEncoding: 'string',
    correlationId: 'string',
    replyTo: 'string',
    messageId: 'string',
    type: 'string',
    appId: 'string',
    userId: 'string',
    priority: 'uint32',
    ttlMs: 'uint32',
    timestampS: 'uint64',
    headers: 'repeated Field',
    persistent: 'bool',
  },
  Field: { name: 'string', value: 'Value' },
  Value: {
    boolean: 'bool in kind',
    integer: 'int64 in kind',
    number: 'double in kind',
    text: 'string in kind',
    binary: 'bytes in kind',
    timestampS: 'uint64 in kind',
    list: 'Values in kind',
    table: 'Fields in kind',
    nothing: 'bool in kind',
  },
  Values: { values: 'repeated Value' },
  Fields: { fields: 'repeated Field' },
  Message: { key: 'bytes', value: 'bytes', headers: 'repeated Header', timestampMs: 'uint64' },
  Header: { name: 'string', value: 'bytes' },
  ProducerSequence: { producerId: 'uint64', epoch: 'uint32', sequence: 'uint32' },
  Subscribe: {
    subscription: 'uint32',
    from: 'string',
    queue: 'QueueMode in mode',
    topic: 'TopicMode in mode',
    broadcast: 'BroadcastMode in mode',
    vhost: 'string',
  },
  QueueMode: { credit: 'uint32', automaticAck: 'bool', exclusive: 'bool', priority: 'int64' },
  Get: { subscription: 'uint32', from: 'string', vhost: 'string', automaticAck: 'bool' },
  TopicMode: {
    credit: 'uint32',
    starts: 'repeated PartitionStart',
    start: 'StartAt',
    group: 'string',
    decoded: 'bool',
  },
  PartitionStart: { partition: 'uint32', offset: 'uint64' },
  StartAt: { beginning: 'bool in at', end: 'bool in at', timestampMs: 'uint64 in at', committed: 'bool in at' },
  BroadcastMode: { start: 'StartAt', slow: 'SlowReader', decoded: 'bool' },
  Unsubscribe: { subscription: 'uint32' },
  Credit: { subscription: 'uint32', add: 'uint32 in change', prefetch: 'uint32 in change' },
  Settle: {
    subscription: 'uint32',
    outcome: 'Outcome',
    tags: 'repeated TagRange',
    upToTag: 'uint64',
    skipSettled: 'bool',
  },
  TagRange: { first: 'uint64', last: 'uint64' },
  Seek: { subscription: 'uint32', starts: 'repeated PartitionStart', start: 'StartAt' },
  Fetch: {
    from: 'string',
    partitions: 'repeated PartitionStart',
    maxBytes: 'uint32',
    maxWaitMs: 'uint32',
    minBytes: 'uint32',
    decoded: 'bool',
    vhost: 'string',
  },
  ListOffsets: { from: 'string', partitions: 'repeated uint32', at: 'StartAt', vhost: 'string' },
  CommitOffsets: { group: 'string', from: 'string', offsets: 'repeated PartitionOffset', vhost: 'string' },
  PartitionOffset: { partition: 'uint32', offset: 'uint64', timestampMs: 'uint64', metadata: 'string' },
  FetchOffsets: { group: 'string', from: 'string', partitions: 'repeated uint32', vhost: 'string' },
  InitProducer: { producerId: 'uint64' },
  Declare: { topic: 'TopicSettings in what', queue: 'QueueSettings in what', passive: 'bool' },
  TopicSettings: {
    name: 'string',
    partitions: 'uint32',
    durability: 'Durability',
    retentionMs: 'int64',
    retentionBytes: 'int64',
    segmentBytes: 'uint32',
    segmentMs: 'int64',
    vhost: 'string',
  },
  QueueSettings: {
    name: 'string',
    partitions: 'uint32',
    durability: 'Durability',
    segmentBytes: 'uint32',
    lingerMs: 'int64',
    start: 'StartAt',
    vhost: 'string',
    model: 'QueueModel',
  },
  QueueModel: {
    durable: 'bool',
    exclusive: 'bool',
    autoDelete: 'bool',
    messageTtlMs: 'uint64',
    expiresMs: 'uint64',
    maxLength: 'uint64',
    maxLengthBytes: 'uint64',
    overflow: 'Overflow',
    deadLetterExchange: 'string',
    deadLetterRoutingKey: 'string',
    deadLetterAtLeastOnce: 'bool',
    maxPriority: 'uint32',
    singleActiveConsumer: 'bool',
    deliveryLimit: 'uint32',
    consumerTimeoutMs: 'uint64',
    retain: 'bool',
    deduplicationMs: 'uint64',
    type: 'QueueType',
    maxAge: 'string',
    arguments: 'repeated Field',
  },
  Describe: { name: 'string', vhost: 'string' },
  List: {
    kind: 'ListKind',
    namePrefix: 'string',
    after: 'string',
    limit: 'uint32',
    withState: 'bool',
    vhost: 'string',
  },
  Delete: { name: 'string', vhost: 'string', ifUnused: 'bool', ifEmpty: 'bool' },
  Purge: { name: 'string', vhost: 'string' },
  Exchange: {
    name: 'string',
    vhost: 'string',
    type: 'string',
    durable: 'bool',
    autoDelete: 'bool',
    internal: 'bool',
    alternate: 'string',
    delayedType: 'string',
    arguments: 'repeated Field',
  },
  DeclareExchange: { exchange: 'Exchange', passive: 'bool' },
  DeleteExchange: { name: 'string', vhost: 'string', ifUnused: 'bool' },
  Binding: {
    source: 'string',
    destination: 'string',
    toExchange: 'bool',
    routingKey: 'string',
    arguments: 'repeated Field',
  },
  Bind: { vhost: 'string', binding: 'Binding' },
  Unbind: { vhost: 'string', binding: 'Binding' },
  ListExchanges: { vhost: 'string', namePrefix: 'string', after: 'string', limit: 'uint32' },
  ListBindings: { vhost: 'string', source: 'string', destination: 'string', skip: 'uint32', limit: 'uint32' },
  ExplainRoute: { vhost: 'string', exchange: 'string', routingKey: 'string', headers: 'repeated Field' },
  ListUnacked: { name: 'string', vhost: 'string', limit: 'uint32' },
  CountDelayed: { vhost: 'string', exchange: 'string' },
  CancelDelayed: { vhost: 'string', exchange: 'string', messageId: 'string' },
  Transact: { vhost: 'string', publishes: 'repeated PublishRouted', settles: 'repeated Settle' },
  Ping: { payload: 'bytes' },
  Status: {},
} as const;

/** Enums by name: their numbers by name, and their names by number. */
export type EnumTables = Readonly<Record<string, Readonly<Record<string, string | number>>>>;

/** The enums that requests use. */
const requestEnums: EnumTables = { Durability, SlowReader, Outcome, ListKind, Overflow, QueueType };

/** A type that is no message. */
export type ScalarType = 'uint32' | 'uint64' | 'int64' | 'double' | 'string' | 'bytes' | 'bool';

/** One field, ready for use. Exactly one of `scalar`, `message` and `values` is set. */
export interface FieldShape {
  readonly name: string;
  readonly repeated: boolean;
  /** The oneof it belongs to, or an empty string. */
  readonly oneof: string;
  readonly scalar?: ScalarType;
  readonly message?: MessageShape;
  /** An enum's numbers by name. */
  readonly values?: Readonly<Record<string, string | number>>;
}

/** One message: its fields by JSON name and by the name in the schema file, both of which protobuf JSON accepts. */
export interface MessageShape {
  readonly name: string;
  readonly fields: Map<string, FieldShape>;
}

/** Messages by name, their fields by name, written as in `requestSchema`. */
export type SchemaTable = Readonly<Record<string, Readonly<Record<string, string>>>>;

const SCALARS: readonly string[] = ['uint32', 'uint64', 'int64', 'double', 'string', 'bytes', 'bool'];

function isScalar(type: string): type is ScalarType {
  return SCALARS.includes(type);
}

/** Makes one table ready for use: `message` gives a message's shape, with those of its fields. */
class Shapes {
  private readonly shapes = new Map<string, MessageShape>();
  private readonly schema: SchemaTable;
  private readonly enums: EnumTables;

  constructor(schema: SchemaTable, enums: EnumTables) {
    this.schema = schema;
    this.enums = enums;
  }

  message(name: string): MessageShape {
    const known = this.shapes.get(name);
    if (known !== undefined) return known;
    const declared = this.schema[name];
    assert(declared !== undefined, `No message ${name} in the table`);
    const shape: MessageShape = { name, fields: new Map() };
    this.shapes.set(name, shape);
    for (const [field, declaration] of Object.entries(declared)) {
      const compiled = this.field(field, declaration);
      shape.fields.set(field, compiled);
      shape.fields.set(
        field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
        compiled,
      );
    }
    return shape;
  }

  private field(name: string, declaration: string): FieldShape {
    const [, repeated, type = '', oneof = ''] = /^(repeated )?(\w+)(?: in (\w+))?$/.exec(declaration) ?? [];
    const base = { name, repeated: repeated !== undefined, oneof };
    if (isScalar(type)) return { ...base, scalar: type };
    const values = this.enums[type];
    return values === undefined ? { ...base, message: this.message(type) } : { ...base, values };
  }
}

/** The shape of a table's frame. */
export function frameShapeOf(schema: SchemaTable, enums: EnumTables): MessageShape {
  return new Shapes(schema, enums).message('Frame');
}

/** The shape of a whole request frame. */
export const frameShape: MessageShape = frameShapeOf(requestSchema, requestEnums);

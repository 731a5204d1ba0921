/** Declaring queues of the RabbitMQ model, by its rules and with its sentences (rabbit_channel.erl: queue.declare). */

import { encodeUtf8, utf8Size } from '../../base/utf8.js';
import { decodeTable, encodeTable, type FieldTable, integerOf } from '../../record/amqp/field-table.js';
import type { Catalog, CatalogTopic } from '../catalog.js';
import { BrokerError } from '../errors.js';
import type { MetadataChange } from '../metadata-changes.js';
import {
  ARGUMENTS_BYTES_MAX,
  DEFAULT_SEGMENT_BYTES,
  PARTITIONS_PER_TOPIC_MAX,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SHORT_STRING_BYTES_MAX,
} from '../metadata-limits.js';
import { DEFAULT_VHOST, type QueueDeclaration, type QueuePolicy, type QueueSettings } from '../model.js';
import { type Declaration, DurabilityLevel, type TopicSettings } from '../ports.js';
import { checkQueueArguments, queuePolicy, requireEqualQueueArguments } from '../queue-arguments.js';
import { creation, type NodeShape, withDefaults } from './creation.js';
import { locked, notFound, preconditionFailed, refuseReservedName, requireEqual, resource } from './sentences.js';

const NO_ARGUMENTS = new Uint8Array(0);
/** What a queue is taken for that was declared without the RabbitMQ model. */
const PLAIN_QUEUE: QueueSettings = { durable: true, autoDelete: false, exclusiveOwner: '', arguments: NO_ARGUMENTS };
/** Names that a door makes for clients that leave the name to the server. */
const SERVER_NAMED = /^amq\.gen-[A-Za-z0-9_-]{22}$/;

/**
 * What declaring a queue changes; nothing when it exists and is the same. A topic that has no cursor yet is given one.
 * @throws BrokerError `not-found` (passive), `precondition-failed`, `resource-locked`, `access-refused`, `limit-exceeded`, `invalid-request`.
 */
export function queueDeclarationChanges(
  catalog: Catalog,
  declaration: Declaration,
  queue: QueueDeclaration,
  node: NodeShape,
): readonly MetadataChange[] {
  const { name, vhost = DEFAULT_VHOST } = declaration;
  const subject = resource('queue', vhost, name);
  const existing = catalog.topic(name, vhost);
  if (declaration.passive) {
    if (existing === undefined || existing.settings.kind === 'topic') notFound(subject);
    requireAccess(existing, queue.connection, subject);
    return [];
  }
  return changesOf(catalog, declaration, withDefaultType(catalog, vhost, queue, existing), node);
}

/** The rest of `queueDeclarationChanges`, of a queue whose type is said. */
function changesOf(
  catalog: Catalog,
  declaration: Declaration,
  queue: QueueDeclaration,
  node: NodeShape,
): readonly MetadataChange[] {
  const { name, vhost = DEFAULT_VHOST } = declaration;
  const subject = resource('queue', vhost, name);
  const existing = catalog.topic(name, vhost);
  const table = argumentTable(queue.arguments, subject);
  if (existing?.settings.kind === 'queue') {
    refuseDifference(existing, declaration, queue, table, subject);
    return [];
  }
  checkShortName(name, subject);
  if (!SERVER_NAMED.test(name)) refuseReservedName('queue', name);
  checkQueueArguments(table, queue, subject);
  checkQueueLimit(catalog, vhost, name);
  const settings = settingsOf(declaration, queue, table);
  if (existing !== undefined) return [attachment(existing, settings, declaration, subject)];
  const count = Math.max(1, declaration.partitions);
  if (count > PARTITIONS_PER_TOPIC_MAX) {
    throw new BrokerError('invalid-request', `Cannot declare ${subject} with ${count} partitions`);
  }
  const volatileOn = settings.queue?.durable === true ? undefined : queue.shard;
  return [creation(catalog, { vhost, name, settings, count, volatileOn }, node, subject)];
}

const TYPE_ARGUMENT = 'x-queue-type';

/**
 * A declaration without a type, in a virtual host that has a default one: a new queue is of that, where it can be (RabbitMQ 3.11:
 * augment_declare_args), and for a queue that exists its own is meant.
 */
function withDefaultType(
  catalog: Catalog,
  vhost: string,
  queue: QueueDeclaration,
  existing: CatalogTopic | undefined,
): QueueDeclaration {
  const type = catalog.access.vhostMetadata(vhost).defaultQueueType;
  if (type === undefined) return queue;
  const current = existing?.settings.queue;
  if (current !== undefined) {
    const own = decodeTable(current.arguments).get(TYPE_ARGUMENT);
    return own?.type === 'longstr' ? withType(queue, own.value) : queue;
  }
  const isLasting = queue.durable && !queue.exclusive && !queue.autoDelete;
  return type === 'classic' || !isLasting ? queue : withType(queue, encodeUtf8(type));
}

/** With a type unless there is one. What is no table is refused later. */
function withType(queue: QueueDeclaration, type: Uint8Array): QueueDeclaration {
  const table = new Map(argumentTable(queue.arguments, 'the queue'));
  if (table.has(TYPE_ARGUMENT)) return queue;
  return { ...queue, arguments: encodeTable(table.set(TYPE_ARGUMENT, { type: 'longstr', value: type })) };
}

/** @throws BrokerError `precondition-failed` when the virtual host has as many queues as it may have */
export function checkQueueLimit(catalog: Catalog, vhost: string, name: string): void {
  const limit = catalog.access.vhostLimits(vhost)['max-queues'] ?? -1;
  if (limit < 0) return;
  let queues = 0;
  for (const { settings } of catalog.vhost(vhost)?.topics.values() ?? []) if (settings.kind === 'queue') queues++;
  if (queues < limit) return;
  preconditionFailed(`cannot declare queue '${name}': queue limit in vhost '${vhost}' (${limit}) is reached`);
}

/** @throws BrokerError `resource-locked` when a queue is another connection's own. */
export function requireAccess(topic: CatalogTopic, connection: string, subject: string): void {
  const owner = topic.settings.queue?.exclusiveOwner ?? '';
  if (owner !== '' && owner !== connection) locked(subject);
}

/** An argument table, decoded. @throws BrokerError `precondition-failed`, `limit-exceeded` */
export function argumentTable(encoded: Uint8Array, subject: string): FieldTable {
  if (encoded.length > ARGUMENTS_BYTES_MAX) {
    const text = `Cannot declare ${subject}: its arguments have ${encoded.length} bytes, the limit is ${ARGUMENTS_BYTES_MAX}`;
    throw new BrokerError('limit-exceeded', text);
  }
  try {
    return decodeTable(encoded);
  } catch (error) {
    throw new BrokerError('invalid-request', `Cannot read the arguments of ${subject}`, error);
  }
}

/** Bytes that keep no larger buffer alive: they are cloned for every shard. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) return NO_ARGUMENTS;
  return bytes.length === bytes.buffer.byteLength ? bytes : bytes.slice();
}

/** @throws BrokerError `invalid-request` for a name that AMQP could not carry. */
export function checkShortName(name: string, subject: string): void {
  if (name === '') throw new BrokerError('invalid-request', `Cannot declare ${subject}: the name is empty`);
  // UTF-8 has no form for half of a surrogate pair, so two names would become one.
  if (utf8Size(name) <= SHORT_STRING_BYTES_MAX && !/\p{Surrogate}/u.test(name)) return;
  throw new BrokerError('invalid-request', `Cannot declare ${subject}: its name is no text of up to 255 bytes`);
}

function refuseDifference(
  existing: CatalogTopic,
  declaration: Declaration,
  queue: QueueDeclaration,
  table: FieldTable,
  subject: string,
): void {
  const current = existing.settings.queue ?? PLAIN_QUEUE;
  // Strict: a shared queue declared as exclusive is as wrong as the exclusive one of somebody else.
  if (current.exclusiveOwner !== (queue.exclusive ? queue.connection : '')) locked(subject);
  requireEqual(subject, 'durable', current.durable, queue.durable && !queue.exclusive);
  requireEqual(subject, 'auto_delete', current.autoDelete, queue.autoDelete);
  requireEqualQueueArguments(subject, decodeTable(current.arguments), table);
  const { partitions } = declaration;
  const count = existing.partitions.length;
  if (partitions > 1 && partitions !== count) requireEqual(subject, 'partitions', String(count), String(partitions));
}

function settingsOf({ settings }: Declaration, queue: QueueDeclaration, table: FieldTable): TopicSettings {
  const durable = queue.durable && !queue.exclusive;
  const policy = queuePolicy(table);
  const plain = withDefaults({
    ...settings,
    ...(durable ? {} : { durability: DurabilityLevel.memory }),
    ...(policy.retain ? { lingerMs: -1 } : {}),
    ...(policy.type === 'stream' ? streamSettings(policy, table) : {}),
  });
  return {
    ...plain,
    queue: {
      durable,
      autoDelete: queue.autoDelete,
      exclusiveOwner: queue.exclusive ? queue.connection : '',
      arguments: ownBytes(queue.arguments),
    },
  };
}

/** A stream's limits are those of its log. */
function streamSettings(policy: QueuePolicy, table: FieldTable): Partial<TopicSettings> {
  const segmentBytes = integerOf(table.get('x-stream-max-segment-size-bytes')) ?? DEFAULT_SEGMENT_BYTES;
  return {
    retentionMs: policy.maxAgeMs,
    retentionBytes: policy.maxLengthBytes,
    segmentBytes: Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, segmentBytes)),
  };
}

/** A topic is on disk and everybody's: so must be the queue that reads it. */
function attachment(
  topic: CatalogTopic,
  declared: TopicSettings,
  { start }: Declaration,
  subject: string,
): MetadataChange {
  const { queue, lingerMs } = declared;
  if (queue?.durable !== true) preconditionFailed(`${subject} is a topic: its queue is durable and not exclusive`);
  const settings: TopicSettings = { ...topic.settings, kind: 'queue', lingerMs, queue };
  return { kind: 'attach-cursor', topicId: topic.topicId, settings, start };
}

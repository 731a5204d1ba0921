/** What a declaration changes in a catalog: pure, on the control thread. */
import { utf8Size } from '../base/utf8.js';
import { creation, type NodeShape, SMALL_NODE, withDefaults } from './catalog/creation.js';
import { checkQueueLimit, queueDeclarationChanges, requireAccess } from './catalog/queue-declarations.js';
import { Removal, vhostOf } from './catalog/removal.js';
import { refuseReservedName, resource } from './catalog/sentences.js';
import { requireVhost } from './catalog/vhost-declarations.js';
import type { Catalog, CatalogTopic, MetadataChange } from './catalog.js';
import { heldTopicChanges } from './delay/internal-topic.js';
import { BrokerError } from './errors.js';
import {
  DEFAULT_LINGER_MS,
  PARTITIONS_PER_TOPIC_MAX,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SEGMENT_MS_MIN,
  TOPIC_NAME_BYTES_MAX,
} from './metadata-limits.js';
import { DEFAULT_VHOST } from './model.js';
import { type Declaration, DurabilityLevel, type StartAt, type TopicSettings } from './ports.js';

export { type NodeShape, SMALL_NODE } from './catalog/creation.js';
export {
  bindingChanges,
  exchangeDeclarationChanges,
  exchangeDeletionChanges,
  unbindingChanges,
} from './catalog/exchange-declarations.js';
export { requireVhost, vhostCreationChanges, vhostDeletionChanges } from './catalog/vhost-declarations.js';

type Settings = Declaration['settings'];
/** Settings that are numbers, in the order in which differences are looked for. */
const NUMBERS = ['retentionMs', 'retentionBytes', 'segmentBytes', 'segmentMs', 'lingerMs'] as const;

/**
 * Checks a declaration against a catalog and says what it changes; nothing when it exists. What is declared again must not differ in a setting
 * that the declaration names; what it does not name is not compared. Declaring a queue where a topic exists gives the topic a cursor; declaring a
 * topic where a queue exists finds the queue's log. A declaration with `queue` follows RabbitMQ's rules instead.
 * @throws BrokerError `invalid-request`, `limit-exceeded`, `already-exists`, `not-found`, `wrong-kind`, or one of RabbitMQ's refusals.
 */
export function validateDeclaration(
  catalog: Catalog,
  declaration: Declaration,
  node: NodeShape = SMALL_NODE,
): readonly MetadataChange[] {
  if (declaration.isInternal === true) return heldTopicChanges(catalog, node);
  const { name, vhost = DEFAULT_VHOST, settings, queue } = declaration;
  requireVhost(catalog, vhost);
  if (queue !== undefined) return queueDeclarationChanges(catalog, declaration, queue, node);
  const subject = `${settings.kind} ${quoted(name)}`;
  checkName(name, settings.kind);
  const existing = catalog.topic(name, vhost);
  if (declaration.passive) {
    checkPassively(existing, settings.kind, subject);
    return [];
  }
  checkNumbers(declaration, subject);
  if (existing === undefined) {
    refuseReservedName('queue', name);
    const count = declaration.partitions || (settings.kind === 'queue' ? 1 : node.defaultPartitions);
    if (settings.kind === 'queue') checkQueueLimit(catalog, vhost, name);
    const topic = { vhost, name, settings: withDefaults(settings), count, volatileOn: undefined };
    return [creation(catalog, topic, node, subject)];
  }
  requireAccess(existing, '', resource('queue', vhost, name));
  const attaches = settings.kind === 'queue' && existing.settings.kind === 'topic';
  refuseDifference(existing, declaration, subject, attaches);
  return attaches ? [attachment(existing, settings, declaration.start)] : [];
}

/** What deleting a topic or queue changes. @throws BrokerError `not-found`, `resource-locked` */
export function deletionChanges(
  catalog: Catalog,
  name: string,
  vhost: string = DEFAULT_VHOST,
): readonly MetadataChange[] {
  const topic = catalog.topic(name, vhost);
  if (topic === undefined) throw new BrokerError('not-found', `Cannot delete ${quoted(name)}: it does not exist`);
  requireAccess(topic, '', resource('queue', vhost, name));
  return removalChanges(catalog, topic);
}

/** The queue that a connection wants to delete; undefined when there is none, which is no error. @throws BrokerError `resource-locked`, `not-found` */
export function queueToDelete(
  catalog: Catalog,
  vhost: string,
  name: string,
  connection: string,
): CatalogTopic | undefined {
  const topic = requireVhost(catalog, vhost).topics.get(name);
  if (topic !== undefined) requireAccess(topic, connection, resource('queue', vhost, name));
  return topic;
}

/** What removing a topic or queue that exists changes. */
export function removalChanges(catalog: Catalog, topic: CatalogTopic): readonly MetadataChange[] {
  return new Removal(catalog, requireVhost(catalog, vhostOf(topic))).topic(topic).changes;
}

/** What the end of a connection changes: its exclusive queues go, of whatever virtual host they are. */
export function connectionEndChanges(catalog: Catalog, connection: string): readonly MetadataChange[] {
  const removals = new Map<string, Removal>();
  for (const topic of catalog.exclusiveQueues(connection)) {
    const vhost = vhostOf(topic);
    const removal = removals.get(vhost) ?? new Removal(catalog, requireVhost(catalog, vhost));
    removals.set(vhost, removal.topic(topic));
  }
  return [...removals.values()].flatMap((removal) => removal.changes);
}

/** @throws BrokerError `invalid-request` unless `name` may name a topic or queue: 1 to 255 bytes of UTF-8 without control characters. */
export function checkName(name: string, kind: TopicSettings['kind']): void {
  if (name === '')
    throw new BrokerError('invalid-request', `Cannot declare a ${kind} without a name: the name is empty`);
  const bytes = utf8Size(name);
  if (bytes > TOPIC_NAME_BYTES_MAX) {
    throw new BrokerError(
      'invalid-request',
      `Cannot declare ${kind} ${quoted(name)}: its name has ${bytes} bytes, the limit is ${TOPIC_NAME_BYTES_MAX}`,
    );
  }
  for (let index = 0; index < name.length; index++) {
    const unit = name.charCodeAt(index);
    const control = unit < 0x20 || (unit >= 0x7f && unit <= 0x9f);
    if (!control) continue;
    const text = `Cannot declare ${kind} ${quoted(name)}: its name holds the control character ${unit}`;
    throw new BrokerError('invalid-request', text);
  }
  // UTF-8 has no form for it, so two names would become one.
  if (/\p{Surrogate}/u.test(name)) {
    throw new BrokerError(
      'invalid-request',
      `Cannot declare ${kind} ${quoted(name)}: its name holds half of a surrogate pair`,
    );
  }
}

/** A name as messages show it: long ones are cut, control characters escaped. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 64 ? `${name.slice(0, 64)}...` : name);
}

function checkPassively(existing: CatalogTopic | undefined, kind: TopicSettings['kind'], subject: string): void {
  if (existing === undefined) throw new BrokerError('not-found', `Cannot find ${subject}: it does not exist`);
  if (kind === 'queue' && existing.settings.kind === 'topic') {
    throw new BrokerError('wrong-kind', `Cannot find ${subject}: it is a topic without a queue's cursor`);
  }
}

function checkNumbers(declaration: Declaration, subject: string): void {
  const { partitions, settings } = declaration;
  checkRange(subject, 'partitions', partitions, 0, PARTITIONS_PER_TOPIC_MAX);
  if (settings.durability !== undefined) checkRange(subject, 'durability', settings.durability, 1, 3);
  if (settings.lingerMs !== undefined && settings.kind === 'topic') {
    throw new BrokerError(
      'invalid-request',
      `Cannot declare ${subject}: lingerMs=${settings.lingerMs} is for queues only`,
    );
  }
  const ranges = {
    retentionMs: [-1, Number.MAX_SAFE_INTEGER],
    retentionBytes: [-1, Number.MAX_SAFE_INTEGER],
    segmentBytes: [SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX],
    segmentMs: [SEGMENT_MS_MIN, Number.MAX_SAFE_INTEGER],
    lingerMs: [-1, Number.MAX_SAFE_INTEGER],
  } as const;
  for (const name of NUMBERS) {
    const value = settings[name];
    // No segment limit by time is allowed too: it is closed by size alone.
    if (value === undefined || (name === 'segmentMs' && value === -1)) continue;
    checkRange(subject, name, value, ranges[name][0], ranges[name][1]);
  }
}

function checkRange(subject: string, name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return;
  throw new BrokerError('invalid-request', `Cannot declare ${subject}: ${name}=${value} is outside ${min} to ${max}`);
}

function refuseDifference(existing: CatalogTopic, declaration: Declaration, subject: string, attaches: boolean): void {
  const { settings, partitions } = declaration;
  const differs = (name: string, exists: string | number, declared: string | number): never => {
    throw new BrokerError(
      'already-exists',
      `Cannot declare ${subject}: it exists with ${name}=${exists}, declared ${name}=${declared}`,
    );
  };
  const count = existing.partitions.length;
  if (partitions !== 0 && partitions !== count) differs('partitions', count, partitions);
  const { durability } = settings;
  if (durability !== undefined && durability !== existing.settings.durability) {
    differs('durability', durabilityName(existing.settings.durability), durabilityName(durability));
  }
  for (const name of NUMBERS) {
    const value = settings[name];
    if (value === undefined || value === existing.settings[name]) continue;
    // A plain topic has no linger yet: the queue brings it.
    if (name === 'lingerMs' && attaches) continue;
    differs(name, existing.settings[name], value);
  }
}

function durabilityName(level: DurabilityLevel): string {
  return Object.entries(DurabilityLevel).find(([, value]) => value === level)?.[0] ?? String(level);
}

function attachment(topic: CatalogTopic, settings: Settings, start: StartAt): MetadataChange {
  const lingerMs = settings.lingerMs ?? DEFAULT_LINGER_MS;
  return {
    kind: 'attach-cursor',
    topicId: topic.topicId,
    settings: { ...topic.settings, kind: 'queue', lingerMs },
    start,
  };
}

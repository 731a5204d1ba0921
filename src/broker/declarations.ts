/** What a declaration changes in a catalog: pure, on the control thread. */
import { utf8Size } from '../base/utf8.js';
import type { Catalog, CatalogTopic, MetadataChange } from './catalog.js';
import { BrokerError } from './errors.js';
import {
  DEFAULT_LINGER_MS,
  DEFAULT_RETENTION_BYTES,
  DEFAULT_RETENTION_MS,
  DEFAULT_SEGMENT_BYTES,
  DEFAULT_SEGMENT_MS,
  LOG_ID_MAX,
  PARTITIONS_MAX,
  PARTITIONS_PER_TOPIC_MAX,
  SEGMENT_BYTES_MAX,
  SEGMENT_BYTES_MIN,
  SEGMENT_MS_MIN,
  TOPIC_NAME_BYTES_MAX,
  TOPICS_MAX,
} from './metadata-limits.js';
import { type Declaration, DurabilityLevel, type StartAt, type TopicSettings } from './ports.js';

type Settings = Declaration['settings'];
/** Settings that are numbers, in the order in which differences are looked for. */
const NUMBERS = ['retentionMs', 'retentionBytes', 'segmentBytes', 'segmentMs', 'lingerMs'] as const;

/**
 * Checks a declaration against a catalog and says what it changes; nothing when it exists. What is declared again must not differ in a setting
 * that the declaration names; what it does not name is not compared. Declaring a queue where a topic exists gives the topic a cursor; declaring a
 * topic where a queue exists finds the queue's log. `defaultPartitions` is for topics that name no number; `slots` is the size of the shared
 * partition table.
 * @throws BrokerError `invalid-request`, `limit-exceeded`, `already-exists`, `not-found` or `wrong-kind`.
 */
export function validateDeclaration(
  catalog: Catalog,
  declaration: Declaration,
  defaultPartitions: number,
  slots: number = PARTITIONS_MAX,
): readonly MetadataChange[] {
  const { name, settings } = declaration;
  const subject = `${settings.kind} ${quoted(name)}`;
  checkName(name, settings.kind);
  const existing = catalog.topic(name);
  if (declaration.passive) {
    checkPassively(existing, settings.kind, subject);
    return [];
  }
  checkNumbers(declaration, subject);
  if (existing === undefined) {
    const count = declaration.partitions || (settings.kind === 'queue' ? 1 : defaultPartitions);
    return creation(catalog, declaration, count, slots, subject);
  }
  const attaches = settings.kind === 'queue' && existing.settings.kind === 'topic';
  refuseDifference(existing, declaration, subject, attaches);
  return attaches ? [attachment(existing, settings, declaration.start)] : [];
}

/** What deleting a topic or queue changes. @throws BrokerError `not-found` */
export function deletionChanges(catalog: Catalog, name: string): readonly MetadataChange[] {
  const topic = catalog.topic(name);
  if (topic === undefined) throw new BrokerError('not-found', `Cannot delete ${quoted(name)}: it does not exist`);
  return [{ kind: 'delete-topic', topicId: topic.topicId }];
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

function creation(
  catalog: Catalog,
  { name, settings }: Declaration,
  count: number,
  slots: number,
  subject: string,
): readonly MetadataChange[] {
  if (catalog.topicCount >= TOPICS_MAX) {
    throw new BrokerError(
      'limit-exceeded',
      `Cannot declare ${subject}: there are ${TOPICS_MAX} topics and queues already`,
    );
  }
  if (catalog.partitionCount + count > slots || catalog.nextLogId + count - 1 > LOG_ID_MAX) {
    throw new BrokerError(
      'limit-exceeded',
      `Cannot declare ${subject} with partitions=${count}: the node has ${catalog.partitionCount} of at most ${slots} partitions`,
    );
  }
  const firstLogId = catalog.nextLogId;
  const partitions = catalog
    .freeSlots(count)
    .map((slot, partition) => ({ partition, logId: firstLogId + partition, slot }));
  const topic = { name, topicId: catalog.nextTopicId, settings: withDefaults(settings), partitions };
  return [{ kind: 'create-topic', topic }];
}

/** Settings of something new. A queue keeps its messages until they are acknowledged, unless it names a retention. */
function withDefaults(settings: Settings): TopicSettings {
  const isQueue = settings.kind === 'queue';
  return {
    kind: settings.kind,
    durability: settings.durability ?? DurabilityLevel.disk,
    retentionMs: settings.retentionMs ?? (isQueue ? -1 : DEFAULT_RETENTION_MS),
    retentionBytes: settings.retentionBytes ?? DEFAULT_RETENTION_BYTES,
    segmentBytes: settings.segmentBytes ?? DEFAULT_SEGMENT_BYTES,
    segmentMs: settings.segmentMs ?? DEFAULT_SEGMENT_MS,
    lingerMs: settings.lingerMs ?? DEFAULT_LINGER_MS,
  };
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

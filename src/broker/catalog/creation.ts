/** A topic or queue that is new: its ids, its place in the partition table, its settings. */
import type { Catalog } from '../catalog.js';
import { BrokerError } from '../errors.js';
import type { MetadataChange } from '../metadata-changes.js';
import {
  DEFAULT_LINGER_MS,
  DEFAULT_RETENTION_BYTES,
  DEFAULT_RETENTION_MS,
  DEFAULT_SEGMENT_BYTES,
  DEFAULT_SEGMENT_MS,
  LOG_ID_MAX,
  PARTITIONS_MAX,
  TOPICS_MAX,
} from '../metadata-limits.js';
import { DEFAULT_VHOST } from '../model.js';
import { type Declaration, DurabilityLevel, type PartitionEntry, type TopicSettings } from '../ports.js';
import { marked } from './removal.js';

/** What the node brings to a declaration. */
export interface NodeShape {
  /** For topics that name no number. */
  readonly defaultPartitions: number;
  /** Size of the shared partition table. */
  readonly slots: number;
  /** Owners of logs. */
  readonly shards: number;
}

/** A node of one shard with room for everything. */
export const SMALL_NODE: NodeShape = { defaultPartitions: 1, slots: PARTITIONS_MAX, shards: 1 };

/** What is to be made. */
export interface NewTopic {
  readonly vhost: string;
  readonly name: string;
  readonly settings: TopicSettings;
  readonly count: number;
  /** The shard that owns the logs of what is volatile; undefined for what is written. */
  readonly volatileOn: number | undefined;
}

/** The change that makes a topic; `subject` names it in errors. @throws BrokerError `limit-exceeded` */
export function creation(catalog: Catalog, topic: NewTopic, node: NodeShape, subject: string): MetadataChange {
  const { vhost, name, settings, count, volatileOn } = topic;
  if (catalog.topicCount >= TOPICS_MAX) {
    throw new BrokerError(
      'limit-exceeded',
      `Cannot declare ${subject}: there are ${TOPICS_MAX} topics and queues already`,
    );
  }
  if (catalog.partitionCount + count > node.slots || catalog.nextLogId + count - 1 > LOG_ID_MAX) {
    throw new BrokerError(
      'limit-exceeded',
      `Cannot declare ${subject} with partitions=${count}: the node has ${catalog.partitionCount} of at most ${node.slots} partitions`,
    );
  }
  const logIds =
    volatileOn === undefined ? writtenLogIds(catalog, count) : volatileLogIds(catalog, count, volatileOn, node);
  const partitions: PartitionEntry[] = catalog
    .freeSlots(count)
    .map((slot, partition) => ({ partition, logId: logIds[partition]!, slot }));
  const topicId =
    volatileOn === undefined
      ? catalog.nextTopicId
      : catalog.volatileIds.topicId((used) => catalog.topicById(used) !== undefined);
  const entry = { name, topicId, settings, partitions };
  const placed = vhost === DEFAULT_VHOST ? entry : { ...entry, vhost };
  return marked({ kind: 'create-topic', topic: placed }, volatileOn !== undefined);
}

function writtenLogIds(catalog: Catalog, count: number): number[] {
  return Array.from({ length: count }, (_, partition) => catalog.nextLogId + partition);
}

/** Partitions are spread over the shards, beginning at the one that asks. */
function volatileLogIds(catalog: Catalog, count: number, first: number, { shards }: NodeShape): number[] {
  const taken = new Set<number>();
  for (let partition = 0; partition < count; partition++) {
    const isUsed = (logId: number): boolean => taken.has(logId) || catalog.topicOfLog(logId) !== undefined;
    taken.add(catalog.volatileIds.logId((first + partition) % shards, shards, isUsed));
  }
  return [...taken];
}

/** Settings of something new. A queue keeps its messages until they are acknowledged, unless it names a retention. */
export function withDefaults(settings: Declaration['settings']): TopicSettings {
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

/** The topic that holds messages until their time: one of a virtual host that nobody enters. */

import { creation, type NodeShape } from '../catalog/creation.js';
import type { Catalog } from '../catalog.js';
import type { MetadataChange } from '../metadata-changes.js';
import { INTERNAL_VHOST } from '../model.js';
import { type Declaration, DurabilityLevel, type TopicEntry, type TopicSettings } from '../ports.js';
import { HELD_SEGMENT_BYTES } from './limits.js';

/** Name of the topic in INTERNAL_VHOST. */
export const HELD_TOPIC = 'delayed';

const SETTINGS: TopicSettings = {
  kind: 'queue',
  durability: DurabilityLevel.disk,
  retentionMs: -1,
  retentionBytes: -1,
  segmentBytes: HELD_SEGMENT_BYTES,
  segmentMs: -1,
  lingerMs: 0,
};

/** What a shard asks for with the first message that is held: one partition for each shard of that time. */
export const HELD_TOPIC_DECLARATION: Declaration = {
  name: HELD_TOPIC,
  vhost: INTERNAL_VHOST,
  partitions: 0,
  settings: SETTINGS,
  passive: false,
  start: { at: 'beginning' },
  isInternal: true,
};

/** What making the topic changes; nothing when it exists. @throws BrokerError `limit-exceeded` */
export function heldTopicChanges(catalog: Catalog, node: NodeShape): readonly MetadataChange[] {
  if (catalog.topic(HELD_TOPIC, INTERNAL_VHOST) !== undefined) return [];
  const topic = {
    vhost: INTERNAL_VHOST,
    name: HELD_TOPIC,
    settings: SETTINGS,
    count: node.shards,
    volatileOn: undefined,
  };
  const made = creation(catalog, topic, node, 'the internal topic of delayed messages');
  return catalog.hasVhost(INTERNAL_VHOST) ? [made] : [{ kind: 'create-vhost', vhost: INTERNAL_VHOST }, made];
}

/** Whether a topic is the one that holds messages. */
export function isHeldTopic(topic: TopicEntry): boolean {
  return topic.vhost === INTERNAL_VHOST && topic.name === HELD_TOPIC;
}

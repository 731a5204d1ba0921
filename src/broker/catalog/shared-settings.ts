/**
 * One object for settings that are the same: of thousands of queues most are declared alike, and each thread has an image of them all. Made anew for
 * each topic, they took a third of what an idle queue costs.
 */
import type { QueueSettings } from '../model.js';
import type { TopicSettings } from '../ports.js';

/** Different settings that are looked through: more would cost a declaration more than they save. */
const KNOWN_MAX = 8;

/** See the top of this file. One per image; settings are never changed. */
export class SharedSettings {
  /** Those that were new last. */
  private readonly known: TopicSettings[] = [];

  /** Equal to `settings`. */
  of(settings: TopicSettings): TopicSettings {
    const found = this.known.find((one) => areSame(one, settings));
    if (found !== undefined) return found;
    if (this.known.length >= KNOWN_MAX) this.known.shift();
    this.known.push(settings);
    return settings;
  }
}

function areSame(one: TopicSettings, other: TopicSettings): boolean {
  return (
    one.kind === other.kind &&
    one.durability === other.durability &&
    one.retentionMs === other.retentionMs &&
    one.retentionBytes === other.retentionBytes &&
    one.segmentBytes === other.segmentBytes &&
    one.segmentMs === other.segmentMs &&
    one.lingerMs === other.lingerMs &&
    areSameQueues(one.queue, other.queue) &&
    areSameEffects(one.effectiveArguments, other.effectiveArguments)
  );
}

function areSameQueues(one: QueueSettings | undefined, other: QueueSettings | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.durable === other.durable &&
    one.autoDelete === other.autoDelete &&
    one.exclusiveOwner === other.exclusiveOwner &&
    areSameBytes(one.arguments, other.arguments)
  );
}

function areSameEffects(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one === undefined || other === undefined ? one === other : areSameBytes(one, other);
}

function areSameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

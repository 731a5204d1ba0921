/**
 * The image of the metadata log: topics, queues, their partitions and log ids. The same code runs on the control thread, which validates
 * against its image, and on every shard, which only applies. No I/O.
 */
import { assert, unreachable } from '../base/assert.js';
import { ByteReader, ByteWriter } from '../base/bytes.js';
import { DecodeError } from '../base/errors.js';
import { decodeChange, encodeChange, type MetadataChange } from './metadata-changes.js';
import { PRODUCER_EPOCHS_MAX } from './metadata-limits.js';
import type { StartAt, TopicEntry } from './ports.js';

export { decodeChange, encodeChange, type MetadataChange } from './metadata-changes.js';

const SNAPSHOT_VERSION = 1;

/** A topic, and where the cursors of a queue begin on logs that existed before the queue. */
export interface CatalogTopic extends TopicEntry {
  readonly start: StartAt;
}

/** See the top of this file. */
export class Catalog {
  private readonly byName = new Map<string, CatalogTopic>();
  private readonly byId = new Map<number, CatalogTopic>();
  private readonly byLog = new Map<number, CatalogTopic>();
  private readonly epochs = new Map<number, number>();
  private readonly usedSlots = new Set<number>();
  private lastVersion = 0;
  private unusedTopicId = 1;
  private unusedLogId = 1;
  private reservedProducerIds = 0;

  /** Version that the change applied last has made. */
  get version(): number {
    return this.lastVersion;
  }

  /** The smallest topic id that was never used. */
  get nextTopicId(): number {
    return this.unusedTopicId;
  }

  /** The smallest log id that was never used. */
  get nextLogId(): number {
    return this.unusedLogId;
  }

  /** Producer ids below may have been given away. */
  get producerIdsBelow(): number {
    return this.reservedProducerIds;
  }

  /** Partitions of all topics. */
  get partitionCount(): number {
    return this.byLog.size;
  }

  /** Topics and queues. */
  get topicCount(): number {
    return this.byName.size;
  }

  topic(name: string): CatalogTopic | undefined {
    return this.byName.get(name);
  }

  topicById(topicId: number): CatalogTopic | undefined {
    return this.byId.get(topicId);
  }

  /** The topic that a log belongs to. */
  topicOfLog(logId: number): CatalogTopic | undefined {
    return this.byLog.get(logId);
  }

  topics(): IterableIterator<CatalogTopic> {
    return this.byName.values();
  }

  /** The last epoch that was given to a producer id. */
  producerEpoch(producerId: number): number {
    return this.epochs.get(producerId) ?? 0;
  }

  /** The `count` smallest slots that are free, ascending. */
  freeSlots(count: number): number[] {
    const slots: number[] = [];
    for (let slot = 0; slots.length < count; slot++) if (!this.usedSlots.has(slot)) slots.push(slot);
    return slots;
  }

  /**
   * Applies the change that makes `version`. Shards may see versions skipped, since what concerns the control thread alone is not sent to them.
   * @throws BugError when the change does not follow from the image.
   */
  apply(version: number, change: MetadataChange): void {
    assert(version > this.lastVersion, `Cannot apply version ${version} to a catalog of version ${this.lastVersion}`);
    this.lastVersion = version;
    switch (change.kind) {
      case 'create-topic':
        this.create(change.topic);
        break;
      case 'attach-cursor':
        this.attach(change);
        break;
      case 'delete-topic':
        this.delete(change.topicId);
        break;
      case 'reserve-producer-ids':
        this.reservedProducerIds = Math.max(this.reservedProducerIds, change.below);
        break;
      case 'producer-epoch':
        this.setEpoch(change.producerId, change.epoch);
        break;
      case 'reserve-log-ids':
        this.unusedLogId = Math.max(this.unusedLogId, change.below);
        break;
      default:
        unreachable(change);
    }
  }

  /** The whole image, for a checkpoint of the metadata log. */
  snapshot(): Uint8Array {
    const writer = new ByteWriter();
    writer.u8(SNAPSHOT_VERSION);
    writer.uvarint(this.lastVersion);
    writer.uvarint(this.unusedTopicId);
    writer.uvarint(this.unusedLogId);
    writer.uvarint(this.reservedProducerIds);
    const changes = this.asChanges();
    writer.uvarint(changes.length);
    for (const change of changes) {
      const bytes = encodeChange(change);
      writer.uvarint(bytes.length);
      writer.raw(bytes);
    }
    return writer.copy();
  }

  /** Replaces the image, which must be that of a new catalog, by a snapshot's. @throws DecodeError */
  restore(snapshot: Uint8Array): void {
    assert(this.lastVersion === 0, `Cannot restore a catalog of version ${this.lastVersion}`);
    const reader = new ByteReader(snapshot);
    const snapshotVersion = reader.u8();
    if (snapshotVersion !== SNAPSHOT_VERSION) {
      throw new DecodeError(
        'invalid',
        `Cannot read a catalog of version ${snapshotVersion}: version ${SNAPSHOT_VERSION} is known`,
      );
    }
    const version = reader.uvarlong();
    const nextTopicId = reader.uvarlong();
    const nextLogId = reader.uvarlong();
    this.reservedProducerIds = reader.uvarlong();
    const count = reader.uvarint();
    for (let index = 0; index < count; index++) {
      this.apply(index + 1, decodeChange(reader.view(reader.uvarint())));
    }
    if (reader.remaining > 0) throw new DecodeError('invalid', `A catalog has ${reader.remaining} bytes too many`);
    this.lastVersion = version;
    this.unusedTopicId = nextTopicId;
    this.unusedLogId = nextLogId;
  }

  /** The shortest changes that make this image; topics keep their order. */
  private asChanges(): MetadataChange[] {
    const changes: MetadataChange[] = [];
    for (const { topicId, name, settings, partitions, start } of this.byName.values()) {
      changes.push({ kind: 'create-topic', topic: { topicId, name, settings, partitions } });
      if (start.at !== 'beginning') changes.push({ kind: 'attach-cursor', topicId, settings, start });
    }
    for (const [producerId, epoch] of this.epochs) changes.push({ kind: 'producer-epoch', producerId, epoch });
    return changes;
  }

  private create(topic: TopicEntry): void {
    const { topicId, name, settings, partitions } = topic;
    assert(!this.byName.has(name), `Cannot create "${name}": it exists`);
    assert(!this.byId.has(topicId), `Cannot create "${name}": topic id ${topicId} is used`);
    for (const { logId, slot } of partitions) {
      assert(!this.byLog.has(logId), `Cannot create "${name}": log id ${logId} is used`);
      assert(!this.usedSlots.has(slot), `Cannot create "${name}": slot ${slot} is used`);
      this.usedSlots.add(slot);
      this.unusedLogId = Math.max(this.unusedLogId, logId + 1);
    }
    this.unusedTopicId = Math.max(this.unusedTopicId, topicId + 1);
    this.put({ topicId, name, settings, partitions, start: { at: 'beginning' } });
  }

  private attach(change: MetadataChange & { kind: 'attach-cursor' }): void {
    const topic = this.byId.get(change.topicId);
    assert(topic !== undefined, `Cannot attach a cursor to topic ${change.topicId}: it does not exist`);
    this.put({ ...topic, settings: change.settings, start: change.start });
  }

  private put(topic: CatalogTopic): void {
    this.byName.set(topic.name, topic);
    this.byId.set(topic.topicId, topic);
    for (const { logId } of topic.partitions) this.byLog.set(logId, topic);
  }

  private delete(topicId: number): void {
    const topic = this.byId.get(topicId);
    assert(topic !== undefined, `Cannot delete topic ${topicId}: it does not exist`);
    this.byName.delete(topic.name);
    this.byId.delete(topicId);
    for (const { logId, slot } of topic.partitions) {
      this.byLog.delete(logId);
      this.usedSlots.delete(slot);
    }
  }

  /** Remembers the epochs that were raised last; a producer forgotten here is fenced by its logs and takes a new id. */
  private setEpoch(producerId: number, epoch: number): void {
    this.epochs.delete(producerId);
    this.epochs.set(producerId, epoch);
    if (this.epochs.size <= PRODUCER_EPOCHS_MAX) return;
    for (const oldest of this.epochs.keys()) {
      this.epochs.delete(oldest);
      break;
    }
  }
}

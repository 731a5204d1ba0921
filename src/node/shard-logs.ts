/**
 * The logs that one shard owns: opened at the start, made and removed as the metadata says, each with its companion and its place in the broker.
 */
import type { Catalog, CatalogTopic, MetadataChange } from '../broker/catalog.js';
import { PartitionCompanion } from '../broker/companion.js';
import { BrokerError } from '../broker/errors.js';
import type { LogFiles } from '../broker/log-views.js';
import { OwnedPartition } from '../broker/owned-partition.js';
import type { PartitionEntry, StartAt, TopicSettings } from '../broker/ports.js';
import { PushReader } from '../broker/push-reader.js';
import type { ShardBroker } from '../broker/shard-broker.js';
import type { PartitionLog } from '../storage/partition-log.js';
import type { LogConfig, LogDescription } from '../storage/ports.js';
import type { ShardStorage } from '../storage/shard-storage.js';
import type { PartitionPublisher } from './partition-publisher.js';

interface OwnedEntry {
  readonly topic: CatalogTopic;
  readonly entry: PartitionEntry;
  readonly companion: PartitionCompanion;
}

/** What the logs of a shard are made with. */
export interface ShardLogsOptions {
  readonly storage: ShardStorage;
  readonly broker: ShardBroker;
  readonly files: LogFiles;
  readonly publisher: PartitionPublisher;
}

/** See the top of this file. */
export class ShardLogs {
  private readonly storage: ShardStorage;
  private readonly broker: ShardBroker;
  private readonly files: LogFiles;
  private readonly publisher: PartitionPublisher;

  constructor(options: ShardLogsOptions) {
    this.storage = options.storage;
    this.broker = options.broker;
    this.files = options.files;
    this.publisher = options.publisher;
  }

  /** Opens the logs that this shard owns, from what an earlier start has left. Returns their number and what was found wrong. */
  recover(topics: Iterable<CatalogTopic>, journalIds: readonly number[]): { logs: number; warnings: string[] } {
    const owned = [...topics].flatMap((topic) => this.ownedEntries(topic));
    const descriptions = owned.map((one) => this.describe(one));
    const report = this.storage.recover(descriptions, [...journalIds]);
    for (const one of owned) {
      this.startCursor(one, this.requireLog(one.entry.logId));
      this.addToBroker(one);
    }
    return { logs: owned.length, warnings: [...report.warnings] };
  }

  /** Brings this shard's catalog to `version`, and its logs with it; resolves when what that made or removed is durable. */
  async apply(catalog: Catalog, version: number, change: MetadataChange): Promise<void> {
    const deleted = change.kind === 'delete-topic' ? catalog.topicById(change.topicId) : undefined;
    catalog.apply(version, change);
    if (change.kind === 'create-topic') {
      const topic = catalog.topicById(change.topic.topicId);
      if (topic !== undefined) await this.create(topic);
    } else if (change.kind === 'attach-cursor') {
      const topic = catalog.topicById(change.topicId);
      if (topic?.settings.kind === 'queue') await this.attachCursor(topic);
      else if (topic !== undefined) this.detachCursor(topic);
    } else if (deleted !== undefined) {
      this.broker.topicDeleted(deleted);
      this.delete(deleted);
    }
  }

  /** Makes the logs of a new topic that this shard owns. */
  private async create(topic: CatalogTopic): Promise<void> {
    const owned = this.ownedEntries(topic);
    for (const one of owned) {
      this.storage.createLog(this.describe(one));
      this.addToBroker(one);
    }
    await this.committed(owned.map(({ entry }) => entry.logId));
  }

  /** Gives the logs of a topic their queue's cursor; resolves when it is durable where it starts. */
  private async attachCursor(topic: CatalogTopic): Promise<void> {
    const logIds = this.ownedLogs(topic);
    // What is in the file by now is counted when the cursor starts, and must not be told to it once more at the end of the turn.
    this.broker.owner.finishWrites();
    for (const logId of logIds) {
      const partition = this.broker.owner.require(logId);
      partition.companion.attachCursor();
      partition.settings = topic.settings;
      partition.log.config = logConfig(topic.settings);
      this.startCursorAt(partition.log, partition.companion, topic.start, partition.slot);
      this.broker.owner.touch(partition);
    }
    // The change goes into the journal first; a commit that began earlier would not cover it.
    await this.broker.owner.settled();
    await this.committed(logIds);
  }

  /** Takes a cursor back that another partition could not be given; some of these have one, some may not. */
  private detachCursor(topic: CatalogTopic): void {
    const error = new BrokerError('not-found', `"${topic.name}" did not become a queue`);
    for (const logId of this.ownedLogs(topic)) {
      const partition = this.broker.owner.require(logId);
      partition.closeConsumers(error);
      partition.companion.detachCursor();
      partition.settings = topic.settings;
      partition.log.config = logConfig(topic.settings);
      // Nothing waits there for consumers any more.
      partition.log.publish();
    }
  }

  private ownedLogs(topic: CatalogTopic): number[] {
    return topic.partitions.map(({ logId }) => logId).filter((logId) => this.broker.owner.get(logId));
  }

  /** Removes the logs of a deleted topic that this shard owns. */
  private delete(topic: CatalogTopic): void {
    const error = new BrokerError('not-found', `"${topic.name}" was deleted`);
    let failure: unknown;
    for (const { logId, slot } of topic.partitions) {
      // A log whose creation failed half-way is known to storage alone.
      this.broker.owner.remove(logId)?.closeConsumers(error);
      if (this.storage.log(logId) === undefined) continue;
      try {
        this.storage.deleteLog(logId);
      } catch (thrown) {
        // The others go all the same: their slots are about to be used again.
        failure ??= thrown;
      }
      this.publisher.release(slot);
    }
    if (failure !== undefined) throw failure;
  }

  private ownedEntries(topic: CatalogTopic): OwnedEntry[] {
    return topic.partitions
      .filter(({ logId }) => this.broker.ownerShard(logId) === this.broker.shard)
      .map((entry) => ({ topic, entry, companion: new PartitionCompanion(topic.settings.kind === 'queue') }));
  }

  private describe({ topic, entry, companion }: OwnedEntry): LogDescription {
    return {
      logId: entry.logId,
      slot: entry.slot,
      config: logConfig(topic.settings),
      companion,
      appendFailed: (fromOffset, _toOffset, error) => this.broker.owner.appendFailed(entry.logId, fromOffset, error),
    };
  }

  private addToBroker({ topic, entry, companion }: OwnedEntry): void {
    const log = this.requireLog(entry.logId);
    const reader = new PushReader(this.files, entry.logId, entry.slot);
    this.broker.owner.add(new OwnedPartition(entry, log, companion, topic.settings, reader));
  }

  /** A crash may have come between the declaration of a queue on an old log and the first change of its cursor. */
  private startCursor({ topic, entry, companion }: OwnedEntry, log: PartitionLog): void {
    const { cursor } = companion;
    if (cursor === undefined || cursor.started || topic.start.at === 'beginning') return;
    this.startCursorAt(log, companion, topic.start, entry.slot);
  }

  private startCursorAt(log: PartitionLog, companion: PartitionCompanion, start: StartAt, slot: number): void {
    const end = log.logEnd;
    let offset = log.logStart;
    if (start.at === 'end') offset = end;
    else if (start.at === 'timestamp') {
      offset = this.files.offsetForTime(log.logId, slot, start.timestampMs, end)?.offset ?? end;
    }
    companion.cursor?.startAt(offset, end, log.recordsAbove(offset));
  }

  private requireLog(logId: number): PartitionLog {
    const log = this.storage.log(logId);
    if (log === undefined) throw new BrokerError('internal', `Log ${logId} is not open on shard ${this.broker.shard}`);
    return log;
  }

  /** Resolves when these logs are durable as they are now. The failure of others in the same commit is none of theirs. */
  private async committed(logIds: readonly number[]): Promise<void> {
    const waits = logIds.map(
      (logId) =>
        new Promise<void>((resolve, reject) => {
          this.storage.afterCommit(
            (error) => (error === undefined ? resolve() : reject(error)),
            this.requireLog(logId),
          );
        }),
    );
    this.storage.flush();
    await Promise.all(waits);
  }
}

/** The part of a topic's settings that its logs follow. */
export function logConfig(settings: TopicSettings): LogConfig {
  const { segmentBytes, segmentMs, retentionMs, retentionBytes, lingerMs } = settings;
  return { segmentBytes, segmentMs, retentionMs, retentionBytes, lingerMs };
}

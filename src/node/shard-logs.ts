/**
 * The logs that one shard owns: opened at the start, made and removed as the metadata says, each with its companion and its place in the broker.
 */
import type { AccessChange } from '../broker/access/model.js';
import {
  type Catalog,
  type CatalogTopic,
  isVolatileTopic,
  type MetadataChange,
  type MetadataStep,
} from '../broker/catalog.js';
import { PartitionCompanion } from '../broker/companion.js';
import { isHeldTopic } from '../broker/delay/internal-topic.js';
import { BrokerError } from '../broker/errors.js';
import type { LogFiles } from '../broker/log-views.js';
import { OwnedPartition } from '../broker/owned-partition.js';
import type { PartitionEntry, StartAt, TopicSettings } from '../broker/ports.js';
import { PushReader } from '../broker/push-reader.js';
import { changeQueuePolicy, queueRetains } from '../broker/queue/attach.js';
import { effectivePolicy } from '../broker/queue-arguments.js';
import type { ShardBroker } from '../broker/shard-broker.js';
import { hasCursor, isStream } from '../broker/streams.js';
import { keepsRejected } from '../broker/transactions/rejected.js';
import type { OwnerLog } from '../storage/owner-log.js';
import type { PartitionLog } from '../storage/partition-log.js';
import type { LogConfig, LogDescription } from '../storage/ports.js';
import type { ShardStorage } from '../storage/shard-storage.js';
import type { PartitionPublisher } from './partition-publisher.js';

interface OwnedEntry {
  readonly topic: CatalogTopic;
  readonly entry: PartitionEntry;
  readonly companion: PartitionCompanion;
}

/** A log that is not durable yet, and the step that made it. */
interface MadeLog {
  readonly version: number;
  readonly log: PartitionLog;
}

/** A step that this shard could not carry out, and why. */
export interface FailedStep {
  readonly version: number;
  readonly cause: unknown;
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

  /** Applies a step of one change; resolves when what that made or removed is durable. @throws what a log could not do */
  async apply(catalog: Catalog, version: number, change: MetadataChange): Promise<void> {
    const [failure] = await this.applySteps(catalog, [{ version, changes: [change] }]);
    if (failure !== undefined) throw failure.cause;
  }

  /**
   * Brings this shard's catalog forward, and its logs with it. Resolves when what that made or removed is durable, all in one commit, with the steps
   * that failed; those behind them are applied all the same.
   */
  async applySteps(catalog: Catalog, steps: readonly MetadataStep[]): Promise<readonly FailedStep[]> {
    const failures = new Map<number, unknown>();
    const made: MadeLog[] = [];
    for (const { version, changes } of steps) {
      catalog.beginStep(version);
      for (const change of changes) {
        try {
          await this.applyChange(catalog, version, change, made);
        } catch (cause) {
          if (!failures.has(version)) failures.set(version, cause);
        }
      }
    }
    await this.commitMade(made, failures);
    return [...failures].map(([version, cause]) => ({ version, cause }));
  }

  private async applyChange(catalog: Catalog, version: number, change: MetadataChange, made: MadeLog[]): Promise<void> {
    const deleted = change.kind === 'delete-topic' ? catalog.topicById(change.topicId) : undefined;
    catalog.applyChange(change);
    if (change.kind === 'access') {
      this.applyPolicies(catalog, change.change);
      return;
    }
    if (change.kind === 'create-topic') {
      const topic = catalog.topicById(change.topic.topicId);
      if (topic !== undefined) this.create(topic, version, made);
    } else if (change.kind === 'attach-cursor') {
      const topic = catalog.topicById(change.topicId);
      if (topic?.settings.kind === 'queue') await this.attachCursor(topic);
      else if (topic !== undefined) this.detachCursor(topic);
    } else if (deleted !== undefined) {
      this.broker.topicDeleted(deleted);
      this.delete(deleted);
    }
  }

  /** Queues that this shard owns go on by what policies make of them now. */
  private applyPolicies(catalog: Catalog, change: AccessChange): void {
    if (change.kind !== 'set-policy' && change.kind !== 'clear-policy') return;
    const { vhost } = change.kind === 'set-policy' ? change.policy : change;
    for (const topic of catalog.vhost(vhost)?.topics.values() ?? []) {
      for (const { logId } of topic.partitions) {
        const partition = this.broker.owner.get(logId);
        if (partition === undefined || partition.settings === topic.settings) continue;
        changeQueuePolicy(partition, topic.settings);
        partition.log.config = logConfig(topic.settings);
      }
    }
  }

  /** Makes the logs of a new topic that this shard owns. What is volatile is there at once; the others are `made` when they are durable. */
  private create(topic: CatalogTopic, version: number, made: MadeLog[]): void {
    for (const one of this.ownedEntries(topic)) {
      if (isVolatileTopic(topic)) {
        const log = this.storage.memory.create(this.describe(one));
        this.addPartition(one, log, this.storage.memory);
        continue;
      }
      const log = this.storage.createLog(this.describe(one));
      this.addToBroker(one);
      made.push({ version, log });
    }
  }

  /** Waits for the logs that were made. One that a later step of the same group has deleted needs no commit. */
  private async commitMade(made: readonly MadeLog[], failures: Map<number, unknown>): Promise<void> {
    const waits = made
      .filter(({ log }) => this.storage.log(log.logId) === log)
      .map(({ version, log }) =>
        this.afterCommit(log).catch((cause: unknown) => {
          if (!failures.has(version)) failures.set(version, cause);
        }),
      );
    if (waits.length === 0) return;
    this.storage.flush();
    await Promise.all(waits);
  }

  /** Gives the logs of a topic their queue's cursor; resolves when it is durable where it starts. */
  private async attachCursor(topic: CatalogTopic): Promise<void> {
    const logIds = this.ownedLogs(topic);
    // What is in the file by now is counted when the cursor starts, and must not be told to it once more at the end of the turn.
    this.broker.owner.finishWrites();
    for (const logId of logIds) {
      const partition = this.broker.owner.require(logId);
      if (hasCursor(topic.settings)) partition.companion.attachCursor();
      partition.settings = topic.settings;
      partition.log.config = logConfig(topic.settings);
      if (!hasCursor(topic.settings)) continue;
      this.startCursorAt(this.requireLog(logId), partition.companion, topic.start, partition.slot);
      this.broker.rules.attach(partition, topic, new PushReader(this.files, logId, partition.slot));
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
      partition.policies?.close();
      partition.policies = undefined;
      partition.companion.detachCursor();
      partition.settings = topic.settings;
      partition.log.config = logConfig(topic.settings);
      // Nothing waits there for consumers any more.
      this.requireLog(logId).publish();
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
      if (isVolatileTopic(topic)) this.storage.memory.delete(logId);
      else if (this.storage.log(logId) === undefined) continue;
      try {
        if (!isVolatileTopic(topic)) this.storage.deleteLog(logId);
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
      .map((entry) => ({ topic, entry, companion: this.companionOf(topic) }));
  }

  private companionOf({ settings }: CatalogTopic): PartitionCompanion {
    const companion = new PartitionCompanion(hasCursor(settings));
    companion.keepsRejected = keepsRejected(settings);
    return companion;
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

  private addToBroker(owned: OwnedEntry): void {
    this.addPartition(owned, this.requireLog(owned.entry.logId), this.files);
  }

  private addPartition({ topic, entry, companion }: OwnedEntry, log: OwnerLog, files: LogFiles): void {
    const { logId, slot } = entry;
    const partition = new OwnedPartition(entry, log, companion, topic.settings, new PushReader(files, logId, slot));
    if (isHeldTopic(topic)) this.broker.delays.open(partition, files);
    this.broker.owner.add(partition);
    if (companion.cursor !== undefined && !isHeldTopic(topic))
      this.broker.rules.attach(partition, topic, new PushReader(files, logId, slot));
  }

  /** A crash may have come between the declaration of a queue on an old log and the first change of its cursor. */
  private startCursor({ topic, entry, companion }: OwnedEntry, log: PartitionLog): void {
    const { cursor } = companion;
    if (cursor === undefined || cursor.started || topic.start.at === 'beginning') return;
    this.startCursorAt(log, companion, topic.start, entry.slot);
  }

  private startCursorAt(log: OwnerLog, companion: PartitionCompanion, start: StartAt, slot: number): void {
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
    const waits = logIds.map((logId) => this.afterCommit(this.requireLog(logId)));
    this.storage.flush();
    await Promise.all(waits);
  }

  private afterCommit(log: PartitionLog): Promise<void> {
    return new Promise((resolve, reject) => {
      this.storage.afterCommit((error) => (error === undefined ? resolve() : reject(error)), log);
    });
  }
}

const configs = new WeakMap<TopicSettings, LogConfig>();

/** The part of a topic's settings that its logs follow. Logs of the same settings share it. */
export function logConfig(settings: TopicSettings): LogConfig {
  let config = configs.get(settings);
  if (config === undefined) {
    config = makeConfig(settings);
    configs.set(settings, config);
  }
  return config;
}

function makeConfig(settings: TopicSettings): LogConfig {
  const { segmentBytes, segmentMs } = settings;
  const { retentionMs, retentionBytes } = retentionOf(settings);
  // What a queue retains goes by age and size alone.
  const lingerMs = queueRetains(settings) ? Number.MAX_SAFE_INTEGER : settings.lingerMs;
  return { segmentBytes, segmentMs, retentionMs, retentionBytes, lingerMs };
}

/** A stream is kept as its arguments say, and what policies make of them. */
function retentionOf(settings: TopicSettings): Pick<TopicSettings, 'retentionMs' | 'retentionBytes'> {
  if (settings.effectiveArguments === undefined || !isStream(settings)) return settings;
  const { maxAgeMs, maxLengthBytes } = effectivePolicy(settings);
  return { retentionMs: maxAgeMs, retentionBytes: maxLengthBytes };
}

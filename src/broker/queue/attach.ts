/** Gives a queue's partition its rules. */
import { assert } from '../../base/assert.js';
import type { Clock, Timers } from '../../io/ports.js';
import type { QueueCursor } from '../cursor/queue-cursor.js';
import type { BrokerError } from '../errors.js';
import { DEFAULT_VHOST, type QueuePolicy } from '../model.js';
import type { OwnedPartition } from '../owned-partition.js';
import type { PartitionOwner } from '../partition-owner.js';
import type { TopicEntry, TopicSettings } from '../ports.js';
import type { PushReader, StoredRecord } from '../push-reader.js';
import { effectivePolicy, parseQueuePolicy } from '../queue-arguments.js';
import { DueTimes } from './due-times.js';
import { CONSUMER_TIMEOUT_MS } from './limits.js';
import type { DeadLetterPublisher, EngineHost, EngineParts, QueueIdentity } from './parts.js';
import { QueueEngine } from './queue-engine.js';

/** Whether a queue's rules refuse or drop single publishes: when it is full, or has seen them. */
export function queueMayRefuse(topic: TopicEntry | undefined): boolean {
  if (topic === undefined) return false;
  const { overflow, deduplicationMs } = effectivePolicy(topic.settings);
  return overflow !== 'drop-head' || deduplicationMs >= 0;
}

/** Whether acknowledged messages of a queue stay readable by offset, as long as its retention lets them. */
export function queueRetains({ queue }: TopicSettings): boolean {
  return queue !== undefined && queue.arguments.length > 0 && parseQueuePolicy(queue.arguments).retain;
}

/** What one shard has for the rules of its queues, and the way to the control thread. One per shard. */
export class QueueRules {
  readonly due: DueTimes;
  readonly parts: EngineParts;
  private readonly owner: PartitionOwner;
  private readonly deleteTopic: (topicId: number) => Promise<void>;

  /** `deleteTopic`: ControlLink's. */
  constructor(
    owner: PartitionOwner,
    publisher: DeadLetterPublisher,
    deleteTopic: (topicId: number) => Promise<void>,
    clock: Clock,
    timers: Timers,
    consumerTimeoutMs = CONSUMER_TIMEOUT_MS,
  ) {
    this.owner = owner;
    this.deleteTopic = deleteTopic;
    this.due = new DueTimes(clock, timers);
    this.parts = { clock, due: this.due, publisher, consumerTimeoutMs };
  }

  /** Gives the partition of a queue the rules that the queue was declared with; streams have none here: they are read by offset. */
  attach(partition: OwnedPartition, topic: TopicEntry, aside: PushReader): QueueEngine | undefined {
    const { queue } = topic.settings;
    const policy = effectivePolicy(topic.settings);
    if (policy.type === 'stream') return undefined;
    const identity = { vhost: topic.vhost ?? DEFAULT_VHOST, queue: topic.name, partition: partition.partition };
    const deleteQueue = (): Promise<void> => this.deleteTopic(topic.topicId);
    const { owner, parts } = this;
    const autoDelete = queue?.autoDelete ?? false;
    return attachQueueEngine({ partition, owner, aside, identity, policy, autoDelete, parts, deleteQueue });
  }
}

/** Another policy for a queue that goes on: its rules change at once, what is under way by the old ones ends by them. */
export function changeQueuePolicy(partition: OwnedPartition, settings: TopicSettings): void {
  partition.settings = settings;
  const policy = effectivePolicy(settings);
  partition.companion.keepsRejected = policy.deadLetterExchange !== undefined;
  if (partition.policies instanceof QueueEngine) partition.policies.changePolicy(policy);
}

/** What rules are given to, and what they need. */
export interface AttachOptions {
  readonly partition: OwnedPartition;
  readonly owner: PartitionOwner;
  /** A reader of the partition's log that nobody else uses. */
  readonly aside: PushReader;
  readonly identity: QueueIdentity;
  readonly policy: QueuePolicy;
  /** The queue goes with its last consumer. */
  readonly autoDelete: boolean;
  readonly parts: EngineParts;
  /** Deletes the queue, which is sealed: `ControlLink.deleteTopic`. */
  readonly deleteQueue: () => Promise<void>;
}

/**
 * Makes the rules of a partition and puts them in their place: to be called when its log is recovered and its cursor started, before or just after
 * `PartitionOwner.add`, and before anything is delivered.
 */
export function attachQueueEngine(options: AttachOptions): QueueEngine {
  const { partition, policy, autoDelete, identity, parts } = options;
  const { companion } = partition;
  const engine = new QueueEngine({ policy, autoDelete, identity, companion, parts, host: new PartitionHost(options) });
  partition.policies = engine;
  companion.keepsRejected = policy.deadLetterExchange !== undefined;
  options.owner.touchIfHere(partition);
  return engine;
}

/** A class and not an object of functions: of those every queue would have its own. */
class PartitionHost implements EngineHost {
  readonly cursor: QueueCursor;
  private readonly partition: OwnedPartition;
  private readonly owner: PartitionOwner;
  private readonly aside: PushReader;
  private readonly deletion: AttachOptions['deleteQueue'];

  constructor({ partition, owner, aside, deleteQueue }: AttachOptions) {
    const { cursor, log } = partition;
    assert(cursor !== undefined, `Log ${log.logId} has no queue's cursor: there can be no rules for it`);
    this.cursor = cursor;
    this.partition = partition;
    this.owner = owner;
    this.aside = aside;
    this.deletion = deleteQueue;
  }

  get visibleEnd(): number {
    return this.partition.log.visibleEnd;
  }

  get consumerCount(): number {
    return this.partition.consumerCount;
  }

  takeable(): number {
    return this.partition.takeable();
  }

  nextRecord(): StoredRecord | undefined {
    return this.partition.peekRecord();
  }

  read(offset: number): StoredRecord | undefined {
    return this.aside.read(offset, this.visibleEnd);
  }

  forget(): void {
    this.aside.forget();
  }

  touch(): void {
    this.owner.touchIfHere(this.partition);
  }

  holders(): Iterable<number> {
    return this.partition.holderIds();
  }

  close(consumerId: number, error: BrokerError): void {
    this.partition.expel(consumerId, error);
    this.touch();
  }

  deleteQueue(): void {
    const { partition } = this;
    partition.seal({ ifUnused: false, ifEmpty: false });
    this.deletion().catch(() => partition.unseal());
  }
}

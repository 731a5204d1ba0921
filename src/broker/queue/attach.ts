/** Gives a queue's partition its rules. */
import { assert } from '../../base/assert.js';
import type { QueuePolicy } from '../model.js';
import type { OwnedPartition } from '../owned-partition.js';
import type { PartitionOwner } from '../partition-owner.js';
import type { PushReader } from '../push-reader.js';
import type { EngineHost, EngineParts, QueueIdentity } from './parts.js';
import { QueueEngine } from './queue-engine.js';

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
  const engine = new QueueEngine({ policy, autoDelete, identity, companion, parts, host: hostOf(options) });
  partition.policies = engine;
  options.owner.touchIfHere(partition);
  return engine;
}

function hostOf({ partition, owner, aside, deleteQueue }: AttachOptions): EngineHost {
  const { cursor, log } = partition;
  assert(cursor !== undefined, `Log ${log.logId} has no queue's cursor: there can be no rules for it`);
  return {
    cursor,
    get visibleEnd() {
      return log.visibleEnd;
    },
    get consumerCount() {
      return partition.consumerCount;
    },
    takeable: () => partition.takeable(),
    nextRecord: () => partition.peekRecord(),
    read: (offset) => aside.read(offset, log.visibleEnd),
    forget: () => aside.forget(),
    touch: () => owner.touchIfHere(partition),
    holders: () => partition.holderIds(),
    close: (consumerId, error) => {
      partition.expel(consumerId, error);
      owner.touchIfHere(partition);
    },
    deleteQueue: () => {
      partition.seal({ ifUnused: false, ifEmpty: false });
      deleteQueue().catch(() => partition.unseal());
    },
  };
}

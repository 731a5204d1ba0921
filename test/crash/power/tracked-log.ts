import { DurabilityLevel, type PartitionEntry, type TopicEntry } from '../../../src/broker/ports.js';
import { LogPromises, type Safety } from './log-promises.js';
import { OffsetPromises } from './offset-promises.js';
import type { IdempotentPublisher } from './publishers.js';
import { QueuePromises } from './queue-promises.js';

/** Everything that was promised about one partition. */
export class TrackedLog {
  readonly entry: PartitionEntry;
  readonly label: string;
  readonly messages: LogPromises;
  readonly offsets: OffsetPromises;
  queue: QueuePromises | undefined;
  /** Where a queue begins that was asked for on a log with messages: somewhere from `neverBelow` on, at `belongsFrom` at the latest. */
  queueStart = { neverBelow: 0, belongsFrom: 0 };
  /** Numbers that the plain publishers have given, by their names. */
  readonly serials = new Map<string, number>();
  readonly idempotent: IdempotentPublisher[] = [];
  /** Up to where it was read in this life. */
  readUpTo = 0;

  constructor(topic: TopicEntry, entry: PartitionEntry) {
    this.entry = entry;
    this.label = `${topic.settings.kind} ${topic.name}/${entry.partition}`;
    this.messages = new LogPromises(entry.logId, this.label);
    this.offsets = new OffsetPromises(this.label);
    if (topic.settings.kind === 'queue') this.becomeQueue();
  }

  /** The topic was given a queue's cursor. */
  becomeQueue(): void {
    if (this.queue !== undefined) return;
    this.queue = new QueuePromises(this.label);
    this.queue.neverBelow = this.queueStart.neverBelow;
    this.queue.belongsFrom = this.queueStart.belongsFrom;
  }
}

/** A topic or queue, and what is known of its existence. */
export interface TrackedTopic {
  readonly name: string;
  readonly logs: TrackedLog[];
  /** The declaration was confirmed. */
  isConfirmed: boolean;
  /** Somebody asked for a queue on it, in this life. */
  isAttaching: boolean;
  /** Somebody asked for its deletion: nothing is checked any more. */
  isDeleting: boolean;
  /** The deletion was confirmed: it must not be there again. */
  isDeleted: boolean;
}

/** What a confirmation of a change beside the log outlives, such as an acknowledgement's. */
export function safetyOf(topic: TopicEntry): Safety {
  return topic.settings.durability === DurabilityLevel.memory ? 'memory' : 'disk';
}

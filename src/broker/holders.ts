/** Who holds messages that are not acknowledged: what the owner of a partition tells, in pages that fit an answer, and how a queue's are put together. */
import { BrokerError } from './errors.js';
import { HOLDER_PAGE_BYTES, MAX_LABEL_CHARACTERS } from './limits.js';
import type { OwnedPartition } from './owned-partition.js';
import { NO_LABEL } from './partition-consumers.js';
import type { PartitionOwner } from './partition-owner.js';
import type { HolderKind, HolderPage, HolderReport, TopicEntry } from './ports.js';
import { DEAD_LETTER_CONSUMER } from './queue/parts.js';
import type { AdminRequest } from './shard-messages.js';

/** A page of who holds messages of a partition, behind the first `skip` of them. @throws BrokerError `not-found`, `wrong-kind` */
export function holdersOfPartition(owner: PartitionOwner, logId: number, skip: number): HolderPage {
  const partition = owner.require(logId);
  const { cursor } = partition;
  if (cursor === undefined) {
    throw new BrokerError(
      'wrong-kind',
      `Nobody holds messages of log ${logId}: it is a topic without a queue's cursor`,
    );
  }
  const holders: HolderReport[] = [];
  let place = 0;
  let bytes = 0;
  for (const id of everyHolder(partition)) {
    const count = cursor.heldCount(id);
    if (count === 0 || place++ < skip) continue;
    if (bytes >= HOLDER_PAGE_BYTES) return { holders, more: true };
    const report = reportOf(partition, id, count, cursor.firstHeld(id));
    bytes += JSON.stringify(report).length;
    holders.push(report);
  }
  return { holders, more: false };
}

function* everyHolder(partition: OwnedPartition): IterableIterator<number> {
  yield* partition.holderIds();
  yield DEAD_LETTER_CONSUMER;
}

function reportOf(partition: OwnedPartition, id: number, count: number, firstOffset: number): HolderReport {
  const { session, consumer } = partition.holder(id)?.label ?? NO_LABEL;
  return {
    kind: kindOf(partition, id),
    session: session.slice(0, MAX_LABEL_CHARACTERS),
    consumer: consumer.slice(0, MAX_LABEL_CHARACTERS),
    partition: partition.partition,
    count,
    firstOffset,
    storedMs: partition.storedMs(firstOffset),
  };
}

function kindOf(partition: OwnedPartition, id: number): HolderKind {
  if (id === DEAD_LETTER_CONSUMER) return 'dead-letters';
  // Sessions' numbers are not negative; transactions have the others.
  if (id < 0) return 'transaction';
  if (partition.consumer(id) !== undefined) return 'consumer';
  return partition.holder(id)?.isPoller === true ? 'get' : 'cancelled';
}

/** Who holds messages of a queue, partition by partition, until there are `limit`. */
export async function collectHolders(
  queue: TopicEntry,
  limit: number,
  ask: (request: AdminRequest) => Promise<unknown>,
): Promise<HolderPage> {
  const holders: HolderReport[] = [];
  for (const { logId } of queue.partitions) {
    for (let skip = 0; ; ) {
      // The owner answers a request for holders with a HolderPage.
      const page = (await ask({ kind: 'holders', logId, skip })) as HolderPage;
      skip += page.holders.length;
      holders.push(...page.holders);
      if (holders.length > limit) return { holders: holders.slice(0, limit), more: true };
      if (!page.more) break;
    }
  }
  return { holders, more: false };
}

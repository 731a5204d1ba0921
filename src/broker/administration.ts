import { BrokerError } from './errors.js';
import { MAX_OFFLINE_REASON_CHARACTERS } from './limits.js';
import type { OwnedPartition } from './owned-partition.js';
import type { PartitionOwner } from './partition-owner.js';
import type { PartitionStateReport, QueueCounts } from './ports.js';

/** What an operator sees of one partition. */
export function describePartition(partition: OwnedPartition, shard: number): PartitionStateReport {
  const { log, cursor } = partition;
  return {
    partition: partition.partition,
    logId: log.logId,
    shard,
    logStart: log.logStart,
    end: log.visibleEnd,
    durableEnd: log.durableEnd,
    leaderEpoch: log.leaderEpoch,
    sizeBytes: log.sizeBytes,
    segments: log.segmentCount,
    ready: cursor?.ready ?? 0,
    unacknowledged: cursor?.unacknowledged ?? 0,
    consumers: partition.consumerCount,
    offlineReason: log.offline?.message.slice(0, MAX_OFFLINE_REASON_CHARACTERS) ?? '',
  };
}

/** What waits in a queue's partition, and who waits for more. Messages that were appended in this turn count. */
export function countPartition(owner: PartitionOwner, logId: number): QueueCounts {
  const partition = owner.require(logId);
  owner.finishWrites();
  partition.policies?.used();
  const { cursor, log } = partition;
  // Without a cursor all that is there can be read.
  return { ready: cursor?.ready ?? log.visibleEnd - log.logStart, consumers: partition.consumerCount };
}

/** Removes what waits in a queue's partition (deliveries stay with their consumers), durably. Returns how many messages. */
export async function purgePartition(owner: PartitionOwner, logId: number): Promise<number> {
  const partition = owner.require(logId);
  if (partition.cursor === undefined) {
    throw new BrokerError('wrong-kind', `Cannot purge log ${logId}: it is a topic without a queue's cursor`);
  }
  // Messages of this turn go with the others.
  owner.finishWrites();
  let count = 0;
  await owner.changeDurably(logId, ({ cursor, log, policies }) => {
    // What is not visible yet was appended since the start, so there are no gaps in it.
    const isHiding = (cursor?.withheld ?? 0) > 0;
    const above = isHiding
      ? log.recordsAbove(log.visibleEnd) - (cursor?.withheld ?? 0)
      : (cursor?.end ?? 0) - log.visibleEnd;
    const staying = Math.max(0, above);
    count = cursor?.purge(log.visibleEnd, staying) ?? 0;
    policies?.purged();
  });
  return count;
}

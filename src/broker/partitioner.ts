import { partitionForKey } from '../base/murmur2.js';

/**
 * Chooses the partition of a message that names none: by key as Kafka's clients do (murmur2), else round robin. One per shard and topic: shards
 * that start at different partitions spread their load.
 */
export class Partitioner {
  private nextPartition: number;

  constructor(firstPartition = 0) {
    this.nextPartition = firstPartition;
  }

  /** The partition for a key, from 0; the same key always gets the same one. An empty key is a key. */
  forKey(key: Uint8Array, partitionCount: number): number {
    return partitionForKey(key, partitionCount);
  }

  /** The partition for the messages without a key of one publish, from 0. */
  next(partitionCount: number): number {
    const partition = this.nextPartition % partitionCount;
    this.nextPartition = partition + 1;
    return partition;
  }
}

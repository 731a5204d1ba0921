/**
 * One push consumer of a queue as its session sees it: a prefetch or a credit, spread over the queue's partitions and their owners.
 *
 * With one partition everything goes straight to it. With several, the credit is sliced; slices of partitions that have nothing to deliver are
 * moved to those that have. A slice is given away only after its owner has given it up, so a consumer never gets more than it asked for.
 */
import type { BrokerError } from './errors.js';
import type { ConsumeOptions, ConsumerHandle, QueueConsumer, RecordView, SettleOutcome, TopicEntry } from './ports.js';

/** The owner's side of one partition of the queue, near or far. */
export interface PartitionSlice {
  /** Sets the number of deliveries that may be unsettled (manual acknowledgement). */
  setPrefetch(total: number): void;
  /** Raises the prefetch, or grants further deliveries (automatic acknowledgement). */
  grant(count: number): void;
  /** Takes up to `count` of what was granted back; `done` gets how many the owner gave up. */
  revoke(count: number, done: (revoked: number) => void): void;
  settle(offsets: readonly number[], outcome: SettleOutcome, done?: (error?: BrokerError) => void): void;
  cancel(): void;
  /** Whether messages wait in this partition, as far as shared memory tells. */
  hasReady(): boolean;
}

/** Opens the owner's side of one partition with an initial credit; its deliveries go to `consumer`. */
export type OpenSlice = (partition: number, credit: number, consumer: QueueConsumer) => PartitionSlice;

/** Even shares of `total` for `count` partitions; the first ones get what is left over. */
export function evenShares(total: number, count: number): number[] {
  const base = Math.floor(total / count);
  return Array.from({ length: count }, (_, index) => base + (index < total % count ? 1 : 0));
}

/** See the top of this file. */
export class QueueSubscription implements ConsumerHandle {
  private readonly slices: PartitionSlice[] = [];
  private readonly automaticAck: boolean;
  /** What each partition was granted and has not used up. */
  private shares: number[];
  private moving = false;
  private next = 0;

  constructor(queue: TopicEntry, options: ConsumeOptions, consumer: QueueConsumer, open: OpenSlice) {
    this.automaticAck = options.automaticAck;
    this.shares = evenShares(options.credit, queue.partitions.length);
    const sink = this.automaticAck && queue.partitions.length > 1 ? this.counting(consumer) : consumer;
    try {
      for (const [index, entry] of queue.partitions.entries()) {
        this.slices.push(open(entry.partition, this.shares[index]!, sink));
      }
    } catch (error) {
      // Nobody gets a handle: what the other partitions have handed out by then must not stay with a consumer that is not there.
      for (const slice of this.slices) slice.cancel();
      throw error;
    }
  }

  setPrefetch(total: number): void {
    this.shares = evenShares(total, this.slices.length);
    for (const [index, slice] of this.slices.entries()) slice.setPrefetch(this.shares[index]!);
  }

  addCredit(count: number): void {
    const shares = evenShares(count, this.slices.length);
    for (let step = 0; step < shares.length; step++) {
      // Starting one further each time keeps credits of one from all going to the first partition.
      const index = (this.next + step) % shares.length;
      if (shares[step]! === 0) continue;
      this.shares[index]! += shares[step]!;
      this.slices[index]!.grant(shares[step]!);
    }
    this.next = (this.next + 1) % shares.length;
  }

  settle(
    partition: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
    done?: (error?: BrokerError) => void,
  ): void {
    this.slices[partition]!.settle(offsets, outcome, done);
  }

  cancel(): void {
    for (const slice of this.slices) slice.cancel();
  }

  /** Moves shares from a partition with nothing to deliver to the one with messages and the smallest share. Called now and then. */
  rebalance(): void {
    if (this.moving || this.slices.length === 1) return;
    const target = this.smallestReady();
    const source = this.slices.findIndex((slice, index) => this.shares[index]! > 0 && !slice.hasReady());
    if (target < 0 || source < 0) return;
    this.moving = true;
    const shares = this.shares;
    this.slices[source]!.revoke(Math.ceil(shares[source]! / 2), (revoked) => {
      this.moving = false;
      // A change of the prefetch meanwhile made new shares, which count what was moved already.
      if (this.shares !== shares) return;
      shares[source]! -= revoked;
      shares[target]! += revoked;
      if (revoked > 0) this.slices[target]!.grant(revoked);
    });
  }

  private smallestReady(): number {
    let best = -1;
    for (const [index, slice] of this.slices.entries()) {
      if (slice.hasReady() && (best < 0 || this.shares[index]! < this.shares[best]!)) best = index;
    }
    return best;
  }

  /** With automatic acknowledgement a delivery uses its partition's share up. */
  private counting(consumer: QueueConsumer): QueueConsumer {
    return {
      deliver: (partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void => {
        this.shares[partition]!--;
        consumer.deliver(partition, record, redelivered, deliveryCount);
      },
      flush: () => consumer.flush(),
      closed: (error) => consumer.closed(error),
    };
  }
}

/**
 * One push consumer of a queue as its session sees it: a prefetch or a credit, spread over the queue's partitions and their owners.
 *
 * With one partition everything goes straight to it. With several, the credit is sliced into shares. Shares of partitions that have nothing to
 * deliver are moved to those that have; when every partition has messages and some have no share, shares go round. A share counts for another
 * partition only after its owner has given it up and the deliveries that it stood for are settled, so a consumer never holds more than it asked for.
 */
import type { BrokerError } from './errors.js';
import type {
  ConsumeOptions,
  ConsumerHandle,
  DeliverySource,
  QueueConsumer,
  RecordView,
  SettleOutcome,
  TopicEntry,
} from './ports.js';

/** A consumer at the owner of one partition: the log, and the consumer's number on its session's shard. */
export interface SliceSource {
  readonly logId: number;
  readonly consumer: number;
}

/** The owner's side of one partition of the queue, near or far. */
export interface PartitionSlice {
  readonly source?: SliceSource;
  /** Sets the number of deliveries that may be unsettled (manual acknowledgement). */
  setPrefetch(total: number): void;
  /** Raises the prefetch, or grants further deliveries (automatic acknowledgement). */
  grant(count: number): void;
  /** Takes up to `count` of what was granted back; see `Revoked`. */
  revoke(count: number, done: (revoked: Revoked) => void): void;
  settle(offsets: readonly number[], outcome: SettleOutcome, done?: (error?: BrokerError) => void): void;
  /** With `keepHeld` what was delivered can still be settled, until `cancel(false)`. */
  cancel(keepHeld: boolean): void;
  /** Whether messages wait in this partition, as far as shared memory tells. */
  hasReady(): boolean;
}

/** What an owner gave up of a consumer's credit. */
export interface Revoked {
  /** Was not in use: counts elsewhere from now on. */
  readonly free: number;
  /** Stands for unsettled deliveries: counts elsewhere as they are settled. */
  readonly owed: number;
}

/** Opens the owner's side of one partition with an initial credit; its deliveries go to `consumer`. `opened` runs in a later turn, once. */
export type OpenSlice = (
  partition: number,
  credit: number,
  consumer: QueueConsumer,
  opened: () => void,
) => PartitionSlice;

/** Even shares of `total` for `count` partitions; the first ones get what is left over. */
export function evenShares(total: number, count: number): number[] {
  const base = Math.floor(total / count);
  return Array.from({ length: count }, (_, index) => base + (index < total % count ? 1 : 0));
}

/** One partition's part of the credit. */
interface Share {
  readonly slice: PartitionSlice;
  /** What the owner was granted and, with automatic acknowledgement, has not used up. */
  credit: number;
  /** What was taken back from the owner and still stands for unsettled deliveries. */
  owed: number;
  /** A revocation is under way. */
  isMoving: boolean;
  /** Deliveries settled and credit granted since it was asked for, which its answer does not know of: both lessen what is owed. */
  paidSince: number;
  /** The owner was told a prefetch of 0 and does not know yet that it is over. */
  isHeld: boolean;
  /** Whether messages waited when somebody looked last. */
  isReady: boolean;
}

function newShare(slice: PartitionSlice, credit: number): Share {
  return { slice, credit, owed: 0, isMoving: false, paidSince: 0, isHeld: false, isReady: false };
}

/** See the top of this file. */
export class QueueSubscription implements ConsumerHandle {
  private readonly shares: Share[] = [];
  private readonly automaticAck: boolean;
  private readonly consumer: QueueConsumer;
  private readonly ended: (subscription: QueueSubscription) => void;
  /** Manual acknowledgement: the prefetch in force, and how much there is of it in all shares, owed, and not given to any. */
  private wanted: number;
  private total: number;
  private pool = 0;
  /** A prefetch of 0: the shares stay as they are, and owners are told when it is over. */
  private isPaused: boolean;
  private isOver = false;
  /** Over, but what it holds can still be settled. */
  private isKeeping = false;
  private next = 0;

  /** `ended` runs once, when nothing will be delivered any more. @throws BrokerError when a partition of this shard refuses. */
  constructor(
    queue: TopicEntry,
    options: ConsumeOptions,
    consumer: QueueConsumer,
    open: OpenSlice,
    ended: (subscription: QueueSubscription) => void = () => undefined,
  ) {
    this.automaticAck = options.automaticAck;
    this.consumer = consumer;
    this.ended = ended;
    this.wanted = options.credit;
    this.total = options.credit;
    this.isPaused = !this.automaticAck && options.credit === 0;
    const credits = evenShares(options.credit, queue.partitions.length);
    const sink = this.sink();
    let unopened = queue.partitions.length;
    const opened = (): void => {
      if (--unopened === 0 && !this.isOver) options.opened?.();
    };
    try {
      for (const [index, entry] of queue.partitions.entries()) {
        const credit = credits[index]!;
        const slice = open(entry.partition, credit, sink, opened);
        this.shares.push(newShare(slice, credit));
      }
    } catch (error) {
      // Nobody gets a handle: what the other partitions have handed out by then must not stay with a consumer that is not there.
      this.cancel();
      throw error;
    }
  }

  setPrefetch(total: number): void {
    if (this.isOver) return;
    if (this.shares.length === 1) {
      this.shares[0]!.slice.setPrefetch(total);
      return;
    }
    if (total === 0) this.pause();
    else this.changePrefetch(total);
  }

  addCredit(count: number): void {
    if (this.isOver) return;
    if (this.shares.length === 1) this.shares[0]!.slice.grant(count);
    else this.spread(count, false);
  }

  settle(
    partition: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
    done?: (error?: BrokerError) => void,
  ): void {
    const share = this.shares[partition]!;
    share.slice.settle(offsets, outcome, done);
    this.settled(share, offsets.length);
  }

  source(partition: number): DeliverySource | undefined {
    const share = this.shares[partition];
    const source = share?.slice.source;
    if (share === undefined || source === undefined || (this.isOver && !this.isKeeping)) return undefined;
    return { ...source, settled: (count) => this.settled(share, count) };
  }

  private settled(share: Share, count: number): void {
    if (this.isOver) return;
    if (share.isMoving || share.owed > 0) this.release(paid(share, count));
  }

  cancel(options?: { readonly keepHeld: boolean }): void {
    const keepHeld = options?.keepHeld === true;
    if (this.isOver && (keepHeld || !this.isKeeping)) return;
    this.isKeeping = keepHeld;
    for (const { slice } of this.shares) slice.cancel(keepHeld);
    if (this.isOver) return;
    this.isOver = true;
    this.ended(this);
  }

  /** Moves shares to where messages wait. Called now and then. */
  rebalance(): void {
    if (this.isOver || this.isPaused || this.shares.length === 1) return;
    // A share whose revocation was under way when the prefetch was lowered has not given its part yet.
    if (this.total > this.wanted) this.shrink();
    if (!this.lookForReady()) return;
    let isWorthGoingRound = true;
    let richest: Share | undefined;
    for (const share of this.shares) {
      if (share.isReady && share.credit > (richest?.credit ?? 0)) richest = share;
      if (share.isReady || share.credit === 0) continue;
      isWorthGoingRound = false;
      this.revoke(share, Math.ceil(share.credit / 2));
    }
    if (!isWorthGoingRound || richest === undefined) return;
    // Fewer shares than partitions with messages: they go round, or a partition that never runs empty would keep its share for ever.
    const isAnyWithout = this.shares.some(({ isReady, credit }) => isReady && credit === 0);
    if (isAnyWithout) this.revoke(richest, Math.ceil(richest.credit / 2));
  }

  private sink(): QueueConsumer {
    const { consumer } = this;
    const isCounted = this.automaticAck;
    return {
      deliver: (partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void => {
        // With automatic acknowledgement a delivery uses its partition's share up.
        if (isCounted) this.shares[partition]!.credit--;
        consumer.deliver(partition, record, redelivered, deliveryCount);
      },
      flush: () => consumer.flush(),
      activeChanged: (active) => consumer.activeChanged?.(active),
      closed: (error) => this.closed(error),
    };
  }

  /** One partition has ended the consumer: the others must not go on handing messages to somebody who is told that it is over. */
  private closed(error: BrokerError): void {
    if (this.isOver) return;
    this.cancel();
    this.consumer.closed(error);
  }

  private pause(): void {
    this.isPaused = true;
    for (const share of this.shares) {
      share.isHeld = true;
      share.slice.setPrefetch(0);
    }
  }

  private changePrefetch(wanted: number): void {
    this.isPaused = false;
    this.wanted = wanted;
    for (const share of this.shares) this.unhold(share);
    const more = Math.max(0, wanted - this.total);
    this.total += more;
    this.spread(more, false);
    this.release(0);
    this.shrink();
  }

  /** Ends a prefetch of 0 at an owner; after the answer to a revocation, which the prefetch would undo. */
  private unhold(share: Share): void {
    if (!share.isHeld || share.isMoving || this.isPaused) return;
    share.isHeld = false;
    share.slice.setPrefetch(share.credit);
  }

  /** Takes back what is more than the prefetch in force, from each according to its share. */
  private shrink(): void {
    let credits = 0;
    let excess = this.total - this.wanted;
    for (const { credit, owed } of this.shares) {
      credits += credit;
      excess -= owed;
    }
    const part = excess / credits;
    for (const share of this.shares) {
      if (excess <= 0) return;
      const count = Math.min(excess, Math.ceil(share.credit * part));
      excess -= count;
      if (count > 0) this.revoke(share, count);
    }
  }

  private revoke(share: Share, count: number): void {
    if (share.isMoving) return;
    share.isMoving = true;
    share.paidSince = 0;
    share.slice.revoke(count, (revoked) => this.revoked(share, revoked));
  }

  private revoked(share: Share, { free, owed }: Revoked): void {
    if (this.isOver) return;
    share.isMoving = false;
    share.credit -= free + owed;
    share.owed += owed;
    this.unhold(share);
    this.release(free + paid(share, share.paidSince));
  }

  /** `count` is in no share any more: what the prefetch in force does not need is gone, the rest goes where messages wait. */
  private release(count: number): void {
    if (count === 0 && this.pool === 0) return;
    this.pool += count;
    if (!this.automaticAck) {
      const surplus = Math.max(0, Math.min(this.pool, this.total - this.wanted));
      this.pool -= surplus;
      this.total -= surplus;
    }
    if (this.pool === 0 || this.isPaused) return;
    const released = this.pool;
    this.pool = 0;
    this.spread(released, this.lookForReady());
  }

  /** Notes where messages wait; false when they do nowhere. */
  private lookForReady(): boolean {
    let isAny = false;
    for (const share of this.shares) {
      share.isReady = share.slice.hasReady();
      isAny ||= share.isReady;
    }
    return isAny;
  }

  /** Grants `count` evenly, the smallest shares first; among equal ones, starting behind the one that was last. */
  private spread(count: number, toReadyOnly: boolean): void {
    if (count === 0) return;
    const { length } = this.shares;
    const inTurn = this.shares.map((_, step) => (this.next + step) % length);
    const targets = inTurn.filter((index) => !toReadyOnly || this.shares[index]!.isReady);
    targets.sort((left, right) => this.shares[left]!.credit - this.shares[right]!.credit);
    const grants = evenShares(count, targets.length);
    let covered = 0;
    for (const [position, index] of targets.entries()) {
      const granted = grants[position]!;
      if (granted === 0) break;
      const share = this.shares[index]!;
      share.credit += granted;
      // Deliveries that stood for credit taken back stand for this credit now.
      covered += paid(share, granted);
      this.next = (index + 1) % length;
      share.slice.grant(granted);
    }
    if (covered > 0) this.release(covered);
  }
}

/** Lessens what a share owes. Returns by how much; while a revocation is under way that is left to its answer. */
function paid(share: Share, count: number): number {
  if (share.isMoving) {
    share.paidSince += count;
    return 0;
  }
  const returned = Math.min(share.owed, count);
  share.owed -= returned;
  return returned;
}

/**
 * The push consumers of one shard's sessions: opens their slices at the owners, and takes what other shards deliver to them.
 */
import { ByteReader } from '../base/byte-reader.js';
import type { TimerHandle, Timers } from '../io/ports.js';
import { BrokerError } from './errors.js';
import { REBALANCE_INTERVAL_MS } from './limits.js';
import { LocalConsumer } from './local-consumer.js';
import type { LogBoundsTable } from './log-views.js';
import type { PartitionOwner } from './partition-owner.js';
import type { ConsumeOptions, ConsumerHandle, PartitionEntry, QueueConsumer, TopicEntry } from './ports.js';
import { type PartitionSlice, QueueSubscription } from './queue-subscription.js';
import { consumerId } from './requests-in.js';
import type { RequestsOut } from './requests-out.js';
import { Op, readDelivery, readError } from './shard-messages.js';

/** Where a log's owner is: undefined stands for this shard. */
export type OwnerOf = (logId: number) => RequestsOut | undefined;

/** See the top of this file. */
export class Consumers {
  private readonly owner: PartitionOwner;
  private readonly ownerOf: OwnerOf;
  private readonly table: LogBoundsTable;
  private readonly timers: Timers;
  private readonly remote = new Map<number, QueueConsumer>();
  /** Subscriptions on several partitions, whose credit moves between them. */
  private readonly spread = new Set<QueueSubscription>();
  private readonly toFlush = new Set<QueueConsumer>();
  private readonly reader = new ByteReader(new Uint8Array(0));
  private nextConsumer = 1;
  private rebalanceTimer: TimerHandle | undefined;

  constructor(owner: PartitionOwner, ownerOf: OwnerOf, table: LogBoundsTable, timers: Timers) {
    this.owner = owner;
    this.ownerOf = ownerOf;
    this.table = table;
    this.timers = timers;
  }

  /** Opens a consumer on every partition of a queue. */
  consume(queue: TopicEntry, options: ConsumeOptions, consumer: QueueConsumer): ConsumerHandle {
    if (queue.settings.kind !== 'queue') {
      throw new BrokerError('wrong-kind', `Cannot consume from "${queue.name}": it is a topic, not a queue`);
    }
    const subscription = new QueueSubscription(
      queue,
      options,
      consumer,
      (partition, credit, sink) => this.openSlice(queue.partitions[partition]!, options.automaticAck, credit, sink),
      (ended) => this.spread.delete(ended),
    );
    if (queue.partitions.length > 1) {
      this.spread.add(subscription);
      this.scheduleRebalance();
    }
    return subscription;
  }

  /** Takes a delivery or a close from another shard. Returns false when the op is none of these. */
  handle(head: Uint8Array, body: Uint8Array | undefined): boolean {
    const reader = this.reader.reset(head);
    const op = reader.u8();
    if (op === Op.deliver) this.delivered(reader, body);
    else if (op === Op.consumerClosed) this.closed(reader);
    else return false;
    return true;
  }

  /** What the rings brought in one go is complete: the sessions may send. */
  flush(): void {
    if (this.toFlush.size === 0) return;
    for (const consumer of this.toFlush) consumer.flush();
    this.toFlush.clear();
  }

  stop(): void {
    if (this.rebalanceTimer !== undefined) this.timers.clearTimeout(this.rebalanceTimer);
    this.rebalanceTimer = undefined;
    this.spread.clear();
  }

  private delivered(reader: ByteReader, body: Uint8Array | undefined): void {
    const delivery = readDelivery(reader, body);
    const consumer = this.remote.get(delivery.consumer);
    // A consumer that was cancelled while this was on its way: its owner returns the message when the cancellation arrives.
    if (consumer === undefined) return;
    consumer.deliver(delivery.partition, delivery.record, delivery.redelivered, delivery.deliveryCount);
    this.toFlush.add(consumer);
  }

  private closed(reader: ByteReader): void {
    const id = reader.u32();
    const consumer = this.remote.get(id);
    this.remote.delete(id);
    consumer?.closed(readError(reader));
  }

  private openSlice(
    entry: PartitionEntry,
    automaticAck: boolean,
    credit: number,
    consumer: QueueConsumer,
  ): PartitionSlice {
    const id = this.nextConsumer;
    // Numbers of consumers that still live are passed over after a wrap.
    do this.nextConsumer = this.nextConsumer === 0xffff_ffff ? 1 : this.nextConsumer + 1;
    while (this.remote.has(this.nextConsumer));
    const hasReady = (): boolean => this.table.read(entry.slot).ready > 0;
    const peer = this.ownerOf(entry.logId);
    if (peer !== undefined) return this.openRemote(peer, id, entry, automaticAck, credit, consumer, hasReady);
    const { owner } = this;
    const { logId } = entry;
    const ownId = consumerId(owner.shard, id);
    owner.consume(logId, ownId, automaticAck, credit, new LocalConsumer(consumer, entry.partition));
    return {
      setPrefetch: (total) => owner.setPrefetch(logId, ownId, total),
      grant: (count) => owner.grant(logId, ownId, count),
      revoke: (count, done) => done(owner.revoke(logId, ownId, count)),
      settle: (offsets, outcome, done) => owner.settle(logId, ownId, offsets, outcome, done),
      cancel: () => owner.cancel(logId, ownId),
      hasReady,
    };
  }

  private openRemote(
    peer: RequestsOut,
    id: number,
    entry: PartitionEntry,
    automaticAck: boolean,
    credit: number,
    consumer: QueueConsumer,
    hasReady: () => boolean,
  ): PartitionSlice {
    const { logId } = entry;
    this.remote.set(id, consumer);
    peer.consume(logId, id, automaticAck, credit, (error) => {
      if (this.remote.delete(id)) consumer.closed(error);
    });
    return {
      setPrefetch: (total) => peer.setPrefetch(logId, id, total),
      grant: (count) => peer.grant(logId, id, count),
      revoke: (count, done) => peer.revoke(logId, id, count, done),
      settle: (offsets, outcome, done) => peer.settle(logId, id, offsets, outcome, done),
      cancel: () => {
        this.remote.delete(id);
        peer.cancel(logId, id);
      },
      hasReady,
    };
  }

  private scheduleRebalance(): void {
    if (this.rebalanceTimer !== undefined) return;
    this.rebalanceTimer = this.timers.setTimeout(() => {
      this.rebalanceTimer = undefined;
      for (const subscription of this.spread) subscription.rebalance();
      if (this.spread.size > 0) this.scheduleRebalance();
    }, REBALANCE_INTERVAL_MS);
    this.rebalanceTimer.unref();
  }
}

/**
 * The push consumers of one shard's sessions: opens their slices at the owners, and takes what other shards deliver to them.
 */
import { ByteReader } from '../base/byte-reader.js';
import type { TimerHandle, Timers } from '../io/ports.js';
import { BrokerError } from './errors.js';
import { REBALANCE_INTERVAL_MS } from './limits.js';
import { LocalConsumer, LocalPoll } from './local-consumer.js';
import type { LogBoundsTable } from './log-views.js';
import { DEFAULT_VHOST } from './model.js';
import { type ConsumerTerms, NO_LABEL } from './partition-consumers.js';
import type { PartitionOwner } from './partition-owner.js';
import {
  type ConsumeOptions,
  type ConsumerHandle,
  type ConsumerLabel,
  type PartitionEntry,
  type PollHandle,
  type QueueConsumer,
  SettleOutcome,
  type TopicEntry,
} from './ports.js';
import { type PollPart, type PollSlice, QueuePoll } from './queue-poll.js';
import { type PartitionSlice, QueueSubscription } from './queue-subscription.js';
import { consumerId } from './requests-in.js';
import type { RequestsOut } from './requests-out.js';
import { Op, readDelivery, readError } from './shard-messages.js';

/** Where a log's owner is: undefined stands for this shard. */
export type OwnerOf = (logId: number) => RequestsOut | undefined;

/** A consumer, or who asks for single messages, whose owner is another shard. */
interface FarConsumer {
  readonly consumer: QueueConsumer;
  readonly got?: PollPart['got'];
  /** It was cancelled and may still settle: what arrives goes back. */
  readonly giveBack?: (offset: number) => void;
}

/** See the top of this file. */
export class Consumers {
  private readonly owner: PartitionOwner;
  private readonly ownerOf: OwnerOf;
  private readonly table: LogBoundsTable;
  private readonly timers: Timers;
  private readonly remote = new Map<number, FarConsumer>();
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

  /**
   * Opens a consumer on every partition of a queue.
   * @throws BrokerError at once, if the queue or an owner on this shard refuses; with `ConsumeOptions.opened` every refusal comes by `closed`.
   */
  consume(queue: TopicEntry, options: ConsumeOptions, consumer: QueueConsumer): ConsumerHandle {
    try {
      return this.subscribe(queue, options, consumer);
    } catch (error) {
      if (options.opened === undefined || !(error instanceof BrokerError)) throw error;
      queueMicrotask(() => consumer.closed(error));
      return REFUSED;
    }
  }

  /** Opens the way for single messages; `beforeGet` runs before each request leaves. @throws BrokerError `wrong-kind`, `resource-locked` */
  poll(
    queue: TopicEntry,
    connection: string | undefined,
    consumer: QueueConsumer,
    beforeGet: () => void,
    label = NO_LABEL,
  ): PollHandle {
    checkQueue(queue, connection);
    const open = (partition: number, part: PollPart): PollSlice =>
      this.openPoll(queue.partitions[partition]!, part, label);
    return new QueuePoll(queue.partitions.length, consumer, open, beforeGet);
  }

  /** Takes a delivery or a close from another shard. Returns false when the op is none of these. */
  handle(head: Uint8Array, body: Uint8Array | undefined): boolean {
    const reader = this.reader.reset(head);
    const op = reader.u8();
    if (op === Op.deliver) this.delivered(reader, body);
    else if (op === Op.got) this.got(reader);
    else if (op === Op.consumerClosed) this.closed(reader);
    else if (op === Op.consumerActive) this.activeChanged(reader);
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

  private subscribe(queue: TopicEntry, options: ConsumeOptions, consumer: QueueConsumer): ConsumerHandle {
    checkQueue(queue, options.connection);
    let subscription: QueueSubscription;
    try {
      subscription = new QueueSubscription(
        queue,
        options,
        consumer,
        (partition, credit, sink, opened) =>
          this.openSlice(queue, queue.partitions[partition]!, termsOf(options, credit), sink, opened),
        (ended) => this.spread.delete(ended),
      );
    } catch (error) {
      throw error instanceof BrokerError ? inItsName(queue, error) : error;
    }
    if (queue.partitions.length > 1) {
      this.spread.add(subscription);
      this.scheduleRebalance();
    }
    return subscription;
  }

  private delivered(reader: ByteReader, body: Uint8Array | undefined): void {
    const delivery = readDelivery(reader, body);
    const far = this.remote.get(delivery.consumer);
    // A consumer that was cancelled while this was on its way: its owner returns the message when the cancellation arrives.
    if (far === undefined) return;
    if (far.giveBack !== undefined) {
      far.giveBack(delivery.record.offset);
      return;
    }
    far.consumer.deliver(delivery.partition, delivery.record, delivery.redelivered, delivery.deliveryCount);
    this.toFlush.add(far.consumer);
  }

  private got(reader: ByteReader): void {
    const far = this.remote.get(reader.u32());
    const left = reader.i32();
    far?.got?.(left, reader.remaining > 0 ? readError(reader) : undefined);
  }

  private activeChanged(reader: ByteReader): void {
    const far = this.remote.get(reader.u32());
    far?.consumer.activeChanged?.(reader.u8() === 1);
  }

  private closed(reader: ByteReader): void {
    const id = reader.u32();
    const far = this.remote.get(id);
    this.remote.delete(id);
    if (far?.giveBack === undefined) far?.consumer.closed(readError(reader));
  }

  private takeNumber(): number {
    const id = this.nextConsumer;
    // Numbers of consumers that still live are passed over after a wrap.
    do this.nextConsumer = this.nextConsumer === 0xffff_ffff ? 1 : this.nextConsumer + 1;
    while (this.remote.has(this.nextConsumer));
    return id;
  }

  private openSlice(
    queue: TopicEntry,
    entry: PartitionEntry,
    terms: ConsumerTerms,
    consumer: QueueConsumer,
    opened: () => void,
  ): PartitionSlice {
    const id = this.takeNumber();
    const hasReady = (): boolean => this.table.read(entry.slot).ready > 0;
    const peer = this.ownerOf(entry.logId);
    if (peer !== undefined) return this.openRemote(peer, id, queue, entry, terms, consumer, opened, hasReady);
    const { owner } = this;
    const { logId } = entry;
    const ownId = consumerId(owner.shard, id);
    owner.consume(logId, ownId, terms, new LocalConsumer(consumer, entry.partition));
    // As from far away: after this call, and before the first delivery.
    queueMicrotask(opened);
    return {
      source: { logId, consumer: id },
      setPrefetch: (total) => owner.setPrefetch(logId, ownId, total),
      grant: (count) => owner.grant(logId, ownId, count),
      revoke: (count, done) => done(owner.revoke(logId, ownId, count)),
      settle: (offsets, outcome, done) => owner.settle(logId, ownId, offsets, outcome, done),
      cancel: (keepHeld) => owner.cancel(logId, ownId, keepHeld),
      hasReady,
    };
  }

  private openRemote(
    peer: RequestsOut,
    id: number,
    queue: TopicEntry,
    entry: PartitionEntry,
    terms: ConsumerTerms,
    consumer: QueueConsumer,
    opened: () => void,
    hasReady: () => boolean,
  ): PartitionSlice {
    const { logId } = entry;
    this.remote.set(id, { consumer });
    peer.consume(logId, id, terms, (error) => {
      if (error === undefined) opened();
      else if (this.remote.delete(id)) consumer.closed(inItsName(queue, error));
    });
    return {
      source: { logId, consumer: id },
      setPrefetch: (total) => peer.setPrefetch(logId, id, total),
      grant: (count) => peer.grant(logId, id, count),
      revoke: (count, done) => peer.revoke(logId, id, count, done),
      settle: (offsets, outcome, done) => peer.settle(logId, id, offsets, outcome, done),
      cancel: (keepHeld) => {
        this.remote.delete(id);
        // What is on its way to somebody who has left would stay with him: he can only settle what he has seen.
        const giveBack = (offset: number): void => peer.settle(logId, id, [offset], SettleOutcome.requeue, undefined);
        if (keepHeld) this.remote.set(id, { consumer, giveBack });
        peer.cancel(logId, id, keepHeld);
      },
      hasReady,
    };
  }

  private openPoll(entry: PartitionEntry, part: PollPart, label: ConsumerLabel): PollSlice {
    const { logId, slot, partition } = entry;
    const { owner, table, remote } = this;
    const id = this.takeNumber();
    const peer = this.ownerOf(logId);
    if (peer !== undefined) {
      remote.set(id, { consumer: part, got: part.got });
      let introduction: ConsumerLabel | undefined = label;
      return {
        source: { logId, consumer: id },
        get: (automaticAck) => {
          peer.get(logId, id, automaticAck, introduction);
          introduction = undefined;
        },
        settle: (offsets, outcome, done) => peer.settle(logId, id, offsets, outcome, done),
        cancel: () => {
          remote.delete(id);
          peer.cancel(logId, id, false);
        },
        get ready() {
          return table.read(slot).ready;
        },
      };
    }
    const ownId = consumerId(owner.shard, id);
    const sink = new LocalPoll(part, partition, part.got);
    return {
      source: { logId, consumer: id },
      get: (automaticAck) => {
        try {
          owner.poll(logId, ownId, automaticAck, () => sink, label);
        } catch (error) {
          if (!(error instanceof BrokerError)) throw error;
          queueMicrotask(() => part.got(-1, error));
        }
      },
      settle: (offsets, outcome, done) => owner.settle(logId, ownId, offsets, outcome, done),
      cancel: () => owner.cancel(logId, ownId),
      get ready() {
        return table.read(slot).ready;
      },
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

/** A handle on a consumer that was refused. */
const REFUSED: ConsumerHandle = {
  setPrefetch: () => undefined,
  addCredit: () => undefined,
  settle: (_partition, _offsets, _outcome, done) => done?.(),
  cancel: () => undefined,
};

function termsOf(options: ConsumeOptions, credit: number): ConsumerTerms {
  const { automaticAck, exclusive = false, priority = 0, label = NO_LABEL } = options;
  return { automaticAck, credit, isExclusive: exclusive, priority, label };
}

/** @throws BrokerError when it is no queue, or one of another connection. */
function checkQueue(queue: TopicEntry, connection: string | undefined): void {
  const { name, settings, vhost = DEFAULT_VHOST } = queue;
  if (settings.kind !== 'queue') {
    throw new BrokerError('wrong-kind', `Cannot consume from "${name}": it is a topic, not a queue`);
  }
  const owner = settings.queue?.exclusiveOwner ?? '';
  if (owner === '' || owner === connection) return;
  const text = `cannot obtain exclusive access to locked queue '${name}' in vhost '${vhost}'. It could be originally declared on another connection or the exclusive property value does not match that of the original declaration.`;
  throw new BrokerError('resource-locked', text);
}

function inItsName({ name, vhost = DEFAULT_VHOST }: TopicEntry, error: BrokerError): BrokerError {
  if (error.code !== 'access-refused') return error;
  return new BrokerError('access-refused', `queue '${name}' in vhost '${vhost}' in exclusive use`, error);
}

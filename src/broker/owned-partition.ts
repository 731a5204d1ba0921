/**
 * One partition on the shard that owns it: its log, its cursor and its consumers. It decides which message goes to which consumer, and when.
 */
import { Deque } from '../base/deque.js';
import { RecordError } from '../record/errors.js';
import { StorageError } from '../storage/errors.js';
import type { OwnerLog } from '../storage/owner-log.js';
import type { PartitionCompanion } from './companion.js';
import { ConsumerLine } from './consumer-line.js';
import type { QueueCursor } from './cursor/queue-cursor.js';
import { BrokerError } from './errors.js';
import { MAX_DELIVERIES_PER_TURN, MAX_DELIVERY_BYTES_PER_TURN, MAX_UNACKNOWLEDGED } from './limits.js';
import {
  type ConsumerTerms,
  canTake,
  type DeliverySink,
  type Holder,
  NO_LABEL,
  type PartitionConsumer,
  type PendingGet,
  type Poller,
  type PollSink,
} from './partition-consumers.js';
import { DurabilityLevel, SettleOutcome, type TopicSettings } from './ports.js';
import type { PushReader, StoredRecord } from './push-reader.js';
import type { QueuePolicyEngine } from './queue-policies.js';

/** Whether a log was sealed, and how many messages wait in it; or why not. */
export type SealOutcome =
  | { readonly sealed: true; readonly ready: number }
  | { readonly sealed: false; readonly reason: 'in-use' | 'not-empty' };

/** What all partitions of a shard may still hand out in this turn. */
export interface TurnBudget {
  deliveries: number;
  bytes: number;
}

/** `done`: nothing to hand out, or nobody to hand it to. `more`: the turn's share is used up. `blocked`: the log cannot be read just now. */
export type DispatchOutcome = 'done' | 'more' | 'blocked';

/** See the top of this file. */
export class OwnedPartition {
  readonly partition: number;
  readonly slot: number;
  readonly log: OwnerLog;
  readonly companion: PartitionCompanion;
  settings: TopicSettings;
  /** Hears of damaged messages that the queue has passed over. */
  onDamage: (error: StorageError) => void = () => undefined;
  private publishedReady = false;
  private isBlocked = false;
  /** The rules of a declared queue; undefined for a plain log. */
  policies: QueuePolicyEngine | undefined;
  /** About to be deleted: takes no consumers, no messages, and gives none. */
  isSealed = false;
  private readonly reader: PushReader;
  /** Made with the first consumer: there may be many thousands of queues without one. */
  private consumers: Map<number, PartitionConsumer> | undefined;
  /** Consumers that can take a message, in turn. */
  private line: ConsumerLine | undefined;
  private exclusive: PartitionConsumer | undefined;
  /** Who alone gets messages, in a queue with a single active consumer. */
  private active: PartitionConsumer | undefined;
  /** Who holds deliveries and is no consumer. */
  private holders: Map<number, Holder> | undefined;
  /** Who waits for a single message. */
  private gets: Deque<PendingGet> | undefined;
  /** Consumers that got something in this turn. */
  private touched: PartitionConsumer[] = [];

  constructor(
    identity: { readonly partition: number; readonly slot: number },
    log: OwnerLog,
    companion: PartitionCompanion,
    settings: TopicSettings,
    reader: PushReader,
  ) {
    this.partition = identity.partition;
    this.slot = identity.slot;
    this.log = log;
    this.companion = companion;
    this.settings = settings;
    this.reader = reader;
  }

  /** The queue's cursor; undefined for a plain topic. */
  get cursor(): QueueCursor | undefined {
    return this.companion.cursor;
  }

  /** How many messages wait, for the shared partition table. */
  readyToPublish(): number {
    const ready = this.cursor?.ready ?? 0;
    this.publishedReady = ready > 0;
    return ready;
  }

  /** Whether the shared partition table is wrong about whether anything waits here at all: consumers' credit follows that. */
  get isReadyStale(): boolean {
    return this.cursor !== undefined && this.cursor.ready > 0 !== this.publishedReady;
  }

  /** Consumers, without those who ask for single messages. */
  get consumerCount(): number {
    return this.consumers?.size ?? 0;
  }

  /** The level that a settled delivery's outcome must reach before it is confirmed. */
  get durability(): DurabilityLevel {
    return this.log.isVolatile ? DurabilityLevel.memory : this.settings.durability;
  }

  /** @throws BrokerError `access-refused` when somebody has the queue for himself, or is to have it although others are here. */
  addConsumer(id: number, terms: ConsumerTerms, sink: DeliverySink): void {
    const { automaticAck, credit, isExclusive, priority, label } = terms;
    const hasSingleActive = this.policies?.hasSingleActive === true;
    if (this.exclusive !== undefined || (isExclusive && (this.consumerCount > 0 || hasSingleActive))) {
      throw new BrokerError('access-refused', `Cannot consume from log ${this.log.logId}: it is in exclusive use`);
    }
    const consumer: PartitionConsumer = {
      id,
      isPoller: false,
      label,
      automaticAck,
      isExclusive,
      priority,
      sink,
      credit,
      unsettled: 0,
      isStandby: hasSingleActive,
      queued: false,
      isTouched: false,
    };
    this.consumers ??= new Map();
    this.consumers.set(id, consumer);
    if (isExclusive) this.exclusive = consumer;
    if (hasSingleActive) this.chooseActive();
    this.policies?.consumersChanged();
    this.wake(consumer);
  }

  /** With a single active consumer: when there is none, the first of the highest priority is it from now on. */
  private chooseActive(): void {
    if (this.active !== undefined) return;
    let chosen: PartitionConsumer | undefined;
    for (const consumer of this.consumers?.values() ?? []) {
      if (chosen === undefined || consumer.priority > chosen.priority) chosen = consumer;
    }
    this.active = chosen;
    if (chosen === undefined) return;
    chosen.isStandby = false;
    chosen.sink.activeChanged?.(true);
    this.wake(chosen);
  }

  /** How many deliveries consumers can take just now. */
  takeable(): number {
    let total = 0;
    for (const consumer of this.consumers?.values() ?? []) {
      if (canTake(consumer)) total += consumer.credit - consumer.unsettled;
    }
    return total;
  }

  /** Everybody who may have deliveries, by number. */
  *holderIds(): IterableIterator<number> {
    if (this.consumers !== undefined) yield* this.consumers.keys();
    if (this.holders !== undefined) yield* this.holders.keys();
  }

  /** Who holds deliveries under a number; undefined also for the queue itself. */
  holder(id: number): Holder | undefined {
    return this.consumer(id) ?? this.holders?.get(id);
  }

  /** When the message at `offset` was stored, in milliseconds since 1970; 0 = it cannot be read. */
  storedMs(offset: number): number {
    try {
      const record = this.reader.read(offset, this.log.visibleEnd);
      return record?.offset === offset ? record.timestampMs : 0;
    } catch (error) {
      if (error instanceof StorageError) return 0;
      throw error;
    }
  }

  /** Ends a consumer, or who asks for single messages, and tells it why; what it holds goes back. */
  expel(id: number, error: BrokerError): void {
    const holder = this.holder(id);
    if (holder === undefined) return;
    // One that was cancelled and has kept deliveries goes with them.
    this.cancel(id);
    holder.sink.closed(error);
  }

  /** The record that would be delivered next, after what the rules take away; it stays. */
  peekRecord(): StoredRecord | undefined {
    return this.cursor === undefined ? undefined : this.nextRecord(this.cursor);
  }

  consumer(id: number): PartitionConsumer | undefined {
    return this.consumers?.get(id);
  }

  /** Puts a consumer that can take a message into the line. */
  wake(consumer: PartitionConsumer): void {
    if (consumer.queued || !canTake(consumer)) return;
    consumer.queued = true;
    this.line ??= new ConsumerLine();
    this.line.pushBack(consumer);
  }

  /** Puts every consumer that can take a message into the line; for when ways that were full have room again. */
  wakeAll(): void {
    if (this.consumers === undefined) return;
    for (const consumer of this.consumers.values()) this.wake(consumer);
  }

  /**
   * Asks for one message; the answer comes from `dispatch`, when what was appended before is in the log. `open` makes the way to who asks for the first
   * time.
   */
  poll(id: number, automaticAck: boolean, open: () => PollSink, label = NO_LABEL): void {
    this.holders ??= new Map();
    this.policies?.used();
    // Whoever polls under this number has done so from the beginning.
    let poller = this.holders.get(id) as Poller | undefined;
    if (poller === undefined) {
      poller = { id, sink: open(), isPoller: true, label, unsettled: 0 };
      this.holders.set(id, poller);
    }
    this.gets ??= new Deque();
    this.gets.pushBack({ poller, automaticAck });
  }

  /** Takes no consumers and no messages from now on, if the conditions hold: to be deleted. */
  seal(conditions: { readonly ifUnused: boolean; readonly ifEmpty: boolean }): SealOutcome {
    const ready = this.cursor?.ready ?? 0;
    if (conditions.ifUnused && this.consumerCount > 0) return { sealed: false, reason: 'in-use' };
    if (conditions.ifEmpty && ready > 0) return { sealed: false, reason: 'not-empty' };
    this.isSealed = true;
    return { sealed: true, ready };
  }

  /** The deletion did not come about. */
  unseal(): void {
    this.isSealed = false;
  }

  /** Hands messages to consumers in turn, as far as the turn's budget and this partition's share of it go. */
  dispatch(budget: TurnBudget): DispatchOutcome {
    const { cursor } = this;
    if (cursor === undefined || this.log.offline !== undefined) return 'done';
    this.isBlocked = false;
    if (this.policies !== undefined && !this.policies.beginTurn()) return 'done';
    const outcome = this.line === undefined ? 'done' : this.handOut(cursor, this.line, budget);
    // Consumers come before those who ask: what they can take has never waited, for the rules, either.
    if (outcome === 'done') this.policies?.endTurn(this.isHeldUp(cursor));
    if (this.gets !== undefined && this.gets.length > 0) {
      this.answerGets(cursor);
      this.policies?.endTurn(this.isHeldUp(cursor));
    }
    this.flushTouched();
    if (this.consumerCount === 0 && this.holders === undefined) this.reader.forget();
    return this.isBlocked ? 'blocked' : outcome;
  }

  /** Answers those who asked for a message. False while there are messages that cannot be shown yet: the rest waits for them. */
  private answerGets(cursor: QueueCursor): boolean {
    for (let get = this.gets?.popFront(); get !== undefined; get = this.gets?.popFront()) {
      // Whoever has been cancelled meanwhile waits for nothing.
      if (this.holders?.get(get.poller.id) !== get.poller) continue;
      const record = this.nextRecord(cursor);
      if (record !== undefined) this.handTo(cursor, get, record);
      else if (this.log.offline === undefined && cursor.ready > 0 && cursor.unacknowledged < MAX_UNACKNOWLEDGED) {
        this.gets?.pushFront(get);
        return false;
      } else get.poller.sink.got(-1);
    }
    return true;
  }

  /** Whether messages wait although a consumer could take one: they cannot be shown just yet. */
  private isHeldUp(cursor: QueueCursor): boolean {
    if (this.consumers === undefined || cursor.ready === 0) return false;
    for (const consumer of this.consumers.values()) if (canTake(consumer)) return true;
    return false;
  }

  private handTo(cursor: QueueCursor, { poller, automaticAck }: PendingGet, record: StoredRecord): void {
    const { sink } = poller;
    if (record.sizeBytes > sink.maxRecordBytes) {
      sink.got(-1, this.tooLarge(sink, record));
      return;
    }
    const deliveryCount = cursor.deliveryCount(record.offset);
    const redelivered = cursor.isRedelivered(record.offset);
    if (automaticAck) cursor.deliveredAutomatically(record.offset);
    else {
      cursor.delivered(record.offset, poller.id);
      poller.unsettled++;
    }
    this.policies?.delivered(record, redelivered, automaticAck);
    sink.deliver(record, redelivered, deliveryCount);
    sink.flush();
    // What has expired behind it goes first: it is not counted.
    if (this.policies !== undefined) this.nextRecord(cursor);
    sink.got(cursor.ready);
  }

  private handOut(cursor: QueueCursor, line: ConsumerLine, budget: TurnBudget): DispatchOutcome {
    const endDeliveries = budget.deliveries - MAX_DELIVERIES_PER_TURN;
    const endBytes = budget.bytes - MAX_DELIVERY_BYTES_PER_TURN;
    for (;;) {
      const consumer = line.next();
      if (consumer === undefined) return 'done';
      const isSpent = budget.deliveries <= Math.max(0, endDeliveries) || budget.bytes <= Math.max(0, endBytes);
      const record = isSpent ? undefined : this.nextRecord(cursor);
      if (record === undefined) {
        // It stays the next one, unless the log went offline and nobody is left.
        if (this.consumer(consumer.id) === consumer) {
          line.pushFront(consumer);
          consumer.queued = true;
        }
        return isSpent ? 'more' : 'done';
      }
      if (record.sizeBytes > consumer.sink.maxRecordBytes) {
        this.refuse(consumer, record);
        continue;
      }
      budget.deliveries--;
      budget.bytes -= record.sizeBytes;
      this.hand(cursor, consumer, record);
      this.wake(consumer);
    }
  }

  /** The record cannot reach this consumer, and skipping it would break the queue's order: the consumer ends. */
  private refuse(consumer: PartitionConsumer, record: StoredRecord): void {
    this.cancel(consumer.id);
    consumer.sink.closed(this.tooLarge(consumer.sink, record));
  }

  private tooLarge(sink: DeliverySink, record: StoredRecord): BrokerError {
    const reason = `Cannot deliver the message at offset ${record.offset} of log ${this.log.logId} to another shard: it has ${record.sizeBytes} bytes, ${sink.maxRecordBytes} are possible`;
    return new BrokerError('too-large', reason);
  }

  /** Settles deliveries that the consumer holds; others are ignored. */
  settle(consumerId: number, offsets: readonly number[], outcome: SettleOutcome): void {
    const consumer = this.consumer(consumerId);
    const holder = consumer ?? this.holders?.get(consumerId);
    const cursor = this.cursor;
    if (holder === undefined || cursor === undefined) return;
    const before = holder.unsettled;
    for (let index = 0; index < offsets.length; index++) {
      if (this.settleOne(cursor, consumerId, offsets[index]!, outcome)) holder.unsettled--;
    }
    if (outcome === SettleOutcome.acknowledge) this.policies?.acknowledged(before - holder.unsettled);
    if (consumer !== undefined) this.wake(consumer);
    else if (holder.unsettled === 0 && !holder.isPoller) this.holders?.delete(consumerId);
  }

  private settleOne(cursor: QueueCursor, consumerId: number, offset: number, outcome: SettleOutcome): boolean {
    if (this.policies !== undefined && outcome !== SettleOutcome.acknowledge) {
      const taken = this.policies.takeBack(consumerId, offset, outcome);
      if (taken !== undefined) return taken;
    }
    return cursor.settle(consumerId, offset, outcome);
  }

  /**
   * Takes deliveries from who holds them, so that a transaction settles them, under the number `to`, whatever becomes of the consumer. Returns the holder,
   * whose credit they still use; undefined, and nothing happens, when it does not hold one of them.
   */
  lend(consumerId: number, offsets: readonly number[], to: number): Holder | undefined {
    const { cursor } = this;
    const lender = this.holder(consumerId);
    if (lender === undefined || cursor === undefined) return undefined;
    for (let index = 0; index < offsets.length; index++) {
      if (cursor.transfer(offsets[index]!, consumerId, to)) continue;
      while (--index >= 0) cursor.transfer(offsets[index]!, to, consumerId);
      return undefined;
    }
    this.holders ??= new Map();
    const borrower = this.holders.get(to);
    if (borrower !== undefined) borrower.unsettled += offsets.length;
    else {
      const { sink, label } = lender;
      this.holders.set(to, { id: to, sink, isPoller: false, label, unsettled: offsets.length });
    }
    return lender;
  }

  /** What was lent is settled: its holder may have more. */
  repay(lender: Holder, count: number): void {
    lender.unsettled -= count;
    const consumer = this.consumer(lender.id);
    if (consumer !== undefined) this.wake(consumer);
    else if (lender.unsettled === 0 && !lender.isPoller && this.holders?.get(lender.id) === lender) {
      this.holders.delete(lender.id);
    }
  }

  /** What was lent is not settled: it goes back to its holder, or, when that has gone, to the queue. */
  giveBack(from: number, lender: Holder, offsets: readonly number[]): void {
    const { cursor, holders } = this;
    const isHere = this.consumer(lender.id) === lender || holders?.get(lender.id) === lender;
    for (let index = 0; index < offsets.length; index++) {
      if (isHere) cursor?.transfer(offsets[index]!, from, lender.id);
      else cursor?.settle(from, offsets[index]!, SettleOutcome.requeue);
    }
    const borrower = holders?.get(from);
    if (borrower === undefined) return;
    borrower.unsettled -= offsets.length;
    if (borrower.unsettled === 0) holders?.delete(from);
  }

  /**
   * Removes a consumer, or who asked for single messages; what it holds goes back to its original position. With `keepHeld` it gets nothing more, and
   * can still settle what it has got, until it is removed for good.
   */
  cancel(consumerId: number, keepHeld = false): void {
    const consumer = this.consumer(consumerId);
    if (consumer === undefined) {
      if (!keepHeld && this.holders?.delete(consumerId) === true) this.cursor?.releaseConsumer(consumerId);
      return;
    }
    this.consumers?.delete(consumerId);
    if (this.exclusive === consumer) this.exclusive = undefined;
    // It may still stand in the line: without credit it is passed over there.
    consumer.credit = 0;
    if (this.active === consumer) this.active = undefined;
    if (this.policies?.hasSingleActive === true) this.chooseActive();
    if (!keepHeld) this.cursor?.releaseConsumer(consumerId);
    else if (consumer.unsettled > 0) {
      this.holders ??= new Map();
      this.holders.set(consumerId, consumer);
    }
    this.policies?.consumersChanged();
  }

  /** Ends every consumer, for a queue that was deleted or went offline. */
  closeConsumers(error: BrokerError): void {
    const ended: DeliverySink[] = [];
    for (const { sink } of this.consumers?.values() ?? []) ended.push(sink);
    // A consumer that was cancelled and has kept its deliveries is over for its session.
    for (const holder of this.holders?.values() ?? []) if (holder.isPoller) ended.push(holder.sink);
    this.releaseConsumers();
    for (const sink of ended) sink.closed(error);
  }

  /** Forgets every consumer without a word; what they hold goes back. */
  releaseConsumers(): void {
    for (const consumer of this.consumers?.values() ?? []) {
      consumer.credit = 0;
      this.cursor?.releaseConsumer(consumer.id);
    }
    for (const { id } of this.holders?.values() ?? []) this.cursor?.releaseConsumer(id);
    this.consumers = undefined;
    this.holders = undefined;
    this.gets = undefined;
    this.line = undefined;
    this.exclusive = undefined;
    this.active = undefined;
  }

  /** The next record that may be delivered; offsets that hold none are skipped in the cursor. */
  private nextRecord(cursor: QueueCursor): StoredRecord | undefined {
    if (cursor.unacknowledged >= MAX_UNACKNOWLEDGED) return undefined;
    for (;;) {
      const offset = cursor.nextOffset(this.log.visibleEnd);
      if (offset < 0) {
        // Thousands of queues that have run empty must not each keep a piece of their log in memory.
        if (cursor.ready === 0) this.reader.forget();
        return undefined;
      }
      let record: StoredRecord | undefined;
      try {
        record = this.reader.read(offset, this.log.visibleEnd);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
        if (this.passDamage(cursor, offset, error)) continue;
        return undefined;
      }
      if (record === undefined) {
        // Everything from here to the end is control records, was cleaned away or was lost; after power loss the log goes on above the cursor's end.
        cursor.skip(offset, Math.min(this.log.visibleEnd, cursor.end));
        continue;
      }
      if (record.offset === offset) {
        const verdict = this.policies?.mayDeliver(record) ?? 'deliver';
        if (verdict === 'deliver') return record;
        if (verdict === 'wait') return undefined;
        continue;
      }
      cursor.skip(offset, Math.min(record.offset, cursor.end));
    }
  }

  /** Passes over messages that cannot be read, if it is known where they end. Otherwise the log stops serving, or is tried again later. */
  private passDamage(cursor: QueueCursor, offset: number, error: StorageError): boolean {
    if (error.code === 'no-space') {
      this.isBlocked = true;
      return false;
    }
    if (error.resumeOffset <= offset) {
      this.log.goOffline(error);
      return false;
    }
    const end = Math.min(error.resumeOffset, cursor.end);
    // What recovery had found damaged was never counted as messages; what is found only now was.
    const counted = error.cause instanceof RecordError ? Math.max(0, end - Math.max(offset, cursor.head)) : 0;
    cursor.skip(offset, end, counted);
    this.onDamage(error);
    return true;
  }

  private hand(cursor: QueueCursor, consumer: PartitionConsumer, record: StoredRecord): void {
    const deliveryCount = cursor.deliveryCount(record.offset);
    const redelivered = cursor.isRedelivered(record.offset);
    if (consumer.automaticAck) {
      cursor.deliveredAutomatically(record.offset);
      consumer.credit--;
    } else {
      cursor.delivered(record.offset, consumer.id);
      consumer.unsettled++;
    }
    this.policies?.delivered(record, redelivered, consumer.automaticAck);
    if (!consumer.isTouched) {
      consumer.isTouched = true;
      this.touched.push(consumer);
    }
    consumer.sink.deliver(record, redelivered, deliveryCount);
  }

  private flushTouched(): void {
    const { touched } = this;
    if (touched.length === 0) return;
    this.touched = [];
    for (const consumer of touched) {
      consumer.isTouched = false;
      consumer.sink.flush();
    }
  }
}

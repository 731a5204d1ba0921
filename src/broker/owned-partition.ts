/**
 * One partition on the shard that owns it: its log, its cursor and its consumers. It decides which message goes to which consumer, and when.
 */
import { Deque } from '../base/deque.js';
import { RecordError } from '../record/errors.js';
import { StorageError } from '../storage/errors.js';
import type { PartitionLog } from '../storage/partition-log.js';
import type { PartitionCompanion } from './companion.js';
import type { QueueCursor } from './cursor/queue-cursor.js';
import { BrokerError } from './errors.js';
import { MAX_DELIVERIES_PER_TURN, MAX_DELIVERY_BYTES_PER_TURN, MAX_UNACKNOWLEDGED } from './limits.js';
import type { DurabilityLevel, SettleOutcome, TopicSettings } from './ports.js';
import type { PushReader, StoredRecord } from './push-reader.js';

/** Where the deliveries of one consumer go: a session of this shard, or another shard. */
export interface DeliverySink {
  /** False while the way to the consumer is full: it gets nothing until `OwnedPartition.wake`. */
  readonly writable: boolean;
  /** The largest record, as stored, that the way to the consumer can carry. */
  readonly maxRecordBytes: number;
  deliver(record: StoredRecord, redelivered: boolean, deliveryCount: number): void;
  /** The deliveries of this turn are complete. */
  flush(): void;
  closed(error: BrokerError): void;
}

/** A consumer as the owner counts it. */
export interface PartitionConsumer {
  /** Unique on this node: the session's shard and its number there. */
  readonly id: number;
  readonly automaticAck: boolean;
  readonly sink: DeliverySink;
  /** Manual acknowledgement: deliveries that may be unsettled at once. Automatic: deliveries still granted. */
  credit: number;
  /** Deliveries not settled yet; always 0 with automatic acknowledgement. */
  unsettled: number;
  /** Whether it stands in the line of those who can take a message. */
  queued: boolean;
}

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
  readonly log: PartitionLog;
  readonly companion: PartitionCompanion;
  settings: TopicSettings;
  /** Hears of damaged messages that the queue has passed over. */
  onDamage: (error: StorageError) => void = () => undefined;
  private publishedReady = false;
  private isBlocked = false;
  private readonly reader: PushReader;
  private readonly consumers = new Map<number, PartitionConsumer>();
  /** Consumers that can take a message, in turn. */
  private readonly line = new Deque<PartitionConsumer>();
  private readonly touched = new Set<PartitionConsumer>();

  constructor(
    identity: { readonly partition: number; readonly slot: number },
    log: PartitionLog,
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

  get consumerCount(): number {
    return this.consumers.size;
  }

  /** The level that a settled delivery's outcome must reach before it is confirmed. */
  get durability(): DurabilityLevel {
    return this.settings.durability;
  }

  addConsumer(consumer: PartitionConsumer): void {
    this.consumers.set(consumer.id, consumer);
    this.wake(consumer);
  }

  consumer(id: number): PartitionConsumer | undefined {
    return this.consumers.get(id);
  }

  /** Puts a consumer that can take a message into the line. */
  wake(consumer: PartitionConsumer): void {
    if (consumer.queued || !canTake(consumer)) return;
    consumer.queued = true;
    this.line.pushBack(consumer);
  }

  /** Puts every consumer that can take a message into the line; for when ways that were full have room again. */
  wakeAll(): void {
    for (const consumer of this.consumers.values()) this.wake(consumer);
  }

  /** Hands messages to consumers in turn, as far as the turn's budget and this partition's share of it go. */
  dispatch(budget: TurnBudget): DispatchOutcome {
    const { cursor } = this;
    if (cursor === undefined || this.log.offline !== undefined) return 'done';
    this.isBlocked = false;
    const outcome = this.handOut(cursor, budget);
    this.flushTouched();
    if (this.consumers.size === 0) this.reader.forget();
    return this.isBlocked ? 'blocked' : outcome;
  }

  private handOut(cursor: QueueCursor, budget: TurnBudget): DispatchOutcome {
    const endDeliveries = budget.deliveries - MAX_DELIVERIES_PER_TURN;
    const endBytes = budget.bytes - MAX_DELIVERY_BYTES_PER_TURN;
    for (;;) {
      const consumer = this.nextInLine();
      if (consumer === undefined) return 'done';
      const isSpent = budget.deliveries <= Math.max(0, endDeliveries) || budget.bytes <= Math.max(0, endBytes);
      const record = isSpent ? undefined : this.nextRecord(cursor);
      if (record === undefined) {
        // It stays the next one, unless the log went offline and nobody is left.
        if (this.consumers.get(consumer.id) === consumer) {
          this.line.pushFront(consumer);
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
    const reason = `Cannot deliver the message at offset ${record.offset} of log ${this.log.logId} to another shard: it has ${record.sizeBytes} bytes, ${consumer.sink.maxRecordBytes} are possible`;
    this.cancel(consumer.id);
    consumer.sink.closed(new BrokerError('too-large', reason));
  }

  /** Settles deliveries that the consumer holds; others are ignored. */
  settle(consumerId: number, offsets: readonly number[], outcome: SettleOutcome): void {
    const consumer = this.consumers.get(consumerId);
    const cursor = this.cursor;
    if (consumer === undefined || cursor === undefined) return;
    for (let index = 0; index < offsets.length; index++) {
      if (cursor.settle(consumerId, offsets[index]!, outcome)) consumer.unsettled--;
    }
    this.wake(consumer);
  }

  /** Removes a consumer; what it holds goes back to its original position. */
  cancel(consumerId: number): void {
    const consumer = this.consumers.get(consumerId);
    if (consumer === undefined) return;
    this.consumers.delete(consumerId);
    // It may still stand in the line: without credit it is passed over there.
    consumer.credit = 0;
    this.cursor?.releaseConsumer(consumerId);
  }

  /** Ends every consumer, for a queue that was deleted or went offline. */
  closeConsumers(error: BrokerError): void {
    for (const consumer of this.consumers.values()) consumer.sink.closed(error);
    this.releaseConsumers();
  }

  /** Forgets every consumer without a word; what they hold goes back. */
  releaseConsumers(): void {
    for (const consumer of this.consumers.values()) {
      consumer.credit = 0;
      this.cursor?.releaseConsumer(consumer.id);
    }
    this.consumers.clear();
    this.line.clear();
  }

  private nextInLine(): PartitionConsumer | undefined {
    for (;;) {
      const consumer = this.line.popFront();
      if (consumer === undefined) return undefined;
      consumer.queued = false;
      if (canTake(consumer)) return consumer;
    }
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
      if (record.offset === offset) return record;
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
    this.touched.add(consumer);
    consumer.sink.deliver(record, redelivered, deliveryCount);
  }

  private flushTouched(): void {
    if (this.touched.size === 0) return;
    for (const consumer of this.touched) consumer.sink.flush();
    this.touched.clear();
  }
}

function canTake(consumer: PartitionConsumer): boolean {
  return consumer.credit > consumer.unsettled && consumer.sink.writable;
}

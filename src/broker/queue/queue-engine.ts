/**
 * The rules of one partition of a queue: expiry, lengths, dead letters, delivery limit, priorities, duplicates, and when the queue ends by itself.
 * The partition (owned-partition.ts) asks it at every step; the parts that need room are made only for queues that want them.
 */

import { messageIdOf } from '../../record/amqp/properties.js';
import { batchRecordsCount } from '../../record/batch-header.js';
import { RecordError } from '../../record/errors.js';
import type { RecordCursor } from '../../record/record-reader.js';
import { StorageError } from '../../storage/errors.js';
import type { PartitionCompanion } from '../companion.js';
import { PriorityOrder } from '../cursor/priority-order.js';
import { BrokerError } from '../errors.js';
import type { QueuePolicy } from '../model.js';
import { type RecordView, SettleOutcome } from '../ports.js';
import type { StoredRecord } from '../push-reader.js';
import type { HeadVerdict, QueuePolicyEngine, Refusal } from '../queue-policies.js';
import { ConsumerTimeouts } from './consumer-timeouts.js';
import { QueueCounters } from './counters.js';
import { DeadLetters } from './dead-letters.js';
import type { DeathReason } from './death-headers.js';
import type { DueTarget } from './due-times.js';
import { DROPS_PER_TURN, EXPIRY_LOOK_MS } from './limits.js';
import { LogScan } from './log-scan.js';
import { expiryOf, priorityIn, propertiesAt, type VisitRecord, visitBatch } from './message-facts.js';
import { DEAD_LETTER_CONSUMER, type EngineHost, type EngineParts, type QueueIdentity } from './parts.js';
import { QueueLife } from './queue-life.js';
import { ReadyBytes } from './ready-bytes.js';

const NEVER = Number.POSITIVE_INFINITY;

/** What a partition's rules are made of. */
export interface QueueEngineOptions {
  readonly policy: QueuePolicy;
  /** Deleted with its last consumer. */
  readonly autoDelete: boolean;
  readonly identity: QueueIdentity;
  readonly companion: PartitionCompanion;
  readonly host: EngineHost;
  readonly parts: EngineParts;
}

/** See the top of this file. */
export class QueueEngine implements QueuePolicyEngine, DueTarget {
  dueAtMs = NEVER;
  readonly counters = new QueueCounters();
  private rules: QueuePolicy;
  private readonly identity: QueueIdentity;
  private readonly companion: PartitionCompanion;
  private readonly host: EngineHost;
  private readonly parts: EngineParts;
  /** Dead letters on their way; some may still be, when the queue has no exchange for new ones any more. */
  private post: DeadLetters | undefined;
  private readonly order: PriorityOrder | undefined;
  private bytes: ReadyBytes | undefined;
  private timeouts: ConsumerTimeouts | undefined;
  private readonly life: QueueLife;
  private scan: LogScan | undefined;
  /** Came back more often than is allowed, and waits to be taken away. */
  private doomed: number[] = [];
  /** Something came back since deliveries were last complete: it may be too much. */
  private hasReturned = false;
  /** Messages of transactions that are not decided, and their bytes. */
  private reserved = 0;
  private reservedBytes = 0;
  /** Messages that were appended and cannot be seen yet. */
  private arriving = 0;
  /** Messages from here on have become visible since deliveries were last complete: one that must go at once may go to a consumer first. */
  private freshFrom: number;
  /** How many messages waited when the scan began; -1: the cursor knows its messages, only their bytes are counted. */
  private scannedFrom = 0;
  /** Messages that may still be dropped in this turn. */
  private dropsLeft = DROPS_PER_TURN;
  private lastLookMs = Number.NEGATIVE_INFINITY;
  private lookedAt = -1;
  /** When messages from before the start may be looked at. */
  private firstLookMs = 0;
  /** The offset of a message that was looked at, and when it was stored. */
  private seenOffset = -1;
  private seenTimestampMs = 0;

  constructor(options: QueueEngineOptions) {
    const { policy, companion, host, parts } = options;
    this.rules = policy;
    this.identity = options.identity;
    this.companion = companion;
    this.host = host;
    this.parts = parts;
    this.post = this.postFor(policy);
    if (policy.maxPriority > 0) this.order = new PriorityOrder(policy.maxPriority, companion.priorities);
    if (policy.maxLengthBytes >= 0) this.bytes = new ReadyBytes();
    this.timeouts = this.timeoutsFor(policy);
    this.life = new QueueLife(options.autoDelete, policy.expiresMs, parts, host);
    this.freshFrom = host.cursor.end;
    this.attach();
  }

  /** The rules in force. */
  get policy(): QueuePolicy {
    return this.rules;
  }

  private get letters(): DeadLetters | undefined {
    return this.rules.deadLetterExchange === undefined ? undefined : this.post;
  }

  /**
   * Goes on by other rules, which a policy of the virtual host gives. Priorities, single active consumers and duplicates do not come from those: they
   * stay. Deliveries that are out when bytes begin to be counted count as nothing when they come back.
   */
  changePolicy(policy: QueuePolicy): void {
    const before = this.rules;
    this.rules = policy;
    if (policy.deadLetterExchange !== undefined && this.post !== undefined) this.post.changePolicy(policy);
    else this.post ??= this.postFor(policy);
    if (policy.consumerTimeoutMs !== before.consumerTimeoutMs) this.changeTimeouts(policy);
    if (policy.expiresMs !== before.expiresMs) this.life.changeExpiry(policy.expiresMs);
    if (policy.maxLengthBytes < 0) this.bytes = undefined;
    else if (this.bytes === undefined) this.countBytes();
    // Heads may have expired by the new rules.
    this.due();
  }

  private postFor(policy: QueuePolicy): DeadLetters | undefined {
    const exchange = policy.deadLetterExchange;
    if (exchange === undefined) return undefined;
    return new DeadLetters(exchange, policy, this.parts, this.identity, this.host, this.counters);
  }

  private timeoutsFor({ consumerTimeoutMs }: QueuePolicy): ConsumerTimeouts | undefined {
    const timeoutMs = consumerTimeoutMs < 0 ? this.parts.consumerTimeoutMs : consumerTimeoutMs;
    return timeoutMs > 0 ? new ConsumerTimeouts(timeoutMs, this.parts, this.host) : undefined;
  }

  private changeTimeouts(policy: QueuePolicy): void {
    if (this.timeouts !== undefined) this.parts.due.cancel(this.timeouts);
    this.timeouts = this.timeoutsFor(policy);
    // Whoever holds something has its time from now on.
    this.timeouts?.delivered();
  }

  get hasSingleActive(): boolean {
    return this.policy.singleActiveConsumer;
  }

  /**
   * Milliseconds since the oldest waiting message was stored; -1 when nothing waits, when it cannot be read, or when it was never looked at and `mayRead`
   * is false. For queues with priorities the oldest of all.
   */
  oldestReadyAgeMs(mayRead: boolean): number {
    const oldest = this.oldestReady();
    if (oldest < 0) return -1;
    if (oldest !== this.seenOffset) {
      if (!mayRead || this.readAside(oldest) === undefined) return -1;
      this.host.forget();
      // The first one at or behind that offset, which is the one that waits.
      this.seenOffset = oldest;
    }
    return Math.max(0, this.parts.clock.nowMs() - this.seenTimestampMs);
  }

  /** Whether `oldestReadyAgeMs` has to read a piece of the log. */
  get mustReadForAge(): boolean {
    const oldest = this.oldestReady();
    return oldest >= 0 && oldest !== this.seenOffset;
  }

  private oldestReady(): number {
    if (this.host.cursor.ready === 0) return -1;
    const offsets = this.heads().filter((offset) => offset >= 0);
    return offsets.length === 0 ? -1 : Math.min(...offsets);
  }

  /** Bytes of memory that priorities take. */
  get priorityBytes(): number {
    return this.order?.bitmapBytes ?? 0;
  }

  // ---- Publishing ----

  admit(batch: Uint8Array): Refusal | undefined {
    const { policy } = this;
    if (policy.overflow !== 'drop-head' && this.wouldOverflow(batch)) return this.refuse(batch);
    if (policy.deduplicationMs >= 0 && this.isDuplicate(batch)) {
      this.counters.duplicates++;
      return 'duplicate';
    }
    return undefined;
  }

  notAppended(batch: Uint8Array): void {
    if (this.policy.deduplicationMs < 0) return;
    this.forEachId(batch, (id) => this.companion.messageIds.withdraw(id));
  }

  appended(batch: Uint8Array, baseOffset: number, count: number): void {
    this.arriving += count;
    this.counters.published += count;
    const { order, bytes, policy } = this;
    if (order === undefined && bytes === undefined) return;
    let total = 0;
    this.visit(batch, (index, bodyBytes, properties) => {
      total += bodyBytes;
      order?.add(baseOffset + index, priorityIn(properties, policy.maxPriority));
    });
    bytes?.appended(baseOffset, total);
  }

  reserve(batch: Uint8Array, sign: 1 | -1): void {
    if (this.policy.overflow === 'drop-head') return;
    this.visit(batch, (_index, bodySize) => {
      this.reserved += sign;
      this.reservedBytes += sign * bodySize;
    });
  }

  withdrawn(fromOffset: number): void {
    // What was written before has been told of by `visible`.
    this.arriving = 0;
    this.bytes?.withdrawn(fromOffset);
    this.order?.withdrawn(fromOffset);
  }

  visible(nextOffset: number): void {
    this.arriving = 0;
    this.bytes?.visible(nextOffset);
  }

  // ---- Delivering ----

  beginTurn(): boolean {
    this.dropsLeft = DROPS_PER_TURN;
    if (this.scan !== undefined && !this.advanceScan(this.scan)) {
      this.host.touch();
      return false;
    }
    if (this.doomed.length > 0) this.takeDoomed();
    this.post?.pump();
    // As in RabbitMQ, what comes back is counted before consumers have their chance; what is new is counted after it.
    if (this.hasReturned && this.host.visibleEnd <= this.freshFrom && this.host.cursor.ready > 0) this.dropSurplus();
    this.hasReturned = false;
    return true;
  }

  mayDeliver(record: StoredRecord): HeadVerdict {
    // Most messages live for ever: they need no look at the clock.
    if (this.expiryOf(record) === NEVER || !this.isExpired(record, this.parts.clock.nowMs())) return 'deliver';
    return this.kill(record, 'expired') ? 'taken' : 'wait';
  }

  delivered(record: StoredRecord, redelivered: boolean, automaticAck: boolean): void {
    const { counters, bytes } = this;
    counters.delivered++;
    if (redelivered) counters.redelivered++;
    if (automaticAck) counters.acknowledged++;
    if (bytes !== undefined) {
      if (automaticAck) bytes.gone(bodyBytes(record));
      else bytes.handed(record.offset, bodyBytes(record));
    }
    if (!automaticAck) this.timeouts?.delivered();
  }

  endTurn(isHeldUp: boolean): void {
    const { cursor, visibleEnd } = this.host;
    if (isHeldUp) return;
    this.freshFrom = visibleEnd;
    if (cursor.ready > 0) this.dropSurplus();
    // After a drop there is another head.
    if (cursor.ready > 0) this.lookAtHeads();
    else this.bytes?.recount();
  }

  takeBack(consumerId: number, offset: number, outcome: SettleOutcome): boolean | undefined {
    if (outcome !== SettleOutcome.discard) return undefined;
    const { cursor } = this.host;
    const { letters } = this;
    if (letters === undefined) {
      const settled = cursor.settle(consumerId, offset, outcome);
      if (settled) this.counters.dropped.rejected++;
      return settled;
    }
    if (!cursor.transfer(offset, consumerId, DEAD_LETTER_CONSUMER)) return false;
    this.bytes?.acknowledged(offset);
    letters.enqueue(offset, 'rejected');
    return true;
  }

  acknowledged(count: number): void {
    this.counters.acknowledged += count;
  }

  purged(): void {
    this.doomed = [];
    // What was appended and cannot be seen yet stays, and is not counted until the queue is empty: that happens after a start only.
    this.bytes?.recount();
    if (this.scan !== undefined && this.scannedFrom >= 0) this.startScan();
  }

  consumersChanged(): void {
    this.life.consumersChanged();
  }

  used(): void {
    this.life.used();
  }

  close(): void {
    for (const target of [this, this.life, this.post, this.timeouts]) {
      if (target !== undefined) this.parts.due.cancel(target);
    }
  }

  /** A waiting head may have expired. */
  due(): void {
    this.lookedAt = -1;
    this.lastLookMs = Number.NEGATIVE_INFINITY;
    this.host.touch();
  }

  // ---- Inside ----

  private attach(): void {
    const { cursor } = this.host;
    cursor.order = this.order;
    cursor.watch = {
      returned: (offset) => this.returned(offset),
      acknowledged: (offset) => this.bytes?.acknowledged(offset),
    };
    if (cursor.ready > 0) this.firstLookMs = this.parts.due.turn();
    const needsScan = this.order !== undefined || this.bytes !== undefined;
    if (needsScan && cursor.ready > 0) this.startScan();
  }

  /** Reads what waits: only the messages themselves can tell their priorities and sizes. */
  private startScan(): void {
    const { order, bytes, policy } = this;
    if (order !== undefined) order.isComplete = false;
    bytes?.recount();
    this.scannedFrom = this.host.cursor.ready;
    this.scan = new LogScan(this.host, (record) => {
      order?.add(record.offset, priorityIn(propertiesOf(record), policy.maxPriority));
      if (bytes !== undefined) bytes.ready += bodyBytes(record);
    });
  }

  /** Begins to count the bytes of a queue that goes on: what waits is read, what is out is passed. */
  private countBytes(): void {
    const bytes = new ReadyBytes();
    this.bytes = bytes;
    if (this.scan !== undefined && this.scannedFrom >= 0) {
      this.startScan();
      return;
    }
    const out = new Set<number>();
    for (const holder of this.host.holders()) this.host.cursor.forEachHeld(holder, (offset) => out.add(offset));
    this.scannedFrom = -1;
    this.scan = new LogScan(this.host, (record) => {
      if (!out.has(record.offset)) bytes.ready += bodyBytes(record);
    });
  }

  private advanceScan(scan: LogScan): boolean {
    if (!scan.advance()) return false;
    this.scan = undefined;
    const { cursor } = this.host;
    // What came meanwhile was counted by the cursor.
    if (this.scannedFrom >= 0) cursor.counted(scan.count + cursor.ready - this.scannedFrom);
    if (this.order !== undefined) this.order.isComplete = true;
    return true;
  }

  private wouldOverflow(batch: Uint8Array): boolean {
    const { policy, bytes } = this;
    if (policy.maxLength < 0 && bytes === undefined) return false;
    const waiting = this.host.cursor.ready + this.arriving + this.reserved;
    // What consumers can take at once does not stay in the queue.
    const staying = waiting === 0 ? 0 : Math.max(0, waiting - this.host.takeable());
    if (policy.maxLength >= 0 && staying + batchRecordsCount(batch, 0) > policy.maxLength) return true;
    if (bytes === undefined) return false;
    let size = staying === 0 ? 0 : bytes.ready + bytes.arriving + this.reservedBytes;
    this.visit(batch, (_index, bodySize) => {
      size += bodySize;
    });
    return size > policy.maxLengthBytes;
  }

  private refuse(batch: Uint8Array): BrokerError {
    const { policy, identity, counters } = this;
    const count = batchRecordsCount(batch, 0);
    counters.refused += count;
    if (policy.overflow === 'reject-publish-dlx') this.sendRefused(batch, count);
    const { ready } = this.host.cursor;
    const text = `Cannot publish to queue '${identity.queue}' in vhost '${identity.vhost}': it is full, ${ready} messages wait`;
    return new BrokerError('queue-full', text);
  }

  private sendRefused(batch: Uint8Array, count: number): void {
    if (this.letters === undefined) {
      this.counters.dropped.maxlen += count;
      return;
    }
    // First all, then the sending: that may come back here with another batch.
    const records: RecordView[] = [];
    this.visit(batch, (_index, _bodySize, _properties, cursor) => records.push(viewOf(cursor)));
    for (const record of records) this.letters.sendRefused(record);
  }

  /** Whether every message of a batch was seen. A batch of several is taken whole if one of them is new. */
  private isDuplicate(batch: Uint8Array): boolean {
    const { messageIds } = this.companion;
    const nowMs = this.parts.clock.nowMs();
    let seen = 0;
    this.forEachId(batch, (id) => {
      if (messageIds.isDuplicate(id, nowMs, this.policy.deduplicationMs)) seen++;
    });
    return seen === batchRecordsCount(batch, 0);
  }

  private forEachId(batch: Uint8Array, visit: (id: string) => void): void {
    this.visit(batch, (_index, _bodySize, properties) => {
      const id = messageIdOf(properties);
      if (id !== undefined) visit(id);
    });
  }

  /** A batch that cannot be walked has no facts; it was verified before, so that only a defect of its producer's codec leads here. */
  private visit(batch: Uint8Array, visit: VisitRecord): void {
    try {
      visitBatch(batch, visit);
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
    }
  }

  private returned(offset: number): void {
    this.counters.returned++;
    this.hasReturned = true;
    const { deliveryLimit } = this.policy;
    if (deliveryLimit >= 0 && this.host.cursor.deliveryCount(offset) > deliveryLimit) {
      this.doomed.push(offset);
      this.bytes?.acknowledged(offset);
    } else this.bytes?.returned(offset);
  }

  /** What came back too often is dead. */
  private takeDoomed(): void {
    const { cursor } = this.host;
    const { doomed, letters } = this;
    this.doomed = [];
    for (const offset of doomed) {
      if (!cursor.deliveredAgain(offset, DEAD_LETTER_CONSUMER)) continue;
      if (letters !== undefined) letters.enqueue(offset, 'delivery_limit');
      else {
        cursor.settle(DEAD_LETTER_CONSUMER, offset, SettleOutcome.discard);
        this.counters.dropped.delivery_limit++;
      }
    }
  }

  /** Takes the message that would be delivered next out of the way. False when there is no room for it, or this turn has done enough. */
  private kill(record: StoredRecord, reason: DeathReason): boolean {
    const { cursor } = this.host;
    const { letters, counters } = this;
    if (this.dropsLeft <= 0) {
      this.host.touch();
      return false;
    }
    if (letters === undefined) {
      cursor.deliveredAutomatically(record.offset);
      counters.dropped[reason]++;
    } else {
      // A dead letter that arrives touches the partition.
      if (!letters.hasRoom) return false;
      cursor.delivered(record.offset, DEAD_LETTER_CONSUMER);
      letters.send(record, reason);
    }
    this.dropsLeft--;
    this.lookedAt = -1;
    this.bytes?.gone(bodyBytes(record));
    if (reason === 'expired') counters.expired++;
    return true;
  }

  /** The oldest waiting messages go until no more are left than may be. */
  private dropSurplus(): void {
    if (this.policy.overflow !== 'drop-head') return;
    while (this.isOverfull()) {
      const record = this.host.nextRecord();
      // Expired ones may have gone on the way, and that may be enough.
      if (record === undefined || !this.isOverfull() || !this.kill(record, 'maxlen')) return;
    }
  }

  private isOverfull(): boolean {
    const { policy, bytes, host } = this;
    if (policy.maxLength >= 0 && host.cursor.ready > policy.maxLength) return true;
    return bytes !== undefined && host.cursor.ready > 0 && bytes.ready > policy.maxLengthBytes;
  }

  private isExpired(record: StoredRecord, nowMs: number): boolean {
    const expiryMs = this.expiryOf(record);
    if (nowMs < expiryMs) return false;
    // Without any time to live a message is for those who can take it at once.
    return expiryMs > record.timestampMs || record.offset < this.freshFrom;
  }

  private expiryOf(record: StoredRecord): number {
    return expiryOf(record.timestampMs, propertiesOf(record), this.policy.messageTtlMs);
  }

  /** Lets waiting heads go whose time is over, and asks to be called for the next one's; not too often, since each look reads a piece of the log. */
  private lookAtHeads(): void {
    const head = this.host.cursor.peek();
    if (this.order === undefined && head === this.lookedAt) return;
    const { clock, due } = this.parts;
    const nowMs = clock.nowMs();
    if (nowMs < this.firstLookMs) {
      due.at(this.firstLookMs, this);
      return;
    }
    const sinceMs = nowMs - this.lastLookMs;
    if (sinceMs >= 0 && sinceMs < EXPIRY_LOOK_MS) {
      due.at(this.lastLookMs + EXPIRY_LOOK_MS, this);
      return;
    }
    this.lastLookMs = nowMs;
    const nextMs = this.order === undefined ? this.lookAtHead(head, nowMs) : this.lookAtPriorities(this.order, nowMs);
    if (nextMs < NEVER) due.at(Math.max(nextMs, nowMs), this);
    this.host.forget();
  }

  /** Returns when the head that stays expires. */
  private lookAtHead(head: number, nowMs: number): number {
    let record = this.readAside(head);
    if (record === undefined) return NEVER;
    // The partition asks `mayDeliver`, and passes what may not be.
    if (this.isExpired(record, nowMs)) record = this.host.nextRecord();
    if (record === undefined) {
      // A lease or dead letters are waited for: what comes of them touches the partition.
      this.lastLookMs = Number.NEGATIVE_INFINITY;
      return NEVER;
    }
    this.lookedAt = this.host.cursor.peek();
    return this.expiryOf(record);
  }

  /** As `lookAtHead`, for the head of each priority. */
  private lookAtPriorities(order: PriorityOrder, nowMs: number): number {
    let nextMs = NEVER;
    for (let priority = 0; priority <= order.maxPriority; priority++) {
      for (let head = order.first(priority); head >= 0 && head < this.host.visibleEnd; head = order.first(priority)) {
        const record = this.readAside(head);
        if (record?.offset !== head) break;
        if (this.isExpired(record, nowMs)) {
          if (this.kill(record, 'expired')) continue;
          this.lastLookMs = Number.NEGATIVE_INFINITY;
          break;
        }
        nextMs = Math.min(nextMs, this.expiryOf(record));
        break;
      }
    }
    return nextMs;
  }

  private heads(): readonly number[] {
    const { order } = this;
    if (order === undefined) return [this.host.cursor.peek()];
    return Array.from({ length: order.maxPriority + 1 }, (_, priority) => order.first(priority));
  }

  /** A record for a look; undefined also where it cannot be read: delivery finds out and says so. */
  private readAside(offset: number): StoredRecord | undefined {
    if (offset < 0 || offset >= this.host.visibleEnd) return undefined;
    try {
      const record = this.host.read(offset);
      if (record !== undefined) {
        this.seenOffset = record.offset;
        this.seenTimestampMs = record.timestampMs;
      }
      return record;
    } catch (error) {
      if (error instanceof StorageError) return undefined;
      throw error;
    }
  }
}

function bodyBytes(record: RecordView): number {
  return record.value?.length ?? 0;
}

function propertiesOf(record: RecordView): Uint8Array {
  return propertiesAt(record.headers, 0, record.headers.length);
}

function viewOf(cursor: RecordCursor): RecordView {
  const { bytes, valueStart, valueEnd, recordEnd, timestamp } = cursor;
  const headers = bytes.subarray(Math.max(valueStart, valueEnd), recordEnd);
  return { offset: -1, timestampMs: timestamp, key: cursor.key(), value: cursor.value(), headers };
}

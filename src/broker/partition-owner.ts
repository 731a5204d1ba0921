/**
 * The owner's half of a shard: everything that writes. It appends for its own sessions and for other shards, runs the end of each turn (one write
 * per log, deliveries, cursor changes into the journal, one commit), and answers when the promised durability is reached.
 */
import type { Clock } from '../io/ports.js';
import { batchLastOffsetDelta, batchRecordsCount } from '../record/batch-header.js';
import { StorageError } from '../storage/errors.js';
import type { ShardStorage } from '../storage/shard-storage.js';
import { type AppendWaiter, AppendWaiters, fromStorage } from './append-waiters.js';
import type { PartitionCompanion } from './companion.js';
import { BrokerError } from './errors.js';
import { LatencyHistogram } from './latency-histogram.js';
import {
  MAX_CONSUMERS_PER_PARTITION,
  MAX_OWNER_DELIVERIES_PER_TURN,
  MAX_OWNER_DELIVERY_BYTES_PER_TURN,
  READ_RETRY_MS,
} from './limits.js';
import { ManyAppends, NO_OFFSET } from './many-appends.js';
import type { OwnedPartition, SealOutcome } from './owned-partition.js';
import type { ConsumerTerms, DeliverySink, PollSink } from './partition-consumers.js';
import { type ConsumerLabel, DurabilityLevel, type PublishListener, type SettleOutcome } from './ports.js';
import type { Refusal } from './queue-policies.js';
import type { Revoked } from './queue-subscription.js';
import type { Turn } from './turn.js';

/** Told when what somebody asked for is durable, or failed. */
export type Settled = (error?: BrokerError) => void;

interface SettledWaiter {
  readonly partition: OwnedPartition;
  readonly done: Settled;
}

/** See the top of this file. */
export class PartitionOwner {
  readonly shard: number;
  /** From the end of a turn until the group commit that covers it is done: what a confirm at `disk` waits for. */
  readonly commitLatency = new LatencyHistogram();
  /** Hears of damaged messages that a queue has passed over. */
  onDamage: (logId: number, error: StorageError) => void = () => undefined;
  /** Hears, at the end of a turn, that what was appended is written; and then that what changed is in the journal. */
  onWritten: () => void = () => undefined;
  onJournaled: () => void = () => undefined;
  private readonly storage: ShardStorage;
  private readonly clock: Clock;
  private readonly turn: Turn;
  private readonly partitions = new Map<number, OwnedPartition>();
  private readonly waiters: AppendWaiters;
  /** Partitions whose cursor or end may have moved in this turn. */
  private active = new Set<OwnedPartition>();
  private awaitingOutcome: SettledWaiter[] = [];
  private isStopped = false;

  constructor(shard: number, storage: ShardStorage, clock: Clock, turn: Turn) {
    this.shard = shard;
    this.storage = storage;
    this.clock = clock;
    this.turn = turn;
    this.waiters = new AppendWaiters((partition) => this.touchIfHere(partition));
    turn.addStep(() => this.endTurn());
  }

  /** Storage could not write what was appended to a log from `fromOffset` on. */
  appendFailed(logId: number, fromOffset: number, error: StorageError): void {
    this.partitions.get(logId)?.policies?.withdrawn(fromOffset);
    this.waiters.failed(logId, fromOffset, error);
  }

  add(partition: OwnedPartition): void {
    const { logId } = partition.log;
    this.partitions.set(logId, partition);
    partition.onDamage = (error) => this.onDamage(logId, error);
    this.touch(partition);
  }

  /** Storage says that a log stopped serving: its consumers are told. */
  logOffline(logId: number): void {
    const partition = this.partitions.get(logId);
    if (partition?.log.offline !== undefined) partition.closeConsumers(fromStorage(partition.log.offline));
  }

  remove(logId: number): OwnedPartition | undefined {
    const partition = this.partitions.get(logId);
    this.partitions.delete(logId);
    if (partition !== undefined) this.active.delete(partition);
    partition?.policies?.close();
    return partition;
  }

  get(logId: number): OwnedPartition | undefined {
    return this.partitions.get(logId);
  }

  all(): IterableIterator<OwnedPartition> {
    return this.partitions.values();
  }

  /** Appends one verified batch, borrowed and patched in place. The outcome comes at the end of the turn or with a commit. */
  append(logId: number, bytes: Uint8Array, level: DurabilityLevel, token: number, listener: PublishListener): void {
    const partition = this.partitions.get(logId);
    if (partition === undefined || partition.isSealed) {
      listener.publishFailed(token, gone(logId));
      return;
    }
    const refusal = partition.policies?.admit(bytes);
    if (refusal !== undefined) {
      this.refuse(partition, refusal, bytes, level, token, listener);
      return;
    }
    try {
      const log = partition.log;
      const count = batchRecordsCount(bytes, 0);
      const baseOffset = log.append(bytes, 0, bytes.length, this.clock.nowMs());
      const duplicate = log.lastAppendWasDuplicate;
      if (duplicate) partition.policies?.notAppended(bytes);
      else partition.policies?.appended(bytes, baseOffset, count);
      // A duplicate waits like a new batch, which covers a first one that is still on its way.
      const nextOffset = baseOffset + batchLastOffsetDelta(bytes, 0) + 1;
      this.waiters.add({ partition, level, baseOffset, count, nextOffset, duplicate, token, listener });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      partition.policies?.notAppended(bytes);
      listener.publishFailed(token, fromStorage(error));
    }
    this.touch(partition);
  }

  /** A message that is there already is confirmed when everything before it is safe: the first one may still be on its way. */
  private refuse(
    partition: OwnedPartition,
    refusal: Refusal,
    bytes: Uint8Array,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    if (refusal !== 'duplicate') {
      listener.publishFailed(token, refusal);
      return;
    }
    const count = batchRecordsCount(bytes, 0);
    const { nextOffset } = partition.log;
    this.waiters.add({ partition, level, baseOffset: NO_OFFSET, count, nextOffset, duplicate: true, token, listener });
    this.touch(partition);
  }

  /** Takes notice of a batch that was appended for a transaction. */
  appended(waiter: AppendWaiter): void {
    this.waiters.add(waiter);
    this.touch(waiter.partition);
  }

  /** Appends the same batch to several logs. One outcome, when all of them have reached their level: a failure if one of them failed. */
  appendMany(
    logIds: readonly number[],
    bytes: Uint8Array,
    level: DurabilityLevel,
    token: number,
    listener: PublishListener,
  ): void {
    const outcome = new ManyAppends(logIds.length, token, listener);
    for (let index = 0; index < logIds.length; index++) this.append(logIds[index]!, bytes, level, 0, outcome);
  }

  /** Adds a consumer to a queue's partition. @throws BrokerError */
  consume(logId: number, consumerId: number, terms: ConsumerTerms, sink: DeliverySink): void {
    const partition = this.requireQueue(logId);
    if (partition.consumerCount >= MAX_CONSUMERS_PER_PARTITION) {
      throw new BrokerError(
        'limit-exceeded',
        `Cannot consume from log ${logId}: it has ${partition.consumerCount} consumers`,
      );
    }
    partition.addConsumer(consumerId, terms, sink);
    this.touch(partition);
  }

  /** Asks a queue's partition for one message; the answer comes at the end of the turn, by `PollSink.got`. @throws BrokerError */
  poll(logId: number, consumerId: number, automaticAck: boolean, open: () => PollSink, label?: ConsumerLabel): void {
    const partition = this.requireQueue(logId);
    partition.poll(consumerId, automaticAck, open, label);
    this.touch(partition);
  }

  /**
   * Before a queue is deleted: its partition takes no consumers and no messages any more, if the conditions hold. Answers for the moment of the call.
   * @throws BrokerError `not-found`
   */
  seal(logId: number, conditions: { readonly ifUnused: boolean; readonly ifEmpty: boolean }): SealOutcome {
    const partition = this.require(logId);
    // Messages of this turn count.
    this.finishWrites();
    return partition.seal(conditions);
  }

  /** The deletion did not come about. */
  unseal(logId: number): void {
    this.partitions.get(logId)?.unseal();
  }

  /** Manual acknowledgement: sets how many deliveries may be unsettled. */
  setPrefetch(logId: number, consumerId: number, total: number): void {
    this.changeCredit(logId, consumerId, () => total);
  }

  /** Raises what a consumer may get. */
  grant(logId: number, consumerId: number, count: number): void {
    this.changeCredit(logId, consumerId, (credit) => credit + count);
  }

  /** Lowers what a consumer may get by up to `count`. Unsettled deliveries keep what they stand for until they are settled. */
  revoke(logId: number, consumerId: number, count: number): Revoked {
    const consumer = this.partitions.get(logId)?.consumer(consumerId);
    if (consumer === undefined) return { free: 0, owed: 0 };
    const inUse = Math.max(consumer.credit, consumer.unsettled);
    const revoked = Math.min(count, consumer.credit);
    consumer.credit -= revoked;
    const free = inUse - Math.max(consumer.credit, consumer.unsettled);
    return { free, owed: revoked - free };
  }

  /** Settles deliveries; `done` runs when the outcome is as durable as the queue. */
  settle(logId: number, consumerId: number, offsets: readonly number[], outcome: SettleOutcome, done?: Settled): void {
    const partition = this.partitions.get(logId);
    if (partition === undefined) {
      done?.(gone(logId));
      return;
    }
    partition.settle(consumerId, offsets, outcome);
    if (done !== undefined) this.awaitingOutcome.push({ partition, done });
    this.touch(partition);
  }

  /** Ends a consumer; with `keepHeld` it may still settle what it was given, until it is cancelled once more without. */
  cancel(logId: number, consumerId: number, keepHeld = false): void {
    const partition = this.partitions.get(logId);
    if (partition === undefined) return;
    partition.cancel(consumerId, keepHeld);
    this.touch(partition);
  }

  /** Runs `change` on a partition's companion state and answers when the change is durable. */
  changeDurably(logId: number, change: (partition: OwnedPartition) => void): Promise<void> {
    const partition = this.require(logId);
    change(partition);
    this.touch(partition);
    return new Promise((resolve, reject) => {
      this.awaitingOutcome.push({ partition, done: (error) => (error === undefined ? resolve() : reject(error)) });
    });
  }

  /** For an orderly stop, when no session is left: what was handed out goes back, and nothing is flagged redelivered without need. */
  retire(): void {
    for (const partition of this.partitions.values()) {
      partition.releaseConsumers();
      partition.cursor?.tightenLease();
      this.active.add(partition);
    }
  }

  /** The storage is about to be closed: no turn writes anything any more. What a durable lease would let rules do now waits for the next start. */
  stop(): void {
    this.isStopped = true;
  }

  /** Resolves when everything appended and changed so far is durable, or has failed. */
  settled(): Promise<void> {
    this.endTurn();
    return new Promise((resolve) => this.storage.afterCommit(() => resolve()));
  }

  /** Says that a partition has something to do at the end of this turn. */
  touch(partition: OwnedPartition): void {
    this.active.add(partition);
    this.turn.mark();
  }

  /** Ways to consumers on another shard have room again. */
  wakeAll(): void {
    for (const partition of this.partitions.values()) {
      if (partition.consumerCount === 0) continue;
      partition.wakeAll();
      this.touch(partition);
    }
  }

  require(logId: number): OwnedPartition {
    const partition = this.partitions.get(logId);
    if (partition === undefined) throw gone(logId);
    return partition;
  }

  private requireQueue(logId: number): OwnedPartition {
    const partition = this.require(logId);
    if (partition.cursor === undefined) {
      throw new BrokerError('wrong-kind', `Cannot consume from log ${logId}: it is a topic without a queue's cursor`);
    }
    if (partition.log.offline !== undefined) throw fromStorage(partition.log.offline);
    if (partition.isSealed) throw gone(logId);
    return partition;
  }

  private changeCredit(logId: number, consumerId: number, change: (credit: number) => number): void {
    const partition = this.partitions.get(logId);
    const consumer = partition?.consumer(consumerId);
    if (partition === undefined || consumer === undefined) return;
    consumer.credit = change(consumer.credit);
    partition.wake(consumer);
    this.touch(partition);
  }

  /** Writes what was appended so far, and tells cursors and publishers of it: for who needs both to agree in the middle of a turn. */
  finishWrites(): void {
    this.storage.flush();
    this.waiters.afterWrite();
  }

  private endTurn(): void {
    if (this.isStopped) return;
    this.finishWrites();
    this.onWritten();
    // Who asks while deliveries go out waits for the next turn: the journal may have been given its partition's changes of this one already.
    const settled = this.awaitingOutcome;
    this.awaitingOutcome = [];
    const hadWork = this.active.size > 0;
    this.dispatchAll();
    // The changes go into the journal's file in this turn, too: they survive the death of the process from here on.
    if (hadWork) this.storage.flush();
    this.onJournaled();
    this.commitIfAwaited(settled);
  }

  /** Hands messages out, as many as one turn allows; partitions that did not get their part of it come first in the next. */
  private dispatchAll(): void {
    const { active } = this;
    this.active = new Set();
    const budget = { deliveries: MAX_OWNER_DELIVERIES_PER_TURN, bytes: MAX_OWNER_DELIVERY_BYTES_PER_TURN };
    const passedOver: OwnedPartition[] = [];
    const unfinished: OwnedPartition[] = [];
    for (const partition of active) {
      if (budget.deliveries <= 0 || budget.bytes <= 0) passedOver.push(partition);
      else {
        const outcome = partition.dispatch(budget);
        if (outcome === 'more') unfinished.push(partition);
        else if (outcome === 'blocked') this.turn.after(READ_RETRY_MS, () => this.touchIfHere(partition));
      }
      this.journalChanges(partition);
      partition.log.release();
      if (partition.isReadyStale) this.storage.publish(partition.log);
    }
    if (passedOver.length === 0 && unfinished.length === 0) return;
    this.active = new Set([...passedOver, ...unfinished, ...this.active]);
    this.turn.mark();
  }

  /** As `touch`, for those who may be told after the log has gone. */
  touchIfHere(partition: OwnedPartition): void {
    if (this.partitions.get(partition.log.logId) === partition) this.touch(partition);
  }

  /** What changed beside the log in this turn goes into the journal. */
  private journalChanges(partition: OwnedPartition): void {
    const { companion, log } = partition;
    if (log.offline !== undefined) return;
    if (log.isVolatile) {
      this.forgetChanges(partition);
      return;
    }
    for (let change = companion.takeChanges(); change !== undefined; change = companion.takeChanges()) {
      log.recordChange(change);
      const lease = companion.pendingLease;
      if (lease !== undefined) this.confirmLease(partition, lease);
    }
  }

  /** What is not kept needs no journal: a lease holds at once. */
  private forgetChanges(partition: OwnedPartition): void {
    const { companion } = partition;
    while (companion.takeChanges() !== undefined) {
      const lease = companion.pendingLease;
      if (lease === undefined) continue;
      companion.leaseDurable(lease);
      this.touch(partition);
    }
  }

  /** Deliveries beyond the lease go on when it is durable. */
  private confirmLease(partition: OwnedPartition, lease: NonNullable<PartitionCompanion['pendingLease']>): void {
    // With the log: what became of others in the same commit must not keep this queue waiting for ever.
    this.storage.afterCommit((error) => {
      if (error !== undefined) return;
      partition.companion.leaseDurable(lease);
      this.touchIfHere(partition);
    }, partition.log);
  }

  private commitIfAwaited(settled: readonly SettledWaiter[]): void {
    const forDisk: SettledWaiter[] = [];
    for (const waiter of settled) {
      if (waiter.partition.durability === DurabilityLevel.memory) waiter.done(offlineError(waiter.partition));
      else forDisk.push(waiter);
    }
    if (!this.waiters.awaitsCommit && forDisk.length === 0) return;
    const confirmAppends = this.waiters.takeForCommit();
    const startedMs = this.clock.monotonicMs();
    this.storage.afterCommit((error) => {
      this.commitLatency.observe(this.clock.monotonicMs() - startedMs);
      confirmAppends(error);
      for (const waiter of forDisk) {
        waiter.done(error?.code === 'shard-offline' ? fromStorage(error) : offlineError(waiter.partition));
      }
    });
  }
}

function offlineError(partition: OwnedPartition): BrokerError | undefined {
  return partition.log.offline === undefined ? undefined : fromStorage(partition.log.offline);
}

function gone(logId: number): BrokerError {
  return new BrokerError('not-found', `Cannot reach log ${logId}: it does not exist`);
}

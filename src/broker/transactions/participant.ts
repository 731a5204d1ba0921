/**
 * The owner's half of transactions: appends what stays hidden, keeps deliveries for those that settle them, makes all of it durable, and carries out
 * what was decided. See docs/design/transactions.md.
 */
import type { Clock } from '../../io/ports.js';
import { batchLastOffsetDelta, batchRecordsCount } from '../../record/batch-header.js';
import { StorageError } from '../../storage/errors.js';
import type { OwnerLog } from '../../storage/owner-log.js';
import type { ShardStorage } from '../../storage/shard-storage.js';
import { fromStorage } from '../append-waiters.js';
import { BrokerError } from '../errors.js';
import type { OwnedPartition } from '../owned-partition.js';
import type { Holder } from '../partition-consumers.js';
import type { PartitionOwner } from '../partition-owner.js';
import { DurabilityLevel, type PublishListener, type SettleOutcome } from '../ports.js';
import type { Turn } from '../turn.js';
import { keyText, type TransactionKey } from './keys.js';
import { ABORT_RETRY_MS } from './limits.js';

/** Told how a step ended. */
export type StepDone = (error?: BrokerError) => void;

/** Transactions hold deliveries under numbers that no consumer has. */
const FIRST_HOLDER_ID = -(2 ** 40);

interface HiddenAppend {
  readonly partition: OwnedPartition;
  readonly baseOffset: number;
  readonly count: number;
  readonly nextOffset: number;
  /** For the queue's rules, where there are any. */
  readonly batch: Uint8Array | undefined;
  isWritten: boolean;
}

interface HeldSettle {
  readonly partition: OwnedPartition;
  readonly lender: Holder;
  readonly offsets: readonly number[];
  readonly outcome: SettleOutcome;
}

/** A transaction as one owner sees it. */
class LocalTransaction implements PublishListener {
  readonly key: TransactionKey;
  readonly holderId: number;
  readonly appends: HiddenAppend[] = [];
  readonly settles: HeldSettle[] = [];
  failure: BrokerError | undefined;
  /** Appends whose write has no outcome yet. */
  unwritten = 0;

  constructor(key: TransactionKey, holderId: number) {
    this.key = key;
    this.holderId = holderId;
  }

  /** `token` is the append's place in the list. */
  published(token: number): void {
    this.unwritten--;
    this.appends[token]!.isWritten = true;
  }

  publishFailed(_token: number, error: BrokerError): void {
    this.unwritten--;
    this.failure ??= error;
  }

  partitions(): Set<OwnedPartition> {
    return new Set([...this.appends, ...this.settles].map(({ partition }) => partition));
  }

  /** Why it cannot be committed, if it cannot. */
  fault(): BrokerError | undefined {
    if (this.failure !== undefined) return this.failure;
    for (const { log } of this.partitions()) if (log.offline !== undefined) return fromStorage(log.offline);
    return undefined;
  }
}

interface Preparing {
  readonly transaction: LocalTransaction;
  /** Goes on once it is written and journaled; called only if nothing has failed. */
  readonly journaled: () => void;
  readonly failed: (error: BrokerError) => void;
}

/** What was applied for one coordinator since its last barrier. */
interface Applied {
  readonly logs: Set<OwnerLog>;
  /** Some log could not take all of it: the decision must be kept. */
  isOwing: boolean;
}

/** See the top of this file. One per shard. */
export class TransactionParticipant {
  private readonly owner: PartitionOwner;
  private readonly storage: ShardStorage;
  private readonly clock: Clock;
  private readonly turn: Turn;
  private readonly open = new Map<string, LocalTransaction>();
  private readonly applied = new Map<number, Applied>();
  private unwritten: Preparing[] = [];
  private unjournaled: (() => void)[] = [];
  private nextHolderId = FIRST_HOLDER_ID;

  constructor(owner: PartitionOwner, storage: ShardStorage, clock: Clock, turn: Turn) {
    this.owner = owner;
    this.storage = storage;
    this.clock = clock;
    this.turn = turn;
    owner.onWritten = () => this.written();
    owner.onJournaled = () => this.journaled();
  }

  /** Transactions that are not decided. */
  get openCount(): number {
    return this.open.size;
  }

  /** Appends one batch, flagged with the key, to several logs. Failures are told by `prepare`. Borrowed and patched in place. */
  append(key: TransactionKey, logIds: readonly number[], bytes: Uint8Array): void {
    const transaction = this.transaction(key);
    for (let index = 0; index < logIds.length && transaction.failure === undefined; index++) {
      try {
        this.appendTo(transaction, logIds[index]!, bytes);
      } catch (error) {
        if (error instanceof StorageError) transaction.failure = fromStorage(error);
        else if (error instanceof BrokerError) transaction.failure = error;
        else throw error;
      }
    }
  }

  /** Takes deliveries from their consumer, to be settled with the transaction. Failures are told by `prepare`. */
  settle(
    key: TransactionKey,
    logId: number,
    consumerId: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
  ): void {
    const transaction = this.transaction(key);
    if (transaction.failure !== undefined) return;
    const partition = this.owner.get(logId);
    const lender = partition?.lend(consumerId, offsets, transaction.holderId);
    if (partition === undefined || lender === undefined) {
      const text = `Cannot settle deliveries of log ${logId} in a transaction: the consumer does not hold them`;
      transaction.failure = new BrokerError('precondition-failed', text);
      return;
    }
    transaction.settles.push({ partition, lender, offsets, outcome });
    this.owner.touch(partition);
  }

  /** Answers when everything that came before is written and, with `isDurable`, survives power loss; or cannot be. */
  prepare(key: TransactionKey, isDurable: boolean, done: StepDone): void {
    const transaction = this.transaction(key);
    const journaled = (): void => {
      if (!isDurable && !this.storage.isHeld) done();
      else this.storage.afterCommit((error) => done(faultAfter(transaction, error)));
    };
    this.start({ transaction, journaled, failed: done });
  }

  /** Prepares and decides in one step, for a transaction with no other participant: without an error it is committed. */
  decideAlone(key: TransactionKey, isDurable: boolean, done: StepDone): void {
    const transaction = this.transaction(key);
    const { producerId, epoch } = key;
    const mayDecide = (): boolean => transaction.fault() === undefined;
    const journaled = (): void => {
      if (!isDurable) {
        this.storage.decideInMemory(producerId, epoch);
        done();
        return;
      }
      this.storage.decide(producerId, epoch, mayDecide, (isDecided, error) => {
        if (isDecided && error === undefined) done();
        else done(faultAfter(transaction, error) ?? undecided(key));
      });
    };
    this.start({ transaction, journaled, failed: done });
  }

  /** Carries out the decision. False when a log could not take all of it: then a commit's decision must be kept until the next start. */
  complete(key: TransactionKey, isCommit: boolean, coordinator: number): boolean {
    const text = keyText(key);
    const transaction = this.open.get(text);
    if (transaction === undefined) return true;
    this.open.delete(text);
    // What was never written must not be ended before it is there, or is known not to be.
    if (transaction.unwritten > 0) this.owner.finishWrites();
    const applied = this.appliedFor(coordinator);
    let isComplete = true;
    for (const partition of transaction.partitions()) {
      isComplete = this.end(partition, key, isCommit) && isComplete;
      applied.logs.add(partition.log);
    }
    if (isCommit) this.reveal(transaction);
    else this.takeBack(transaction);
    for (const partition of transaction.partitions()) {
      partition.companion.transactions?.ended(key);
      this.owner.touch(partition);
    }
    if (!isComplete) applied.isOwing = true;
    return isComplete;
  }

  /** Answers when everything that was applied for a coordinator since its last barrier survives power loss; an error when it may not. */
  barrier(coordinator: number, done: StepDone): void {
    this.unjournaled.push(() => {
      const applied = this.applied.get(coordinator);
      this.applied.delete(coordinator);
      this.storage.afterCommit((error) => done(barrierFault(applied, error)));
    });
    this.turn.mark();
  }

  private transaction(key: TransactionKey): LocalTransaction {
    const text = keyText(key);
    let transaction = this.open.get(text);
    if (transaction === undefined) {
      transaction = new LocalTransaction(key, this.nextHolderId--);
      this.open.set(text, transaction);
    }
    return transaction;
  }

  private appendTo(transaction: LocalTransaction, logId: number, bytes: Uint8Array): void {
    const partition = this.owner.get(logId);
    if (partition === undefined || partition.isSealed) {
      throw new BrokerError('not-found', `Cannot reach log ${logId}: it does not exist`);
    }
    const refusal: unknown = partition.policies?.admit(bytes);
    // A message that is there already is no failure, and nothing to be stored.
    if (refusal === 'duplicate') return;
    if (refusal instanceof BrokerError) throw refusal;
    const count = batchRecordsCount(bytes, 0);
    let baseOffset: number;
    try {
      baseOffset = partition.log.append(bytes, 0, bytes.length, this.clock.nowMs());
    } catch (error) {
      partition.policies?.notAppended(bytes);
      throw error;
    }
    const nextOffset = baseOffset + batchLastOffsetDelta(bytes, 0) + 1;
    const batch = partition.policies === undefined ? undefined : bytes.slice();
    if (batch !== undefined) partition.policies?.reserve?.(batch, 1);
    const token = transaction.appends.length;
    transaction.appends.push({ partition, baseOffset, count, nextOffset, batch, isWritten: false });
    transaction.unwritten++;
    const waiter = { partition, level: DurabilityLevel.memory, baseOffset, count, nextOffset, duplicate: false };
    this.owner.appended({ ...waiter, isHidden: true, token, listener: transaction });
  }

  private start(preparing: Preparing): void {
    this.unwritten.push(preparing);
    this.turn.mark();
  }

  /** The turn's writes are done. */
  private written(): void {
    if (this.unwritten.length === 0) return;
    const list = this.unwritten;
    this.unwritten = [];
    for (const { transaction, journaled, failed } of list) {
      const fault = transaction.fault();
      if (fault !== undefined) {
        failed(fault);
        continue;
      }
      for (const { partition, outcome, offsets } of transaction.settles) {
        if (partition.log.isVolatile) continue;
        partition.companion.pendingSettles.prepare(transaction.key, outcome, offsets);
        this.owner.touch(partition);
      }
      this.unjournaled.push(journaled);
    }
  }

  /** The turn's changes are in the journal. */
  private journaled(): void {
    if (this.unjournaled.length === 0) return;
    const list = this.unjournaled;
    this.unjournaled = [];
    for (const proceed of list) proceed();
  }

  private end(partition: OwnedPartition, key: TransactionKey, isCommit: boolean): boolean {
    const { log } = partition;
    try {
      return log.endTransaction(key.producerId, key.epoch, isCommit);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // Until readers can be told, the log shows nothing from there on; nor can it take anything.
      if (!isCommit && log.offline === undefined) this.turn.after(ABORT_RETRY_MS, () => this.endLater(partition, key));
      return false;
    }
  }

  private endLater(partition: OwnedPartition, key: TransactionKey): void {
    if (this.owner.get(partition.log.logId) !== partition) return;
    this.end(partition, key, false);
    this.owner.touch(partition);
  }

  private reveal({ appends, settles, holderId }: LocalTransaction): void {
    for (const { partition, baseOffset, count, nextOffset, batch } of appends) {
      partition.cursor?.withhold(-count);
      if (batch !== undefined) {
        partition.policies?.reserve?.(batch, -1);
        partition.policies?.appended(batch, baseOffset, count);
      }
      partition.policies?.visible(nextOffset);
    }
    for (const { partition, lender, offsets, outcome } of settles) {
      partition.settle(holderId, offsets, outcome);
      partition.repay(lender, offsets.length);
    }
  }

  private takeBack({ appends, settles, holderId }: LocalTransaction): void {
    for (const { partition, batch, baseOffset, nextOffset, count, isWritten } of appends) {
      if (batch !== undefined) {
        partition.policies?.reserve?.(batch, -1);
        partition.policies?.notAppended(batch);
      }
      if (!isWritten) continue;
      partition.cursor?.withhold(-count);
      partition.cursor?.abandoned(baseOffset, nextOffset, count);
    }
    for (const { partition, lender, offsets } of settles) partition.giveBack(holderId, lender, offsets);
  }

  private appliedFor(coordinator: number): Applied {
    let applied = this.applied.get(coordinator);
    if (applied === undefined) {
      applied = { logs: new Set(), isOwing: false };
      this.applied.set(coordinator, applied);
    }
    return applied;
  }
}

function faultAfter(transaction: LocalTransaction, error: StorageError | undefined): BrokerError | undefined {
  return error?.code === 'shard-offline' ? fromStorage(error) : transaction.fault();
}

function barrierFault(applied: Applied | undefined, error: StorageError | undefined): BrokerError | undefined {
  if (error?.code === 'shard-offline') return fromStorage(error);
  if (applied === undefined) return undefined;
  for (const { offline } of applied.logs) {
    // A log that was deleted needs no decision any more.
    if (offline !== undefined && offline.code !== 'log-not-found') return fromStorage(offline);
  }
  return applied.isOwing ? new BrokerError('no-space', 'A marker could not be written yet') : undefined;
}

function undecided({ producerId, epoch }: TransactionKey): BrokerError {
  return new BrokerError('internal', `Transaction ${producerId}/${epoch} was not decided`);
}

/**
 * The session's half of transactions: routes, sends the parts to the owners, decides, and sees to it that every owner hears of it. See
 * docs/design/transactions.md.
 */
import type { TimerHandle, Timers } from '../../io/ports.js';
import type { BatchOptions } from '../../record/batch-builder.js';
import type { ShardStorage } from '../../storage/shard-storage.js';
import type { Catalog } from '../catalog.js';
import { BrokerError } from '../errors.js';
import { MessageBatcher } from '../message-batcher.js';
import { DurabilityLevel, type PublishListener } from '../ports.js';
import { asBrokerError } from '../requests-in.js';
import { isVolatileLog, type LogGroup } from '../route-groups.js';
import { RoutedPublisher, type RoutedPublisherParts } from '../routed-publisher.js';
import { keyText, type TransactionKey } from './keys.js';
import { BARRIER_DECISIONS, BARRIER_DELAY_MS, TRANSACTION_TIMEOUT_MS } from './limits.js';
import type { TransactionParticipant } from './participant.js';
import type { Transaction, TransactionSettle, Transactions } from './port.js';
import { CoordinatorIds } from './producer-ids.js';
import type { ParticipantWay } from './requests.js';

/** What a coordinator is made of. */
export interface CoordinatorParts {
  readonly shard: number;
  readonly storage: ShardStorage;
  readonly catalog: Catalog;
  readonly timers: Timers;
  readonly participant: TransactionParticipant;
  readonly routing: Omit<RoutedPublisherParts, 'batcher'>;
  readonly ownerShard: (logId: number) => number;
  readonly wayTo: (shard: number) => ParticipantWay;
  /** Sends what the session's shard has gathered outside of transactions: it comes first. */
  readonly flushPublishes: () => void;
  /** Runs something in a later turn. */
  readonly later: (work: () => void) => void;
}

type Done = (error: BrokerError | undefined, unroutable: readonly number[]) => void;

/** One transaction on its way. */
interface Running {
  readonly key: TransactionKey;
  readonly participants: Set<number>;
  readonly unroutable: number[];
  readonly settled: (() => void)[];
  readonly done: Done;
  isDurable: boolean;
  /** Preparing, until it is decided or aborted. */
  isUndecided: boolean;
  timer: TimerHandle | undefined;
}

/** Decided and applied, but perhaps not durably so. */
interface AppliedDecision {
  readonly key: TransactionKey;
  readonly participants: ReadonlySet<number>;
}

const UNHEARD: PublishListener = { published: () => undefined, publishFailed: () => undefined };

/** See the top of this file. One per shard. */
export class TransactionCoordinator implements Transactions {
  private readonly parts: CoordinatorParts;
  private readonly ids: CoordinatorIds;
  private readonly batcher: MessageBatcher;
  private readonly publisher: RoutedPublisher;
  private readonly running = new Set<Running>();
  /** The one that is being routed. */
  private current: Running | undefined;
  private options: BatchOptions = {};
  private applied: AppliedDecision[] = [];
  private barriers = 0;
  private barrierTimer: TimerHandle | undefined;

  constructor(parts: CoordinatorParts) {
    this.parts = parts;
    this.ids = new CoordinatorIds(parts.storage.journal.journalId);
    this.batcher = new MessageBatcher(this.submit, parts.routing.nowMs, () => this.options);
    const { batcher } = this;
    const { holder, ...routing } = parts.routing;
    this.publisher = new RoutedPublisher({
      ...routing,
      batcher,
      ...(holder !== undefined && { holder: holder.within(batcher) }),
    });
  }

  /** Nothing is on its way, and no decision waits to be forgotten. */
  get isIdle(): boolean {
    return this.running.size === 0 && this.applied.length === 0 && this.barriers === 0;
  }

  commit(transaction: Transaction, done: Done): void {
    let running: Running;
    try {
      running = this.begin(done);
    } catch (error) {
      this.parts.later(() => done(asBrokerError(error), []));
      return;
    }
    try {
      this.send(running, transaction);
    } catch (error) {
      this.abort(running, asBrokerError(error));
      return;
    }
    const { participants } = running;
    if (participants.size === 0) this.parts.later(() => this.finish(running, undefined));
    else if (participants.size === 1 && participants.has(this.parts.shard)) this.commitAlone(running);
    else this.prepare(running);
  }

  /** Makes what was applied durable and forgets its decisions; for an orderly stop. */
  drain(): void {
    if (this.applied.length > 0) this.sendBarrier();
  }

  /** Ends timers. */
  stop(): void {
    if (this.barrierTimer !== undefined) this.parts.timers.clearTimeout(this.barrierTimer);
    this.barrierTimer = undefined;
  }

  private begin(done: Done): Running {
    const running: Running = {
      key: this.ids.take(),
      participants: new Set(),
      unroutable: [],
      settled: [],
      done,
      isDurable: false,
      isUndecided: true,
      timer: undefined,
    };
    this.running.add(running);
    return running;
  }

  /** Routes the publishes and sends all parts to their owners. @throws BrokerError */
  private send(running: Running, { vhost, publishes, settles }: Transaction): void {
    const { producerId, epoch } = running.key;
    // No group may be open in the batcher that they share their groups with.
    this.parts.flushPublishes();
    this.current = running;
    this.options = { producerId, producerEpoch: epoch, transactional: true };
    try {
      for (const [index, message] of publishes.entries()) {
        if (this.publisher.publish(vhost, message, 0, UNHEARD) === 0) running.unroutable.push(index);
      }
      this.batcher.flush();
      for (const settle of settles) this.sendSettle(running, settle);
    } finally {
      // What a failure has left gathered goes nowhere.
      this.current = undefined;
      this.batcher.flush();
    }
  }

  private readonly submit = (group: LogGroup, bytes: Uint8Array, level: DurabilityLevel): void => {
    const running = this.current;
    if (running === undefined) return;
    const shard = this.parts.ownerShard(group.logIds[0]!);
    running.participants.add(shard);
    if (level > DurabilityLevel.memory && !group.isVolatile) running.isDurable = true;
    this.parts.wayTo(shard).append(running.key, group.logIds, bytes);
  };

  private sendSettle(running: Running, { handle, partition, offsets, outcome }: TransactionSettle): void {
    if (offsets.length === 0) return;
    const source = handle.source?.(partition);
    if (source === undefined) {
      throw new BrokerError('precondition-failed', 'Cannot settle deliveries in a transaction: their consumer is over');
    }
    const { logId, consumer } = source;
    const shard = this.parts.ownerShard(logId);
    running.participants.add(shard);
    if (!isVolatileLog(logId)) running.isDurable ||= this.levelOf(logId) > DurabilityLevel.memory;
    this.parts.wayTo(shard).settle(running.key, logId, consumer, offsets, outcome);
    running.settled.push(() => source.settled(offsets.length));
  }

  private levelOf(logId: number): DurabilityLevel {
    return this.parts.catalog.topicOfLog(logId)?.settings.durability ?? DurabilityLevel.disk;
  }

  /** Everything is on this shard: prepared and decided by one commit. */
  private commitAlone(running: Running): void {
    this.parts.participant.decideAlone(running.key, running.isDurable, (error) => {
      if (error === undefined) this.complete(running);
      else this.abort(running, error);
    });
  }

  private prepare(running: Running): void {
    let waiting = running.participants.size;
    running.timer = this.parts.timers.setTimeout(() => {
      const text = `Cannot commit transaction ${keyText(running.key)}: ${waiting} shards have not prepared it in time`;
      this.abort(running, new BrokerError('timeout', text));
    }, TRANSACTION_TIMEOUT_MS);
    running.timer.unref();
    for (const shard of running.participants) {
      this.parts.wayTo(shard).prepare(running.key, running.isDurable, (error) => {
        waiting--;
        if (!running.isUndecided) return;
        if (error !== undefined) this.abort(running, error);
        else if (waiting === 0) this.decide(running);
      });
    }
  }

  private decide(running: Running): void {
    const { storage, timers } = this.parts;
    const { producerId, epoch } = running.key;
    running.isUndecided = false;
    if (running.timer !== undefined) timers.clearTimeout(running.timer);
    if (!running.isDurable && !storage.isHeld) {
      storage.decideInMemory(producerId, epoch);
      this.complete(running);
      return;
    }
    storage.decide(
      producerId,
      epoch,
      () => true,
      (isDecided, error) => {
        if (isDecided && error === undefined) this.complete(running);
        // The journal failed, and the process ends; what becomes of the transaction is for the next start to say.
        else this.finish(running, new BrokerError('log-offline', 'Cannot decide a transaction: the journal failed'));
      },
    );
  }

  private complete(running: Running): void {
    running.isUndecided = false;
    let waiting = running.participants.size;
    let isOwing = false;
    for (const shard of running.participants) {
      this.parts.wayTo(shard).complete(running.key, true, (error) => {
        isOwing ||= error !== undefined;
        if (--waiting > 0) return;
        if (!isOwing) this.ids.giveBack(running.key);
        this.noteApplied(running);
        for (const tell of running.settled) tell();
        this.finish(running, undefined);
      });
    }
  }

  private abort(running: Running, error: BrokerError): void {
    running.isUndecided = false;
    if (running.timer !== undefined) this.parts.timers.clearTimeout(running.timer);
    let waiting = running.participants.size;
    let isOwing = false;
    for (const shard of running.participants) {
      this.parts.wayTo(shard).complete(running.key, false, (failure) => {
        isOwing ||= failure !== undefined;
        if (--waiting === 0 && !isOwing) this.ids.giveBack(running.key);
      });
    }
    this.parts.later(() => this.finish(running, error));
  }

  private finish(running: Running, error: BrokerError | undefined): void {
    this.running.delete(running);
    running.done(error, error === undefined ? running.unroutable : []);
  }

  private noteApplied({ key, participants }: Running): void {
    this.applied.push({ key, participants });
    if (this.applied.length >= BARRIER_DECISIONS) this.sendBarrier();
    else if (this.barrierTimer === undefined) {
      this.barrierTimer = this.parts.timers.setTimeout(() => {
        this.barrierTimer = undefined;
        if (this.applied.length > 0) this.sendBarrier();
      }, BARRIER_DELAY_MS);
      this.barrierTimer.unref();
    }
  }

  /** Asks all who have applied something to make it durable; then the decisions are needed no more. */
  private sendBarrier(): void {
    const { applied } = this;
    this.applied = [];
    this.barriers++;
    const shards = new Set(applied.flatMap(({ participants }) => [...participants]));
    let waiting = shards.size;
    let isSafe = true;
    for (const shard of shards) {
      this.parts.wayTo(shard).barrier((error) => {
        isSafe &&= error === undefined;
        if (--waiting > 0) return;
        this.barriers--;
        // A log that has lost what it applied asks for the decisions at the next start.
        if (isSafe) for (const { key } of applied) this.parts.storage.decisions.forget(key.producerId, key.epoch);
      });
    }
  }
}

import { Deque } from '../base/deque.js';
import { ClientError } from './errors.js';
import { type BatchFate, fateOf } from './lane-fate.js';
import { RETRY_DELAY_MS } from './limits.js';
import { OpenBatch, type PreparedMessage } from './open-batch.js';
import { durabilityName } from './outgoing.js';
import type { Publisher, PublishWindow } from './publish-window.js';
import type { Completion } from './receipts.js';
import { type BatchOwner, type Flush, SEQUENCE_MASK, type SealedBatch } from './sealed-batch.js';

/** Id and epoch under which the node tells a producer's batches apart; -1 without idempotence. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly epoch: number;
}

/** What a lane needs of its producer. */
export interface LanePort {
  readonly window: PublishWindow;
  readonly maxInFlight: number;
  readonly deliveryTimeoutMs: number;
  readonly isIdempotent: boolean;
  readonly maxBatchBytes: number;
  nextId(): number;
  /** Asks the node for another producer id. */
  newIdentity(): Promise<ProducerIdentity>;
  /** The buffer grew by so many bytes, or shrank. */
  buffered(bytes: number): void;
  /** Messages failed for which nobody waits by itself. */
  failedUnheard(count: number, error: ClientError): void;
  /** A lane's batch is finished: keyless messages go elsewhere now. */
  sealed(lane: Lane): void;
  /** The node refused a lane's batch for good. */
  dropped(lane: Lane, error: ClientError): void;
}

/**
 * - `running`: batches are sent as the window allows.
 * - `recovering`: the node refused one; nothing is sent until all that are in flight are answered.
 * - `paused`: waits a while before it sends again.
 * - `resetting`: waits for another producer id.
 * - `closed`: takes nothing more.
 */
type LaneState = 'running' | 'recovering' | 'paused' | 'resetting' | 'closed';

/**
 * One producer's way to one partition: batches leave and stay in order. What is unconfirmed when a connection breaks is sent again over the next
 * one, same bytes in the same order; the node recognises what it has by producer id and sequence. A sequence is given to other messages only
 * when the node has refused those that had it.
 */
export class Lane implements Publisher, BatchOwner {
  readonly to: string;
  readonly partition: number;
  /** Whether somebody has promised to call `makeDue`. */
  isGathered = false;
  private readonly port: LanePort;
  private readonly open = new OpenBatch();
  /** Finished and not in flight, in order. */
  private readonly sealed = new Deque<SealedBatch>();
  /** Sent and unconfirmed, in order of their sequences. */
  private inFlight: SealedBatch[] = [];
  private state: LaneState = 'running';
  private identity: ProducerIdentity;
  private nextSequence = 0;
  private pauseTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(port: LanePort, to: string, partition: number, identity: ProducerIdentity) {
    this.port = port;
    this.to = to;
    this.partition = partition;
    this.identity = identity;
  }

  /** Adds a message to the batch; one that is full is finished before. */
  append(message: PreparedMessage, durability: number, completion: Completion | undefined, at: number): void {
    const { open, port } = this;
    if (!open.takes(message, durability, port.maxBatchBytes)) {
      this.seal();
      this.pump();
    }
    port.buffered(open.add(message, durability, completion, at));
  }

  /** Whether messages lie here that nobody has promised to make due. */
  get needsGathering(): boolean {
    return !this.isGathered && !this.open.isDue && this.open.count > 0;
  }

  /** Nothing more need be waited for: the open batch goes as soon as there is room. */
  makeDue(): void {
    this.isGathered = false;
    this.open.isDue = this.open.count > 0;
    this.pump();
  }

  private seal(): void {
    const { open, port } = this;
    const deadlineMs = Date.now() + port.deliveryTimeoutMs;
    const place = { id: port.nextId(), to: this.to, partition: this.partition, deadlineMs };
    const sequence = port.isIdempotent ? this.nextSequence : -1;
    const batch = open.seal(this, place, { ...this.identity, sequence });
    this.nextSequence = (this.nextSequence + batch.count) & SEQUENCE_MASK;
    this.sealed.pushBack(batch);
    port.sealed(this);
  }

  /** Sends what may be sent. */
  pump(): void {
    const { window, maxInFlight } = this.port;
    while (this.state === 'running' && this.inFlight.length < maxInFlight) {
      if (this.sealed.length === 0) {
        // Without a connection the open batch stays open: it grows instead of becoming many small ones.
        if (!this.open.isDue) return;
        if (!window.hasRoomFor(this.open.sizeBytes)) break;
        this.seal();
      }
      const batch = this.sealed.peekFront()!;
      if (this.mustWaitFor(batch)) return;
      if (!window.hasRoomFor(batch.frame.length)) break;
      this.sealed.popFront();
      this.inFlight.push(batch);
      window.open(batch);
    }
    if (this.state === 'running' && this.inFlight.length < maxInFlight) window.starve(this);
  }

  /**
   * While it is open whether a batch in flight was stored before, nothing new follows it: each new batch would push it further out of the few that the
   * node remembers, and it could be stored twice.
   */
  private mustWaitFor(batch: SealedBatch): boolean {
    return !batch.isUncertain && this.port.isIdempotent && this.inFlight.some((one) => one.isUncertain);
  }

  batchConfirmed(batch: SealedBatch, baseOffset: number, reached: number, duplicate: boolean): void {
    this.remove(batch);
    const { to, partition } = this;
    const durability = durabilityName(reached);
    batch.runs.stored(baseOffset, (offset) => ({ to, partition, offset, durability, duplicate }));
    this.settle(batch);
    if (this.state === 'recovering') this.recoverIfAnswered();
    else this.pump();
  }

  private remove(batch: SealedBatch): void {
    // The first nearly always; disk and memory batches may overtake each other.
    const index = this.inFlight.indexOf(batch);
    if (index === 0) this.inFlight.shift();
    else if (index > 0) this.inFlight.splice(index, 1);
  }

  private settle(batch: SealedBatch): void {
    for (const flush of batch.flushes) if (--flush.left === 0) flush.done();
    this.port.buffered(-batch.bufferedBytes);
  }

  batchRefused(batch: SealedBatch, error: ClientError): void {
    batch.refusal = error;
    if (this.state === 'running') this.state = 'recovering';
    this.recoverIfAnswered();
  }

  private recoverIfAnswered(): void {
    if (this.inFlight.every((batch) => batch.refusal !== undefined)) this.recover();
  }

  /** All that were in flight are answered, and those that are left were refused: decides what becomes of each. */
  private recover(): void {
    const refused = this.inFlight;
    this.inFlight = [];
    const kept: SealedBatch[] = [];
    let delayMs = 0;
    let isReset = false;
    let dropped = 0;
    for (const batch of refused) {
      const error = batch.refusal!;
      batch.refusal = undefined;
      const isHead = batch === refused[0];
      const fate: BatchFate = fateOf(batch, error, isHead, this.port.isIdempotent, Date.now());
      if (fate === 'drop') {
        if (!batch.isUncertain) dropped += batch.count;
        this.fail(batch, error);
        this.port.dropped(this, error);
        continue;
      }
      if (fate === 'reset') isReset = true;
      if (fate === 'later') delayMs = Math.max(delayMs, error.retryAfterMs || RETRY_DELAY_MS);
      this.shift(batch, dropped);
      kept.push(batch);
    }
    for (const batch of this.sealed) this.shift(batch, dropped);
    this.nextSequence = (this.nextSequence - dropped) & SEQUENCE_MASK;
    this.putBack(kept);
    if (isReset) this.reset();
    else if (delayMs > 0) this.pause(delayMs);
    else this.run();
  }

  /** Closes the gap in the sequence that refused batches have left before this one. */
  private shift(batch: SealedBatch, dropped: number): void {
    if (dropped === 0 || !this.port.isIdempotent) return;
    batch.restamp(this.identity.producerId, this.identity.epoch, (batch.sequence - dropped) & SEQUENCE_MASK);
  }

  private putBack(batches: readonly SealedBatch[]): void {
    for (let index = batches.length - 1; index >= 0; index--) this.sealed.pushFront(batches[index]!);
  }

  private run(): void {
    if (this.state === 'closed') return;
    this.state = 'running';
    this.pump();
  }

  private pause(delayMs: number): void {
    this.state = 'paused';
    this.pauseTimer = setTimeout(() => this.run(), delayMs);
  }

  /** Begins a new sequence: the node no longer knows the old one, and has none of the batches that are left. */
  private reset(): void {
    this.state = 'resetting';
    this.port.newIdentity().then(
      (identity) => {
        if (this.state !== 'resetting') return;
        this.identity = identity;
        this.nextSequence = 0;
        for (const batch of this.sealed) {
          batch.resets++;
          batch.restamp(identity.producerId, identity.epoch, this.nextSequence);
          this.nextSequence = (this.nextSequence + batch.count) & SEQUENCE_MASK;
        }
        this.run();
      },
      () => {
        if (this.state === 'resetting') this.pauseTimer = setTimeout(() => this.reset(), RETRY_DELAY_MS);
      },
    );
  }

  /** The connection is gone: what was in flight may be stored or not, and is sent again as it is. */
  lost(): void {
    for (const batch of this.inFlight) {
      if (batch.refusal === undefined) batch.isUncertain = true;
      batch.refusal = undefined;
    }
    this.putBack(this.inFlight);
    this.inFlight = [];
    if (this.state === 'recovering') this.state = 'running';
  }

  /** Gives up what has waited too long while nothing is in flight. */
  expire(nowMs: number): void {
    if (this.inFlight.length > 0 || this.state === 'resetting') return;
    const { deliveryTimeoutMs } = this.port;
    if (this.open.count > 0 && this.open.openedMs + deliveryTimeoutMs <= nowMs) this.seal();
    let dropped = 0;
    for (let batch = this.sealed.peekFront(); batch !== undefined; batch = this.sealed.peekFront()) {
      if (batch.deadlineMs > nowMs) break;
      this.sealed.popFront();
      if (!batch.isUncertain) dropped += batch.count;
      const message = `The message for "${this.to}" was not confirmed within ${deliveryTimeoutMs} ms`;
      this.fail(batch, new ClientError('timeout', message));
    }
    for (const batch of this.sealed) this.shift(batch, dropped);
    this.nextSequence = (this.nextSequence - dropped) & SEQUENCE_MASK;
  }

  private fail(batch: SealedBatch, error: ClientError): void {
    const unheard = batch.runs.failed(error);
    if (unheard > 0) this.port.failedUnheard(unheard, error);
    this.settle(batch);
  }

  /** Counts every batch without an outcome towards `flush`. */
  note(flush: Flush): void {
    for (const batch of this.inFlight) note(batch.flushes, flush);
    for (const batch of this.sealed) note(batch.flushes, flush);
    if (this.open.count > 0) note(this.open.flushes, flush);
  }

  /** Fails everything that has no outcome. */
  close(error: ClientError): void {
    if (this.state === 'closed') return;
    this.state = 'closed';
    clearTimeout(this.pauseTimer);
    if (this.open.count > 0) this.seal();
    const batches = [...this.inFlight, ...this.sealed];
    this.inFlight = [];
    this.sealed.clear();
    for (const batch of batches) this.fail(batch, error);
  }
}

function note(flushes: Flush[], flush: Flush): void {
  flushes.push(flush);
  flush.left++;
}

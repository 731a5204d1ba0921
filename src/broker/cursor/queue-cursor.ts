/**
 * The cursor that makes a queue out of a partition log: which messages are settled, which are with a consumer, which wait. It does no I/O: its
 * owner tells it what was appended, asks for the next offset, and takes its changes for the journal once per turn.
 *
 * An offset is in exactly one of these states:
 *   settled   below the floor, or in the bitmap above it: acknowledged, discarded, purged, or never a message
 *   in flight with a consumer
 *   returned  handed out before and back at its original position: delivered before everything else, smallest offset first
 *   new       from the head on
 */
import { assert } from '../../base/assert.js';
import { DecodeError } from '../../base/errors.js';
import { SettleOutcome } from '../ports.js';
import { PendingChanges, replayChange, type TakenChange } from './changes.js';
import { DeliveryCounts } from './delivery-counts.js';
import type { DeliveryOrder, DeliveryWatch } from './delivery-order.js';
import { InFlightTable } from './in-flight.js';
import {
  BITMAP_SPAN_CHUNKS_MAX,
  CHUNK_OFFSETS,
  LEASE_EXTEND_BELOW,
  LEASE_OFFSETS,
  LOOK_AHEAD_CHUNKS,
} from './limits.js';
import { OffsetBitmap } from './offset-bitmap.js';
import { readSnapshot, writeSnapshot } from './snapshot.js';

/** What storage knows about the log once it is recovered. */
export interface CursorBounds {
  readonly logStart: number;
  readonly logEnd: number;
  /** Number of records in the log whose offset is `offset` or higher. */
  recordsAbove(offset: number): number;
}

/** See the top of this file. */
export class QueueCursor {
  private acknowledgedFloor = 0;
  private nextNew = 0;
  private logEnd = 0;
  /** Messages that are not settled, those in flight included. Offsets may have gaps, so it cannot be computed. */
  private messages = 0;
  private hidden = 0;
  private leaseRequested = 0;
  private leaseSafe = 0;
  /** Messages below were perhaps delivered before the last start. */
  private redeliveredBelow = 0;
  private hasStarted = false;
  private corrected = 0;
  private readonly acknowledged = new OffsetBitmap();
  private readonly returned = new OffsetBitmap();
  private readonly counts = new DeliveryCounts();
  private readonly inFlight = new InFlightTable();
  private readonly pending = new PendingChanges();
  /** Decides which message comes next, where it is not the smallest offset; set before anything is delivered. */
  order: DeliveryOrder | undefined;
  /** Hears what becomes of deliveries. */
  watch: DeliveryWatch | undefined;

  /** Everything below is settled. */
  get floor(): number {
    return this.acknowledgedFloor;
  }

  /** The smallest offset that was never handed out since the start. */
  get head(): number {
    return this.nextNew;
  }

  /** The offset after the last message that the owner told of. */
  get end(): number {
    return this.logEnd;
  }

  /** Messages that wait for a consumer. */
  get ready(): number {
    return this.messages - this.inFlight.count - this.hidden;
  }

  /** Messages that are with consumers. */
  get unacknowledged(): number {
    return this.inFlight.count;
  }

  /** Whether it was told where it starts, now or before a restart. */
  get started(): boolean {
    return this.hasStarted;
  }

  /** By how much the message count was found wrong when the queue ran empty, in total; above 0 only after a loss of messages. */
  get countCorrections(): number {
    return this.corrected;
  }

  /** Bytes of bitmaps in use. */
  get bitmapBytes(): number {
    return this.acknowledged.wordBytes + this.returned.wordBytes + this.counts.cameBack.wordBytes;
  }

  /** Settles everything below `offset` and forgets the rest: for a cursor that is new to a log whose end is `end`, with `messages` from there on. */
  startAt(offset: number, end: number, messages: number): void {
    assert(this.inFlight.count === 0, `Cannot start a cursor anew with ${this.inFlight.count} deliveries in flight`);
    this.begin(offset);
    this.logEnd = Math.max(offset, end);
    this.messages = messages;
    this.pending.start(offset);
  }

  /** Tells that `count` messages were appended from `baseOffset` up to but without `nextOffset`. Offsets between the end and `baseOffset` never exist. */
  appended(baseOffset: number, count: number, nextOffset: number = baseOffset + count): void {
    assert(baseOffset >= this.logEnd, `Cannot append at ${baseOffset}: the cursor's end is ${this.logEnd}`);
    const gapStart = Math.max(this.logEnd, this.acknowledgedFloor);
    this.logEnd = nextOffset;
    this.messages += count;
    if (gapStart < baseOffset) this.skip(gapStart, baseOffset);
  }

  /** Takes `appended` back from `fromOffset` on: `messages` messages could not be written, and later ones get their offsets. */
  withdrawn(fromOffset: number, messages: number): void {
    assert(this.nextNew <= fromOffset, `Cannot withdraw from ${fromOffset}: the head is ${this.nextNew}`);
    this.logEnd = Math.min(this.logEnd, fromOffset);
    this.messages -= messages;
    this.order?.withdrawn(fromOffset);
  }

  /**
   * The offset to deliver next, or -1: what came back first, else the head, below `visibleEnd`. It stays until `delivered` or `skip`. Beyond
   * the durable lease nothing is delivered: then a longer lease is among the changes, and `leaseDurable` lets delivery go on.
   */
  nextOffset(visibleEnd: number = this.logEnd): number {
    if (this.order !== undefined) return this.order.next(Math.min(visibleEnd, this.logEnd));
    if (this.returned.size > 0) return this.returned.first();
    if (this.acknowledged.size > 0) this.nextNew = this.acknowledged.nextClear(this.nextNew);
    const head = this.nextNew;
    if (head >= this.logEnd) {
      this.correctCount(0);
      return -1;
    }
    if (head >= visibleEnd || this.looksTooFarAhead(head)) return -1;
    if (head >= this.leaseSafe) {
      this.extendLease();
      return -1;
    }
    return head;
  }

  /** The smallest offset that may wait, whether or not it may be delivered yet, or -1. In a queue with priorities only for what comes back. */
  peek(): number {
    if (this.returned.size > 0) return this.returned.first();
    const head = this.acknowledged.size > 0 ? this.acknowledged.nextClear(this.nextNew) : this.nextNew;
    return head < this.logEnd ? head : -1;
  }

  /** Whether `offset` may have been delivered before. */
  isRedelivered(offset: number): boolean {
    if (this.counts.get(offset) > 0) return true;
    return this.order === undefined ? offset < this.redeliveredBelow : this.order.isRedelivered(offset);
  }

  /** How many deliveries of `offset` came back. */
  deliveryCount(offset: number): number {
    return this.counts.get(offset);
  }

  /** So many messages belong to an open transaction and do not wait yet; negative: from now on they do. */
  withhold(messages: number): void {
    this.hidden += messages;
  }

  /** The offsets from `offset` up to but without `nextOffset` belong to an aborted transaction: they will never be messages. */
  abandoned(offset: number, nextOffset: number, messages: number): void {
    if (nextOffset > this.acknowledgedFloor && nextOffset <= this.logEnd) this.skip(offset, nextOffset, messages);
  }

  /** Messages that open transactions hold back. */
  get withheld(): number {
    return this.hidden;
  }

  /** Settles a message that nobody holds, unless it is settled already. */
  settleWaitingOne(offset: number): void {
    if (offset < this.logEnd && !this.isAcknowledged(offset)) this.acknowledge(offset);
  }

  /** Hands `offset`, which `nextOffset` returned, to a consumer. */
  delivered(offset: number, consumerId: number): void {
    this.take(offset);
    this.inFlight.insert(offset, consumerId);
  }

  /** Hands `offset`, which `nextOffset` returned, to a consumer that acknowledges by receiving. */
  deliveredAutomatically(offset: number): void {
    this.take(offset);
    this.acknowledge(offset);
  }

  /** Hands `offset`, which came back and was not delivered since, to a consumer before its turn. */
  deliveredAgain(offset: number, consumerId: number): boolean {
    if (!this.returned.has(offset)) return false;
    this.delivered(offset, consumerId);
    return true;
  }

  /** Gives a delivery to another consumer. False when the first one does not hold it: then nothing happens. */
  transfer(offset: number, from: number, to: number): boolean {
    if (!this.inFlight.remove(offset, from)) return false;
    this.inFlight.insert(offset, to);
    return true;
  }

  /** What waits was counted, with nothing in flight. */
  counted(messages: number): void {
    this.correctCount(messages);
  }

  /** Ends a delivery. False when the consumer does not hold `offset`: then nothing happens. */
  settle(consumerId: number, offset: number, outcome: SettleOutcome): boolean {
    if (!this.inFlight.remove(offset, consumerId)) return false;
    if (outcome === SettleOutcome.requeue) this.giveBack(offset);
    else this.acknowledge(offset);
    return true;
  }

  /** Returns everything that a consumer holds to its original position, and forgets the consumer. Returns how many messages. */
  releaseConsumer(consumerId: number): number {
    return this.inFlight.release(consumerId, (offset) => this.giveBack(offset));
  }

  /** Visits what a consumer holds, ascending. */
  forEachHeld(consumerId: number, visit: (offset: number) => void): void {
    this.inFlight.forEachHeld(consumerId, visit);
  }

  /** The smallest offset that a consumer holds, or -1. Costs as much as the consumer holds. */
  firstHeld(consumerId: number): number {
    let first = -1;
    this.inFlight.forEachHeld(consumerId, (offset) => {
      if (first < 0 || offset < first) first = offset;
    });
    return first;
  }

  /** How many deliveries a consumer holds. */
  heldCount(consumerId: number): number {
    return this.inFlight.heldCount(consumerId);
  }

  /**
   * Settles the offsets from `offset` up to but without `nextOffset`, which hold no message: gaps, control records, what was cleaned. Says how
   * many of them were once counted as messages, if any. Deliveries in flight stay.
   */
  skip(offset: number, nextOffset: number, messages = 0): void {
    assert(nextOffset > offset && nextOffset <= this.logEnd, `Cannot skip from ${offset} to ${nextOffset}`);
    const from = Math.max(offset, this.acknowledgedFloor);
    const counted = Math.min(this.ready, messages + this.returned.countRange(from, nextOffset));
    this.messages -= counted;
    this.settleWaiting(from, nextOffset);
    this.pending.settled(0, 0, counted);
  }

  /**
   * Settles every waiting message below `upTo`; deliveries in flight stay. `staying` messages wait from there on: gaps keep the cursor from
   * counting them itself. Returns how many messages were settled.
   */
  purge(upTo: number = this.logEnd, staying = 0): number {
    const count = Math.max(0, this.ready - staying);
    this.settleWaiting(this.acknowledgedFloor, Math.min(upTo, this.logEnd));
    this.messages -= count;
    this.pending.settled(0, 0, count);
    return count;
  }

  /** The journal holds the lease up to `upTo`, as a change that was taken said. */
  leaseDurable(upTo: number): void {
    this.leaseSafe = Math.max(this.leaseSafe, Math.min(upTo, this.leaseRequested));
  }

  /** Shortens the lease to what was really handed out: for an orderly stop, after which nothing is flagged redelivered without need. */
  tightenLease(): void {
    this.order?.tightenLease();
    const exact = Math.max(this.nextNew, this.redeliveredBelow);
    if (exact >= this.leaseRequested) return;
    this.leaseRequested = exact;
    this.leaseSafe = Math.min(this.leaseSafe, exact);
    this.pending.lease(exact);
  }

  /** The next change for the journal, or undefined; to be called until it is undefined, once per turn. The bytes are the caller's. */
  takeChange(): TakenChange | undefined {
    return this.pending.take();
  }

  /** The whole state, for a checkpoint. Changes that were not taken yet are in it and may still be journaled. */
  snapshot(): Uint8Array {
    this.pending.seal();
    return writeSnapshot(
      {
        nextSequence: this.pending.nextSequence,
        started: this.hasStarted,
        floor: this.acknowledgedFloor,
        end: this.logEnd,
        messages: this.messages,
        lease: this.leaseRequested,
      },
      this.acknowledged,
      this.counts,
    );
  }

  /** Replaces the state by a snapshot's; undefined = by that of a cursor at offset 0. @throws DecodeError */
  restore(snapshot: Uint8Array | undefined): void {
    this.begin(0);
    this.hasStarted = false;
    this.pending.reset(0);
    if (snapshot === undefined) return;
    const numbers = readSnapshot(snapshot, this.acknowledged, this.counts);
    this.acknowledgedFloor = numbers.floor;
    this.nextNew = numbers.floor;
    this.logEnd = numbers.end;
    this.messages = numbers.messages;
    this.leaseRequested = numbers.lease;
    this.hasStarted = numbers.started;
    this.pending.reset(numbers.nextSequence);
  }

  /** Replays a journaled change after `restore` and before `recovered`. @throws DecodeError */
  apply(change: Uint8Array): void {
    const next = replayChange(change, this.pending.nextSequence, {
      start: (offset) => this.begin(offset),
      truncate: (offset, messages) => this.replayTruncation(offset, messages),
      returned: (start, end) => this.replayReturned(start, end),
      settledMessages: (count) => {
        this.messages -= count;
      },
      settled: (start, end) => this.replaySettled(start, end),
      lease: (upTo) => {
        this.leaseRequested = upTo;
      },
    });
    this.pending.reset(next);
  }

  /**
   * Ends a recovery: drops what names offsets at or beyond the log's end, counts the messages that the last snapshot did not know, and flags
   * what lies below the lease as redelivered.
   */
  recovered(bounds: CursorBounds): void {
    const { logStart, logEnd } = bounds;
    const lost = this.acknowledgedFloor > logEnd || this.logEnd > logEnd || this.acknowledged.nextSet(logEnd) >= 0;
    this.messages = this.countAt(bounds);
    // A lease beyond the end is shortened in the journal too: it must not flag messages that get these offsets from now on.
    const shortened = this.leaseRequested > logEnd;
    this.dropFrom(logEnd);
    this.logEnd = logEnd;
    if (this.acknowledgedFloor < logStart) this.settleTo(logStart);
    this.messages = Math.max(0, Math.min(this.messages, logEnd - this.acknowledgedFloor - this.acknowledged.size));
    this.redeliveredBelow = this.leaseRequested;
    this.leaseSafe = this.leaseRequested;
    this.nextNew = this.acknowledgedFloor;
    if (lost) this.pending.truncate(logEnd, this.messages);
    if (shortened) this.pending.lease(logEnd);
  }

  /** Whether `offset` is settled. */
  isAcknowledged(offset: number): boolean {
    return offset < this.acknowledgedFloor || (this.acknowledged.size > 0 && this.acknowledged.has(offset));
  }

  /** The smallest offset that is not settled: segments wholly below may go. */
  retainFrom(): number {
    return this.acknowledgedFloor;
  }

  /** The settled ranges between `from` and `to`, ascending, as start and end in turn. */
  acknowledgedRanges(from: number, to: number): Float64Array {
    const pairs: number[] = [];
    const floor = Math.min(to, this.acknowledgedFloor);
    if (from < floor) pairs.push(from, floor);
    this.acknowledged.forEachRange(Math.max(from, this.acknowledgedFloor), to, (start, end) => pairs.push(start, end));
    return Float64Array.from(pairs);
  }

  /** States what must always hold; for tests and for the moment after a recovery. */
  check(): void {
    assert(
      this.messages >= this.inFlight.count,
      `A cursor counts ${this.messages} messages and ${this.inFlight.count} in flight`,
    );
    assert(this.acknowledgedFloor <= Math.max(this.logEnd, this.nextNew), 'A floor lies beyond the end');
    assert(
      this.nextNew >= this.acknowledgedFloor,
      `A head of ${this.nextNew} lies below the floor ${this.acknowledgedFloor}`,
    );
    assert(!this.acknowledged.has(this.acknowledgedFloor), `The floor ${this.acknowledgedFloor} is settled itself`);
  }

  private take(offset: number): void {
    // A message that is here although none should wait: the count was an estimate after a loss.
    if (this.ready <= 0) this.correctCount(1);
    this.order?.taken(offset);
    if (this.returned.size > 0 && this.returned.delete(offset)) return;
    if (this.order !== undefined) return;
    assert(offset === this.nextNew && offset < this.leaseSafe, `Cannot deliver ${offset}: the head is ${this.nextNew}`);
    this.nextNew = offset + 1;
    if (this.leaseRequested - this.nextNew < LEASE_EXTEND_BELOW) this.extendLease();
  }

  private giveBack(offset: number): void {
    this.returned.add(offset);
    this.counts.increment(offset);
    this.pending.returned(offset);
    this.order?.returned(offset);
    this.watch?.returned(offset);
  }

  private acknowledge(offset: number): void {
    this.messages--;
    this.counts.forget(offset);
    this.pending.settledOne(offset);
    if (offset === this.acknowledgedFloor) this.raiseFloor(offset + 1);
    else this.acknowledged.add(offset);
    this.watch?.acknowledged(offset);
  }

  /** Moves the floor to `offset`, where everything below is known to be settled, and over what is settled beyond. */
  private raiseFloor(offset: number): void {
    let floor = offset;
    if (this.acknowledged.size > 0 && this.acknowledged.has(floor)) {
      floor = this.acknowledged.nextClear(floor);
      this.acknowledged.deleteRange(offset, floor);
    }
    this.acknowledgedFloor = floor;
    if (this.nextNew < floor) this.nextNew = floor;
    this.order?.floorRaised(floor);
  }

  /** Settles everything below `offset`, whatever its state. */
  private settleTo(offset: number): void {
    this.acknowledged.deleteRange(this.acknowledgedFloor, offset);
    this.counts.forgetRange(this.acknowledgedFloor, offset);
    this.raiseFloor(offset);
  }

  /** Settles what is not in flight from `from` up to but without `to`. */
  private settleWaiting(from: number, to: number): void {
    let start = from;
    const held = this.inFlight.count === 0 ? [] : this.inFlight.heldBetween(from, to);
    for (const offset of held) {
      this.settleRange(start, offset);
      start = offset + 1;
    }
    this.settleRange(start, to);
  }

  private settleRange(from: number, to: number): void {
    if (from >= to) return;
    this.order?.settled(from, to);
    this.returned.deleteRange(from, to);
    this.counts.forgetRange(from, to);
    this.pending.settled(from, to, 0);
    if (from > this.acknowledgedFloor) {
      this.acknowledged.addRange(from, to);
      return;
    }
    this.acknowledged.deleteRange(from, to);
    this.raiseFloor(to);
  }

  /** Memory follows the chunks that are neither new nor wholly settled: new messages wait when there are too many. */
  private looksTooFarAhead(head: number): boolean {
    const span = head - this.acknowledgedFloor;
    if (span < LOOK_AHEAD_CHUNKS * CHUNK_OFFSETS) return false;
    return span / CHUNK_OFFSETS - this.acknowledged.fullChunks >= LOOK_AHEAD_CHUNKS;
  }

  private extendLease(): void {
    const lease = this.nextNew + LEASE_OFFSETS;
    if (this.leaseRequested - this.nextNew >= LEASE_EXTEND_BELOW) return;
    this.leaseRequested = lease;
    this.pending.lease(lease);
  }

  /** What waits is seen to be `waiting` messages: a count that says something else was wrong since messages were lost. */
  private correctCount(waiting: number): void {
    const wrong = this.messages - this.inFlight.count - this.hidden - waiting;
    if (wrong === 0) return;
    this.corrected += Math.abs(wrong);
    this.messages -= wrong;
    this.pending.settled(0, 0, wrong);
  }

  /** The state of a cursor that knows nothing but where it starts. */
  private begin(offset: number): void {
    this.acknowledgedFloor = offset;
    this.nextNew = offset;
    this.logEnd = offset;
    this.messages = 0;
    this.hidden = 0;
    this.leaseRequested = offset;
    this.leaseSafe = offset;
    this.redeliveredBelow = offset;
    this.hasStarted = true;
    this.acknowledged.reset();
    this.returned.reset();
    this.counts.reset();
    this.inFlight.reset();
  }

  private replayReturned(start: number, end: number): void {
    for (let offset = start; offset < end; offset++) if (!this.isAcknowledged(offset)) this.counts.increment(offset);
  }

  private replaySettled(start: number, end: number): void {
    if (end <= this.acknowledgedFloor) return;
    if (end - this.acknowledgedFloor > BITMAP_SPAN_CHUNKS_MAX * CHUNK_OFFSETS && start > this.acknowledgedFloor) {
      throw new DecodeError(
        'invalid',
        `A cursor change settles up to ${end}, too far beyond ${this.acknowledgedFloor}`,
      );
    }
    this.counts.forgetRange(start, end);
    if (start > this.acknowledgedFloor) {
      this.acknowledged.addRange(start, end);
      return;
    }
    this.acknowledged.deleteRange(this.acknowledgedFloor, end);
    this.raiseFloor(end);
  }

  private replayTruncation(offset: number, messages: number): void {
    this.dropFrom(offset);
    this.logEnd = offset;
    this.messages = messages;
  }

  /** Forgets that offsets from `offset` on were ever named. */
  private dropFrom(offset: number): void {
    this.acknowledged.deleteRange(offset, Number.MAX_SAFE_INTEGER);
    this.counts.forgetRange(offset, Number.MAX_SAFE_INTEGER);
    this.acknowledgedFloor = Math.min(this.acknowledgedFloor, offset);
    this.nextNew = Math.min(this.nextNew, offset);
    this.leaseRequested = Math.min(this.leaseRequested, offset);
  }

  /**
   * The messages of a recovered log that are not settled: what the last snapshot counted less what was settled since, brought up to the log's
   * end. Exact unless messages were lost among holes.
   */
  private countAt(bounds: CursorBounds): number {
    const { logEnd } = bounds;
    const known = this.logEnd;
    let messages = this.messages;
    if (logEnd > known) messages += bounds.recordsAbove(known);
    // Settled messages beyond what the snapshot counted, which the log does not hold either, were taken off without having been counted.
    messages += this.settledBetween(Math.max(logEnd, known), Number.MAX_SAFE_INTEGER);
    // What the snapshot counted and the log lost.
    if (logEnd < known) messages -= known - logEnd - this.settledBetween(logEnd, known);
    return messages;
  }

  private settledBetween(from: number, to: number): number {
    const below = Math.max(0, Math.min(this.acknowledgedFloor, to) - from);
    return below + this.acknowledged.countRange(Math.max(from, this.acknowledgedFloor), to);
  }
}

import { BugError } from '../../base/assert.js';
import type { ByteWriter } from '../../base/bytes.js';
import { writeConfirm } from './frame-writer.js';

const INITIAL_SLOTS = 64;

/** States of a publish beyond the outcomes that it waits for. */
const ACKED = -1;
const NACKED = -2;
const SENT = -3;

/** How many publishes one `write` has told of. */
export interface ConfirmCounts {
  acks: number;
  nacks: number;
}

/**
 * The publishes of one channel in confirm mode: sequence number to outstanding outcomes, in a ring. `write` tells what has been decided since: in
 * sequence as few frames with `multiple`, out of sequence one by one, so that a slow queue does not hold back the confirms of others. One ack or nack
 * per publish, never two.
 */
export class Confirms {
  /** Outcomes outstanding, or a state; at sequence & (length - 1). */
  private slots = new Int32Array(INITIAL_SLOTS);
  /** 1 = one of its outcomes was a failure. */
  private failures = new Uint8Array(INITIAL_SLOTS);
  /** First sequence number that was not told of, or not decided. */
  private base = 1;
  private nextSequence = 1;
  /** Bounds of what was decided since the last `write`. */
  private lowestDecided = Number.POSITIVE_INFINITY;
  private highestDecided = 0;

  /** The sequence number that the next publish has. */
  get next(): number {
    return this.nextSequence;
  }

  /** Publishes that wait for their outcome. */
  get waiting(): number {
    return this.nextSequence - this.base;
  }

  /** Whether `write` has something to tell. */
  get isDue(): boolean {
    return this.highestDecided > 0;
  }

  /** Notes the next publish, with the number of outcomes that it waits for. Returns its sequence number. */
  add(outcomes: number): number {
    const sequence = this.nextSequence++;
    if (sequence - this.base >= this.slots.length) this.grow();
    const slot = sequence & (this.slots.length - 1);
    this.slots[slot] = outcomes;
    this.failures[slot] = 0;
    if (outcomes === 0) this.decide(sequence, slot, ACKED);
    return sequence;
  }

  /** One outcome of a publish. @throws BugError for one that waits for none. */
  settle(sequence: number, isGood: boolean): void {
    const slot = sequence & (this.slots.length - 1);
    const left = this.slots[slot]!;
    if (sequence < this.base || sequence >= this.nextSequence || left <= 0) {
      throw new BugError(`Publish ${sequence} got an outcome that it does not wait for`);
    }
    if (!isGood) this.failures[slot] = 1;
    if (left > 1) this.slots[slot] = left - 1;
    else this.decide(sequence, slot, this.failures[slot] === 0 ? ACKED : NACKED);
  }

  private decide(sequence: number, slot: number, state: number): void {
    this.slots[slot] = state;
    if (sequence < this.lowestDecided) this.lowestDecided = sequence;
    if (sequence > this.highestDecided) this.highestDecided = sequence;
  }

  /** Writes acks and nacks for everything decided since the last call. */
  write(writer: ByteWriter, channel: number, counts: ConfirmCounts): void {
    if (!this.isDue) return;
    this.writeInSequence(writer, channel, counts);
    const mask = this.slots.length - 1;
    for (let sequence = Math.max(this.base, this.lowestDecided); sequence <= this.highestDecided; sequence++) {
      const state = this.slots[sequence & mask]!;
      if (state !== ACKED && state !== NACKED) continue;
      this.slots[sequence & mask] = SENT;
      writeConfirm(writer, channel, state === ACKED, sequence, false);
      if (state === ACKED) counts.acks++;
      else counts.nacks++;
    }
    this.lowestDecided = Number.POSITIVE_INFINITY;
    this.highestDecided = 0;
  }

  private writeInSequence(writer: ByteWriter, channel: number, counts: ConfirmCounts): void {
    const mask = this.slots.length - 1;
    while (this.base < this.nextSequence && this.slots[this.base & mask]! < 0) {
      const first = this.base;
      const state = this.slots[first & mask]!;
      let last = first;
      let told = 0;
      // What was told before may lie in a run: peers have forgotten it, and `multiple` names nothing twice.
      for (; last < this.nextSequence; last++) {
        const next = this.slots[last & mask]!;
        if (next === state && state !== SENT) told++;
        else if (next !== SENT) break;
      }
      this.base = last;
      if (told === 0) continue;
      this.writeRun(writer, channel, state === ACKED, first, last - 1, told, counts);
    }
  }

  private writeRun(
    writer: ByteWriter,
    channel: number,
    isAck: boolean,
    first: number,
    last: number,
    told: number,
    counts: ConfirmCounts,
  ): void {
    writeConfirm(writer, channel, isAck, this.lastUntold(first, last), told > 1);
    if (isAck) counts.acks += told;
    else counts.nacks += told;
  }

  /** The last of a run that peers have not been told of: a run may end in such as were told one by one. */
  private lastUntold(first: number, last: number): number {
    const mask = this.slots.length - 1;
    let sequence = last;
    while (sequence > first && this.slots[sequence & mask] === SENT) sequence--;
    return sequence;
  }

  private grow(): void {
    const slots = new Int32Array(this.slots.length * 2);
    const failures = new Uint8Array(slots.length);
    for (let sequence = this.base; sequence < this.nextSequence - 1; sequence++) {
      slots[sequence & (slots.length - 1)] = this.slots[sequence & (this.slots.length - 1)]!;
      failures[sequence & (slots.length - 1)] = this.failures[sequence & (this.slots.length - 1)]!;
    }
    this.slots = slots;
    this.failures = failures;
  }
}

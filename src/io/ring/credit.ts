import { assert } from '../../base/assert.js';
import { CORRELATION_SLOT_BITS } from './layout.js';
import { MAX_OUTSTANDING_REQUESTS } from './limits.js';

const SLOT_MASK = (1 << CORRELATION_SLOT_BITS) - 1;
const INITIAL_SLOTS = 64;

/** The slot in a correlation: dense and reused, so a requester may keep what belongs to a request in an array at this index. */
export function correlationSlot(correlation: number): number {
  return correlation & SLOT_MASK;
}

function grown(words: Int32Array, needed: number): Int32Array {
  if (needed <= words.length) return words;
  const larger = new Int32Array(Math.max(needed, words.length * 2));
  larger.set(words);
  return larger;
}

/**
 * A requester's account of the room that it has reserved for replies in one peer's reply lane. Every request holds a slot and some bytes
 * until its reply has been released from the lane.
 */
export class ReplyCredit {
  /** Bytes that may be reserved at one time. */
  readonly limitBytes: number;
  private reserved = 0;
  private settled = 0;
  private bytesOfSlot: Int32Array = new Int32Array(INITIAL_SLOTS);
  private generationOfSlot: Int32Array = new Int32Array(INITIAL_SLOTS);
  private usedSlots = 0;
  private readonly freeSlots: number[] = [];

  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Whether a request may be made that reserves this many bytes. */
  allows(bytes: number): boolean {
    if (this.reserved + bytes > this.limitBytes) return false;
    return this.freeSlots.length > 0 || this.usedSlots < MAX_OUTSTANDING_REQUESTS;
  }

  /** Reserves what `allows` has allowed, and returns the new request's correlation. */
  take(bytes: number): number {
    assert(bytes > 0 && this.allows(bytes), `Cannot reserve ${bytes} bytes for a reply beside ${this.reserved}`);
    const slot = this.freeSlots.pop() ?? this.newSlot();
    this.bytesOfSlot[slot] = bytes;
    this.reserved += bytes;
    return ((this.generationOfSlot[slot]! << CORRELATION_SLOT_BITS) | slot) >>> 0;
  }

  /** Notes that the reply to this request has been handed over. Its bytes come back with `releaseSettled`. */
  settle(correlation: number): void {
    const slot = correlationSlot(correlation);
    const bytes = slot < this.usedSlots ? this.bytesOfSlot[slot]! : 0;
    const generation = correlation >>> CORRELATION_SLOT_BITS;
    assert(bytes > 0 && this.generationOfSlot[slot] === generation, `A reply came to no request: ${correlation}`);
    this.bytesOfSlot[slot] = 0;
    // The last generation is left out, so that no correlation equals that of a notice.
    this.generationOfSlot[slot] = (generation + 1) % SLOT_MASK;
    this.freeSlots.push(slot);
    this.settled += bytes;
  }

  /** Gives back what was settled, once the replies' bytes are released in the lane. Returns whether there was any. */
  releaseSettled(): boolean {
    if (this.settled === 0) return false;
    this.reserved -= this.settled;
    this.settled = 0;
    return true;
  }

  /** Bytes reserved at present. */
  get reservedBytes(): number {
    return this.reserved;
  }

  /** Requests without a reply at present. */
  get outstanding(): number {
    return this.usedSlots - this.freeSlots.length;
  }

  private newSlot(): number {
    const slot = this.usedSlots++;
    this.bytesOfSlot = grown(this.bytesOfSlot, this.usedSlots);
    this.generationOfSlot = grown(this.generationOfSlot, this.usedSlots);
    return slot;
  }
}

/** An answerer's account of the replies that it owes to one peer, and of the size that was reserved for each. */
export class OwedReplies {
  private correlations: Int32Array = new Int32Array(INITIAL_SLOTS);
  private sizes: Int32Array = new Int32Array(INITIAL_SLOTS);
  private count = 0;

  /** Notes a request whose reply may have `replyBytes` of content. */
  add(correlation: number, replyBytes: number): void {
    const slot = correlationSlot(correlation);
    this.correlations = grown(this.correlations, slot + 1);
    this.sizes = grown(this.sizes, slot + 1);
    assert(this.sizes[slot] === 0, `Request ${correlation} came before the reply to the one in its slot`);
    this.correlations[slot] = correlation;
    this.sizes[slot] = replyBytes + 1;
    this.count++;
  }

  /** Whether a reply is owed to this request. */
  has(correlation: number): boolean {
    const slot = correlationSlot(correlation);
    return slot < this.sizes.length && this.sizes[slot] !== 0 && this.correlations[slot] === (correlation | 0);
  }

  /** Most content that the reply to this request may have, in bytes. @throws BugError when none is owed. */
  sizeOf(correlation: number): number {
    assert(this.has(correlation), `No reply is owed to request ${correlation}`);
    return this.sizes[correlationSlot(correlation)]! - 1;
  }

  /** Notes that the reply was written. */
  remove(correlation: number): void {
    assert(this.has(correlation), `No reply is owed to request ${correlation}`);
    this.sizes[correlationSlot(correlation)] = 0;
    this.count--;
  }

  /** Replies owed at present. */
  get outstanding(): number {
    return this.count;
  }
}

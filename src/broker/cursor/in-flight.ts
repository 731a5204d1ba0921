import { assert } from '../../base/assert.js';
import { IN_FLIGHT_INITIAL_SLOTS, IN_FLIGHT_KEPT_SLOTS, IN_FLIGHT_MAX } from './limits.js';

/** The deliveries that one consumer holds: the ends of a list through the slots, in order of delivery. */
interface Holding {
  readonly consumerId: number;
  /** Number of this holding in `holdings`. */
  readonly index: number;
  first: number;
  last: number;
  count: number;
}

const NONE = -1;
/** 2^32 divided by the golden ratio: spreads neighbouring offsets as well as strides over the table. */
const GOLDEN = 0x9e3779b1;

/**
 * Which consumer holds which offset. Open addressing over typed arrays: a delivery costs no object, about 32 bytes, and the deliveries of a
 * consumer are linked in the order in which they were handed out.
 */
export class InFlightTable {
  private offsets = new Float64Array(0);
  /** The holding of a slot; for a free slot the next free one is in `next`. */
  private owners = new Int32Array(0);
  private previous = new Int32Array(0);
  private next = new Int32Array(0);
  /** Slot plus one per place, or 0; twice as many places as slots. */
  private places = new Int32Array(0);
  private shift = 32;
  private freeSlot = NONE;
  private used = 0;
  private total = 0;
  private readonly byConsumer = new Map<number, Holding>();
  private readonly holdings: (Holding | undefined)[] = [];
  private readonly freeHoldings: number[] = [];
  private lastHolding: Holding | undefined;

  /** Deliveries held by all consumers. */
  get count(): number {
    return this.total;
  }

  /** Deliveries held by one consumer. */
  heldCount(consumerId: number): number {
    return this.byConsumer.get(consumerId)?.count ?? 0;
  }

  has(offset: number): boolean {
    return this.total > 0 && this.slotOf(offset) >= 0;
  }

  /** Hands `offset`, which nobody holds, to a consumer. */
  insert(offset: number, consumerId: number): void {
    const slot = this.takeSlot();
    const holding = this.holding(consumerId);
    this.offsets[slot] = offset;
    this.owners[slot] = holding.index;
    this.previous[slot] = holding.last;
    this.next[slot] = NONE;
    if (holding.last === NONE) holding.first = slot;
    else this.next[holding.last] = slot;
    holding.last = slot;
    holding.count++;
    this.total++;
    this.place(slot);
  }

  /** Takes `offset` from the consumer; false when that consumer does not hold it. */
  remove(offset: number, consumerId: number): boolean {
    if (this.total === 0) return false;
    const place = this.placeOf(offset);
    if (place < 0) return false;
    const slot = this.places[place]! - 1;
    const holding = this.holdings[this.owners[slot]!]!;
    if (holding.consumerId !== consumerId) return false;
    this.unlink(holding, slot);
    this.vacate(place);
    this.next[slot] = this.freeSlot;
    this.freeSlot = slot;
    this.total--;
    if (this.total === 0 && this.offsets.length > IN_FLIGHT_KEPT_SLOTS) this.shrink();
    return true;
  }

  /** Visits what a consumer holds, in order of delivery; nothing may be taken or added meanwhile. */
  forEachHeld(consumerId: number, visit: (offset: number) => void): void {
    const holding = this.byConsumer.get(consumerId);
    if (holding === undefined) return;
    for (let slot = holding.first; slot !== NONE; slot = this.next[slot]!) visit(this.offsets[slot]!);
  }

  /** Takes everything from a consumer, tells `visit` in order of delivery, and forgets the consumer. Returns how many there were. */
  release(consumerId: number, visit: (offset: number) => void): number {
    const holding = this.byConsumer.get(consumerId);
    if (holding === undefined) return 0;
    for (let slot = holding.first; slot !== NONE; ) {
      const after = this.next[slot]!;
      const offset = this.offsets[slot]!;
      this.vacate(this.placeOf(offset));
      this.next[slot] = this.freeSlot;
      this.freeSlot = slot;
      visit(offset);
      slot = after;
    }
    this.total -= holding.count;
    this.byConsumer.delete(consumerId);
    this.holdings[holding.index] = undefined;
    this.freeHoldings.push(holding.index);
    if (this.lastHolding === holding) this.lastHolding = undefined;
    if (this.total === 0 && this.offsets.length > IN_FLIGHT_KEPT_SLOTS) this.shrink();
    return holding.count;
  }

  /** The held offsets from `from` up to but without `to`, ascending. */
  heldBetween(from: number, to: number): Float64Array {
    const found: number[] = [];
    for (const holding of this.byConsumer.values()) {
      for (let slot = holding.first; slot !== NONE; slot = this.next[slot]!) {
        const offset = this.offsets[slot]!;
        if (offset >= from && offset < to) found.push(offset);
      }
    }
    return Float64Array.from(found).sort();
  }

  /** Forgets all deliveries and consumers. */
  reset(): void {
    this.byConsumer.clear();
    this.holdings.length = 0;
    this.freeHoldings.length = 0;
    this.lastHolding = undefined;
    this.total = 0;
    this.resize(0);
    this.used = 0;
    this.freeSlot = NONE;
  }

  private holding(consumerId: number): Holding {
    if (this.lastHolding?.consumerId === consumerId) return this.lastHolding;
    let holding = this.byConsumer.get(consumerId);
    if (holding === undefined) {
      const index = this.freeHoldings.pop() ?? this.holdings.length;
      holding = { consumerId, index, first: NONE, last: NONE, count: 0 };
      this.holdings[index] = holding;
      this.byConsumer.set(consumerId, holding);
    }
    this.lastHolding = holding;
    return holding;
  }

  private unlink(holding: Holding, slot: number): void {
    const before = this.previous[slot]!;
    const after = this.next[slot]!;
    if (before === NONE) holding.first = after;
    else this.next[before] = after;
    if (after === NONE) holding.last = before;
    else this.previous[after] = before;
    holding.count--;
  }

  private takeSlot(): number {
    if (this.freeSlot !== NONE) {
      const slot = this.freeSlot;
      this.freeSlot = this.next[slot]!;
      return slot;
    }
    const { length } = this.offsets;
    if (this.used === length) {
      assert(length < IN_FLIGHT_MAX, `A queue cannot have more than ${IN_FLIGHT_MAX} deliveries in flight`);
      this.resize(Math.max(IN_FLIGHT_INITIAL_SLOTS, length * 2));
    }
    return this.used++;
  }

  private resize(slots: number): void {
    this.offsets = grown(this.offsets, new Float64Array(slots));
    this.owners = grown(this.owners, new Int32Array(slots));
    this.previous = grown(this.previous, new Int32Array(slots));
    this.next = grown(this.next, new Int32Array(slots));
    this.places = new Int32Array(slots * 2);
    this.shift = 32 - Math.log2(Math.max(2, slots * 2));
    // Growth happens only when no slot is free, so every used slot is in flight.
    for (let slot = 0; slot < Math.min(this.used, slots); slot++) this.place(slot);
  }

  /** Gives the memory of a burst back once nothing is in flight. */
  private shrink(): void {
    this.used = 0;
    this.freeSlot = NONE;
    this.resize(0);
  }

  private home(offset: number): number {
    return Math.imul(offset, GOLDEN) >>> this.shift;
  }

  private place(slot: number): void {
    const mask = this.places.length - 1;
    let place = this.home(this.offsets[slot]!);
    while (this.places[place] !== 0) place = (place + 1) & mask;
    this.places[place] = slot + 1;
  }

  private slotOf(offset: number): number {
    const place = this.placeOf(offset);
    return place < 0 ? NONE : this.places[place]! - 1;
  }

  private placeOf(offset: number): number {
    const { places, offsets } = this;
    const mask = places.length - 1;
    for (let place = this.home(offset); ; place = (place + 1) & mask) {
      const entry = places[place]!;
      if (entry === 0) return NONE;
      if (offsets[entry - 1] === offset) return place;
    }
  }

  /** Empties a place and moves later entries of its run forward, so that searches need no tombstones. */
  private vacate(emptied: number): void {
    const { places } = this;
    const mask = places.length - 1;
    let hole = emptied;
    for (let at = (hole + 1) & mask; places[at] !== 0; at = (at + 1) & mask) {
      const home = this.home(this.offsets[places[at]! - 1]!);
      // An entry may move to the hole unless its home lies after the hole on the way to it.
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      places[hole] = places[at]!;
      hole = at;
    }
    places[hole] = 0;
  }
}

function grown<T extends Float64Array | Int32Array>(from: T, to: T): T {
  to.set(from.subarray(0, to.length));
  return to;
}

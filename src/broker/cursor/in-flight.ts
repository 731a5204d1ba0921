import { assert } from '../../base/assert.js';
import { HeldOffsets } from './held-offsets.js';
import { IN_FLIGHT_MAX } from './limits.js';

/** Never written to. */
const NO_CONSUMERS = new Map<number, HeldOffsets>();

/** Which consumer holds which offset. An offset has one holder at most, which the cursor sees to. */
export class InFlightTable {
  /** Made with the first delivery: there may be many thousands of queues without one. */
  private byConsumer = NO_CONSUMERS;
  private total = 0;
  private lastConsumerId = -1;
  private lastHeld: HeldOffsets | undefined;

  /** Deliveries held by all consumers. */
  get count(): number {
    return this.total;
  }

  /** Bytes that the deliveries cost, without a fixed part for each consumer. */
  get bytes(): number {
    let bytes = 0;
    for (const held of this.byConsumer.values()) bytes += held.bytes;
    return bytes;
  }

  /** Deliveries held by one consumer. */
  heldCount(consumerId: number): number {
    return this.byConsumer.get(consumerId)?.count ?? 0;
  }

  /** Hands `offset`, which nobody holds, to a consumer. */
  insert(offset: number, consumerId: number): void {
    assert(this.total < IN_FLIGHT_MAX, `A queue cannot have more than ${IN_FLIGHT_MAX} deliveries in flight`);
    let held = this.find(consumerId);
    if (held === undefined) {
      held = new HeldOffsets();
      if (this.byConsumer === NO_CONSUMERS) this.byConsumer = new Map();
      this.byConsumer.set(consumerId, held);
      this.lastHeld = held;
    }
    held.add(offset);
    this.total++;
  }

  /** Takes `offset` from the consumer; false when that consumer does not hold it. */
  remove(offset: number, consumerId: number): boolean {
    if (!this.find(consumerId)?.remove(offset)) return false;
    this.total--;
    return true;
  }

  /** Visits what a consumer holds, ascending; nothing may be taken or added meanwhile. */
  forEachHeld(consumerId: number, visit: (offset: number) => void): void {
    this.byConsumer.get(consumerId)?.visitAll(visit);
  }

  /** Takes everything from a consumer, tells `visit`, ascending, and forgets the consumer. Returns how many there were. */
  release(consumerId: number, visit: (offset: number) => void): number {
    const held = this.byConsumer.get(consumerId);
    if (held === undefined) return 0;
    const { count } = held;
    this.byConsumer.delete(consumerId);
    if (this.lastConsumerId === consumerId) this.lastHeld = undefined;
    this.total -= count;
    held.visitAll(visit);
    held.clear();
    return count;
  }

  /** The held offsets from `from` up to but without `to`, ascending. */
  heldBetween(from: number, to: number): Float64Array {
    const found: number[] = [];
    for (const held of this.byConsumer.values()) held.visitBetween(from, to, (offset) => found.push(offset));
    return Float64Array.from(found).sort();
  }

  /** Forgets all deliveries and consumers. */
  reset(): void {
    for (const held of this.byConsumer.values()) held.clear();
    this.byConsumer.clear();
    this.lastConsumerId = -1;
    this.lastHeld = undefined;
    this.total = 0;
  }

  private find(consumerId: number): HeldOffsets | undefined {
    if (this.lastConsumerId !== consumerId) {
      this.lastConsumerId = consumerId;
      this.lastHeld = this.byConsumer.get(consumerId);
    }
    return this.lastHeld;
  }
}

import { BugError } from './assert.js';
import { COLLECTION_INITIAL_SLOTS } from './limits.js';

/** A growing ring of items: both ends are O(1), and nothing is moved when the front leaves. */
export class Deque<T> {
  private slots: (T | undefined)[] = new Array(COLLECTION_INITIAL_SLOTS);
  private head = 0;
  private count = 0;

  /** Number of items. */
  get length(): number {
    return this.count;
  }

  /** Adds an item at the end. */
  pushBack(item: T): void {
    if (this.count === this.slots.length) this.resize(this.count * 2);
    this.slots[(this.head + this.count) & (this.slots.length - 1)] = item;
    this.count++;
  }

  /** Adds an item at the front. */
  pushFront(item: T): void {
    if (this.count === this.slots.length) this.resize(this.count * 2);
    this.head = (this.head - 1) & (this.slots.length - 1);
    this.slots[this.head] = item;
    this.count++;
  }

  /** Removes and returns the first item, or undefined when there is none. */
  popFront(): T | undefined {
    if (this.count === 0) return undefined;
    const item = this.slots[this.head];
    this.slots[this.head] = undefined;
    this.head = (this.head + 1) & (this.slots.length - 1);
    this.count--;
    return item;
  }

  /** Removes and returns the last item, or undefined when there is none. */
  popBack(): T | undefined {
    if (this.count === 0) return undefined;
    this.count--;
    const at = (this.head + this.count) & (this.slots.length - 1);
    const item = this.slots[at];
    this.slots[at] = undefined;
    return item;
  }

  /** The first item, which stays, or undefined when there is none. */
  peekFront(): T | undefined {
    return this.count === 0 ? undefined : this.slots[this.head];
  }

  /** The last item, which stays, or undefined when there is none. */
  peekBack(): T | undefined {
    return this.count === 0 ? undefined : this.slots[(this.head + this.count - 1) & (this.slots.length - 1)];
  }

  /** The item at `index` from the front. @throws BugError outside 0 to length-1. */
  at(index: number): T {
    this.checkIndex(index);
    // Slots within the count hold items.
    return this.slots[(this.head + index) & (this.slots.length - 1)] as T;
  }

  /** Replaces the item at `index` from the front. @throws BugError outside 0 to length-1. */
  set(index: number, item: T): void {
    this.checkIndex(index);
    this.slots[(this.head + index) & (this.slots.length - 1)] = item;
  }

  /** Removes everything and gives grown memory back. */
  clear(): void {
    this.slots = new Array(COLLECTION_INITIAL_SLOTS);
    this.head = 0;
    this.count = 0;
  }

  /** The items from front to back; the deque must not change meanwhile. */
  *[Symbol.iterator](): IterableIterator<T> {
    for (let index = 0; index < this.count; index++) yield this.at(index);
  }

  private checkIndex(index: number): void {
    // Not `assert`: its message would be made on every call.
    if (index >= 0 && index < this.count) return;
    throw new BugError(`Deque index ${index} is outside 0 to ${this.count - 1}`);
  }

  private resize(slotCount: number): void {
    const slots: (T | undefined)[] = new Array(slotCount);
    for (let index = 0; index < this.count; index++) slots[index] = this.at(index);
    this.slots = slots;
    this.head = 0;
  }
}

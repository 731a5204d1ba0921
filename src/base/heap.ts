/**
 * A binary min-heap. `isBefore(a, b)` says that `a` must leave before `b`; items that are equal leave in no particular order.
 */
export class MinHeap<T> {
  private readonly items: T[] = [];
  private readonly isBefore: (a: T, b: T) => boolean;

  constructor(isBefore: (a: T, b: T) => boolean) {
    this.isBefore = isBefore;
  }

  /** Number of items. */
  get size(): number {
    return this.items.length;
  }

  /** The first item, which stays, or undefined when there is none. */
  peek(): T | undefined {
    return this.items[0];
  }

  /** Adds an item in O(log n). */
  push(item: T): void {
    const { items } = this;
    let at = items.length;
    items.push(item);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      // Indexes below the length hold items; so in sink.
      const above = items[parent] as T;
      if (!this.isBefore(item, above)) break;
      items[at] = above;
      at = parent;
    }
    items[at] = item;
  }

  /** Removes and returns the first item in O(log n), or undefined when there is none. */
  pop(): T | undefined {
    const { items } = this;
    const first = items[0];
    const last = items.pop();
    // `last` is undefined only for an empty heap or where T itself allows it; the length tells them apart.
    if (items.length > 0) this.sink(last as T);
    return first;
  }

  /** Puts `item` where the root was, moving smaller items up. */
  private sink(item: T): void {
    const { items } = this;
    const half = items.length >> 1;
    let at = 0;
    while (at < half) {
      let child = 2 * at + 1;
      const right = child + 1;
      if (right < items.length && this.isBefore(items[right] as T, items[child] as T)) child = right;
      const below = items[child] as T;
      if (!this.isBefore(below, item)) break;
      items[at] = below;
      at = child;
    }
    items[at] = item;
  }

  /** Removes everything. */
  clear(): void {
    this.items.length = 0;
  }
}

/** A min-heap of plain numbers, such as offsets that come back out of order. */
export class NumberHeap extends MinHeap<number> {
  constructor() {
    super((a, b) => a < b);
  }
}

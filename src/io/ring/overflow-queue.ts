import { Deque } from '../../base/deque.js';
import { OVERFLOW_MAX_BYTES, OVERFLOW_MAX_ITEMS } from './limits.js';

/** How an overflow queue sends, and what it may hold. */
export interface OverflowOptions<Item> {
  /** Sends one item, or returns false while there is no credit. */
  trySend(item: Item): boolean;
  /** Memory that an item holds while it waits, in bytes. */
  sizeOf(item: Item): number;
  /** Most items that may wait. */
  readonly maxItems?: number;
  /** Most bytes that may wait. */
  readonly maxBytes?: number;
}

/**
 * `sent`: on its way. `queued`: it waits, and its source is to pause after this. `full`: it was not taken; the source keeps it, pauses at
 * once and sends it again when told that it may.
 */
export type OverflowOutcome = 'sent' | 'queued' | 'full';

/**
 * What waits for credit at one peer, in order. It is bounded: full rings make it fill, a filling queue makes sources pause, and paused
 * sources push back to their sockets.
 *
 * Requests and replies have queues of their own: a reply that waited behind a request could make two shards wait for each other.
 */
export class OverflowQueue<Item> {
  private readonly options: OverflowOptions<Item>;
  private readonly maxItems: number;
  private readonly maxBytes: number;
  private readonly items = new Deque<Item>();
  private readonly pausedSources = new Set<() => void>();
  private bytes = 0;

  constructor(options: OverflowOptions<Item>) {
    this.options = options;
    this.maxItems = options.maxItems ?? OVERFLOW_MAX_ITEMS;
    this.maxBytes = options.maxBytes ?? OVERFLOW_MAX_BYTES;
  }

  /** Sends an item behind those that wait already. One item is taken whatever its size, so that none is too large for ever. */
  send(item: Item): OverflowOutcome {
    if (this.items.length === 0 && this.options.trySend(item)) return 'sent';
    const size = this.options.sizeOf(item);
    if (this.items.length > 0 && (this.items.length >= this.maxItems || this.bytes + size > this.maxBytes))
      return 'full';
    this.items.pushBack(item);
    this.bytes += size;
    return 'queued';
  }

  /** Calls `resume` once, when nothing waits any more. A source that has asked already is not noted twice. */
  whenWritable(resume: () => void): void {
    this.pausedSources.add(resume);
  }

  /** Forgets a source, because it has gone. */
  forget(resume: () => void): void {
    this.pausedSources.delete(resume);
  }

  /** Sends what the credit allows, then resumes sources until something waits again. To be called when the channel is writable. */
  flush(): void {
    while (this.items.length > 0) {
      const item = this.items.peekFront() as Item; // There is one: the deque is not empty.
      if (!this.options.trySend(item)) return;
      this.items.popFront();
      this.bytes -= this.options.sizeOf(item);
    }
    // Only those who wait now: one that pauses again at once comes back at the end, and must not keep this loop going.
    let remaining = this.pausedSources.size;
    for (const resume of this.pausedSources) {
      if (remaining-- === 0 || this.items.length > 0) return;
      this.pausedSources.delete(resume);
      resume();
    }
  }

  /** Items that wait. */
  get waitingItems(): number {
    return this.items.length;
  }

  /** Bytes that wait. */
  get waitingBytes(): number {
    return this.bytes;
  }

  /** Sources that are paused because of this queue. */
  get pausedCount(): number {
    return this.pausedSources.size;
  }
}

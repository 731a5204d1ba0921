import { Deque } from '../base/deque.js';
import type { ClientError } from './errors.js';

interface Taker<T> {
  readonly resolve: (result: IteratorResult<T, undefined>) => void;
  readonly reject: (error: ClientError) => void;
}

/**
 * What lies between a connection that pushes and a program that iterates: items wait here for the program, or the program for items. Whoever
 * pushes keeps the number of items bounded, by credit.
 */
export class PendingItems<T> implements AsyncIterableIterator<T, undefined> {
  private readonly items = new Deque<T>();
  private readonly takers = new Deque<Taker<T>>();
  private readonly taken: (item: T) => void;
  private readonly returned: () => Promise<void>;
  private isOver = false;
  private error: ClientError | undefined;

  /** `taken` runs when the program takes an item; `returned` when it breaks out of its loop. */
  constructor(taken: (item: T) => void, returned: () => Promise<void>) {
    this.taken = taken;
    this.returned = returned;
  }

  /** Items that wait for the program. */
  get length(): number {
    return this.items.length;
  }

  /** Adds an item. */
  push(item: T): void {
    if (this.isOver) return;
    const taker = this.takers.popFront();
    if (taker === undefined) {
      this.items.pushBack(item);
      return;
    }
    this.taken(item);
    taker.resolve({ value: item, done: false });
  }

  /** Takes the oldest item away without the program's having seen it. */
  drop(): T | undefined {
    return this.items.popFront();
  }

  /** What waits, oldest first. */
  waiting(): Iterable<T> {
    return this.items;
  }

  /** Forgets what waits. */
  clear(): void {
    this.items.clear();
  }

  /** Ends the iteration once what waits is taken: with an error, or in good order. */
  end(error?: ClientError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.error = error;
    for (let taker = this.takers.popFront(); taker !== undefined; taker = this.takers.popFront()) {
      if (error === undefined) taker.resolve({ value: undefined, done: true });
      else taker.reject(error);
    }
  }

  /** The oldest item, or undefined when none waits: for those who take many at a time. */
  take(): T | undefined {
    const item = this.items.popFront();
    if (item !== undefined) this.taken(item);
    return item;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    const item = this.take();
    if (item !== undefined) return Promise.resolve({ value: item, done: false });
    if (this.isOver && this.error !== undefined) return Promise.reject(this.error);
    if (this.isOver) return Promise.resolve({ value: undefined, done: true });
    return new Promise((resolve, reject) => this.takers.pushBack({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    await this.returned();
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

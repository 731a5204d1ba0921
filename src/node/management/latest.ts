import { COLLECTION_SHARE, FRESH_COLLECTION_MS } from './limits.js';

/**
 * Something that all shards are asked for. Whoever asks gets what was collected after he asked, together with all who asked meanwhile; only where
 * collecting takes long, and so costs the shards much, he gets what was collected a moment before.
 */
export class Latest<Value> {
  private readonly collect: () => Promise<Value>;
  private readonly nowMs: () => number;
  private running: Promise<Value> | undefined;
  private next: Promise<Value> | undefined;
  private last: { readonly value: Value; readonly untilMs: number } | undefined;

  constructor(collect: () => Promise<Value>, nowMs: () => number) {
    this.collect = collect;
    this.nowMs = nowMs;
  }

  get(): Promise<Value> {
    if (this.last !== undefined && this.nowMs() < this.last.untilMs) return Promise.resolve(this.last.value);
    if (this.running === undefined) return this.start();
    this.next ??= this.running.then(
      () => this.startNext(),
      () => this.startNext(),
    );
    return this.next;
  }

  private startNext(): Promise<Value> {
    this.next = undefined;
    return this.start();
  }

  private start(): Promise<Value> {
    const startedMs = this.nowMs();
    const collection = this.collect().then((value) => {
      const tookMs = this.nowMs() - startedMs;
      const keepMs = tookMs > FRESH_COLLECTION_MS ? tookMs * COLLECTION_SHARE : 0;
      this.last = keepMs === 0 ? undefined : { value, untilMs: this.nowMs() + keepMs };
      return value;
    });
    this.running = collection;
    const forget = (): void => {
      if (this.running === collection) this.running = undefined;
    };
    collection.then(forget, forget);
    return collection;
  }
}

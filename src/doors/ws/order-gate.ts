import { Deque } from '../../base/deque.js';

/**
 * Keeps a session's order around its own pending changes: what names something that is being changed waits until the change is answered.
 * Keys are names of topics and queues, and numbers of subscriptions.
 */
export class OrderGate {
  private readonly lanes = new Map<string, Lane>();
  /** What must see all changes, such as a listing. */
  private readonly afterAll = new Deque<() => void>();

  /** Whether something that concerns `key` must wait. */
  isBusy(key: string): boolean {
    return this.lanes.has(key);
  }

  /** Whether any change is pending. */
  get isAnyBusy(): boolean {
    return this.lanes.size > 0;
  }

  /** Runs `step` when everything before it that concerns `key` is done. Only while the key is busy. */
  wait(key: string, step: () => void): void {
    this.lanes.get(key)?.steps.pushBack(step);
  }

  /**
   * Runs `step` when everything before it that concerns any of `keys` is done, or with `afterAll` when nothing at all is pending. Meanwhile and
   * while it runs, what comes later for the same keys waits.
   */
  enter(keys: readonly string[], afterAll: boolean, step: () => void): void {
    if (afterAll) {
      this.afterAll.pushBack(step);
      return;
    }
    const ends: (() => void)[] = [];
    let missing = keys.length;
    const arrive = (key: string): void => {
      ends.push(this.begin(key));
      if (--missing > 0) return;
      step();
      for (const end of ends) end();
    };
    // Lanes are joined at once and in the order of arrival, so no two commands can wait for each other.
    for (const key of keys) {
      if (this.isBusy(key)) this.wait(key, () => arrive(key));
      else arrive(key);
    }
  }

  /** Makes `key` busy. The function that it returns ends that, once. */
  begin(key: string): () => void {
    const lane = this.lanes.get(key) ?? { pending: 0, draining: false, steps: new Deque<() => void>() };
    this.lanes.set(key, lane);
    lane.pending++;
    let ended = false;
    return () => {
      if (ended) return;
      ended = true;
      lane.pending--;
      this.drain(key, lane);
    };
  }

  /** Forgets all that waits. */
  clear(): void {
    this.lanes.clear();
    while (this.afterAll.popFront());
  }

  private drain(key: string, lane: Lane): void {
    // A step may end its own change at once, which must not start a second round within this one.
    if (lane.draining || this.lanes.get(key) !== lane) return;
    lane.draining = true;
    while (lane.pending === 0 && this.lanes.get(key) === lane) {
      const step = lane.steps.popFront();
      if (step === undefined) {
        this.lanes.delete(key);
        break;
      }
      step();
    }
    lane.draining = false;
    while (this.lanes.size === 0) {
      const step = this.afterAll.popFront();
      if (step === undefined) break;
      step();
    }
  }
}

interface Lane {
  pending: number;
  draining: boolean;
  readonly steps: Deque<() => void>;
}

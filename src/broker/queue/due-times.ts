/** When something is due in any of a shard's queues: a heap of them, and one timer. */
import { MinHeap } from '../../base/heap.js';
import type { Clock, TimerHandle, Timers } from '../../io/ports.js';
import { FIRST_LOOKS_PER_MS, TIMER_MAX_MS } from './limits.js';

/** Something that waits for a time. One instance waits for one time, the earliest that was asked for. */
export interface DueTarget {
  /** Ms since 1970; Infinity = it waits for nothing. Written by DueTimes only. */
  dueAtMs: number;
  due(): void;
}

interface Entry {
  readonly atMs: number;
  readonly target: DueTarget;
}

/** See the top of this file. One per shard. */
export class DueTimes {
  private readonly clock: Clock;
  private readonly timers: Timers;
  private readonly heap = new MinHeap<Entry>((a, b) => a.atMs < b.atMs);
  private timer: TimerHandle | undefined;
  private armedForMs = Number.POSITIVE_INFINITY;
  private nextTurnMs = 0;
  private isStopped = false;

  constructor(clock: Clock, timers: Timers) {
    this.clock = clock;
    this.timers = timers;
  }

  /** Entries in the heap, those that do not count any more included. */
  get size(): number {
    return this.heap.size;
  }

  /** Calls `target.due` at this time, or at the earlier one that it waits for already. */
  at(atMs: number, target: DueTarget): void {
    if (!(atMs < target.dueAtMs)) return;
    target.dueAtMs = atMs;
    this.heap.push({ atMs, target });
    this.arm();
  }

  /** A time of its own for each of many that have the same work to do, soon and none before now: after a start, thousands of queues look at their heads. */
  turn(): number {
    this.nextTurnMs = Math.max(this.nextTurnMs + 1 / FIRST_LOOKS_PER_MS, this.clock.nowMs());
    return Math.floor(this.nextTurnMs);
  }

  /** It waits for nothing any more. */
  cancel(target: DueTarget): void {
    target.dueAtMs = Number.POSITIVE_INFINITY;
  }

  /** Ends the timer, and sets no other. */
  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
    this.timer = undefined;
    this.heap.clear();
  }

  private readonly run = (): void => {
    this.timer = undefined;
    this.armedForMs = Number.POSITIVE_INFINITY;
    const nowMs = this.clock.nowMs();
    for (let next = this.heap.peek(); next !== undefined && next.atMs <= nowMs; next = this.heap.peek()) {
      this.heap.pop();
      // It was cancelled, or is due at an earlier time that has been.
      if (next.target.dueAtMs !== next.atMs) continue;
      next.target.dueAtMs = Number.POSITIVE_INFINITY;
      next.target.due();
    }
    this.arm();
  };

  private arm(): void {
    const next = this.heap.peek();
    if (this.isStopped || next === undefined || next.atMs >= this.armedForMs) return;
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
    this.armedForMs = next.atMs;
    const delayMs = Math.min(TIMER_MAX_MS, Math.max(0, next.atMs - this.clock.nowMs()));
    this.timer = this.timers.setTimeout(this.run, delayMs);
    this.timer.unref();
  }
}

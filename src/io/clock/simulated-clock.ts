import { assert } from '../../base/assert.js';
import type { Clock, ImmediateHandle, TimerHandle, Timers } from '../ports.js';

/** A callback that waits for its virtual time; equal times run in the order in which they were asked for. */
class PendingTimer implements TimerHandle {
  readonly dueMs: number;
  readonly sequence: number;
  readonly callback: () => void;

  constructor(dueMs: number, sequence: number, callback: () => void) {
    this.dueMs = dueMs;
    this.sequence = sequence;
    this.callback = callback;
  }

  unref(): void {}
}

/** A callback that runs before virtual time moves on. */
class PendingImmediate implements ImmediateHandle {
  readonly callback: () => void;
  isCleared = false;

  constructor(callback: () => void) {
    this.callback = callback;
  }

  unref(): void {}
}

/**
 * Virtual time: it stands still until a test moves it, and callbacks run in order of their times within the call that
 * moves it. The same calls give the same run.
 */
export class SimulatedClock implements Clock, Timers {
  private elapsedMs = 0;
  private wallOffsetMs: number;
  private sequence = 0;
  /** Latest first, so that the next to run is popped from the end. */
  private readonly timers: PendingTimer[] = [];
  private immediates = new Set<PendingImmediate>();

  /** `startMs` is the wall clock's first reading. */
  constructor(startMs = 1_700_000_000_000) {
    this.wallOffsetMs = startMs;
  }

  nowMs(): number {
    return Math.floor(this.wallOffsetMs + this.elapsedMs);
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  /** Moves the wall clock alone, as an administrator or NTP does; negative goes back. */
  jumpWall(byMs: number): void {
    this.wallOffsetMs += byMs;
  }

  setTimeout(callback: () => void, delayMs: number): TimerHandle {
    // Node treats less than a millisecond, and what is no number, as one millisecond.
    const delay = Math.max(1, delayMs || 1);
    const timer = new PendingTimer(this.elapsedMs + delay, this.sequence++, callback);
    this.timers.splice(this.indexOfFirstNotAfter(timer), 0, timer);
    return timer;
  }

  clearTimeout(handle: TimerHandle): void {
    const index = handle instanceof PendingTimer ? this.timers.indexOf(handle) : -1;
    if (index >= 0) this.timers.splice(index, 1);
  }

  setImmediate(callback: () => void): ImmediateHandle {
    const immediate = new PendingImmediate(callback);
    this.immediates.add(immediate);
    return immediate;
  }

  clearImmediate(handle: ImmediateHandle): void {
    if (!(handle instanceof PendingImmediate)) return;
    // The mark is for one of the round that is running, which the set no longer holds.
    handle.isCleared = true;
    this.immediates.delete(handle);
  }

  /** When the next timeout is due, on the monotonic clock; `undefined` when none waits. */
  nextTimerMs(): number | undefined {
    return this.timers.at(-1)?.dueMs;
  }

  /** How many timeouts and immediates wait. */
  pendingCount(): number {
    return this.timers.length + this.immediates.size;
  }

  /** Runs the immediates that wait now; those that they ask for wait for the next call. */
  runImmediates(): void {
    const running = this.immediates;
    this.immediates = new Set();
    for (const immediate of running) if (!immediate.isCleared) immediate.callback();
  }

  /** Moves time by `byMs`, running everything that falls due on the way. Promises settle only after it returns. */
  advance(byMs: number): void {
    assert(byMs >= 0, `Cannot advance the clock by ${byMs} ms`);
    const endMs = this.elapsedMs + byMs;
    this.drainImmediates();
    while (this.runNextTimer(endMs)) this.drainImmediates();
    this.elapsedMs = endMs;
  }

  /** As `advance`, letting promises settle before every step, so that asynchronous code meets each timer in its turn. */
  async advanceAsync(byMs: number): Promise<void> {
    assert(byMs >= 0, `Cannot advance the clock by ${byMs} ms`);
    const endMs = this.elapsedMs + byMs;
    await this.settle();
    while (this.runNextTimer(endMs)) await this.settle();
    this.elapsedMs = endMs;
  }

  /** Lets promises settle and immediates run until no immediate waits. Time stands still. */
  async settle(): Promise<void> {
    do {
      this.runImmediates();
      // A real immediate runs after all promise callbacks that are due, however long their chain.
      await new Promise<void>((resolve) => setImmediate(resolve));
    } while (this.immediates.size > 0);
  }

  private drainImmediates(): void {
    while (this.immediates.size > 0) this.runImmediates();
  }

  private runNextTimer(endMs: number): boolean {
    const next = this.timers.at(-1);
    if (next === undefined || next.dueMs > endMs) return false;
    this.timers.pop();
    this.elapsedMs = next.dueMs;
    next.callback();
    return true;
  }

  /** Where a timer goes: before those that are due no later, as those asked for it before run first. */
  private indexOfFirstNotAfter(timer: PendingTimer): number {
    let low = 0;
    let high = this.timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      // The index lies within the array.
      if (this.timers[middle]!.dueMs > timer.dueMs) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

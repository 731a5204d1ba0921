/**
 * Whether a shard waits for a small sync itself, or has a thread of the pool wait for it.
 *
 * The way to another thread and back costs more than a quick disk takes: two wakes, an event, and a turn that begins later. But a shard that waits serves
 * nobody meanwhile. So it waits where syncs take some tenths of a millisecond, and stops doing so for a while when one of them has taken long.
 */
import { HOLD_OFF_MAX_MS, HOLD_OFF_MIN_MS, SYNC_MEMORY, SYNC_STALL_MS } from './limits.js';

/** See the top of this file. Times in ms. */
export class SyncPace {
  private readonly quickMs: number;
  /** Of the last syncs, weighted towards the latest. Slow until shown otherwise. */
  private typicalMs = SYNC_STALL_MS;
  private holdUntilMs = Number.NEGATIVE_INFINITY;
  private holdOffMs = HOLD_OFF_MIN_MS;

  /** `quickMs`: what a sync may take, typically, for a shard to wait for it; 0 = never. */
  constructor(quickMs: number) {
    this.quickMs = quickMs;
  }

  /** Whether to wait for the next one. */
  isQuick(nowMs: number): boolean {
    return this.typicalMs < this.quickMs && nowMs >= this.holdUntilMs;
  }

  /** A sync that somebody else waited for has taken so long, the way there and back included. */
  observe(durationMs: number): void {
    this.typicalMs += (Math.min(durationMs, SYNC_STALL_MS) - this.typicalMs) / SYNC_MEMORY;
  }

  /** A sync that the shard has waited for has taken so long, and is over. */
  waited(durationMs: number, nowMs: number): void {
    this.observe(durationMs);
    if (durationMs < SYNC_STALL_MS) return;
    // Stalls that come soon after each other are the disk's manner: the longer is the time without.
    const isRepeated = nowMs - this.holdUntilMs < HOLD_OFF_MAX_MS;
    this.holdOffMs = isRepeated ? Math.min(this.holdOffMs * 2, HOLD_OFF_MAX_MS) : HOLD_OFF_MIN_MS;
    this.holdUntilMs = nowMs + this.holdOffMs;
  }
}

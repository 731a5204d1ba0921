import type { LogBoundsTable } from './log-views.js';

/**
 * Who on this shard waits for logs to advance: long polls and followers. Interest is registered in shared memory only while somebody waits, so
 * that owners do not wake shards for nothing.
 */
export class SlotWatch {
  private readonly table: LogBoundsTable;
  private readonly watchers = new Map<number, Set<() => void>>();

  constructor(table: LogBoundsTable) {
    this.table = table;
  }

  /** Calls `advanced` after each advance of any of the slots, until the returned function is called. Negative slots are ignored. */
  add(slots: readonly number[], advanced: () => void): () => void {
    for (const slot of slots) if (slot >= 0) this.watchersOf(slot).add(advanced);
    return () => {
      for (const slot of slots) if (slot >= 0) this.remove(slot, advanced);
    };
  }

  /** The owner has moved the log's end (or its start). */
  advanced(slot: number): void {
    const watchers = this.watchers.get(slot);
    if (watchers === undefined) return;
    // A copy, because a watcher that is satisfied removes itself.
    for (const watcher of [...watchers]) watcher();
  }

  private watchersOf(slot: number): Set<() => void> {
    let watchers = this.watchers.get(slot);
    if (watchers === undefined) {
      watchers = new Set();
      this.watchers.set(slot, watchers);
      this.table.setInterest(slot, true);
    }
    return watchers;
  }

  private remove(slot: number, advanced: () => void): void {
    const watchers = this.watchers.get(slot);
    if (watchers === undefined) return;
    watchers.delete(advanced);
    if (watchers.size > 0) return;
    this.watchers.delete(slot);
    this.table.setInterest(slot, false);
  }
}

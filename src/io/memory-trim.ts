/**
 * Gives freed memory back to the system. glibc keeps what was freed in the arena of the thread that had it, for ever when something small lies
 * above it: after millions of deliveries in flight a node kept 120 MiB of which nobody used anything, until `malloc_trim`.
 */
import { createRequire } from 'node:module';
import type { TimerHandle, Timers } from './ports.js';

/** How often the allocator is asked, in milliseconds. */
const INTERVAL_MS = 5_000;
/** Freed bytes below which it is left alone: returning memory and taking it anew costs page faults. */
const WORTH_BYTES = 32 * 1024 * 1024;

/** The allocator's own calls. */
export interface Allocator {
  /** Bytes that were freed and are kept for the next allocation, in all arenas. */
  freedBytes(): number;
  /** Returns whole pages of them to the system; on a thread of the pool, since it locks one arena after the other. */
  trim(done: () => void): void;
}

/** glibc's allocator, from 2.33 on; undefined on other platforms. */
export function glibcAllocator(): Allocator | undefined {
  try {
    // Required, not imported: a platform without a prebuilt binary must be able to start without it.
    const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
    const library = koffi.load(null);
    const words = [
      'arena',
      'ordblks',
      'smblks',
      'hblks',
      'hblkhd',
      'usmblks',
      'fsmblks',
      'uordblks',
      'fordblks',
      'keepcost',
    ];
    const info = koffi.struct(Object.fromEntries(words.map((word) => [word, 'size_t'])));
    const mallinfo2 = library.func('mallinfo2', info, []);
    const mallocTrim = library.func('int malloc_trim(size_t pad)');
    return {
      freedBytes: () => Number((mallinfo2() as { readonly fordblks: number | bigint }).fordblks),
      trim: (done) => mallocTrim.async(0, () => done()),
    };
  } catch {
    // Another C library, or no way to call it: such a node keeps what it has taken.
    return undefined;
  }
}

/** Asks the allocator now and then until it is stopped. */
export class MemoryTrimmer {
  private readonly allocator: Allocator | undefined;
  private readonly timers: Timers;
  private timer: TimerHandle | undefined;
  private isStopped = false;

  constructor(allocator: Allocator | undefined, timers: Timers) {
    this.allocator = allocator;
    this.timers = timers;
  }

  start(): void {
    const { allocator } = this;
    if (allocator === undefined || this.isStopped) return;
    this.timer = this.timers.setTimeout(() => {
      if (allocator.freedBytes() < WORTH_BYTES) this.start();
      else allocator.trim(() => this.start());
    }, INTERVAL_MS);
    this.timer.unref();
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
  }
}

import type { Timers } from '../ports.js';

/** The asynchronous operations of a disk. */
export type AsyncDiskOperation = 'read' | 'sync' | 'sync-directory';

/** Decides when an asynchronous operation of the simulated disk takes effect: calls `complete` then, once. */
export type CompletionScheduler = (complete: () => void, operation: AsyncDiskOperation, path: string) => void;

/** Everything completes as soon as the running code returns to the event loop, in the order of the calls. */
export const completeSoon: CompletionScheduler = (complete) => queueMicrotask(complete);

/** Everything completes after a time, such as a simulated clock's, that `delayMs` draws anew for each operation. */
export function completeAfter(timers: Timers, delayMs: (operation: AsyncDiskOperation) => number): CompletionScheduler {
  return (complete, operation) => {
    timers.setTimeout(complete, delayMs(operation));
  };
}

/** Holds the operations named until a test lets them go; the others complete soon. */
export class HeldCompletions {
  private readonly operations: ReadonlySet<AsyncDiskOperation>;
  private readonly held: { readonly complete: () => void; readonly path: string }[] = [];

  constructor(operations: readonly AsyncDiskOperation[] = ['sync']) {
    this.operations = new Set(operations);
  }

  /** To be given to the disk. */
  readonly schedule: CompletionScheduler = (complete, operation, path) => {
    if (this.operations.has(operation)) this.held.push({ complete, path });
    else completeSoon(complete, operation, path);
  };

  /** The paths of the operations that are held, in the order of the calls. */
  paths(): string[] {
    return this.held.map(({ path }) => path);
  }

  /** Lets the operation at `index` go, the oldest unless told otherwise; false when there is none. */
  releaseNext(index = 0): boolean {
    const [released] = this.held.splice(index, 1);
    released?.complete();
    return released !== undefined;
  }

  /** Lets all operations go that are held now. */
  releaseAll(): void {
    for (const { complete } of this.held.splice(0)) complete();
  }
}

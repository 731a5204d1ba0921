import type { DiskOperation } from './disk-error.js';

/** The operating system's errors that can be injected. */
export type InjectedErrno = 'EIO' | 'ENOSPC' | 'EMFILE' | 'EACCES' | 'EROFS';

/**
 * What happens instead of the operation: it fails, or (writes only) it takes no more than `shortBytes` bytes and reports
 * that without an error.
 */
export type FaultEffect = { readonly errno: InjectedErrno } | { readonly shortBytes: number };

/** One fault. `writev` counts as `write`; asynchronous operations count as their synchronous twins. */
export interface Fault {
  readonly operation: DiskOperation;
  /** Which paths it concerns; all when left out. */
  readonly path?: RegExp;
  /** At which matching operation from now on it strikes first, from 1. Default 1. */
  readonly nth?: number;
  /** How many matching operations in a row it strikes. Default 1; `Infinity` for ever. */
  readonly times?: number;
  readonly effect: FaultEffect;
}

/** The faults that are still to strike. */
export class FaultPlan {
  private faults: { readonly fault: Fault; seen: number }[] = [];

  add(fault: Fault): void {
    this.faults.push({ fault, seen: 0 });
  }

  clear(): void {
    this.faults = [];
  }

  /** Counts an operation; returns what is to happen to it. When several faults strike at once, the first added does. */
  strike(operation: DiskOperation, path: string): FaultEffect | undefined {
    let effect: FaultEffect | undefined;
    for (const planned of this.faults) {
      const { fault } = planned;
      if (fault.operation !== operation || fault.path?.test(path) === false) continue;
      planned.seen++;
      const first = fault.nth ?? 1;
      const isDue = planned.seen >= first && planned.seen < first + (fault.times ?? 1);
      if (isDue) effect ??= fault.effect;
    }
    return effect;
  }
}

/** An error that looks like one of `node:fs`. */
export function errnoError(errno: string): Error {
  return Object.assign(new Error(`${errno} (simulated)`), { code: errno });
}

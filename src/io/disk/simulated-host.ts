import type { DiskOperation } from './disk-error.js';
import type { AsyncDiskOperation } from './simulated-completions.js';
import type { FaultEffect } from './simulated-faults.js';
import type { FileNode } from './simulated-tree.js';

/** Counts of operations that reached the simulated device, those that failed included. */
export interface SimulatedDiskStatistics {
  opens: number;
  reads: number;
  readBytes: number;
  writes: number;
  writtenBytes: number;
  syncs: number;
  directorySyncs: number;
}

/** What an open file needs of its disk. */
export interface SimulatedHost {
  /** Rises with every crash and kill; a file of an older generation is dead. */
  readonly generation: number;
  readonly statistics: SimulatedDiskStatistics;
  /** Tells the test that an operation is about to begin; throws what the test throws. */
  announce(operation: DiskOperation, path: string): void;
  /** Counts an operation and says what fault strikes it. */
  strike(operation: DiskOperation, path: string): FaultEffect | undefined;
  /** Lets the scheduler decide when an asynchronous operation takes effect; never, if the process dies before. */
  complete(operation: AsyncDiskOperation, path: string, effect: () => void): void;
  /** One of the node's handles is gone. */
  closed(node: FileNode): void;
}

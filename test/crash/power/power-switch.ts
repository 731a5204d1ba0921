import type { Prng } from '../../../src/base/prng.js';
import { DiskError } from '../../../src/io/disk/disk-error.js';
import type { SimulatedDisk } from '../../../src/io/disk/simulated-disk.js';

/** How a life ends without warning: the machine loses power, or the process is killed and the page cache stays. */
export type SuddenEnd = 'power' | 'kill';

/**
 * The switch between a simulated node and its disk. After a sudden end every operation of the dead process fails, so that what is left of its
 * code changes nothing; `on` is for the next start.
 */
export class PowerSwitch {
  private readonly disk: SimulatedDisk;
  private readonly prng: Prng;
  private operationsLeft = Number.POSITIVE_INFINITY;
  private end: SuddenEnd = 'power';
  private isDead = false;

  constructor(disk: SimulatedDisk, prng: Prng) {
    this.disk = disk;
    this.prng = prng;
    disk.beforeOperation = (operation, path) => {
      if (!this.isDead && --this.operationsLeft <= 0) this.cut(this.end);
      if (this.isDead) throw new DiskError('io', operation, path, 'the power is off');
    };
  }

  /** Whether the process is dead. */
  get isOff(): boolean {
    return this.isDead;
  }

  /** Ends the process before the disk operation with this number from now on. */
  arm(end: SuddenEnd, operations: number): void {
    this.end = end;
    this.operationsLeft = operations;
  }

  /** Ends the process now. */
  cut(end: SuddenEnd): void {
    if (this.isDead) return;
    this.isDead = true;
    this.end = end;
    if (end === 'power') this.disk.crash(this.prng);
    else this.disk.killProcess();
  }

  /** How the process ended. */
  get lastEnd(): SuddenEnd {
    return this.end;
  }

  /** Lets the next process use the disk. */
  on(): void {
    this.isDead = false;
    this.operationsLeft = Number.POSITIVE_INFINITY;
  }
}

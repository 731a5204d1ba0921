/** A machine with one simulated disk: its node lives and dies, time goes on, and the disk finishes what it was asked when it pleases. */
import type { Prng } from '../../../src/base/prng.js';
import { DiskError } from '../../../src/io/disk/disk-error.js';
import { SimulatedDisk } from '../../../src/io/disk/simulated-disk.js';
import type { Disk } from '../../../src/io/ports.js';
import { MetadataLogError } from '../../../src/node/metadata-log.js';
import { StorageError } from '../../../src/storage/errors.js';
import type { StorageLimits } from '../../../src/storage/limits.js';
import { PowerSwitch, type SuddenEnd } from './power-switch.js';
import { DiedError, SimulatedNode } from './simulated-node.js';
import type { Sabotage } from './simulated-shard.js';

const KIB = 1024;
/** More than any run writes. */
export const PLENTY_BYTES = 2 ** 40;
const NOTES_KEPT = 120;

/** How a life ends. */
export type End = SuddenEnd | 'close';

/** What lives have met, for the report. */
export interface LifeCounts {
  lives: number;
  powerCuts: number;
  kills: number;
  closes: number;
  deathsInRecovery: number;
}

/** What a machine is made with. */
export interface MachineOptions {
  readonly prng: Prng;
  readonly counts: LifeCounts;
  /** The disk as nodes see it. */
  readonly disk?: (disk: SimulatedDisk) => Disk;
  readonly sabotage?: Sabotage | undefined;
  /** Changes the limits that were drawn. */
  readonly limits?: Partial<StorageLimits>;
  /** Number of shards of the next start; 1 unless told. */
  readonly shards?: () => number;
}

/** See the top of this file. */
export class Machine {
  readonly simulated: SimulatedDisk;
  readonly power: PowerSwitch;
  /** What was done last, the oldest first. */
  readonly notes: string[] = [];
  /** What is asked of the disk and takes its time waits until it is let go. */
  isHolding = false;
  node!: SimulatedNode;
  private readonly options: MachineOptions;
  private readonly prng: Prng;
  private readonly disk: Disk;
  private readonly limits: Partial<StorageLimits>;
  private held: (() => void)[] = [];
  private nowMs = 1_700_000_000_000;

  constructor(options: MachineOptions) {
    this.options = options;
    this.prng = options.prng;
    this.simulated = new SimulatedDisk({
      directories: ['/data'],
      scheduler: (complete) => {
        if (this.isHolding) this.held.push(complete);
        else queueMicrotask(complete);
      },
    });
    this.disk = options.disk?.(this.simulated) ?? this.simulated;
    this.power = new PowerSwitch(this.simulated, this.prng.fork());
    this.limits = { ...randomLimits(this.prng), ...options.limits };
  }

  /** Whether the process that runs now is dead, when it will be asked. */
  get isDead(): () => boolean {
    const { node } = this;
    return () => this.power.isOff || this.node !== node;
  }

  note(text: string): void {
    this.notes.push(text);
    if (this.notes.length > NOTES_KEPT) this.notes.shift();
  }

  /** Starts a node on what the disk holds. */
  async start(): Promise<void> {
    this.held = [];
    this.isHolding = false;
    this.nowMs = Math.max(this.nowMs, this.node?.clock.nowMs() ?? 0) + 1000;
    this.node = await SimulatedNode.start({
      disk: this.disk,
      limits: this.limits,
      startMs: this.nowMs,
      isDead: () => this.power.isOff,
      shards: this.options.shards?.() ?? 1,
      sabotage: this.options.sabotage,
    });
  }

  /** Lets some of what the disk holds back happen, and time pass. */
  async turn(): Promise<void> {
    const { prng, held, node } = this;
    for (let count = prng.below(4); count > 0 && held.length > 0; count--) {
      held.splice(prng.below(held.length), 1)[0]?.();
    }
    if (prng.chance(0.15)) this.releaseHeld();
    if (prng.chance(0.8)) await node.clock.settle();
    else node.clock.runImmediates();
    if (prng.chance(0.08)) await node.clock.advanceAsync(prng.between(1, 1500));
  }

  /** Finishes what the disk holds back. */
  releaseHeld(): void {
    for (const complete of this.held.splice(0)) complete();
  }

  /** From now on the disk does everything at once. */
  stopHolding(): void {
    this.isHolding = false;
    this.releaseHeld();
  }

  /** Notes that the node has died suddenly. Returns how. */
  died(): SuddenEnd {
    const { lastEnd } = this.power;
    this.note(`-- ${lastEnd}`);
    if (lastEnd === 'power') this.options.counts.powerCuts++;
    else this.options.counts.kills++;
    return lastEnd;
  }

  /** An orderly stop. */
  async close(closeDoors?: () => Promise<void>): Promise<End> {
    this.note('-- close');
    this.stopHolding();
    await this.node.close(closeDoors);
    this.power.cut('kill');
    this.options.counts.closes++;
    return 'close';
  }

  /** Starts again on a healthy disk, perhaps at the second or third try. Returns how the last life, or a try, has ended at the worst. */
  async startAgain(firstEnd: End): Promise<End> {
    let end = firstEnd;
    this.simulated.clearFaults();
    this.simulated.setCapacity(PLENTY_BYTES);
    for (let attempt = 0; ; attempt++) {
      // What the dead process has still under way runs against a disk that is off; from then on it waits for ever.
      await new Promise<void>((resolve) => setImmediate(resolve));
      this.power.on();
      if (attempt < 3 && this.prng.chance(0.25))
        this.power.arm(this.prng.pick(['power', 'kill']), this.prng.between(1, 60));
      try {
        await this.start();
        this.power.on();
        return end;
      } catch (cause) {
        if (!this.power.isOff || !isEndOf(cause)) throw cause;
        this.note(`-- ${this.power.lastEnd} during the start`);
        this.options.counts.deathsInRecovery++;
        if (end !== 'power') end = end === 'close' ? 'close' : this.power.lastEnd;
      }
    }
  }
}

/** Whether an error is how the dead process saw its end. */
function isEndOf(cause: unknown): boolean {
  return (
    cause instanceof DiedError ||
    cause instanceof DiskError ||
    cause instanceof StorageError ||
    cause instanceof MetadataLogError ||
    (cause instanceof Error && cause.cause instanceof DiskError)
  );
}

function randomLimits(prng: Prng): Partial<StorageLimits> {
  return {
    journalAreaBytes: prng.pick([32, 48, 64, 256]) * KIB,
    changeMaxBytes: 8 * KIB,
    journalCopyMaxBytes: prng.pick([1, 4, 16]) * KIB,
    smallCopyMaxBytes: prng.pick([0, 1, 16]) * KIB,
    leaseOffsets: prng.pick([8, 64, 1024]),
    directSyncSegments: prng.between(0, 4),
    openFiles: prng.pick([2, 8, 64]),
    unsyncedSegments: prng.pick([1, 4, 16]),
    parallelSyncs: prng.between(1, 4),
    idleCommitMs: prng.pick([50, 1000]),
    durableNoteMs: prng.pick([0, 100]),
    turnBufferBytes: prng.pick([1, 4, 64]) * KIB,
    quickSyncMs: prng.pick([0, 1000]),
  };
}

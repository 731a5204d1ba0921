/**
 * Watches the process's memory and the free space of the data folder's disk. While either is beyond its limit, publishers are held back and
 * consumers are not: what is consumed is what frees both.
 */
import { statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import type { TimerHandle, Timers } from '../io/ports.js';

/** How often both are looked at, in milliseconds. */
const INTERVAL_MS = 1_000;
/** Part of the machine's memory that `memoryLimit: 0` stands for, as RabbitMQ 4 has it. */
const DEFAULT_MEMORY_SHARE = 0.6;

/** What can hold publishers back. */
export type AlarmName = 'memory' | 'disk';

/** What the watch looks at. Sizes in bytes. */
export interface AlarmSources {
  residentBytes(): number;
  freeDiskBytes(): Promise<number>;
}

/** See the top of this file. */
export class AlarmWatch {
  private readonly sources: AlarmSources;
  private readonly timers: Timers;
  private memoryLimitBytes: number;
  private readonly diskFreeLimit: number;
  private readonly changed: (active: readonly AlarmName[]) => void;
  private active: readonly AlarmName[] = [];
  private timer: TimerHandle | undefined;
  private isStopped = false;

  constructor(
    sources: AlarmSources,
    timers: Timers,
    limits: { readonly memoryLimit: number; readonly diskFreeLimit: number },
    changed: (active: readonly AlarmName[]) => void,
  ) {
    this.sources = sources;
    this.timers = timers;
    this.memoryLimitBytes = memoryLimitOf(limits.memoryLimit);
    this.diskFreeLimit = limits.diskFreeLimit;
    this.changed = changed;
  }

  /** Looks now and then every second. */
  async start(): Promise<void> {
    await this.look();
    this.schedule();
  }

  stop(): void {
    this.isStopped = true;
    if (this.timer !== undefined) this.timers.clearTimeout(this.timer);
  }

  /** Resident memory above which publishers are held back. */
  get memoryLimit(): number {
    return this.memoryLimitBytes;
  }

  /** Until the next start; 0 = the default. Resolves when what follows from it is in force. */
  async setMemoryLimit(bytes: number): Promise<void> {
    this.memoryLimitBytes = memoryLimitOf(bytes);
    await this.look();
  }

  /** What holds publishers back now. */
  get alarms(): readonly AlarmName[] {
    return this.active;
  }

  private schedule(): void {
    if (this.isStopped) return;
    this.timer = this.timers.setTimeout(() => {
      void this.look().then(() => this.schedule());
    }, INTERVAL_MS);
    this.timer.unref();
  }

  private async look(): Promise<void> {
    const active: AlarmName[] = [];
    if (this.sources.residentBytes() > this.memoryLimitBytes) active.push('memory');
    if ((await this.sources.freeDiskBytes()) < this.diskFreeLimit) active.push('disk');
    if (this.isStopped || active.join() === this.active.join()) return;
    this.active = active;
    this.changed(active);
  }
}

function memoryLimitOf(setting: number): number {
  return setting === 0 ? totalmem() * DEFAULT_MEMORY_SHARE : setting;
}

/** The process's memory and a folder's disk. A folder that cannot be asked counts as having room: writing to it will tell. */
export function realAlarmSources(folder: string): AlarmSources {
  return {
    residentBytes: () => process.memoryUsage.rss(),
    freeDiskBytes: async () => {
      try {
        const { bavail, bsize } = await statfs(folder);
        return bavail * bsize;
      } catch {
        return Number.POSITIVE_INFINITY;
      }
    },
  };
}

/** What processes take of the machine, as the kernel counts it. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, setPriority } from 'node:os';

/** Length of a kernel's clock tick in /proc, in milliseconds: 100 a second on every Linux of today. */
const TICK_MS = 10;

/** Resident memory of a process in bytes; 0 when it is gone. */
export function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

/** The most that was resident since `forgetPeak`. */
export function peakBytes(pid: number): number {
  return statusBytes(pid, 'VmHWM');
}

/** Begins to count the peak anew. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // A kernel without it tells the peak since the start: larger, never smaller.
  }
}

function statusBytes(pid: number, field: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Gives every thread of a process a priority, where that is allowed: others on the machine are neither the node's fault nor its merit. */
export function prefer(pid: number, priority: number): void {
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), priority);
  } catch {
    // Only root may be preferred. The times say so by the share of others.
  }
}

/** CPU time that a process has had, in milliseconds. */
function cpuMs(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in brackets, may hold anything; user and system time are the 12th and 13th fields behind it.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
  } catch {
    return 0;
  }
}

/** Time that all cores were busy, in milliseconds. */
function busyMs(): number {
  return cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
}

/** Tells how much of the machine some processes had between two moments. */
export class CpuMeter {
  private readonly pids: ReadonlyMap<string, number>;
  private readonly before: ReadonlyMap<string, number>;
  private readonly busyBefore = busyMs();
  private readonly startedMs = performance.now();

  /** `pids`: a process by what it is to be called. */
  constructor(pids: ReadonlyMap<string, number>) {
    this.pids = pids;
    this.before = new Map([...pids].map(([name, pid]) => [name, cpuMs(pid)]));
  }

  /** The shares since the construction: in words, in percent of all cores, and that of processes that were not named, from 0 to 1. */
  shares(): { readonly words: string; readonly others: number } {
    const all = (performance.now() - this.startedMs) * cpus().length;
    const percent = (ms: number): string => `${Math.max(0, Math.round((ms / all) * 100))} %`;
    let ours = 0;
    const parts = [...this.pids].map(([name, pid]) => {
      const ms = cpuMs(pid) - (this.before.get(name) ?? 0);
      ours += ms;
      return `${name} ${percent(ms)}`;
    });
    const others = Math.max(0, busyMs() - this.busyBefore - ours);
    return { words: `${parts.join(', ')}, others ${percent(others)}`, others: others / all };
  }
}

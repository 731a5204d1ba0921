// CPU time and memory of processes as Linux counts them, a clock that all processes share, and statistics over runs.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

export { sleep };

const TICKS_PER_SECOND = 100;
/** Bytes in a mebibyte and in a gibibyte. */
export const MIB = 1024 * 1024;
export const GIB = 1024 * MIB;

/** CPU time of a process in seconds, user and system, all its threads (proc(5): fields 14 and 15 of stat). */
export function cpuSecondsOf(pid) {
  const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field may hold spaces and parentheses, so counting begins behind its last parenthesis.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** CPU time of this process in seconds. */
export function ownCpuSeconds() {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

function statusBytes(pid, field) {
  const match = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'latin1'));
  return match === null ? 0 : Number(match[1]) * 1024;
}

/** Resident memory of a process in bytes: now, and the most since it started. */
export const rssBytesOf = (pid) => statusBytes(pid, 'VmRSS');
export const peakRssBytesOf = (pid) => statusBytes(pid, 'VmHWM');

/** Milliseconds of a monotonic clock that is the same in every process of this machine. */
export function nowMs() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** The middle one of `values`. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The median of every numeric field over several results of the same shape. */
export function medians(results) {
  return Object.fromEntries(Object.keys(results[0]).map((key) => [key, median(results.map((result) => result[key]))]));
}

// Temporary folders and processes of a run, taken away however it ends: by itself, by an error, by Ctrl-C or by its own time limit.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @type {Set<import('node:child_process').ChildProcess>} */
const processes = new Set();
/** @type {Set<string>} */
const folders = new Set();
let isArmed = false;

function arm() {
  if (isArmed) return;
  isArmed = true;
  process.on('exit', sweep);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));
}

function sweep() {
  for (const child of processes) child.kill('SIGKILL');
  for (const folder of folders) rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
}

/** Where temporary data goes: DUOLOG_LOAD_DIR, else the system's folder. It should be on the disk that is to be measured. */
export const dataRoot = process.env.DUOLOG_LOAD_DIR ?? tmpdir();

/** A new folder that is removed when this process ends, or by `removeFolder`. */
export function makeFolder(name = 'run') {
  arm();
  const folder = mkdtempSync(join(dataRoot, `duolog-load-${name}-`));
  folders.add(folder);
  return folder;
}

/** Removes a folder made by `makeFolder`. */
export function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  folders.delete(folder);
}

/** Sees to it that `child` does not outlive this process. */
export function adopt(child) {
  arm();
  processes.add(child);
  child.once('exit', () => processes.delete(child));
  return child;
}

/** Ends this process with an error when it is still running after `seconds`. */
export function limitTime(seconds) {
  const timer = setTimeout(() => {
    console.error(`Stopped: not done after ${seconds} s`);
    process.exit(1);
  }, seconds * 1000);
  timer.unref();
}

import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** The project's folder. */
export const root = process.env['DUOLOG_ROOT'] ?? process.cwd();

/** A place under .cache, which no commit contains. */
export function cachePath(...parts: readonly string[]): string {
  return join(root, '.cache/conformance', ...parts);
}

/**
 * The folder of that name, filled by `fill` the first time. It is filled under another name and then renamed, so that an interrupted download is not
 * taken for a whole one.
 */
export function cachedFolder(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  let filling = fillings.get(name);
  if (filling === undefined) {
    filling = fillOnce(name, fill);
    fillings.set(name, filling);
  }
  return filling;
}

/** Several may ask for the same folder at once. */
const fillings = new Map<string, Promise<string>>();

async function fillOnce(name: string, fill: (folder: string) => Promise<void>): Promise<string> {
  const folder = cachePath(name);
  if (existsSync(folder)) return folder;
  const partial = `${folder}.part-${process.pid}`;
  mkdirSync(dirname(partial), { recursive: true });
  mkdirSync(partial);
  await fill(partial);
  renameSync(partial, folder);
  return folder;
}

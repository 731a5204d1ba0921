import { readFileSync } from 'node:fs';

/** The package's version; package.json lies two folders above the built module. */
export const VERSION: string =
  // package.json is ours and has a version.
  (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version;

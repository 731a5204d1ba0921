// Removes prebuilt binaries that this Node on this platform never loads: `node tools/trim-binaries.mjs node_modules/uWebSockets.js`.
// The package carries one for every platform and version of Node, 257 MB in all, of which an image needs one.
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The name that uWebSockets.js asks for on this platform and version of Node. */
export const ownBinary = `uws_${process.platform}_${process.arch}_${process.versions.modules}.node`;

/**
 * Removes every `uws_*.node` in `folder` but `own`. Throws, and removes nothing, when `own` is not there.
 * @param {string} folder
 * @param {string} [own]
 * @returns {number} bytes freed
 */
export function trimBinaries(folder, own = ownBinary) {
  if (!existsSync(join(folder, own))) throw new Error(`Cannot trim ${folder}: it has no ${own} to keep`);
  const others = readdirSync(folder).filter((name) => /^uws_.*\.node$/.test(name) && name !== own);
  let freed = 0;
  for (const name of others) {
    freed += statSync(join(folder, name)).size;
    rmSync(join(folder, name));
  }
  return freed;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const freed = trimBinaries(process.argv[2] ?? '');
  console.log(`kept ${ownBinary}, freed ${(freed / 1e6).toFixed(0)} MB`);
}

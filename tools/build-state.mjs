// What the build depends on, and what it left behind: decides whether there is anything to do.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';

const inputs = ['src', 'proto', 'tsconfig.json', 'package-lock.json', 'tools'];
const notInputs = /(\.test\.ts|src[\\/]proto[\\/]gen[\\/].*|tools[\\/](?!build).*)$/;

/**
 * Every file below `path`, or `path` itself when it is a file; nothing when it does not exist.
 * @param {string} path
 * @returns {string[]}
 */
export function filesBelow(path) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path, { withFileTypes: true })
    .flatMap((entry) => (entry.isDirectory() ? filesBelow(join(path, entry.name)) : [join(path, entry.name)]))
    .sort();
}

/**
 * One digest over path, size and modification time of every input of the build, and the version of Node that runs it.
 * @param {string} root
 */
export function fingerprint(root) {
  const hash = createHash('sha256');
  for (const file of inputs.flatMap((input) => filesBelow(join(root, input)))) {
    const path = relative(root, file);
    if (notInputs.test(path)) continue;
    const { size, mtimeMs } = statSync(file);
    hash.update(`${path} ${size} ${mtimeMs}\n`);
  }
  return hash.digest('hex');
}

/**
 * Files in dist/ whose source is gone: TypeScript never removes them, and an import of one would still work here alone.
 * @param {string} root
 */
export function staleOutputs(root) {
  const dist = join(root, 'dist');
  return filesBelow(dist).filter((file) => {
    const path = relative(dist, file);
    if (path.startsWith('.') || /^(browser|proto[\\/]gen)[\\/]/.test(path)) return false;
    const source = path.replace(/(\.d\.ts|\.js\.map|\.js)$/, '.ts');
    return source !== path && !existsSync(join(root, 'src', source));
  });
}

// Checks that imports point downwards (tools/imports/layout.mjs), and that the tool which checks has seen every module.
import { existsSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cruise } from 'dependency-cruiser';
import { filesBelow } from './build-state.mjs';
import { layout } from './imports/layout.mjs';
import { forbidden } from './imports/rules.mjs';

const roots = ['src', 'test', 'loadtest', 'demo'];
const isModule = /(?<!\.d)\.(ts|mjs|js)$/;
const notCruised = '^(dist|coverage|src/proto/gen|loadtest/k6|test/browser/page)/|(^|/)node_modules/';

/**
 * Modules on disk that the cruise must have seen, as paths with forward slashes.
 * @param {string} root
 */
function modulesOnDisk(root) {
  return roots
    .flatMap((folder) => filesBelow(join(root, folder)))
    .map((file) => relative(root, file).split(sep).join('/'))
    .filter((path) => isModule.test(path) && !new RegExp(notCruised).test(path));
}

/**
 * Cruises the tree at `root`. Findings are sentences, empty when all is well. A module that the tool passed over is a finding:
 * with a compiler that it cannot use (TypeScript 7), dependency-cruiser sees 0 modules and reports success.
 * @param {string} root
 * @returns {Promise<{ modules: number, findings: string[] }>}
 */
export async function checkImports(root) {
  const { output } = await cruise(
    roots.filter((folder) => existsSync(join(root, folder))),
    {
      baseDir: root,
      ruleSet: { forbidden },
      validate: true,
      tsPreCompilationDeps: true,
      doNotFollow: { path: notCruised },
    },
  );
  if (typeof output === 'string') throw new Error(`dependency-cruiser answered with text: ${output}`);
  const seen = new Set(output.modules.map((module) => module.source));
  const expected = modulesOnDisk(root);
  const findings = output.summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`);
  for (const path of expected) {
    const folder = /^src\/([^/]+)\//.exec(path)?.[1];
    if (!seen.has(path)) findings.push(`not-seen: dependency-cruiser passed over ${path}`);
    if (path.startsWith('src/') && (folder === undefined || layout[folder] === undefined))
      findings.push(`unknown-folder: ${path} lies in no folder of tools/imports/layout.mjs`);
  }
  if (expected.length === 0) findings.push(`not-seen: there is no module below ${roots.join(', ')}`);
  return { modules: expected.filter((path) => seen.has(path)).length, findings };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { modules, findings } = await checkImports(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const finding of findings) console.error(finding);
  console.log(`${modules} modules seen, ${findings.length} forbidden imports`);
  if (findings.length > 0) process.exitCode = 1;
}

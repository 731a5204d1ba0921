// Runs the house's own rules (tools/house/, one file per rule) over every text file that git knows, and reports by rule.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { assertions } from './house/assertions.mjs';
import { casts } from './house/casts.mjs';
import { docstrings } from './house/docstrings.mjs';
import { fileLength } from './house/file-length.mjs';
import { fileNames } from './house/file-names.mjs';
import { functionLength } from './house/function-length.mjs';
import { limits } from './house/limits.mjs';
import { machinePaths } from './house/machine-paths.mjs';
import { openEnds } from './house/open-ends.mjs';
import { projectSources } from './house/sources.mjs';

/** @type {import('./house/sources.mjs').Rule[]} */
export const rules = [
  assertions,
  casts,
  docstrings,
  fileLength,
  fileNames,
  functionLength,
  limits,
  machinePaths,
  openEnds,
];

/** The least number of files that the rules must have been shown: fewer means that the listing broke, not that all is well. */
const leastFiles = 30;

/**
 * Checks `sources` and returns the report's lines and the number of failures.
 * @param {import('./house/sources.mjs').Source[]} sources
 */
export function report(sources) {
  let failures = 0;
  const lines = rules.flatMap(({ name, why, check }) => {
    const findings = check(sources);
    failures += findings.filter(({ warning }) => !warning).length;
    if (findings.length === 0) return [];
    const places = findings.map(
      ({ path, line, text, warning }) => `  ${warning ? 'warning ' : ''}${path}:${line} ${text}`,
    );
    return [`${name}: ${why}`, ...places];
  });
  if (sources.length < leastFiles) {
    failures += 1;
    lines.push(`only ${sources.length} files were found, at least ${leastFiles} are there: is this a git checkout?`);
  }
  return { lines, failures };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const sources = projectSources(dirname(dirname(fileURLToPath(import.meta.url))));
  const { lines, failures } = report(sources);
  for (const line of lines) console.log(line);
  console.log(`${rules.length} house rules over ${sources.length} files: ${failures} broken`);
  if (failures > 0) process.exitCode = 1;
}

// Reads vitest's JSON report and prints the one line that says how the run ended: `N passed, N failed[, N skipped]`.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The part of vitest's report that is read here.
 * @typedef {{
 *   numPassedTests: number, numFailedTests: number, numPendingTests: number, numTodoTests: number,
 *   testResults: { name: string, status: string, assertionResults: { status: string }[] }[],
 * }} Report
 */

/**
 * Counts tests. A file that could not even be loaded counts as one failure, and so does every broken step of the run beyond those
 * failures (`brokenSteps`: house rules, or a test runner that died), a missing report, and a run without any test.
 * @param {Report | undefined} report
 * @param {number} brokenSteps
 */
export function countTests(report, brokenSteps) {
  if (report === undefined) return { passed: 0, failed: Math.max(1, brokenSteps), skipped: 0 };
  const unloaded = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  ).length;
  const passed = report.numPassedTests;
  const failedTests = report.numFailedTests + unloaded;
  // The test step itself is broken whenever a test failed: that failure is counted already.
  const otherSteps = Math.max(0, brokenSteps - (failedTests > 0 ? 1 : 0));
  const nothingRan = passed + failedTests === 0 && otherSteps === 0 ? 1 : 0;
  return {
    passed,
    failed: failedTests + otherSteps + nothingRan,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/**
 * @param {string} path
 * @returns {Report | undefined} nothing when the runner died before it wrote its report
 */
export function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined;
  }
}

/** @param {{ passed: number, failed: number, skipped: number }} counts */
export const sentence = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const counts = countTests(readReport(process.argv[2] ?? ''), Number(process.argv[3] ?? 0));
  console.log(sentence(counts));
  if (counts.failed > 0) process.exitCode = 1;
}

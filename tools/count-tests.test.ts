import { expect, test } from 'vitest';
import { countTests, type Report, readReport, sentence } from './count-tests.mjs';

const report = (numPassedTests: number, numFailedTests: number, files: Report['testResults'] = []): Report => ({
  numPassedTests,
  numFailedTests,
  numPendingTests: 0,
  numTodoTests: 0,
  testResults: files,
});
const say = (given: Report | undefined, brokenSteps = 0) => sentence(countTests(given, brokenSteps));

test('the sentence is plain, and names skipped tests only where there are any', () => {
  expect(say(report(12, 0))).toBe('12 passed, 0 failed');
  expect(say({ ...report(12, 0), numPendingTests: 2, numTodoTests: 1 })).toBe('12 passed, 0 failed, 3 skipped');
});

test('failed tests break the test step, which is not counted twice', () => {
  expect(say(report(10, 2), 1)).toBe('10 passed, 2 failed');
  expect(say(report(10, 2), 2)).toBe('10 passed, 3 failed');
});

test('a step that breaks while all tests pass is a failure', () => {
  expect(say(report(12, 0), 1)).toBe('12 passed, 1 failed');
});

test('a file that cannot be loaded is a failure', () => {
  const files = [
    { name: 'a.test.ts', status: 'failed', assertionResults: [] },
    { name: 'b.test.ts', status: 'failed', assertionResults: [{ status: 'failed' }] },
  ];
  expect(say(report(5, 1, files), 1)).toBe('5 passed, 2 failed');
});

test('no report and no tests are failures', () => {
  expect(say(readReport('there/is/no/such.json'))).toBe('0 passed, 1 failed');
  expect(say(report(0, 0))).toBe('0 passed, 1 failed');
  expect(say({ ...report(0, 0), numPendingTests: 4 })).toBe('0 passed, 1 failed, 4 skipped');
});

import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Where continuous integration wants the counts; see .ci/run and tools/test-nodes.mjs.
const report = process.env['DUOLOG_TEST_REPORT'];

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tools/fixtures/**'],
    globalSetup: ['test/global-setup.ts'],
    reporters: report === undefined ? ['default'] : ['default', ['json', { outputFile: report }]],
    // On two cores vitest would run one file at a time, though many tests wait more than they compute.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // Far above what any test takes alone: on a busy machine everything takes ten times as long.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
  },
});

import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts', 'tools/**/*.test.ts'],
    exclude: ['**/node_modules/**', 'tools/fixtures/**'],
    globalSetup: ['test/global-setup.ts'],
    testTimeout: 30_000,
  },
});

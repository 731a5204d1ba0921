import { execFileSync } from 'node:child_process';

/** Worker threads are started from `dist`, so the tests always run against a fresh build of it. */
export default function setup(): void {
  execFileSync(process.execPath, ['tools/build.mjs'], { stdio: 'inherit' });
  // Nodes refuse variables of the form DUOLOG_… that they do not know; vitest has read this one by now.
  delete process.env['DUOLOG_TEST_REPORT'];
}

import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

/** One run of the fuzzer, on whichever dist/ the test run has built. */
function fuzz(...flags: string[]): { status: number | null; output: string } {
  const environment = { ...process.env, DUOLOG_FUZZ_BUILT: '1' };
  const { status, stdout, stderr } = spawnSync(process.execPath, ['test/fuzz/run.mjs', 'ws', ...flags], {
    env: environment,
    encoding: 'utf8',
  });
  return { status, output: `${stdout}\n${stderr}` };
}

describe.each([
  ['uws', 20_000],
  ['ws', 8_000],
])('the fuzzer of the native door, engine %s', (engine, frames) => {
  it(`breaks no rule with ${frames} frames`, () => {
    const { status, output } = fuzz('--frames', String(frames), '--seed', '7', '--engine', engine);
    expect(output).toContain('No rule was broken (seed 7).');
    expect(output).toMatch(/Good client: \d{2,} messages/);
    expect(status).toBe(0);
  }, 300_000);
});

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

describe.each(['uws', 'ws'])('the fuzzer of the native door, engine %s', (engine) => {
  it('breaks no rule with 20,000 frames', () => {
    const { status, output } = fuzz('--frames', '20000', '--seed', '7', '--engine', engine);
    expect(output).toContain('No rule was broken (seed 7).');
    expect(output).toMatch(/Good client: \d{2,} messages/);
    expect(status).toBe(0);
  }, 120_000);
});

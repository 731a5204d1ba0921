import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';

describe('the fuzzer of the AMQP door', () => {
  it('breaks no rule with 10,000 frames and 200 handshakes of one byte a second', () => {
    const flags = ['test/fuzz/run.mjs', 'amqp', '--frames', '10000', '--seed', '7'];
    const env = { ...process.env, DUOLOG_FUZZ_BUILT: '1' };
    // On whichever dist/ the test run has built.
    const { status, stdout, stderr } = spawnSync(process.execPath, flags, { env, encoding: 'utf8' });
    const output = `${stdout}\n${stderr}`;
    expect(output).toContain('No rule was broken (seed 7).');
    expect(output).toMatch(/Good client: \d{2,} messages/);
    expect(status).toBe(0);
  }, 300_000);
});

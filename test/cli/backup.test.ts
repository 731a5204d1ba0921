import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { run, startTestNode } from './fixtures/duolog.js';

it('backs a node up while it serves, and restores it for another', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'duolog-cli-backup-'));
  const node = await startTestNode(['--backup-dir', join(folder, 'backups')]);
  try {
    const environment = { XDG_CONFIG_HOME: folder };
    const duolog = (...words: string[]) => node.duolog(words, { environment });
    await duolog('queue', 'declare', 'jobs');
    await duolog('publish', 'jobs', 'one', 'two', 'three');
    await duolog('queue', 'consume', 'jobs', '-n', '1');
    const made = await duolog('backup', 'first');
    expect(made.code, made.stderr).toBe(0);
    expect(made.stdout).toBe(`${join(folder, 'backups', 'first')}\n`);
    expect(made.stderr).toMatch(/^Backed up \d+ logs?, .* in .*; confirms waited for /);
    expect(JSON.parse((await duolog('backup', '-o', 'json')).stdout)).toMatchObject({ heldMs: expect.any(Number) });
    expect(await duolog('backup', 'first')).toMatchObject({ code: 2 });
    expect(await duolog('backup', '../elsewhere')).toMatchObject({ code: 2 });
    expect(readdirSync(join(folder, 'backups')).length).toBe(2);
    await duolog('publish', 'jobs', 'four');

    const data = join(folder, 'data');
    const restored = await run(['restore', join(folder, 'backups', 'first'), '--data', data]);
    expect(restored.stderr).toMatch(/^Restored \d+ files, .*, as duolog-1@/);
    expect((await run(['restore', join(folder, 'backups', 'first'), '--data', data])).code).toBe(4);
    expect((await run(['restore', join(folder, 'none'), '--data', join(folder, 'x')])).code).toBe(1);
    expect(existsSync(join(folder, 'x'))).toBe(false);
    // Another number of shards will do.
    const second = await startTestNode(['--data', data, '--shards', '0']);
    try {
      expect((await second.duolog(['queue', 'consume', 'jobs'])).stdout).toBe('two\nthree\n');
      const without = await second.duolog(['backup'], { environment });
      expect(without.stderr).toContain('--backup-dir');
    } finally {
      await second.stop();
    }
  } finally {
    await node.stop();
    rmSync(folder, { recursive: true });
  }
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ended, launch, printed, run } from './fixtures/duolog.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'duolog-stop-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function start(data: string): Promise<{ node: ReturnType<typeof launch>; environment: Record<string, string> }> {
  const node = launch(['start', '--data', data, '--port', '0', '--shards', '2', '--stop-timeout', '2']);
  const [, url] = await printed(node, 'stdout', /"url":"([^"]+)"/);
  return { node, environment: { DUOLOG_URL: url! } };
}

it('a disk that stalls does not hold up the end for ever, and what was confirmed is there after the next start', async () => {
  const data = join(folder, 'stalled');
  const first = await start(data);
  await run(['topic', 'create', 'events'], first);
  expect((await run(['publish', 'events', 'one', 'two'], first)).code).toBe(0);
  // Opening a pipe that nobody writes to waits for ever, as a dead disk does: whoever reads the log holds its shard's thread there.
  const segment = join(data, 'logs', '1', '00000000000000000000.log');
  renameSync(segment, `${segment}.kept`);
  execFileSync('mkfifo', [segment]);
  const reader = launch(['topic', 'consume', 'events', '--timeout', '1s'], first);
  expect((await ended(reader)).code).not.toBe(0);
  const outcome = ended(first.node);
  first.node.kill('SIGTERM');
  const { code, stdout, stderr } = await outcome;
  expect([code, first.node.signalCode]).toEqual([null, 'SIGKILL']);
  expect(stdout).toMatch(
    /Cannot stop in good order within 2 s: still waiting for shard \d to confirm what was published/,
  );
  expect(stderr).toContain('Cannot stop in good order');
  renameSync(`${segment}.kept`, segment);
  const second = await start(data);
  expect((await run(['topic', 'consume', 'events'], second)).stdout).toBe('one\ntwo\n');
  const end = ended(second.node);
  second.node.kill('SIGTERM');
  expect((await end).code).toBe(0);
});

it('a consumer that has stalled does not hold up the end at all', async () => {
  const { node, environment } = await start(join(folder, 'consumer'));
  await run(['queue', 'declare', 'jobs'], { environment });
  const consumer = launch(['queue', 'consume', 'jobs', '--follow'], { environment });
  await run(['publish', 'jobs', 'first'], { environment });
  await printed(consumer, 'stdout', /first/);
  consumer.kill('SIGSTOP');
  const input = `${'x'.repeat(10_000)}\n`.repeat(2000);
  expect((await run(['topic', 'produce', 'jobs'], { environment, input })).code).toBe(0);
  const outcome = ended(node);
  node.kill('SIGTERM');
  expect((await outcome).code).toBe(0);
  consumer.kill('SIGKILL');
});

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ended, launch, printed, run, startTestNode, type TestNode } from './fixtures/duolog.js';

describe('duolog start', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'duolog-start-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('says where it is, serves, and stops in good order on SIGTERM', async () => {
    const node = await startTestNode();
    expect((await node.duolog(['status', '-o', 'json'])).code).toBe(0);
    const { code, stdout, stderr } = await node.stop();
    expect(code).toBe(0);
    expect(stderr).toBe('');
    const lines = stdout
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    const summary = lines.find(({ msg }) => msg === 'Duolog serves');
    expect(summary).toMatchObject({ url: node.url, shards: 2, engine: expect.stringMatching(/^(uws|ws)$/) });
  });

  it('speaks to people on request, and takes Ctrl-C for the end', async () => {
    const child = launch(['start', '--data', join(folder, 'text'), '--port', '0', '--log-format', 'text']);
    const outcome = ended(child);
    await printed(child, 'stdout', /stop\s+Ctrl-C/);
    child.kill('SIGINT');
    const { code, stdout } = await outcome;
    expect(code).toBe(0);
    expect(stdout).toMatch(/clients\s+ws:\/\/127\.0\.0\.1:\d+\/ws/);
    expect(stdout).toMatch(/data\s+.*text/);
  });

  it('names a bad setting, wherever it came from, and ends with 2', async () => {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, 'shards: many\n');
    const attempts = [
      [await run(['start', '--port', '70000']), '--port'],
      [await run(['start'], { environment: { DUOLOG_LOG_LEVEL: 'loud' } }), 'DUOLOG_LOG_LEVEL'],
      [await run(['start', '--config', file]), `shards in ${file}`],
      [await run(['start', '--config', join(folder, 'missing.yaml')]), 'missing.yaml'],
      [await run(['start', '--no-such-flag']), '--no-such-flag'],
      [await run(['start', '--url', 'ws://127.0.0.1:1/ws']), '--url'],
    ] as const;
    for (const [{ code, stderr }, name] of attempts) {
      expect(stderr).toContain(name);
      expect(stderr).not.toContain('    at ');
      expect(code, stderr).toBe(2);
    }
  });

  it('refuses a folder that another node uses, and a port that is taken, with what to do', async () => {
    const node: TestNode = await startTestNode();
    const other = createServer();
    try {
      const second = await run(['start', '--data', join(node.folder, 'data'), '--port', '0']);
      expect(second.code).toBe(1);
      expect(second.stderr).toMatch(/another node|process \d+ uses it/i);
      expect(second.stderr).toContain('--data');
      const port = await new Promise<number>((resolve) => {
        other.listen(0, '127.0.0.1', () => resolve((other.address() as { port: number }).port));
      });
      const blocked = await run(['start', '--data', join(folder, 'blocked'), '--port', String(port)]);
      expect(blocked.code).toBe(1);
      expect(blocked.stderr).toContain(String(port));
      expect(blocked.stderr).toContain(
        '--port, --amqp-port, --amqps-port and --management-port name them, 0 takes any free one',
      );
    } finally {
      other.close();
      await node.stop();
    }
  });
});

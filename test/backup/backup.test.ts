/** Backups of a node under load: what was promised before one began is there when it is restored; and the check sees what is not. */
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { connect } from '../../dist/client/index.js';
import { restoreBackup } from '../../dist/node/backup/restore.js';
import { type RunningNode, startNode } from '../../dist/node/index.js';
import { engineSettings } from '../support/engine.js';
import { type Content, contentOf, Ledger, type Promises, violations } from './ledger.js';
import { declare, startLoad } from './load.js';

const ROUNDS = 3;
const folder = mkdtempSync(join(tmpdir(), 'duolog-backup-'));
afterAll(() => rmSync(folder, { recursive: true }));

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function start(data: string, backupDir?: string): Promise<RunningNode> {
  const settings = { data, backupDir, port: 0, shards: 2, journalSize: '8MiB', logLevel: 'warn' as const };
  return startNode({ ...settings, maintenanceInterval: 1, ...engineSettings() });
}

async function api(node: RunningNode, method: string, path: string, body?: unknown, login = 'guest:guest') {
  const response = await fetch(`http://127.0.0.1:${node.port}/api${path}`, {
    method,
    headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** All that was declared, without what depends on the moment or the build. */
async function definitionsOf(node: RunningNode): Promise<unknown> {
  return (await api(node, 'GET', '/definitions')).body;
}

/** What a node shows that is started on a data folder. */
async function shownBy(data: string): Promise<{ content: Content; definitions: unknown; login: number }> {
  const node = await start(data);
  try {
    const definitions = await definitionsOf(node);
    const login = (await api(node, 'GET', '/whoami', undefined, 'alice:secret of alice')).status;
    return { content: await contentOf(node.url!), definitions, login };
  } finally {
    await node.stop();
  }
}

interface Round {
  readonly backup: string;
  readonly promises: Promises;
}

describe('backups', () => {
  const ledger = new Ledger();
  const rounds: Round[] = [];
  let definitions: unknown;

  test('are made while a node serves', async () => {
    const backups = join(folder, 'backups');
    const node = await start(join(folder, 'data'), backups);
    const client = await connect(node.url!);
    await declare(client);
    await client.close();
    await api(node, 'PUT', '/users/alice', { password: 'secret of alice', tags: 'management' });
    await api(node, 'PUT', '/permissions/%2F/alice', { configure: '', write: '^work$', read: '.*' });
    definitions = await definitionsOf(node);
    const load = await startLoad(node.url!, node.amqpPort!, ledger);
    for (let round = 0; round < ROUNDS; round++) {
      await pause(1000);
      const promises = ledger.now();
      const { status, body } = await api(node, 'POST', '/backups', { name: `round-${round}` });
      expect(status, JSON.stringify(body)).toBe(200);
      console.log(
        `backup ${round}: ${body.logs} logs, ${body.files} files, ${body.bytes} bytes in ${body.durationMs} ms, confirms held for ${body.heldMs} ms; promised before: ${promises.topic.size} topic messages, ${promises.confirmed.size} in work, ${promises.acknowledged.size} acknowledged, ${promises.moving.size} moving, ${promises.committed.size} transactions`,
      );
      rounds.push({ backup: body.folder, promises });
    }
    const names = [{ name: 'round-0' }, { name: '../x' }, { name: '' }, { name: 'a/b' }, { name: '.' }];
    for (const body of names) expect((await api(node, 'POST', '/backups', body)).status, body.name).toBe(400);
    expect((await api(node, 'POST', '/backups', { name: 'x' }, 'alice:secret of alice')).status).toBe(401);
    await load.stop();
    await node.stop();
    expect(readdirSync(backups).sort()).toEqual(rounds.map((_, round) => `round-${round}`));
  });

  test('restored, they are what was confirmed before they began', async () => {
    for (const [round, { backup, promises }] of rounds.entries()) {
      const data = join(folder, `restored-${round}`);
      await restoreBackup(backup, data);
      const shown = await shownBy(data);
      expect(violations(promises, shown.content, ledger.settling), `round ${round}`).toEqual([]);
      expect(shown.definitions).toEqual(definitions);
      expect(shown.login).toBe(200);
      expect(promises.topic.size * promises.acknowledged.size * promises.committed.size).toBeGreaterThan(0);
      console.log(
        `round ${round}: ${shown.content.topic.size} topic messages, ${shown.content.queues.work.length} in work: all promises kept`,
      );
      await expect(restoreBackup(backup, data)).rejects.toMatchObject({ code: 'not-empty' });
    }
  });

  /** The logs' folders of a data folder with so many segments at least. */
  const logsOf = (data: string, segments: number): string[] =>
    readdirSync(join(data, 'logs'))
      .map((log) => join(data, 'logs', log))
      .filter((log) => readdirSync(log).filter((name) => name.endsWith('.log')).length >= segments);

  const defects: Record<string, (data: string) => void> = {
    'a segment is missing': (data) => {
      const [log] = logsOf(data, 2);
      unlinkSync(join(log!, '00000000000000000000.log'));
    },
    'checkpoints are missing: acknowledgements are only there': (data) => {
      for (const log of logsOf(data, 1)) unlinkSync(join(log, 'checkpoint'));
    },
    'the ends of segments are missing': (data) => {
      // Of every log: the last segment of one may have just been begun.
      for (const log of logsOf(data, 1)) {
        const last = readdirSync(log)
          .filter((name) => name.endsWith('.log'))
          .sort()
          .at(-1)!;
        const bytes = readFileSync(join(log, last));
        writeFileSync(join(log, last), bytes.subarray(0, bytes.length / 2));
      }
    },
    'the metadata are those of an empty node': (data) => unlinkSync(join(data, 'metadata', 'snapshot')),
  };

  test.for(Object.entries(defects))('the check is red when %s', async ([, damage]) => {
    const { backup, promises } = rounds.at(-1)!;
    const data = join(folder, 'damaged');
    await restoreBackup(backup, data);
    damage(data);
    const found = await shownBy(data).then(
      ({ content }) => violations(promises, content, ledger.settling),
      (error: Error) => [error.message],
    );
    rmSync(data, { recursive: true });
    console.log(found.join('\n').slice(0, 300));
    expect(found).not.toEqual([]);
  });

  test('one that is damaged or not whole is not restored', async () => {
    const { backup } = rounds[0]!;
    const bad = join(folder, 'bad');
    const data = join(folder, 'from-bad');
    const files = readdirSync(backup, { recursive: true, encoding: 'utf8' }).filter((path) => {
      const { size } = statSync(join(backup, path));
      return statSync(join(backup, path)).isFile() && size > 0;
    });
    expect(files).toContain('MANIFEST');
    for (const path of files) {
      cpSync(backup, bad, { recursive: true });
      const bytes = readFileSync(join(bad, path));
      const at = Math.floor(bytes.length / 2);
      bytes[at] = bytes[at]! ^ 1;
      writeFileSync(join(bad, path), bytes);
      await expect(restoreBackup(bad, data), path).rejects.toMatchObject({ code: 'damaged' });
      unlinkSync(join(bad, path));
      await expect(restoreBackup(bad, data), path).rejects.toMatchObject({ code: 'damaged' });
      expect(existsSync(data)).toBe(false);
      rmSync(bad, { recursive: true });
    }
  });
});

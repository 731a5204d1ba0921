import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { checkImports } from './check-imports.mjs';

const tools = dirname(fileURLToPath(import.meta.url));
const bad = join(tools, 'fixtures/bad-imports');

test('every rule bites on the deliberately bad tree, and nothing allowed is reported', async () => {
  const { findings, modules } = await checkImports(bad);
  expect(modules).toBe(17);
  const reported = findings.map((finding) => finding.replace(/\S*node_modules/, 'node_modules')).sort();
  expect(reported).toMatchInlineSnapshot(`
    [
      "base-imports-downwards: src/base/upwards.ts → src/broker/queue.ts",
      "broker-builtins: src/broker/queue.ts → fs",
      "broker-imports-downwards: src/broker/queue.ts → src/io/tcp.ts",
      "cli-imports-downwards: src/cli/status.ts → src/node/shard.ts",
      "client-builtins: src/client/connect.ts → net",
      "doors-are-siblings: src/doors/amqp/session.ts → src/doors/kafka/session.ts",
      "doors-packages: src/doors/amqp/session.ts → node_modules/koffi/index.cjs",
      "generated-code-has-a-wrapper: src/client/connect.ts → src/proto/gen/client.js",
      "load-tests-see-no-internals: loadtest/publish.ts → src/doors/kafka/session.ts",
      "no-cycles: src/client/chicken.ts → src/client/egg.ts",
      "no-development-packages: src/record/batch.ts → node_modules/vitest/dist/index.js",
      "no-unresolvable: src/storage/log.ts → ./missing.js",
      "nothing-imports-tests: src/record/batch.ts → src/record/batch.test.ts",
      "only-the-start-command-imports-node: src/cli/main.ts → src/storage/log.ts",
      "record-packages: src/record/batch.ts → node_modules/vitest/dist/index.js",
      "unknown-folder: src/oddments/thing.ts lies in no folder of tools/imports/layout.mjs",
    ]
  `);
});

test('the real tree is seen: dozens of modules, none passed over', async () => {
  const { findings, modules } = await checkImports(dirname(tools));
  expect(findings.filter((finding) => /^(not-seen|unknown-folder)/.test(finding))).toEqual([]);
  expect(modules).toBeGreaterThan(30);
});

test('a tree in which the tool sees nothing fails instead of reporting success', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'duolog-imports-'));
  cpSync(join(bad, 'src/proto/gen'), join(empty, 'src/proto/gen'), { recursive: true });
  try {
    const { findings } = await checkImports(empty);
    expect(findings).toEqual(['not-seen: there is no module below src, test, loadtest, demo']);
  } finally {
    rmSync(empty, { recursive: true, force: true });
  }
});

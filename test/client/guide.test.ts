/** Runs the examples of docs/client.md, one after the other, as one program against a real node. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { startTestNode } from './node.js';

const root = join(import.meta.dirname, '../..');

/** The examples as a module: imports first, each once. */
function program(url: string): { source: string; examples: number } {
  const guide = readFileSync(join(root, 'docs/client.md'), 'utf8');
  const blocks = [...guide.matchAll(/```js\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
  const body = blocks.join('\n').replaceAll(/^import .*$/gm, '');
  const client = pathToFileURL(join(root, 'dist/client/index.js')).href;
  const named = [...blocks.join('\n').matchAll(/^import \{ (.*) \} from 'duolog\/client';$/gm)];
  const names = new Set(named.flatMap((match) => (match[1] ?? '').split(', ')));
  const source = `import { ${[...names].join(', ')} } from '${client}';\nconst console = { log() {} };\n${body}`;
  return { source: source.replace('ws://127.0.0.1:7700/ws', url), examples: blocks.length };
}

test('every example of the guide runs', async () => {
  const server = await startTestNode();
  const folder = mkdtempSync(join(tmpdir(), 'duolog-guide-'));
  try {
    const { source, examples } = program(server.url);
    expect(examples).toBeGreaterThan(7);
    const file = join(folder, 'guide.mjs');
    writeFileSync(file, source);
    await import(pathToFileURL(file).href);
  } finally {
    rmSync(folder, { recursive: true });
    await server.remove();
  }
});

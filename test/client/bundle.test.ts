/** The file that browsers load. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { startTestNode } from './node.js';

const file = join(import.meta.dirname, '../../dist/browser/duolog-client.js');
const MAX_GZIP_BYTES = 64 * 1024;

test('it is small, imports nothing, and does not hold the package for Node', () => {
  const text = readFileSync(file, 'utf8');
  expect(gzipSync(text, { level: 9 }).length).toBeLessThan(MAX_GZIP_BYTES);
  // Compared as truth values: the text is too long for a message.
  expect(/(^|[;}\n])import\s*["'{*]|\bimport\(["']/.test(text)).toBe(false);
  expect(text.includes('Sec-WebSocket')).toBe(false);
});

test('it talks to a node', async () => {
  const server = await startTestNode();
  const browser = (await import(pathToFileURL(file).href)) as typeof import('../../dist/client/index.js');
  const client = await browser.connect(server.url);
  await client.declareQueue('jobs');
  expect((await client.publish('jobs', 'from the bundle')).offset).toBe(0);
  const subscription = await client.subscribe('jobs');
  for await (const delivery of subscription) {
    expect(delivery.text()).toBe('from the bundle');
    await delivery.ackConfirmed();
    break;
  }
  await client.close();
  await server.remove();
});

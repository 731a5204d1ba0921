import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RunningNode, startNode } from '../../dist/node/index.js';
import { AUDIENCE, goodClaims, ISSUER, SigningKey } from '../../src/io/tokens/fixtures/issuer.js';
import { startProxy } from '../client/node.js';
import { engineSettings } from '../support/engine.js';
import { chromiumPath, launchChromium, type OpenPage, openPage } from './chromium.js';
import { CommandLineNode } from './command-line-node.js';
import { type PageServer, servePage } from './page-server.js';

/** A message as page.js reports it. */
interface Seen {
  readonly partition: number;
  readonly offset: number;
  readonly text: string;
  readonly redelivered?: boolean;
}

const where = chromiumPath ?? 'SKIPPED: Chromium is not installed; set CHROMIUM to where it is';
const pictures = '.cache/browser';
const texts = (name: string, count: number) => Array.from({ length: count }, (_, index) => `${name} ${index}`);

describe.skipIf(chromiumPath === undefined)(`a web page (${where})`, () => {
  let browser: Browser;
  let server: PageServer;
  let folder: string;
  const pages: OpenPage[] = [];

  beforeAll(async () => {
    [browser, server] = await Promise.all([launchChromium(), servePage()]);
  }, 90_000);
  afterAll(async () => {
    await browser?.close();
    server?.close();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'duolog-browser-'));
  });
  afterEach(async () => {
    const errors = pages.flatMap((page) => page.errors);
    await Promise.all(pages.splice(0).map(({ page }) => page.close()));
    rmSync(folder, { recursive: true, force: true });
    expect(errors).toEqual([]);
  });

  async function visit(origin = server.origin): Promise<OpenPage> {
    const page = await openPage(browser, origin);
    pages.push(page);
    return page;
  }

  describe('beside a node', () => {
    let node: RunningNode;
    beforeEach(async () => {
      const allowedOrigins = [server.origin];
      node = await startNode({ data: folder, port: 0, shards: 2, allowedOrigins, ...engineSettings() });
    });
    afterEach(() => node.stop());

    test('publishes, consumes with acknowledgements, reads by offset, and follows live', async () => {
      const page = await visit();
      expect(await page.call('open', node.url)).toMatchObject({ code: 'connected' });
      await page.call('declareQueue', 'orders');
      await page.call('declareTopic', 'news');
      await page.call('publish', 'news', texts('old', 3));
      await page.call('follow', 'news');

      const orders = texts('order', 12);
      const receipts = await page.call<Seen[]>('publish', 'orders', orders);
      expect(receipts).toEqual(orders.map((_, index) => expect.objectContaining({ partition: 0, offset: index })));
      const consumed = await page.call<Seen[]>('consume', 'orders', orders.length);
      expect(consumed.map(({ text }) => text)).toEqual(orders);
      expect(consumed.some(({ redelivered }) => redelivered)).toBe(false);
      expect(await page.call('describe', 'orders')).toMatchObject({ messagesReady: 0, messagesUnacknowledged: 0 });

      const pulled = await page.call<Seen[]>('pull', 'orders', 0, 5, 7);
      expect(pulled).toEqual(orders.slice(5).map((text, index) => ({ partition: 0, offset: 5 + index, text })));

      const news = texts('grüße 🛫', 5);
      await page.call('publish', 'news', news);
      await expect.poll(() => page.call<Seen[]>('followed')).toHaveLength(news.length);
      // What was there before is old news.
      const live = news.map((text, index) => ({ partition: 0, offset: 3 + index, text }));
      expect(await page.call<Seen[]>('followed')).toEqual(live);

      mkdirSync(pictures, { recursive: true });
      await page.page.screenshot({ path: join(pictures, 'page.png') });
      await page.call('close');
      expect(await page.call('states')).toEqual(['open', 'closing', 'closed']);
    });

    test('each partition is published to, and pulled from, by itself', async () => {
      const page = await visit();
      await page.call('open', node.url);
      await page.call('declareTopic', 'parts', { partitions: 3 });
      for (const partition of [2, 0, 1]) {
        const receipts = await page.call<Seen[]>('publish', 'parts', texts(`part ${partition}`, 4), { partition });
        expect(receipts.map((place) => [place.partition, place.offset])).toEqual(
          [0, 1, 2, 3].map((at) => [partition, at]),
        );
      }
      for (const partition of [1, 2]) {
        const pulled = await page.call<Seen[]>('pull', 'parts', partition, 1, 3);
        expect(pulled).toEqual([1, 2, 3].map((offset) => ({ partition, offset, text: `part ${partition} ${offset}` })));
      }
      await page.call('publish', 'parts', texts('one key', 6), { key: 'k' });
      const described = await page.call<{ partitions: { end: number }[] }>('describe', 'parts');
      expect(described.partitions.map(({ end }) => end).sort((one, other) => one - other)).toEqual([4, 4, 10]);
    });

    test('500 deliveries survive 100 cuts: nothing comes again, late acknowledgements count', async () => {
      const proxy = await startProxy(node.port!);
      const page = await visit();
      await page.call('open', proxy.url, { resumeWindowMs: 30_000, reconnect: { firstDelayMs: 1, maxDelayMs: 20 } });
      await page.call('declareQueue', 'orders');
      await page.call('publish', 'orders', texts('order', 500));
      const held = () => page.call<Seen[]>('held');
      const opened = async () => (await page.call<string[]>('states')).filter((state) => state === 'open').length;
      await page.call('hold', 'orders', 1000);
      await expect.poll(held, { timeout: 10_000 }).toHaveLength(500);
      for (let cuts = 1; cuts <= 100; cuts++) {
        proxy.cut();
        await expect.poll(opened, { interval: 5, timeout: 10_000 }).toBe(cuts + 1);
      }
      await page.call('acknowledgeHeld');
      const counts = () => page.call('describe', 'orders');
      await expect.poll(counts).toMatchObject({ messagesReady: 0, messagesUnacknowledged: 0 });
      expect(await held()).toHaveLength(500);
      await page.call('close');
      proxy.close();
    });

    test('a queue pushes no more than the prefetch, and what is not acknowledged comes back where it was', async () => {
      const [holder, other] = [await visit(), await visit()];
      for (const page of [holder, other]) await page.call('open', node.url);
      await holder.call('declareQueue', 'orders');
      await holder.call('publish', 'orders', texts('order', 10));
      const held = () => holder.call<Seen[]>('held');
      const counts = () => holder.call('describe', 'orders');
      await holder.call('hold', 'orders', 4);
      await expect.poll(held).toHaveLength(4);
      expect(await counts()).toMatchObject({ messagesReady: 6, messagesUnacknowledged: 4 });
      await holder.call('settleHeld', 1, 'ack');
      await expect.poll(held).toHaveLength(5);
      expect(await counts()).toMatchObject({ messagesReady: 5, messagesUnacknowledged: 4 });
      await holder.call('settleHeld', 2, 'nack');
      await expect.poll(held).toHaveLength(6);
      expect((await held()).map(({ offset, redelivered }) => [offset, redelivered])).toEqual(
        [0, 1, 2, 3, 4, 2].map((offset, index) => [offset, index === 5]),
      );
      await holder.call('release');
      const rest = await other.call<Seen[]>('consume', 'orders', 9);
      expect(rest.map(({ offset, redelivered }) => [offset, redelivered])).toEqual(
        [0, 2, 3, 4, 5, 6, 7, 8, 9].map((offset) => [offset, offset <= 4]),
      );
    });

    test('a broadcast reaches every page, and a queue divides its messages among them', async () => {
      const [publisher, ...others] = await Promise.all([visit(), visit(), visit()]);
      for (const page of [publisher, ...others]) await page!.call('open', node.url);
      await publisher!.call('declareQueue', 'work');
      await publisher!.call('declareTopic', 'news');
      await Promise.all(others.map((page) => page.call('follow', 'news')));
      const work = texts('job', 20);
      const shares = others.map((page) => page.call<Seen[]>('consume', 'work', work.length / 2, { prefetch: 10 }));
      await expect.poll(() => consumersOf(publisher!, 'work')).toBe(2);
      await publisher!.call('publish', 'news', texts('news', 30));
      await publisher!.call('publish', 'work', work);
      expect((await Promise.all(shares)).flatMap((share) => share.map(({ text }) => text)).sort()).toEqual(work.sort());
      for (const page of others) {
        await expect.poll(async () => (await page.call<Seen[]>('followed')).length).toBe(30);
        expect((await page.call<Seen[]>('followed')).map(({ text }) => text)).toEqual(texts('news', 30));
      }
    });

    test('a page from elsewhere is refused', async () => {
      const stranger = await servePage();
      try {
        const page = await visit(stranger.origin);
        expect(await page.call('open', node.url)).toMatchObject({ code: 'connect-failed' });
        const known = await visit();
        expect(await known.call('open', node.url)).toMatchObject({ code: 'connected' });
      } finally {
        stranger.close();
      }
    });
  });

  test('a token limits a page to its topics, expires, and is renewed without losing what is under way', async () => {
    const key = new SigningKey('issuer');
    const jwtJwks = join(folder, 'keys.json');
    writeFileSync(jwtJwks, JSON.stringify({ keys: [key.jwk] }));
    const node = await startNode({
      data: join(folder, 'data'),
      port: 0,
      shards: 2,
      allowedOrigins: [server.origin],
      jwtJwks,
      jwtIssuer: ISSUER,
      jwtAudience: AUDIENCE,
      ...engineSettings(),
    });
    const scope = ['configure', 'write', 'read'].map((action) => `${AUDIENCE}.${action}:%2F/mine-*`).join(' ');
    const tokenFor = (seconds: number): string =>
      key.sign(goodClaims(Date.now(), { scope, exp: Date.now() / 1000 + seconds }));
    try {
      const page = await visit();
      const lifetimeSeconds = 4;
      await page.call('giveToken', tokenFor(lifetimeSeconds));
      expect(await page.call('openWithTokens', node.url)).toMatchObject({ code: 'connected' });
      await page.call('declareQueue', 'mine-orders');
      for (const [method, ...words] of [
        ['declareTopic', 'theirs'],
        ['publish', 'theirs', 'x'],
        ['subscribe', 'theirs'],
        ['broadcast', 'theirs'],
      ] as const) {
        expect(await page.call('attempt', method, ...words)).toEqual({
          code: 'forbidden',
          message: expect.stringMatching(/access to topic 'theirs' in vhost '\/' refused for user 'ann'/),
        });
      }
      await page.call('publish', 'mine-orders', texts('order', 50));
      await page.call('hold', 'mine-orders', 100);
      const held = () => page.call<Seen[]>('held');
      await expect.poll(held, { timeout: 5_000 }).toHaveLength(50);

      // The first token ends meanwhile, and so does the second.
      await page.call('giveToken', tokenFor(2 * lifetimeSeconds));
      await page.call('giveToken', tokenFor(600));
      await expect.poll(() => page.call('tokensTaken'), { timeout: 20_000 }).toBe(3);
      await new Promise((resolve) => setTimeout(resolve, 3 * lifetimeSeconds * 1000 - 2_000));
      expect(await page.call('states')).toEqual(['open']);
      await page.call('publish', 'mine-orders', texts('later', 1));
      await expect.poll(held, { timeout: 5_000 }).toHaveLength(51);
      await page.call('acknowledgeHeld');
      expect((await held()).filter(({ redelivered }) => redelivered)).toEqual([]);
      const empty = { messagesReady: 0, messagesUnacknowledged: 0 };
      await expect.poll(() => page.call('describe', 'mine-orders')).toMatchObject(empty);
      await page.call('close');

      // Without another one the session is closed, in words.
      const late = await visit();
      expect(await late.call('open', node.url, { token: tokenFor(1) })).toMatchObject({ code: 'connected' });
      await expect.poll(() => late.call('states'), { timeout: 8_000 }).toEqual(['open', 'closed']);
      const refused = await visit();
      expect(await refused.call('open', node.url, { token: tokenFor(-60) })).toEqual({
        code: 'unauthenticated',
        message: expect.stringContaining('the token has expired'),
      });
    } finally {
      await node.stop();
    }
  }, 90_000);

  test('a node that is killed and comes back: nothing published is lost or doubled, and what was consumed is complete', async () => {
    const count = 600;
    const flags = ['--allowed-origins', server.origin];
    let node = await CommandLineNode.start(folder, flags);
    try {
      const page = await visit();
      await page.call('open', node.url);
      await page.call('declareQueue', 'orders');
      await page.call('follow', 'orders');
      const orders = texts('order', count);
      const published = page.call<Seen[]>('publish', 'orders', orders, { pauseMs: 3 });
      const consumed = page.call<Seen[]>('consume', 'orders', count, { prefetch: 8 });
      for (const confirmed of [count / 4, count / 2]) {
        // In the middle of it.
        const wanted = { timeout: 60_000, interval: 10 };
        await expect.poll(() => page.call('confirmed'), wanted).toBeGreaterThanOrEqual(confirmed);
        await node.kill();
        node = await CommandLineNode.start(folder, flags, node.port);
      }
      const receipts = await published;
      expect(new Set(receipts.map(({ offset }) => offset)).size).toBe(count);
      expect(await page.call<string[]>('states')).toEqual(expect.arrayContaining(['reconnecting', 'open']));

      const log = await page.call<Seen[]>('pull', 'orders', 0, 0, count);
      expect(log.map(({ text }) => text)).toEqual(orders);
      // The log holds nothing besides: the highest receipt is its last offset.
      expect(log.at(-1)!.offset).toBe(Math.max(...receipts.map(({ offset }) => offset)));

      const taken = await consumed;
      expect([...new Set(taken.map(({ text }) => text))].sort()).toEqual([...orders].sort());
      const acknowledged = await page.call<string[]>('acknowledged');
      // An acknowledgement that the node has confirmed is final.
      expect(acknowledged.filter((text, index) => acknowledged.indexOf(text) !== index)).toEqual([]);
      const came = new Set<string>();
      for (const { text, redelivered } of taken) {
        // What comes a second time says so.
        expect({ text, redelivered: redelivered || !came.has(text) }).toEqual({ text, redelivered: true });
        came.add(text);
      }
      // Whoever follows live is told of what was published while there was no connection, and sees nothing twice.
      const live = () => page.call<(Seen & { missed?: number })[]>('followed');
      const reached = async () => (await live()).reduce((sum, { missed = 1 }) => sum + missed, 0);
      await expect.poll(reached).toBe(count);
      const followed = (await live()).filter(({ missed }) => missed === undefined);
      expect(followed.map(({ text }) => text)).toEqual(followed.map(({ offset }) => orders[offset]));
      expect(new Set(followed.map(({ offset }) => offset)).size).toBe(followed.length);

      mkdirSync(pictures, { recursive: true });
      await page.page.screenshot({ path: join(pictures, 'reconnected.png') });
    } finally {
      await node.stop();
    }
  }, 120_000);
});

async function consumersOf(page: OpenPage, queue: string): Promise<number> {
  return (await page.call<{ consumers: number }>('describe', queue)).consumers;
}

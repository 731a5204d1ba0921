import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { probePort } from '../listen/bind.js';
import { ListenError } from '../listen/errors.js';
import { CertificateFolder, TestAuthority } from '../tls/fixtures/certificates.js';
import { canSharePort, chooseEngine, createWsServer } from './engine.js';
import {
  eventually,
  nextClose,
  nextMessage,
  openClient,
  startTestServer,
  type TestServer,
  type TestSettings,
} from './fixtures/harness.js';
import { BINARY, CLOSE, clientFrame, PING, PONG, RawClient, TEXT } from './fixtures/raw-client.js';
import { prepareFrame } from './frame.js';
import type { HttpRespond, WsEngine } from './port.js';

const best = await chooseEngine();
const skipped: ReadonlySet<WsEngine> = new Set(best.engine === 'uws' ? [] : ['uws' as const]);
if (skipped.size > 0) process.stderr.write(`The uws half of the contract is skipped. ${best.reason}\n`);

const folder = new CertificateFolder();
const authority = await TestAuthority.create();
const material = folder.material([await authority.sign()]);
// For `fetch`, which takes no authorities.
process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
afterAll(() => folder.remove());

const variants: [engine: WsEngine, how: 'in clear' | 'over TLS'][] = [
  ['uws', 'in clear'],
  ['ws', 'in clear'],
  ['uws', 'over TLS'],
  ['ws', 'over TLS'],
];

describe.each(variants)('the WebSocket port on %s %s', (engine, how) => {
  const test = it.skipIf(skipped.has(engine));
  const running: TestServer[] = [];
  const start = async (settings?: TestSettings): Promise<TestServer> => {
    const started = await startTestServer(engine, how === 'in clear' ? settings : { tls: material, ...settings });
    running.push(started);
    return started;
  };
  afterEach(async () => {
    await Promise.all(running.splice(0).map(({ server }) => server.close()));
  });

  describe('messages', () => {
    test('come back as sent, text as text and binary as binary, at every length class', async () => {
      const { url, seen } = await start();
      const client = await openClient(url);
      for (const length of [0, 1, 125, 126, 65_535, 65_536, 1_048_576]) {
        for (const isText of [false, true]) {
          const sent = Buffer.alloc(length, 'duolog');
          client.send(sent, { binary: !isText });
          const back = await nextMessage(client);
          // Comparing by `toEqual` looks at every byte on its own, and takes seconds.
          expect([back.bytes.equals(sent), back.isText]).toEqual([true, isText]);
        }
      }
      expect(client.extensions).toBe('');
      expect(seen.sockets[0]?.remoteAddress).toBe('127.0.0.1');
      client.terminate();
    });

    test('are put together from fragments around a ping', async () => {
      const { server, seen } = await start();
      const client = await RawClient.handshake(server.port);
      client.socket.write(
        Buffer.concat([
          clientFrame(TEXT, Buffer.from('du'), false),
          clientFrame(0, Buffer.from('ol'), false),
          clientFrame(PING, Buffer.from('alive?')),
          clientFrame(0, Buffer.from('og')),
        ]),
      );
      expect(await client.frame()).toEqual({ opcode: PONG, payload: Buffer.from('alive?') });
      expect(await client.frame()).toEqual({ opcode: TEXT, payload: Buffer.from('duolog') });
      expect(seen.messages).toHaveLength(1);
      client.destroy();
    });

    test('survive a split at every byte', async () => {
      const { server } = await start();
      const client = await RawClient.handshake(server.port);
      const first = Buffer.alloc(130, 'x');
      const second = Buffer.from('second');
      const wire = Buffer.concat([clientFrame(BINARY, first), clientFrame(TEXT, second)]);
      for (let cut = 1; cut < wire.length; cut++) {
        client.socket.write(wire.subarray(0, cut));
        await new Promise((resolve) => setTimeout(resolve, 1));
        client.socket.write(wire.subarray(cut));
        expect(await client.frame()).toEqual({ opcode: BINARY, payload: first });
        expect(await client.frame()).toEqual({ opcode: TEXT, payload: second });
      }
      client.destroy();
    });

    test('over the limit are refused with 1009, and the session hears it', async () => {
      const { url, seen } = await start({ maxMessageBytes: 1_000 });
      const client = await openClient(url);
      const closed = nextClose(client);
      client.send(Buffer.alloc(1_001));
      expect((await closed).code).toBe(1009);
      const cut = await openClient(url);
      const gone = nextClose(cut);
      cut.send(Buffer.alloc(100_000));
      await gone;
      await eventually(() => seen.closes.length === 2);
      expect(seen.closes.map(({ code }) => code)).toEqual([1009, 1009]);
      expect(seen.messages).toHaveLength(0);
    });

    test.each([
      ['text that is not UTF-8', 1007, clientFrame(TEXT, Buffer.from([0xc3, 0x28]))],
      ['a reserved opcode', 1002, clientFrame(5, Buffer.from('odd'))],
    ])('%s closes the connection', async (_name, code, wire) => {
      const { server, seen } = await start();
      const client = await RawClient.handshake(server.port);
      client.socket.write(wire);
      await eventually(() => seen.closes.length === 1);
      expect(seen.messages).toHaveLength(0);
      expect([code, 1006]).toContain(seen.closes[0]?.code);
      client.destroy();
    });

    test('keep order and content across all ways of sending, and the bytes are free on return', async () => {
      const { url, seen } = await start({ onMessage: () => {} });
      const client = await openClient(url);
      await eventually(() => seen.sockets.length === 1);
      const socket = seen.sockets[0]!;
      const way = fc.constantFrom('send', 'owned', 'prepared', 'text', 'turn');
      const length = fc.oneof(fc.integer({ min: 0, max: 300 }), fc.constantFrom(16_374, 16_384, 65_536, 200_000));
      const steps = fc.array(fc.tuple(way, length), { maxLength: 40 });
      let mark = 0;
      await fc.assert(
        fc.asyncProperty(steps, async (plan) => {
          const expected: string[] = [];
          const received: string[] = [];
          client.removeAllListeners('message');
          client.on('message', (bytes: Buffer) => received.push(bytes.toString('latin1')));
          for (const [kind, size] of plan) {
            if (kind === 'turn') {
              await new Promise((resolve) => setImmediate(resolve));
              continue;
            }
            const bytes = Buffer.alloc(size, String(mark++));
            expected.push(bytes.toString('latin1'));
            if (kind === 'send') {
              socket.send(bytes);
              bytes.fill(0);
            } else if (kind === 'owned') socket.sendOwned(bytes);
            else if (kind === 'prepared') socket.sendPrepared(prepareFrame(bytes));
            else socket.send(bytes.toString('latin1'));
          }
          await eventually(() => received.length >= expected.length);
          expect(received).toEqual(expected);
        }),
        { numRuns: 60 },
      );
      client.terminate();
    });

    test('may come from shared memory', async () => {
      const { url, seen } = await start();
      const client = await openClient(url);
      await eventually(() => seen.sockets.length === 1);
      for (const size of [10, 100_000]) {
        const shared = new Uint8Array(new SharedArrayBuffer(size)).fill(7);
        seen.sockets[0]!.send(shared);
        shared.fill(0);
        expect((await nextMessage(client)).bytes.equals(Buffer.alloc(size, 7))).toBe(true);
      }
      client.terminate();
    });

    test('sent within a cork arrive, and so does one sent while opening', async () => {
      const { url } = await start({
        onOpen: (socket) =>
          socket.cork(() => {
            socket.send('one');
            socket.send('two');
          }),
      });
      const client = new WebSocket(url);
      const received: string[] = [];
      client.on('message', (bytes: Buffer) => received.push(bytes.toString()));
      await eventually(() => received.length === 2);
      expect(received).toEqual(['one', 'two']);
      client.terminate();
    });
  });

  describe('closing', () => {
    test('by the peer tells code and reason, or 1005 without, or 1006 when the connection breaks', async () => {
      const { url, seen } = await start();
      const [first, second, third] = [await openClient(url), await openClient(url), await openClient(url)];
      first.close(4001, 'auf Wiedersehen, grüß Gott');
      await eventually(() => seen.closes.length === 1);
      second.close();
      await eventually(() => seen.closes.length === 2);
      third.terminate();
      await eventually(() => seen.closes.length === 3);
      expect(seen.closes[0]).toEqual({ code: 4001, reason: 'auf Wiedersehen, grüß Gott' });
      expect(seen.closes.map(({ code }) => code)).toEqual([4001, 1005, 1006]);
    });

    test('by the session reaches the peer, after what was sent before, cut to what a frame holds', async () => {
      const { url, seen } = await start({
        onMessage: (socket) => {
          socket.send('last words');
          socket.end(3999, 'ü'.repeat(100));
        },
      });
      const client = await openClient(url);
      const message = nextMessage(client);
      const closed = nextClose(client);
      client.send('go');
      client.send('never seen');
      expect((await message).bytes.toString()).toBe('last words');
      expect(await closed).toEqual({ code: 3999, reason: 'ü'.repeat(61) });
      expect(seen.messages).toHaveLength(1);
      expect(seen.closes).toEqual([{ code: 3999, reason: 'ü'.repeat(61) }]);
    });

    test('happens within end() and terminate(), once, and a closed socket takes everything quietly', async () => {
      const { url, seen } = await start();
      const clients = [await openClient(url), await openClient(url)];
      await eventually(() => seen.sockets.length === 2);
      seen.sockets[0]!.end(1000, 'done');
      seen.sockets[1]!.terminate();
      expect(seen.closes).toEqual([
        { code: 1000, reason: 'done' },
        { code: 1006, reason: '' },
      ]);
      for (const socket of seen.sockets) {
        expect(socket.isOpen).toBe(false);
        expect([
          socket.send('x'),
          socket.sendOwned(Buffer.from('x')),
          socket.sendPrepared(prepareFrame(Buffer.from('x'))),
        ]).toEqual(['closed', 'closed', 'closed']);
        expect(socket.bufferedBytes()).toBe(0);
        socket.cork(() => socket.send('x'));
        socket.end(1000, '');
        socket.terminate();
        socket.ping();
        socket.pause();
        socket.resume();
      }
      await eventually(() => clients.every((client) => client.readyState === WebSocket.CLOSED));
      expect(seen.closes).toHaveLength(2);
    });

    test('while opening still tells the session', async () => {
      const { url, seen } = await start({ onOpen: (socket) => socket.end(1008, 'not you') });
      const closed = nextClose(new WebSocket(url));
      expect(await closed).toEqual({ code: 1008, reason: 'not you' });
      expect(seen.closes).toEqual([{ code: 1008, reason: 'not you' }]);
    });
  });

  describe('a slow reader', () => {
    const CHUNK = 262_144;

    test.each([1_000, CHUNK])('lets the backlog grow, then drains it without loss, by %i bytes', async (size) => {
      const { server, seen } = await start();
      const client = await RawClient.handshake(server.port);
      client.socket.pause();
      await eventually(() => seen.sockets.length === 1);
      const socket = seen.sockets[0]!;
      // Each message is sent from the same memory, so that one still referred to after send() would show.
      const scratch = Buffer.alloc(size);
      let sent = 0;
      while (socket.bufferedBytes() < 4 * CHUNK) {
        for (let count = 0; count < 100_000; count += size) socket.send(scratch.fill(sent++));
        socket.send(scratch.subarray(0, 10).fill(sent++));
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(socket.send('more')).toBe('buffered');
      seen.drains = 0;
      client.socket.resume();
      for (let index = 0; index < sent; index++) {
        const { payload } = await client.frame();
        expect(payload.equals(Buffer.alloc(payload.length, index))).toBe(true);
      }
      expect((await client.frame()).payload.toString()).toBe('more');
      await eventually(() => seen.drains > 0);
      expect(socket.bufferedBytes()).toBe(0);
      expect(socket.send('again')).toBe('sent');
      client.destroy();
    });

    test('gets what was sent from within drain(), also when that is a new backlog', async () => {
      const large = Buffer.alloc(8 * 1_048_576, 'x');
      let left = 3;
      const { server, seen } = await start({
        onDrain: (socket) => {
          if (left-- > 0) socket.send(large);
        },
      });
      const client = await RawClient.handshake(server.port);
      await eventually(() => seen.sockets.length === 1);
      expect(seen.sockets[0]!.send(large)).toBe('buffered');
      for (let count = 0; count < 4; count++) expect((await client.frame()).payload.length).toBe(large.length);
      client.destroy();
    });

    test('beyond the limit is closed with 1013, after everything that was taken', async () => {
      const { server, seen } = await start({ maxBackpressureBytes: 1_000_000 });
      const client = await RawClient.handshake(server.port);
      client.socket.pause();
      await eventually(() => seen.sockets.length === 1);
      const socket = seen.sockets[0]!;
      let taken = 0;
      while (socket.send(Buffer.alloc(CHUNK, taken)) !== 'closed') {
        taken++;
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect(seen.closes.map(({ code }) => code)).toEqual([1013]);
      client.socket.resume();
      for (let index = 0; index < taken; index++) expect((await client.frame()).payload[0]).toBe(index & 0xff);
      const last = await client.frame();
      expect([last.opcode, last.payload.readUInt16BE()]).toEqual([CLOSE, 1013]);
      client.destroy();
    });
  });

  describe('liveness', () => {
    test('nobody is waited for longer than allowed, and nobody lively is cut off', { timeout: 40_000 }, async () => {
      const limits = { idleTimeoutSeconds: 8, maxBackpressureBytes: 8_000_000 };
      const [idle, slow] = [await start(limits), await start(limits)];
      // These three take their time, so they take it at the same time.
      await Promise.all([silentPeerIsCut(idle), stuckPeerIsCut(slow), overlongRequestIsCut(slow)]);
    });

    async function silentPeerIsCut({ server, url, seen }: TestServer): Promise<void> {
      const startedMs = Date.now();
      const dead = await RawClient.handshake(server.port);
      const alive = await openClient(url);
      await dead.ended();
      // uWebSockets.js counts in ticks of 4 s: the first of the two that it waits may be nearly over when it begins.
      expect(Date.now() - startedMs).toBeGreaterThan(3_900);
      expect(Date.now() - startedMs).toBeLessThan(16_000);
      expect(seen.closes.map(({ code }) => code)).toEqual([1006]);
      await new Promise((resolve) => setTimeout(resolve, 5_000));
      expect(alive.readyState).toBe(WebSocket.OPEN);
      alive.terminate();
    }

    async function stuckPeerIsCut({ server, seen }: TestServer): Promise<void> {
      const stuck = await RawClient.handshake(server.port);
      stuck.socket.pause();
      await eventually(() => seen.sockets.length === 1);
      let takenBytes = 0;
      while (seen.sockets[0]!.send(Buffer.alloc(500_000)) !== 'closed') takenBytes += 500_000;
      await new Promise((resolve) => setTimeout(resolve, 14_000));
      stuck.socket.resume();
      expect((await stuck.ended()).length).toBeLessThan(takenBytes);
    }

    async function overlongRequestIsCut({ server }: TestServer): Promise<void> {
      const client = new RawClient(server.port);
      client.socket.write(`GET /ws?${'x'.repeat(20_000)} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect((await client.ended()).toString()).toMatch(/^(HTTP\/1\.1 4\d\d|$)/);
    }

    test('a ping is answered by a pong event', async () => {
      const { url, seen } = await start();
      const client = await openClient(url);
      await eventually(() => seen.sockets.length === 1);
      seen.sockets[0]!.ping();
      await eventually(() => seen.pongs === 1);
      client.terminate();
    });

    test('pause stops reading where the engine can', async () => {
      const { url, seen } = await start();
      const client = await openClient(url);
      await eventually(() => seen.sockets.length === 1);
      const canPause = seen.sockets[0]!.pause();
      expect(canPause).toBe(engine === 'ws');
      client.send('waits');
      await new Promise((resolve) => setTimeout(resolve, 30));
      expect(seen.messages).toHaveLength(canPause ? 0 : 1);
      seen.sockets[0]!.resume();
      await eventually(() => seen.messages.length === 1);
      client.terminate();
    });
  });

  describe('handshakes', () => {
    test('show their headers and carry the subprotocol', async () => {
      const shown: string[] = [];
      const { url, seen } = await start({
        decide: (request) => {
          shown.push(
            request.path,
            request.query,
            request.header('origin'),
            request.header('x-none'),
            ...request.subprotocols,
          );
          return { accept: true, subprotocol: 'amqp' };
        },
      });
      const client = await openClient(`${url}?token=a%20b`, ['mqtt', 'amqp'], 'http://example.org');
      expect(shown).toEqual(['/ws', 'token=a%20b', 'http://example.org', '', 'mqtt', 'amqp']);
      expect(client.protocol).toBe('amqp');
      expect(seen.sockets[0]).toMatchObject({ path: '/ws', query: 'token=a%20b', subprotocol: 'amqp' });
      client.terminate();
    });

    test('are answered without a subprotocol when none is chosen', async () => {
      const { server } = await start();
      const client = new RawClient(server.port);
      client.socket.write(
        'GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: mqtt, amqp\r\n' +
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
      const head = (await client.httpHead()).toLowerCase();
      expect(head).toContain('101 switching protocols');
      expect(head).toContain('sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=');
      expect(head).not.toContain('sec-websocket-protocol');
      client.destroy();
    });

    test('can be refused with a status and a reason', async () => {
      const { url } = await start({ decide: () => ({ accept: false, status: 403, reason: 'wrong origin' }) });
      const client = new WebSocket(url);
      client.on('error', () => {});
      const [status, body] = await new Promise<[number | undefined, string]>((resolve) => {
        client.on('unexpected-response', (_request, response) => {
          response.on('data', (chunk: Buffer) => resolve([response.statusCode, chunk.toString()]));
        });
      });
      expect([status, body]).toEqual([403, 'wrong origin']);
    });

    test.each([
      ['another version', '/ws', 'Sec-WebSocket-Version: 7', 400],
      ['an unknown path', '/other', 'Sec-WebSocket-Version: 13', 404],
    ])('with %s are refused', async (_name, path, version, status) => {
      const { server } = await start();
      const client = new RawClient(server.port);
      client.socket.write(
        `GET ${path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          `Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${version}\r\n\r\n`,
      );
      expect(await client.httpHead()).toContain(`HTTP/1.1 ${status}`);
      client.destroy();
    });
  });

  describe('HTTP', () => {
    const handle: TestSettings['handle'] = (request, respond) => {
      if (request.path === '/healthz') {
        respond({ status: 200, headers: [['content-type', 'text/plain']], body: `${request.method} ${request.query}` });
      } else if (request.path === '/body') {
        request.body().then(
          (bytes) => setTimeout(() => respond({ status: 201, body: bytes }), 5),
          () => {},
        );
      } else respond({ status: 404, body: 'nothing here' });
    };

    test('GET, HEAD, a missing page and a body', async () => {
      const { http } = await start({ handle });
      const get = await fetch(`${http}/healthz?a=%2f`);
      expect([get.status, get.headers.get('content-type'), await get.text()]).toEqual([200, 'text/plain', 'GET a=%2f']);
      const head = await fetch(`${http}/healthz`, { method: 'HEAD' });
      expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '5', '']);
      expect((await fetch(`${http}/nowhere`)).status).toBe(404);
      const post = await fetch(`${http}/body`, { method: 'POST', body: 'b'.repeat(1_000) });
      expect([post.status, await post.text()]).toEqual([201, 'b'.repeat(1_000)]);
      const empty = await fetch(`${http}/body`, { method: 'POST' });
      expect([empty.status, await empty.text()]).toEqual([201, '']);
      const unread = await fetch(`${http}/healthz`, { method: 'POST', body: 'ignored' });
      expect(unread.status).toBe(200);
    });

    test('one connection serves request after request', async () => {
      const { server } = await start({ handle });
      const client = new RawClient(server.port);
      for (const method of ['GET', 'PUT', 'GET']) {
        client.socket.write(`${method} /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n`);
        expect(await client.httpHead()).toContain('200 OK');
        await client.bytes(method.length + 1);
      }
      client.destroy();
    });

    test.each([
      ['a declared', 'Content-Length: 1001\r\n\r\n'],
      ['a chunked', `Transfer-Encoding: chunked\r\n\r\n3e9\r\n${'x'.repeat(1_001)}\r\n0\r\n\r\n`],
    ])('%s body beyond the limit is answered 413', async (_name, rest) => {
      const { server } = await start({ handle });
      const client = new RawClient(server.port);
      client.socket.write(`POST /body HTTP/1.1\r\nHost: x\r\n${rest}`);
      expect(await client.httpHead()).toContain('HTTP/1.1 413');
      client.destroy();
    });

    test('an upgrade to something else is served as a plain request', async () => {
      const { server } = await start({ handle });
      const client = new RawClient(server.port);
      client.socket.write(
        'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n',
      );
      expect(await client.httpHead()).toContain('200 OK');
      client.destroy();
    });

    test('a client that goes away aborts its request', async () => {
      let respond: HttpRespond | undefined;
      let isAborted = (): boolean => false;
      let failure: unknown;
      const { server } = await start({
        handle: (request, answer) => {
          respond = answer;
          isAborted = () => request.isAborted;
          request.body().catch((error: unknown) => {
            failure = error;
          });
        },
      });
      const client = new RawClient(server.port);
      client.socket.write('POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf');
      await eventually(() => respond !== undefined);
      expect(isAborted()).toBe(false);
      client.destroy();
      await eventually(isAborted);
      await eventually(() => failure !== undefined);
      expect(failure).toMatchObject({ code: 'request-aborted' });
      expect(respond!({ status: 200 })).toBe(false);
    });

    test('malformed requests are refused or cut', async () => {
      const { server } = await start({ handle });
      const client = new RawClient(server.port);
      client.socket.write('this is no HTTP\r\n\r\n');
      expect((await client.ended()).toString()).toMatch(/^(HTTP\/1\.1 [45]\d\d|$)/);
    });
  });

  describe('the server', () => {
    test('holds 1,000 connections and broadcasts to them', { timeout: 60_000 }, async () => {
      const { server, url, seen } = await start();
      const clients = await Promise.all(Array.from({ length: 1_000 }, () => openClient(url)));
      expect(server.connections()).toBe(1_000);
      const all = Promise.all(clients.map(nextMessage));
      const frame = prepareFrame(Buffer.from('to all'), true);
      for (const socket of seen.sockets) expect(socket.sendPrepared(frame)).toBe('sent');
      for (const { bytes, isText } of await all) expect([bytes.toString(), isText]).toEqual(['to all', true]);
      const closes = Promise.all(clients.map(nextClose));
      await server.close();
      for (const { code } of await closes) expect(code).toBe(1001);
      expect(server.connections()).toBe(0);
    });

    test('counts connections down again', async () => {
      const { server, url, http } = await start();
      const clients = [await openClient(url), await openClient(url)];
      await fetch(http, { headers: { connection: 'close' } });
      for (const client of clients) client.close();
      await eventually(() => server.connections() === 0);
    });

    test('answers 503 beyond its connections', async () => {
      const { server, url, http } = await start({ maxConnections: 2 });
      const clients = [await openClient(url), await openClient(url)];
      expect((await fetch(http)).status).toBe(503);
      await expect(openClient(url)).rejects.toThrow('503');
      for (const client of clients) client.close();
      await eventually(() => server.connections() === 0);
      expect((await fetch(http)).status).toBe(404);
    });

    test('closes with sockets and requests open, more than once, and frees its port', async () => {
      const { server, url, seen } = await start({ handle: () => {} });
      const client = await openClient(url);
      const closed = nextClose(client);
      const pending = new RawClient(server.port);
      pending.socket.write('GET /never HTTP/1.1\r\nHost: x\r\n\r\n');
      const backlogged = await RawClient.handshake(server.port);
      backlogged.socket.pause();
      await eventually(() => seen.sockets.length === 2);
      while (seen.sockets[1]!.bufferedBytes() === 0) {
        seen.sockets[1]!.send(Buffer.alloc(500_000));
        await new Promise((resolve) => setImmediate(resolve));
      }
      await expect(probePort('127.0.0.1', server.port)).rejects.toThrow(String(server.port));
      await Promise.all([server.close(), server.close()]);
      expect(await closed).toEqual({ code: 1001, reason: 'The server is shutting down' });
      await pending.ended();
      expect(seen.closes.map(({ code }) => code)).toEqual([1001, 1001]);
      await probePort('127.0.0.1', server.port);
      backlogged.destroy();
    });

    test('stops accepting and serves on', async () => {
      const { server, url } = await start();
      const client = await openClient(url);
      server.stopAccepting();
      await expect(openClient(url)).rejects.toThrow('ECONNREFUSED');
      client.send('still there');
      expect((await nextMessage(client)).bytes.toString()).toBe('still there');
      client.terminate();
    });

    test('says which port is taken', async () => {
      const { server } = await start();
      const again = startTestServer(engine, { port: server.port });
      await expect(again).rejects.toMatchObject({ code: 'address-in-use' });
      await expect(again).rejects.toThrow(`127.0.0.1 port ${server.port}`);
      await expect(startTestServer(engine, { host: '192.0.2.1' })).rejects.toBeInstanceOf(ListenError);
    });

    test.each(['::1', 'localhost'])('listens on %s', async (host) => {
      const { url } = await start({ host });
      const client = await openClient(url.replace('127.0.0.1', host === '::1' ? '[::1]' : host));
      client.send('hello');
      expect((await nextMessage(client)).bytes.toString()).toBe('hello');
      client.terminate();
    });

    test('refuses settings that an engine would not survive', async () => {
      const create = (settings: object) => startTestServer(engine, settings);
      await expect(create({ idleTimeoutSeconds: 5 })).rejects.toThrow(
        'idleTimeoutSeconds must be a whole number from 8 to 960, it is 5',
      );
      await expect(create({ maxMessageBytes: 2 ** 31 })).rejects.toMatchObject({ code: 'invalid-options' });
      await expect(create({ port: 65_536 })).rejects.toMatchObject({ code: 'invalid-options' });
    });

    test('shares a port between two worker threads, which end cleanly', { timeout: 60_000 }, async () => {
      if (!(await canSharePort(engine))) return;
      const script = fileURLToPath(new URL('./fixtures/shared-port.mjs', import.meta.url));
      const dist = process.env['DUOLOG_TEST_DIST'] ?? fileURLToPath(new URL('../../../dist', import.meta.url));
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, engine, dist]);
      expect(stderr).toBe('');
      const answers = JSON.parse(stdout) as { first: number; second: number };
      expect(answers.first + answers.second).toBe(100);
      expect(Math.min(answers.first, answers.second)).toBeGreaterThan(5);
    });
  });
});

describe('probePort', () => {
  it('passes for a free port, and names host and port of a taken one even if that would be shared', async () => {
    const { server } = await startTestServer('ws', { reusePort: await canSharePort('ws') });
    const taken = probePort('127.0.0.1', server.port);
    await expect(taken).rejects.toMatchObject({ code: 'address-in-use' });
    await expect(taken).rejects.toThrow(
      `Cannot listen on 127.0.0.1 port ${server.port}: another process is listening there`,
    );
    await server.close();
    await probePort('127.0.0.1', server.port);
    await expect(probePort('no-such-host.invalid', 0)).rejects.toMatchObject({ code: 'address-unavailable' });
  });
});

describe('chooseEngine', () => {
  it('takes ws when asked for, and says why', async () => {
    expect(await chooseEngine('ws')).toEqual({ engine: 'ws', reason: expect.stringContaining('as asked for') });
    expect((await chooseEngine('uws')).reason).toMatch(/uWebSockets\.js/);
    await expect(createWsServer('ws', {} as never)).rejects.toMatchObject({ code: 'invalid-options' });
  });
});

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { createTcpServer, type TcpServer, type TcpServerOptions, type TcpSocket } from './index.js';

interface Seen {
  readonly sockets: TcpSocket[];
  readonly received: Uint8Array[];
  drains: number;
  closes: number;
}

const servers: TcpServer[] = [];
const clients: Socket[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function start(options: Partial<TcpServerOptions> = {}): Promise<{ server: TcpServer; seen: Seen }> {
  const seen: Seen = { sockets: [], received: [], drains: 0, closes: 0 };
  const server = await createTcpServer(
    {
      host: '127.0.0.1',
      port: 0,
      sharePort: false,
      maxConnections: 10,
      highWaterBytes: 65_536,
      keepAliveMs: 0,
      ...options,
    },
    (socket) => {
      seen.sockets.push(socket);
      return {
        data: (bytes) => seen.received.push(new Uint8Array(bytes)),
        drain: () => seen.drains++,
        close: () => seen.closes++,
      };
    },
  );
  servers.push(server);
  return { server, seen };
}

async function open(server: TcpServer, host = '127.0.0.1'): Promise<Socket> {
  const client = connect(server.port, host);
  clients.push(client);
  client.on('error', () => {});
  await once(client, 'connect');
  return client;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 2000) throw new Error('Waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

describe('TCP listener', () => {
  test.each(['127.0.0.1', '::1'])('is reached on %s when it listens on loopback', async (host) => {
    const { server, seen } = await start();
    const client = await open(server, host);
    client.write('hello');
    await until(() => seen.received.length > 0);
    expect(Buffer.concat(seen.received).toString()).toBe('hello');
    expect(seen.sockets[0]?.remoteAddress).toBe(host);
  });

  test('writes of one turn arrive whole and in order, small and large ones mixed', async () => {
    const { server, seen } = await start();
    const client = await open(server);
    const got: Buffer[] = [];
    client.on('data', (bytes) => got.push(bytes));
    await until(() => seen.sockets.length === 1);
    const expected: Uint8Array[] = [];
    let reused = new Uint8Array(40_000);
    for (let index = 0; index < 200; index++) {
      const size = [1, 700, 16_384, 40_000][index % 4]!;
      reused.fill(index, 0, size);
      expected.push(reused.slice(0, size));
      const isFree = seen.sockets[0]!.write(reused.subarray(0, size));
      if (!isFree) reused = new Uint8Array(40_000);
    }
    const whole = Buffer.concat(expected);
    await until(() => got.reduce((sum, part) => sum + part.length, 0) >= whole.length);
    expect(Buffer.concat(got).equals(whole)).toBe(true);
  });

  test('says when a peer does not read, and when it does again', async () => {
    const { server, seen } = await start();
    const client = await open(server);
    client.pause();
    await until(() => seen.sockets.length === 1);
    const socket = seen.sockets[0]!;
    const piece = new Uint8Array(64 * 1024);
    let written = 0;
    while (socket.bufferedBytes() <= 65_536) {
      socket.write(piece);
      written += piece.length;
      expect(written).toBeLessThan(64 * 1024 * 1024);
    }
    expect(socket.bufferedBytes()).toBeGreaterThan(65_536);
    expect(seen.drains).toBe(0);
    client.resume();
    await until(() => seen.drains === 1);
    expect(socket.bufferedBytes()).toBe(0);
  });

  test('a paused socket pushes its peer back', async () => {
    const { server, seen } = await start();
    const client = await open(server);
    await until(() => seen.sockets.length === 1);
    seen.sockets[0]!.pause();
    let sent = 0;
    while (client.write(new Uint8Array(1 << 20)) || client.writableLength < 16 << 20) sent++;
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(client.writableLength).toBeGreaterThan(0);
    seen.sockets[0]!.resume();
    await until(() => seen.received.reduce((sum, part) => sum + part.length, 0) >= sent << 20);
  });

  test('what is received is overwritten by the next read of any connection', async () => {
    const kept: Uint8Array[] = [];
    const server = await createTcpServer(
      { host: '127.0.0.1', port: 0, sharePort: false, maxConnections: 10, highWaterBytes: 65_536, keepAliveMs: 0 },
      () => ({ data: (bytes) => kept.push(bytes), drain: () => {}, close: () => {} }),
    );
    servers.push(server);
    const clients = [await open(server), await open(server)];
    clients[0]!.write('first');
    await until(() => kept.length === 1);
    clients[1]!.write('other');
    await until(() => kept.length === 2);
    expect(kept.map((bytes) => Buffer.from(bytes).toString())).toEqual(['other', 'other']);
  });

  test('end delivers what was written before it; close comes once', async () => {
    const { server, seen } = await start();
    const client = await open(server);
    const got: Buffer[] = [];
    client.on('data', (bytes) => got.push(bytes));
    await until(() => seen.sockets.length === 1);
    seen.sockets[0]!.write(new Uint8Array(100_000));
    seen.sockets[0]!.write(Buffer.from('last words'));
    seen.sockets[0]!.end();
    seen.sockets[0]!.write(Buffer.from('too late'));
    await once(client, 'close');
    const whole = Buffer.concat(got);
    expect(whole.length).toBe(100_010);
    expect(whole.subarray(-10).toString()).toBe('last words');
    await until(() => seen.closes > 0);
    seen.sockets[0]!.destroy();
    expect(seen.closes).toBe(1);
    expect(seen.sockets[0]!.isOpen).toBe(false);
  });

  test('connections beyond the limit are cut', async () => {
    const { server } = await start({ maxConnections: 1 });
    await open(server);
    const second = await open(server);
    if (!second.destroyed) await once(second, 'close');
    expect(server.connections()).toBe(1);
  });

  test('a port that is taken is named, and one that is free again can be taken', async () => {
    const { server } = await start();
    await expect(start({ port: server.port })).rejects.toMatchObject({ code: 'address-in-use' });
    await expect(start({ port: server.port })).rejects.toThrow(`127.0.0.1 port ${server.port}`);
    const { port } = server;
    await server.close();
    expect((await start({ port })).server.port).toBe(port);
  });

  test('several listeners share a port', async () => {
    const first = await start({ sharePort: true });
    const second = await start({ sharePort: true, port: first.server.port, maxConnections: 100 });
    for (let index = 0; index < 40; index++) {
      const client = connect(first.server.port, '127.0.0.1');
      clients.push(client);
      client.on('error', () => {});
      await once(client, 'connect');
    }
    await until(() => first.seen.sockets.length + second.seen.sockets.length >= 20);
    expect(second.seen.sockets.length).toBeGreaterThan(0);
  });

  test('stops accepting and serves on', async () => {
    const { server, seen } = await start();
    const client = await open(server);
    server.stopAccepting();
    await expect(open(server)).rejects.toThrow('ECONNREFUSED');
    client.write('still there');
    await until(() => Buffer.concat(seen.received).toString() === 'still there');
  });
});

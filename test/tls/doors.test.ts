/** Every door of a whole node over TLS, with clients that others wrote. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type ChannelModel, connect as connectAmqp, credentials } from 'amqplib';
import { afterEach, describe, expect, test } from 'vitest';
import { type Client, connect } from '../../dist/client/index.js';
import type { NodeSettings } from '../../dist/node/index.js';
import { eventually, get, shownBy, shownUnlessReset, startTlsNode, type TlsNode } from './fixtures.js';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function start(settings: NodeSettings = {}): Promise<TlsNode> {
  const started = await startTlsNode(settings);
  cleanUp.push(() => started.remove());
  return started;
}

async function client(url: string, tls: object): Promise<Client> {
  const connected = await connect(url, { tls, reconnect: { maxAttempts: 0 } });
  cleanUp.push(() => connected.close());
  return connected;
}

async function amqp(url: string, options: object): Promise<ChannelModel> {
  const connection = await connectAmqp(url, options);
  cleanUp.push(() => connection.close().catch(() => undefined));
  connection.on('error', () => {});
  return connection;
}

async function bytesUntilClose(port: number, bytes: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1');
  const got: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => got.push(chunk));
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(got).toString('latin1');
}

describe.each(['uws', 'ws'] as const)('a node with certificates on %s', (wsEngine) => {
  test('serves every door, and says where', async () => {
    const { node, authority, log } = await start({ wsEngine });
    const ca = authority.cert;
    const { port = 0, managementPort = 0, amqpPort = 0, amqpsPort = 0 } = node;
    expect(node.url).toBe(`wss://127.0.0.1:${port}/ws`);
    const file = JSON.parse(readFileSync(join(node.config.data, 'node.json'), 'utf8')) as object;
    expect(file).toMatchObject({ port, managementPort, amqpPort, amqpsPort, tls: true });

    const duolog = await client(node.url!, { ca });
    await duolog.declareQueue('jobs');
    await duolog.publish('jobs', 'over wss');
    const management = await client(`wss://localhost:${managementPort}/ws`, { ca });
    expect((await management.status()).queues).toBe(1);
    expect(await get(port, '/readyz', ca)).toEqual([200, 'ok\n']);
    expect(await get(managementPort, '/readyz', ca)).toEqual([200, 'ok\n']);

    for (const url of [`amqps://guest:guest@localhost:${amqpsPort}`, `amqp://guest:guest@localhost:${amqpPort}`]) {
      const connection = await amqp(url, { ca: [ca] });
      const channel = await connection.createConfirmChannel();
      channel.sendToQueue('jobs', Buffer.alloc(300_000, 'x'), { persistent: true });
      await channel.waitForConfirms();
      const got = await channel.get('jobs', { noAck: true });
      expect(got === false ? '' : got.content.toString().slice(0, 8)).toMatch(/over wss|xxxxxxxx/);
    }
    await expect(connect(node.url!, { reconnect: { maxAttempts: 0 } })).rejects.toThrow(/certificate/);
    await expect(connectAmqp(`amqps://localhost:${amqpsPort}`)).rejects.toThrow(/certificate/);
    // They hang up, and so do many others: that is not worth a line.
    expect(log.filter((line) => line.startsWith('Refused'))).toEqual([]);
  });

  test('closes clearly on plain bytes, with a line in the log', async () => {
    const { node, log } = await start({ wsEngine });
    const { port = 0, amqpPort = 0, amqpsPort = 0 } = node;
    const answer = await bytesUntilClose(port, 'GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n');
    // uWebSockets.js only closes.
    if (wsEngine === 'ws') expect(answer).toMatch(/^HTTP\/1\.1 400[\s\S]*This port speaks TLS/);
    expect(await bytesUntilClose(amqpsPort, 'AMQP\0\0\x09\x01')).toBe('');
    const error = await new Promise<Error & { code?: string }>((resolve) => {
      connectTls({ port: amqpPort, host: '127.0.0.1', rejectUnauthorized: false }).on('error', resolve);
    });
    expect(error.code).toMatch(/ALERT_HANDSHAKE_FAILURE/);
    await eventually(() => log.some((line) => line.startsWith('Refused a connection from 127.0.0.1: it speaks')));
  });

  test('takes new certificates under 100 live connections, and keeps the old ones when the new are broken', async () => {
    const { node, authority, certificates, log } = await start({ wsEngine });
    const ca = authority.cert;
    const ports = [node.port!, node.managementPort!, node.amqpsPort!];
    const closes: string[] = [];
    const natives: Client[] = [];
    for (let count = 0; count < 50; count++) {
      const one = await client(`wss://localhost:${count % 2 === 0 ? node.port : node.managementPort}/ws`, { ca });
      one.onState(({ state }) => closes.push(state));
      natives.push(one);
    }
    const connections: ChannelModel[] = [];
    for (let count = 0; count < 50; count++) {
      const one = await amqp(`amqps://guest:guest@localhost:${node.amqpsPort}`, { ca: [ca] });
      one.on('close', () => closes.push('amqp'));
      connections.push(one);
    }
    await natives[0]!.declareQueue('jobs');

    const next = await authority.sign({ subject: 'CN=after' });
    // First the certificate without its key: nothing to be used yet.
    certificates.text('node.pem', next.cert);
    await eventually(() => log.some((line) => line.includes('belongs to another one')));
    for (const port of ports) expect(await shownBy(port, authority)).toBe('before');
    certificates.text('node.key', next.key);
    await eventually(() => log.some((line) => line.includes('New certificates are in use')));
    for (const port of ports) {
      // Both shards, whichever takes the connection.
      for (let count = 0; count < 10; count++)
        await eventually(async () => (await shownUnlessReset(port, authority)) === 'after');
    }
    certificates.text('node.pem', 'broken');
    node.reloadTls();
    expect(log.at(-1)).toMatch(/holds no certificate.*stay in use/);
    for (const port of ports) expect(await shownBy(port, authority)).toBe('after');

    await Promise.all(natives.map((one) => one.publish('jobs', 'still here')));
    for (const connection of connections) {
      const channel = await connection.createChannel();
      expect((await channel.checkQueue('jobs')).messageCount).toBe(50);
    }
    expect(closes).toEqual([]);
    // Those that only looked at the certificates are gone at once.
    const countedMs = performance.now();
    await eventually(async () => (await natives[0]!.status()).connections === 100);
    expect(performance.now() - countedMs).toBeLessThan(5_000);
  });
});

describe('mutual TLS', () => {
  test('lets in whom the authority vouches for, and a certificate is a login', async () => {
    const { node, authority } = await start({
      tlsVerify: 'required',
      tlsLoginFrom: 'common_name',
      defaultUser: 'carol',
      defaultPass: 'unused',
    });
    expect(node.engine).toEqual({ engine: 'ws', reason: expect.stringContaining('does not tell whose certificate') });
    const carol = await authority.sign({ subject: 'O=Example,CN=carol' });
    const dave = await authority.sign({ subject: 'O=Example,CN=dave' });
    const ca = authority.cert;
    const url = `amqps://localhost:${node.amqpsPort}`;
    const external = { credentials: credentials.external(), ca: [ca] };
    const connection = await amqp(url, { ...external, ...carol });
    expect(connection.connection.serverProperties).toBeDefined();
    await (await connection.createChannel()).assertQueue('jobs');
    // Verified, but nobody here is called so.
    await expect(connectAmqp(url, { ...external, ...dave })).rejects.toThrow(/403|ACCESS|Login was refused/i);
    // Without a certificate not even a password helps.
    await expect(connectAmqp(`amqps://carol:unused@localhost:${node.amqpsPort}`, { ca: [ca] })).rejects.toThrow();
    expect(await get(node.port!, '/readyz', ca, carol)).toEqual([200, 'ok\n']);
    await expect(get(node.port!, '/readyz', ca)).rejects.toThrow();
    await client(node.url!, { ca, ...carol });
    const asDave = connect(node.url!, { tls: { ca, ...dave }, reconnect: { maxAttempts: 0 } });
    await expect(asDave).rejects.toMatchObject({ code: 'unauthenticated' });
    await expect(connect(node.url!, { tls: { ca }, reconnect: { maxAttempts: 0 } })).rejects.toThrow();
  });

  test('offers EXTERNAL to nobody else: not without a certificate, and never in clear', async () => {
    const { node, authority } = await start({
      tlsVerify: 'optional',
      tlsLoginFrom: 'common_name',
      defaultUser: 'carol',
    });
    const external = { credentials: credentials.external(), ca: [authority.cert] };
    await expect(connectAmqp(`amqps://localhost:${node.amqpsPort}`, external)).rejects.toThrow(/mechanism/i);
    await expect(connectAmqp(`amqp://localhost:${node.amqpPort}`, external)).rejects.toThrow(/mechanism/i);
    await amqp(`amqps://carol:guest@localhost:${node.amqpsPort}`, { ca: [authority.cert] });
  });
});

import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, expect, test } from 'vitest';
import { CertificateFolder, LOCALHOST, TestAuthority } from './fixtures/certificates.js';
import { TlsGate, type TlsGateOptions } from './gate.js';
import { tlsSessionOf } from './peer.js';
import type { TlsMaterial } from './port.js';

const folder = new CertificateFolder();
const authority = await TestAuthority.create();
const stranger = await TestAuthority.create('CN=Stranger');
const first = await authority.sign({ subject: 'CN=first' });
const second = await authority.sign({ subject: 'CN=second' });
const named = await authority.sign({
  subject: 'CN=named',
  names: [...LOCALHOST, { type: 'dns', value: 'a.example' }, { type: 'dns', value: '*.b.example' }],
});
const carol = await authority.sign({ subject: 'CN=carol' });
const mallory = await stranger.sign({ subject: 'CN=carol' });
afterAll(() => folder.remove());

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const step of cleanUp.splice(0)) step();
});

interface Started {
  readonly port: number;
  readonly gate: TlsGate;
  readonly secured: TLSSocket[];
  readonly reports: string[];
  readonly accepted: Socket[];
}

/** A gate that echoes. */
async function start(material: TlsMaterial, options: Partial<TlsGateOptions> = {}): Promise<Started> {
  const secured: TLSSocket[] = [];
  const reports: string[] = [];
  const accepted: Socket[] = [];
  const report = (address: string, why: string): void => void reports.push(`${address}: ${why}`);
  const gate = new TlsGate({ material, report, ...options }, (socket) => {
    secured.push(socket);
    socket.on('error', () => socket.destroy());
    // Not `pipe`, which would hand on the end by itself.
    socket.on('data', (bytes) => socket.write(bytes));
  });
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    accepted.push(socket);
    gate.take(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => {
    gate.close();
    server.close();
    for (const socket of accepted) socket.destroy();
  });
  return { port: (server.address() as AddressInfo).port, gate, secured, reports, accepted };
}

async function shake(port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', ca: authority.cert, servername: 'localhost', ...options });
  cleanUp.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  return socket;
}

/** Whether the peer can talk: in TLS 1.3 a client is done before the server has judged its certificate. */
async function talks(port: number, options: ConnectionOptions = {}): Promise<boolean> {
  try {
    const socket = await shake(port, options);
    socket.write('echo');
    const [answer] = (await Promise.race([once(socket, 'data'), once(socket, 'close')])) as [unknown];
    return Buffer.isBuffer(answer) && answer.toString() === 'echo';
  } catch {
    return false;
  }
}

function nameOf(socket: TLSSocket): unknown {
  return socket.getPeerCertificate().subject.CN;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

function plain(port: number, bytes: Uint8Array | string): { socket: Socket; ended: Promise<Buffer> } {
  const socket = connect(port, '127.0.0.1');
  cleanUp.push(() => socket.destroy());
  const got: Buffer[] = [];
  socket.on('error', () => {});
  socket.on('data', (chunk) => got.push(chunk));
  socket.write(bytes);
  return { socket, ended: once(socket, 'close').then(() => Buffer.concat(got)) };
}

test('shakes hands and carries bytes both ways, however the hello is cut', async () => {
  const { port, secured } = await start(folder.material([first]));
  expect(await talks(port)).toBe(true);
  // A proxy that hands on every byte by itself.
  const proxy = createServer((near) => {
    const far = connect({ port, host: '127.0.0.1', noDelay: true });
    const trickle = async (bytes: Buffer): Promise<void> => {
      near.pause();
      for (let at = 0; at < bytes.length; at++) {
        far.write(bytes.subarray(at, at + 1));
        await new Promise((resolve) => setImmediate(resolve));
      }
      near.resume();
    };
    near.on('data', (bytes: Buffer) => void trickle(bytes));
    far.on('data', (bytes) => near.write(bytes));
    near.on('close', () => far.destroy());
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  cleanUp.push(() => proxy.close());
  expect(await talks((proxy.address() as AddressInfo).port)).toBe(true);
  expect(secured).toHaveLength(2);
  expect(tlsSessionOf(secured[0]!)).toEqual({ protocol: 'TLSv1.3', cipher: expect.stringContaining('TLS_') });
});

test('chooses the certificate by the name that the client asks for', async () => {
  const { port } = await start(folder.material([first, named]));
  const nameFor = async (servername: string) =>
    nameOf(await shake(port, { servername, checkServerIdentity: () => undefined }));
  expect(await nameFor('A.example')).toBe('named');
  expect(await nameFor('x.b.example')).toBe('named');
  expect(await nameFor('b.example')).toBe('first');
  expect(await nameFor('y.x.b.example')).toBe('first');
  // The first certificate is for this name as well.
  expect(await nameFor('localhost')).toBe('first');
  expect(nameOf(await shake(port, { servername: '' }))).toBe('first');
});

test('speaks TLS 1.2 with good ciphers, and nothing older', async () => {
  const { port, reports } = await start(folder.material([first]));
  const old = await shake(port, { maxVersion: 'TLSv1.2' });
  expect(old.getProtocol()).toBe('TLSv1.2');
  expect(old.getCipher().name).toMatch(/^ECDHE-ECDSA-.*(GCM|POLY1305)/);
  const weak = { ciphers: 'ECDHE-ECDSA-AES128-SHA:AES128-GCM-SHA256:@SECLEVEL=0', maxVersion: 'TLSv1.2' } as const;
  expect(await talks(port, weak)).toBe(false);
  expect(await talks(port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' })).toBe(false);
  await until(() => reports.length === 2);
  expect(reports[1]).toBe('127.0.0.1: the TLS handshake failed: unsupported protocol');
});

test('does not renegotiate', async () => {
  const { port } = await start(folder.material([first]));
  const socket = await shake(port, { maxVersion: 'TLSv1.2' });
  const outcome = await new Promise((resolve) => {
    socket.on('error', resolve);
    socket.on('close', () => resolve('closed'));
    socket.renegotiate({}, (error) => resolve(error ?? 'renegotiated'));
    setTimeout(() => resolve('not answered'), 500);
  });
  expect(outcome).not.toBe('renegotiated');
});

test('asks for certificates, takes good ones, and refuses bad ones with the reason in the log', async () => {
  const optional = await start(folder.material([first], 'optional', authority.cert));
  expect(await talks(optional.port)).toBe(true);
  expect(await talks(optional.port, carol)).toBe(true);
  expect(await talks(optional.port, mallory)).toBe(false);
  expect(optional.secured.map((socket) => tlsSessionOf(socket).certificate?.subject)).toEqual([undefined, 'CN=carol']);
  expect(optional.reports).toEqual([expect.stringContaining('its certificate is not accepted')]);

  const required = await start(folder.material([first], 'required', authority.cert));
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    expect(await talks(required.port, { maxVersion })).toBe(false);
    expect(await talks(required.port, { ...mallory, maxVersion })).toBe(false);
    expect(await talks(required.port, { ...carol, maxVersion })).toBe(true);
  }
  expect(required.secured).toHaveLength(2);
  await until(() => required.reports.length === 4);
  expect(required.reports.filter((line) => line.includes('its certificate is not accepted'))).toHaveLength(2);
  expect(required.reports.filter((line) => line.includes('peer did not return a certificate'))).toHaveLength(2);

  const none = await start(folder.material([first]));
  expect(await talks(none.port, mallory)).toBe(true);
  expect(tlsSessionOf(none.secured[0]!).certificate).toBeUndefined();
});

test('a resumed session keeps the certificate that it was made with', async () => {
  const { port, secured } = await start(folder.material([first], 'required', authority.cert));
  const earlier = await shake(port, carol);
  const [session] = (await once(earlier, 'session')) as [Buffer];
  const again = await shake(port, { ...carol, session });
  expect(again.isSessionReused()).toBe(true);
  await until(() => secured.length === 2);
  expect(tlsSessionOf(secured[1]!).certificate?.subject).toBe('CN=carol');
});

test('new certificates are for new connections, also for named hosts; open ones go on', async () => {
  const { port, gate } = await start(folder.material([first, named]));
  const before = await shake(port);
  gate.replace(folder.material([second]));
  expect(nameOf(await shake(port))).toBe('second');
  expect(nameOf(await shake(port, { servername: 'a.example', checkServerIdentity: () => undefined }))).toBe('second');
  before.write('still there');
  expect(String((await once(before, 'data'))[0])).toBe('still there');
  const broken = {
    ...folder.material([first]),
    certificates: [{ ...folder.material([first]).certificates[0]!, cert: 'x' }],
  };
  expect(() => gate.replace(broken)).toThrow();
  expect(nameOf(await shake(port))).toBe('second');
});

test('HTTP in clear hears what is wrong, other things are cut; each leaves a line', async () => {
  const { port, reports, secured, gate } = await start(folder.material([first]));
  const http = await plain(port, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n').ended;
  expect(http.toString()).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*This port speaks TLS/);
  expect((await plain(port, 'AMQP\0\0\x09\x01').ended).length).toBe(0);
  expect((await plain(port, Buffer.from([0x80, 0x2e, 1])).ended).length).toBe(0);
  // The first byte alone could be TLS, the second cannot.
  expect((await plain(port, Buffer.from([0x16, 0x04, 1])).ended).length).toBe(0);
  expect(reports).toEqual([
    '127.0.0.1: it speaks HTTP in clear on a port for TLS',
    '127.0.0.1: it speaks AMQP in clear on a port for TLS',
    '127.0.0.1: it speaks something else in clear on a port for TLS',
    '127.0.0.1: it speaks something else in clear on a port for TLS',
  ]);
  // Health checks that only connect are not worth a line.
  const silent = connect(port, '127.0.0.1');
  await once(silent, 'connect');
  silent.destroy();
  await until(() => gate.halfOpen === 0);
  expect(reports).toHaveLength(4);
  expect(secured).toHaveLength(0);
});

test('notices a peer that hangs up right after its handshake, on a listener that allows half-open connections', async () => {
  const { port, gate, accepted } = await start(folder.material([first]));
  for (let count = 0; count < 20; count++) (await shake(port)).destroy();
  await until(() => accepted.length === 20 && accepted.every((socket) => socket.destroyed));
  expect(gate.halfOpen).toBe(0);
});

test('ends handshakes that take too long, drop by drop as well', async () => {
  const { port, reports, gate } = await start(folder.material([first]), { handshakeTimeoutMs: 300 });
  const silent = plain(port, '');
  const dripping = plain(port, Buffer.from([0x16, 3, 1, 2, 0]));
  const drops = setInterval(() => dripping.socket.write(Buffer.from([0])), 50);
  await Promise.all([silent.ended, dripping.ended]);
  clearInterval(drops);
  expect(gate.halfOpen).toBe(0);
  expect(reports).toHaveLength(2);
  expect(reports[0]).toContain('took longer than 300 ms');
});

test('lets quick clients in beside any number of half-open handshakes', async () => {
  const { port, gate, reports } = await start(folder.material([first]), { maxHalfOpen: 20 });
  for (let count = 0; count < 100; count++) {
    const half = plain(port, Buffer.from([0x16, 3, 1, 2, 0, 1]));
    await once(half.socket, 'connect');
    if (count % 10 === 0) expect(await talks(port)).toBe(true);
  }
  await until(() => reports.length >= 80);
  expect(gate.halfOpen).toBeLessThanOrEqual(20);
  expect(reports[0]).toContain('more than 20 TLS handshakes are under way');
});

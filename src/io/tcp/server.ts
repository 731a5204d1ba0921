import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { assert } from '../../base/assert.js';
import { listenError } from '../listen/bind.js';
import { LISTEN_BACKLOG } from '../listen/limits.js';
import { hasNodeReusePort, listenShared } from '../listen/shared-listen.js';
import { isTlsBeginning, TLS_REFUSAL } from '../tls/first-bytes.js';
import type { TlsGate } from '../tls/gate.js';
import type { TlsMaterial, TlsSession } from '../tls/port.js';
import { MIN_HIGH_WATER_BYTES } from './limits.js';
import type { TcpServer, TcpServerOptions, TcpSocket, TcpSocketEvents } from './port.js';
import { asItComes, intoSharedMemory } from './shared-reads.js';
import { NodeTcpSocket } from './socket.js';

/** Names that mean this machine, by IPv4 and, where it is there, by IPv6. */
const LOOPBACK = new Set(['127.0.0.1', 'localhost']);

/**
 * Starts a TCP server in the calling thread; `open` is called for each connection.
 * @throws {ListenError}
 */
export async function createTcpServer(
  options: TcpServerOptions,
  open: (socket: TcpSocket) => TcpSocketEvents,
): Promise<TcpServer> {
  assert(options.highWaterBytes >= MIN_HIGH_WATER_BYTES, `A high-water mark of ${options.highWaterBytes} is too low`);
  const server = new NodeTcpServer(options, open);
  if (options.tls !== undefined) await server.useTls(options.tls);
  await server.listen();
  return server;
}

class NodeTcpServer implements TcpServer {
  port = 0;
  private readonly options: TcpServerOptions;
  private readonly open: (socket: TcpSocket) => TcpSocketEvents;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<NodeTcpSocket>();
  private gate: TlsGate | undefined;
  private closing: Promise<void> | undefined;

  constructor(options: TcpServerOptions, open: (socket: TcpSocket) => TcpSocketEvents) {
    this.options = options;
    this.open = open;
  }

  /** Has every connection speak TLS. Before `listen`. */
  async useTls(material: TlsMaterial): Promise<void> {
    // Loaded here: a node without TLS need not keep it.
    const [{ TlsGate }, { tlsSessionOf }] = await Promise.all([import('../tls/gate.js'), import('../tls/peer.js')]);
    const { report } = this.options;
    this.gate = new TlsGate({ material, report }, (socket) => this.serve(socket, tlsSessionOf(socket)));
  }

  async listen(): Promise<void> {
    const { host } = this.options;
    const isLoopback = LOOPBACK.has(host);
    this.port = await this.listenOn(isLoopback ? '127.0.0.1' : host, this.options.port);
    if (!isLoopback) return;
    try {
      await this.listenOn('::1', this.port);
    } catch (error) {
      // A machine without IPv6 is as good as one with it; a stranger on the port of the same name is not.
      if (error instanceof Error && 'code' in error && error.code === 'address-in-use') throw error;
    }
  }

  connections(): number {
    return this.sockets.size;
  }

  stopAccepting(): void {
    for (const server of this.servers) if (server.listening) server.close();
  }

  replaceTls(material: TlsMaterial): void {
    assert(this.gate !== undefined, 'Only a server with TLS has certificates');
    this.gate.replace(material);
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    const stopped = this.servers
      .filter((server) => server.listening)
      .map((server) => new Promise((resolve) => server.once('close', resolve)));
    this.stopAccepting();
    this.gate?.close();
    for (const socket of [...this.sockets]) socket.destroy();
    await Promise.all(stopped);
  }

  private async listenOn(host: string, port: number): Promise<number> {
    const { sharePort } = this.options;
    const backlog = LISTEN_BACKLOG;
    let target: ListenOptions & { fd?: number; reusePort?: boolean } = { host, port, backlog, exclusive: true };
    if (sharePort) {
      target = hasNodeReusePort()
        ? { host, port, backlog, reusePort: true }
        : { fd: await listenShared(host, port), backlog };
    }
    const server = createServer({ noDelay: true, allowHalfOpen: true, pauseOnConnect: true }, (socket) =>
      this.connected(socket),
    );
    await new Promise<void>((resolve, reject) => {
      const fail = (error: Error): void => reject(listenError(host, port, error));
      server.once('error', fail);
      server.listen(target, () => {
        server.off('error', fail);
        resolve();
      });
    });
    // Failed accepts (no descriptors, a peer that is gone again) are none of the listener's end.
    server.on('error', () => {});
    this.servers.push(server);
    return (server.address() as AddressInfo).port;
  }

  private connected(raw: Socket): void {
    if (this.isFull()) {
      raw.destroy();
    } else if (this.gate !== undefined) {
      this.gate.take(raw);
    } else {
      this.serve(raw, undefined);
    }
  }

  private isFull(): boolean {
    return this.closing !== undefined || this.sockets.size >= this.options.maxConnections;
  }

  private serve(raw: Socket, tls: TlsSession | undefined): void {
    const { highWaterBytes, keepAliveMs } = this.options;
    // Others may have finished their handshakes meanwhile.
    if (this.isFull()) {
      raw.destroy();
      return;
    }
    if (keepAliveMs > 0) raw.setKeepAlive(true, keepAliveMs);
    const read = tls === undefined ? intoSharedMemory : asItComes;
    const socket = new NodeTcpSocket((received) => read(raw, received), highWaterBytes, tls);
    this.sockets.add(socket);
    const events = this.open(socket);
    let isFirst = tls === undefined;
    socket.listen({
      data: (bytes) => {
        if (isFirst && isTlsBeginning(bytes)) this.refuseTls(socket);
        else events.data(bytes);
        isFirst = false;
      },
      drain: () => events.drain(),
      close: () => {
        this.sockets.delete(socket);
        events.close();
      },
    });
  }

  private refuseTls(socket: NodeTcpSocket): void {
    this.options.report?.(socket.remoteAddress, 'it speaks TLS on a port that does not');
    // Written to the kernel at once, so it leaves before the end does.
    socket.write(TLS_REFUSAL);
    socket.destroy();
  }
}

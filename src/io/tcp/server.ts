import { type AddressInfo, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { assert } from '../../base/assert.js';
import { listenError } from '../listen/bind.js';
import { LISTEN_BACKLOG } from '../listen/limits.js';
import { hasNodeReusePort, listenShared } from '../listen/shared-listen.js';
import { MIN_HIGH_WATER_BYTES } from './limits.js';
import type { TcpServer, TcpServerOptions, TcpSocket, TcpSocketEvents } from './port.js';
import { intoSharedMemory } from './shared-reads.js';
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
  await server.listen();
  return server;
}

class NodeTcpServer implements TcpServer {
  port = 0;
  private readonly options: TcpServerOptions;
  private readonly open: (socket: TcpSocket) => TcpSocketEvents;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<NodeTcpSocket>();
  private closing: Promise<void> | undefined;

  constructor(options: TcpServerOptions, open: (socket: TcpSocket) => TcpSocketEvents) {
    this.options = options;
    this.open = open;
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

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    const stopped = this.servers
      .filter((server) => server.listening)
      .map((server) => new Promise((resolve) => server.once('close', resolve)));
    this.stopAccepting();
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
    const { maxConnections, highWaterBytes, keepAliveMs } = this.options;
    if (this.closing !== undefined || this.sockets.size >= maxConnections) {
      raw.destroy();
      return;
    }
    if (keepAliveMs > 0) raw.setKeepAlive(true, keepAliveMs);
    const socket = new NodeTcpSocket((received) => intoSharedMemory(raw, received), highWaterBytes);
    this.sockets.add(socket);
    const events = this.open(socket);
    socket.listen({
      data: (bytes) => events.data(bytes),
      drain: () => events.drain(),
      close: () => {
        this.sockets.delete(socket);
        events.close();
      },
    });
  }
}

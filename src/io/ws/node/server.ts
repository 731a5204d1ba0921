import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { type AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type Server as HandshakeServer, WebSocketServer } from 'ws';
import { assert } from '../../../base/assert.js';
import { listenError } from '../../listen/bind.js';
import { LISTEN_BACKLOG } from '../../listen/limits.js';
import { OutboxPool } from '../../listen/outbox.js';
import { hasNodeReusePort, listenShared } from '../../listen/shared-listen.js';
import { isTlsBeginning, TLS_REFUSAL } from '../../tls/first-bytes.js';
import type { TlsGate } from '../../tls/gate.js';
import type { TlsMaterial } from '../../tls/port.js';
import { plainAddress } from '../address.js';
import { agreedSubprotocol, handshakeFault, offeredSubprotocols } from '../handshake.js';
import * as limits from '../limits.js';
import type { UpgradeRequest, WsRoute, WsServer, WsServerOptions } from '../port.js';
import { headerOf, refuse, refuseUpgrade, serveHttp, splitTarget, tlsOf } from './http.js';
import { AnnouncingWebSocket, NodeSocket, type NodeSocketOrigin } from './socket.js';

const BAD_REQUEST = 'HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n';
/** What `node:http` answers by itself, which nobody else does once somebody listens. */
const BROKEN_REQUEST: ReadonlyMap<string, string> = new Map([
  ['HPE_HEADER_OVERFLOW', 'HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\n\r\n'],
  ['HPE_CHUNK_EXTENSIONS_OVERFLOW', 'HTTP/1.1 413 Payload Too Large\r\nconnection: close\r\n\r\n'],
  ['ERR_HTTP_REQUEST_TIMEOUT', 'HTTP/1.1 408 Request Timeout\r\nconnection: close\r\n\r\n'],
]);

/**
 * Starts a server on `node:http` and the `ws` package in this thread.
 * @throws {ListenError}.
 */
export async function createNodeServer(options: WsServerOptions): Promise<WsServer> {
  // Loaded here: a node without TLS need not keep it.
  const gates = options.tls === undefined ? undefined : await import('../../tls/gate.js');
  const server = new NodeServer(options, gates?.TlsGate);
  await server.listen();
  return server;
}

class NodeServer implements WsServer {
  readonly engine = 'ws';
  port = 0;
  private readonly options: WsServerOptions;
  private readonly http: Server;
  private readonly handshakes: HandshakeServer<typeof AnnouncingWebSocket>;
  private readonly sockets = new Set<NodeSocket>();
  private readonly tcpSockets = new Set<Socket>();
  private readonly outboxes = new OutboxPool();
  private readonly gate: TlsGate | undefined;
  private idleTimer: NodeJS.Timeout | undefined;
  private closing: Promise<void> | undefined;
  private onLastGone: (() => void) | undefined;

  /** `Gate`: the class, for a server with `tls`. */
  constructor(options: WsServerOptions, Gate: typeof TlsGate | undefined) {
    this.options = options;
    this.handshakes = new WebSocketServer(handshakeOptions(options));
    this.http = createServer(httpOptions());
    this.http.keepAliveTimeout = limits.HTTP_KEEP_ALIVE_MS;
    this.gate = this.takeConnections(Gate);
    this.http.on('clientError', (error, stream) => this.broken(error, stream));
    this.http.on('request', (message, response) => this.request(message, response));
    this.http.on('upgrade', (message, socket, head) => this.upgrade(message, socket, head));
    if (options.idleTimeoutSeconds > 0) {
      const quarterMs = (options.idleTimeoutSeconds * 1000) / limits.IDLE_QUARTERS;
      this.idleTimer = setInterval(() => this.checkIdle(), quarterMs).unref();
    }
  }

  async listen(): Promise<void> {
    const { host, port, reusePort } = this.options;
    const backlog = LISTEN_BACKLOG;
    const shared = { host, port, backlog, reusePort };
    if (!reusePort) await this.listenOn({ host, port, backlog, exclusive: true });
    else if (hasNodeReusePort()) await this.listenOn(shared);
    else await this.listenOn({ fd: await listenShared(host, port), backlog });
    this.http.on('error', () => {});
    const address = this.http.address() as AddressInfo;
    this.port = address.port;
  }

  connections(): number {
    return this.tcpSockets.size;
  }

  async replaceTls(material: TlsMaterial): Promise<void> {
    assert(this.gate !== undefined, 'Only a server with TLS has certificates');
    this.gate.replace(material);
  }

  stopAccepting(): void {
    if (this.http.listening) this.http.close();
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    const stopped = this.http.listening ? new Promise((resolve) => this.http.once('close', resolve)) : undefined;
    this.stopAccepting();
    this.gate?.close();
    clearInterval(this.idleTimer);
    for (const socket of [...this.sockets]) socket.end(1001, 'The server is shutting down');
    this.http.closeIdleConnections();
    if (this.tcpSockets.size > 0) await this.waitForPeers();
    for (const socket of this.tcpSockets) socket.destroy();
    await stopped;
  }

  private waitForPeers(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, limits.CLOSE_GRACE_MS);
      this.onLastGone = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  private listenOn(target: Parameters<Server['listen']>[0]): Promise<void> {
    const { host, port } = this.options;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => reject(listenError(host, port, error));
      this.http.once('error', fail);
      this.http.listen(target, () => {
        this.http.off('error', fail);
        resolve();
      });
    });
  }

  /** Counts connections, and with TLS puts its gate before what `node:http` does with each. */
  private takeConnections(Gate: typeof TlsGate | undefined): TlsGate | undefined {
    const { tls: material, report } = this.options;
    if (material === undefined || Gate === undefined) {
      this.http.on('connection', (socket) => this.connected(socket));
      return undefined;
    }
    const listeners = this.http.listeners('connection');
    this.http.removeAllListeners('connection');
    const gate = new Gate({ material, report, alpn: ['http/1.1'] }, (socket) => {
      for (const listener of listeners) listener.call(this.http, socket);
    });
    this.http.on('connection', (socket) => {
      if (this.connected(socket)) gate.take(socket);
    });
    return gate;
  }

  /** False: there are too many, and it was cut. */
  private connected(socket: Socket): boolean {
    if (this.tcpSockets.size >= this.options.maxConnections + limits.REFUSAL_SLACK_CONNECTIONS) {
      socket.destroy();
      return false;
    }
    this.tcpSockets.add(socket);
    socket.once('close', () => {
      this.tcpSockets.delete(socket);
      if (this.tcpSockets.size === 0) this.onLastGone?.();
    });
    return true;
  }

  /** A request that is none, or comes too slowly. */
  private broken(error: Error, stream: Duplex): void {
    const { code = '', rawPacket } = error as Error & { code?: string; rawPacket?: Uint8Array };
    if (this.gate === undefined && rawPacket !== undefined && isTlsBeginning(rawPacket)) {
      const address = stream instanceof Socket ? plainAddress(stream.remoteAddress) : '';
      this.options.report?.(address, 'it speaks TLS on a port that does not');
      stream.write(TLS_REFUSAL);
    } else if (stream.writable) {
      stream.write(BROKEN_REQUEST.get(code) ?? BAD_REQUEST);
    }
    stream.destroy();
  }

  private request(message: IncomingMessage, response: ServerResponse): void {
    if (this.isFull()) refuse(response, 503, 'Too many connections');
    else serveHttp(message, response, this.options.http, this.options.maxHttpBodyBytes);
  }

  private upgrade(message: IncomingMessage, stream: Duplex, head: Buffer): void {
    const { path, query } = splitTarget(message.url);
    const route = this.options.routes.get(path);
    if (route === undefined || headerOf(message, 'sec-websocket-key') === '')
      return this.requestInstead(message, stream);
    if (this.isFull()) return refuseUpgrade(stream, 503, 'Too many connections');
    const header = (name: string): string => headerOf(message, name);
    const fault = handshakeFault(message.method ?? '', header);
    if (fault !== undefined) return refuseUpgrade(stream, 400, fault);
    const remoteAddress = plainAddress(message.socket.remoteAddress);
    const tls = tlsOf(message);
    const subprotocols = offeredSubprotocols(header('sec-websocket-protocol'));
    const request: UpgradeRequest = { path, query, remoteAddress, tls, subprotocols, header };
    const decision = route.upgrade(request);
    if (!decision.accept) return refuseUpgrade(stream, decision.status, decision.reason);
    const subprotocol = agreedSubprotocol(request, decision);
    this.accept(message, stream, head, route, { path, query, remoteAddress, tls, subprotocol });
  }

  private accept(
    message: IncomingMessage,
    stream: Duplex,
    head: Buffer,
    route: WsRoute,
    origin: NodeSocketOrigin,
  ): void {
    assert(stream instanceof Socket, 'node:http hands over TCP sockets');
    // The package takes the subprotocol from its first offer, so it is offered only the one that was agreed on.
    if (origin.subprotocol === '') delete message.headers['sec-websocket-protocol'];
    else message.headers['sec-websocket-protocol'] = origin.subprotocol;
    this.handshakes.handleUpgrade(message, stream, head, (raw) => {
      const socket = new NodeSocket(raw, stream, origin, this.outboxes, this.options.maxBackpressureBytes);
      this.sockets.add(socket);
      raw.once('close', () => this.sockets.delete(socket));
      socket.listen(route.open(socket));
    });
  }

  /** An upgrade to something else (h2c, say) may be ignored (RFC 9110 §7.8), but `node:http` leaves the response to us. */
  private requestInstead(message: IncomingMessage, stream: Duplex): void {
    assert(stream instanceof Socket, 'node:http hands over TCP sockets');
    stream.on('error', () => stream.destroy());
    const response = new ServerResponse(message);
    response.shouldKeepAlive = false;
    response.assignSocket(stream);
    response.once('finish', () => stream.destroySoon());
    this.request(message, response);
  }

  private checkIdle(): void {
    for (const socket of this.sockets) socket.checkIdle();
  }

  private isFull(): boolean {
    return this.closing !== undefined || this.tcpSockets.size > this.options.maxConnections;
  }
}

function handshakeOptions(options: WsServerOptions) {
  return {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
    closeTimeout: limits.CLOSE_HANDSHAKE_TIMEOUT_MS,
    WebSocket: AnnouncingWebSocket,
  };
}

function httpOptions() {
  return {
    maxHeaderSize: limits.MAX_HTTP_HEADER_BYTES,
    headersTimeout: limits.HTTP_HEADERS_TIMEOUT_MS,
    requestTimeout: limits.HTTP_REQUEST_TIMEOUT_MS,
    connectionsCheckingInterval: limits.HTTP_TIMEOUT_CHECK_MS,
    noDelay: true,
    // Without this, newer Node versions hand over requests for any protocol; older ones do not know it and do.
    shouldUpgradeCallback: (message: IncomingMessage): boolean =>
      headerOf(message, 'upgrade').toLowerCase() === 'websocket',
  };
}

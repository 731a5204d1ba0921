import type {
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js';
import { listenError, probePort } from '../../listen/bind.js';
import { agreedSubprotocol, handshakeFault, offeredSubprotocols } from '../handshake.js';
import { CLOSE_GRACE_MS, FREE_PORT_ATTEMPTS, UWS_OVERSIZE_FACTOR } from '../limits.js';
import type { UpgradeRequest, WsRoute, WsServer, WsServerOptions } from '../port.js';
import { refuse, remoteAddressOf, serveHttp } from './http.js';
import { UwsSocket, type UwsUserData } from './socket.js';

/** The native module, as its dynamic import's default export gives it. */
export type UwsModule = typeof import('uWebSockets.js');

/** `LIBUS_LISTEN_*`: the first sets SO_REUSEPORT. */
const LISTEN_DEFAULT = 0;
const LISTEN_EXCLUSIVE_PORT = 1;

/** What uWebSockets.js says when it cuts a connection, and the close code that RFC 6455 has for it. */
const FAULT_CODES: ReadonlyMap<string, number> = new Map([
  ['Received too big message', 1009],
  ['Received too big message, or other inflation error', 1009],
  ['Received invalid UTF-8', 1007],
  ['Received invalid WebSocket frame', 1002],
  ['Received invalid close payload', 1002],
]);

/**
 * Starts a server on uWebSockets.js in this thread.
 * @throws {ListenError} `address-in-use` or `address-unavailable`.
 */
export async function createUwsServer(uws: UwsModule, options: WsServerOptions): Promise<WsServer> {
  const server = new UwsServer(uws, options);
  await server.listen();
  return server;
}

/** `getUserData()` only returns the object that it is called on: reading the property there saves a native call per message. */
const socketOf = (raw: WebSocket<UwsUserData>): UwsSocket => (raw as WebSocket<UwsUserData> & UwsUserData).socket;

class UwsServer implements WsServer {
  readonly engine = 'uws';
  port = 0;
  private readonly uws: UwsModule;
  private readonly options: WsServerOptions;
  private readonly app: TemplatedApp;
  private readonly sockets = new Set<UwsSocket>();
  private listenSocket: us_listen_socket | undefined;
  private connectionCount = 0;
  private closing: Promise<void> | undefined;

  constructor(uws: UwsModule, options: WsServerOptions) {
    this.uws = uws;
    this.options = options;
    this.app = uws.App();
    const countConnection = (_response: HttpResponse, change: unknown): void => {
      this.connectionCount += Number(change);
    };
    this.app.filter(countConnection);
    for (const [path, route] of options.routes) this.app.ws(path, this.behavior(path, route));
    this.app.any('/*', (response, request) => {
      if (this.isFull()) refuse(response, 503, 'Too many connections');
      else serveHttp(response, request, options.http, options.maxHttpBodyBytes);
    });
  }

  async listen(): Promise<void> {
    const { host, port, reusePort } = this.options;
    const listenSocket = port === 0 ? await this.listenAnywhere() : this.tryListen(port);
    if (listenSocket === false) {
      this.app.close();
      // The native module does not say why, so the same bind is tried in a way that does.
      if (!reusePort) await probePort(host, port);
      throw listenError(host, port, undefined);
    }
    this.listenSocket = listenSocket;
    this.port = this.uws.us_socket_local_port(listenSocket);
  }

  connections(): number {
    return this.connectionCount;
  }

  stopAccepting(): void {
    if (this.listenSocket === undefined) return;
    this.uws.us_listen_socket_close(this.listenSocket);
    this.listenSocket = undefined;
  }

  close(): Promise<void> {
    this.closing ??= this.closeAll();
    return this.closing;
  }

  private async closeAll(): Promise<void> {
    this.stopAccepting();
    let hasBacklog = false;
    for (const socket of [...this.sockets]) {
      hasBacklog ||= socket.bufferedBytes() > 0;
      socket.end(1001, 'The server is shutting down');
    }
    // Without a backlog the close frames are in the kernel already; with one, its readers get a moment.
    await new Promise((resolve) => setTimeout(resolve, hasBacklog ? CLOSE_GRACE_MS : 1));
    this.app.close();
    // The loop frees closed sockets at its end of iteration, and the thread must not end before.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }

  /** uWebSockets.js leaves out SO_REUSEPORT and SO_REUSEADDR when it is given port 0, so a free port is looked up first. */
  private async listenAnywhere(): Promise<us_listen_socket | false> {
    let listenSocket: us_listen_socket | false = false;
    for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS && listenSocket === false; attempt++) {
      listenSocket = this.tryListen(await probePort(this.options.host, 0));
    }
    return listenSocket;
  }

  private tryListen(port: number): us_listen_socket | false {
    let result: us_listen_socket | false = false;
    const take = (socket: us_listen_socket | false): void => {
      result = socket;
    };
    // The overload with host, port and options exists in the native code, but not in its types.
    const listen: (
      host: string,
      port: number,
      flags: number,
      take: (socket: us_listen_socket | false) => void,
    ) => unknown = this.app.listen.bind(this.app) as never;
    listen(this.options.host, port, this.options.reusePort ? LISTEN_DEFAULT : LISTEN_EXCLUSIVE_PORT, take);
    return result;
  }

  private behavior(path: string, route: WsRoute): WebSocketBehavior<UwsUserData> {
    return {
      compression: this.uws.DISABLED,
      maxPayloadLength: this.options.maxMessageBytes * UWS_OVERSIZE_FACTOR,
      idleTimeout: this.options.idleTimeoutSeconds,
      sendPingsAutomatically: true,
      // No limit: uWebSockets.js would drop messages, and even close frames, beyond it. The socket class keeps the limit itself.
      maxBackpressure: 0,
      upgrade: (response, request, context) => this.upgrade(path, route, response, request, context),
      open: (raw) => {
        const socket = socketOf(raw);
        this.sockets.add(socket);
        socket.attach(raw);
        socket.listen(route.open(socket));
      },
      message: (raw, bytes, isBinary) => {
        const socket = socketOf(raw);
        if (bytes.byteLength > this.options.maxMessageBytes) socket.end(1009, 'The message is too big');
        else socket.onMessage(new Uint8Array(bytes), !isBinary);
      },
      drain: (raw) => socketOf(raw).onDrain(),
      pong: (raw) => socketOf(raw).onPong(),
      close: (raw, code, message) => this.closed(socketOf(raw), code, Buffer.from(message).toString()),
    };
  }

  private upgrade(
    path: string,
    route: WsRoute,
    response: HttpResponse,
    native: HttpRequest,
    context: us_socket_context_t,
  ): void {
    if (this.isFull()) return refuse(response, 503, 'Too many connections');
    const header = (name: string): string => native.getHeader(name);
    const fault = handshakeFault(native.getCaseSensitiveMethod(), header);
    if (fault !== undefined) return refuse(response, 400, fault);
    const request: UpgradeRequest = {
      path,
      query: native.getQuery() ?? '',
      remoteAddress: remoteAddressOf(response),
      subprotocols: offeredSubprotocols(header('sec-websocket-protocol')),
      header,
    };
    const decision = route.upgrade(request);
    if (!decision.accept) return refuse(response, decision.status, decision.reason);
    const subprotocol = agreedSubprotocol(request, decision);
    const { query, remoteAddress } = request;
    const socket = new UwsSocket({ path, query, remoteAddress, subprotocol }, this.options.maxBackpressureBytes);
    response.upgrade<UwsUserData>({ socket }, header('sec-websocket-key'), subprotocol, '', context);
  }

  private closed(socket: UwsSocket, code: number, reason: string): void {
    this.sockets.delete(socket);
    // The filter hears of the opening of every connection, but of the closing only while it is HTTP.
    this.connectionCount--;
    const faultCode = code === 1006 ? FAULT_CODES.get(reason) : undefined;
    socket.onClose(faultCode ?? code, reason);
  }

  private isFull(): boolean {
    return this.closing !== undefined || this.connectionCount > this.options.maxConnections;
  }
}

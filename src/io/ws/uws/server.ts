import type {
  AppOptions,
  HttpRequest,
  HttpResponse,
  TemplatedApp,
  us_listen_socket,
  us_socket_context_t,
  WebSocket,
  WebSocketBehavior,
} from 'uWebSockets.js';
import { assert } from '../../../base/assert.js';
import { listenError, probePort } from '../../listen/bind.js';
import { TLS12_CIPHERS } from '../../tls/ciphers.js';
import { TlsError } from '../../tls/errors.js';
import { MAX_UWS_UNUPGRADED } from '../../tls/limits.js';
import type { TlsMaterial, TlsSession } from '../../tls/port.js';
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

/** uWebSockets.js tells nothing of a connection's TLS. */
const TLS_SESSION: TlsSession = {};

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

/**
 * One native app with its listening socket. Its certificate cannot be changed, so new certificates are a new app on the same port, and the old one lives
 * on for the connections that it has.
 */
interface Generation {
  readonly app: TemplatedApp;
  listenSocket: us_listen_socket | undefined;
  connections: number;
  isClosed: boolean;
}

class UwsServer implements WsServer {
  readonly engine = 'uws';
  port = 0;
  private readonly uws: UwsModule;
  private readonly options: WsServerOptions;
  private readonly sockets = new Set<UwsSocket>();
  /** Those that have been replaced and still have connections. */
  private readonly retired = new Set<Generation>();
  private current: Generation;
  private connectionCount = 0;
  private closing: Promise<void> | undefined;

  constructor(uws: UwsModule, options: WsServerOptions) {
    this.uws = uws;
    this.options = options;
    this.current = this.generation(options.tls);
  }

  async listen(): Promise<void> {
    const { host, port, reusePort, tls } = this.options;
    // To be replaced, a listener must be able to share its port for a moment: then only a look before tells whether somebody else has it.
    if (tls !== undefined && !reusePort && port !== 0) await probePort(host, port);
    const listenSocket = port === 0 ? await this.listenAnywhere() : this.tryListen(this.current.app, port);
    if (listenSocket === false) {
      this.current.app.close();
      // The native module does not say why, so the same bind is tried in a way that does.
      if (!reusePort) await probePort(host, port);
      throw listenError(host, port, undefined);
    }
    this.current.listenSocket = listenSocket;
    this.port = this.uws.us_socket_local_port(listenSocket);
  }

  connections(): number {
    return this.connectionCount;
  }

  async replaceTls(material: TlsMaterial): Promise<void> {
    assert(this.options.tls !== undefined, 'Only a server with TLS has certificates');
    const old = this.current;
    if (this.closing !== undefined || old.listenSocket === undefined) return;
    const next = this.generation(material);
    const listenSocket = this.tryListen(next.app, this.port);
    if (listenSocket === false) {
      next.app.close();
      const message = `Cannot use the new certificates on port ${this.port}: uWebSockets.js could not listen again`;
      throw new TlsError('refused-by-engine', message);
    }
    next.listenSocket = listenSocket;
    this.current = next;
    this.retired.add(old);
    this.stopListening(old);
    this.closeIfDone(old);
  }

  stopAccepting(): void {
    this.stopListening(this.current);
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
    for (const generation of [...this.retired, this.current]) this.closeApp(generation);
    // The loop frees closed sockets at its end of iteration, and the thread must not end before.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
  }

  private generation(material: TlsMaterial | undefined): Generation {
    const app = material === undefined ? this.uws.App() : this.secureApp(material);
    const generation: Generation = { app, listenSocket: undefined, connections: 0, isClosed: false };
    app.filter((response, change) => this.counted(generation, response, Number(change)));
    for (const [path, route] of this.options.routes) app.ws(path, this.behavior(generation, path, route));
    app.any('/*', (response, request) => {
      if (this.isFull()) refuse(response, 503, 'Too many connections');
      else serveHttp(response, request, this.options.http, this.options.maxHttpBodyBytes, this.tls);
    });
    return generation;
  }

  /** @throws {TlsError} `refused-by-engine` */
  private secureApp(material: TlsMaterial): TemplatedApp {
    const [certificate, ...others] = material.certificates;
    assert(certificate !== undefined && others.length === 0 && material.verify === 'none', 'See uwsTlsFault');
    const options: AppOptions = {
      cert_file_name: certificate.certFile,
      key_file_name: certificate.keyFile,
      ssl_ciphers: TLS12_CIPHERS.join(':'),
    };
    try {
      return this.uws.SSLApp(options);
    } catch (error) {
      const message = `Cannot use the certificate in ${certificate.certFile}: uWebSockets.js does not take it`;
      throw new TlsError('refused-by-engine', message, error);
    }
  }

  private get tls(): TlsSession | undefined {
    return this.options.tls === undefined ? undefined : TLS_SESSION;
  }

  /** The filter hears of the opening of every connection, but of the closing only while it is HTTP. */
  private counted(generation: Generation, response: HttpResponse, change: number): void {
    this.count(generation, change);
    // With TLS those whose handshake is not done are among them, and nobody knows which.
    const unupgraded = this.connectionCount - this.sockets.size;
    if (change > 0 && this.options.tls !== undefined && unupgraded > MAX_UWS_UNUPGRADED) response.close();
  }

  private count(generation: Generation, change: number): void {
    this.connectionCount += change;
    generation.connections += change;
    if (change < 0) this.closeIfDone(generation);
  }

  private closeIfDone(generation: Generation): void {
    if (generation.connections > 0 || !this.retired.has(generation)) return;
    // An app must not be closed from within its own handlers.
    setImmediate(() => {
      if (this.retired.delete(generation)) this.closeApp(generation);
    });
  }

  private closeApp(generation: Generation): void {
    if (generation.isClosed) return;
    generation.isClosed = true;
    generation.app.close();
  }

  private stopListening(generation: Generation): void {
    if (generation.listenSocket === undefined) return;
    this.uws.us_listen_socket_close(generation.listenSocket);
    generation.listenSocket = undefined;
  }

  /** uWebSockets.js leaves out SO_REUSEPORT and SO_REUSEADDR when it is given port 0, so a free port is looked up first. */
  private async listenAnywhere(): Promise<us_listen_socket | false> {
    let listenSocket: us_listen_socket | false = false;
    for (let attempt = 0; attempt < FREE_PORT_ATTEMPTS && listenSocket === false; attempt++) {
      listenSocket = this.tryListen(this.current.app, await probePort(this.options.host, 0));
    }
    return listenSocket;
  }

  private tryListen(app: TemplatedApp, port: number): us_listen_socket | false {
    const { host, reusePort, tls } = this.options;
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
    ) => unknown = app.listen.bind(app) as never;
    listen(host, port, reusePort || tls !== undefined ? LISTEN_DEFAULT : LISTEN_EXCLUSIVE_PORT, take);
    return result;
  }

  private behavior(generation: Generation, path: string, route: WsRoute): WebSocketBehavior<UwsUserData> {
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
      close: (raw, code, message) => this.closed(generation, socketOf(raw), code, Buffer.from(message).toString()),
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
      tls: this.tls,
      subprotocols: offeredSubprotocols(header('sec-websocket-protocol')),
      header,
    };
    const decision = route.upgrade(request);
    if (!decision.accept) return refuse(response, decision.status, decision.reason);
    const subprotocol = agreedSubprotocol(request, decision);
    const { query, remoteAddress } = request;
    const origin = { path, query, remoteAddress, tls: this.tls, subprotocol };
    const socket = new UwsSocket(origin, this.options.maxBackpressureBytes);
    response.upgrade<UwsUserData>({ socket }, header('sec-websocket-key'), subprotocol, '', context);
  }

  private closed(generation: Generation, socket: UwsSocket, code: number, reason: string): void {
    this.sockets.delete(socket);
    this.count(generation, -1);
    const faultCode = code === 1006 ? FAULT_CODES.get(reason) : undefined;
    socket.onClose(faultCode ?? code, reason);
  }

  private isFull(): boolean {
    return this.closing !== undefined || this.connectionCount > this.options.maxConnections;
  }
}

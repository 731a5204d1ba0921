/**
 * The port of the one listener that speaks HTTP/1.1 and WebSocket (RFC 6455). Two engines stand behind it, `uws` (uWebSockets.js) and
 * `ws` (the `ws` package on `node:http`), and one contract test suite (`contract.test.ts`) runs against both. Sessions see only these types.
 *
 * What holds on both engines:
 * - **Received bytes are borrowed**: they are valid only until `message()` returns. Keep a copy, not the view.
 * - **A handler that throws is a bug**: the exception surfaces as the thread's uncaught exception. Report bad input by `end()`.
 * - **`close()` comes exactly once**, from within `end()` and `terminate()` themselves, or when the peer goes. Nothing comes after it, and
 *   every method of a closed socket is a harmless no-op.
 * - **Nothing is dropped silently.** A send that would pass the backlog limit closes the socket with 1013 instead.
 * - Compression (permessage-deflate) is never negotiated.
 */

import type { RefusalReport, TlsMaterial, TlsSession } from '../tls/port.js';

/** The two implementations of the port. */
export type WsEngine = 'uws' | 'ws';

/** Settings of one server. Every limit is checked by `createWsServer`. */
export interface WsServerOptions {
  /** Address or name to bind, e.g. `127.0.0.1` or `::1`. */
  readonly host: string;
  /** TCP port; 0 takes any free one, which `WsServer.port` then tells. */
  readonly port: number;
  /** Allow several threads to accept on the same port. Run `probePort` once before, since this hides that another process has it. */
  readonly reusePort: boolean;
  /** Longest message accepted; a longer one closes the socket with 1009. */
  readonly maxMessageBytes: number;
  /** Backlog beyond which a further send closes the socket with 1013. The message that takes the backlog past it is still taken. */
  readonly maxBackpressureBytes: number;
  /**
   * A peer that was silent so long, although it was pinged, is cut off. Whole seconds, 8 to 960; 0 = never. Engines look every few seconds, so
   * the cut comes up to a quarter later.
   */
  readonly idleTimeoutSeconds: number;
  /** Longest HTTP request body accepted; a longer one is answered 413. */
  readonly maxHttpBodyBytes: number;
  /** Connections (HTTP and WebSocket) beyond which requests are answered 503 and closed. */
  readonly maxConnections: number;
  /**
   * Every connection speaks TLS with these certificates. `uws` can only take one that no client needs to answer with its own: see
   * `uwsTlsFault` (engine.ts).
   */
  readonly tls?: TlsMaterial | undefined;
  /** Hears of peers that speak TLS where there is none, or the other way round, or fail in it. `uws` notices none of it. */
  readonly report?: RefusalReport | undefined;
  /** WebSocket endpoints by exact path, e.g. `/ws`. */
  readonly routes: ReadonlyMap<string, WsRoute>;
  /** Serves every request that is no upgrade to a known path. */
  readonly http: HttpHandler;
}

/** One WebSocket endpoint. */
export interface WsRoute {
  /** Decides on a handshake at once: origin, subprotocol. */
  upgrade(request: UpgradeRequest): UpgradeDecision;
  /** A handshake has succeeded. The socket can be written to from now on. */
  open(socket: WsSocket): WsSocketEvents;
}

/** A handshake, valid only during `WsRoute.upgrade`. */
export interface UpgradeRequest {
  readonly path: string;
  /** What follows `?`, still encoded; empty if nothing does. */
  readonly query: string;
  readonly remoteAddress: string;
  /** Absent on a connection in clear. */
  readonly tls?: TlsSession | undefined;
  /** What the client offers in `Sec-WebSocket-Protocol`, in its order. */
  readonly subprotocols: readonly string[];
  /** Value of a header by lower-case name; empty if absent. */
  header(lowerCaseName: string): string;
}

/** `subprotocol` must be one of those that were offered. A refusal is an HTTP response with the reason as its plain-text body. */
export type UpgradeDecision =
  | { readonly accept: true; readonly subprotocol?: string }
  | { readonly accept: false; readonly status: number; readonly reason: string };

/** What became of a send. `buffered`: taken, but the peer is slow, and `drain()` will follow. `closed`: not taken, now or earlier closed. */
export type SendResult = 'sent' | 'buffered' | 'closed';

/** One open WebSocket. */
export interface WsSocket {
  /** Numeric address of the peer; IPv4 peers of an IPv6 listener show as IPv4. */
  readonly remoteAddress: string;
  /** Absent on a connection in clear. */
  readonly tls?: TlsSession | undefined;
  readonly path: string;
  readonly query: string;
  /** The subprotocol agreed on; empty if none. */
  readonly subprotocol: string;
  readonly isOpen: boolean;
  /** Sends one message: a string as text, bytes as binary unless `isText`. The bytes may be reused on return, and may be shared memory. */
  send(payload: Uint8Array | string, isText?: boolean): SendResult;
  /** Like `send`, but gives the bytes away: they must never change again. Saves a copy of large messages on the `ws` engine. */
  sendOwned(payload: Uint8Array, isText?: boolean): SendResult;
  /** Sends a message that was framed once for many sockets. */
  sendPrepared(frame: PreparedFrame): SendResult;
  /** Bytes taken by sends that the kernel has not taken yet. While this is above 0, a `drain()` is still to come. */
  bufferedBytes(): number;
  /** Packs the sends made within `fn` into few system calls. Use it wherever sends do not answer the message just being handled. */
  cork(fn: () => void): void;
  /** Closes with a code that RFC 6455 §7.4 lets an endpoint send, and a reason of which at most 123 bytes are sent. */
  end(code: number, reason: string): void;
  /** Cuts the connection without a word. `close()` reports 1006. */
  terminate(): void;
  /** Sends a ping; `pong()` follows if the peer lives. Engines ping silent peers by themselves. */
  ping(): void;
  /** Stops reading from this peer. False where the engine cannot (`uws`): there only protocol credit slows a peer down. */
  pause(): boolean;
  /** Undoes `pause`. */
  resume(): void;
}

/** What a session does with its socket's events. */
export interface WsSocketEvents {
  /** One whole message; `bytes` are borrowed until the call returns. Text is valid UTF-8. */
  message(bytes: Uint8Array, isText: boolean): void;
  /** The backlog is empty again. May also come when there was none. */
  drain(): void;
  /** The socket is gone. 1005: the peer gave no code; 1006: the connection broke or timed out. */
  close(code: number, reason: string): void;
  pong?(): void;
}

/** A message framed once, to be sent to many sockets by `sendPrepared`. Made by `prepareFrame`. */
export interface PreparedFrame {
  readonly payload: Uint8Array;
  readonly isText: boolean;
  /** The whole unmasked server frame, of which `payload` is the tail. */
  readonly wire: Uint8Array;
}

/** Answers requests; `respond` is called once, at once or later. */
export type HttpHandler = (request: HttpRequest, respond: HttpRespond) => void;

/** One HTTP/1.1 request. Unlike a handshake it may be kept. */
export interface HttpRequest {
  /** Upper case, e.g. `GET`. A `HEAD` is answered like a `GET`; the engine leaves the body out. */
  readonly method: string;
  readonly path: string;
  /** What follows `?`, still encoded; empty if nothing does. */
  readonly query: string;
  readonly remoteAddress: string;
  /** Absent on a connection in clear. */
  readonly tls?: TlsSession | undefined;
  /** Value of a header by lower-case name; empty if absent. */
  header(lowerCaseName: string): string;
  /**
   * The whole body. Must be called before the handler returns, or the body is discarded.
   * @throws {WsServerError} `body-too-large` (413 has been answered already) or `request-aborted`.
   */
  body(): Promise<Uint8Array>;
  /** Whether the client has gone. */
  readonly isAborted: boolean;
}

/** Answers the request. False if it was answered before or the client has gone. */
export type HttpRespond = (response: HttpResponse) => boolean;

/** A whole response; `content-length` is set by the engine. */
export interface HttpResponse {
  readonly status: number;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  readonly body?: Uint8Array | string;
}

/** A listening server. */
export interface WsServer {
  readonly engine: WsEngine;
  /** The bound port. */
  readonly port: number;
  /** Open connections, WebSocket and HTTP. */
  connections(): number;
  /** Frees the port for new connections; open ones go on. */
  stopAccepting(): void;
  /** New connections get these certificates; open ones go on. Only for a server with `tls`. @throws {TlsError} and nothing has changed. */
  replaceTls(material: TlsMaterial): Promise<void>;
  /**
   * Stops accepting, closes every WebSocket with 1001, cuts every connection and releases all native handles. A worker thread may only end
   * after this has resolved: uWebSockets.js aborts the whole process otherwise. Repeated calls return the same promise.
   */
  close(): Promise<void>;
}

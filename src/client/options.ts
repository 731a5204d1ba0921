import { invalidUse } from './errors.js';
import * as limits from './limits.js';
import type { OpenTransport } from './transport.js';
import { type ClientTlsOptions, defaultWebSocket, type WebSocketFactory, webSocketTransport } from './websocket.js';

/** Gives a token that counts now. */
export type TokenProvider = () => string | Promise<string>;

/** How a lost connection is made again. */
export interface ReconnectOptions {
  /** First wait in milliseconds; doubles with every failure. Default 100. */
  readonly firstDelayMs?: number;
  /** Longest wait in milliseconds. Default 5,000. */
  readonly maxDelayMs?: number;
  /** Part of each wait that is random, 0 to 1. Default 0.5. */
  readonly jitter?: number;
  /** Failures in a row after which the client closes; default no limit. 0 = never reconnect. */
  readonly maxAttempts?: number;
  /** Whether `connect` keeps trying as well when the very first connection fails. Default false: it rejects. */
  readonly first?: boolean;
}

/** Everything about a client that can be chosen; see limits.ts for the defaults. */
export interface ConnectOptions {
  /** Shown to operators. */
  readonly clientName?: string;
  readonly user?: string;
  readonly password?: string;
  /**
   * A signed token (JWT) instead of user and password. A function is asked for one before each connection, and again before the one in use expires: the
   * connection goes on with the new one. It may ask an issuer; when it fails it is asked again.
   */
  readonly token?: string | TokenProvider;
  /** The virtual host of everything that this client names. Default `/`. */
  readonly vhost?: string;
  /** Time for one connection to be made and greeted, in milliseconds. */
  readonly connectTimeoutMs?: number;
  /** Time for a request to be answered, in milliseconds. */
  readonly requestTimeoutMs?: number;
  /** How long `close` waits for confirms and running handlers, in milliseconds. */
  readonly closeTimeoutMs?: number;
  /** Silence after which the node is pinged, and after as much again given up, in milliseconds. */
  readonly keepAliveMs?: number;
  readonly reconnect?: ReconnectOptions;
  /**
   * How long the node keeps what this client's queue subscriptions hold when the connection breaks, in milliseconds: a client that is back in time goes on
   * with it. Until then nobody else gets it, also when this program has died. At most what the node allows (30,000). Default 0: it goes back at once.
   */
  readonly resumeWindowMs?: number;
  /** For `wss:` addresses, in Node only: browsers have authorities and certificates of their own. */
  readonly tls?: ClientTlsOptions;
  /** Makes WebSockets, for environments with one of their own or to set headers. */
  readonly webSocket?: WebSocketFactory;
  /** Replaces WebSockets altogether: for tests, and for programs with the node in the same process. */
  readonly transport?: OpenTransport;
  /** Gives up connecting for the first time. */
  readonly signal?: AbortSignal;
}

/** The options with nothing left open. */
export interface ResolvedOptions {
  readonly urls: readonly string[];
  readonly clientName: string;
  readonly user: string;
  readonly password: string;
  readonly token: string | TokenProvider;
  readonly vhost: string;
  readonly connectTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly closeTimeoutMs: number;
  readonly keepAliveMs: number;
  readonly reconnect: Required<ReconnectOptions>;
  readonly resumeWindowMs: number;
  readonly transport: OpenTransport;
  readonly signal: AbortSignal | undefined;
}

/** Fills in the defaults. @throws ClientError `invalid-request` on what cannot be meant. */
export function resolveOptions(url: string | readonly string[], options: ConnectOptions = {}): ResolvedOptions {
  const urls = typeof url === 'string' ? [url] : url;
  if (urls.length === 0) throw invalidUse('Cannot connect: there is no URL');
  for (const one of urls) checkUrl(one);
  return {
    urls,
    clientName: options.clientName ?? 'duolog-client',
    user: options.user ?? '',
    password: options.password ?? '',
    token: options.token ?? '',
    vhost: options.vhost ?? '',
    connectTimeoutMs: options.connectTimeoutMs ?? limits.CONNECT_TIMEOUT_MS,
    requestTimeoutMs: options.requestTimeoutMs ?? limits.REQUEST_TIMEOUT_MS,
    closeTimeoutMs: options.closeTimeoutMs ?? limits.CLOSE_TIMEOUT_MS,
    keepAliveMs: options.keepAliveMs ?? limits.KEEP_ALIVE_MS,
    reconnect: {
      firstDelayMs: options.reconnect?.firstDelayMs ?? limits.RECONNECT_FIRST_DELAY_MS,
      maxDelayMs: options.reconnect?.maxDelayMs ?? limits.RECONNECT_MAX_DELAY_MS,
      jitter: options.reconnect?.jitter ?? limits.RECONNECT_JITTER,
      maxAttempts: options.reconnect?.maxAttempts ?? Number.POSITIVE_INFINITY,
      first: options.reconnect?.first ?? false,
    },
    resumeWindowMs: options.resumeWindowMs ?? 0,
    transport:
      options.transport ?? webSocketTransport(options.webSocket ?? ((one) => defaultWebSocket(one, options.tls))),
    signal: options.signal,
  };
}

function checkUrl(url: string): void {
  if (!/^wss?:\/\//.test(url)) {
    throw invalidUse(`Cannot connect to ${JSON.stringify(url)}: a node's URL starts with ws:// or wss://`);
  }
}

/** The wait before attempt `attempt` (from 1), in milliseconds. `random` is from 0 to 1. */
export function reconnectDelayMs(options: Required<ReconnectOptions>, attempt: number, random: number): number {
  const whole = Math.min(options.maxDelayMs, options.firstDelayMs * 2 ** Math.min(attempt - 1, 30));
  return whole * (1 - options.jitter * random);
}

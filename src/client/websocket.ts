import { ClientError } from './errors.js';
import { CLOSE_HANDSHAKE_MS } from './limits.js';
import { useNativeCrc } from './native-crc.js';
import type { OpenTransport, Transport, TransportEvents } from './transport.js';

/** What this client needs of a WebSocket: the standard's own, or that of the package `ws`. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  /** Only `ws` has it. */
  terminate?(): void;
}

/** Makes a WebSocket that has begun to connect to `url`. */
export type WebSocketFactory = (url: string) => WebSocketLike | Promise<WebSocketLike>;

/** Whom to believe over TLS, and who to be. Texts in PEM. */
export interface ClientTlsOptions {
  /** Authorities to believe instead of those that Node knows. */
  readonly ca?: string;
  /** A certificate to show to nodes that ask for one, with its key. */
  readonly cert?: string;
  readonly key?: string;
  readonly passphrase?: string;
  /** The name that the node's certificate must be for, where that is not the host of the address. */
  readonly serverName?: string;
  /** Believes any certificate: anybody between client and node can read and change everything. For trials. */
  readonly insecure?: boolean;
}

/** `ws` takes more options than a browser's WebSocket. */
type WsConstructor = new (url: string, options: object) => WebSocketLike;

const ABNORMAL_CLOSURE = 1006;

/**
 * The WebSocket of the place this runs in: in Node the package `ws`, which sends several times faster than Node's own, else the global one.
 * @throws ClientError `connect-failed` where there is neither.
 */
export async function defaultWebSocket(url: string, tls?: ClientTlsOptions): Promise<WebSocketLike> {
  const Ws = await loadWs();
  // Compression would cost more than it saves on batches, and the node does not offer it.
  if (Ws !== undefined) await useNativeCrc();
  if (Ws !== undefined) return new Ws(url, { perMessageDeflate: false, skipUTF8Validation: true, ...nodeTls(tls) });
  if (tls !== undefined) throw new ClientError('invalid-request', 'The option tls needs Node and the package "ws"');
  if (typeof WebSocket === 'undefined') {
    throw new ClientError('connect-failed', 'There is no WebSocket here: install the package "ws" or give a factory');
  }
  return new WebSocket(url) as WebSocketLike;
}

/** The same in the words of `node:tls`. */
function nodeTls(tls: ClientTlsOptions | undefined): object {
  if (tls === undefined) return {};
  const { serverName, insecure, ...same } = tls;
  return {
    ...same,
    ...(serverName === undefined ? {} : { servername: serverName }),
    ...(insecure === true ? { rejectUnauthorized: false } : {}),
  };
}

async function loadWs(): Promise<WsConstructor | undefined> {
  const { process } = globalThis as { process?: { versions?: { node?: string } } };
  if (process?.versions?.node === undefined) return undefined;
  // A name that bundlers cannot follow keeps the package out of browser bundles.
  const name = 'ws';
  try {
    const module = (await import(/* @vite-ignore */ /* webpackIgnore: true */ name)) as { WebSocket?: WsConstructor };
    return module.WebSocket;
  } catch {
    return undefined;
  }
}

/** Connections over WebSockets that `factory` makes. */
export function webSocketTransport(factory: WebSocketFactory): OpenTransport {
  return async (url, events) => new WebSocketTransport(await factory(url), events);
}

class WebSocketTransport implements Transport {
  private readonly socket: WebSocketLike;
  private isOver = false;

  constructor(socket: WebSocketLike, events: TransportEvents) {
    this.socket = socket;
    // `ws` hands out views of what it read; making each an ArrayBuffer of its own would copy.
    socket.binaryType = socket.terminate === undefined ? 'arraybuffer' : 'nodebuffer';
    let failure = '';
    socket.onopen = () => events.opened();
    socket.onmessage = (event: { data: unknown }) => {
      if (!this.isOver) events.message(asBytes(event.data));
    };
    socket.onerror = (event: { message?: unknown }) => {
      if (typeof event.message === 'string') failure = event.message;
    };
    socket.onclose = (event: { code: number; reason: string }) => {
      if (this.isOver) return;
      this.isOver = true;
      events.closed(event.code, event.reason || failure);
    };
    this.end = (reason) => {
      if (this.isOver) return;
      this.isOver = true;
      events.closed(ABNORMAL_CLOSURE, reason);
    };
  }

  private readonly end: (reason: string) => void;

  send(bytes: Uint8Array): void {
    // Nothing in this client lives in shared memory, which browsers refuse to send.
    if (!this.isOver) this.socket.send(bytes as Uint8Array<ArrayBuffer>);
  }

  close(code: number, reason: string): void {
    this.socket.close(code, reason);
    // A peer that is gone never answers; without this, `ws` would keep the process alive for half a minute.
    const timer = setTimeout(() => this.socket.terminate?.(), CLOSE_HANDSHAKE_MS);
    if (typeof timer === 'object') timer.unref();
  }

  terminate(): void {
    if (this.socket.terminate === undefined) this.socket.close();
    else this.socket.terminate();
    this.end('terminated');
  }
}

function asBytes(received: unknown): Uint8Array {
  if (received instanceof ArrayBuffer) return new Uint8Array(received);
  if (ArrayBuffer.isView(received)) return new Uint8Array(received.buffer, received.byteOffset, received.byteLength);
  // Text, which this client never asks for: an empty frame ends the session as a breach of protocol.
  return new Uint8Array(0);
}

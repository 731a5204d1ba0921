import type { Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { plainAddress } from '../ws/address.js';
import { TlsContexts } from './context.js';
import {
  HTTP_ON_TLS_PORT,
  isTlsBeginning,
  MAX_RECORD_BYTES,
  plainProtocol,
  RECORD_HEADER_BYTES,
  recordBytes,
} from './first-bytes.js';
import { HANDSHAKE_CHECK_MS, HANDSHAKE_TIMEOUT_MS, MAX_HALF_OPEN } from './limits.js';
import type { RefusalReport, TlsMaterial } from './port.js';

/** Settings of a gate. */
export interface TlsGateOptions {
  readonly material: TlsMaterial;
  /** Protocols offered in ALPN (RFC 7301); none = the extension is not answered. */
  readonly alpn?: readonly string[];
  readonly report?: RefusalReport | undefined;
  readonly maxHalfOpen?: number;
  readonly handshakeTimeoutMs?: number;
}

interface HalfOpen {
  readonly socket: Socket;
  readonly sinceMs: number;
}

/**
 * Where accepted TCP sockets become TLS ones. Looks at a connection's first byte, so that peers who do not speak TLS cost nothing and hear why;
 * bounds how long and how many handshakes are under way; takes new certificates while connections live.
 */
export class TlsGate {
  private readonly server: Server;
  private readonly options: TlsGateOptions;
  private readonly secured: (socket: TLSSocket) => void;
  private readonly maxHalfOpen: number;
  private readonly timeoutMs: number;
  private contexts: TlsContexts;
  private verify: TlsMaterial['verify'];
  /** By address and port of the peer, oldest first. */
  private readonly underway = new Map<string, HalfOpen>();
  private timer: NodeJS.Timeout | undefined;

  /** `secured` takes each socket whose handshake has succeeded. */
  constructor(options: TlsGateOptions, secured: (socket: TLSSocket) => void) {
    this.options = options;
    this.secured = secured;
    this.maxHalfOpen = options.maxHalfOpen ?? MAX_HALF_OPEN;
    this.timeoutMs = options.handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS;
    this.verify = options.material.verify;
    this.contexts = new TlsContexts(options.material);
    this.server = createServer(this.serverOptions());
    this.server.on('secureConnection', (socket) => this.finished(socket));
    this.server.on('tlsClientError', (error, socket) => this.failed(error, socket));
  }

  /** Handshakes under way. */
  get halfOpen(): number {
    return this.underway.size;
  }

  /** Takes a socket that has just been accepted; the gate destroys it when no TLS comes of it. */
  take(socket: Socket): void {
    const key = keyOf(socket);
    // As `node:https` has it: a TLS socket over one that may be half open would miss a peer that hangs up right after the handshake.
    socket.allowHalfOpen = false;
    if (this.underway.size >= this.maxHalfOpen) this.dropOldest();
    this.underway.set(key, { socket, sinceMs: performance.now() });
    this.timer ??= setInterval(() => this.dropLate(), HANDSHAKE_CHECK_MS).unref();
    socket.once('close', () => {
      if (this.underway.get(key)?.socket === socket) this.underway.delete(key);
    });
    // A peer that breaks off is reported by its close.
    socket.on('error', () => socket.destroy());
    this.awaitHello(socket);
  }

  /** New connections get these certificates from now on; those that are open, or shaking hands, keep theirs. @throws Error of OpenSSL */
  replace(material: TlsMaterial): void {
    // Made first: if it fails, nothing has changed.
    const contexts = new TlsContexts(material);
    this.server.setSecureContext(contexts.defaultOptions);
    this.contexts = contexts;
  }

  /** Cuts off whoever is shaking hands. */
  close(): void {
    clearInterval(this.timer);
    for (const { socket } of this.underway.values()) socket.destroy();
    this.underway.clear();
  }

  private serverOptions(): TlsOptions {
    const { alpn } = this.options;
    return {
      ...this.contexts.defaultOptions,
      SNICallback: (serverName, done) => done(null, this.contexts.find(serverName)),
      requestCert: this.verify !== 'none',
      rejectUnauthorized: this.verify === 'required',
      // Only a second line: `dropLate` counts from the moment of acceptance.
      handshakeTimeout: this.timeoutMs + 2 * HANDSHAKE_CHECK_MS,
      ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    };
  }

  /** Node is asked for a TLS socket, which costs much more than a plain one, only once the peer's first record is complete. */
  private awaitHello(socket: Socket): void {
    const chunks: Buffer[] = [];
    let sizeBytes = 0;
    let wantedBytes = RECORD_HEADER_BYTES;
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      // Nothing more to read and no hello: the peer has hung up, and the socket closes by itself.
      if (bytes === null) return;
      chunks.push(bytes);
      sizeBytes += bytes.length;
      const first = chunks[0]!;
      if (isTlsBeginning(first) && sizeBytes < wantedBytes) return;
      const whole = chunks.length === 1 ? first : Buffer.concat(chunks);
      if (isTlsBeginning(whole) && wantedBytes === RECORD_HEADER_BYTES) {
        wantedBytes += Math.min(recordBytes(whole), MAX_RECORD_BYTES);
        chunks.splice(0, chunks.length, whole);
        if (sizeBytes < wantedBytes) return;
      }
      socket.off('readable', onReadable);
      this.begin(socket, whole);
    };
    socket.on('readable', onReadable);
  }

  private begin(socket: Socket, bytes: Buffer): void {
    if (!isTlsBeginning(bytes)) {
      this.refusePlain(socket, bytes);
      return;
    }
    socket.unshift(bytes);
    this.server.emit('connection', socket);
  }

  private refusePlain(socket: Socket, bytes: Uint8Array): void {
    const protocol = plainProtocol(bytes);
    this.report(socket, `it speaks ${protocol ?? 'something else'} in clear on a port for TLS`);
    if (protocol !== 'HTTP') {
      socket.destroy();
      return;
    }
    // What the peer still sends must be read, or the kernel would cut it off before it has read the answer. The time limit still runs.
    socket.resume();
    socket.end(HTTP_ON_TLS_PORT);
    socket.once('finish', () => socket.destroySoon());
  }

  private finished(socket: TLSSocket): void {
    this.underway.delete(keyOf(socket));
    // Who shows a certificate means it; one that is not good is no reason to go on as if there were none.
    if (this.verify === 'optional' && !socket.authorized && socket.getPeerX509Certificate() !== undefined) {
      this.report(socket, `its certificate is not accepted: ${String(socket.authorizationError)}`);
      socket.destroy();
      return;
    }
    this.secured(socket);
  }

  private failed(error: Error, socket: TLSSocket): void {
    const { authorizationError } = socket as { authorizationError?: unknown };
    const isBadCertificate = this.verify === 'required' && Boolean(authorizationError);
    const code = 'code' in error ? String(error.code) : '';
    // Peers that hang up, as health checks and port scans do, are nobody's concern.
    if (isBadCertificate) this.report(socket, `its certificate is not accepted: ${String(authorizationError)}`);
    else if (code !== 'ECONNRESET' && code !== 'EPIPE')
      this.report(socket, `the TLS handshake failed: ${reasonOf(error)}`);
    socket.destroy();
  }

  private dropOldest(): void {
    const [oldest] = this.underway;
    if (oldest === undefined) return;
    const [key, { socket }] = oldest;
    this.underway.delete(key);
    this.report(socket, `more than ${this.maxHalfOpen} TLS handshakes are under way, and its is the oldest`);
    socket.destroy();
  }

  private dropLate(): void {
    const limitMs = performance.now() - this.timeoutMs;
    for (const [key, { socket, sinceMs }] of this.underway) {
      if (sinceMs > limitMs) break;
      this.underway.delete(key);
      this.report(socket, `its TLS handshake took longer than ${this.timeoutMs} ms`);
      socket.destroy();
    }
    if (this.underway.size > 0) return;
    clearInterval(this.timer);
    this.timer = undefined;
  }

  private report(socket: Socket, why: string): void {
    this.options.report?.(plainAddress(socket.remoteAddress), why);
  }
}

/** Two connections to one listener differ in it. */
function keyOf(socket: Socket): string {
  return `${socket.remotePort} ${socket.remoteAddress}`;
}

/** OpenSSL's reason without its place in OpenSSL: `unsupported protocol`, say. */
function reasonOf(error: Error): string {
  return 'reason' in error && typeof error.reason === 'string' ? error.reason : error.message;
}

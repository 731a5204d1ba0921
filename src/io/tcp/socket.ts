import type { Socket } from 'node:net';
import type { TlsSession } from '../tls/port.js';
import { plainAddress } from '../ws/address.js';
import { COPIED_TLS_BYTES, END_GRACE_MS } from './limits.js';
import type { TcpSocket, TcpSocketEvents } from './port.js';

/** `TcpSocket` over `node:net` or `node:tls`. */
export class NodeTcpSocket implements TcpSocket {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly tls: TlsSession | undefined;
  private readonly raw: Socket;
  private readonly highWaterBytes: number;
  private events: TcpSocketEvents | undefined;
  private isClosed = false;
  private isEnding = false;
  /** More than the high-water mark waits, and `drain()` is owed. */
  private isDrainOwed = false;
  private endTimer: NodeJS.Timeout | undefined;

  /** `wrap` makes the Node socket, which hands what it reads to its argument. */
  constructor(wrap: (received: (bytes: Uint8Array) => void) => Socket, highWaterBytes: number, tls?: TlsSession) {
    this.tls = tls;
    this.highWaterBytes = highWaterBytes;
    const raw = wrap((bytes) => {
      if (!this.isClosed) this.events?.data(bytes);
    });
    this.raw = raw;
    this.remoteAddress = plainAddress(raw.remoteAddress);
    this.remotePort = raw.remotePort ?? 0;
    raw.on('close', () => this.finish());
    // A broken connection is reported by its close.
    raw.on('error', () => raw.destroy());
    raw.on('drain', () => this.drained());
  }

  /** From now on events go to the session. */
  listen(events: TcpSocketEvents): void {
    this.events = events;
    if (this.isClosed) {
      events.close();
      return;
    }
    // A peer that has said all it will say is answered in kind: half-open connections serve nobody here.
    this.raw.on('end', () => this.end());
    this.raw.resume();
  }

  get isOpen(): boolean {
    return !this.isClosed;
  }

  write(bytes: Uint8Array): boolean {
    const { raw } = this;
    if (this.isClosed || this.isEnding || !raw.writable) return true;
    // TLS never takes anything at once, and a copy costs less than a buffer of the session's for each little piece.
    const isCopied = this.tls !== undefined && bytes.length < COPIED_TLS_BYTES;
    raw.write(isCopied ? Buffer.from(bytes) : bytes);
    // Node's sockets first try to write at once; a length of zero means that the kernel has taken everything.
    const waiting = raw.writableLength;
    if (waiting > this.highWaterBytes) this.isDrainOwed = true;
    return isCopied || waiting === 0;
  }

  bufferedBytes(): number {
    return this.raw.writableLength;
  }

  pause(): void {
    if (!this.isClosed) this.raw.pause();
  }

  resume(): void {
    if (!this.isClosed) this.raw.resume();
  }

  end(): void {
    if (this.isClosed || this.isEnding) return;
    this.isEnding = true;
    this.raw.end();
    // What the peer still sends is of no interest, but unread it would keep its end of the connection open.
    this.raw.resume();
    this.endTimer = setTimeout(() => this.raw.destroy(), END_GRACE_MS).unref();
  }

  destroy(): void {
    if (this.isClosed) return;
    this.raw.destroy();
    this.finish();
  }

  private drained(): void {
    if (!this.isDrainOwed || this.isClosed) return;
    this.isDrainOwed = false;
    this.events?.drain();
  }

  private finish(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    clearTimeout(this.endTimer);
    this.events?.close();
  }
}

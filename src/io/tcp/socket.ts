import type { Socket } from 'node:net';
import { OUTBOX_BYPASS_BYTES, OUTBOX_BYTES } from '../listen/limits.js';
import type { Gathering, OutboxPool } from '../listen/outbox.js';
import type { TlsSession } from '../tls/port.js';
import { plainAddress } from '../ws/address.js';
import { END_GRACE_MS } from './limits.js';
import type { TcpSocket, TcpSocketEvents } from './port.js';

/** `TcpSocket` over `node:net` or `node:tls`. */
export class NodeTcpSocket implements TcpSocket, Gathering {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly tls: TlsSession | undefined;
  private readonly raw: Socket;
  private readonly outboxes: OutboxPool;
  private readonly highWaterBytes: number;
  private events: TcpSocketEvents | undefined;
  private isClosed = false;
  private isEnding = false;
  /** What this turn has gathered: the first bytes of an outbox. */
  private outbox: Buffer | undefined;
  private outboxBytes = 0;
  private isRegistered = false;
  /** `write` has answered false, and `drain()` is owed. */
  private isDrainOwed = false;
  private endTimer: NodeJS.Timeout | undefined;

  constructor(raw: Socket, outboxes: OutboxPool, highWaterBytes: number, tls?: TlsSession) {
    this.raw = raw;
    this.tls = tls;
    this.outboxes = outboxes;
    this.highWaterBytes = highWaterBytes;
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
    this.raw.on('data', (bytes: Buffer) => {
      // Views of a plain array cost much less than those of a Buffer, and sessions take one of each body.
      if (!this.isClosed) events.data(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    });
    // A peer that has said all it will say is answered in kind: half-open connections serve nobody here.
    this.raw.on('end', () => this.end());
  }

  get isOpen(): boolean {
    return !this.isClosed;
  }

  write(bytes: Uint8Array): boolean {
    if (this.isClosed || this.isEnding) return true;
    if (bytes.length >= OUTBOX_BYPASS_BYTES) this.writeLarge(new Uint8Array(bytes));
    else this.gather(bytes);
    return this.hasRoom();
  }

  writeOwned(bytes: Uint8Array): boolean {
    if (this.isClosed || this.isEnding) return true;
    if (bytes.length >= OUTBOX_BYPASS_BYTES) this.writeLarge(bytes);
    else this.gather(bytes);
    return this.hasRoom();
  }

  bufferedBytes(): number {
    return this.raw.writableLength + this.outboxBytes;
  }

  pause(): void {
    if (!this.isClosed) this.raw.pause();
  }

  resume(): void {
    if (!this.isClosed) this.raw.resume();
  }

  end(): void {
    if (this.isClosed || this.isEnding) return;
    this.flush();
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

  flush(): void {
    this.isRegistered = false;
    const { outbox, outboxBytes } = this;
    if (outbox === undefined) return;
    this.outbox = undefined;
    this.outboxBytes = 0;
    if ((this.tls !== undefined || this.raw.writableLength > 0) && outboxBytes < OUTBOX_BYTES / 2) {
      // A slow peer's backlog should not pin a whole outbox for each little piece of it. TLS never takes anything at once.
      this.send(Buffer.from(outbox.subarray(0, outboxBytes)));
      this.outboxes.giveBack(outbox);
      return;
    }
    this.send(outbox.subarray(0, outboxBytes));
    // Node's sockets first try to write at once; a length of zero means that the kernel has taken everything.
    if (this.raw.writableLength === 0) this.outboxes.giveBack(outbox);
  }

  private gather(bytes: Uint8Array): void {
    if (this.outbox !== undefined && this.outboxBytes + bytes.length > OUTBOX_BYTES) this.flush();
    if (this.outbox === undefined) {
      // Registering may write out all others that gather, but never this one, which has nothing yet.
      if (!this.isRegistered) {
        this.isRegistered = true;
        this.outboxes.register(this);
      }
      this.outbox = this.outboxes.take();
    }
    this.outbox.set(bytes, this.outboxBytes);
    this.outboxBytes += bytes.length;
  }

  private writeLarge(bytes: Uint8Array): void {
    this.flush();
    this.send(bytes);
  }

  private send(bytes: Uint8Array): void {
    if (this.raw.writable) this.raw.write(bytes);
  }

  private hasRoom(): boolean {
    if (this.raw.writableLength + this.outboxBytes <= this.highWaterBytes || this.raw.writableLength === 0) return true;
    this.isDrainOwed = true;
    return false;
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
    if (this.outbox !== undefined) this.outboxes.giveBack(this.outbox);
    this.outbox = undefined;
    this.outboxBytes = 0;
    this.events?.close();
  }
}

import type { Socket } from 'node:net';
import { WebSocket } from 'ws';
import { assert } from '../../../base/assert.js';
import { OUTBOX_BYPASS_BYTES, OUTBOX_BYTES } from '../../listen/limits.js';
import type { Gathering, OutboxPool } from '../../listen/outbox.js';
import type { TlsSession } from '../../tls/port.js';
import { frameHeaderBytes, MAX_FRAME_HEADER_BYTES, writeFrameHeader } from '../frame.js';
import { fittingReason, isSendableCloseCode } from '../handshake.js';
import { IDLE_QUARTERS, TLS_IN_FLIGHT_BYTES } from '../limits.js';
import type { PreparedFrame, SendResult, WsSocket, WsSocketEvents } from '../port.js';

/** A `ws` WebSocket that tells before it writes a close frame, whether we close or it answers the peer or a fault by itself. */
export class AnnouncingWebSocket extends WebSocket {
  beforeClose: ((code: number | undefined, reason: string | Buffer | undefined) => void) | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    this.beforeClose?.(code, reason);
    super.close(code, reason);
  }
}

/** What a handshake says about the socket to come. */
export interface NodeSocketOrigin {
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string;
}

/**
 * `WsSocket` over the `ws` package. Receiving and control frames are the package's; data frames are written straight to the TCP socket, since
 * server frames are only a short header and the payload. Small ones are gathered in an outbox and leave in one write per event-loop turn.
 */
export class NodeSocket implements WsSocket, Gathering {
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string;
  private readonly raw: AnnouncingWebSocket;
  private readonly tcp: Socket;
  private readonly outboxes: OutboxPool;
  private readonly maxBackpressureBytes: number;
  private events: WsSocketEvents | undefined;
  private isClosed = false;
  private closeCode = 0;
  private closeReason = '';

  /** Gathered frames: either the first bytes of an outbox, or one frame prepared for many sockets, which needs no copy. */
  private outbox: Buffer | undefined;
  private outboxBytes = 0;
  private prepared: Uint8Array | undefined;
  private isRegistered = false;
  /** The kernel has not taken everything; `drain()` is owed. */
  private isCongested = false;

  private silentQuarters = 0;
  private seenReadBytes = 0;
  private seenTakenBytes = 0;

  constructor(
    raw: AnnouncingWebSocket,
    tcp: Socket,
    origin: NodeSocketOrigin,
    outboxes: OutboxPool,
    maxBackpressureBytes: number,
  ) {
    this.raw = raw;
    this.tcp = tcp;
    this.remoteAddress = origin.remoteAddress;
    this.tls = origin.tls;
    this.path = origin.path;
    this.query = origin.query;
    this.subprotocol = origin.subprotocol;
    this.outboxes = outboxes;
    this.maxBackpressureBytes = maxBackpressureBytes;
    raw.beforeClose = (code, reason) => {
      this.flush();
      this.finish(code ?? 1005, reason?.toString() ?? '');
    };
    raw.on('close', () => this.finish(1006, ''));
    // Faults of the peer close the socket by themselves, with the code that `beforeClose` hears.
    raw.on('error', () => {});
  }

  /** From now on events go to the session. */
  listen(events: WsSocketEvents): void {
    this.events = events;
    if (this.isClosed) return events.close(this.closeCode, this.closeReason);
    this.raw.on('message', (bytes: Buffer, isBinary: boolean) => {
      if (!this.isClosed) events.message(bytes, !isBinary);
    });
    this.raw.on('pong', () => {
      if (!this.isClosed) events.pong?.();
    });
  }

  get isOpen(): boolean {
    return !this.isClosed;
  }

  send(payload: Uint8Array | string, isText = typeof payload === 'string'): SendResult {
    if (this.isClosed) return 'closed';
    if (this.isOverLimit()) return this.overflow();
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    if (bytes.length < OUTBOX_BYPASS_BYTES) this.gather(bytes, isText);
    // A string's bytes are ours already; anybody else's may change before the kernel takes them.
    else this.writeLarge(bytes === payload ? new Uint8Array(bytes) : bytes, isText);
    return this.isCongested ? 'buffered' : 'sent';
  }

  sendOwned(payload: Uint8Array, isText = false): SendResult {
    if (this.isClosed) return 'closed';
    if (this.isOverLimit()) return this.overflow();
    if (payload.length < OUTBOX_BYPASS_BYTES) this.gather(payload, isText);
    else this.writeLarge(payload, isText);
    return this.isCongested ? 'buffered' : 'sent';
  }

  sendPrepared(frame: PreparedFrame): SendResult {
    if (this.isClosed) return 'closed';
    if (this.isOverLimit()) return this.overflow();
    if (frame.wire.length >= OUTBOX_BYPASS_BYTES) {
      this.flush();
      this.write(frame.wire);
    } else if (this.outbox === undefined && this.prepared === undefined) {
      this.prepared = frame.wire;
      this.register();
    } else {
      const at = this.reserve(frame.wire.length);
      this.outbox!.set(frame.wire, at);
    }
    return this.isCongested ? 'buffered' : 'sent';
  }

  bufferedBytes(): number {
    // What is still being gathered leaves with this turn, and without a congestion nobody would announce that it has.
    if (!this.isCongested) return 0;
    return this.tcp.writableLength + this.outboxBytes + (this.prepared?.length ?? 0);
  }

  cork(fn: () => void): void {
    fn();
  }

  end(code: number, reason: string): void {
    assert(isSendableCloseCode(code), `Close code ${code} must not be sent`);
    if (!this.isClosed) this.raw.close(code, fittingReason(reason));
  }

  terminate(): void {
    if (this.isClosed) return;
    this.finish(1006, '');
    this.raw.terminate();
  }

  ping(): void {
    if (!this.isClosed) this.raw.ping();
  }

  pause(): boolean {
    if (!this.isClosed) this.raw.pause();
    return true;
  }

  resume(): void {
    if (!this.isClosed) this.raw.resume();
  }

  /** Writes what has been gathered. Called at the end of the turn, and before anything that must come after it. */
  flush(): void {
    this.isRegistered = false;
    const { prepared, outbox, outboxBytes } = this;
    if (prepared !== undefined) {
      this.prepared = undefined;
      this.write(prepared);
    } else if (outbox !== undefined) {
      this.outbox = undefined;
      this.outboxBytes = 0;
      this.writeOutbox(outbox, outboxBytes);
    }
  }

  /** Called every quarter of the idle time-out: pings a silent peer, then cuts it off. */
  checkIdle(): void {
    if (this.isClosed) return;
    if (this.hasShownLife()) {
      this.silentQuarters = 0;
      return;
    }
    this.silentQuarters++;
    if (this.silentQuarters >= IDLE_QUARTERS) this.terminate();
    else if (this.silentQuarters === IDLE_QUARTERS / 2) this.raw.ping();
  }

  /** A peer lives if it sent something, took some of a backlog, or cannot be heard because we do not read. */
  private hasShownLife(): boolean {
    const readBytes = this.tcp.bytesRead;
    const takenBytes = this.isCongested ? this.tcp.bytesWritten - this.tcp.writableLength : this.seenTakenBytes;
    const isAlive = readBytes !== this.seenReadBytes || takenBytes !== this.seenTakenBytes || this.raw.isPaused;
    this.seenReadBytes = readBytes;
    this.seenTakenBytes = takenBytes;
    return isAlive;
  }

  private gather(payload: Uint8Array, isText: boolean): void {
    const at = this.reserve(frameHeaderBytes(payload.length) + payload.length);
    const outbox = this.outbox!;
    outbox.set(payload, writeFrameHeader(outbox, at, payload.length, isText));
  }

  /** Makes room for `sizeBytes` in the outbox and returns where they start. */
  private reserve(sizeBytes: number): number {
    const prepared = this.prepared;
    if (prepared !== undefined) {
      this.prepared = undefined;
      this.outbox = this.outboxes.take();
      this.outbox.set(prepared, 0);
      this.outboxBytes = prepared.length;
    } else if (this.outbox !== undefined && this.outboxBytes + sizeBytes > OUTBOX_BYTES) {
      const full = this.outbox;
      this.outbox = undefined;
      this.writeOutbox(full, this.outboxBytes);
    }
    if (this.outbox === undefined) {
      this.register();
      this.outbox = this.outboxes.take();
      this.outboxBytes = 0;
    }
    const at = this.outboxBytes;
    this.outboxBytes = at + sizeBytes;
    return at;
  }

  private register(): void {
    if (this.isRegistered) return;
    this.isRegistered = true;
    this.outboxes.register(this);
  }

  private writeLarge(payload: Uint8Array, isText: boolean): void {
    this.flush();
    if (!this.tcp.writable) return;
    const header = Buffer.allocUnsafe(MAX_FRAME_HEADER_BYTES);
    const headerBytes = writeFrameHeader(header, 0, payload.length, isText);
    this.tcp.cork();
    this.tcp.write(header.subarray(0, headerBytes));
    this.tcp.write(payload, this.onWritten);
    this.tcp.uncork();
    this.noteCongestion();
  }

  private writeOutbox(outbox: Buffer, sizeBytes: number): void {
    const filled = outbox.subarray(0, sizeBytes);
    if ((this.isCongested || this.tls !== undefined) && sizeBytes < OUTBOX_BYTES / 2) {
      // A slow peer's backlog should not pin a whole outbox for each little piece of it. TLS never takes anything at once.
      this.write(Buffer.from(filled));
      this.outboxes.giveBack(outbox);
      return;
    }
    this.write(filled);
    if (this.tcp.writableLength === 0) this.outboxes.giveBack(outbox);
  }

  private write(bytes: Uint8Array): void {
    // A peer that has hung up is about to be reported as closed; nothing can reach it any more.
    if (!this.tcp.writable) return;
    this.tcp.write(bytes, this.onWritten);
    this.noteCongestion();
  }

  private noteCongestion(): void {
    // Node's sockets first try to write at once; a length of zero means that the kernel has taken everything. TLS sockets are told a little later.
    const waitingBytes = this.tcp.writableLength;
    this.isCongested ||= this.tls === undefined ? waitingBytes > 0 : waitingBytes > TLS_IN_FLIGHT_BYTES;
  }

  private readonly onWritten = (): void => {
    if (!this.isCongested || this.tcp.writableLength > 0) return;
    this.isCongested = false;
    if (!this.isClosed) this.events?.drain();
  };

  private isOverLimit(): boolean {
    return this.isCongested && this.bufferedBytes() > this.maxBackpressureBytes;
  }

  private overflow(): SendResult {
    this.end(1013, `The peer reads too slowly: over ${this.maxBackpressureBytes} bytes are waiting`);
    return 'closed';
  }

  private finish(code: number, reason: string): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.closeCode = code;
    this.closeReason = reason;
    this.events?.close(code, reason);
  }
}

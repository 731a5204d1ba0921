import type { WebSocket } from 'uWebSockets.js';
import { assert } from '../../../base/assert.js';
import type { TlsSession } from '../../tls/port.js';
import { fittingReason, isSendableCloseCode } from '../handshake.js';
import type { PreparedFrame, SendResult, WsSocket, WsSocketEvents } from '../port.js';

/** What uWebSockets.js carries along with its socket objects. */
export interface UwsUserData {
  socket: UwsSocket;
}

/** What a handshake says about the socket to come. */
export interface UwsSocketOrigin {
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string;
}

/** Result of uWebSockets.js' `send` when bytes had to be buffered; 1 is sent, 2 is dropped. */
const BACKPRESSURE = 0;
const DROPPED = 2;

/** `WsSocket` over uWebSockets.js. Its native object throws when touched after close, so it is let go at that moment. */
export class UwsSocket implements WsSocket {
  readonly remoteAddress: string;
  readonly tls: TlsSession | undefined;
  readonly path: string;
  readonly query: string;
  readonly subprotocol: string;
  private raw: WebSocket<UwsUserData> | undefined;
  private events: WsSocketEvents | undefined;
  private isDrainDue = false;
  private readonly maxBackpressureBytes: number;

  constructor(origin: UwsSocketOrigin, maxBackpressureBytes: number) {
    this.remoteAddress = origin.remoteAddress;
    this.tls = origin.tls;
    this.path = origin.path;
    this.query = origin.query;
    this.subprotocol = origin.subprotocol;
    this.maxBackpressureBytes = maxBackpressureBytes;
  }

  /** The native socket exists now. */
  attach(raw: WebSocket<UwsUserData>): void {
    this.raw = raw;
  }

  /** From now on events go to the session. */
  listen(events: WsSocketEvents): void {
    // A session may end its socket while it is being opened: it is told as soon as it can be.
    const alreadyClosed = this.raw === undefined;
    this.events = events;
    if (alreadyClosed) events.close(this.closeCode, this.closeReason);
  }

  private closeCode = 0;
  private closeReason = '';

  get isOpen(): boolean {
    return this.raw !== undefined;
  }

  send(payload: Uint8Array | string, isText = typeof payload === 'string'): SendResult {
    const raw = this.raw;
    if (raw === undefined) return 'closed';
    // Inside a cork the native send reports success even if an earlier flush left a backlog; so the backlog itself is asked.
    const backlogBytes = raw.getBufferedAmount();
    if (backlogBytes > this.maxBackpressureBytes) return this.overflow();
    const status = raw.send(payload, !isText);
    assert(status !== DROPPED, 'uWebSockets.js has no backlog limit set, so it cannot drop a message');
    return status === BACKPRESSURE || backlogBytes > 0 ? 'buffered' : 'sent';
  }

  sendOwned(payload: Uint8Array, isText = false): SendResult {
    return this.send(payload, isText);
  }

  sendPrepared(frame: PreparedFrame): SendResult {
    return this.send(frame.payload, frame.isText);
  }

  bufferedBytes(): number {
    return this.raw === undefined ? 0 : this.raw.getBufferedAmount();
  }

  cork(fn: () => void): void {
    if (this.raw === undefined) fn();
    else this.raw.cork(fn);
  }

  end(code: number, reason: string): void {
    assert(isSendableCloseCode(code), `Close code ${code} must not be sent`);
    this.raw?.end(code, fittingReason(reason));
  }

  terminate(): void {
    this.raw?.close();
  }

  ping(): void {
    this.raw?.ping('');
  }

  pause(): boolean {
    return false;
  }

  resume(): void {}

  /** Called by the engine for each whole message. */
  onMessage(bytes: Uint8Array, isText: boolean): void {
    this.events?.message(bytes, isText);
  }

  /**
   * Called by the engine whenever the backlog has shrunk. The session hears of it a little later: uWebSockets.js stops waiting for the socket to
   * become writable when its handler returns, even if a send of 16 KiB or more within the handler has left a new backlog, which then would
   * stay for ever.
   */
  onDrain(): void {
    if (this.isDrainDue || this.bufferedBytes() > 0) return;
    this.isDrainDue = true;
    setImmediate(() => {
      this.isDrainDue = false;
      if (this.raw !== undefined && this.raw.getBufferedAmount() === 0) this.events?.drain();
    });
  }

  onPong(): void {
    this.events?.pong?.();
  }

  /** Called by the engine when the native socket must not be touched any more. */
  onClose(code: number, reason: string): void {
    this.raw = undefined;
    this.closeCode = code;
    this.closeReason = reason;
    this.events?.close(code, reason);
  }

  private overflow(): SendResult {
    this.end(1013, `The peer reads too slowly: over ${this.maxBackpressureBytes} bytes are waiting`);
    return 'closed';
  }
}

import type { BrokerError } from '../../broker/errors.js';
import type { PreparedFrame, WsSocket } from '../../io/ws/port.js';
import { encodeFrame } from '../../proto/client-wire.js';
import { countUp, type DoorCounters } from './counters.js';
import { wireError } from './errors.js';
import { answerFrame, type Form } from './frames.js';
import { hardBacklogBytes, pushBacklogBytes, type SessionLimits } from './limits.js';
import { encodeText } from './text-answers.js';
import type { WireAnswer } from './wire-types.js';

/** What a session needs of its socket. Bytes given to `send` may be reused when it returns. */
export type SessionSocket = Pick<
  WsSocket,
  'send' | 'sendOwned' | 'sendPrepared' | 'bufferedBytes' | 'end' | 'pause' | 'resume'
>;

/** A socket that takes nothing and is never empty. */
const noSocket: SessionSocket = {
  send: () => 'closed',
  sendOwned: () => 'closed',
  sendPrepared: () => 'closed',
  bufferedBytes: () => 1,
  end: () => undefined,
  pause: () => false,
  resume: () => undefined,
};

/** The outgoing side of a session that has no connection: deliveries wait before it, answers have nobody to go to. */
export function parkedOutbox(form: Form, limits: SessionLimits, counters: DoorCounters): Outbox {
  const outbox = new Outbox(noSocket, limits, counters, () => undefined);
  outbox.form = form;
  outbox.isClogged = true;
  return outbox;
}

/**
 * The outgoing side of one session. `isClogged` turns true when the socket's backlog passes the mark and stays so until it is empty; nothing
 * but answers to requests should be sent meanwhile. A backlog beyond the hard limit ends the session.
 */
export class Outbox {
  /** How the session speaks; decided by its Hello. */
  form: Form = 'binary';
  /** Whether the peer is too slow for more than answers. */
  isClogged = false;
  private readonly socket: SessionSocket;
  private readonly counters: DoorCounters;
  private readonly markBytes: number;
  private readonly pushBytes: number;
  private readonly hardBytes: number;
  private readonly overrun: () => void;

  /** `overrun` is called when the backlog has passed the hard limit. */
  constructor(socket: SessionSocket, limits: SessionLimits, counters: DoorCounters, overrun: () => void) {
    this.socket = socket;
    this.counters = counters;
    this.markBytes = limits.backlogMarkBytes;
    this.pushBytes = pushBacklogBytes(limits);
    this.hardBytes = hardBacklogBytes(limits);
    this.overrun = overrun;
  }

  /** What the peer has not taken yet. While it is above 0, `drained` is still to come. */
  get backlogBytes(): number {
    return this.socket.bufferedBytes();
  }

  /** Whether a frame of this size may be pushed to the peer now. If it may not, the outbox is clogged from then on. */
  hasRoomFor(frameBytes: number): boolean {
    if (this.isClogged) return false;
    const backlog = this.socket.bufferedBytes();
    if (backlog === 0 || backlog + frameBytes <= this.pushBytes) return true;
    this.clog();
    return false;
  }

  /** Answers request `id`, or says something unasked with id 0. */
  answer(id: number, answer: WireAnswer): void {
    const frame = answerFrame(id, answer);
    if (this.form === 'text') this.sendText(encodeText(frame));
    else this.sendOwned(encodeFrame(frame));
  }

  /** Answers that request `id` failed. */
  error(id: number, error: BrokerError): void {
    countUp(this.counters.errors, error.code);
    this.answer(id, { error: wireError(error) });
  }

  /** Sends one binary frame; the bytes may be reused afterwards. */
  sendBytes(frame: Uint8Array): void {
    if (this.admit(frame.length)) this.socket.send(frame);
    this.measure();
  }

  /** Sends one text frame. */
  sendText(frame: string): void {
    if (this.admit(frame.length)) this.socket.send(frame);
    this.measure();
  }

  /** Sends a frame that was made for many. */
  sendPrepared(frame: PreparedFrame): void {
    if (this.admit(frame.payload.length)) this.socket.sendPrepared(frame);
    this.measure();
  }

  private sendOwned(frame: Uint8Array): void {
    if (this.admit(frame.length)) this.socket.sendOwned(frame);
    this.measure();
  }

  /** The peer has read everything. */
  drained(): void {
    this.isClogged = false;
  }

  private admit(frameBytes: number): boolean {
    if (this.socket.bufferedBytes() > this.hardBytes) {
      this.overrun();
      return false;
    }
    this.counters.framesOut++;
    this.counters.bytesOut += frameBytes;
    return true;
  }

  private measure(): void {
    if (!this.isClogged && this.socket.bufferedBytes() >= this.markBytes) this.clog();
  }

  private clog(): void {
    this.isClogged = true;
    this.counters.throttled++;
  }
}

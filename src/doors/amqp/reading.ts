import type { AmqpSocket } from './outbox.js';

/** Why a connection is not read. */
export const PauseReason = { alarm: 1, congestion: 2, waiting: 4, backlog: 8, authentication: 16 } as const;
/** One of PauseReason's values. */
export type PauseReason = (typeof PauseReason)[keyof typeof PauseReason];

/** Whether a connection's socket is read: only while there is no reason against it. */
export class Reading {
  private readonly socket: AmqpSocket;
  private reasons = 0;

  constructor(socket: AmqpSocket) {
    this.socket = socket;
  }

  /** Whether the socket is not read. */
  get isPaused(): boolean {
    return this.reasons !== 0;
  }

  /** Whether the socket is not read for a reason that is none of the peer's making: a backlog is, since it does not read. */
  get isPausedByNode(): boolean {
    return (this.reasons & ~PauseReason.backlog) !== 0;
  }

  /** Whether this is a reason now. */
  has(reason: PauseReason): boolean {
    return (this.reasons & reason) !== 0;
  }

  /** Adds or takes away a reason. */
  set(reason: PauseReason, isReason: boolean): void {
    const before = this.reasons;
    this.reasons = isReason ? before | reason : before & ~reason;
    if (before === 0 && this.reasons !== 0) this.socket.pause();
    else if (before !== 0 && this.reasons === 0) this.socket.resume();
  }
}

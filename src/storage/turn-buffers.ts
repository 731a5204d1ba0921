import { POOLED_TURN_BUFFERS } from './limits.js';

/** Buffers for the appends of a turn, handed from log to log, so that 10,000 logs do not keep one each. */
export class TurnBuffers {
  readonly bufferBytes: number;
  private readonly free: Uint8Array[] = [];

  constructor(bufferBytes: number) {
    this.bufferBytes = bufferBytes;
  }

  /** A buffer of `bufferBytes`; its content means nothing. */
  take(): Uint8Array {
    return this.free.pop() ?? new Uint8Array(this.bufferBytes);
  }

  /** Gives a buffer back. */
  give(buffer: Uint8Array): void {
    if (this.free.length < POOLED_TURN_BUFFERS) this.free.push(buffer);
  }
}

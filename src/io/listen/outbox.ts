import { MAX_GATHERING_SOCKETS, OUTBOX_BYTES, SPARE_OUTBOXES } from './limits.js';

/** Something that gathers output until the end of the event-loop turn. */
export interface Gathering {
  flush(): void;
}

/**
 * Lets the sockets of one server gather small sends and write them once per event-loop turn, from a few buffers that are used again. At most
 * `MAX_GATHERING_SOCKETS` gather at a time, so memory is bounded however many sockets there are.
 */
export class OutboxPool {
  private readonly spares: Buffer[] = [];
  private gathering: Gathering[] = [];
  private flushing: Gathering[] = [];
  private isScheduled = false;
  private readonly flushTurn = (): void => {
    this.isScheduled = false;
    this.flushAll();
  };

  /** Has `socket.flush()` called at the end of this turn at the latest. Once per socket and flush. */
  register(socket: Gathering): void {
    if (this.gathering.length >= MAX_GATHERING_SOCKETS) this.flushAll();
    this.gathering.push(socket);
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(this.flushTurn);
  }

  /** An empty buffer of `OUTBOX_BYTES`. */
  take(): Buffer {
    return this.spares.pop() ?? Buffer.allocUnsafeSlow(OUTBOX_BYTES);
  }

  /** Takes back a buffer that nobody refers to any more. */
  giveBack(buffer: Buffer): void {
    if (this.spares.length < SPARE_OUTBOXES) this.spares.push(buffer);
  }

  private flushAll(): void {
    const batch = this.gathering;
    this.gathering = this.flushing;
    this.flushing = batch;
    for (const socket of batch) socket.flush();
    batch.length = 0;
  }
}

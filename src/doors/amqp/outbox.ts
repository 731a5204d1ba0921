import { ByteWriter } from '../../base/bytes.js';
import type { TlsSession } from '../../io/tls/port.js';
import type { AmqpCounters } from './counters.js';
import { type AmqpLimits, OUTBOX_FLUSH_BYTES, POOLED_WRITER_BYTES, POOLED_WRITERS } from './limits.js';

/** What a connection needs of its socket: the part of `TcpSocket` (src/io/tcp/port.ts) that it uses. */
export interface AmqpSocket {
  /** Tells connections of one address apart; absent where it is not known. */
  readonly remotePort?: number;
  readonly tls?: TlsSession | undefined;
  /** True: the bytes may be reused. False: they have not all left, and are the socket's now; when many wait, `drained` will come. */
  write(bytes: Uint8Array): boolean;
  bufferedBytes(): number;
  pause(): void;
  resume(): void;
  /** Closes after what was written. */
  end(): void;
  destroy(): void;
}

/** Outgoing buffers of a shard: a connection has one only while a turn fills it, so that idle connections cost none. */
export class WriterPool {
  private readonly spare: ByteWriter[] = [];

  /** An empty buffer. */
  take(): ByteWriter {
    return this.spare.pop()?.reset() ?? new ByteWriter();
  }

  /** Gives a buffer back. One that grew large, or one too many, is left to the garbage collector. */
  give(writer: ByteWriter): void {
    if (this.spare.length < POOLED_WRITERS && writer.bytes.length <= POOLED_WRITER_BYTES) this.spare.push(writer);
  }
}

/** The outgoing side of one connection: frames gather in one buffer, which is written once per turn. */
export class Outbox {
  /** Whether the peer is too slow for more deliveries. */
  isClogged = false;
  /** Whether the peer is too slow for answers too: nothing more should be read from it. */
  isFull = false;
  /** Set by every write; the heartbeat clears it. */
  hasWritten = false;
  sentBytes = 0;
  sentWrites = 0;
  private held: ByteWriter | undefined;
  private seenWaiting = 0;
  private readonly socket: AmqpSocket;
  private readonly pool: WriterPool;
  private readonly limits: AmqpLimits;
  private readonly counters: AmqpCounters;
  private readonly mark: () => void;

  /** `mark` asks for `flush` at the end of the turn. */
  constructor(socket: AmqpSocket, pool: WriterPool, limits: AmqpLimits, counters: AmqpCounters, mark: () => void) {
    this.socket = socket;
    this.pool = pool;
    this.limits = limits;
    this.counters = counters;
    this.mark = mark;
  }

  /** The buffer for the next frames; ask for it anew after each frame, because a full one is sent. */
  open(): ByteWriter {
    const { held } = this;
    if (held !== undefined) {
      if (held.at < OUTBOX_FLUSH_BYTES) return held;
      this.flush();
    }
    this.mark();
    this.held = this.pool.take();
    return this.held;
  }

  /** Bytes that wait here and in the socket. */
  waitingBytes(): number {
    return (this.held?.at ?? 0) + this.socket.bufferedBytes();
  }

  /** Writes what has gathered. */
  flush(): void {
    const { held } = this;
    if (held === undefined) return;
    this.held = undefined;
    let isFree = true;
    if (held.at > 0) {
      this.hasWritten = true;
      this.counters.bytesOut += held.at;
      this.sentBytes += held.at;
      this.sentWrites++;
      isFree = this.socket.write(held.view());
    }
    if (isFree) this.pool.give(held);
    this.measure();
  }

  /** Whether the peer has taken anything of a backlog since the last call. */
  takeProgress(): boolean {
    const before = this.seenWaiting;
    this.seenWaiting = this.socket.bufferedBytes();
    return this.seenWaiting < before;
  }

  private measure(): void {
    const waiting = this.socket.bufferedBytes();
    if (!this.isClogged && waiting >= this.limits.backlogMarkBytes) {
      this.isClogged = true;
      this.counters.throttled++;
    }
    this.isFull = waiting >= this.limits.backlogStopBytes;
  }

  /** The peer has read everything. */
  drained(): void {
    this.isClogged = false;
    this.isFull = false;
  }
}

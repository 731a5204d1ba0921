/** A connection between an AMQP client and a door of a simulated node: bytes both ways, in pieces, in later turns. */
import type { Prng } from '../../../src/base/prng.js';
import type { AmqpConnection, AmqpDoor, AmqpSocket } from '../../../src/doors/amqp/index.js';
import type { Timers } from '../../../src/io/ports.js';
import { FrameStream, type NodeFrame } from '../../fuzz/amqp/stream.js';

/** What is done to the frames of a node on their way to the client, to make them worse than they are. */
export type Tamper = (frame: NodeFrame, pass: (frame: NodeFrame) => void) => void;

/** What a connection is made of. */
export interface ConnectionOptions {
  readonly door: AmqpDoor;
  readonly timers: Timers;
  readonly prng: Prng;
  /** The node is dead: what it writes goes nowhere. */
  readonly isDead: () => boolean;
  readonly tamper: Tamper | undefined;
}

/** See the top of this file. */
export class SimulatedConnection extends FrameStream {
  readonly over: Promise<void>;
  private readonly options: ConnectionOptions;
  private readonly connection: AmqpConnection;
  /** From where on the node is told that its client reads too slowly, in bytes. */
  private readonly highWaterBytes: number;
  private toNode: Uint8Array[] = [];
  private toClient: Uint8Array[] = [];
  private clientBytes = 0;
  private isPumping = false;
  private isPaused = false;
  private isSlow = false;
  private isEnding = false;
  private resolveOver: () => void = () => {};

  constructor(options: ConnectionOptions) {
    super();
    this.options = options;
    this.highWaterBytes = options.prng.pick([256, 64 * 1024]);
    this.over = new Promise((resolve) => {
      this.resolveOver = resolve;
    });
    this.connection = options.door.open(this.socket(), '127.0.0.1');
  }

  write(bytes: Uint8Array): void {
    if (this.isOver || this.options.isDead()) return;
    this.toNode.push(bytes.slice());
    this.pumpSoon();
  }

  end(): void {
    this.isEnding = true;
    this.pumpSoon();
  }

  destroy(): void {
    this.finish();
  }

  /** The node is dead: what it wrote before arrives all the same. */
  hangUp(): void {
    this.toNode = [];
    this.pumpToClient();
    this.finish();
  }

  protected override take(frame: NodeFrame): void {
    const { tamper } = this.options;
    if (tamper === undefined) super.take(frame);
    else tamper(frame, (one) => super.take(one));
  }

  private socket(): AmqpSocket {
    return {
      write: (bytes) => {
        if (this.isOver || this.options.isDead()) return false;
        this.toClient.push(bytes.slice());
        this.clientBytes += bytes.length;
        this.isSlow ||= this.clientBytes > this.highWaterBytes;
        this.pumpSoon();
        return !this.isSlow;
      },
      bufferedBytes: () => this.clientBytes,
      pause: () => {
        this.isPaused = true;
      },
      resume: () => {
        this.isPaused = false;
        this.pumpSoon();
      },
      end: () => this.end(),
      destroy: () => this.finish(),
    };
  }

  private pumpSoon(): void {
    if (this.isPumping || this.isOver) return;
    this.isPumping = true;
    this.options.timers.setImmediate(() => {
      this.isPumping = false;
      this.pump();
    });
  }

  private pump(): void {
    const { prng, isDead } = this.options;
    if (this.isOver) return;
    if (!isDead() && !this.isPaused) this.pumpToNode();
    // A client that does not read now and then.
    if (prng.chance(0.1)) this.pumpSoon();
    else this.pumpToClient();
    if (this.isEnding && this.toNode.length === 0 && this.toClient.length === 0) this.finish();
  }

  private pumpToNode(): void {
    for (const piece of this.cut(this.toNode.splice(0))) {
      if (this.isPaused) this.toNode.push(piece);
      else if (!this.isOver && !this.options.isDead()) {
        this.connection.receive(piece);
        // The door has borrowed them.
        piece.fill(0xee);
      }
    }
  }

  private pumpToClient(): void {
    for (const piece of this.cut(this.toClient.splice(0))) {
      this.clientBytes -= piece.length;
      if (!this.isOver) this.receive(piece);
    }
    if (!this.isSlow || this.clientBytes > 0 || this.isOver || this.options.isDead()) return;
    this.isSlow = false;
    this.connection.drained();
  }

  /** The same bytes in pieces that have nothing to do with how they were written. */
  private cut(written: readonly Uint8Array[]): Buffer[] {
    const { prng } = this.options;
    if (written.length === 0) return [];
    const whole = Buffer.concat(written);
    const pieces: Buffer[] = [];
    for (let at = 0; at < whole.length; ) {
      const length = prng.chance(0.8) ? whole.length - at : prng.between(1, whole.length - at);
      pieces.push(whole.subarray(at, at + length));
      at += length;
    }
    return pieces;
  }

  private finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.resolveOver();
    if (!this.options.isDead()) this.connection.socketClosed();
  }
}

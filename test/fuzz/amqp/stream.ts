/** The bytes of one AMQP connection, over TCP or over a WebSocket, and the frames that the node sends. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';

/** Where a node listens. */
export interface NodeAddress {
  readonly amqpPort: number;
  readonly port: number;
}

/** What carries the bytes. */
export type Carrier = 'tcp' | 'ws';

/** A frame that the node has sent. */
export interface NodeFrame {
  readonly type: number;
  readonly channel: number;
  /** Bytes of its own. */
  readonly payload: Buffer;
}

/** What AMQP connections begin with. */
export const PROTOCOL_HEADER = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1');
/** Type, channel and size. */
const HEADER_BYTES = 7;
const FRAME_END = 0xce;
const FRAME_MAX = 131_072;
const EMPTY = Buffer.alloc(0);

/** A frame as clients send it. */
export function frameBytes(type: number, channel: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(payload.length + HEADER_BYTES + 1);
  frame.writeUInt8(type, 0);
  frame.writeUInt16BE(channel, 1);
  frame.writeUInt32BE(payload.length, 3);
  frame.set(payload, HEADER_BYTES);
  frame.writeUInt8(FRAME_END, payload.length + HEADER_BYTES);
  return frame;
}

/** One connection, whatever carries it. What the node sends is cut into frames; bytes that are none are its fault, and are told as such. */
export abstract class FrameStream {
  /** Gets every frame. */
  onFrame: (frame: NodeFrame) => void = () => {};
  /** Gets what is wrong with the node's bytes; nothing is read after that. */
  onNonsense: (text: string) => void = () => {};
  /** The node has refused the client's beginning by saying how to begin. */
  isRefused = false;
  isOver = false;
  /** Resolves when the connection has ended, whoever ended it. */
  abstract readonly over: Promise<void>;
  private pending: Buffer = EMPTY;
  private hasSpoken = false;

  /** Sends bytes; nothing happens once the connection is over. */
  abstract write(bytes: Uint8Array): void;

  /** Ends in good order. */
  abstract end(): void;

  /** Cuts the connection. */
  abstract destroy(): void;

  /** Takes bytes from the node. */
  protected receive(bytes: Buffer): void {
    const all = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    let at = 0;
    if (!this.hasSpoken) {
      if (all.length < PROTOCOL_HEADER.length) {
        this.pending = all;
        return;
      }
      this.hasSpoken = true;
      this.isRefused = all.subarray(0, PROTOCOL_HEADER.length).equals(PROTOCOL_HEADER);
      if (this.isRefused) at = PROTOCOL_HEADER.length;
    }
    while (all.length - at > HEADER_BYTES) {
      const end = at + HEADER_BYTES + all.readUInt32BE(at + 3);
      if (end - at >= FRAME_MAX) return this.nonsense(`The node sent a frame of ${end - at} bytes`);
      if (end >= all.length) break;
      if (all[end] !== FRAME_END) return this.nonsense(`The node ended a frame with ${all[end]}`);
      const payload = all.subarray(at + HEADER_BYTES, end);
      this.take({ type: all[at]!, channel: all.readUInt16BE(at + 1), payload });
      at = end + 1;
    }
    this.pending = at === all.length ? EMPTY : all.subarray(at);
  }

  /** A whole frame has come. */
  protected take(frame: NodeFrame): void {
    this.onFrame(frame);
  }

  private nonsense(text: string): void {
    this.onNonsense(text);
    this.destroy();
  }
}

/** A connection over TCP or over a WebSocket. */
export class AmqpStream extends FrameStream {
  readonly over: Promise<void>;
  /** What a WebSocket was closed with. */
  closeCode: number | undefined;
  private readonly socket: Socket | WebSocket;

  private constructor(socket: Socket | WebSocket) {
    super();
    this.socket = socket;
    const take = (bytes: Buffer): void => this.receive(bytes);
    if (socket instanceof WebSocket) socket.on('message', take);
    else socket.on('data', take);
    socket.on('error', () => {});
    this.over = new Promise((resolve) => {
      socket.once('close', (code: unknown) => {
        if (socket instanceof WebSocket) this.closeCode = Number(code);
        this.isOver = true;
        resolve();
      });
    });
  }

  /** Connects. @throws when nobody listens. */
  static async open(address: NodeAddress, carrier: Carrier): Promise<AmqpStream> {
    if (carrier === 'tcp') {
      const socket = connect({ host: '127.0.0.1', port: address.amqpPort, noDelay: true });
      await once(socket, 'connect');
      return new AmqpStream(socket);
    }
    const socket = new WebSocket(`ws://127.0.0.1:${address.port}/ws/amqp`, 'amqp', { perMessageDeflate: false });
    await once(socket, 'open');
    return new AmqpStream(socket);
  }

  write(bytes: Uint8Array): void {
    if (this.isOver) return;
    const { socket } = this;
    if (!(socket instanceof WebSocket)) socket.write(bytes);
    else if (socket.readyState === WebSocket.OPEN) socket.send(bytes);
  }

  end(): void {
    if (this.socket instanceof WebSocket) this.socket.close();
    else this.socket.end();
  }

  destroy(): void {
    if (this.socket instanceof WebSocket) this.socket.terminate();
    else this.socket.resetAndDestroy();
  }

  /** Bytes that were written and have not left this process, about. */
  get backlogBytes(): number {
    return this.socket instanceof WebSocket ? this.socket.bufferedAmount : this.socket.writableLength;
  }

  /** Stops and resumes reading. */
  pause(isPaused: boolean): void {
    if (isPaused) this.socket.pause();
    else this.socket.resume();
  }
}

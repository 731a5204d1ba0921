import type { Prng } from '../../../src/base/prng.js';
import { decodeHeader, decodeMethod } from '../../diff/wire/methods.js';
import { SILENCE_MS } from '../limits.js';
import { FRAME, greeting, methodFrame } from './client.js';
import { AmqpStream, type Carrier, type NodeAddress, type NodeFrame, PROTOCOL_HEADER } from './stream.js';

type MethodFields = ReturnType<typeof decodeMethod>['fields'];

/** What comes unasked, and so answers nothing. */
const UNASKED: ReadonlySet<string> = new Set([
  'basic.deliver',
  'basic.return',
  'basic.ack',
  'basic.nack',
  'basic.cancel',
]);
/** Below this a piece is not cut further. */
const PIECE_BYTES = 2000;

/** A hostile connection's view of what the node says: the last answer of each channel, and how channels and the connection were closed. */
export class Connection {
  /** Gets every method that the node sends. */
  onMethod: (frame: NodeFrame, name: string, fields: MethodFields) => void = () => {};
  /** Gets what is wrong with what the node sends. */
  onWrong: (text: string) => void = () => {};
  readonly stream: AmqpStream;
  /** Frames that came. */
  frames = 0;
  /** Channel to the last method that answers. */
  readonly answers = new Map<number, string>();
  /** Channel to the code that it was closed with. */
  readonly channelCodes = new Map<number, number>();
  /** The code of connection.close. */
  closeCode: number | undefined;
  closeText = '';
  hasCloseOk = false;
  private readonly prng: Prng;
  private look: (() => void) | undefined;

  private constructor(stream: AmqpStream, prng: Prng) {
    this.stream = stream;
    this.prng = prng.fork();
    stream.onFrame = (frame) => this.take(frame);
    stream.onNonsense = (text) => this.onWrong(text);
    void stream.over.then(() => this.look?.());
  }

  /** Connects. */
  static async open(address: NodeAddress, carrier: Carrier, prng: Prng): Promise<Connection> {
    return new Connection(await AmqpStream.open(address, carrier), prng);
  }

  /** Connects and logs in, with one channel open. @throws when the node does not let it. */
  static async openRunning(address: NodeAddress, carrier: Carrier, prng: Prng, heartbeat = 0): Promise<Connection> {
    const connection = await Connection.open(address, carrier, prng);
    const tuneOk = methodFrame(0, 'connection.tune-ok', { channelMax: 2047, frameMax: 131_072, heartbeat });
    const pieces = [PROTOCOL_HEADER, greeting.startOk, Buffer.concat([tuneOk, greeting.open])];
    for (const piece of [...pieces, methodFrame(1, 'channel.open')]) {
      const seen = connection.frames;
      connection.stream.write(piece);
      const isAnswered = await connection.until(() => connection.frames > seen || connection.isDone);
      if (!isAnswered || connection.isDone) throw new Error(`An honest beginning ended with ${connection.closeCode}`);
    }
    return connection;
  }

  /** Whether the node has closed, or answered a close. */
  get isDone(): boolean {
    return this.closeCode !== undefined || this.hasCloseOk || this.stream.isRefused || this.stream.isOver;
  }

  /** Sends bytes, now and then in pieces of any size. */
  write(bytes: Uint8Array): void {
    if (bytes.length > PIECE_BYTES || !this.prng.chance(0.1)) return this.stream.write(bytes);
    for (let at = 0; at < bytes.length; ) {
      const end = Math.min(bytes.length, at + this.prng.between(1, 20));
      this.stream.write(bytes.subarray(at, end));
      at = end;
    }
  }

  /** Waits until `holds` does. Returns whether it did in time. */
  async until(holds: () => boolean, limitMs: number = SILENCE_MS): Promise<boolean> {
    if (holds()) return true;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      timer = setTimeout(resolve, limitMs);
      this.look = () => {
        if (holds()) resolve();
      };
    });
    clearTimeout(timer);
    this.look = undefined;
    return holds();
  }

  private take(frame: NodeFrame): void {
    this.frames++;
    try {
      if (frame.type === FRAME.method) this.method(frame);
      else if (frame.type === FRAME.header) decodeHeader(frame.payload);
      else if (frame.type !== FRAME.body && frame.type !== FRAME.heartbeat)
        this.onWrong(`A frame of type ${frame.type}`);
    } catch (error) {
      this.onWrong(`The node sent what it must not: ${error instanceof Error ? error.message : error}`);
    }
    this.look?.();
  }

  private method(frame: NodeFrame): void {
    const { layout, fields } = decodeMethod(frame.payload);
    const { name } = layout;
    if (name === 'connection.close') {
      this.closeCode = Number(fields['replyCode']);
      this.closeText = String(fields['replyText']);
      this.stream.write(methodFrame(0, 'connection.close-ok'));
    } else if (name === 'connection.close-ok') this.hasCloseOk = true;
    else if (name === 'channel.close') {
      this.channelCodes.set(frame.channel, Number(fields['replyCode']));
      this.closeText = String(fields['replyText']);
      this.stream.write(methodFrame(frame.channel, 'channel.close-ok'));
    } else if (!UNASKED.has(name)) this.answers.set(frame.channel, name);
    this.onMethod(frame, name, fields);
  }
}

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  CARRIES_CONTENT,
  COMES_UNASKED,
  decodeHeader,
  decodeMethod,
  encodeHeader,
  encodeMethod,
  type Fields,
  type Properties,
} from './methods.js';

/** What the broker sent: a method, with its content if it has one. */
export interface Incoming {
  readonly name: string;
  readonly fields: Fields;
  readonly properties?: Properties;
  readonly body?: string;
}

/** Where a broker listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

const FRAME_MAX = 131_072;
const FRAME_OVERHEAD = 8;
const METHOD = 1;
const HEADER = 2;
const BODY = 3;
const HEARTBEAT = 8;
const FRAME_END = 0xce;
/** A broker that has not answered for so long is taken for stuck. */
const REPLY_MS = 15_000;

/** One side of a channel: what came in, and who waits for an answer. */
export class RawChannel {
  readonly number: number;
  /** What came unasked and nobody has taken yet, in order. */
  readonly unasked: Incoming[] = [];
  isOpen = false;
  private readonly waiters: ((reply: Incoming) => void)[] = [];
  private partial:
    | {
        name: string;
        fields: Fields;
        header?: { bodySize: number; properties: Properties };
        body: Buffer[];
        size: number;
      }
    | undefined;
  private readonly connection: RawConnection;

  constructor(connection: RawConnection, number: number) {
    this.connection = connection;
    this.number = number;
  }

  /** Sends a method and waits for its answer, or for the close that comes instead of it. */
  async call(name: string, fields: Fields = {}): Promise<Incoming> {
    const reply = this.reply(name);
    this.connection.sendMethod(this.number, name, fields);
    return await reply;
  }

  /** Sends a method that has no answer. */
  send(name: string, fields: Fields = {}): void {
    this.connection.sendMethod(this.number, name, fields);
  }

  /** Sends `basic.publish` with its content. */
  publish(fields: Fields, properties: Properties, body: string): void {
    this.connection.sendMethod(this.number, 'basic.publish', fields);
    this.connection.sendContent(this.number, properties, Buffer.from(body, 'latin1'));
  }

  /** Takes a frame. @throws when it breaks the protocol. */
  frame(type: number, payload: Buffer): void {
    if (!this.isOpen && this.waiters.length === 0)
      throw new Error(`A frame on channel ${this.number}, which is closed`);
    if (type === METHOD) this.methodFrame(payload);
    else if (type === HEADER) this.headerFrame(payload);
    else this.bodyFrame(payload);
  }

  /** Answers all that wait: nothing more will come. */
  ended(reason: Incoming): void {
    this.isOpen = false;
    this.partial = undefined;
    for (const waiter of this.waiters.splice(0)) waiter(reason);
  }

  private reply(name: string): Promise<Incoming> {
    if (this.connection.ending !== undefined) return Promise.resolve(this.connection.ending);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.connection.violation(`no answer to ${name} after ${REPLY_MS} ms`);
      }, REPLY_MS);
      this.waiters.push((reply) => {
        clearTimeout(timer);
        resolve(reply);
      });
    });
  }

  private methodFrame(payload: Buffer): void {
    if (this.partial !== undefined) throw new Error(`A method within the content of ${this.partial.name}`);
    const { layout, fields } = decodeMethod(payload);
    if (CARRIES_CONTENT.has(layout.name)) this.partial = { name: layout.name, fields, body: [], size: 0 };
    else this.complete({ name: layout.name, fields });
  }

  private headerFrame(payload: Buffer): void {
    if (this.partial === undefined || this.partial.header !== undefined)
      throw new Error('A content header out of place');
    this.partial.header = decodeHeader(payload);
    this.completeContent();
  }

  private bodyFrame(payload: Buffer): void {
    if (this.partial?.header === undefined) throw new Error('A body frame out of place');
    this.partial.body.push(Buffer.from(payload));
    this.partial.size += payload.length;
    if (this.partial.size > this.partial.header.bodySize) throw new Error('A body longer than its header says');
    this.completeContent();
  }

  private completeContent(): void {
    const { name, fields, header, body, size } = this.partial!;
    if (header === undefined || size < header.bodySize) return;
    this.partial = undefined;
    this.complete({ name, fields, properties: header.properties, body: Buffer.concat(body).toString('latin1') });
  }

  private complete(incoming: Incoming): void {
    if (COMES_UNASKED.has(incoming.name)) {
      this.unasked.push(incoming);
      return;
    }
    if (incoming.name === 'channel.close') {
      this.connection.sendMethod(this.number, 'channel.close-ok', {});
      this.unasked.push(incoming);
      this.ended(incoming);
      return;
    }
    const waiter = this.waiters.shift();
    if (waiter === undefined) throw new Error(`${incoming.name} came unasked`);
    if (incoming.name === 'channel.open-ok') this.isOpen = true;
    if (incoming.name === 'channel.close-ok') this.isOpen = false;
    waiter(incoming);
  }
}

/** A connection that checks all that the broker sends and keeps nothing to itself. */
export class RawConnection {
  /** What ended the connection: `connection.close`, `connection.close-ok`, `socket closed`, or `violation` with what the broker did wrong. */
  ending: Incoming | undefined;
  private readonly socket: Socket;
  private readonly channels = new Map<number, RawChannel>();
  private pending: Buffer = Buffer.alloc(0);

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.receive(bytes));
    socket.on('close', () => this.end({ name: 'socket closed', fields: {} }));
    socket.on('error', () => undefined);
  }

  /** Connects, logs in as guest and opens the virtual host `/`. */
  static async open(endpoint: Endpoint): Promise<RawConnection> {
    const socket = connect({ ...endpoint, noDelay: true });
    await once(socket, 'connect');
    const connection = new RawConnection(socket);
    const control = connection.channel(0);
    control.isOpen = true;
    const start = connection.first();
    socket.write(Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'));
    await start;
    const capabilities = {
      publisher_confirms: true,
      exchange_exchange_bindings: true,
      'basic.nack': true,
      consumer_cancel_notify: true,
      authentication_failure_close: true,
    };
    const clientProperties = { product: 'duolog-diff', capabilities };
    await control.call('connection.start-ok', {
      clientProperties,
      mechanism: 'PLAIN',
      response: '\0guest\0guest',
      locale: 'en_US',
    });
    connection.sendMethod(0, 'connection.tune-ok', { channelMax: 2047, frameMax: FRAME_MAX, heartbeat: 0 });
    const opened = await control.call('connection.open', { virtualHost: '/' });
    if (opened.name !== 'connection.open-ok') throw new Error(`Cannot connect: ${JSON.stringify(opened)}`);
    return connection;
  }

  /** The channel of that number, opened or not. */
  channel(number: number): RawChannel {
    let channel = this.channels.get(number);
    if (channel === undefined) {
      channel = new RawChannel(this, number);
      this.channels.set(number, channel);
    }
    return channel;
  }

  /** Opens a channel. */
  async openChannel(number: number): Promise<RawChannel> {
    const channel = this.channel(number);
    channel.unasked.length = 0;
    await channel.call('channel.open');
    return channel;
  }

  /** Closes in good order. */
  async close(): Promise<void> {
    if (this.ending !== undefined) return;
    await this.channel(0).call('connection.close', { replyCode: 200, replyText: 'Goodbye' });
    this.socket.end();
    this.end({ name: 'connection.close-ok', fields: {} });
  }

  /** Cuts the connection. */
  cut(): void {
    this.socket.destroy();
    this.end({ name: 'socket closed', fields: {} });
  }

  /** Gives the broker up, which did what it must not. */
  violation(text: string): void {
    this.socket.destroy();
    this.end({ name: 'violation', fields: { text } });
  }

  /** Sends one method frame. */
  sendMethod(channel: number, name: string, fields: Fields): void {
    this.sendFrame(METHOD, channel, encodeMethod(name, fields));
  }

  /** Sends the header and the body of a content. */
  sendContent(channel: number, properties: Properties, body: Buffer): void {
    this.sendFrame(HEADER, channel, encodeHeader(body.length, properties));
    const most = FRAME_MAX - FRAME_OVERHEAD;
    for (let offset = 0; offset < body.length; offset += most) {
      this.sendFrame(BODY, channel, body.subarray(offset, offset + most));
    }
  }

  /** Holds frames back so that several leave together, until `uncork`. */
  cork(): void {
    this.socket.cork();
  }

  /** Lets the frames go that were held back. */
  uncork(): void {
    this.socket.uncork();
  }

  private first(): Promise<Incoming> {
    // The broker speaks first: its greeting answers the protocol header.
    return this.channel(0)['reply']('the protocol header');
  }

  private sendFrame(type: number, channel: number, payload: Buffer): void {
    if (this.ending !== undefined) return;
    const frame = Buffer.allocUnsafe(payload.length + FRAME_OVERHEAD);
    frame.writeUInt8(type, 0);
    frame.writeUInt16BE(channel, 1);
    frame.writeUInt32BE(payload.length, 3);
    payload.copy(frame, 7);
    frame.writeUInt8(FRAME_END, payload.length + 7);
    this.socket.write(frame);
  }

  private receive(bytes: Buffer): void {
    this.pending = this.pending.length === 0 ? bytes : Buffer.concat([this.pending, bytes]);
    let offset = 0;
    try {
      while (this.pending.length - offset >= FRAME_OVERHEAD) {
        const size = this.pending.readUInt32BE(offset + 3);
        if (size + FRAME_OVERHEAD > FRAME_MAX) throw new Error(`A frame of ${size} bytes, above frame_max`);
        if (this.pending.length - offset < size + FRAME_OVERHEAD) break;
        if (this.pending[offset + size + 7] !== FRAME_END) throw new Error('A frame without its end');
        const payload = this.pending.subarray(offset + 7, offset + 7 + size);
        this.frame(this.pending.readUInt8(offset), this.pending.readUInt16BE(offset + 1), payload);
        offset += size + FRAME_OVERHEAD;
      }
    } catch (error) {
      this.violation(error instanceof Error ? error.message : String(error));
    }
    this.pending = this.pending.subarray(offset);
  }

  private frame(type: number, number: number, payload: Buffer): void {
    if (type === HEARTBEAT) return;
    if (type !== METHOD && type !== HEADER && type !== BODY) throw new Error(`A frame of type ${type}`);
    if (number === 0 && type === METHOD) {
      const { layout, fields } = decodeMethod(payload);
      if (layout.name === 'connection.close') {
        this.sendMethod(0, 'connection.close-ok', {});
        this.socket.end();
        this.end({ name: layout.name, fields });
        return;
      }
      if (layout.name === 'connection.blocked' || layout.name === 'connection.unblocked') return;
    }
    const channel = this.channels.get(number);
    if (channel === undefined) throw new Error(`A frame on channel ${number}, which was never opened`);
    channel.frame(type, payload);
  }

  private end(reason: Incoming): void {
    this.ending ??= reason;
    for (const channel of this.channels.values()) channel.ended(this.ending);
  }
}

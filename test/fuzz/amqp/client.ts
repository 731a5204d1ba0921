/** A plain AMQP client for tests: methods by name, answers by promise, everything unasked by callbacks. It checks all that it reads. */
import type { Table } from '../../diff/wire/fields.js';
import {
  CARRIES_CONTENT,
  COMES_UNASKED,
  decodeHeader,
  decodeMethod,
  encodeHeader,
  encodeMethod,
  type Fields,
  type Properties,
} from '../../diff/wire/methods.js';
import {
  AmqpStream,
  type Carrier,
  type FrameStream,
  frameBytes,
  type NodeAddress,
  type NodeFrame,
  PROTOCOL_HEADER,
} from './stream.js';

/** Frame types. */
export const FRAME = { method: 1, header: 2, body: 3, heartbeat: 8 } as const;
/** The largest payload that a client puts into one frame, in bytes. */
const MAX_PAYLOAD = 131_072 - 8;

/** A method from the node, with its content if it has one. */
export interface Received {
  readonly name: string;
  readonly fields: Record<string, string | number | boolean | Table>;
  readonly properties: Properties;
  readonly body: Buffer;
}

/** A request that was answered by the end of its channel or connection. */
export class Closed extends Error {
  readonly code: number;

  constructor(code: number, text: string) {
    super(`Closed with ${code}: ${text}`);
    this.code = code;
  }
}

/** A method frame. */
export function methodFrame(channel: number, name: string, fields: Fields = {}): Buffer {
  return frameBytes(FRAME.method, channel, encodeMethod(name, fields));
}

/** basic.publish with its content: the frames one after the other. */
export function publishFrames(channel: number, fields: Fields, properties: Properties, body: Buffer): Buffer[] {
  const frames = [methodFrame(channel, 'basic.publish', fields)];
  frames.push(frameBytes(FRAME.header, channel, encodeHeader(body.length, properties)));
  for (let at = 0; at < body.length; at += MAX_PAYLOAD) {
    frames.push(frameBytes(FRAME.body, channel, body.subarray(at, at + MAX_PAYLOAD)));
  }
  return frames;
}

/** The greeting of an honest client up to the connection's opening: what it sends at each step. */
export const greeting = {
  startOk: methodFrame(0, 'connection.start-ok', {
    clientProperties: { product: 'test', capabilities: { authentication_failure_close: true, 'basic.nack': true } },
    mechanism: 'PLAIN',
    response: '\0guest\0guest',
    locale: 'en_US',
  }),
  tuneOk: methodFrame(0, 'connection.tune-ok', { channelMax: 2047, frameMax: 131_072, heartbeat: 0 }),
  open: methodFrame(0, 'connection.open', { virtualHost: '/' }),
} as const;

interface Waiter {
  readonly resolve: (received: Received) => void;
  readonly reject: (error: Error) => void;
}

interface Partial {
  readonly name: string;
  readonly fields: Received['fields'];
  header: { readonly bodySize: number; readonly properties: Properties } | undefined;
  readonly pieces: Buffer[];
  size: number;
}

/** One channel. */
export class AmqpChannel {
  readonly id: number;
  /** Deliveries, returns, acks, nacks and cancels. */
  onUnasked: (received: Received) => void = () => {};
  /** The channel has ended without having been asked to. */
  onClosed: (error: Closed) => void = () => {};
  private readonly stream: FrameStream;
  private readonly waiters: Waiter[] = [];
  private partial: Partial | undefined;
  private ending: Closed | undefined;

  constructor(stream: FrameStream, id: number) {
    this.stream = stream;
    this.id = id;
  }

  /** Sends a method and waits for its answer. @throws Closed when channel or connection end instead. */
  call(name: string, fields: Fields = {}): Promise<Received> {
    if (this.ending !== undefined) return Promise.reject(this.ending);
    this.send(name, fields);
    return this.next();
  }

  /** The next answer. @throws Closed */
  next(): Promise<Received> {
    if (this.ending !== undefined) return Promise.reject(this.ending);
    return new Promise((resolve, reject) => this.waiters.push({ resolve, reject }));
  }

  /** Sends a method that has no answer. */
  send(name: string, fields: Fields = {}): void {
    this.stream.write(methodFrame(this.id, name, fields));
  }

  /** Publishes. */
  publish(fields: Fields, properties: Properties, body: Buffer): void {
    this.stream.write(Buffer.concat(publishFrames(this.id, fields, properties, body)));
  }

  /** Takes a frame. @throws on what the node must not send. */
  frame({ type, payload }: NodeFrame): void {
    const { partial } = this;
    if (type === FRAME.method) {
      if (partial !== undefined) throw new Error(`A method within the content of ${partial.name}`);
      const { layout, fields } = decodeMethod(payload);
      if (CARRIES_CONTENT.has(layout.name))
        this.partial = { name: layout.name, fields, header: undefined, pieces: [], size: 0 };
      else this.take({ name: layout.name, fields, properties: {}, body: Buffer.alloc(0) });
      return;
    }
    if (partial === undefined) throw new Error(`A frame of type ${type} without a method before it`);
    if (type === FRAME.header) partial.header = decodeHeader(payload);
    else {
      partial.pieces.push(payload);
      partial.size += payload.length;
    }
    if (partial.header === undefined) throw new Error('A body without a header');
    if (partial.size < partial.header.bodySize) return;
    this.partial = undefined;
    const { name, fields, header, pieces } = partial;
    this.take({ name, fields, properties: header.properties, body: Buffer.concat(pieces) });
  }

  private take(received: Received): void {
    if (received.name === 'channel.close') {
      this.send('channel.close-ok');
      this.finish(new Closed(Number(received.fields['replyCode']), String(received.fields['replyText'])));
    } else if (COMES_UNASKED.has(received.name)) this.onUnasked(received);
    else {
      const waiter = this.waiters.shift();
      if (waiter === undefined) throw new Error(`${received.name} came, and nobody waits for it`);
      waiter.resolve(received);
    }
  }

  /** The channel has ended. */
  finish(error: Closed): void {
    if (this.ending !== undefined) return;
    this.ending = error;
    for (const { reject } of this.waiters.splice(0)) reject(error);
    this.onClosed(error);
  }
}

/** One connection. */
export class AmqpClient {
  /** The connection has ended without having been asked to, or the node sent what it must not. */
  onEnded: (error: Closed) => void = () => {};
  readonly stream: FrameStream;
  private readonly channels = new Map<number, AmqpChannel>();
  private readonly control: AmqpChannel;
  private ending: Closed | undefined;
  private nextChannel = 1;

  private constructor(stream: FrameStream) {
    this.stream = stream;
    this.control = new AmqpChannel(stream, 0);
    stream.onFrame = (frame) => this.frame(frame);
    stream.onNonsense = (text) => this.finish(new Closed(0, text));
    void stream.over.then(() => this.finish(new Closed(0, 'the socket has closed')));
  }

  /** Connects and logs in. @throws Closed */
  static async open(address: NodeAddress, carrier: Carrier = 'tcp'): Promise<AmqpClient> {
    return AmqpClient.over(await AmqpStream.open(address, carrier));
  }

  /** Logs in over a connection that is there. @throws Closed */
  static async over(stream: FrameStream): Promise<AmqpClient> {
    const client = new AmqpClient(stream);
    const { control } = client;
    for (const bytes of [PROTOCOL_HEADER, greeting.startOk]) {
      stream.write(bytes);
      await control.next();
    }
    stream.write(Buffer.concat([greeting.tuneOk, greeting.open]));
    await control.next();
    return client;
  }

  /** Opens a channel. @throws Closed */
  async channel(): Promise<AmqpChannel> {
    const channel = new AmqpChannel(this.stream, this.nextChannel++);
    this.channels.set(channel.id, channel);
    await channel.call('channel.open');
    return channel;
  }

  /** Closes in good order. */
  async close(): Promise<void> {
    this.onEnded = () => {};
    for (const channel of this.channels.values()) channel.onClosed = () => {};
    await this.control.call('connection.close', { replyCode: 200, replyText: 'Goodbye' });
    this.stream.end();
    await this.stream.over;
  }

  /** Cuts the connection. */
  destroy(): void {
    this.onEnded = () => {};
    this.stream.destroy();
  }

  private frame(frame: NodeFrame): void {
    if (frame.type === FRAME.heartbeat) return;
    try {
      if (frame.channel === 0) this.controlFrame(frame);
      else this.channels.get(frame.channel)?.frame(frame);
    } catch (error) {
      this.finish(new Closed(0, `The node sent what it must not: ${error instanceof Error ? error.message : error}`));
      this.stream.destroy();
    }
  }

  private controlFrame(frame: NodeFrame): void {
    const { layout, fields } = decodeMethod(frame.payload);
    if (layout.name === 'connection.close') {
      this.stream.write(methodFrame(0, 'connection.close-ok'));
      this.finish(new Closed(Number(fields['replyCode']), String(fields['replyText'])));
    } else if (layout.name !== 'connection.blocked' && layout.name !== 'connection.unblocked')
      this.control.frame(frame);
  }

  private finish(error: Closed): void {
    if (this.ending !== undefined) return;
    this.ending = error;
    this.control.finish(error);
    for (const channel of this.channels.values()) channel.finish(error);
    this.onEnded(error);
  }
}

import { WebSocket } from 'ws';
import { duolog } from '../../src/proto/client.js';

const { Frame } = duolog.client.v1;
/** A decoded frame. */
export type WireFrame = duolog.client.v1.Frame.$Properties;

/** How a connection ended. */
export interface Closing {
  readonly code: number;
  readonly reason: string;
}

/** A well-behaved client, as plain as can be: requests with promises, everything else by callbacks. */
export class WireClient {
  readonly socket: WebSocket;
  /** What the node says unasked, and confirms. */
  onFrame: (frame: WireFrame) => void = () => {};
  /** Resolves when the connection has ended. */
  readonly closed: Promise<Closing>;
  closing: Closing | undefined;
  private nextId = 1;
  private readonly waiting = new Map<number, (frame: WireFrame) => void>();

  private constructor(url: string, options: object) {
    this.socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 64 * 1024 * 1024, ...options });
    this.socket.binaryType = 'nodebuffer';
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.closing = { code, reason: reason.toString() };
        for (const answer of this.waiting.values()) answer({ error: { message: `closed: ${code} ${reason}` } });
        resolve(this.closing);
      });
    });
    this.socket.on('message', (bytes: Buffer, isBinary: boolean) => {
      if (isBinary) this.take(Frame.decode(bytes));
    });
    this.socket.on('error', () => {});
  }

  /** Connects, without a Hello. @throws when the connection ends first. */
  static async connect(url: string, options: object = {}): Promise<WireClient> {
    const client = new WireClient(url, options);
    await new Promise<void>((resolve, reject) => {
      client.socket.once('open', resolve);
      client.socket.once('error', reject);
    });
    return client;
  }

  /** Connects and says Hello. */
  static async open(url: string, options: object = {}): Promise<WireClient> {
    const client = await WireClient.connect(url, options);
    await client.ask({ hello: { version: 1, clientName: 'fuzz' } });
    return client;
  }

  /** Sends a frame as it is. */
  send(frame: WireFrame): void {
    this.socket.send(Frame.encode(frame).finish());
  }

  /** Sends a request and resolves with its answer, which may be an Error frame; a Confirm comes as a Confirms of its own. */
  request(frame: WireFrame): Promise<WireFrame> {
    const id = this.nextId++;
    return new Promise((resolve) => {
      this.waiting.set(id, resolve);
      this.send({ ...frame, id });
    });
  }

  /** As `request`. @throws on an Error frame. */
  async ask(frame: WireFrame): Promise<WireFrame> {
    const answer = await this.request(frame);
    if (answer.error) throw new Error(`${Object.keys(frame)[0]}: ${answer.error.message}`);
    return answer;
  }

  /** Ends the connection and waits until it has ended. */
  async close(): Promise<void> {
    this.socket.resume();
    this.socket.close();
    await this.closed;
  }

  private take(frame: WireFrame): void {
    for (const confirm of frame.confirms?.confirms ?? [])
      this.answer(confirm.id ?? 0, { confirms: { confirms: [confirm] } });
    if (!frame.id || !this.answer(frame.id, frame)) this.onFrame(frame);
  }

  private answer(id: number, frame: WireFrame): boolean {
    const answer = this.waiting.get(id);
    this.waiting.delete(id);
    answer?.(frame);
    return answer !== undefined;
  }
}

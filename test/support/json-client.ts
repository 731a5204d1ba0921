import WebSocket from 'ws';

/** A frame in its protobuf JSON form. */
export type JsonFrame = { id?: number } & Record<string, unknown>;

/** The native protocol by hand, in its text form: what a person with a terminal would type. */
export class JsonClient {
  private readonly socket: WebSocket;
  private readonly frames: JsonFrame[] = [];
  private wake: () => void = () => undefined;
  private nextId = 1;
  private isClosed = false;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (bytes: Buffer) => {
      this.frames.push(JSON.parse(bytes.toString('utf8')) as JsonFrame);
      this.wake();
    });
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
  }

  /** Connects and says hello. */
  static async connect(url: string): Promise<JsonClient> {
    const socket = new WebSocket(url);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve);
      socket.once('error', reject);
    });
    const client = new JsonClient(socket);
    await client.ask({ hello: { version: 1, clientName: 'test' } });
    return client;
  }

  /** Sends a frame as it is. */
  send(frame: JsonFrame): void {
    this.socket.send(JSON.stringify(frame));
  }

  /** Sends a request and resolves with its answer. @throws Error with the text of an error frame. */
  async ask(request: Record<string, unknown>): Promise<JsonFrame> {
    const id = this.nextId++;
    this.send({ id, ...request });
    const answer = await this.next((frame) => frame.id === id || confirms(frame, id));
    const error = answer['error'] as { code: string; message: string } | undefined;
    if (error !== undefined) throw new Error(`${error.code}: ${error.message}`);
    return answer;
  }

  /** Resolves with the first frame, old or new, that fits; it is taken out. */
  async next(fits: (frame: JsonFrame) => boolean, timeoutMs = 10_000): Promise<JsonFrame> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const index = this.frames.findIndex(fits);
      if (index >= 0) return this.frames.splice(index, 1)[0]!;
      if (this.isClosed) throw new Error('The connection was closed');
      const left = deadline - Date.now();
      if (left <= 0)
        throw new Error(`No such frame came within ${timeoutMs} ms; there are ${JSON.stringify(this.frames)}`);
      await this.woken(left);
    }
  }

  /** Resolves when something has arrived, or after a while. Several may wait at once. */
  private woken(forMs: number): Promise<void> {
    return new Promise<void>((resolve) => {
      const earlier = this.wake;
      const timer = setTimeout(resolve, forMs);
      this.wake = () => {
        this.wake = () => undefined;
        clearTimeout(timer);
        resolve();
        earlier();
      };
    });
  }

  /** Takes deliveries of a subscription until there are `count`. */
  async deliveries(subscription: number, count: number): Promise<JsonDelivery[]> {
    const taken: JsonDelivery[] = [];
    while (taken.length < count) {
      const frame = await this.next((one) => deliverOf(one)?.subscription === subscription);
      taken.push(...(deliverOf(frame)?.deliveries ?? []));
    }
    return taken;
  }

  /** Whether nothing that fits comes within a while. */
  async staysQuiet(fits: (frame: JsonFrame) => boolean, forMs: number): Promise<boolean> {
    return this.next(fits, forMs).then(
      () => false,
      () => true,
    );
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.close();
    await closed;
  }
}

/** A queue's delivery in JSON; 64-bit numbers are strings there. */
export interface JsonDelivery {
  readonly tag: string;
  readonly partition: number;
  readonly offset: string;
  readonly redelivered: boolean;
  readonly deliveryCount: number;
  readonly message: { readonly key?: string; readonly value?: string };
}

function deliverOf(frame: JsonFrame): { subscription: number; deliveries?: JsonDelivery[] } | undefined {
  return frame['deliver'] as { subscription: number; deliveries?: JsonDelivery[] } | undefined;
}

function confirms(frame: JsonFrame, id: number): boolean {
  const batch = frame['confirms'] as { confirms: { id: number }[] } | undefined;
  return batch?.confirms.some((confirm) => confirm.id === id) ?? false;
}

/** Text as protobuf JSON writes bytes. */
export function bytesOf(text: string): string {
  return Buffer.from(text).toString('base64');
}

/** The text in protobuf JSON's bytes. */
export function textOf(base64: string | undefined): string {
  return Buffer.from(base64 ?? '', 'base64').toString('utf8');
}

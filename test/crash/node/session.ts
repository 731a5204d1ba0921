import { WebSocket } from 'ws';

/** A frame in the text form of the native protocol. */
// biome-ignore lint/suspicious/noExplicitAny: what comes from the node is read field by field, and a wrong one fails the run
export type Frame = Record<string, any>;

type Answer = (frame: Frame) => void;

/** A connection that speaks the native protocol's text form. When it breaks, what was not answered never will be. */
export class Session {
  /** Gets every delivery frame. */
  onDeliver: (deliver: Frame) => void = () => {};
  private readonly socket: WebSocket;
  private readonly waiting = new Map<number, Answer>();
  private readonly requests = new Set<() => void>();
  private nextId = 1;
  private isOpen = true;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => this.receive(JSON.parse(data.toString()) as Frame));
    socket.on('close', () => this.end());
    socket.on('error', () => this.end());
  }

  /** Connects and says hello. */
  static async open(port: number): Promise<Session> {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/ws`);
    await new Promise<void>((resolve, reject) => {
      socket.once('open', () => resolve());
      socket.once('error', reject);
    });
    socket.send(JSON.stringify({ hello: { version: 1 } }));
    return new Session(socket);
  }

  /** Whether the node is still there. */
  get isAlive(): boolean {
    return this.isOpen;
  }

  /** Sends a request; `answer` gets its reply, its confirm, or its error, unless the connection breaks before. */
  send(frame: Frame, answer: Answer = () => {}): void {
    if (!this.isOpen) return;
    const id = this.nextId++;
    this.waiting.set(id, answer);
    this.socket.send(JSON.stringify({ id, ...frame }));
  }

  /** Sends a request; rejects with an error frame's message, or when the connection breaks. */
  request(frame: Frame): Promise<Frame> {
    return new Promise((resolve, reject) => {
      const broke = (): void => reject(new Error('The connection broke'));
      this.requests.add(broke);
      this.send(frame, (reply) => {
        this.requests.delete(broke);
        if (reply['error'] === undefined) resolve(reply);
        else reject(new Error(reply['error'].message));
      });
      if (!this.isOpen) broke();
    });
  }

  /** Closes the connection. */
  close(): void {
    this.socket.close();
  }

  private receive(frame: Frame): void {
    if (frame['deliver'] !== undefined) this.onDeliver(frame['deliver']);
    for (const confirm of frame['confirms']?.confirms ?? []) this.answered(confirm.id, { confirm });
    if (frame['id'] > 0) this.answered(frame['id'], frame);
  }

  private answered(id: number, frame: Frame): void {
    const answer = this.waiting.get(id);
    this.waiting.delete(id);
    answer?.(frame);
  }

  private end(): void {
    this.isOpen = false;
    this.waiting.clear();
    for (const broke of this.requests) broke();
    this.requests.clear();
  }
}

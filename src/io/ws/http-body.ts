import { WsServerError } from './errors.js';

type State =
  | { readonly kind: 'collecting'; readonly chunks: Uint8Array[]; sizeBytes: number }
  | { readonly kind: 'complete'; readonly bytes: Uint8Array }
  | { readonly kind: 'failed'; readonly error: WsServerError };

/** Gathers a request body up to a limit, for whoever asks before or after it is complete. */
export class HttpBody {
  private state: State = { kind: 'collecting', chunks: [], sizeBytes: 0 };
  private readonly waiting: { resolve(bytes: Uint8Array): void; reject(error: WsServerError): void }[] = [];
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Takes the next piece, which must not change any more. False if the limit is passed: the body has failed. */
  append(chunk: Uint8Array): boolean {
    if (this.state.kind !== 'collecting') return this.state.kind === 'complete';
    this.state.sizeBytes += chunk.length;
    if (this.state.sizeBytes > this.maxBytes) {
      const message = `Cannot take the request body: it is longer than the limit of ${this.maxBytes} bytes`;
      this.fail(new WsServerError('body-too-large', message));
      return false;
    }
    if (chunk.length > 0) this.state.chunks.push(chunk);
    return true;
  }

  complete(): void {
    if (this.state.kind !== 'collecting') return;
    const bytes = this.state.chunks.length === 1 ? this.state.chunks[0]! : Buffer.concat(this.state.chunks);
    this.state = { kind: 'complete', bytes };
    for (const waiter of this.waiting.splice(0)) waiter.resolve(bytes);
  }

  abort(): void {
    this.fail(new WsServerError('request-aborted', 'Cannot read the request body: the client has gone'));
  }

  read(): Promise<Uint8Array> {
    const state = this.state;
    if (state.kind === 'complete') return Promise.resolve(state.bytes);
    if (state.kind === 'failed') return Promise.reject(state.error);
    return new Promise((resolve, reject) => this.waiting.push({ resolve, reject }));
  }

  private fail(error: WsServerError): void {
    if (this.state.kind !== 'collecting') return;
    this.state = { kind: 'failed', error };
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }
}

import { Deque } from '../base/deque.js';
import { encodeFrame, type WireFrame, type WireKind } from '../proto/client-wire.js';
import { abortError, ClientError, errorOfNode } from './errors.js';
import { MAX_WAITING_REQUESTS } from './limits.js';

/** The kinds of frames that answer requests. */
export type AnswerKind = keyof WireFrame;

/** How a request behaves. */
export interface RequestOptions {
  /** Time until the answer, waiting for a connection included, in milliseconds. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
}

/** How a request behaves, as the client's own parts may choose. */
export interface InnerRequestOptions<Kind extends AnswerKind> extends RequestOptions {
  /** Whether it may be sent again over the next connection when this one breaks before the answer. Default false. */
  readonly resend?: boolean;
  /** Set for what means something to this subscription of the session only: sent again if the subscription goes on, else it fails with `stale-delivery`. */
  readonly subscription?: number;
  /** Called while the answer's frame is handled, before any later frame is. */
  readonly answered?: (content: WireKind<Kind>) => void;
}

/** What requests need of the connection. */
export interface RequestPort {
  /** Whether frames can be sent now. */
  readonly isOpen: boolean;
  /** Why there will be no connection any more, or undefined. */
  readonly closedBy: ClientError | undefined;
  /** Requests that may wait for an answer at once. */
  readonly maxInFlight: number;
  nextId(): number;
  sendBytes(bytes: Uint8Array): void;
}

interface Entry {
  readonly id: number;
  readonly frame: WireFrame;
  readonly kind: AnswerKind;
  readonly resend: boolean;
  readonly subscription: number | undefined;
  readonly finish: (outcome: WireFrame | ClientError) => void;
  timer: ReturnType<typeof setTimeout> | undefined;
  isSent: boolean;
}

/** Requests from the call to the answer: they wait for a connection and for room, time out, and may be sent again. */
export class Requests {
  private readonly port: RequestPort;
  private readonly defaultTimeoutMs: number;
  private readonly entries = new Map<number, Entry>();
  private readonly waiting = new Deque<Entry>();
  private inFlight = 0;

  constructor(port: RequestPort, defaultTimeoutMs: number) {
    this.port = port;
    this.defaultTimeoutMs = defaultTimeoutMs;
  }

  /**
   * Sends `frame` and resolves with the content of the answer, which must be of `kind`.
   * @throws ClientError as rejection: the node's, or `timeout`, `aborted`, `connection-lost`, `closed`, `limit-exceeded`, `protocol`.
   */
  request<Kind extends AnswerKind>(
    frame: WireFrame,
    kind: Kind,
    options: InnerRequestOptions<Kind> = {},
  ): Promise<WireKind<Kind>> {
    return new Promise((resolve, reject) => {
      const { signal, answered } = options;
      const refusal = this.port.closedBy ?? (signal?.aborted ? abortError(signal) : undefined);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const id = this.port.nextId();
      const onAbort = (): void => {
        if (signal) this.give(id, abortError(signal));
      };
      const finish = (outcome: WireFrame | ClientError): void => {
        signal?.removeEventListener('abort', onAbort);
        const content = outcome instanceof ClientError ? outcome : contentOf(outcome, kind);
        if (content instanceof ClientError) {
          reject(content);
          return;
        }
        answered?.(content);
        resolve(content);
      };
      signal?.addEventListener('abort', onAbort);
      this.add({
        id,
        frame: { ...frame, id },
        kind,
        resend: options.resend ?? options.subscription !== undefined,
        subscription: options.subscription,
        finish,
        timer: this.startTimer(id, kind, options.timeoutMs ?? this.defaultTimeoutMs),
        isSent: false,
      });
    });
  }

  private startTimer(id: number, kind: AnswerKind, timeoutMs: number): ReturnType<typeof setTimeout> | undefined {
    if (timeoutMs === Number.POSITIVE_INFINITY) return undefined;
    const message = `The node did not answer within ${timeoutMs} ms (awaited: ${kind})`;
    return setTimeout(() => this.give(id, new ClientError('timeout', message)), timeoutMs);
  }

  private add(entry: Entry): void {
    this.entries.set(entry.id, entry);
    if (this.waiting.length >= MAX_WAITING_REQUESTS) {
      this.give(entry.id, new ClientError('limit-exceeded', `${MAX_WAITING_REQUESTS} requests are waiting already`));
      return;
    }
    this.waiting.pushBack(entry);
    this.pump();
  }

  /** Sends what waits, as far as there is a connection and room. */
  private pump(): void {
    while (this.waiting.length > 0 && this.port.isOpen && this.inFlight < this.port.maxInFlight) {
      const entry = this.waiting.popFront();
      // Entries that timed out while they waited are gone from the table.
      if (entry === undefined || !this.entries.has(entry.id)) continue;
      entry.isSent = true;
      this.inFlight++;
      this.port.sendBytes(encodeFrame(entry.frame));
    }
  }

  /** Passes a frame to the request that it answers. Returns false when nobody waits for it. */
  answer(id: number, frame: WireFrame): boolean {
    return this.give(id, frame);
  }

  private give(id: number, outcome: WireFrame | ClientError): boolean {
    const entry = this.entries.get(id);
    if (entry === undefined) return false;
    this.entries.delete(id);
    clearTimeout(entry.timer);
    if (entry.isSent) this.inFlight--;
    entry.finish(outcome);
    this.pump();
    return true;
  }

  /** A new connection begins, with these subscriptions of the one before: what belongs to others fails. */
  begin(resumed: ReadonlySet<number>): void {
    for (const { id, subscription } of [...this.entries.values()]) {
      if (subscription === undefined || resumed.has(subscription)) continue;
      this.give(id, new ClientError('stale-delivery', 'The session with the delivery is gone'));
    }
  }

  /** There is a new connection. */
  opened(): void {
    this.pump();
  }

  /** The connection is gone: what may be sent again waits for the next one, the rest fails. */
  lost(error: ClientError): void {
    const sent = [...this.entries.values()].filter((entry) => entry.isSent);
    for (const entry of sent) {
      entry.isSent = false;
      this.inFlight--;
    }
    for (const entry of sent.reverse()) {
      if (entry.resend) this.waiting.pushFront(entry);
      else this.give(entry.id, error);
    }
  }

  /** There will be no connection any more: everything fails. */
  closed(error: ClientError): void {
    for (const id of [...this.entries.keys()]) this.give(id, error);
    this.waiting.clear();
  }
}

function contentOf<Kind extends AnswerKind>(frame: WireFrame, kind: Kind): WireKind<Kind> | ClientError {
  const content = frame[kind];
  // `NonNullable` of an indexed type is beyond the compiler's narrowing.
  if (content !== null && content !== undefined) return content as WireKind<Kind>;
  if (frame.error) return errorOfNode(frame.error);
  return new ClientError('protocol', `The node answered with another kind of frame than "${kind}"`);
}

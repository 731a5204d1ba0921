/** Requests and replies over queues. */
import { type ConsumeOptions, Consumer } from './consumer.js';
import type { Delivery } from './delivery.js';
import { ClientError } from './errors.js';
import type { Bytes } from './outgoing.js';
import { Subscription } from './queue-subscription.js';
import type { MessageProperties, RoutedOutgoing } from './routed-message.js';
import type { RoutedPublisher } from './routed-publisher.js';
import type { Participant, Session } from './session.js';

/** Whom to ask: a queue, or whoever gets it from an exchange. */
export type RequestTarget = string | { readonly exchange: string; readonly routingKey: string };

/** How to ask. */
export interface AskOptions extends Omit<MessageProperties, 'correlationId' | 'replyTo' | 'ttlMs'> {
  /** Time until the reply, in milliseconds. Default: the client's `requestTimeoutMs`. The request does not wait longer in its queue either. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A reply: a value, or one with properties. */
export type Reply = Bytes | null | undefined | (MessageProperties & { readonly value?: Bytes | null });

/** Answers one request. What it throws is the reply that the other side's `request` rejects with. */
export type RequestHandler = (request: Delivery) => Promise<Reply> | Reply;

/** The header of a reply that tells why there is none. */
const FAILURE_HEADER = 'duolog-failure';
/** Replies that may wait in this client. */
const REPLY_PREFETCH = 1024;

interface Waiter {
  readonly resolve: (delivery: Delivery) => void;
  readonly reject: (error: ClientError) => void;
}

/** The asking side: one reply queue of its own per session with the node, and who waits for what. */
export class Requester implements Participant {
  private readonly session: Session;
  private readonly publisher: RoutedPublisher;
  private readonly waiters = new Map<string, Waiter>();
  private address: Promise<string> | undefined;
  private subscription: Subscription | undefined;
  private lastCorrelation = 0;

  constructor(session: Session, publisher: RoutedPublisher) {
    this.session = session;
    this.publisher = publisher;
    session.join(this);
  }

  /**
   * Asks and resolves with the reply.
   * @throws ClientError as rejection: `unroutable`, `timeout`, `request-failed` with what the handler threw, `connection-lost`, `aborted`.
   */
  async request(target: RequestTarget, body: Bytes | null, options: AskOptions): Promise<Delivery> {
    const { timeoutMs = this.session.options.requestTimeoutMs, signal, ...properties } = options;
    const deadlineMs = Date.now() + timeoutMs;
    const replyTo = await this.replyAddress();
    const correlationId = String(++this.lastCorrelation);
    const place = typeof target === 'string' ? { routingKey: target } : target;
    const ttlMs = Math.max(1, Math.ceil(deadlineMs - Date.now()));
    const message: RoutedOutgoing = { ...properties, ...place, value: body, correlationId, replyTo, ttlMs };
    const reply = this.waitFor(correlationId, ttlMs, signal);
    // A request is as short-lived as its asker: no disk. That the reply may be awaited by nobody when publishing fails is no unhandled rejection.
    reply.catch(() => undefined);
    try {
      await this.publisher.publish(message, { durability: 'memory', mandatory: true, resend: false, timeoutMs: ttlMs });
    } catch (thrown) {
      this.waiters.delete(correlationId);
      throw thrown;
    }
    return await reply;
  }

  private waitFor(correlationId: string, timeoutMs: number, signal: AbortSignal | undefined): Promise<Delivery> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let abort: (() => void) | undefined;
    return new Promise<Delivery>((resolve, reject) => {
      timer = setTimeout(() => reject(new ClientError('timeout', `No reply came within ${timeoutMs} ms`)), timeoutMs);
      abort = () => reject(new ClientError('aborted', 'The caller aborted the request', signal?.reason));
      signal?.addEventListener('abort', abort);
      if (signal?.aborted) abort();
      this.waiters.set(correlationId, { resolve, reject });
    }).finally(() => {
      clearTimeout(timer);
      if (abort !== undefined) signal?.removeEventListener('abort', abort);
      this.waiters.delete(correlationId);
    });
  }

  private replyAddress(): Promise<string> {
    if (this.address !== undefined) return this.address;
    const address = this.openReplies();
    this.address = address;
    address.catch(() => {
      if (this.address === address) this.address = undefined;
    });
    return address;
  }

  private async openReplies(): Promise<string> {
    const declare = { queue: { name: '', model: { exclusive: true, autoDelete: true } } };
    const { queue } = await this.session.requests.request({ declare }, 'description');
    const name = queue?.name ?? '';
    const subscription = new Subscription(this.session, name, { ack: 'auto', prefetch: REPLY_PREFETCH });
    await subscription.start();
    this.subscription = subscription;
    void this.take(subscription);
    return name;
  }

  private async take(subscription: Subscription): Promise<void> {
    try {
      for await (const delivery of subscription) this.taken(delivery);
    } catch {
      // The reply queue went with its session; `opened` has told those who waited.
    }
  }

  private taken(delivery: Delivery): void {
    const waiter = this.waiters.get(delivery.properties?.correlationId ?? '');
    const failure = delivery.properties?.headers[FAILURE_HEADER];
    if (failure === undefined) waiter?.resolve(delivery);
    else waiter?.reject(new ClientError('request-failed', String(failure)));
  }

  opened(isResumed: boolean): void {
    if (isResumed) return;
    // The reply queue has ended with the session that owned it.
    this.address = undefined;
    void this.subscription?.close();
    this.subscription = undefined;
    this.failAll(new ClientError('connection-lost', 'The session with the reply queue is gone'));
  }

  lost(): void {
    // Whether the replies are lost shows with the next connection.
  }

  closed(error: ClientError): void {
    this.failAll(error);
  }

  async close(): Promise<void> {
    this.failAll(new ClientError('closed', 'The client is closed'));
  }

  private failAll(error: ClientError): void {
    for (const waiter of [...this.waiters.values()]) waiter.reject(error);
  }
}

/** The answering side: consumes requests, and acknowledges each when its reply is stored. */
export async function serve(
  session: Session,
  publisher: RoutedPublisher,
  queue: string,
  options: ConsumeOptions,
  handler: RequestHandler,
): Promise<Consumer> {
  const subscription = new Subscription(session, queue, { ...options, ack: 'manual' });
  return new Consumer(await subscription.start(), options, async (request) => {
    const reply = await answerOf(request, handler);
    const { replyTo, correlationId } = request.properties ?? {};
    if (replyTo === undefined) return;
    const correlation = correlationId === undefined ? {} : { correlationId };
    // An asker that has gone has taken its queue with it: nobody wants the reply, and that is fine.
    await publisher.publish({ ...reply, ...correlation, routingKey: replyTo }, { durability: 'memory' });
  });
}

async function answerOf(request: Delivery, handler: RequestHandler): Promise<RoutedOutgoing> {
  try {
    const reply = await handler(request);
    if (typeof reply === 'string' || reply instanceof Uint8Array) return { value: reply };
    return reply ?? {};
  } catch (thrown) {
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return { headers: { [FAILURE_HEADER]: text } };
  }
}

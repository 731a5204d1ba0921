import { Deque } from '../base/deque.js';
import { ClientError } from './errors.js';
import * as limits from './limits.js';
import { type DurabilityName, durabilityName } from './outgoing.js';
import type { InFlightPublish, Publisher } from './publish-window.js';
import { type RoutedOutgoing, type RoutedPublishOptions, routedFrame } from './routed-message.js';
import type { Participant, Session } from './session.js';

/** What became of a message for an exchange. */
export interface RoutedReceipt {
  /** The lowest level that was reached in any of its queues. */
  readonly durability: DurabilityName;
}

class Pending implements InFlightPublish {
  readonly id: number;
  readonly frame: Uint8Array;
  readonly resend: boolean;
  readonly mandatory: boolean;
  readonly deadlineMs: number;
  readonly resolve: (receipt: RoutedReceipt) => void;
  readonly reject: (error: ClientError) => void;
  private readonly owner: RoutedPublisher;

  constructor(
    owner: RoutedPublisher,
    id: number,
    message: RoutedOutgoing,
    options: RoutedPublishOptions,
    resolve: (receipt: RoutedReceipt) => void,
    reject: (error: ClientError) => void,
  ) {
    this.owner = owner;
    this.id = id;
    this.frame = routedFrame(id, message, options);
    this.resend = options.resend ?? true;
    this.mandatory = options.mandatory ?? false;
    this.deadlineMs = Date.now() + (options.timeoutMs ?? limits.DELIVERY_TIMEOUT_MS);
    this.resolve = resolve;
    this.reject = reject;
  }

  confirmed(_baseOffset: number, reached: number, _duplicate: boolean, isUnroutable: boolean): void {
    this.owner.ended(this);
    if (isUnroutable) this.reject(new ClientError('unroutable', 'No queue wants the message'));
    else this.resolve({ durability: durabilityName(reached) });
  }

  refused(error: ClientError): void {
    this.owner.refused(this, error);
  }
}

/** Publishes to exchanges: each message by itself, in order, with a promise. What is not confirmed when the connection breaks is sent again. */
export class RoutedPublisher implements Participant, Publisher {
  private readonly session: Session;
  private readonly waiting = new Deque<Pending>();
  private readonly inFlight = new Set<Pending>();
  private heldBytes = 0;
  private expiry: ReturnType<typeof setInterval> | undefined;
  private idle: (() => void)[] = [];

  constructor(session: Session) {
    this.session = session;
    session.join(this);
  }

  /** Publishes one message; resolves when every queue that wants it has it. @throws ClientError as rejection. */
  publish(message: RoutedOutgoing, options: RoutedPublishOptions): Promise<RoutedReceipt> {
    return new Promise((resolve, reject) => {
      if (this.session.closedBy !== undefined) throw this.session.closedBy;
      const pending = new Pending(this, this.session.nextId(), message, options, resolve, reject);
      if (this.heldBytes > 0 && this.heldBytes + pending.frame.length > limits.PRODUCER_BUFFER_BYTES) {
        throw new ClientError('buffer-full', `${this.heldBytes} bytes for exchanges are not confirmed yet`);
      }
      this.heldBytes += pending.frame.length;
      this.expiry ??= setInterval(() => this.expire(), limits.EXPIRY_CHECK_MS);
      this.waiting.pushBack(pending);
      this.pump();
    });
  }

  pump(): void {
    const { window } = this.session;
    while (this.session.isOpen) {
      const next = this.waiting.peekFront();
      if (next === undefined) return;
      if (!window.hasRoomFor(next.frame.length)) {
        window.starve(this);
        return;
      }
      this.waiting.popFront();
      this.inFlight.add(next);
      window.open(next);
    }
  }

  /** For messages: it has its outcome. */
  ended(pending: Pending): void {
    this.inFlight.delete(pending);
    this.heldBytes -= pending.frame.length;
    if (this.heldBytes > 0) return;
    clearInterval(this.expiry);
    this.expiry = undefined;
    for (const wake of this.idle.splice(0)) wake();
  }

  /** For messages: the node does not take it. One that shuts down will be back. */
  refused(pending: Pending, error: ClientError): void {
    if (error.code === 'shutting-down' && pending.resend) return;
    this.fail(pending, error);
  }

  private fail(pending: Pending, error: ClientError): void {
    this.ended(pending);
    pending.reject(error);
  }

  private expire(): void {
    const now = Date.now();
    const late = [...this.inFlight, ...this.waiting].filter(({ deadlineMs }) => deadlineMs <= now);
    if (late.length === 0) return;
    const others = [...this.waiting].filter((pending) => !late.includes(pending));
    this.waiting.clear();
    for (const pending of others) this.waiting.pushBack(pending);
    for (const pending of late) {
      this.session.window.forget(pending.id);
      this.fail(pending, new ClientError('timeout', 'The node did not confirm the message in time'));
    }
  }

  opened(): void {
    this.pump();
  }

  lost(error: ClientError): void {
    const sent = [...this.inFlight];
    this.inFlight.clear();
    for (const pending of sent.reverse()) {
      if (pending.resend) this.waiting.pushFront(pending);
      else this.fail(pending, error);
    }
  }

  closed(error: ClientError): void {
    for (const pending of [...this.inFlight, ...this.waiting]) this.fail(pending, error);
    this.waiting.clear();
  }

  /** Waits until everything has an outcome, at most as long as the client's own closing may take. */
  async close(): Promise<void> {
    if (this.heldBytes === 0) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      this.idle.push(resolve);
      timer = setTimeout(resolve, this.session.options.closeTimeoutMs);
    });
    clearTimeout(timer);
  }
}

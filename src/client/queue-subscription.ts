import { ByteReader } from '../base/bytes.js';
import { Delivery } from './delivery.js';
import { type ClientError, invalidUse } from './errors.js';
import { DEFAULT_PREFETCH } from './limits.js';
import { Opening } from './opening.js';
import { PendingItems } from './pending-items.js';
import type { Participant, Session, SubscriptionSink } from './session.js';
import { Settler } from './settler.js';
import { fieldEnd, skipField, WIRE_LENGTH, wireTag } from './wire.js';

const DELIVER_DELIVERIES = wireTag(2, WIRE_LENGTH);

/** How a queue is consumed. */
export interface SubscribeOptions {
  /** Deliveries that may be unsettled at once, those that wait in this client included. Default 256. */
  readonly prefetch?: number;
  /** `manual` (default): each delivery is settled by the program; `auto`: settled as it is sent, and lost if it does not arrive. */
  readonly ack?: 'manual' | 'auto';
  /** Nobody else may consume; fails with `forbidden` when somebody does. */
  readonly exclusive?: boolean;
  /** Higher ones get messages first, as long as they can take them. Default 0. */
  readonly priority?: number;
  /** Of a queue with a single active consumer: called when this one begins, or ends, to be the one that gets messages. */
  readonly onActive?: (active: boolean) => void;
  /** Ends the subscription. */
  readonly signal?: AbortSignal;
}

const reader = new ByteReader(new Uint8Array(0));

/**
 * A consumer of a queue: iterate over it. At most `prefetch` deliveries wait in memory. After a lost connection it is opened again by itself;
 * what was not settled comes again, marked as redelivered.
 */
export class Subscription implements AsyncIterable<Delivery>, Participant, SubscriptionSink {
  /** The queue's name. */
  readonly queue: string;
  private readonly session: Session;
  private readonly number: number;
  private readonly isAutomatic: boolean;
  private readonly opening: Opening;
  private readonly items: PendingItems<Delivery>;
  receivedTag = 0;
  private settler: Settler;
  private readonly consuming: { readonly exclusive: boolean; readonly priority: number };
  private credit: number;
  /** Automatic acknowledgement: taken by the program and not yet given back to the node as credit. */
  private consumed = 0;
  private isOver = false;
  private active = false;
  private readonly onActive: ((active: boolean) => void) | undefined;

  /** For `Client.subscribe`. */
  constructor(session: Session, queue: string, options: SubscribeOptions) {
    this.session = session;
    this.queue = queue;
    this.number = session.nextSubscription();
    this.isAutomatic = options.ack === 'auto';
    this.onActive = options.onActive;
    this.consuming = { exclusive: options.exclusive ?? false, priority: options.priority ?? 0 };
    this.credit = checkedPrefetch(options.prefetch ?? DEFAULT_PREFETCH);
    this.settler = new Settler(session, this.number, this.isAutomatic);
    this.items = new PendingItems(
      () => this.taken(),
      () => this.close(),
    );
    this.opening = new Opening(options.signal, () => this.close());
  }

  /** For `Client.subscribe`: resolves once the node has agreed. @throws ClientError as rejection. */
  start(): Promise<this> {
    return this.opening.start(this.session, this);
  }

  /** Deliveries that may be unsettled at once. */
  get prefetch(): number {
    return this.credit;
  }

  /** Whether this one gets the messages of a queue with a single active consumer; false for all other queues. */
  get isActive(): boolean {
    return this.active;
  }

  activeChanged(active: boolean): void {
    if (active === this.active) return;
    this.active = active;
    this.onActive?.(active);
  }

  /** Changes the prefetch from now on; deliveries above a lower one are not taken back, 0 pauses. Manual acknowledgement only. */
  setPrefetch(prefetch: number): void {
    if (this.isAutomatic) throw invalidUse('The prefetch of a subscription with automatic acknowledgement is fixed');
    this.credit = checkedPrefetch(prefetch, 0);
    this.session.send({ credit: { subscription: this.number, prefetch } });
  }

  opened(): void {
    if (this.session.isResumed(this.number)) this.goOn();
    else this.openAnew();
  }

  /** The session has another connection: what came before is still ours. */
  private goOn(): void {
    this.settler.flush();
    if (this.isAutomatic) this.giveCredit();
    else this.session.send({ credit: { subscription: this.number, prefetch: this.credit } });
  }

  private openAnew(): void {
    this.settler.retire();
    this.activeChanged(false);
    if (!this.isAutomatic) this.items.clear();
    this.receivedTag = 0;
    this.settler = new Settler(this.session, this.number, this.isAutomatic);
    this.consumed = 0;
    this.session.subscriptions.set(this.number, this);
    const most = this.session.welcome.limits?.maxCredit ?? this.credit;
    // What still waits from the last connection takes its part of the credit.
    const credit = Math.max(this.isAutomatic ? 1 : 0, Math.min(this.credit, most) - this.items.length);
    const queue = { credit, automaticAck: this.isAutomatic, ...this.consuming };
    const subscribe = { subscription: this.number, from: this.queue, queue };
    this.opening.follow(this.session.requests.request({ subscribe }, 'subscribed'), (error) => this.ended(error));
  }

  lost(_error: ClientError, isResumable: boolean): void {
    if (isResumable) return;
    this.session.subscriptions.delete(this.number);
    this.activeChanged(false);
    this.settler.retire();
    // With automatic acknowledgement nobody delivers again what has come already.
    if (!this.isAutomatic) this.items.clear();
  }

  closed(error: ClientError): void {
    this.finish(error.code === 'closed' ? undefined : error);
  }

  ended(error: ClientError): void {
    this.session.leave(this);
    this.finish(error);
  }

  private finish(error: ClientError | undefined): void {
    if (this.isOver) return;
    this.isOver = true;
    this.activeChanged(false);
    this.settler.retire();
    this.opening.over(error);
    this.items.end(error);
  }

  missed(): void {
    // Only broadcasts skip messages.
  }

  deliver(bytes: Uint8Array, start: number, end: number): void {
    reader.reset(bytes, start, end);
    while (reader.at < end) {
      const tag = reader.uvarint();
      if (tag === DELIVER_DELIVERIES) {
        const delivery = new Delivery(this.settler, reader, fieldEnd(reader));
        this.receivedTag = delivery.tag;
        this.items.push(delivery);
      } else skipField(reader, tag);
    }
  }

  private taken(): void {
    if (!this.isAutomatic) return;
    this.consumed++;
    if (this.consumed * 2 >= this.credit) this.giveCredit();
  }

  private giveCredit(): void {
    // Without a connection it waits for the next one.
    if (this.consumed === 0 || !this.session.isOpen) return;
    this.session.send({ credit: { subscription: this.number, add: this.consumed } });
    this.consumed = 0;
  }

  /** Acknowledges every unsettled delivery up to and with this one. False when the connection over which it came is gone. */
  ackUpTo(delivery: Delivery): boolean {
    return this.settler === delivery.source ? this.settler.settleUpTo(delivery) : false;
  }

  /** The oldest delivery that waits, or undefined: for programs that take many at a time. */
  take(): Delivery | undefined {
    return this.items.take();
  }

  /** Sends what was settled so far and ends the subscription: what is unsettled goes back to the queue. Resolves when the node has done it. */
  async close(): Promise<void> {
    if (this.isOver) return;
    this.isOver = true;
    this.activeChanged(false);
    this.opening.over();
    this.settler.flush();
    this.session.leave(this);
    this.items.clear();
    this.items.end();
    const { number } = this;
    // A session that goes on without this subscription gives it up.
    if (!this.session.isOpen) this.session.subscriptions.delete(number);
    if (this.session.isOpen) {
      await this.session.requests.request({ unsubscribe: { subscription: number } }, 'done').catch(() => undefined);
    }
    this.session.subscriptions.delete(number);
    this.settler.retire();
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Delivery, undefined> {
    return this.items;
  }
}

function checkedPrefetch(prefetch: number, least = 1): number {
  if (Number.isInteger(prefetch) && prefetch >= least) return prefetch;
  throw invalidUse(`Cannot consume with a prefetch of ${prefetch}: it must be a whole number from ${least} on`);
}

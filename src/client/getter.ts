import { ByteReader } from '../base/bytes.js';
import { encodeDelivery } from '../proto/client-wire.js';
import { Delivery } from './delivery.js';
import type { ClientError } from './errors.js';
import type { RequestOptions } from './requests.js';
import type { Participant, Session, SubscriptionSink } from './session.js';
import { Settler } from './settler.js';

/** How a queue is asked for one message. */
export interface GetOptions extends RequestOptions {
  /** `manual` (default): the program settles the message; `auto`: it is settled by being handed over. */
  readonly ack?: 'manual' | 'auto';
}

/** Asks one queue for single messages, under one number per client. */
export class Getter implements Participant, SubscriptionSink {
  private readonly session: Session;
  private readonly queue: string;
  private readonly isAutomatic: boolean;
  private readonly number: number;
  receivedTag = 0;
  private settler: Settler;

  constructor(session: Session, queue: string, isAutomatic: boolean) {
    this.session = session;
    this.queue = queue;
    this.isAutomatic = isAutomatic;
    this.number = session.nextSubscription();
    this.settler = new Settler(session, this.number, isAutomatic);
    session.join(this);
  }

  /** One message, or undefined when the queue is empty. @throws ClientError as rejection. */
  async get(options: RequestOptions): Promise<Delivery | undefined> {
    const get = { subscription: this.number, from: this.queue, automaticAck: this.isAutomatic };
    let got: Delivery | undefined;
    // Made while the frame is handled: a connection that breaks right after it makes the delivery stale.
    const answered = (answer: { readonly delivery?: Parameters<typeof encodeDelivery>[0] | null }): void => {
      if (!answer.delivery) return;
      const bytes = encodeDelivery(answer.delivery);
      got = new Delivery(this.settler, new ByteReader(bytes), bytes.length);
      this.receivedTag = got.tag;
    };
    await this.session.requests.request({ get }, 'got', { ...options, answered });
    return got;
  }

  opened(): void {
    this.session.subscriptions.set(this.number, this);
    if (this.session.isResumed(this.number)) {
      this.settler.flush();
      return;
    }
    this.settler.retire();
    this.settler = new Settler(this.session, this.number, this.isAutomatic);
    this.receivedTag = 0;
  }

  lost(_error: ClientError, isResumable: boolean): void {
    if (!isResumable) this.settler.retire();
  }

  closed(): void {
    this.settler.retire();
  }

  async close(): Promise<void> {
    this.settler.flush();
  }

  deliver(): void {
    // What is asked for comes as an answer.
  }

  missed(): void {
    // Only broadcasts skip messages.
  }

  /** The queue was deleted: the next get tells. */
  ended(_error: ClientError): void {
    this.settler.retire();
    this.settler = new Settler(this.session, this.number, this.isAutomatic);
  }
}

import type { Delivery } from './delivery.js';
import { ClientError } from './errors.js';
import { CLOSE_TIMEOUT_MS } from './limits.js';
import type { SubscribeOptions, Subscription } from './queue-subscription.js';

/** How a handler consumes a queue. */
export interface ConsumeOptions extends Omit<SubscribeOptions, 'ack'> {
  /** Handlers that may run at once. Default: the prefetch. */
  readonly concurrency?: number;
  /** What becomes of a message whose handler failed: back to the queue (default), or dropped. */
  readonly onError?: 'requeue' | 'discard';
  /** Hears of failed handlers. */
  readonly failed?: (error: unknown, delivery: Delivery) => void;
}

/** Handles one message. When it resolves the message is acknowledged, unless the handler has settled it; when it rejects, see `onError`. */
export type DeliveryHandler = (delivery: Delivery) => Promise<void> | void;

/** A queue consumed by a handler. */
export class Consumer {
  /** Resolves when the consumer is stopped; rejects when the node or the connection ended it. */
  readonly finished: Promise<void>;
  private readonly subscription: Subscription;
  private readonly handler: DeliveryHandler;
  private readonly options: ConsumeOptions;
  private readonly running = new Set<Promise<void>>();
  private isStopping = false;

  /** For `Client.consume`. */
  constructor(subscription: Subscription, options: ConsumeOptions, handler: DeliveryHandler) {
    this.subscription = subscription;
    this.options = options;
    this.handler = handler;
    this.finished = this.run();
    // Whoever awaits `finished` hears of it; that nobody does must not end the process.
    this.finished.catch(() => undefined);
  }

  private async run(): Promise<void> {
    const concurrency = this.options.concurrency ?? this.subscription.prefetch;
    for await (const delivery of this.subscription) {
      if (this.isStopping) break;
      const handling = this.handle(delivery).finally(() => this.running.delete(handling));
      this.running.add(handling);
      if (this.running.size >= concurrency) await Promise.race(this.running);
    }
    await Promise.all(this.running);
  }

  private async handle(delivery: Delivery): Promise<void> {
    try {
      await this.handler(delivery);
      if (!delivery.isSettled) delivery.ack();
    } catch (thrown) {
      this.options.failed?.(thrown, delivery);
      if (!delivery.isSettled) delivery.nack({ requeue: this.options.onError !== 'discard' });
    }
  }

  /** Takes no more messages, waits for the handlers that run, at most `timeoutMs`, and ends the subscription. */
  async stop(timeoutMs: number = CLOSE_TIMEOUT_MS): Promise<void> {
    this.isStopping = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([Promise.all(this.running), late]);
    clearTimeout(timer);
    await this.subscription.close();
    await this.finished.catch((thrown: unknown) => {
      if (!(thrown instanceof ClientError)) throw thrown;
    });
  }
}

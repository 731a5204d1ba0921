import type { BindingSettings, ExchangeSettings } from './exchanges.js';
import type { RequestOptions } from './requests.js';
import type { RoutedOutgoing, RoutedPublishOptions } from './routed-message.js';
import type { RoutedReceipt } from './routed-publisher.js';

/** The part of a client that an exchange uses. */
interface ExchangeClient {
  declareExchange(name: string, settings?: ExchangeSettings, options?: RequestOptions): Promise<void>;
  deleteExchange(name: string, options?: RequestOptions & { readonly ifUnused?: boolean }): Promise<void>;
  publish(message: RoutedOutgoing, options?: RoutedPublishOptions): Promise<RoutedReceipt>;
  bind(binding: BindingSettings, options?: RequestOptions): Promise<void>;
  unbind(binding: BindingSettings, options?: RequestOptions): Promise<void>;
}

/** One exchange by its name; whether it exists shows when it is used. */
export class Exchange {
  readonly name: string;
  private readonly client: ExchangeClient;

  /** For `Client.exchange`. */
  constructor(client: ExchangeClient, name: string) {
    this.client = client;
    this.name = name;
  }

  /** Creates it, or checks that it exists with these settings. @throws ClientError as rejection. */
  async declare(settings: ExchangeSettings = {}, options?: RequestOptions): Promise<this> {
    await this.client.declareExchange(this.name, settings, options);
    return this;
  }

  /** Publishes by a routing key. @throws ClientError as rejection. */
  publish(
    routingKey: string,
    message: Omit<RoutedOutgoing, 'exchange' | 'routingKey'> | string | Uint8Array,
    options?: RoutedPublishOptions,
  ): Promise<RoutedReceipt> {
    const whole = typeof message === 'string' || message instanceof Uint8Array ? { value: message } : message;
    return this.client.publish({ ...whole, exchange: this.name, routingKey }, options);
  }

  /** Has it send on to a queue, topic or other exchange. @throws ClientError as rejection. */
  bind(to: Omit<BindingSettings, 'source'>, options?: RequestOptions): Promise<void> {
    return this.client.bind({ ...to, source: this.name }, options);
  }

  /** Ends a binding. @throws ClientError as rejection. */
  unbind(to: Omit<BindingSettings, 'source'>, options?: RequestOptions): Promise<void> {
    return this.client.unbind({ ...to, source: this.name }, options);
  }

  /** Deletes it with its bindings. @throws ClientError as rejection. */
  delete(options?: RequestOptions & { readonly ifUnused?: boolean }): Promise<void> {
    return this.client.deleteExchange(this.name, options);
  }
}

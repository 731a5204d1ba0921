import type { ListOptions, StartPoint } from './admin.js';
import * as admin from './admin.js';
import { Broadcast, type BroadcastOptions } from './broadcast.js';
import { type ConsumeOptions, Consumer, type DeliveryHandler } from './consumer.js';
import type { Delivery } from './delivery.js';
import { abortError, ClientError } from './errors.js';
import { Exchange } from './exchange.js';
import {
  type BindingFilter,
  type BindingSettings,
  bindFrame,
  bindingOf,
  declareExchangeFrame,
  type ExchangeDescription,
  type ExchangeSettings,
  exchangeOf,
  explanationOf,
  type RouteExplanation,
} from './exchanges.js';

import { type FetchedRecords, type FetchOptions, fetchRecords } from './fetching.js';
import { Follower, type FollowOptions } from './follower.js';
import { type GetOptions, Getter } from './getter.js';
import { type DelayedCount, delayedCountOf, holdersOf, type UnackedHolder } from './held.js';
import { MAX_GETTERS } from './limits.js';
import { type ConnectOptions, resolveOptions } from './options.js';
import type { Bytes, Outgoing, OutgoingMessage } from './outgoing.js';
import { commitOffsets, committedOffsets, type ListedOffset, listOffsets, type PartitionOffset } from './positions.js';
import { Producer, type ProducerOptions, type SendOptions } from './producer.js';
import { type SubscribeOptions, Subscription } from './queue-subscription.js';
import { Reader, type ReaderOptions } from './reader.js';
import type { Receipt } from './receipts.js';
import type { RequestOptions } from './requests.js';
import type { RoutedOutgoing, RoutedPublishOptions } from './routed-message.js';
import { RoutedPublisher, type RoutedReceipt } from './routed-publisher.js';
import { type AskOptions, Requester, type RequestHandler, type RequestTarget, serve } from './rpc.js';
import { type ConnectionState, Session, type StateChange, type Welcome } from './session.js';
import { Topics } from './topics.js';
import { runTransaction, type Transaction, type TransactionReceipt } from './transaction.js';
import { type Fields, wireFields } from './values.js';

/** A partition instead of the key's, where it matters. */
export interface PublishOptions extends Omit<SendOptions, 'to'> {
  readonly partition?: number;
}

/** What must hold of a queue that is deleted. */
export interface DeleteOptions extends RequestOptions {
  readonly ifUnused?: boolean;
  readonly ifEmpty?: boolean;
}

/** A program's connection to a node, made anew by itself when it breaks. Make one with `connect` and share it. */
export class Client {
  private readonly session: Session;
  private readonly topics: Topics;
  private readonly producers = new Set<Producer>();
  private readonly closers = new Set<Consumer>();
  private readonly listeners = new Set<(change: StateChange) => void>();
  private readonly getters = new Map<string, Getter>();
  private readonly routed: RoutedPublisher;
  private ownProducer: Producer | undefined;
  private requester: Requester | undefined;

  /** For `connect`. */
  constructor(session: Session, changes: (listener: (change: StateChange) => void) => void) {
    this.session = session;
    this.topics = new Topics(session);
    this.routed = new RoutedPublisher(session);
    changes((change) => {
      for (const listener of [...this.listeners]) listener(change);
    });
  }

  /** Where the client stands. */
  get state(): ConnectionState {
    return this.session.state;
  }

  /** What the node said of itself and its limits in the newest session. */
  get welcome(): Welcome {
    return this.session.welcome;
  }

  /** Calls `listener` at every change of state until the returned function is called. */
  onState(listener: (change: StateChange) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /**
   * Publishes a message, or several in order, and resolves once they are stored as safely as asked. Idempotent: reconnecting stores nothing twice.
   * @throws ClientError as rejection.
   */
  publish(to: string, message: Outgoing, options?: PublishOptions): Promise<Receipt>;
  publish(to: string, messages: readonly Outgoing[], options?: PublishOptions): Promise<Receipt[]>;
  /**
   * Publishes to an exchange; resolves once every queue that wants the message has it. Not idempotent: see `RoutedPublishOptions.resend`.
   * @throws ClientError as rejection, `unroutable` among others.
   */
  publish(message: RoutedOutgoing, options?: RoutedPublishOptions): Promise<RoutedReceipt>;
  publish(
    to: string | RoutedOutgoing,
    message?: Outgoing | readonly Outgoing[] | RoutedPublishOptions,
    options: PublishOptions = {},
  ): Promise<Receipt | Receipt[] | RoutedReceipt> {
    // The overloads above say what belongs together.
    if (typeof to !== 'string') return this.routed.publish(to, (message ?? {}) as RoutedPublishOptions);
    return this.publishTo(to, message as Outgoing | readonly Outgoing[], options);
  }

  private publishTo(
    to: string,
    message: Outgoing | readonly Outgoing[],
    options: PublishOptions,
  ): Promise<Receipt | Receipt[]> {
    this.ownProducer ??= this.producer();
    const { partition, ...rest } = options;
    const send = { ...rest, to };
    const placed = (one: Outgoing): Outgoing => (partition === undefined ? one : withPartition(one, partition));
    if (Array.isArray(message)) return this.ownProducer.sendMany(message.map(placed), send);
    // An array has been dealt with; `isArray` does not narrow readonly arrays away.
    return this.ownProducer.send(placed(message as Outgoing), send);
  }

  /** A producer with settings and a buffer of its own. @throws ClientError `closed`. */
  producer(options: ProducerOptions = {}): Producer {
    const producer = new Producer(this.session, this.topics, options, (left) => this.producers.delete(left));
    this.producers.add(producer);
    return producer;
  }

  /** Consumes from a queue: iterate over what this resolves with. @throws ClientError as rejection, `not-found` among others. */
  async subscribe(queue: string, options: SubscribeOptions = {}): Promise<Subscription> {
    return new Subscription(this.session, queue, options).start();
  }

  /**
   * Consumes from a queue by a handler: messages are acknowledged when it resolves, and go back when it rejects.
   * @throws ClientError as rejection.
   */
  async consume(queue: string, options: ConsumeOptions, handler: DeliveryHandler): Promise<Consumer> {
    const subscription = new Subscription(this.session, queue, { ...options, ack: 'manual' });
    return this.kept(new Consumer(await subscription.start(), options, handler));
  }

  private kept(consumer: Consumer): Consumer {
    this.closers.add(consumer);
    consumer.finished.finally(() => this.closers.delete(consumer)).catch(() => undefined);
    return consumer;
  }

  /** One message of a queue, or undefined when it is empty. @throws ClientError as rejection. */
  async get(queue: string, options: GetOptions = {}): Promise<Delivery | undefined> {
    const { ack = 'manual', ...request } = options;
    const key = `${ack} ${queue}`;
    let getter = this.getters.get(key);
    if (getter === undefined) {
      if (this.getters.size >= MAX_GETTERS) {
        throw new ClientError('limit-exceeded', `This client asks ${MAX_GETTERS} queues for single messages already`);
      }
      getter = new Getter(this.session, queue, ack === 'auto');
      this.getters.set(key, getter);
    }
    return getter.get(request);
  }

  /** Asks whoever serves a queue, and resolves with the reply. @throws ClientError as rejection; see `Requester.request`. */
  async request(target: RequestTarget, body: Bytes | null, options: AskOptions = {}): Promise<Delivery> {
    this.requester ??= new Requester(this.session, this.routed);
    return this.requester.request(target, body, options);
  }

  /** Answers requests from a queue: what the handler resolves with is the reply. @throws ClientError as rejection. */
  async serve(queue: string, handler: RequestHandler, options: ConsumeOptions = {}): Promise<Consumer> {
    return this.kept(await serve(this.session, this.routed, queue, options, handler));
  }

  /** One exchange by its name. */
  exchange(name: string): Exchange {
    return new Exchange(this, name);
  }

  /** Creates an exchange, or checks that it exists with these settings. @throws ClientError `precondition-failed` when they differ. */
  async declareExchange(name: string, settings: ExchangeSettings = {}, options: RequestOptions = {}): Promise<void> {
    const declareExchange = declareExchangeFrame(name, settings);
    await this.session.requests.request({ declareExchange }, 'done', { ...options, resend: true });
  }

  /** Deletes an exchange with its bindings. @throws ClientError `not-found`, `precondition-failed`. */
  async deleteExchange(name: string, options: RequestOptions & { readonly ifUnused?: boolean } = {}): Promise<void> {
    const { ifUnused = false, ...request } = options;
    await this.session.requests.request({ deleteExchange: { name, ifUnused } }, 'done', request);
  }

  /** Has an exchange send on to a queue, a topic or another exchange. Binding twice is fine. @throws ClientError `not-found`. */
  async bind(binding: BindingSettings, options: RequestOptions = {}): Promise<void> {
    await this.session.requests.request({ bind: bindFrame(binding) }, 'done', { ...options, resend: true });
  }

  /** Ends a binding. @throws ClientError as rejection. */
  async unbind(binding: BindingSettings, options: RequestOptions = {}): Promise<void> {
    await this.session.requests.request({ unbind: bindFrame(binding) }, 'done', { ...options, resend: true });
  }

  /** A page of the exchanges, by name. */
  async listExchanges(
    what: Omit<ListOptions, 'kind' | 'withState'> = {},
    options: RequestOptions = {},
  ): Promise<{ readonly exchanges: readonly ExchangeDescription[]; readonly more: boolean }> {
    const listExchanges = { namePrefix: what.prefix ?? '', after: what.after ?? '', limit: what.limit ?? 0 };
    const resend = { ...options, resend: true };
    const page = await this.session.requests.request({ listExchanges }, 'exchangeList', resend);
    return { exchanges: (page.exchanges ?? []).map(exchangeOf), more: page.more ?? false };
  }

  /** A page of the bindings. */
  async listBindings(
    what: BindingFilter = {},
    options: RequestOptions = {},
  ): Promise<{ readonly bindings: readonly BindingSettings[]; readonly more: boolean }> {
    const resend = { ...options, resend: true };
    const page = await this.session.requests.request({ listBindings: { ...what } }, 'bindingList', resend);
    return { bindings: (page.bindings ?? []).map(bindingOf), more: page.more ?? false };
  }

  /** Where a message would go, and why; nothing is published. @throws ClientError `not-found`. */
  async explainRoute(
    message: { readonly exchange: string; readonly routingKey: string; readonly headers?: Fields },
    options: RequestOptions = {},
  ): Promise<RouteExplanation> {
    const explainRoute = { ...message, headers: wireFields(message.headers) };
    const resend = { ...options, resend: true };
    return explanationOf(await this.session.requests.request({ explainRoute }, 'routeExplanation', resend));
  }

  /**
   * Publishes and settles together, of whatever queues: all of it happens, or nothing. `work` gathers what; when it throws, nothing happens. When the
   * transaction fails, the deliveries in it go back to their queues. Not sent again: when the connection breaks before the answer, it may have happened.
   * @throws ClientError as rejection, and whatever `work` throws.
   */
  transaction(
    work: (transaction: Transaction) => void | Promise<void>,
    options: RequestOptions = {},
  ): Promise<TransactionReceipt> {
    return runTransaction(this.session, work, options);
  }

  /** Who holds messages of a queue that are not acknowledged. @throws ClientError `not-found`. */
  async unacked(
    queue: string,
    options: RequestOptions & { readonly limit?: number } = {},
  ): Promise<{ readonly holders: readonly UnackedHolder[]; readonly more: boolean }> {
    const { limit = 0, ...request } = options;
    const listUnacked = { name: queue, limit };
    const resend = { ...request, resend: true };
    return holdersOf(await this.session.requests.request({ listUnacked }, 'unackedList', resend));
  }

  /** How many messages wait for their time, for one exchange ('' = the default one) or for all. @throws ClientError `not-found`. */
  async countDelayed(exchange?: string, options: RequestOptions = {}): Promise<DelayedCount> {
    const countDelayed = exchange === undefined ? {} : { exchange };
    const resend = { ...options, resend: true };
    return delayedCountOf(await this.session.requests.request({ countDelayed }, 'delayedCount', resend));
  }

  /** Takes out what waits for its time under a message id, and resolves with how many there were. @throws ClientError `not-found`. */
  async cancelDelayed(exchange: string, messageId: string, options: RequestOptions = {}): Promise<number> {
    const cancelDelayed = { exchange, messageId };
    const cancelled = await this.session.requests.request({ cancelDelayed }, 'purged', options);
    return cancelled.count ?? 0;
  }

  /** Reads a topic, or a queue's log, by offset at the program's own pace. */
  reader(topic: string, options: ReaderOptions = {}): Reader {
    return new Reader(this.session, this.topics, topic, options);
  }

  /** Has the node push a topic's records from chosen offsets on. @throws ClientError as rejection. */
  async follow(topic: string, options: FollowOptions = {}): Promise<Follower> {
    return new Follower(this.session, topic, options).start();
  }

  /** Follows a topic live with any number of others, skipping what there is no time for. @throws ClientError as rejection. */
  async broadcast(topic: string, options: BroadcastOptions = {}): Promise<Broadcast> {
    return new Broadcast(this.session, topic, options).start();
  }

  /** Reads from chosen offsets once; by default what is there now. @throws ClientError as rejection. */
  fetch(from: string, positions: readonly PartitionOffset[], options: FetchOptions = {}): Promise<FetchedRecords[]> {
    return fetchRecords(this.session, from, positions, { maxWaitMs: 0, ...options });
  }

  /** The offsets that a start means; partitions: default all. @throws ClientError as rejection. */
  listOffsets(
    from: string,
    at: StartPoint,
    partitions: readonly number[] = [],
    options: RequestOptions = {},
  ): Promise<ListedOffset[]> {
    return listOffsets(this.session, from, at, partitions, options);
  }

  /** Notes a group's offsets: the next ones that it will read. @throws ClientError as rejection. */
  commit(
    group: string,
    from: string,
    offsets: readonly (PartitionOffset & { readonly metadata?: string })[],
    options: RequestOptions = {},
  ): Promise<void> {
    return commitOffsets(this.session, group, from, offsets, options);
  }

  /** What a group committed; partitions: default all. @throws ClientError as rejection. */
  committed(
    group: string,
    from: string,
    partitions: readonly number[] = [],
    options: RequestOptions = {},
  ): Promise<ListedOffset[]> {
    return committedOffsets(this.session, group, from, partitions, options);
  }

  /** Creates a topic, or checks that it exists with these settings. @throws ClientError `already-exists` when they differ. */
  async declareTopic(name: string, settings: admin.TopicSettings = {}, options: RequestOptions = {}): Promise<void> {
    const declare = admin.declareTopicFrame(name, settings);
    await this.session.requests.request({ declare }, 'description', { ...options, resend: true });
  }

  /**
   * Creates a queue, or checks that it exists with these settings; resolves with its name, which the node chooses for an empty one.
   * @throws ClientError `already-exists` or `precondition-failed` when they differ.
   */
  async declareQueue(name: string, settings: admin.QueueSettings = {}, options: RequestOptions = {}): Promise<string> {
    const declare = admin.declareQueueFrame(name, settings);
    const answer = await this.session.requests.request({ declare }, 'description', { ...options, resend: true });
    return answer.queue?.name ?? name;
  }

  /** Settings and state of a topic or queue. @throws ClientError `not-found`. */
  async describe(name: string, options: RequestOptions = {}): Promise<admin.Description> {
    const resend = { ...options, resend: true };
    return admin.descriptionOf(await this.session.requests.request({ describe: { name } }, 'description', resend));
  }

  /** A page of the topics and queues, by name. */
  async list(what: admin.ListOptions = {}, options: RequestOptions = {}): Promise<admin.Listing> {
    const list = admin.listFrame(what);
    const listing = await this.session.requests.request({ list }, 'listing', { ...options, resend: true });
    return { entries: (listing.entries ?? []).map(admin.descriptionOf), more: listing.more ?? false };
  }

  /** Deletes a topic or queue with everything in it. @throws ClientError `not-found`. */
  async delete(name: string, options: DeleteOptions = {}): Promise<void> {
    const { ifUnused = false, ifEmpty = false, ...request } = options;
    await this.session.requests.request({ delete: { name, ifUnused, ifEmpty } }, 'done', request);
    this.topics.forget(name);
  }

  /** Removes all messages of a topic or queue; resolves with their number. @throws ClientError `not-found`. */
  async purge(name: string, options: RequestOptions = {}): Promise<number> {
    const purged = await this.session.requests.request({ purge: { name } }, 'purged', options);
    return purged.count ?? 0;
  }

  /** How the node is. */
  async status(options: RequestOptions = {}): Promise<admin.NodeStatus> {
    const resend = { ...options, resend: true };
    return admin.statusOf(await this.session.requests.request({ status: {} }, 'nodeStatus', resend));
  }

  /**
   * Gives the session another token of the same user, before the one in use expires: nothing else changes, deliveries under way least of all. The next
   * connections begin with it as well. Clients whose `token` is a function need not call this.
   * @throws ClientError as rejection: `forbidden` when the node does not take it; then the one before stays.
   */
  async renewToken(token: string): Promise<void> {
    await this.session.tokens.renew(token);
  }

  /** Asks the node for an answer; resolves with the time that it took, in milliseconds. */
  async ping(options: RequestOptions = {}): Promise<number> {
    const start = performance.now();
    await this.session.requests.request({ ping: {} }, 'pong', options);
    return performance.now() - start;
  }

  /**
   * Ends everything in good order: waits until what was published is confirmed, at most `closeTimeoutMs`, sends what was settled, and closes the
   * connection. Failures of single messages are their own promises' matter, so this never rejects.
   */
  async close(): Promise<void> {
    if (this.session.closedBy !== undefined) return;
    this.session.beginClosing();
    const { closeTimeoutMs } = this.session.options;
    // Handlers may publish, so they come to an end before the producers do.
    await Promise.allSettled([...this.closers].map((consumer) => consumer.stop(closeTimeoutMs)));
    await Promise.allSettled([...this.producers].map((producer) => producer.close(closeTimeoutMs)));
    await this.session.closeParticipants();
    this.session.close();
  }

  /** For `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function withPartition(outgoing: Outgoing, partition: number): OutgoingMessage {
  const message = typeof outgoing === 'string' || outgoing instanceof Uint8Array ? { value: outgoing } : outgoing;
  return { ...message, partition };
}

/**
 * Connects to a node, or to the first of several that answers: `ws://host:7700/ws`. Resolves once the node has greeted.
 * @throws ClientError as rejection: `connect-failed`, `timeout`, `unauthenticated`, `unsupported`, `aborted`.
 */
export function connect(url: string | readonly string[], options: ConnectOptions = {}): Promise<Client> {
  return new Promise((resolve, reject) => {
    const resolved = resolveOptions(url, options);
    const { signal } = resolved;
    let listener: ((change: StateChange) => void) | undefined;
    let isSettled = false;
    const session: Session = new Session(resolved, (change) => {
      listener?.(change);
      if (isSettled || (change.state !== 'open' && change.state !== 'closed')) return;
      isSettled = true;
      signal?.removeEventListener('abort', onAbort);
      if (change.state === 'open') resolve(client);
      else reject(change.error);
    });
    const client = new Client(session, (heard) => {
      listener = heard;
    });
    const onAbort = (): void => {
      if (signal) session.close(abortError(signal));
    };
    signal?.addEventListener('abort', onAbort);
    if (signal?.aborted) onAbort();
    else session.start();
  });
}

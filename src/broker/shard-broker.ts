/**
 * The broker as one shard's sessions see it: resolves names, sends every operation to the log's owner (this shard or another), reads files itself.
 */
import type { Clock, Timers } from '../io/ports.js';
import { StorageError } from '../storage/errors.js';
import type { ShardStorage } from '../storage/shard-storage.js';
import { fromStorage } from './append-waiters.js';
import type { Catalog } from './catalog.js';
import { Consumers } from './consumers.js';
import type { ControlLink } from './control-link.js';
import type { DelayedCounts } from './delay/delay-log.js';
import { Delays } from './delay/delays.js';
import { DELAY_LIMITS, type DelayLimits } from './delay/limits.js';
import { MessageHolder } from './delay/message-holder.js';
import { type DelayedMessages, sumOfCounts } from './delay/requests.js';
import { DirectReplies } from './direct-replies.js';
import { BrokerError } from './errors.js';
import { Fetcher, type FetchLimits } from './fetcher.js';
import { TopicFollower } from './follower.js';
import { collectHolders } from './holders.js';
import { MAX_FOLLOWERS_PER_TURN } from './limits.js';
import type { LogBoundsTable, LogFiles } from './log-views.js';
import { MessageBatcher } from './message-batcher.js';
import {
  type Binding,
  type ExchangeDeclaration,
  type ExchangeEntry,
  INTERNAL_VHOST,
  type RoutedMessage,
  type RouteStep,
} from './model.js';
import { ModelAdministration } from './model-administration.js';
import { PartitionOwner } from './partition-owner.js';
import { Partitioner } from './partitioner.js';
import type { PeerLink } from './peer-link.js';
import type * as ports from './ports.js';
import { QueueRules, queueMayRefuse } from './queue/attach.js';
import { answerAdmin, RequestsIn } from './requests-in.js';
import { RequestsOut } from './requests-out.js';
import { isVolatileLog, type LogGroup, RouteGroups } from './route-groups.js';
import { RoutedPublisher } from './routed-publisher.js';
import { Router } from './routing/router.js';
import type { AdminRequest } from './shard-messages.js';
import { SlotWatch } from './slot-watch.js';
import { TransactionCoordinator } from './transactions/coordinator.js';
import { TransactionParticipant } from './transactions/participant.js';
import type { Transactions } from './transactions/port.js';
import { FarParticipant, NearParticipant, type ParticipantWay, TransactionRequests } from './transactions/requests.js';
import { Turn } from './turn.js';

/** How often a draining broker looks whether its requests to other shards were answered. */
const DRAIN_POLL_MS = 2;

const NO_BYTES = new Uint8Array(0);

/** What a shard's broker is made of. */
export interface ShardBrokerOptions {
  readonly shard: number;
  readonly shards: number;
  readonly storage: ShardStorage;
  readonly catalog: Catalog;
  readonly table: LogBoundsTable;
  readonly files: LogFiles;
  readonly control: ControlLink;
  readonly clock: Clock;
  readonly timers: Timers;
  /** How long a delivery may stay unacknowledged unless its queue says something else; 0 = for ever; absent = CONSUMER_TIMEOUT_MS. */
  readonly consumerTimeoutMs?: number;
  /** Of delayed messages; absent = DELAY_LIMITS. */
  readonly delayLimits?: DelayLimits;
}

/** See the top of this file. */
export class ShardBroker implements ports.Broker, ports.RoutingBroker, ports.QueueInspection, DelayedMessages {
  readonly shard: number;
  readonly owner: PartitionOwner;
  private readonly shards: number;
  private readonly catalog: Catalog;
  private readonly table: LogBoundsTable;
  private readonly files: LogFiles;
  private readonly control: ControlLink;
  private readonly model: ModelAdministration;
  private readonly turn: Turn;
  private readonly timers: Timers;
  /** Where messages that are published to exchanges go. */
  readonly router: Router;
  private readonly groups: RouteGroups;
  private readonly batcher: MessageBatcher;
  private readonly routed: RoutedPublisher;
  /** The rules of the queues that this shard owns. */
  readonly rules: QueueRules;
  /** The messages that wait for their time. */
  readonly delays: Delays;
  private readonly holder: MessageHolder;
  /** By topic id. */
  private readonly partitioners = new Map<number, Partitioner>();
  private readonly watch: SlotWatch;
  private readonly fetcher: Fetcher;
  private readonly consumers: Consumers;
  private readonly followers = new Set<TopicFollower>();
  /** Replies between connections of different shards. */
  readonly replies = new DirectReplies();
  private readonly participant: TransactionParticipant;
  private readonly coordinator: TransactionCoordinator;
  private readonly participants: ParticipantWay[] = [];
  private readonly peersOut: (RequestsOut | undefined)[] = [];
  private readonly links: PeerLink[] = [];
  private readonly storage: ShardStorage;
  private readonly laterWork: (() => void)[] = [];
  private isStopping = false;

  constructor(options: ShardBrokerOptions) {
    this.shard = options.shard;
    this.shards = options.shards;
    this.storage = options.storage;
    this.catalog = options.catalog;
    this.table = options.table;
    this.files = options.files;
    this.control = options.control;
    this.model = new ModelAdministration(options.catalog, options.control);
    this.timers = options.timers;
    this.turn = new Turn(options.timers);
    this.router = new Router((vhost, name) => options.catalog.topic(name, vhost));
    options.catalog.listen(this.router);
    this.groups = new RouteGroups(options.shards, (logId) => queueMayRefuse(options.catalog.topicOfLog(logId)));
    const nowMs = (): number => options.clock.nowMs();
    this.batcher = new MessageBatcher(this.submit, nowMs);
    const { router, groups, batcher } = this;
    const { catalog, control } = options;
    this.holder = new MessageHolder({ catalog, control, router, groups, batcher, nowMs, mark: () => this.turn.mark() });
    const { holder, partitionFor } = this;
    this.routed = new RoutedPublisher({ router, groups, batcher, nowMs, partitionFor, holder });
    this.turn.addStep(() => this.batcher.flush());
    this.owner = new PartitionOwner(options.shard, options.storage, options.clock, this.turn);
    this.rules = this.openRules(options);
    this.delays = this.openDelays(options);
    this.turn.addStep(() => this.runLaterWork());
    this.watch = new SlotWatch(options.table);
    this.fetcher = new Fetcher(options.table, options.files, options.timers, this.watch);
    this.consumers = new Consumers(this.owner, (logId) => this.peerOf(logId), options.table, options.timers);
    this.participant = new TransactionParticipant(this.owner, options.storage, options.clock, this.turn);
    this.participants[options.shard] = new NearParticipant(this.participant, options.shard);
    this.coordinator = this.openCoordinator(options, nowMs);
  }

  /** Has a door's `step` run at the end of each turn that asks for it by calling the result: what the turn has delivered leaves in it. */
  readonly atEndOfTurn = (step: () => void): (() => void) => this.turn.addLastStep(step);

  private openDelays({ catalog, clock, timers, delayLimits = DELAY_LIMITS }: ShardBrokerOptions): Delays {
    const fire = (...held: Parameters<RoutedPublisher['publishHeld']>): number => {
      const outcomes = this.routed.publishHeld(...held);
      if (outcomes > 0) this.turn.mark();
      return outcomes;
    };
    const { holder, owner } = this;
    return new Delays({
      catalog,
      holder,
      owner,
      clock,
      timers,
      fire,
      canFire: () => this.accepting,
      limits: delayLimits,
    });
  }

  private openRules({ control, clock, timers, consumerTimeoutMs }: ShardBrokerOptions): QueueRules {
    const { routed, turn } = this;
    const publisher = {
      publishDead: (...letter: Parameters<RoutedPublisher['publishDead']>) => {
        const outcomes = routed.publishDead(...letter);
        if (outcomes > 0) turn.mark();
        return outcomes;
      },
    };
    const deleteTopic = (topicId: number): Promise<void> => control.deleteTopic(topicId);
    return new QueueRules(this.owner, publisher, deleteTopic, clock, timers, consumerTimeoutMs);
  }

  private openCoordinator(
    { shard, storage, catalog, timers }: ShardBrokerOptions,
    nowMs: () => number,
  ): TransactionCoordinator {
    const { router, groups, partitionFor, participant, holder } = this;
    return new TransactionCoordinator({
      shard,
      storage,
      catalog,
      timers,
      participant,
      routing: { router, groups, nowMs, partitionFor, holder },
      ownerShard: (logId) => this.ownerShard(logId),
      wayTo: (owner) => this.participants[owner]!,
      flushPublishes: () => this.batcher.flush(),
      later: (work) => this.later(work),
    });
  }

  // ---- Wiring with the other shards ----

  /** Adds the way to another shard. Returns the handler for that shard's requests. */
  connect(link: PeerLink): (correlation: number | undefined, head: Uint8Array, body: Uint8Array | undefined) => void {
    this.peersOut[link.shard] = new RequestsOut(link);
    this.links.push(link);
    this.replies.connect(link);
    this.participants[link.shard] = new FarParticipant(link);
    const transactions = new TransactionRequests(this.participant, link);
    const requestsIn = new RequestsIn(this.owner, link);
    link.onWritable(() => this.owner.wakeAll());
    return (correlation, head, body) => {
      if (this.consumers.handle(head, body) || transactions.handle(correlation, head, body)) return;
      if (this.replies.handle(head, body)) return;
      requestsIn.handle(correlation, head, body);
    };
  }

  /** What the rings brought in one go has been handled. */
  ringsDrained(): void {
    this.consumers.flush();
  }

  /** Shared memory says that a log's bounds have moved. */
  slotAdvanced(slot: number): void {
    this.watch.advanced(slot);
  }

  /** The shard that writes a log. */
  ownerShard(logId: number): number {
    return logId % this.shards;
  }

  /** A topic has left the catalog: ends what reads it here. */
  topicDeleted(topic: ports.TopicEntry): void {
    this.partitioners.delete(topic.topicId);
    this.groups.forget(topic);
    const error = new BrokerError('not-found', `"${topic.name}" was deleted`);
    for (const follower of this.followers) {
      if (follower.topicId === topic.topicId) follower.close(error);
    }
    this.fetcher.topicDeleted(topic.topicId, error);
    for (const entry of topic.partitions) {
      this.files.forget(entry.logId);
    }
  }

  /** Resolves when nothing that was taken is still on its way to its owner or to the disk. */
  async drained(): Promise<void> {
    for (;;) {
      this.batcher.flush();
      await this.owner.settled();
      this.coordinator.drain();
      if (this.links.every((link) => link.idle) && this.coordinator.isIdle) return;
      await new Promise<void>((resolve) => this.timers.setTimeout(resolve, DRAIN_POLL_MS));
    }
  }

  /** Stops taking publishes; what was taken goes its way. */
  stopAccepting(): void {
    this.delays.stop();
    this.isStopping = true;
  }

  /** Ends timers. The storage is closed by whoever opened it. */
  stop(): void {
    this.isStopping = true;
    this.delays.stop();
    this.consumers.stop();
    this.rules.due.stop();
    this.coordinator.stop();
  }

  // ---- Broker ----

  get accepting(): boolean {
    return this.storage.accepting && this.links.every((link) => link.writable);
  }

  topic(name: string, vhost?: string): ports.TopicEntry | undefined {
    return this.catalog.topic(name, vhost);
  }

  *topics(): IterableIterator<ports.TopicEntry> {
    for (const topic of this.catalog.topics()) if (topic.vhost !== INTERNAL_VHOST) yield topic;
  }

  publishBatch(
    topic: ports.TopicEntry,
    partition: number,
    bytes: Uint8Array,
    level: ports.DurabilityLevel,
    token: number,
    listener: ports.PublishListener,
  ): void {
    const entry = topic.partitions[partition];
    if (entry === undefined) {
      listener.publishFailed(token, noPartition(topic, partition));
      return;
    }
    this.batcher.flush();
    this.submit(this.groups.single(partition, entry.logId), bytes, level, token, listener);
  }

  publishMessages(
    topic: ports.TopicEntry,
    partition: number | undefined,
    messages: readonly ports.OutgoingMessage[],
    level: ports.DurabilityLevel,
    producer: ports.ProducerStamp | undefined,
    token: number,
    listener: ports.PublishListener,
  ): void {
    const count = topic.partitions.length;
    const chosen = partition ?? (producer !== undefined && count === 1 ? 0 : undefined);
    if (chosen !== undefined && chosen >= count) {
      listener.publishFailed(token, noPartition(topic, chosen));
      return;
    }
    if (producer !== undefined) {
      if (chosen === undefined) {
        const text = `Cannot publish to "${topic.name}" with a producer sequence: name one of its ${count} partitions`;
        listener.publishFailed(token, new BrokerError('invalid-request', text));
        return;
      }
      const { logId } = topic.partitions[chosen]!;
      this.batcher.addStamped(this.groups.single(chosen, logId), messages, producer, level, token, listener);
      return;
    }
    const partitioner = this.partitioner(topic.topicId);
    const unkeyed = chosen ?? partitioner.next(count);
    for (const message of messages) {
      const target = chosen ?? (message.key === null ? unkeyed : partitioner.forKey(message.key, count));
      const group = this.groups.single(target, topic.partitions[target]!.logId);
      this.batcher.add(group, message, level, token, listener);
    }
    this.turn.mark();
  }

  initProducer(producerId: number): Promise<{ producerId: number; epoch: number }> {
    return this.control.initProducer(producerId);
  }

  consume(queue: ports.TopicEntry, options: ports.ConsumeOptions, consumer: ports.QueueConsumer): ports.ConsumerHandle {
    return this.consumers.consume(queue, options, consumer);
  }

  fetch(
    topic: ports.TopicEntry,
    positions: readonly ports.PartitionPosition[],
    limits: FetchLimits,
    done: (fetched: readonly ports.FetchedBatches[]) => void,
  ): () => void {
    if (isVolatile(topic)) {
      const error = notReadable(topic);
      const refused = { batches: NO_BYTES, logStart: 0, end: 0, error };
      done(positions.map(({ partition, offset }) => ({ partition, nextOffset: offset, ...refused })));
      return () => undefined;
    }
    return this.fetcher.fetch(topic, positions, limits, done);
  }

  follow(
    topic: ports.TopicEntry,
    positions: readonly ports.PartitionPosition[],
    batches: ports.BatchFollower,
  ): ports.FollowHandle {
    if (isVolatile(topic)) throw notReadable(topic);
    const context = {
      table: this.table,
      files: this.files,
      watch: this.watch,
      later: (work: () => void) => this.later(work),
    };
    const follower = new TopicFollower(context, topic, positions, batches, () => this.followers.delete(follower));
    this.followers.add(follower);
    return follower;
  }

  bounds(topic: ports.TopicEntry, partition: number): { logStart: number; end: number } {
    const entry = topic.partitions[partition];
    if (entry === undefined) throw noPartition(topic, partition);
    const { logStart, end } = this.table.read(entry.slot);
    return { logStart, end };
  }

  offsetAt(
    topic: ports.TopicEntry,
    partition: number,
    start: ports.StartAt,
  ): { offset: number; timestampMs: number } | undefined {
    const entry = topic.partitions[partition];
    if (entry === undefined) throw noPartition(topic, partition);
    const { logStart, end } = this.table.read(entry.slot);
    if (start.at === 'beginning') return { offset: logStart, timestampMs: 0 };
    if (start.at === 'end') return { offset: end, timestampMs: 0 };
    if (isVolatile(topic)) throw notReadable(topic);
    try {
      return this.files.offsetForTime(entry.logId, entry.slot, start.timestampMs, end);
    } catch (error) {
      throw error instanceof StorageError ? fromStorage(error) : error;
    }
  }

  async commitOffsets(
    group: string,
    topic: ports.TopicEntry,
    offsets: readonly ports.CommittedOffset[],
  ): Promise<void> {
    await Promise.all(
      offsets.map((offset) => {
        const { logId } = requirePartition(topic, offset.partition);
        return this.admin({ kind: 'commit-offsets', logId, group, offset });
      }),
    );
  }

  async fetchOffsets(
    group: string,
    topic: ports.TopicEntry,
    partitions: readonly number[],
  ): Promise<ports.CommittedOffset[]> {
    const requests = partitions.map((partition) => {
      const { logId } = requirePartition(topic, partition);
      return this.admin({ kind: 'fetch-offset', logId, group });
    });
    // The owner answers a fetch-offset request with a CommittedOffset (requests-in.ts).
    return (await Promise.all(requests)) as ports.CommittedOffset[];
  }

  async declare(declaration: ports.Declaration): Promise<ports.TopicEntry> {
    await this.control.declare(declaration);
    const topic = this.catalog.topic(declaration.name, declaration.vhost);
    // Somebody may have deleted it between the answer and now.
    if (topic === undefined) throw new BrokerError('not-found', `"${declaration.name}" was deleted meanwhile`);
    return topic;
  }

  async describe(topic: ports.TopicEntry): Promise<ports.PartitionStateReport[]> {
    const requests = topic.partitions.map(({ logId }) => this.admin({ kind: 'describe', logId }));
    // The owner answers a describe request with a PartitionStateReport (administration.ts).
    return (await Promise.all(requests)) as ports.PartitionStateReport[];
  }

  delete(name: string, vhost?: string): Promise<void> {
    return this.control.delete(name, vhost);
  }

  async purge(name: string, vhost?: string): Promise<number> {
    const topic = this.catalog.topic(name, vhost);
    if (topic === undefined) throw new BrokerError('not-found', `Cannot purge "${name}": it does not exist`);
    this.batcher.flush();
    const requests = topic.partitions.map(({ logId }) => this.admin({ kind: 'purge', logId }));
    // The owner answers a purge request with the number of messages (administration.ts).
    const counts = (await Promise.all(requests)) as number[];
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Commits what sessions have gathered; every publish goes through this shard's router. */
  get transactions(): Transactions {
    return this.coordinator;
  }

  // ---- RoutingBroker ----

  publishRouted(vhost: string, message: RoutedMessage, token: number, listener: ports.PublishListener): number {
    const outcomes = this.routed.publish(vhost, message, token, listener);
    if (outcomes > 0) this.turn.mark();
    return outcomes;
  }

  hasVhost(vhost: string): boolean {
    return vhost !== INTERNAL_VHOST && this.model.hasVhost(vhost);
  }

  async cancelDelayed(vhost: string, exchange: string, messageId: string): Promise<number> {
    this.batcher.flush();
    const requests = (this.holder.topic?.partitions ?? []).map(({ logId }) =>
      this.admin({ kind: 'cancel-delayed', logId, vhost, exchange, messageId }),
    );
    // The owner answers with the number of messages (delay/requests.ts).
    const counts = (await Promise.all(requests)) as number[];
    return counts.reduce((sum, count) => sum + count, 0);
  }

  async delayedCounts(vhost: string, exchange?: string): Promise<DelayedCounts> {
    this.batcher.flush();
    const wanted = exchange === undefined ? { vhost } : { vhost, exchange };
    const requests = (this.holder.topic?.partitions ?? []).map(({ logId }) =>
      this.admin({ kind: 'delayed-counts', logId, ...wanted }),
    );
    // The owner answers with DelayedCounts (delay/requests.ts).
    return sumOfCounts((await Promise.all(requests)) as DelayedCounts[]);
  }

  exchange(vhost: string, name: string): ExchangeEntry | undefined {
    return this.model.exchange(vhost, name);
  }

  exchanges(vhost: string): Iterable<ExchangeEntry> {
    return this.model.exchanges(vhost);
  }

  bindings(vhost: string, filter?: { readonly source?: string; readonly destination?: string }): Iterable<Binding> {
    return this.model.bindings(vhost, filter);
  }

  explainRoute(vhost: string, exchange: string, routingKey: string, properties: Uint8Array): readonly RouteStep[] {
    return this.router.explain(vhost, exchange, routingKey, properties);
  }

  async declareExchange(declaration: ExchangeDeclaration): Promise<ExchangeEntry> {
    if (declaration.type === 'x-delayed-message' && !declaration.passive) await this.holder.prepare();
    return this.model.declareExchange(declaration);
  }

  deleteExchange(vhost: string, name: string, ifUnused: boolean): Promise<void> {
    return this.model.deleteExchange(vhost, name, ifUnused);
  }

  bind(vhost: string, binding: Binding, connection: string): Promise<void> {
    return this.model.bind(vhost, binding, connection);
  }

  unbind(vhost: string, binding: Binding, connection: string): Promise<void> {
    return this.model.unbind(vhost, binding, connection);
  }

  deleteQueue(vhost: string, name: string, options: ports.DeleteQueueOptions): Promise<number> {
    // What this session has published before goes with the queue, or keeps it.
    this.batcher.flush();
    return this.model.deleteQueue(vhost, name, options);
  }

  connectionClosed(connection: string): Promise<void> {
    return this.model.connectionClosed(connection);
  }

  poll(
    queue: ports.TopicEntry,
    connection: string,
    consumer: ports.QueueConsumer,
    label?: ports.ConsumerLabel,
  ): ports.PollHandle {
    return this.consumers.poll(queue, connection, consumer, () => this.batcher.flush(), label);
  }

  unacknowledged(queue: ports.TopicEntry, limit: number): Promise<ports.HolderPage> {
    return collectHolders(queue, limit, (request) => this.admin(request));
  }

  async counts(queue: ports.TopicEntry): Promise<ports.QueueCounts> {
    this.batcher.flush();
    const requests = queue.partitions.map(({ logId }) => this.admin({ kind: 'counts', logId }));
    // The owner answers a counts request with QueueCounts (administration.ts).
    const counts = (await Promise.all(requests)) as ports.QueueCounts[];
    let ready = 0;
    let consumers = 0;
    for (const one of counts) {
      ready += one.ready;
      // A consumer of a queue is one of each of its partitions.
      consumers = Math.max(consumers, one.consumers);
    }
    return { ready, consumers };
  }

  // ---- Inside ----

  private readonly partitionFor = (topic: ports.TopicEntry, key: Uint8Array | null): number => {
    const partitioner = this.partitioner(topic.topicId);
    const count = topic.partitions.length;
    return key === null ? partitioner.next(count) : partitioner.forKey(key, count);
  };

  /** Sends a finished batch to the owner of its logs. */
  private readonly submit = (
    group: LogGroup,
    bytes: Uint8Array,
    level: ports.DurabilityLevel,
    token: number,
    listener: ports.PublishListener,
  ): void => {
    if (this.isStopping) {
      listener.publishFailed(token, new BrokerError('shutting-down', 'Cannot publish: the node is shutting down'));
      return;
    }
    const { logIds, partition } = group;
    const logId = logIds[0]!;
    const peer = this.peerOf(logId);
    if (logIds.length > 1) (peer ?? this.owner).appendMany(logIds, bytes, level, token, listener);
    else if (peer === undefined) this.owner.append(logId, bytes, level, token, listener);
    else peer.append(partition, logId, bytes, level, token, listener);
  };

  private partitioner(topicId: number): Partitioner {
    let partitioner = this.partitioners.get(topicId);
    if (partitioner === undefined) {
      partitioner = new Partitioner(this.shard);
      this.partitioners.set(topicId, partitioner);
    }
    return partitioner;
  }

  private admin(request: AdminRequest): Promise<unknown> {
    const peer = this.peerOf(request.logId);
    return peer === undefined ? answerAdmin(this.owner, request) : peer.admin(request);
  }

  private peerOf(logId: number): RequestsOut | undefined {
    return this.peersOut[this.ownerShard(logId)];
  }

  private later(work: () => void): void {
    this.laterWork.push(work);
    this.turn.mark();
  }

  private runLaterWork(): void {
    const works = this.laterWork.splice(0, MAX_FOLLOWERS_PER_TURN);
    for (const work of works) work();
    if (this.laterWork.length > 0) this.turn.mark();
  }
}

function isVolatile(topic: ports.TopicEntry): boolean {
  return topic.partitions.some(({ logId }) => isVolatileLog(logId));
}

function notReadable(topic: ports.TopicEntry): BrokerError {
  const text = `Cannot read "${topic.name}" by offset: it is kept in memory only, and consumers take its messages`;
  return new BrokerError('unsupported', text);
}

function requirePartition(topic: ports.TopicEntry, partition: number): ports.PartitionEntry {
  const entry = topic.partitions[partition];
  if (entry === undefined) throw noPartition(topic, partition);
  return entry;
}

function noPartition(topic: ports.TopicEntry, partition: number): BrokerError {
  const text = `Cannot reach partition ${partition} of "${topic.name}": it has partitions 0 to ${topic.partitions.length - 1}`;
  return new BrokerError('not-found', text);
}

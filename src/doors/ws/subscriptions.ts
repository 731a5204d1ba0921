import { BrokerError } from '../../broker/errors.js';
import type { PartitionPosition, TopicEntry } from '../../broker/ports.js';
import { BroadcastSubscription } from './broadcast-subscription.js';
import type {
  CreditCommand,
  GetCommand,
  SeekCommand,
  SettleCommand,
  StartPoint,
  SubscribeBroadcastCommand,
  SubscribeQueueCommand,
  SubscribeTopicCommand,
} from './commands.js';
import type { DoorContext } from './context.js';
import { asBrokerError, invalidRequest, wireError } from './errors.js';
import { type Outbox, parkedOutbox } from './outbox.js';
import { PollSubscription } from './poll-subscription.js';
import { QueueSubscription } from './queue-subscription.js';
import {
  type LentDeliveries,
  notFor,
  type SessionName,
  type Subscription,
  type SubscriptionSetting,
} from './subscription.js';
import { TopicSubscription } from './topic-subscription.js';
import { checkPosition, requiredQueue, requiredTopic, resolveStart, wireBounds } from './topics.js';

type SubscribeCommand = SubscribeQueueCommand | SubscribeTopicCommand | SubscribeBroadcastCommand;

interface Entry {
  readonly subscription: Subscription;
  readonly topic: TopicEntry;
  /** The group that `committed` means; empty if none. */
  readonly group: string;
}

/** All subscriptions of one session. */
export class Subscriptions {
  private readonly context: DoorContext;
  private readonly who: SessionName;
  private readonly setting: SubscriptionSetting & { outbox: Outbox };
  private readonly entries = new Map<number, Entry>();
  /** Numbers whose Subscribe waits for committed offsets. */
  private readonly reserved = new Set<number>();
  private isOver = false;

  constructor(context: DoorContext, outbox: Outbox, who: SessionName) {
    this.context = context;
    this.who = who;
    this.setting = {
      limits: context.ports.limits,
      counters: context.counters,
      writers: context.writers,
      outbox,
      ended: (number, reason) => this.ended(number, reason),
    };
  }

  /** Number of subscriptions open or opening. */
  get size(): number {
    return this.entries.size + this.reserved.size;
  }

  /**
   * Subscribes and answers. What the group committed must be asked for, which takes a while: then a promise is returned, else undefined.
   * @throws BrokerError, also as rejection, when the subscription cannot be.
   */
  subscribe(id: number, command: SubscribeCommand): Promise<void> | undefined {
    this.checkNumber(command.subscription);
    if (command.kind === 'subscribe-queue') this.subscribeQueue(id, command);
    else if (command.kind === 'subscribe-broadcast') this.subscribeBroadcast(id, command);
    else return this.subscribeTopic(id, command);
    return undefined;
  }

  /** Ends what `check` does not let go on; it throws BrokerError. */
  recheck(check: (topic: TopicEntry) => void): void {
    for (const { subscription, topic } of [...this.entries.values()]) {
      try {
        check(topic);
      } catch (thrown) {
        subscription.cancel();
        this.ended(subscription.number, asBrokerError(thrown));
      }
    }
  }

  private checkNumber(number: number): void {
    if (this.entries.has(number) || this.reserved.has(number)) {
      throw new BrokerError('already-exists', `There is a subscription ${number} in this session`);
    }
    const { maxSubscriptions } = this.context.ports.limits;
    if (this.size >= maxSubscriptions) {
      throw new BrokerError('limit-exceeded', `Cannot subscribe: the session has ${maxSubscriptions} subscriptions`);
    }
  }

  private add(subscription: Subscription, topic: TopicEntry, group = ''): void {
    this.entries.set(subscription.number, { subscription, topic, group });
    this.context.counters.subscriptions++;
  }

  private subscribeQueue(id: number, command: SubscribeQueueCommand): void {
    const { broker } = this.context.ports;
    const queue = requiredQueue(broker, command.from, command.vhost);
    const subscription = new QueueSubscription(this.setting, command, this.who);
    this.add(subscription, queue);
    const partitions = wireBounds(broker, queue, () => 0);
    this.setting.outbox.answer(id, { subscribed: { subscription: command.subscription, partitions } });
    this.begin(command.subscription, () => subscription.start(broker, queue));
  }

  /** The client has been told of the subscription, so a broker that refuses ends it. */
  private begin(number: number, start: () => void): void {
    try {
      start();
    } catch (thrown) {
      this.ended(number, asBrokerError(thrown));
    }
  }

  private subscribeBroadcast(id: number, command: SubscribeBroadcastCommand): void {
    const { broker } = this.context.ports;
    const topic = requiredTopic(broker, command.from, command.vhost);
    const form = this.setting.outbox.form === 'text' ? 'text' : command.decoded ? 'decoded' : 'batches';
    const channel = this.context.hub.channel(topic, form);
    for (const { subscription } of this.entries.values()) {
      if (subscription instanceof BroadcastSubscription && subscription.channel === channel) {
        throw new BrokerError(
          'already-exists',
          `Subscription ${subscription.number} of this session follows "${topic.name}" already`,
        );
      }
    }
    if (channel.isClosed) throw new BrokerError('log-offline', `Cannot follow "${topic.name}": it ended at once`);
    const subscription = new BroadcastSubscription(this.setting, command, channel);
    this.add(subscription, topic);
    const partitions = wireBounds(broker, topic, (partition) => channel.position(partition));
    this.setting.outbox.answer(id, {
      subscribed: { subscription: command.subscription, partitions, channel: channel.number },
    });
    channel.add(subscription);
  }

  private subscribeTopic(id: number, command: SubscribeTopicCommand): Promise<void> | undefined {
    const { broker } = this.context.ports;
    const topic = requiredTopic(broker, command.from, command.vhost);
    for (const position of command.starts) checkPosition(broker, topic, position);
    const partitions = topic.partitions.map(({ partition }) => partition);
    const positions = this.positions(topic, partitions, command.starts, command.start, command.group);
    if (!(positions instanceof Promise)) {
      this.startTopic(id, command, topic, positions);
      return undefined;
    }
    this.reserved.add(command.subscription);
    return positions
      .then((found) => {
        if (!this.isOver) this.startTopic(id, command, topic, found);
      })
      .finally(() => this.reserved.delete(command.subscription));
  }

  private startTopic(
    id: number,
    command: SubscribeTopicCommand,
    topic: TopicEntry,
    positions: readonly PartitionPosition[],
  ): void {
    const { broker } = this.context.ports;
    const subscription = new TopicSubscription(this.setting, command);
    this.reserved.delete(command.subscription);
    this.add(subscription, topic, command.group);
    const offsets = new Map(positions.map(({ partition, offset }) => [partition, offset]));
    const partitions = wireBounds(broker, topic, (partition) => offsets.get(partition) ?? 0);
    this.setting.outbox.answer(id, { subscribed: { subscription: command.subscription, partitions } });
    this.begin(command.subscription, () => subscription.start(broker, topic, positions));
  }

  /** Where reading begins: at `starts`, and in the other ones of `partitions` at `start`. */
  private positions(
    topic: TopicEntry,
    partitions: readonly number[],
    starts: readonly PartitionPosition[],
    start: StartPoint,
    group: string,
  ): PartitionPosition[] | Promise<PartitionPosition[]> {
    const { broker } = this.context.ports;
    const listed = new Set(starts.map(({ partition }) => partition));
    const others = partitions.filter((partition) => !listed.has(partition));
    if (start.at !== 'committed') {
      const resolved = others.map((partition) => ({
        partition,
        offset: resolveStart(broker, topic, partition, start),
      }));
      return [...starts, ...resolved];
    }
    if (others.length === 0) return [...starts];
    if (group === '') throw invalidRequest('To start where a group committed, the subscription must name the group');
    return this.committed(topic, others, group).then((found) => [...starts, ...found]);
  }

  private async committed(
    topic: TopicEntry,
    partitions: readonly number[],
    group: string,
  ): Promise<PartitionPosition[]> {
    const { broker } = this.context.ports;
    const committed = await broker.fetchOffsets(group, topic, partitions);
    const offsets = new Map(committed.map(({ partition, offset }) => [partition, offset]));
    return partitions.map((partition) => {
      const { logStart } = broker.bounds(topic, partition);
      // What was committed may have been removed since; then reading goes on with the oldest that is left.
      return { partition, offset: Math.max(logStart, offsets.get(partition) ?? -1) };
    });
  }

  /** Moves a topic subscription and answers; a promise as in `subscribe`. @throws BrokerError. */
  seek(id: number, command: SeekCommand): Promise<void> | undefined {
    const { subscription, topic, group } = this.entry(command.subscription);
    const { broker } = this.context.ports;
    for (const position of command.starts) checkPosition(broker, topic, position);
    const partitions = command.start === undefined ? [] : topic.partitions.map(({ partition }) => partition);
    const positions = this.positions(topic, partitions, command.starts, command.start ?? { at: 'end' }, group);
    const move = (found: readonly PartitionPosition[]): void => {
      if (this.entries.get(command.subscription)?.subscription !== subscription) return;
      subscription.seek(found);
      if (id !== 0) this.setting.outbox.answer(id, { done: {} });
    };
    if (positions instanceof Promise) return positions.then(move);
    move(positions);
    return undefined;
  }

  /** Asks a queue for one message and answers with it; `finished` runs with the answer, unless the session ends before. @throws BrokerError. */
  get(id: number, command: GetCommand, finished: () => void): void {
    this.poll(command).get(command, (delivery, left, error) => {
      finished();
      if (this.isOver) return;
      if (error !== undefined) this.setting.outbox.error(id, error);
      else this.setting.outbox.answer(id, { got: delivery === undefined ? { left } : { delivery, left } });
    });
  }

  private poll(command: GetCommand): PollSubscription {
    const { broker } = this.context.ports;
    const { subscription: number, from, vhost } = command;
    const entry = this.entries.get(number);
    const queue = requiredQueue(broker, from, vhost);
    if (entry?.subscription instanceof PollSubscription && entry.topic.topicId === queue.topicId) {
      return entry.subscription;
    }
    this.checkNumber(number);
    const poll = new PollSubscription(this.setting, number, broker, queue, this.who);
    this.add(poll, queue);
    return poll;
  }

  /** Changes a subscription's credit. @throws BrokerError. */
  credit(command: CreditCommand): void {
    this.entry(command.subscription).subscription.credit(command);
  }

  /** Settles deliveries. @throws BrokerError; then nothing was settled. */
  settle(command: SettleCommand, done: ((error?: BrokerError) => void) | undefined): void {
    this.entry(command.subscription).subscription.settle(command, done);
  }

  /** Takes deliveries that a transaction will settle. @throws BrokerError; then nothing was taken. */
  lend(command: SettleCommand): LentDeliveries {
    const { subscription } = this.entry(command.subscription);
    if (subscription.lend === undefined) throw notFor('reading', 'settling', command.subscription);
    return subscription.lend(command);
  }

  /** Ends a subscription. @throws BrokerError `not-found`. */
  unsubscribe(number: number): void {
    const { subscription } = this.entry(number);
    this.forget(number);
    subscription.cancel();
  }

  private entry(number: number): Entry {
    const entry = this.entries.get(number);
    if (entry === undefined) throw new BrokerError('not-found', `There is no subscription ${number} in this session`);
    return entry;
  }

  private ended(number: number, reason: BrokerError): void {
    if (!this.forget(number)) return;
    this.setting.outbox.answer(0, { subscriptionClosed: { subscription: number, reason: wireError(reason) } });
  }

  private forget(number: number): boolean {
    if (!this.entries.delete(number)) return false;
    this.context.counters.subscriptions--;
    return true;
  }

  /** Deliveries that wait for a connection, in bytes, about. */
  get heldBytes(): number {
    let bytes = 0;
    for (const { subscription } of this.entries.values()) bytes += subscription.heldBytes ?? 0;
    return bytes;
  }

  /** The connection broke, but the session may go on with another one: what reads by offset ends, consumers of queues keep what they hold. */
  park(): void {
    const { limits, counters } = this.setting;
    this.setting.outbox = parkedOutbox(this.setting.outbox.form, limits, counters);
    for (const [number, { subscription }] of [...this.entries]) {
      if (subscription.park === undefined) this.cancel(number, subscription);
      else subscription.park();
    }
  }

  private cancel(number: number, subscription: Subscription): void {
    this.forget(number);
    subscription.cancel();
  }

  /** Which of `received` go on; all others end. */
  keep(received: ReadonlyMap<number, number>): number[] {
    for (const [number, { subscription }] of [...this.entries]) {
      if (!received.has(number)) this.cancel(number, subscription);
    }
    return [...this.entries.keys()];
  }

  /** The session has another connection, and its client has been told which subscriptions go on. */
  resume(outbox: Outbox, received: ReadonlyMap<number, number>): void {
    this.setting.outbox = outbox;
    for (const [number, { subscription }] of [...this.entries]) subscription.resume?.(received.get(number) ?? 0);
  }

  /** The socket is empty again. */
  drained(): void {
    for (const { subscription } of [...this.entries.values()]) subscription.drained();
  }

  /** Ends all of them without a word: the session is over. */
  cancelAll(): void {
    this.isOver = true;
    const subscriptions = [...this.entries.values()];
    this.context.counters.subscriptions -= this.entries.size;
    this.entries.clear();
    for (const { subscription } of subscriptions) subscription.cancel();
  }
}

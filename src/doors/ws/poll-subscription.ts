import { BrokerError } from '../../broker/errors.js';
import type { PollHandle, QueueConsumer, RecordView, RoutingBroker, TopicEntry } from '../../broker/ports.js';
import type { GetCommand, SettleCommand } from './commands.js';
import { wireDelivery } from './deliveries.js';
import { MAX_WAITING_GETS } from './limits.js';
import {
  type LentDeliveries,
  labelOf,
  notFor,
  type SessionName,
  type Subscription,
  type SubscriptionSetting,
} from './subscription.js';
import { TaggedOffsets } from './tagged-offsets.js';
import type { WireDelivery } from './wire-types.js';

/** A get under way. */
interface PendingGet {
  /** It settles its message by being handed over. */
  readonly automaticAck: boolean;
  /** The connection that it came over, by their count. */
  readonly connection: number;
  readonly answered: (delivery: WireDelivery | undefined, left: number, error?: BrokerError) => void;
}

/** A queue that a session asks for single messages: no consumer to others. What it was given is settled under its number, as for consumers. */
export class PollSubscription implements Subscription, QueueConsumer {
  readonly number: number;
  private readonly setting: SubscriptionSetting;
  private readonly tagged: TaggedOffsets;
  private readonly handle: PollHandle;
  /** The gets under way, the oldest first. */
  private asked: PendingGet[] = [];
  private got: WireDelivery | undefined;
  private isOver = false;
  /** Counts connections: what was asked over an older one is answered to nobody. */
  private connections = 0;

  /** @throws BrokerError when the queue cannot be asked. */
  constructor(
    setting: SubscriptionSetting,
    number: number,
    broker: RoutingBroker,
    queue: TopicEntry,
    who: SessionName,
  ) {
    this.setting = setting;
    this.number = number;
    this.tagged = new TaggedOffsets(number);
    this.handle = broker.poll(queue, who.connection, this, labelOf(who, number));
  }

  /** Asks for one message; `answered` runs once unless the session ends before. @throws BrokerError `limit-exceeded`. */
  get(
    command: GetCommand,
    answered: (delivery: WireDelivery | undefined, left: number, error?: BrokerError) => void,
  ): void {
    if (this.asked.length >= MAX_WAITING_GETS) {
      throw new BrokerError('limit-exceeded', `${MAX_WAITING_GETS} gets of subscription ${this.number} wait already`);
    }
    this.asked.push({ automaticAck: command.automaticAck, connection: this.connections, answered });
    this.handle.get(command.automaticAck, (left, error) => {
      const get = this.asked.shift();
      // It was given up when the subscription ended.
      if (get === undefined) return;
      const { got } = this;
      this.got = undefined;
      if (get.connection !== this.connections) {
        if (got?.tag) this.tagged.returnLost(got.tag - 1, got.tag, this.handle);
        return;
      }
      get.answered(got, Math.max(0, left), error);
    });
  }

  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    if (this.isOver) return;
    const isAutomatic = this.asked[0]?.automaticAck ?? false;
    // Automatic ones get numbers from the same row, so that no tag ever names two messages; nothing is kept of them.
    const tag = isAutomatic ? this.tagged.skip() : this.tagged.add(partition, record.offset);
    this.setting.counters.deliveries++;
    this.got = wireDelivery(tag, partition, record, redelivered, deliveryCount);
  }

  flush(): void {
    // The answer is sent when the count is known.
  }

  closed(error: BrokerError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.giveUp(error);
    this.setting.ended(this.number, error);
  }

  /** Nobody will answer what is under way: the queue has gone, or the session has let go of it. */
  private giveUp(error: BrokerError): void {
    const { asked } = this;
    this.asked = [];
    for (const get of asked) if (get.connection === this.connections) get.answered(undefined, 0, error);
  }

  settle(command: SettleCommand, done: ((error?: BrokerError) => void) | undefined): void {
    this.tagged.settle(command, this.handle, done);
  }

  credit(): void {
    throw notFor('polled', 'credit', this.number);
  }

  lend(command: SettleCommand): LentDeliveries {
    return { handle: this.handle, offsets: this.tagged.take(command) };
  }

  seek(): void {
    throw notFor('polled', 'seek', this.number);
  }

  drained(): void {
    // Answers are sent whatever the backlog, as those of other requests are.
  }

  park(): void {
    this.connections++;
  }

  resume(received: number): void {
    this.tagged.returnLost(received, this.tagged.last, this.handle);
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handle.cancel();
    this.giveUp(new BrokerError('not-found', `Subscription ${this.number} ended before a message had come`));
  }
}

import { BrokerError } from '../../broker/errors.js';
import type { PreparedFrame } from '../../io/ws/port.js';
import type { BroadcastSubscriber, Channel } from './broadcast-hub.js';
import type { SubscribeBroadcastCommand } from './commands.js';
import { notFor, type Subscription, type SubscriptionSetting } from './subscription.js';

/**
 * Follows a channel. While the socket is clogged, frames are left out and their offsets counted; once it is empty the client is told how many it
 * missed, and goes on live. One that asked for it is closed instead.
 */
export class BroadcastSubscription implements Subscription, BroadcastSubscriber {
  readonly number: number;
  readonly channel: Channel;
  private readonly setting: SubscriptionSetting;
  private readonly closesWhenSlow: boolean;
  /** Per partition: offsets left out, and where the next frame begins. */
  private readonly missed = new Map<number, { count: number; next: number }>();
  private isOver = false;

  constructor(setting: SubscriptionSetting, command: SubscribeBroadcastCommand, channel: Channel) {
    this.setting = setting;
    this.number = command.subscription;
    this.channel = channel;
    this.closesWhenSlow = command.slow === 'close';
  }

  frame(frame: PreparedFrame, partition: number, first: number, next: number, messages: number): void {
    if (this.isOver) return;
    const { outbox, counters } = this.setting;
    if (outbox.isClogged) {
      this.leaveOut(partition, first, next);
      return;
    }
    this.tellMissed();
    outbox.sendPrepared(frame);
    counters.messagesOut += messages;
  }

  private leaveOut(partition: number, first: number, next: number): void {
    if (this.closesWhenSlow) {
      this.cancel();
      const reason = `Subscription ${this.number} reads too slowly: it fell behind at offset ${first} of partition ${partition}`;
      this.setting.ended(this.number, new BrokerError('limit-exceeded', reason));
      return;
    }
    const missed = this.missed.get(partition);
    if (missed === undefined) this.missed.set(partition, { count: next - first, next });
    else {
      missed.count += next - first;
      missed.next = next;
    }
  }

  private tellMissed(): void {
    if (this.missed.size === 0) return;
    for (const [partition, { count, next }] of this.missed) {
      this.setting.counters.missed += count;
      this.setting.outbox.answer(0, { missed: { subscription: this.number, partition, count, nextOffset: next } });
    }
    this.missed.clear();
  }

  ended(error: BrokerError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.setting.ended(this.number, error);
  }

  credit(): void {
    throw notFor('broadcast', 'credit', this.number);
  }

  settle(): void {
    throw notFor('broadcast', 'settling', this.number);
  }

  seek(): void {
    throw notFor('broadcast', 'seek', this.number);
  }

  drained(): void {
    if (!this.isOver) this.tellMissed();
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.channel.leave(this);
  }
}

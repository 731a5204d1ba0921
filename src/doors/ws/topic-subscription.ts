import { DecodeError } from '../../base/errors.js';
import { BrokerError } from '../../broker/errors.js';
import type {
  BatchFollower,
  Broker,
  FetchedBatches,
  FollowHandle,
  PartitionPosition,
  TopicEntry,
} from '../../broker/ports.js';
import { asCorrupt, countMessages, decodeRecords, writeDecoded } from './batches.js';
import type { CreditCommand, SubscribeTopicCommand } from './commands.js';
import { asBrokerError } from './errors.js';
import { type RecordsTarget, writeBatches } from './frame-writer.js';
import { notFor, type Subscription, type SubscriptionSetting } from './subscription.js';

/**
 * Live push from chosen offsets. The follower is paused when the credit is used up or the socket is clogged, and woken when both are mended.
 * What it handed over while it should have been paused is left, and asked for again by a seek.
 */
export class TopicSubscription implements Subscription, BatchFollower {
  readonly number: number;
  private readonly setting: SubscriptionSetting;
  private readonly target: RecordsTarget;
  private readonly isDecoded: boolean;
  private readonly positions = new Map<number, number>();
  private handle: FollowHandle | undefined;
  private creditLeft: number;
  /** The follower was told to wait. */
  private isPaused = false;
  /** Partitions with batches that were handed over and left. */
  private readonly left = new Set<number>();
  private isOver = false;

  constructor(setting: SubscriptionSetting, command: SubscribeTopicCommand) {
    this.setting = setting;
    this.number = command.subscription;
    this.target = { kind: 'deliver', number: command.subscription };
    this.isDecoded = command.decoded;
    this.creditLeft = command.credit;
  }

  /** Begins to follow. The client has been told that it is subscribed. @throws BrokerError when the broker refuses. */
  start(broker: Broker, topic: TopicEntry, positions: readonly PartitionPosition[]): void {
    this.noteAll(positions);
    this.handle = broker.follow(topic, positions, this);
    if (this.isOver) this.handle.cancel();
    else this.wake();
  }

  private noteAll(positions: readonly PartitionPosition[]): void {
    for (const { partition, offset } of positions) this.positions.set(partition, offset);
  }

  batches(fetched: FetchedBatches): boolean {
    if (this.isOver) return true;
    if (fetched.error !== undefined) {
      this.end(fetched.error);
      return true;
    }
    if (!this.canSend() || this.left.has(fetched.partition)) {
      this.left.add(fetched.partition);
      this.isPaused = true;
      return false;
    }
    try {
      this.send(fetched);
    } catch (thrown) {
      this.end(thrown);
    }
    this.isPaused = !this.canSend();
    return !this.isPaused;
  }

  private canSend(): boolean {
    return this.creditLeft > 0 && !this.setting.outbox.isClogged;
  }

  private send(fetched: FetchedBatches): void {
    const { partition, batches, nextOffset } = fetched;
    const from = this.positions.get(partition) ?? 0;
    const sent = this.write(partition, batches, from, nextOffset);
    this.positions.set(partition, nextOffset);
    this.creditLeft -= sent;
    this.setting.counters.messagesOut += sent;
  }

  private write(partition: number, batches: Uint8Array, from: number, nextOffset: number): number {
    const { outbox, writers } = this.setting;
    if (outbox.form === 'text') return this.writeText(partition, batches, from, nextOffset);
    const writer = writers.take();
    try {
      if (this.isDecoded) {
        return writeDecoded(writer, this.target, partition, batches, from, nextOffset, (frame) =>
          outbox.sendBytes(frame),
        );
      }
      const count = countMessages(batches, from);
      outbox.sendBytes(writeBatches(writer, this.target, partition, nextOffset, batches));
      return count;
    } finally {
      writers.give(writer);
    }
  }

  private writeText(partition: number, batches: Uint8Array, from: number, nextOffset: number): number {
    let count = 0;
    for (let reached = from; reached < nextOffset; ) {
      const records = decodeRecords(partition, batches, reached, nextOffset);
      this.setting.outbox.answer(0, { deliver: { subscription: this.number, records: [records] } });
      count += records.messages?.length ?? 0;
      reached = records.nextOffset ?? nextOffset;
    }
    return count;
  }

  credit(command: CreditCommand): void {
    if (command.change !== 'add') throw notFor('topic', 'prefetch', this.number);
    const { maxCredit } = this.setting.limits;
    if (this.creditLeft + command.count > maxCredit) {
      throw new BrokerError('limit-exceeded', `The credit of subscription ${this.number} would exceed ${maxCredit}`);
    }
    this.creditLeft += command.count;
    this.wake();
  }

  settle(): void {
    throw notFor('topic', 'settling', this.number);
  }

  seek(positions: readonly PartitionPosition[]): void {
    this.noteAll(positions);
    for (const { partition } of positions) this.left.delete(partition);
    this.handle?.seek(positions);
    this.wake();
  }

  drained(): void {
    this.wake();
  }

  private wake(): void {
    // While the handle is still being made, the start itself wakes the follower.
    const { handle } = this;
    if (!this.isPaused || this.isOver || handle === undefined || !this.canSend()) return;
    this.isPaused = false;
    if (this.left.size > 0) {
      const again = [...this.left].map((partition) => ({ partition, offset: this.positions.get(partition) ?? 0 }));
      this.left.clear();
      handle.seek(again);
    }
    handle.resume();
  }

  closed(error: BrokerError): void {
    if (this.isOver) return;
    this.isOver = true;
    this.setting.ended(this.number, error);
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.handle?.cancel();
  }

  private end(thrown: unknown): void {
    this.cancel();
    this.setting.ended(this.number, asReason(thrown));
  }
}

/** Why records could not be passed on. */
export function asReason(thrown: unknown): BrokerError {
  if (thrown instanceof DecodeError) return new BrokerError('corrupt-batch', 'A record is damaged', thrown);
  return asBrokerError(asCorrupt(thrown));
}

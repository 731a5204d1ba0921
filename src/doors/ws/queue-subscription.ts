import type { ByteWriter } from '../../base/bytes.js';
import { copyOf } from '../../base/copy.js';
import { Deque } from '../../base/deque.js';
import { DecodeError } from '../../base/errors.js';
import { BrokerError } from '../../broker/errors.js';
import type { Broker, ConsumerHandle, QueueConsumer, RecordView, TopicEntry } from '../../broker/ports.js';
import { AutomaticCredit } from './automatic-credit.js';
import type { CreditCommand, SettleCommand, SubscribeQueueCommand } from './commands.js';
import { wireDelivery } from './deliveries.js';
import { asBrokerError } from './errors.js';
import { addDelivery, beginFrame, finishDeliver, frameContentBytes } from './frame-writer.js';
import { DELIVER_FRAME_BYTES, MAX_TEXT_DELIVERIES } from './limits.js';
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

/** Bytes of text for each byte of a key or a value. */
const BASE64_GROWTH = 4 / 3;
/** About what the names of a delivery's fields and its numbers take in a text frame. */
const TEXT_DELIVERY_BYTES = 128;

/** A frame that waits for the socket. */
interface HeldFrame {
  readonly frame: Uint8Array | TextFrame;
  readonly sizeBytes: number;
  /** The last one in it. */
  readonly lastTag: number;
}

/** Deliveries of a text session, and how long their frame will be, in bytes. */
interface TextFrame {
  readonly deliveries: WireDelivery[];
  sizeBytes: number;
}

/**
 * A push consumer of a queue. Deliveries of one turn are written into one buffer as they come and sent as one frame. What would take the socket's
 * backlog too far waits here, and the broker's credit is taken back, and given again once the backlog is gone: with manual acknowledgement by a prefetch of 0; with
 * automatic acknowledgement, where credit cannot be taken back, by never granting the broker more than a slice of what the client gave.
 */
export class QueueSubscription implements Subscription, QueueConsumer {
  readonly number: number;
  private readonly setting: SubscriptionSetting;
  private readonly command: SubscribeQueueCommand;
  private readonly who: SessionName;
  /** With automatic acknowledgement only. */
  private readonly automatic: AutomaticCredit | undefined;
  private readonly tags: TaggedOffsets;
  private handle: ConsumerHandle | undefined;
  private writer: ByteWriter | undefined;
  private text: TextFrame = { deliveries: [], sizeBytes: 0 };
  /** Frames that came after the socket had clogged, in their order: no more than the broker still had credit for. */
  private readonly held = new Deque<HeldFrame>();
  /** Bytes of those, about. */
  heldBytes = 0;
  /** The last tag that was written into a frame, and the last one that was given to a socket. */
  private lastWritten = 0;
  private lastSent = 0;
  private isOver = false;
  private isWithheld = false;
  /** Manual acknowledgement: what the client asked for. */
  private prefetch: number;
  private nextAutomaticTag = 1;
  /** Of a queue with a single active consumer, once it was told. */
  private isActive: boolean | undefined;

  /** `who` consumes; exclusive queues are for their owner only. */
  constructor(setting: SubscriptionSetting, command: SubscribeQueueCommand, who: SessionName) {
    this.setting = setting;
    this.number = command.subscription;
    this.tags = new TaggedOffsets(command.subscription);
    this.command = command;
    this.who = who;
    const { backlogMarkBytes } = setting.limits;
    this.automatic = command.automaticAck ? new AutomaticCredit(command.credit, backlogMarkBytes) : undefined;
    this.prefetch = command.credit;
  }

  /** Begins to consume. The client has been told that it is subscribed. @throws BrokerError when the broker refuses. */
  start(broker: Broker, queue: TopicEntry): void {
    const { automatic } = this;
    const credit = automatic === undefined ? this.prefetch : automatic.begin(queue.partitions.length);
    const { exclusive, priority } = this.command;
    const { connection } = this.who;
    const label = labelOf(this.who, this.number);
    const options = { automaticAck: automatic !== undefined, credit, exclusive, priority, connection, label };
    this.handle = broker.consume(queue, options, this);
    // The broker may have delivered, or ended the consumer, before its handle was known here.
    if (this.isOver) this.handle.cancel();
    else if (this.isWithheld && automatic === undefined) this.handle.setPrefetch(0);
    else this.balance();
  }

  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    if (this.isOver) return;
    const tag = this.automatic === undefined ? this.tags.add(partition, record.offset) : this.nextAutomaticTag++;
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0) + record.headers.length;
    this.automatic?.used(bytes);
    this.setting.counters.deliveries++;
    try {
      if (this.setting.outbox.form === 'text') this.addText(bytes, tag, partition, record, redelivered, deliveryCount);
      else this.addBinary(bytes, tag, partition, record, redelivered, deliveryCount);
    } catch (thrown) {
      this.end(thrown);
    }
  }

  private addBinary(
    bytes: number,
    tag: number,
    partition: number,
    record: RecordView,
    redelivered: boolean,
    count: number,
  ): void {
    // A large message has a frame of its own: together with smaller ones it might not fit into the backlog.
    if (this.writer !== undefined && frameContentBytes(this.writer) + bytes > DELIVER_FRAME_BYTES) this.send();
    let { writer } = this;
    if (writer === undefined) {
      writer = this.writer = this.setting.writers.take();
      beginFrame(writer);
    }
    addDelivery(writer, tag, partition, record, redelivered, count);
    this.lastWritten = tag;
    if (frameContentBytes(writer) >= DELIVER_FRAME_BYTES) this.send();
  }

  private addText(
    bytes: number,
    tag: number,
    partition: number,
    record: RecordView,
    redelivered: boolean,
    count: number,
  ): void {
    const sizeBytes = Math.ceil(bytes * BASE64_GROWTH) + TEXT_DELIVERY_BYTES;
    if (this.text.sizeBytes > 0 && this.text.sizeBytes + sizeBytes > DELIVER_FRAME_BYTES) this.send();
    const { text } = this;
    text.deliveries.push(wireDelivery(tag, partition, record, redelivered, count));
    text.sizeBytes += sizeBytes;
    this.lastWritten = tag;
    if (text.sizeBytes >= DELIVER_FRAME_BYTES || text.deliveries.length >= MAX_TEXT_DELIVERIES) this.send();
  }

  flush(): void {
    this.send();
    this.balance();
  }

  /** Told in order with deliveries; while there is no connection it is kept for the next one. */
  activeChanged(active: boolean): void {
    if (this.isOver) return;
    this.isActive = active;
    this.send();
    this.tellActive();
  }

  private tellActive(): void {
    if (this.isActive === undefined) return;
    this.setting.outbox.answer(0, { subscriptionActive: { subscription: this.number, active: this.isActive } });
  }

  private send(): void {
    const { outbox, writers } = this.setting;
    const { writer } = this;
    if (this.text.deliveries.length > 0) {
      const { text } = this;
      this.text = { deliveries: [], sizeBytes: 0 };
      if (this.mustHold(text.sizeBytes)) this.hold(text, text.sizeBytes);
      else this.sendText(text, this.lastWritten);
    }
    if (writer !== undefined) {
      this.writer = undefined;
      if (frameContentBytes(writer) > 0) this.sendFrame(finishDeliver(writer, this.number));
      writers.give(writer);
    }
    if (outbox.isClogged) this.withhold();
  }

  /** Whether a frame has to wait: what other shards had sent before they heard of a withheld credit must not count as the client's slowness. */
  private mustHold(frameBytes: number): boolean {
    return this.held.length > 0 || !this.setting.outbox.hasRoomFor(frameBytes);
  }

  private sendFrame(frame: Uint8Array): void {
    if (this.mustHold(frame.length)) {
      this.hold(copyOf(frame), frame.length);
      return;
    }
    this.lastSent = this.lastWritten;
    this.setting.outbox.sendBytes(frame);
  }

  private hold(frame: Uint8Array | TextFrame, sizeBytes: number): void {
    this.held.pushBack({ frame, sizeBytes, lastTag: this.lastWritten });
    this.heldBytes += sizeBytes;
  }

  private sendText({ deliveries }: TextFrame, lastTag: number): void {
    this.lastSent = lastTag;
    this.setting.outbox.answer(0, { deliver: { subscription: this.number, deliveries } });
  }

  /** Sends what was held, as long as the client reads. */
  private sendHeld(): void {
    const { outbox } = this.setting;
    for (;;) {
      const first = this.held.peekFront();
      if (first === undefined) return;
      const { frame, sizeBytes, lastTag } = first;
      if (!outbox.hasRoomFor(sizeBytes)) return;
      this.held.popFront();
      this.heldBytes -= sizeBytes;
      this.lastSent = lastTag;
      if (frame instanceof Uint8Array) outbox.sendBytes(frame);
      else this.sendText(frame, lastTag);
    }
  }

  /** Takes the broker's credit back, also from within a delivery, so that a queue of large messages stops in time. */
  private withhold(): void {
    if (this.isWithheld || this.isOver) return;
    this.isWithheld = true;
    if (this.automatic === undefined) this.handle?.setPrefetch(0);
  }

  /** Gives the broker what it should have now. */
  private balance(): void {
    const { handle, automatic } = this;
    const { outbox } = this.setting;
    if (this.isOver || handle === undefined) return;
    if (outbox.isClogged) {
      this.withhold();
    } else if (automatic !== undefined) {
      const slice = automatic.take(outbox.backlogBytes);
      if (slice > 0) handle.addCredit(slice);
    } else if (this.isWithheld) {
      this.isWithheld = false;
      handle.setPrefetch(this.prefetch);
    }
  }

  credit(command: CreditCommand): void {
    const { maxCredit } = this.setting.limits;
    const { automatic } = this;
    if (automatic !== undefined) {
      if (command.change !== 'add') throw notFor('automatically acknowledging', 'prefetch', this.number);
      if (automatic.total + command.count > maxCredit) {
        throw new BrokerError('limit-exceeded', `The credit of subscription ${this.number} would exceed ${maxCredit}`);
      }
      automatic.add(command.count);
      this.balance();
      return;
    }
    if (command.change !== 'prefetch') throw notFor('manually acknowledging', 'credit to add', this.number);
    this.prefetch = command.count;
    if (!this.isWithheld) this.handle?.setPrefetch(command.count);
  }

  settle(command: SettleCommand, done: ((error?: BrokerError) => void) | undefined): void {
    if (this.automatic !== undefined) throw notFor('automatically acknowledging', 'settling', this.number);
    this.tags.settle(command, this.handle, done);
  }

  seek(): void {
    throw notFor('queue', 'seek', this.number);
  }

  lend(command: SettleCommand): LentDeliveries {
    if (this.automatic !== undefined) throw notFor('automatically acknowledging', 'settling', this.number);
    return { handle: this.handle, offsets: this.tags.take(command) };
  }

  drained(): void {
    this.sendHeld();
    this.balance();
  }

  park(): void {
    this.send();
    this.withhold();
  }

  resume(received: number): void {
    if (this.automatic === undefined) this.tags.returnLost(received, this.lastSent, this.handle);
    // What was settled by being sent, and did not arrive, is lost; the credit that it took is not.
    else this.automatic.add(Math.max(0, this.lastSent - received));
    this.tellActive();
    this.drained();
  }

  closed(error: BrokerError): void {
    if (this.isOver) return;
    this.send();
    this.stop();
    this.setting.ended(this.number, error);
  }

  cancel(): void {
    if (this.isOver) return;
    this.stop();
    this.handle?.cancel();
  }

  /** Ends on what only damaged storage can cause. */
  private end(thrown: unknown): void {
    const error =
      thrown instanceof DecodeError
        ? new BrokerError('corrupt-batch', 'A record of the queue is damaged', thrown)
        : asBrokerError(thrown);
    this.cancel();
    this.setting.ended(this.number, error);
  }

  private stop(): void {
    this.isOver = true;
    this.text = { deliveries: [], sizeBytes: 0 };
    this.held.clear();
    this.heldBytes = 0;
    if (this.writer !== undefined) this.setting.writers.give(this.writer);
    this.writer = undefined;
  }
}

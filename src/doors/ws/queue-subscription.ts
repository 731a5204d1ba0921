import type { ByteWriter } from '../../base/bytes.js';
import { ByteReader } from '../../base/bytes.js';
import { copyOf } from '../../base/copy.js';
import { Deque } from '../../base/deque.js';
import { DecodeError } from '../../base/errors.js';
import { BrokerError } from '../../broker/errors.js';
import type {
  Broker,
  ConsumerHandle,
  QueueConsumer,
  RecordView,
  SettleOutcome,
  TopicEntry,
} from '../../broker/ports.js';
import { RESERVED_HEADER_NAME } from '../../record/message.js';
import type { CreditCommand, SettleCommand, SubscribeQueueCommand } from './commands.js';
import { asBrokerError } from './errors.js';
import { addDelivery, beginFrame, finishDeliver, frameContentBytes } from './frame-writer.js';
import { DELIVER_FRAME_BYTES, FIRST_CREDIT_SLICE, MAX_CREDIT_SLICE } from './limits.js';
import { notFor, type Subscription, type SubscriptionSetting } from './subscription.js';
import { TagTable } from './tag-table.js';
import type { WireMessage } from './wire-types.js';

/** Part of the backlog mark that a slice of credit may fill, as far as the sizes of earlier messages tell. */
const SLICE_SHARE = 4;
/** Weight of the newest message in the running average of sizes. */
const AVERAGE_WEIGHT = 1 / 16;

interface TextDelivery {
  readonly tag: number;
  readonly partition: number;
  readonly offset: number;
  readonly redelivered: boolean;
  readonly deliveryCount: number;
  readonly message: WireMessage;
}

/**
 * A push consumer of a queue. Deliveries of one turn are written into one buffer as they come and sent as one frame. When the socket is
 * clogged the broker's credit is taken back, and given again once it is empty: with manual acknowledgement by a prefetch of 0; with automatic
 * acknowledgement, where credit cannot be taken back, by never granting the broker more than a slice of what the client gave.
 */
export class QueueSubscription implements Subscription, QueueConsumer {
  readonly number: number;
  private readonly setting: SubscriptionSetting;
  private readonly isAutomatic: boolean;
  private readonly tags = new TagTable();
  private handle: ConsumerHandle | undefined;
  private writer: ByteWriter | undefined;
  private textDeliveries: TextDelivery[] = [];
  /** Frames that came after the socket had clogged, in their order: no more than the broker still had credit for. */
  private readonly held = new Deque<Uint8Array | readonly TextDelivery[]>();
  private isOver = false;
  private isWithheld = false;
  /** Manual acknowledgement: what the client asked for. */
  private prefetch: number;
  /** Automatic acknowledgement: the client's credit that the broker does not have. */
  private clientCredit = 0;
  /** Automatic acknowledgement: what the broker may still deliver. */
  private granted = 0;
  private nextAutomaticTag = 1;
  private averageBytes: number;

  constructor(setting: SubscriptionSetting, command: SubscribeQueueCommand) {
    this.setting = setting;
    this.number = command.subscription;
    this.isAutomatic = command.automaticAck;
    this.prefetch = command.credit;
    this.averageBytes = setting.limits.backlogMarkBytes / SLICE_SHARE / FIRST_CREDIT_SLICE;
    if (this.isAutomatic) this.clientCredit = command.credit;
  }

  /** Begins to consume. The client has been told that it is subscribed. @throws BrokerError when the broker refuses. */
  start(broker: Broker, queue: TopicEntry): void {
    const credit = this.isAutomatic ? this.takeSlice() : this.prefetch;
    this.handle = broker.consume(queue, { automaticAck: this.isAutomatic, credit }, this);
    // The broker may have delivered, or ended the consumer, before its handle was known here.
    if (this.isOver) this.handle.cancel();
    else if (this.isWithheld && !this.isAutomatic) this.handle.setPrefetch(0);
    else this.balance();
  }

  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    if (this.isOver) return;
    const tag = this.isAutomatic ? this.nextAutomaticTag++ : this.tags.add(partition, record.offset);
    if (this.isAutomatic) this.granted--;
    this.setting.counters.deliveries++;
    try {
      if (this.setting.outbox.form === 'text') this.addText(tag, partition, record, redelivered, deliveryCount);
      else this.addBinary(tag, partition, record, redelivered, deliveryCount);
    } catch (thrown) {
      this.end(thrown);
    }
  }

  private addBinary(tag: number, partition: number, record: RecordView, redelivered: boolean, count: number): void {
    let { writer } = this;
    if (writer === undefined) {
      writer = this.writer = this.setting.writers.take();
      beginFrame(writer);
    }
    const before = frameContentBytes(writer);
    addDelivery(writer, tag, partition, record, redelivered, count);
    this.averageBytes += (frameContentBytes(writer) - before - this.averageBytes) * AVERAGE_WEIGHT;
    if (frameContentBytes(writer) >= DELIVER_FRAME_BYTES) this.send();
  }

  private addText(tag: number, partition: number, record: RecordView, redelivered: boolean, count: number): void {
    const message = copiedMessage(record);
    this.textDeliveries.push({ tag, partition, offset: record.offset, redelivered, deliveryCount: count, message });
    const bytes = (record.key?.length ?? 0) + (record.value?.length ?? 0) + record.headers.length;
    this.averageBytes += (bytes - this.averageBytes) * AVERAGE_WEIGHT;
    if (bytes >= DELIVER_FRAME_BYTES || this.textDeliveries.length >= MAX_CREDIT_SLICE) this.send();
  }

  flush(): void {
    this.send();
    this.balance();
  }

  private send(): void {
    const { outbox, writers } = this.setting;
    const { writer } = this;
    if (this.textDeliveries.length > 0) {
      const deliveries = this.textDeliveries;
      this.textDeliveries = [];
      if (this.mustHold()) this.held.pushBack(deliveries);
      else this.sendText(deliveries);
    }
    if (writer !== undefined) {
      this.writer = undefined;
      if (frameContentBytes(writer) > 0) this.sendFrame(finishDeliver(writer, this.number));
      writers.give(writer);
    }
    if (outbox.isClogged) this.withhold();
  }

  /** Whether a frame has to wait: what other shards had sent before they heard of a withheld credit must not count as the client's slowness. */
  private mustHold(): boolean {
    return this.setting.outbox.isClogged || this.held.length > 0;
  }

  private sendFrame(frame: Uint8Array): void {
    if (this.mustHold()) this.held.pushBack(copyOf(frame));
    else this.setting.outbox.sendBytes(frame);
  }

  private sendText(deliveries: readonly TextDelivery[]): void {
    this.setting.outbox.answer(0, { deliver: { subscription: this.number, deliveries: [...deliveries] } });
  }

  /** Sends what was held, as long as the client reads. */
  private sendHeld(): void {
    const { outbox } = this.setting;
    while (!outbox.isClogged) {
      const first = this.held.popFront();
      if (first === undefined) return;
      if (first instanceof Uint8Array) outbox.sendBytes(first);
      else this.sendText(first);
    }
  }

  /** Takes the broker's credit back, also from within a delivery, so that a queue of large messages stops in time. */
  private withhold(): void {
    if (this.isWithheld || this.isOver) return;
    this.isWithheld = true;
    if (!this.isAutomatic) this.handle?.setPrefetch(0);
  }

  /** Gives the broker what it should have now. */
  private balance(): void {
    const { handle } = this;
    if (this.isOver || handle === undefined) return;
    if (this.setting.outbox.isClogged) {
      this.withhold();
    } else if (this.isAutomatic) {
      const slice = this.takeSlice();
      if (slice > 0) handle.addCredit(slice);
    } else if (this.isWithheld) {
      this.isWithheld = false;
      handle.setPrefetch(this.prefetch);
    }
  }

  /** Moves credit from the client's to the broker's side, once half a slice is used up. Returns how much. */
  private takeSlice(): number {
    const fitting = Math.floor(this.setting.limits.backlogMarkBytes / SLICE_SHARE / Math.max(1, this.averageBytes));
    const slice = Math.min(MAX_CREDIT_SLICE, Math.max(1, fitting));
    if (this.granted > slice / 2) return 0;
    const moved = Math.min(slice - this.granted, this.clientCredit);
    this.clientCredit -= moved;
    this.granted += moved;
    return moved;
  }

  credit(command: CreditCommand): void {
    const { maxCredit } = this.setting.limits;
    if (this.isAutomatic) {
      if (command.change !== 'add') throw notFor('automatically acknowledging', 'prefetch', this.number);
      if (this.clientCredit + this.granted + command.count > maxCredit) {
        throw new BrokerError('limit-exceeded', `The credit of subscription ${this.number} would exceed ${maxCredit}`);
      }
      this.clientCredit += command.count;
      this.balance();
      return;
    }
    if (command.change !== 'prefetch') throw notFor('manually acknowledging', 'credit to add', this.number);
    this.prefetch = command.count;
    if (!this.isWithheld) this.handle?.setPrefetch(command.count);
  }

  settle(command: SettleCommand, done: ((error?: BrokerError) => void) | undefined): void {
    if (this.isAutomatic) throw notFor('automatically acknowledging', 'settling', this.number);
    const { ranges, upToTag } = command;
    this.checkTags(ranges, upToTag);
    const settled = new Map<number, number[]>();
    const note = (partition: number, offset: number): void => {
      const offsets = settled.get(partition);
      if (offsets === undefined) settled.set(partition, [offset]);
      else offsets.push(offset);
    };
    if (upToTag > 0) this.tags.take(1, upToTag, note);
    for (let index = 0; index < ranges.length; index += 2) this.tags.take(ranges[index]!, ranges[index + 1]!, note);
    this.settleAll(settled, command.outcome, done);
  }

  private checkTags(ranges: readonly number[], upToTag: number): void {
    if (upToTag >= this.tags.next) throw this.unknownTags(upToTag, upToTag);
    for (let index = 0; index < ranges.length; index += 2) {
      const first = ranges[index]!;
      const last = ranges[index + 1]!;
      if (this.tags.count(first, last) !== last - first + 1) throw this.unknownTags(first, last);
    }
  }

  private unknownTags(first: number, last: number): BrokerError {
    const tags = first === last ? `Tag ${first}` : `One of the tags ${first} to ${last}`;
    return new BrokerError(
      'not-found',
      `${tags} of subscription ${this.number} is not unsettled: nothing was settled by this request`,
    );
  }

  private settleAll(
    settled: ReadonlyMap<number, readonly number[]>,
    outcome: SettleOutcome,
    done: ((error?: BrokerError) => void) | undefined,
  ): void {
    if (done === undefined) {
      for (const [partition, offsets] of settled) this.handle?.settle(partition, offsets, outcome);
      return;
    }
    let left = settled.size;
    let failure: BrokerError | undefined;
    const settledOne = (error?: BrokerError): void => {
      failure ??= error;
      if (--left === 0) done(failure);
    };
    if (left === 0) done();
    for (const [partition, offsets] of settled) this.handle?.settle(partition, offsets, outcome, settledOne);
  }

  seek(): void {
    throw notFor('queue', 'seek', this.number);
  }

  drained(): void {
    this.sendHeld();
    this.balance();
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
    this.textDeliveries = [];
    while (this.held.popFront());
    if (this.writer !== undefined) this.setting.writers.give(this.writer);
    this.writer = undefined;
  }
}

/** A message of its own for a text frame, which is encoded after the record's memory is gone. */
function copiedMessage(record: RecordView): WireMessage {
  const message: WireMessage = {};
  if (record.key !== null) message.key = copyOf(record.key);
  if (record.value !== null) message.value = copyOf(record.value);
  if (record.timestampMs > 0) message.timestampMs = record.timestampMs;
  if (record.headers.length > 1) message.headers = copiedHeaders(record.headers);
  return message;
}

function copiedHeaders(encoded: Uint8Array): { name: string; value?: Uint8Array }[] {
  const reader = new ByteReader(encoded);
  const headers = [];
  for (let left = reader.varint(); left > 0; left--) {
    const name = reader.utf8(reader.varint());
    const valueBytes = reader.varint();
    const header = valueBytes < 0 ? { name } : { name, value: reader.copy(valueBytes) };
    if (name !== RESERVED_HEADER_NAME) headers.push(header);
  }
  return headers;
}

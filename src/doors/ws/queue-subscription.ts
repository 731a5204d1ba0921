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
import { AutomaticCredit } from './automatic-credit.js';
import type { CreditCommand, SettleCommand, SubscribeQueueCommand } from './commands.js';
import { asBrokerError } from './errors.js';
import { addDelivery, beginFrame, finishDeliver, frameContentBytes } from './frame-writer.js';
import { DELIVER_FRAME_BYTES, MAX_TEXT_DELIVERIES } from './limits.js';
import { notFor, type Subscription, type SubscriptionSetting } from './subscription.js';
import { TagTable } from './tag-table.js';
import type { WireMessage } from './wire-types.js';

/** Bytes of text for each byte of a key or a value. */
const BASE64_GROWTH = 4 / 3;
/** About what the names of a delivery's fields and its numbers take in a text frame. */
const TEXT_DELIVERY_BYTES = 128;

interface TextDelivery {
  readonly tag: number;
  readonly partition: number;
  readonly offset: number;
  readonly redelivered: boolean;
  readonly deliveryCount: number;
  readonly message: WireMessage;
}

/** Deliveries of a text session, and how long their frame will be, in bytes. */
interface TextFrame {
  readonly deliveries: TextDelivery[];
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
  /** With automatic acknowledgement only. */
  private readonly automatic: AutomaticCredit | undefined;
  private readonly tags = new TagTable();
  private handle: ConsumerHandle | undefined;
  private writer: ByteWriter | undefined;
  private text: TextFrame = { deliveries: [], sizeBytes: 0 };
  /** Frames that came after the socket had clogged, in their order: no more than the broker still had credit for. */
  private readonly held = new Deque<Uint8Array | TextFrame>();
  private isOver = false;
  private isWithheld = false;
  /** Manual acknowledgement: what the client asked for. */
  private prefetch: number;
  private nextAutomaticTag = 1;

  constructor(setting: SubscriptionSetting, command: SubscribeQueueCommand) {
    this.setting = setting;
    this.number = command.subscription;
    const { backlogMarkBytes } = setting.limits;
    this.automatic = command.automaticAck ? new AutomaticCredit(command.credit, backlogMarkBytes) : undefined;
    this.prefetch = command.credit;
  }

  /** Begins to consume. The client has been told that it is subscribed. @throws BrokerError when the broker refuses. */
  start(broker: Broker, queue: TopicEntry): void {
    const { automatic } = this;
    const credit = automatic === undefined ? this.prefetch : automatic.begin(queue.partitions.length);
    this.handle = broker.consume(queue, { automaticAck: automatic !== undefined, credit }, this);
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
    const message = copiedMessage(record);
    const { text } = this;
    text.deliveries.push({ tag, partition, offset: record.offset, redelivered, deliveryCount: count, message });
    text.sizeBytes += sizeBytes;
    if (text.sizeBytes >= DELIVER_FRAME_BYTES || text.deliveries.length >= MAX_TEXT_DELIVERIES) this.send();
  }

  flush(): void {
    this.send();
    this.balance();
  }

  private send(): void {
    const { outbox, writers } = this.setting;
    const { writer } = this;
    if (this.text.deliveries.length > 0) {
      const { text } = this;
      this.text = { deliveries: [], sizeBytes: 0 };
      if (this.mustHold(text.sizeBytes)) this.held.pushBack(text);
      else this.sendText(text);
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
    if (this.mustHold(frame.length)) this.held.pushBack(copyOf(frame));
    else this.setting.outbox.sendBytes(frame);
  }

  private sendText({ deliveries }: TextFrame): void {
    this.setting.outbox.answer(0, { deliver: { subscription: this.number, deliveries } });
  }

  /** Sends what was held, as long as the client reads. */
  private sendHeld(): void {
    const { outbox } = this.setting;
    for (;;) {
      const first = this.held.peekFront();
      if (first === undefined) return;
      if (!outbox.hasRoomFor(first instanceof Uint8Array ? first.length : first.sizeBytes)) return;
      this.held.popFront();
      if (first instanceof Uint8Array) outbox.sendBytes(first);
      else this.sendText(first);
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
    this.text = { deliveries: [], sizeBytes: 0 };
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

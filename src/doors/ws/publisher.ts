import type { ByteWriter } from '../../base/bytes.js';
import { Deque } from '../../base/deque.js';
import { BrokerError } from '../../broker/errors.js';
import type { RoutedMessage } from '../../broker/model.js';
import {
  type Broker,
  DurabilityLevel,
  type PublishListener,
  type RoutingBroker,
  type TopicEntry,
} from '../../broker/ports.js';
import { checkPublishedBatch } from './batches.js';
import type { PublishCommand, PublishRoutedCommand, RoutedPart } from './commands.js';
import type { DoorCounters } from './counters.js';
import { asBrokerError, invalidRequest, ProtocolError } from './errors.js';
import { addConfirm, beginFrame, finishConfirms, frameContentBytes } from './frame-writer.js';
import { DELIVER_FRAME_BYTES, type SessionLimits } from './limits.js';
import type { Outbox } from './outbox.js';
import { type PendingPublish, PublishWindow } from './publish-window.js';
import { inVhost } from './topics.js';
import type { WireConfirm } from './wire-types.js';
import type { WriterPool } from './writer-pool.js';

/** Confirms in one text frame. */
const MAX_TEXT_CONFIRMS = 1000;

/** Stands for the number of outcomes while it is being counted: more than there can be. */
const OUTCOMES_UNKNOWN = 2 ** 40;
const NO_BYTES = new Uint8Array(0);

/** What a publisher needs from its surroundings. */
export interface PublisherSetting {
  readonly broker: Broker & RoutingBroker;
  readonly limits: SessionLimits;
  readonly counters: DoorCounters;
  readonly writers: WriterPool;
  /** Asks for `flush` at the end of this turn. */
  markTurn(): void;
}

/**
 * The publishing half of a session: the window, and the outcomes on their way back. Outcomes of one turn leave as one Confirms frame, in the
 * order in which they came. While the socket is clogged they stay here and keep their place in the window: a client that does not read its
 * confirms soon has none left to publish into.
 */
export class Publisher implements PublishListener {
  private readonly setting: PublisherSetting;
  private readonly outbox: Outbox;
  private readonly window: PublishWindow;
  private readonly outcomes = new Deque<PendingPublish>();
  /** Filled anew for each message. */
  private readonly routed: { -readonly [Name in keyof RoutedMessage]: RoutedMessage[Name] } = {
    exchange: '',
    routingKey: '',
    properties: NO_BYTES,
    body: NO_BYTES,
    persistent: false,
  };

  constructor(setting: PublisherSetting, outbox: Outbox) {
    this.setting = setting;
    this.outbox = outbox;
    const { limits } = setting;
    this.window = new PublishWindow(limits.maxInflightPublishes, limits.maxInflightBytes);
  }

  /** Publishes whose outcome is not written yet. */
  get inFlight(): number {
    return this.window.inFlight;
  }

  /** Whether outcomes wait for the socket. */
  get hasOutcomes(): boolean {
    return this.outcomes.length > 0;
  }

  /**
   * Takes a publish frame into the window.
   * @throws ProtocolError `policy` when the window has no room.
   */
  open(id: number, frameBytes: number): PendingPublish {
    if (!this.window.hasRoomFor(frameBytes)) {
      const { limits } = this.setting;
      throw new ProtocolError(
        'policy',
        `Publish window overrun: ${this.window.inFlight} of ${limits.maxInflightPublishes} publishes and ` +
          `${this.window.inFlightBytes} of ${limits.maxInflightBytes} bytes unconfirmed`,
      );
    }
    this.setting.counters.publishes++;
    return this.window.open(id, frameBytes);
  }

  /** Hands a publish to the broker; a rule that it breaks becomes its outcome. */
  publish(pending: PendingPublish, command: PublishCommand | PublishRoutedCommand): void {
    try {
      if (command.kind === 'publish') this.hand(pending, command);
      else this.route(pending, command);
    } catch (thrown) {
      this.fail(pending, thrown);
    }
  }

  /** Makes an error the outcome of a publish. */
  fail(pending: PendingPublish, thrown: unknown): void {
    pending.error = asBrokerError(thrown);
    this.complete(pending);
  }

  private hand(pending: PendingPublish, command: PublishCommand): void {
    const { broker, counters } = this.setting;
    const topic = broker.topic(command.to, command.vhost);
    if (topic === undefined) {
      throw new BrokerError(
        'not-found',
        `Cannot publish to ${JSON.stringify(command.to)}${inVhost(command.vhost)}: there is no such topic or queue`,
      );
    }
    const { partition } = command;
    if (partition !== undefined && partition >= topic.partitions.length) {
      throw new BrokerError(
        'not-found',
        `Cannot publish to partition ${partition} of "${topic.name}": it has ${topic.partitions.length}`,
      );
    }
    const level = command.level ?? topic.settings.durability;
    if (command.batch !== undefined) {
      this.handBatch(pending, command, topic, command.batch, level);
      return;
    }
    if (command.messages.length === 0) throw invalidRequest('The publish has neither messages nor a batch');
    if (command.producer !== undefined && partition === undefined && topic.partitions.length > 1) {
      throw invalidRequest(`An idempotent publish to "${topic.name}" needs a partition: it has several`);
    }
    pending.messagesLeft = command.messages.length;
    counters.messagesIn += command.messages.length;
    broker.publishMessages(topic, partition, command.messages, level, command.producer, pending.token, this);
  }

  private handBatch(
    pending: PendingPublish,
    command: PublishCommand,
    topic: TopicEntry,
    batch: Uint8Array,
    level: DurabilityLevel,
  ): void {
    if (command.messages.length > 0) throw invalidRequest('The publish has both messages and a batch');
    if (command.producer !== undefined) throw invalidRequest('A batch carries its own producer fields');
    if (command.partition === undefined && topic.partitions.length > 1) {
      throw invalidRequest(`A batch for "${topic.name}" needs a partition: it has ${topic.partitions.length}`);
    }
    pending.messagesLeft = checkPublishedBatch(batch, this.setting.limits);
    this.setting.counters.messagesIn += pending.messagesLeft;
    this.setting.broker.publishBatch(topic, command.partition ?? 0, batch, level, pending.token, this);
  }

  private route(pending: PendingPublish, command: PublishRoutedCommand): void {
    const { messages } = command;
    this.setting.counters.messagesIn += messages.length;
    // An outcome may come before all messages are handed over: the sum is only known then.
    pending.messagesLeft = OUTCOMES_UNKNOWN;
    pending.isRouted = true;
    let outcomes = 0;
    for (let index = 0; index < messages.length; index++) {
      const count = this.routeOne(pending, command, messages[index]!);
      if (count === 0 && command.mandatory) pending.unroutable.push(index);
      outcomes += count;
      if (pending.error !== undefined) return;
    }
    pending.messagesLeft -= OUTCOMES_UNKNOWN - outcomes;
    if (pending.messagesLeft > 0) return;
    // What nobody wants is as safe as asked.
    if (outcomes === 0) pending.reached = command.persistent ? DurabilityLevel.disk : DurabilityLevel.memory;
    this.complete(pending);
  }

  private routeOne(pending: PendingPublish, command: PublishRoutedCommand, part: RoutedPart): number {
    const { routed } = this;
    routed.exchange = command.exchange;
    routed.routingKey = part.routingKey;
    routed.properties = part.properties;
    routed.body = part.value;
    routed.persistent = command.persistent;
    routed.delayMs = part.delayMs;
    if (part.deliverAtMs > 0) routed.deliverAtMs = part.deliverAtMs;
    else delete routed.deliverAtMs;
    const outcomes = this.setting.broker.publishRouted(command.vhost, routed, pending.token, this);
    routed.body = NO_BYTES;
    return outcomes;
  }

  published(
    token: number,
    partition: number,
    baseOffset: number,
    count: number,
    reached: DurabilityLevel,
    duplicate: boolean,
  ): void {
    const pending = this.window.find(token);
    if (pending === undefined || pending.error !== undefined) return;
    // A message that several logs have stored has no one place.
    if (!pending.isRouted) pending.ranges.push(partition, baseOffset, count);
    pending.reached = pending.reached === 0 ? reached : Math.min(pending.reached, reached);
    pending.isDuplicate ||= duplicate;
    pending.messagesLeft -= count;
    if (pending.messagesLeft <= 0) this.complete(pending);
  }

  publishFailed(token: number, error: BrokerError): void {
    const pending = this.window.find(token);
    // One failure is the outcome of the whole publish; those of its other partitions add nothing.
    if (pending !== undefined && pending.error === undefined) this.fail(pending, error);
  }

  private complete(pending: PendingPublish): void {
    this.outcomes.pushBack(pending);
    this.setting.markTurn();
  }

  /** Writes the outcomes of this turn, as long as the socket is not clogged. */
  flush(): void {
    while (this.outcomes.length > 0 && !this.outbox.isClogged) {
      const first = this.outcomes.peekFront();
      if (first?.error !== undefined) this.flushError(first, first.error);
      else if (this.outbox.form === 'text') this.flushTextConfirms();
      else this.flushConfirms();
    }
  }

  private flushError(pending: PendingPublish, error: BrokerError): void {
    this.outcomes.popFront();
    const { id } = pending;
    this.window.close(pending);
    this.outbox.error(id, error);
  }

  private flushConfirms(): void {
    const writer = this.setting.writers.take();
    beginFrame(writer);
    this.takeConfirms((pending) => {
      addConfirm(writer, pending.id, pending.ranges, pending.reached, pending.isDuplicate, pending.unroutable);
      return frameContentBytes(writer) < DELIVER_FRAME_BYTES;
    });
    this.sendConfirms(writer);
    this.setting.writers.give(writer);
  }

  private sendConfirms(writer: ByteWriter): void {
    // Publishes with id 0 leave the window without a word.
    if (frameContentBytes(writer) > 0) this.outbox.sendBytes(finishConfirms(writer));
  }

  private flushTextConfirms(): void {
    const confirms: WireConfirm[] = [];
    this.takeConfirms((pending) => {
      const ranges = [];
      for (let index = 0; index < pending.ranges.length; index += 3) {
        const [partition = 0, baseOffset = 0, count = 0] = pending.ranges.slice(index, index + 3);
        ranges.push({ partition, baseOffset, count });
      }
      const { id, reached, isDuplicate: duplicate, unroutable } = pending;
      confirms.push({ id, ranges, reached, duplicate, ...(unroutable.length === 0 ? {} : { unroutable }) });
      return confirms.length < MAX_TEXT_CONFIRMS;
    });
    if (confirms.length > 0) this.outbox.answer(0, { confirms: { confirms } });
  }

  /** Takes successful outcomes from the front, writing those that somebody waits for, until `write` returns false. */
  private takeConfirms(write: (pending: PendingPublish) => boolean): void {
    for (let pending = this.outcomes.peekFront(); pending?.error === undefined && pending; ) {
      this.outcomes.popFront();
      const goOn = pending.id === 0 || write(pending);
      if (pending.id !== 0) this.setting.counters.confirms++;
      this.window.close(pending);
      if (!goOn) return;
      pending = this.outcomes.peekFront();
    }
  }
}

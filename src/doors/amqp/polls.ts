import { ByteWriter } from '../../base/bytes.js';
import type { BrokerError } from '../../broker/errors.js';
import type { PollHandle, QueueConsumer, RecordView, TopicEntry } from '../../broker/ports.js';
import { SettleOutcome } from '../../broker/ports.js';
import { parseQueuePolicy } from '../../broker/queue-arguments.js';
import { AmqpError, asAmqpError, resourceText } from './errors.js';
import { beginMethod, endFrame, writeContent, writeShort } from './frame-writer.js';
import { MAX_IDLE_POLLS } from './limits.js';
import { isQuorum, messageOf, withDeliveryCount } from './messages.js';
import { Method } from './methods.js';
import { type ChannelScope, channelName } from './scope.js';
import type { DeliverySource } from './settlements.js';

/** A message that came for a basic.get; how many wait behind it is told afterwards. */
interface Got {
  readonly frames: ByteWriter;
  readonly countAt: number;
}

/** One queue that a channel asks for single messages. */
class Poll implements QueueConsumer {
  readonly queue: TopicEntry;
  source: DeliverySource | undefined;
  isClosed = false;
  /** Whether the get under way settles its message by being handed over; undefined = none is under way. */
  automaticAck: boolean | undefined;
  got: Got | undefined;
  private readonly scope: ChannelScope;
  private readonly countsDeliveries: boolean;

  constructor(scope: ChannelScope, queue: TopicEntry) {
    this.scope = scope;
    this.queue = queue;
    this.countsDeliveries = isQuorum(queue);
  }

  deliver(partition: number, record: RecordView, redelivered: boolean, deliveryCount: number): void {
    const { scope, source } = this;
    if (this.automaticAck === undefined || source === undefined || !scope.isOpen) {
      source?.handle.settle(partition, [record.offset], SettleOutcome.requeue);
      return;
    }
    const message = messageOf(record, this.queue.name);
    if (this.countsDeliveries) message.properties = withDeliveryCount(message.properties, deliveryCount);
    const tag = scope.takeTag();
    scope.figures.delivered++;
    if (redelivered) scope.figures.redelivered++;
    const frames = new ByteWriter();
    const frame = beginMethod(frames, scope.id, Method.basicGetOk);
    frames.i64(tag);
    frames.u8(redelivered ? 1 : 0);
    writeShort(frames, message.exchange);
    writeShort(frames, message.routingKey);
    const countAt = frames.skip(4);
    endFrame(frames, frame);
    writeContent(frames, scope.id, message.properties, message.body, scope.session.frameMaxBytes);
    this.got = { frames, countAt };
    const { counters } = scope.context;
    if (redelivered) counters.redelivered++;
    if (this.automaticAck) counters.automaticGets++;
    else scope.settlements.add(tag, source, partition, record.offset);
  }

  flush(): void {
    // The answer is sent when the count is known.
  }

  closed(): void {
    this.isClosed = true;
  }
}

/** basic.get of one channel: a hold on every queue that it asks, the idle ones of which are let go. */
export class Polls {
  private readonly scope: ChannelScope;
  private readonly polls = new Map<number, Poll>();

  constructor(scope: ChannelScope) {
    this.scope = scope;
  }

  /** Asks for one message and answers the client. Later frames of the channel wait meanwhile. @throws AmqpError. */
  get(queue: TopicEntry, automaticAck: boolean): void {
    const { scope } = this;
    if (isQuorum(queue)) this.refuseBesideActive(queue);
    const poll = this.open(queue);
    const release = scope.hold();
    poll.automaticAck = automaticAck;
    this.handleOf(poll).get(automaticAck, (left, error) => {
      poll.automaticAck = undefined;
      const { got } = poll;
      poll.got = undefined;
      if (!scope.isOpen) return;
      this.answer(got, left, error);
      release();
    });
  }

  /** Where one consumer gets everything in order, nobody may take a message from beside it. */
  private refuseBesideActive(queue: TopicEntry): void {
    if (!parseQueuePolicy(queue.settings.queue!.arguments).singleActiveConsumer) return;
    const subject = resourceText('queue', queue.name, this.scope.session.vhost);
    const text = `cannot obtain access to locked ${subject}. basic.get operations are not supported by quorum queues with single active consumer`;
    throw new AmqpError('resource-locked', text, Method.basicGet);
  }

  private answer(got: Got | undefined, left: number, error: BrokerError | undefined): void {
    const { scope } = this;
    const { counters } = scope.context;
    if (error !== undefined) {
      scope.raise(asAmqpError(error, Method.basicGet));
      return;
    }
    const writer = scope.outbox.open();
    if (got === undefined) {
      counters.emptyGets++;
      const frame = beginMethod(writer, scope.id, Method.basicGetEmpty);
      writeShort(writer, '');
      endFrame(writer, frame);
      return;
    }
    counters.gets++;
    got.frames.patchU32(got.countAt, Math.max(0, left));
    writer.raw(got.frames.view());
  }

  private handleOf(poll: Poll): PollHandle {
    // Only `open` makes polls, and it gives each a poll handle.
    return poll.source?.handle as PollHandle;
  }

  private open(queue: TopicEntry): Poll {
    const known = this.polls.get(queue.topicId);
    if (known !== undefined && !known.isClosed) return known;
    if (known !== undefined) this.letGo(known);
    if (this.polls.size >= MAX_IDLE_POLLS) this.letIdleGo();
    const { scope } = this;
    const { broker } = scope.context.ports;
    const label = { session: channelName(scope), consumer: 'basic.get' };
    const poll = new Poll(scope, queue);
    try {
      poll.source = scope.settlements.open(broker.poll(queue, scope.session.connection, poll, label), 'poll');
    } catch (thrown) {
      throw asAmqpError(thrown, Method.basicGet);
    }
    this.polls.set(queue.topicId, poll);
    return poll;
  }

  private letIdleGo(): void {
    for (const poll of this.polls.values()) {
      if (poll.source?.unsettled === 0) this.letGo(poll);
    }
  }

  private letGo(poll: Poll): void {
    this.polls.delete(poll.queue.topicId);
    if (poll.source !== undefined) this.scope.settlements.end(poll.source);
  }
}

/** Who gets the messages of a partition, as its owner sees them, and the ways to them. */
import type { BrokerError } from './errors.js';
import type { ConsumerLabel } from './ports.js';
import type { StoredRecord } from './push-reader.js';

/** Where the deliveries of one consumer go: a session of this shard, or another shard. */
export interface DeliverySink {
  /** False while the way to the consumer is full: it gets nothing until `OwnedPartition.wake`. */
  readonly writable: boolean;
  /** The largest record, as stored, that the way to the consumer can carry. */
  readonly maxRecordBytes: number;
  deliver(record: StoredRecord, redelivered: boolean, deliveryCount: number): void;
  /** The deliveries of this turn are complete. */
  flush(): void;
  /** Whether it is the one that gets messages, in a queue with a single active consumer. */
  activeChanged?(active: boolean): void;
  closed(error: BrokerError): void;
}

/** Where the messages go that somebody asks for one by one. */
export interface PollSink extends DeliverySink {
  /** The answer to one request, after its delivery if there was one: how many messages wait behind it, or -1 when there was none. */
  got(left: number, error?: BrokerError): void;
}

/** How a consumer wants its messages. */
export interface ConsumerTerms {
  readonly automaticAck: boolean;
  readonly credit: number;
  /** Nobody else may consume. */
  readonly isExclusive: boolean;
  /** Higher ones get messages first, as long as they can take them. */
  readonly priority: number;
  readonly label: ConsumerLabel;
}

/** Stands for a name that nobody has given. */
export const NO_LABEL: ConsumerLabel = { session: '', consumer: '' };

/** Who holds deliveries: a consumer, somebody who asks for single messages, or a consumer that was cancelled and may settle what it got. */
export interface Holder {
  /** Unique on this node: the session's shard and its number there. */
  readonly id: number;
  readonly sink: DeliverySink;
  /** It asks for single messages. */
  readonly isPoller: boolean;
  readonly label: ConsumerLabel;
  /** Deliveries not settled yet; always 0 with automatic acknowledgement. */
  unsettled: number;
}

/** Somebody who asks for single messages. */
export interface Poller extends Holder {
  readonly sink: PollSink;
}

/** A consumer as the owner counts it. */
export interface PartitionConsumer extends Holder {
  readonly automaticAck: boolean;
  readonly isExclusive: boolean;
  readonly priority: number;
  /** Manual acknowledgement: deliveries that may be unsettled at once. Automatic: deliveries still granted. */
  credit: number;
  /** Another one gets the messages as long as it is there: the queue has a single active consumer. */
  isStandby: boolean;
  /** Whether it stands in the line of those who can take a message. */
  queued: boolean;
  /** Whether it got something in this turn. */
  isTouched: boolean;
}

/** One message that was asked for. */
export interface PendingGet {
  readonly poller: Poller;
  readonly automaticAck: boolean;
}

/** Whether a consumer may get a message now. */
export function canTake(consumer: PartitionConsumer): boolean {
  return consumer.credit > consumer.unsettled && !consumer.isStandby && consumer.sink.writable;
}

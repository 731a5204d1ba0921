import type { BrokerError } from './errors.js';
import type { DeliverySink, PollSink } from './partition-consumers.js';
import type { QueueConsumer } from './ports.js';
import type { StoredRecord } from './push-reader.js';

/** The owner's way to a consumer whose session lives on the same shard. */
export class LocalConsumer implements DeliverySink {
  readonly writable = true;
  readonly maxRecordBytes = Number.POSITIVE_INFINITY;
  private readonly consumer: QueueConsumer;
  private readonly partition: number;

  constructor(consumer: QueueConsumer, partition: number) {
    this.consumer = consumer;
    this.partition = partition;
  }

  deliver(record: StoredRecord, redelivered: boolean, deliveryCount: number): void {
    this.consumer.deliver(this.partition, record, redelivered, deliveryCount);
  }

  flush(): void {
    this.consumer.flush();
  }

  activeChanged(active: boolean): void {
    this.consumer.activeChanged?.(active);
  }

  closed(error: BrokerError): void {
    this.consumer.closed(error);
  }
}

/** The owner's way to who asks for single messages, on the same shard. */
export class LocalPoll extends LocalConsumer implements PollSink {
  private readonly answered: (left: number, error?: BrokerError) => void;

  constructor(consumer: QueueConsumer, partition: number, answered: (left: number, error?: BrokerError) => void) {
    super(consumer, partition);
    this.answered = answered;
  }

  got(left: number, error?: BrokerError): void {
    this.answered(left, error);
  }
}

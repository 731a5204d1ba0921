/**
 * One session's hold on a queue that it asks for single messages. Requests are answered in order; of a queue with several partitions, each is asked in
 * turn until one has a message.
 */
import { Deque } from '../base/deque.js';
import type { BrokerError } from './errors.js';
import type { DeliverySource, PollHandle, QueueConsumer, SettleOutcome } from './ports.js';
import type { SliceSource } from './queue-subscription.js';

/** The owner's side of one partition, near or far. */
export interface PollSlice {
  readonly source?: SliceSource;
  /** Asks for one message; `PollPart.got` is called once for it, in order. */
  get(automaticAck: boolean): void;
  settle(offsets: readonly number[], outcome: SettleOutcome, done?: (error?: BrokerError) => void): void;
  cancel(): void;
  /** How many messages wait in this partition, as far as shared memory tells. */
  readonly ready: number;
}

/** What a partition's owner says; given to the slice when it is opened. */
export interface PollPart extends QueueConsumer {
  got(left: number, error?: BrokerError): void;
}

interface Asked {
  readonly automaticAck: boolean;
  readonly done: (left: number, error?: BrokerError) => void;
}

/** See the top of this file. */
export class QueuePoll implements PollHandle {
  private readonly slices: readonly PollSlice[];
  private readonly consumer: QueueConsumer;
  private readonly beforeGet: () => void;
  /** Not answered yet, the oldest first. */
  private readonly asked = new Deque<Asked>();
  /** Where the oldest request began, and how many partitions had nothing for it. */
  private first = 0;
  private empty = 0;
  private isOver = false;

  /** `beforeGet`: for what must not be overtaken by a request. */
  constructor(
    partitions: number,
    consumer: QueueConsumer,
    open: (partition: number, part: PollPart) => PollSlice,
    beforeGet: () => void = () => undefined,
  ) {
    this.beforeGet = beforeGet;
    this.consumer = consumer;
    const part: PollPart = {
      deliver: (partition, record, redelivered, count) => consumer.deliver(partition, record, redelivered, count),
      flush: () => consumer.flush(),
      closed: (error) => this.closed(error),
      got: (left, error) => this.got(left, error),
    };
    this.slices = Array.from({ length: partitions }, (_, partition) => open(partition, part));
  }

  get(automaticAck: boolean, done: (left: number, error?: BrokerError) => void): void {
    this.beforeGet();
    this.asked.pushBack({ automaticAck, done });
    // A single partition answers in order by itself; of several, another one may have to be asked first.
    if (this.slices.length === 1) this.slices[0]!.get(automaticAck);
    else if (this.asked.length === 1) this.ask();
  }

  settle(
    partition: number,
    offsets: readonly number[],
    outcome: SettleOutcome,
    done?: (error?: BrokerError) => void,
  ): void {
    this.slices[partition]!.settle(offsets, outcome, done);
  }

  source(partition: number): DeliverySource | undefined {
    const source = this.slices[partition]?.source;
    return source === undefined || this.isOver ? undefined : { ...source, settled: () => undefined };
  }

  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.asked.clear();
    for (const slice of this.slices) slice.cancel();
  }

  private ask(): void {
    const asked = this.asked.peekFront();
    if (asked === undefined) return;
    this.slices[(this.first + this.empty) % this.slices.length]!.get(asked.automaticAck);
  }

  private got(left: number, error: BrokerError | undefined): void {
    if (this.isOver) return;
    const { length } = this.slices;
    if (left < 0 && error === undefined && this.empty + 1 < length) {
      this.empty++;
      this.ask();
      return;
    }
    const from = (this.first + this.empty) % length;
    this.first = (from + 1) % length;
    this.empty = 0;
    const asked = this.asked.popFront();
    asked?.done(left < 0 ? left : left + this.readyBeside(from), error);
    if (length > 1) this.ask();
  }

  private readyBeside(partition: number): number {
    let ready = 0;
    for (const [index, slice] of this.slices.entries()) if (index !== partition) ready += slice.ready;
    return ready;
  }

  private closed(error: BrokerError): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const slice of this.slices) slice.cancel();
    for (let asked = this.asked.popFront(); asked !== undefined; asked = this.asked.popFront()) asked.done(-1, error);
    this.consumer.closed(error);
  }
}

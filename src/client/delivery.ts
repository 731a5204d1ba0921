import type { ByteReader } from '../base/bytes.js';
import { Outcome } from '../proto/client-wire.js';
import { WireMessage } from './received.js';
import type { Settler } from './settler.js';
import { fieldEnd, skipField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const DELIVERY_TAG = wireTag(1, WIRE_VARINT);
const DELIVERY_PARTITION = wireTag(2, WIRE_VARINT);
const DELIVERY_OFFSET = wireTag(3, WIRE_VARINT);
const DELIVERY_REDELIVERED = wireTag(4, WIRE_VARINT);
const DELIVERY_COUNT = wireTag(5, WIRE_VARINT);
const DELIVERY_MESSAGE = wireTag(6, WIRE_LENGTH);

/** What becomes of a message that was not handled. */
export interface NackOptions {
  /** Default true: the message goes back to its place in the queue and is delivered again; false: it is dropped. */
  readonly requeue?: boolean;
}

/**
 * A message of a queue. With manual acknowledgement each is settled once: `ack`, `nack`, or `ackUpTo` of a later one. `ack` and `nack` are
 * free: those of one turn of the event loop are sent together. They return false when the connection over which the message came is gone; the
 * node delivers it again then.
 */
export class Delivery extends WireMessage {
  /** Names the delivery in its subscription; counts from 1. */
  tag = 0;
  /** Whether the message may have been delivered before. */
  redelivered = false;
  /** How often it was delivered before and came back. */
  deliveryCount = 0;
  /** Only for the subscription: whether it was settled by itself. */
  isSettled = false;
  /** Only for the subscription: the connection over which it came. */
  readonly source: Settler;

  constructor(settler: Settler, reader: ByteReader, end: number) {
    super(reader.bytes);
    this.source = settler;
    while (reader.at < end) {
      const tag = reader.uvarint();
      if (tag === DELIVERY_TAG) this.tag = reader.uvarlong();
      else if (tag === DELIVERY_PARTITION) this.partition = reader.uvarint();
      else if (tag === DELIVERY_OFFSET) this.offset = reader.uvarlong();
      else if (tag === DELIVERY_REDELIVERED) this.redelivered = reader.uvarint() !== 0;
      else if (tag === DELIVERY_COUNT) this.deliveryCount = reader.uvarint();
      else if (tag === DELIVERY_MESSAGE) this.locate(reader, fieldEnd(reader));
      else skipField(reader, tag);
    }
  }

  /** Done: the queue forgets the message. @throws ClientError `already-settled`. */
  ack(): boolean {
    return this.source.settle(this, Outcome.OUTCOME_ACKNOWLEDGE);
  }

  /** Not done: the message goes back to the queue, or is dropped. @throws ClientError `already-settled`. */
  nack(options: NackOptions = {}): boolean {
    return this.source.settle(this, outcomeOf(options));
  }

  /** Like `ack`; resolves once the acknowledgement is as durable as the queue. @throws ClientError, `stale-delivery` among others. */
  ackConfirmed(): Promise<void> {
    return this.source.settleConfirmed(this, Outcome.OUTCOME_ACKNOWLEDGE);
  }

  /** Like `nack`; resolves once that is as durable as the queue. @throws ClientError, `stale-delivery` among others. */
  nackConfirmed(options: NackOptions = {}): Promise<void> {
    return this.source.settleConfirmed(this, outcomeOf(options));
  }
}

function outcomeOf(options: NackOptions): Outcome {
  return options.requeue === false ? Outcome.OUTCOME_DISCARD : Outcome.OUTCOME_REQUEUE;
}

import type { ByteReader } from '../base/bytes.js';
import { encodeUtf8 } from '../base/utf8.js';
import { Outcome } from '../proto/client-wire.js';
import type { RecordHeader } from '../record/records.js';
import { WireMessage } from './received.js';
import {
  type DeadLetter,
  type MessageOrigin,
  type ReceivedProperties,
  type RoutedPart,
  routedPartOf,
} from './routed-message.js';
import type { Settler } from './settler.js';
import type { FieldValue } from './values.js';
import { fieldEnd, skipField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';

const DELIVERY_TAG = wireTag(1, WIRE_VARINT);
const DELIVERY_PARTITION = wireTag(2, WIRE_VARINT);
const DELIVERY_OFFSET = wireTag(3, WIRE_VARINT);
const DELIVERY_REDELIVERED = wireTag(4, WIRE_VARINT);
const DELIVERY_COUNT = wireTag(5, WIRE_VARINT);
const DELIVERY_MESSAGE = wireTag(6, WIRE_LENGTH);
const DELIVERY_ROUTED = wireTag(7, WIRE_LENGTH);

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
  private routedStart = 0;
  /** 0: the message was not published to an exchange. */
  private routedEnd = 0;
  private routedPart: RoutedPart | undefined;

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
      else if (tag === DELIVERY_ROUTED) this.locateRouted(reader);
      else skipField(reader, tag);
    }
  }

  private locateRouted(reader: ByteReader): void {
    this.routedEnd = fieldEnd(reader);
    this.routedStart = reader.at;
    reader.at = this.routedEnd;
  }

  /** How the message was published, when it was published to an exchange. */
  private get routed(): RoutedPart | undefined {
    if (this.routedEnd === 0) return undefined;
    this.routedPart ??= routedPartOf(this.bytes.subarray(this.routedStart, this.routedEnd));
    return this.routedPart;
  }

  /** The exchange that the message was published to; undefined for messages that were published to the queue itself. */
  get exchange(): string | undefined {
    return this.routed?.exchange;
  }

  /** The routing key that it was published with. */
  get routingKey(): string | undefined {
    return this.routed?.routingKey;
  }

  /** What its publisher said about it. */
  get properties(): ReceivedProperties | undefined {
    return this.routed?.properties;
  }

  /** How often, from where and why it became a dead letter; the newest first. */
  get deadLetters(): readonly DeadLetter[] {
    return this.routed?.deadLetters ?? [];
  }

  /** Of a dead letter: where it lay when it died. */
  get origin(): MessageOrigin | undefined {
    return this.routed?.origin;
  }

  /** Name and value of each header; those of messages for exchanges as text, see `properties.headers` for their types. */
  override get headers(): readonly RecordHeader[] {
    const { properties } = this;
    if (properties === undefined) return super.headers;
    return Object.entries(properties.headers).map(([name, value]): RecordHeader => [name, headerBytes(value)]);
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

function headerBytes(value: FieldValue): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value;
  if (value instanceof Date) return encodeUtf8(value.toISOString());
  return encodeUtf8(typeof value === 'object' ? JSON.stringify(value) : String(value));
}

/** What becomes of a message that was not handled, as a number. */
export function outcomeOf(options: NackOptions): Outcome {
  return options.requeue === false ? Outcome.OUTCOME_DISCARD : Outcome.OUTCOME_REQUEUE;
}

/** A record as an AMQP message: from its envelope, or made up for records of other doors. */
import { readUtf8 } from '../../base/utf8.js';
import type { RecordView, TopicEntry } from '../../broker/ports.js';
import { otherHeaders, readEnvelope } from '../../record/amqp/envelope.js';
import { decodeTable, encodeTable, type FieldValue, textOf } from '../../record/amqp/field-table.js';
import { EMPTY_PROPERTIES, encodeProperties, headersOf, replaceHeaders } from '../../record/amqp/properties.js';
import { cutShort } from './errors.js';
import { MAX_SHORT_STRING_BYTES } from './limits.js';

const EMPTY = new Uint8Array(0);
/** Text of this many UTF-16 units always fits a short string. */
const SURELY_SHORT_UNITS = 85;

/** The parts of a message as frames show them; views are as borrowed as the record was. */
export interface DeliveredMessage {
  exchange: string;
  routingKey: string;
  properties: Uint8Array;
  body: Uint8Array;
}

const message: DeliveredMessage = { exchange: '', routingKey: '', properties: EMPTY_PROPERTIES, body: EMPTY };

/** The message that a record holds. There is one object, which the next call fills anew. `queue` stands in for a missing key. */
export function messageOf(record: RecordView, queue: string): DeliveredMessage {
  message.body = record.value ?? EMPTY;
  const envelope = readEnvelope(record.headers);
  if (envelope !== undefined) {
    message.exchange = shortOf(envelope.exchange);
    message.routingKey = shortOf(envelope.routingKey);
    message.properties = envelope.properties;
    return message;
  }
  message.exchange = '';
  message.routingKey = keyOf(record.key) ?? queue;
  message.properties = foreignProperties(record.headers);
  return message;
}

function shortOf(text: string): string {
  return text.length <= SURELY_SHORT_UNITS ? text : cutShort(text);
}

function keyOf(key: Uint8Array | null): string | undefined {
  if (key === null) return undefined;
  return shortOf(readUtf8(key, 0, Math.min(key.length, MAX_SHORT_STRING_BYTES * 2)));
}

/** Headers of a record from another door, as far as a table can name them. */
function foreignProperties(headers: Uint8Array): Uint8Array {
  if (headers.length < 2) return EMPTY_PROPERTIES;
  const table = new Map<string, FieldValue>();
  for (const [name, value] of otherHeaders(headers)) {
    table.set(shortOf(name), value === null ? { type: 'void' } : { type: 'longstr', value });
  }
  return table.size === 0 ? EMPTY_PROPERTIES : encodeProperties({ headers: table });
}

/** The properties with the header that RabbitMQ adds to what quorum queues deliver: how often the message came back. */
export function withDeliveryCount(properties: Uint8Array, count: number): Uint8Array {
  const headers = headersOf(properties);
  const table = new Map(headers === undefined ? [] : decodeTable(headers));
  table.set('x-delivery-count', { type: 'int64', value: BigInt(count) });
  return replaceHeaders(properties, encodeTable(table));
}

/** Whether a queue was declared as a quorum queue. */
export function isQuorum(queue: TopicEntry): boolean {
  const settings = queue.settings.queue;
  if (settings === undefined || settings.arguments.length === 0) return false;
  return textOf(decodeTable(settings.arguments).get('x-queue-type')) === 'quorum';
}

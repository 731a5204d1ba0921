/** Reads publishes to exchanges, in both forms. A message's properties are decoded one message at a time, so that their objects do not gather. */
import type { ByteReader } from '../../base/bytes.js';
import { DecodeError } from '../../base/errors.js';
import { BrokerError } from '../../broker/errors.js';
import { DurabilityLevel } from '../../broker/ports.js';
import { decodeProperties } from '../../proto/client-wire.js';
import { checkedLongText, checkedVhost, durabilityLevel } from './checks.js';
import type { PublishRoutedCommand, RoutedPart } from './commands.js';
import { invalidRequest } from './errors.js';
import * as limits from './limits.js';
import { bytesField, fieldEnd, skipField, stringField, WIRE_LENGTH, WIRE_VARINT, wireTag } from './wire.js';
import { encodedProperties } from './wire-properties.js';
import type { WireKind, WireProperties } from './wire-types.js';

const PUBLISH_EXCHANGE = wireTag(1, WIRE_LENGTH);
const PUBLISH_VHOST = wireTag(2, WIRE_LENGTH);
const PUBLISH_MESSAGES = wireTag(3, WIRE_LENGTH);
const PUBLISH_DURABILITY = wireTag(4, WIRE_VARINT);
const PUBLISH_MANDATORY = wireTag(5, WIRE_VARINT);
const MESSAGE_ROUTING_KEY = wireTag(1, WIRE_LENGTH);
const MESSAGE_VALUE = wireTag(2, WIRE_LENGTH);
const MESSAGE_PROPERTIES = wireTag(3, WIRE_LENGTH);
const MESSAGE_DELAY = wireTag(4, WIRE_VARINT);
const MESSAGE_DELIVER_AT = wireTag(5, WIRE_VARINT);

const EMPTY = new Uint8Array(0);

/** What a message looks like before it is checked. */
interface Draft {
  routingKey: string;
  value: Uint8Array;
  properties: WireProperties | undefined;
  delayMs: number;
  deliverAtMs: number;
}

/** Where one message lies. */
type Place = readonly [start: number, end: number];

/**
 * Decodes the PublishRouted between the reader's position and `end`. Values are views into the frame.
 * @throws DecodeError on bytes that are no PublishRouted.
 * @throws BrokerError `invalid-request` or `too-large` on one that breaks a rule.
 */
export function decodePublishRouted(
  reader: ByteReader,
  end: number,
  session: limits.RequestScope,
): PublishRoutedCommand {
  const frameEnd = reader.end;
  reader.end = end;
  let exchange = '';
  let vhost = '';
  let durability = 0;
  let mandatory = false;
  const places: Place[] = [];
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === PUBLISH_MESSAGES) {
      if (places.length === limits.MAX_MESSAGES_PER_PUBLISH) throw tooMany();
      const stop = fieldEnd(reader);
      places.push([reader.at, stop]);
      reader.at = stop;
    } else if (tag === PUBLISH_EXCHANGE) exchange = stringField(reader);
    else if (tag === PUBLISH_VHOST) vhost = stringField(reader);
    else if (tag === PUBLISH_DURABILITY) durability = reader.uvarint();
    else if (tag === PUBLISH_MANDATORY) mandatory = reader.uvarint() !== 0;
    else skipField(reader, tag);
  }
  const head = checkedHead(exchange, checkedVhost(vhost, session.vhost), durability, mandatory);
  // The level may come behind the messages, which need it.
  const parts = places.map(([start, stop]) => {
    reader.at = start;
    return checkedPart(decodeDraft(reader, stop), head.persistent, session.maxMessageBytes);
  });
  reader.at = end;
  reader.end = frameEnd;
  return { ...head, messages: checkedParts(parts) };
}

function tooMany(): BrokerError {
  return new BrokerError('too-large', `Cannot publish more than ${limits.MAX_MESSAGES_PER_PUBLISH} messages at once`);
}

function decodeDraft(reader: ByteReader, end: number): Draft {
  const publishEnd = reader.end;
  reader.end = end;
  const draft: Draft = { routingKey: '', value: EMPTY, properties: undefined, delayMs: 0, deliverAtMs: 0 };
  while (reader.at < end) {
    const tag = reader.uvarint();
    if (tag === MESSAGE_VALUE) draft.value = bytesField(reader);
    else if (tag === MESSAGE_ROUTING_KEY) draft.routingKey = stringField(reader);
    else if (tag === MESSAGE_PROPERTIES) draft.properties = propertiesOf(bytesField(reader));
    else if (tag === MESSAGE_DELAY) draft.delayMs = reader.uvarint();
    else if (tag === MESSAGE_DELIVER_AT) draft.deliverAtMs = reader.uvarlong();
    else skipField(reader, tag);
  }
  reader.end = publishEnd;
  return draft;
}

function propertiesOf(bytes: Uint8Array): WireProperties {
  if (bytes.length > limits.MAX_PROPERTIES_BYTES) {
    const text = `The properties take ${bytes.length} bytes: the limit is ${limits.MAX_PROPERTIES_BYTES}`;
    throw new BrokerError('too-large', text);
  }
  try {
    return decodeProperties(bytes);
  } catch (cause) {
    // As in frames.ts: the generated code throws nothing but what is wrong with the bytes.
    throw new DecodeError('invalid', cause instanceof Error ? cause.message : 'malformed', cause);
  }
}

/** Reads a publish of a text frame. @throws BrokerError as `decodePublishRouted`. */
export function publishRouted(request: WireKind<'publishRouted'>, session: limits.RequestScope): PublishRoutedCommand {
  const messages = request.messages ?? [];
  if (messages.length > limits.MAX_MESSAGES_PER_PUBLISH) throw tooMany();
  const { exchange, vhost, durability, mandatory } = request;
  const head = checkedHead(exchange ?? '', checkedVhost(vhost, session.vhost), durability ?? 0, mandatory ?? false);
  const parts = messages.map((message) => {
    const draft: Draft = {
      routingKey: message.routingKey ?? '',
      value: message.value ?? EMPTY,
      properties: message.properties ?? undefined,
      delayMs: message.delayMs ?? 0,
      deliverAtMs: message.deliverAtMs ?? 0,
    };
    return checkedPart(draft, head.persistent, session.maxMessageBytes);
  });
  return { ...head, messages: checkedParts(parts) };
}

function checkedHead(
  exchange: string,
  vhost: string,
  durability: number,
  mandatory: boolean,
): Omit<PublishRoutedCommand, 'messages'> {
  const level = durabilityLevel(durability) ?? DurabilityLevel.disk;
  if (level === DurabilityLevel.quorum) {
    throw new BrokerError('unsupported', 'A publish to an exchange asks for memory or disk, not for a quorum');
  }
  checkedLongText('The name of the exchange', exchange, limits.MAX_SHORT_TEXT);
  const persistent = level === DurabilityLevel.disk;
  return { kind: 'publish-routed', exchange, vhost, persistent, mandatory };
}

function checkedPart(draft: Draft, persistent: boolean, maxMessageBytes: number): RoutedPart {
  const { routingKey, value, delayMs, deliverAtMs } = draft;
  checkedLongText('The routing key', routingKey, limits.MAX_SHORT_TEXT);
  if (delayMs > 0 && deliverAtMs > 0) throw invalidRequest('A message sets both delay_ms and deliver_at_ms');
  const properties = encodedProperties(draft.properties, persistent);
  const bytes = value.length + properties.length + routingKey.length;
  if (bytes > maxMessageBytes) {
    throw new BrokerError('too-large', `Cannot publish a message of ${bytes} bytes: the limit is ${maxMessageBytes}`);
  }
  return { routingKey, value, properties, delayMs, deliverAtMs };
}

function checkedParts(parts: readonly RoutedPart[]): readonly RoutedPart[] {
  if (parts.length === 0) throw invalidRequest('The publish has no messages');
  return parts;
}

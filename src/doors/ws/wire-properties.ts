/** A message's properties in the protocol and as AMQP has them. */
import { readUtf8 } from '../../base/utf8.js';
import { readEnvelope } from '../../record/amqp/envelope.js';
import { type FieldTable, type FieldValue, integerOf, textOf } from '../../record/amqp/field-table.js';
import {
  type BasicProperties,
  EMPTY_PROPERTIES,
  encodeProperties,
  readProperties,
} from '../../record/amqp/properties.js';
import { invalidRequest } from './errors.js';
import { MAX_PRIORITY } from './limits.js';
import { refusing, safeNumber, tableOf, wireFields } from './wire-tables.js';
import type { WireDeadLetter, WireProperties, WireRouted } from './wire-types.js';

const DEATHS_HEADER = 'x-death';
const PERSISTENT = 2;
const TRANSIENT = 1;

/**
 * Properties as AMQP encodes them.
 * @throws BrokerError `invalid-request` on what AMQP cannot hold.
 */
export function encodedProperties(wire: WireProperties | null | undefined, persistent: boolean): Uint8Array {
  if (!wire && !persistent) return EMPTY_PROPERTIES;
  return refusing(() => encodeProperties(basicProperties(wire ?? {}, persistent)));
}

function basicProperties(wire: WireProperties, persistent: boolean): BasicProperties {
  if (wire.userId) throw invalidRequest('A publish cannot set the user: it is the session that has one');
  const { priority, ttlMs, timestampS, headers } = wire;
  if ((priority ?? 0) > MAX_PRIORITY) throw invalidRequest(`The priority ${priority} is above ${MAX_PRIORITY}`);
  return present({
    contentType: wire.contentType,
    contentEncoding: wire.contentEncoding,
    headers: headers?.length ? tableOf(headers) : undefined,
    deliveryMode: persistent ? PERSISTENT : TRANSIENT,
    priority,
    correlationId: wire.correlationId,
    replyTo: wire.replyTo,
    expiration: ttlMs === undefined || ttlMs === null ? undefined : String(ttlMs),
    messageId: wire.messageId,
    timestamp: timestampS === undefined || timestampS === null ? undefined : BigInt(timestampS),
    type: wire.type,
    appId: wire.appId,
  });
}

type Gaps<T> = { [Name in keyof T]: T[Name] | null | undefined };

/** Leaves out what is not set. */
function present<T extends object>(fields: Gaps<T>): T {
  for (const name of Object.keys(fields) as (keyof T)[]) {
    if (fields[name] === undefined || fields[name] === null) delete fields[name];
  }
  // What is left has the values that the type asks for.
  return fields as T;
}

/** What the envelope of a record says, or undefined when it has none; nothing of it is borrowed. */
export function routedOf(headers: Uint8Array): WireRouted | undefined {
  const envelope = readEnvelope(headers);
  if (envelope === undefined) return undefined;
  const { exchange, routingKey } = envelope;
  const properties = readProperties(envelope.properties);
  const deaths = properties.headers?.get(DEATHS_HEADER);
  const routed: WireRouted = { exchange, routingKey, properties: wireProperties(properties) };
  if (deaths !== undefined) routed.deadLetters = deadLetters(deaths);
  if (envelope.origin !== undefined) routed.origin = envelope.origin;
  return routed;
}

function wireProperties(properties: BasicProperties): WireProperties {
  const { headers, expiration, timestamp, deliveryMode, clusterId: _, ...texts } = properties;
  const ttlMs = expiration === undefined ? Number.NaN : Number(expiration);
  const fields = headers === undefined ? [] : wireFields(withoutDeaths(headers));
  return {
    ...texts,
    ...(ttlMs >= 0 ? { ttlMs } : {}),
    ...(timestamp === undefined ? {} : { timestampS: safeNumber(timestamp) }),
    ...(fields.length === 0 ? {} : { headers: fields }),
    ...(deliveryMode === PERSISTENT ? { persistent: true } : {}),
  };
}

function withoutDeaths(headers: FieldTable): FieldTable {
  if (!headers.has(DEATHS_HEADER)) return headers;
  const others = new Map(headers);
  others.delete(DEATHS_HEADER);
  return others;
}

/** A client may have put anything under that name: what does not fit is left out. */
function deadLetters(deaths: FieldValue): WireDeadLetter[] {
  if (deaths.type !== 'array') return [];
  return deaths.value.flatMap((death) => (death.type === 'table' ? [deadLetter(death.value)] : []));
}

function deadLetter(death: FieldTable): WireDeadLetter {
  const keys = death.get('routing-keys');
  const time = death.get('time');
  return {
    queue: textOf(death.get('queue')) ?? '',
    reason: textOf(death.get('reason')) ?? '',
    exchange: textOf(death.get('exchange')) ?? '',
    routingKeys: keys?.type === 'array' ? keys.value.map(keyText) : [],
    count: Math.max(0, integerOf(death.get('count')) ?? 0),
    timeS: time?.type === 'timestamp' ? safeNumber(time.value) : 0,
  };
}

function keyText(value: FieldValue): string {
  return value.type === 'longstr' ? readUtf8(value.value, 0, value.value.length) : '';
}

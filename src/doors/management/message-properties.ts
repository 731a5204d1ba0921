/** The properties of the basic class by the names that RabbitMQ's API gives them. */

import { EncodeError } from '../../base/errors.js';
import { decodeTable } from '../../record/amqp/field-table.js';
import { type BasicProperties, encodeProperties, readProperties } from '../../record/amqp/properties.js';
import { badRequest } from './errors.js';
import type { Json, JsonObject } from './json.js';
import { fieldsFromJson, fieldsToJson } from './tables.js';

const TEXTS = {
  content_type: 'contentType',
  content_encoding: 'contentEncoding',
  correlation_id: 'correlationId',
  reply_to: 'replyTo',
  expiration: 'expiration',
  message_id: 'messageId',
  type: 'type',
  user_id: 'userId',
  app_id: 'appId',
  cluster_id: 'clusterId',
} as const;

/** Properties of a message, as they were stored. Borrowed bytes are not kept. */
export function propertiesToJson(bytes: Uint8Array): JsonObject {
  const properties = readProperties(bytes);
  const json: Record<string, Json> = {};
  for (const [name, key] of Object.entries(TEXTS)) {
    const text = properties[key];
    if (text !== undefined) json[name] = text;
  }
  if (properties.headers !== undefined) json['headers'] = fieldsToJson(properties.headers);
  if (properties.deliveryMode !== undefined) json['delivery_mode'] = properties.deliveryMode;
  if (properties.priority !== undefined) json['priority'] = properties.priority;
  if (properties.timestamp !== undefined) json['timestamp'] = Number(properties.timestamp);
  return json;
}

/** The properties of a message that is to be published. @throws ManagementError for values that a property cannot hold. */
export function propertiesFromJson(json: JsonObject): Uint8Array {
  const properties: { -readonly [Key in keyof BasicProperties]: BasicProperties[Key] } = {};
  for (const [name, key] of Object.entries(TEXTS)) {
    const value = json[name];
    if (typeof value === 'string') properties[key] = value;
    else if (typeof value === 'number') properties[key] = String(value);
    else if (value !== undefined) badRequest(`The property ${name} must be a text`);
  }
  const headers = json['headers'];
  if (headers !== undefined && headers !== null) {
    if (typeof headers !== 'object') badRequest('The property headers must be an object');
    // An empty list stands for no headers: some languages cannot say anything else.
    properties.headers = Array.isArray(headers)
      ? decodeTable(new Uint8Array(0))
      : fieldsFromJson(headers as JsonObject);
  }
  const [deliveryMode, priority] = [byteOf(json, 'delivery_mode'), byteOf(json, 'priority')];
  if (deliveryMode !== undefined) properties.deliveryMode = deliveryMode;
  if (priority !== undefined) properties.priority = priority;
  const timestamp = json['timestamp'];
  if (timestamp !== undefined) properties.timestamp = BigInt(wholeOf(timestamp, 'timestamp', Number.MAX_SAFE_INTEGER));
  try {
    return encodeProperties(properties);
  } catch (thrown) {
    if (thrown instanceof EncodeError) badRequest(thrown.message);
    throw thrown;
  }
}

function byteOf(json: JsonObject, name: string): number | undefined {
  const value = json[name];
  return value === undefined ? undefined : wholeOf(value, name, 255);
}

function wholeOf(value: Json, name: string, most: number): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : value;
  if (typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 && number <= most) return number;
  return badRequest(`The property ${name} must be a whole number from 0 to ${most}`);
}

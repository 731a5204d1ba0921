/** AMQP's tables as JSON has them, in both directions (rabbit_misc.erl: amqp_table, to_amqp_table). */

import { EncodeError } from '../../base/errors.js';
import { encodeUtf8 } from '../../base/utf8.js';
import {
  decodeTable,
  EMPTY_TABLE,
  encodeTable,
  type FieldTable,
  type FieldValue,
} from '../../record/amqp/field-table.js';
import { badRequest } from './errors.js';
import type { Json, JsonObject } from './json.js';

/** A table in its bytes, without length, as JSON. */
export function tableToJson(bytes: Uint8Array): JsonObject {
  return fieldsToJson(bytes.length === 0 ? EMPTY_TABLE : decodeTable(bytes));
}

/** A table as JSON. */
export function fieldsToJson(table: FieldTable): JsonObject {
  return Object.fromEntries([...table].map(([name, value]) => [name, valueToJson(value)]));
}

function valueToJson(value: FieldValue): Json {
  switch (value.type) {
    case 'longstr':
    case 'bytes':
      return Buffer.from(value.value).toString('utf8');
    case 'int64':
    case 'timestamp':
      // JSON's readers take numbers for doubles anyway.
      return Number(value.value);
    case 'decimal':
      return value.value / 10 ** value.scale;
    case 'array':
      return value.value.map(valueToJson);
    case 'table':
      return fieldsToJson(value.value);
    case 'void':
      return null;
    case 'float':
    case 'double':
      return Number.isFinite(value.value) ? value.value : null;
    default:
      return value.value;
  }
}

/** A table in its bytes, without length. @throws ManagementError when AMQP has no room for it. */
export function tableFromJson(json: JsonObject): Uint8Array {
  const table = fieldsFromJson(json);
  if (table.size === 0) return new Uint8Array(0);
  try {
    return encodeTable(table);
  } catch (thrown) {
    if (thrown instanceof EncodeError) badRequest(thrown.message);
    throw thrown;
  }
}

/** JSON as a table: whole numbers become 64-bit integers, as in RabbitMQ. */
export function fieldsFromJson(json: JsonObject): FieldTable {
  const table = new Map<string, FieldValue>();
  for (const [name, value] of Object.entries(json)) if (value !== undefined) table.set(name, valueFromJson(value));
  return table;
}

function valueFromJson(value: Json): FieldValue {
  if (value === null) return { type: 'void' };
  if (typeof value === 'boolean') return { type: 'boolean', value };
  if (typeof value === 'string') return { type: 'longstr', value: encodeUtf8(value) };
  if (typeof value === 'number') {
    return Number.isSafeInteger(value) ? { type: 'int64', value: BigInt(value) } : { type: 'double', value };
  }
  if (isArray(value)) return { type: 'array', value: value.map(valueFromJson) };
  return { type: 'table', value: fieldsFromJson(value) };
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

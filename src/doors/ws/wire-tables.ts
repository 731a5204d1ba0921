/** Tables of the protocol and AMQP's field tables: headers of messages, arguments of declarations and bindings. */
import { CodedError } from '../../base/errors.js';
import { encodeUtf8, readUtf8Strict } from '../../base/utf8.js';
import { BrokerError } from '../../broker/errors.js';
import { encodeTable, type FieldTable, type FieldValue } from '../../record/amqp/field-table.js';
import { invalidRequest } from './errors.js';
import { MAX_ARGUMENTS_BYTES, MAX_VALUE_DEPTH } from './limits.js';
import type { WireField, WireValue } from './wire-types.js';

/**
 * The protocol's fields as a table.
 * @throws BrokerError `invalid-request` when a field has no value, or a name stands twice.
 */
export function tableOf(fields: readonly WireField[] | null | undefined, depth = 0): FieldTable {
  const table = new Map<string, FieldValue>();
  for (const { name, value } of fields ?? []) {
    if (table.has(name ?? '')) throw invalidRequest(`The table has the field ${JSON.stringify(name)} twice`);
    table.set(name ?? '', fieldValue(value ?? {}, depth));
  }
  return table;
}

function fieldValue(value: WireValue, depth: number): FieldValue {
  if (depth >= MAX_VALUE_DEPTH) throw invalidRequest(`A table nests deeper than ${MAX_VALUE_DEPTH}`);
  const { boolean, integer, number, text, binary, timestampS, list, table } = value;
  if (isGiven(text)) return { type: 'longstr', value: encodeUtf8(text) };
  if (isGiven(integer)) return { type: 'int64', value: BigInt(integer) };
  if (isGiven(boolean)) return { type: 'boolean', value: boolean };
  if (isGiven(number)) return { type: 'double', value: number };
  if (isGiven(binary)) return { type: 'bytes', value: binary };
  if (isGiven(timestampS)) return { type: 'timestamp', value: BigInt(timestampS) };
  if (isGiven(list)) {
    return { type: 'array', value: (list.values ?? []).map((item) => fieldValue(item, depth + 1)) };
  }
  if (isGiven(table)) return { type: 'table', value: tableOf(table.fields, depth + 1) };
  if (value.nothing) return { type: 'void' };
  throw invalidRequest('A field of a table has no value');
}

function isGiven<Given>(value: Given | null | undefined): value is Given {
  return value !== undefined && value !== null;
}

/** An argument table as AMQP encodes it; empty when there is no field. @throws BrokerError `invalid-request`, `too-large`. */
export function encodedArguments(table: FieldTable): Uint8Array {
  if (table.size === 0) return new Uint8Array(0);
  const bytes = refusing(() => encodeTable(table));
  if (bytes.length <= MAX_ARGUMENTS_BYTES) return bytes;
  throw new BrokerError('too-large', `The arguments take ${bytes.length} bytes: the limit is ${MAX_ARGUMENTS_BYTES}`);
}

/** Runs an encoder over what a client has sent: what it cannot hold is the request's fault. @throws BrokerError `invalid-request`. */
export function refusing<Result>(encode: () => Result): Result {
  try {
    return encode();
  } catch (thrown) {
    if (thrown instanceof BrokerError || !(thrown instanceof CodedError)) throw thrown;
    throw new BrokerError('invalid-request', thrown.message, thrown);
  }
}

/** A table as fields of the protocol; bytes are copies. */
export function wireFields(table: FieldTable): WireField[] {
  const fields: WireField[] = [];
  for (const [name, value] of table) fields.push({ name, value: wireValue(value) });
  return fields;
}

function wireValue(field: FieldValue): WireValue {
  switch (field.type) {
    case 'boolean':
      return { boolean: field.value };
    case 'longstr':
      return textOrBinary(field.value);
    case 'bytes':
      return { binary: field.value.slice() };
    case 'int64':
      return wireInteger(field.value);
    case 'timestamp':
      return { timestampS: safeNumber(field.value) };
    case 'decimal':
      return { number: field.value / 10 ** field.scale };
    case 'float':
    case 'double':
      return { number: field.value };
    case 'array':
      return { list: { values: field.value.map(wireValue) } };
    case 'table':
      return { table: { fields: wireFields(field.value) } };
    case 'void':
      return { nothing: true };
    default:
      return { integer: field.value };
  }
}

/** AMQP does not tell text from bytes: what is UTF-8 is text. */
function textOrBinary(value: Uint8Array): WireValue {
  try {
    return { text: readUtf8Strict(value, 0, value.length) };
  } catch (thrown) {
    if (!(thrown instanceof CodedError)) throw thrown;
    return { binary: value.slice() };
  }
}

/** A number beyond 2^53 would come out as another one; as text it stays itself. */
function wireInteger(value: bigint): WireValue {
  const number = Number(value);
  return Number.isSafeInteger(number) ? { integer: number } : { text: String(value) };
}

/** A time as a number, at most 2^53-1. */
export function safeNumber(value: bigint): number {
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER);
}

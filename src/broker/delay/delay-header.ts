/** The header `x-delay`, as RabbitMQ's delayed message plugin reads and changes it. */
import { ByteWriter } from '../../base/bytes.js';
import { readUtf8 } from '../../base/utf8.js';
import { decodeValueAt } from '../../record/amqp/field-table.js';
import { headersOf, replaceHeaders } from '../../record/amqp/properties.js';
import { FieldTag, TableCursor } from '../../record/amqp/table-cursor.js';
import { DELAY_MS_MAX } from './limits.js';

const NAME = 'x-delay';
const INT32_MAX = 2 ** 31 - 1;

const fields = new TableCursor();

/** The delay in milliseconds that verified properties ask for; 0 = none: no such header, no number, not above 0, or above DELAY_MS_MAX. */
export function delayOf(properties: Uint8Array): number {
  const table = headersOf(properties);
  if (table === undefined || !find(table)) return 0;
  const delayMs = numberAt(fields);
  return delayMs > 0 && delayMs <= DELAY_MS_MAX ? delayMs : 0;
}

/** The same properties with `x-delay` negated, so that a message that was held is not held again; the same bytes when they ask for no delay. */
export function firedProperties(properties: Uint8Array): Uint8Array {
  const delayMs = delayOf(properties);
  const table = headersOf(properties);
  if (delayMs === 0 || table === undefined || !find(table)) return properties;
  const writer = new ByteWriter(table.length + 9);
  writer.raw(table.subarray(0, fields.nameEnd));
  if (delayMs <= INT32_MAX) {
    writer.u8(FieldTag.int32);
    writer.i32(-delayMs);
  } else {
    writer.u8(FieldTag.int64);
    writer.i64(-delayMs);
  }
  writer.raw(table.subarray(fields.valueEnd));
  return replaceHeaders(properties, writer.view());
}

/** Moves `fields` to the header; false when there is none. */
function find(table: Uint8Array): boolean {
  fields.open(table);
  while (fields.next()) if (isName(fields)) return true;
  return false;
}

function isName({ bytes, nameStart, nameEnd }: TableCursor): boolean {
  if (nameEnd - nameStart !== NAME.length) return false;
  for (let index = 0; index < NAME.length; index++) {
    if (bytes[nameStart + index] !== NAME.charCodeAt(index)) return false;
  }
  return true;
}

/** Numbers of every type, and text that is a whole number; 0 for anything else. */
function numberAt(field: TableCursor): number {
  const { bytes, tag } = field;
  if (tag === FieldTag.longstr || tag === FieldTag.bytes) {
    const text = readUtf8(bytes, field.valueStart, field.valueEnd);
    return /^[+-]?\d{1,15}$/.test(text) ? Number(text) : 0;
  }
  const value = decodeValueAt(bytes, field.nameEnd);
  switch (value.type) {
    case 'int64':
      return Number(value.value);
    case 'int8':
    case 'uint8':
    case 'int16':
    case 'uint16':
    case 'int32':
    case 'uint32':
    case 'float':
    case 'double':
      return Number.isFinite(value.value) ? Math.trunc(value.value) : 0;
    default:
      return 0;
  }
}

import { encodeTable, type FieldTable, type FieldValue } from '../../record/amqp/field-table.js';
import { latin1 } from './bound-binding.js';

/** Names of headers with their values in a form in which those are equal that a headers exchange takes for equal. */
export type HeaderValues = ReadonlyMap<string, string>;

const NO_VALUES: HeaderValues = new Map();

/** The comparable values of a table. */
export function headerValues(table: FieldTable | undefined): HeaderValues {
  if (table === undefined || table.size === 0) return NO_VALUES;
  const values = new Map<string, string>();
  for (const [name, value] of table) values.set(name, comparableValue(value));
  return values;
}

/**
 * The form of one value. As in RabbitMQ integers are equal whatever their width, and long strings to bytes, but no integer to a float. A
 * timestamp equals the same timestamp, which RabbitMQ from 3.13 on denies since it counts the message's in milliseconds.
 */
export function comparableValue(field: FieldValue): string {
  switch (field.type) {
    case 'boolean':
      return field.value ? 't' : 'f';
    case 'float':
    case 'double':
      return `d${field.value}`;
    case 'timestamp':
      return `T${field.value}`;
    case 'decimal':
      return `D${field.scale}:${field.value}`;
    case 'longstr':
    case 'bytes':
      return `s${latin1(field.value)}`;
    case 'array':
    case 'table':
      return `n${latin1(encodeTable(new Map([['', field]])))}`;
    case 'void':
      return 'v';
    default:
      return `i${field.value}`;
  }
}

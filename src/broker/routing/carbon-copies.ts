/**
 * The headers CC and BCC (RabbitMQ's sender-selected distribution): arrays of long strings, each a further routing key of the message. A
 * consumer sees CC, but not BCC.
 */

import { encodeUtf8, readUtf8 } from '../../base/utf8.js';
import { decodeTable, decodeValueAt, encodeTable } from '../../record/amqp/field-table.js';
import type { StoredProperties } from '../../record/amqp/header-blocks.js';
import { headersOf, replaceHeaders } from '../../record/amqp/properties.js';
import { FieldTag, TableCursor } from '../../record/amqp/table-cursor.js';
import { erlangType } from '../catalog/sentences.js';
import { BrokerError } from '../errors.js';

const LETTER_B = 0x42;
const LETTER_C = 0x43;

const fields = new TableCursor();
const elements = new TableCursor();

/**
 * The further routing keys in `properties`, which have been verified; undefined without any. Elements that are no long strings are passed
 * over, as in RabbitMQ.
 * @throws BrokerError `precondition-failed` when CC or BCC is no array.
 */
export function carbonCopies(properties: Uint8Array): readonly string[] | undefined {
  const table = headersOf(properties);
  if (table === undefined) return undefined;
  let keys: string[] | undefined;
  let wrong: BrokerError | undefined;
  fields.open(table);
  while (fields.next()) {
    if (!isCarbonCopy(fields)) continue;
    if (fields.tag === FieldTag.array) {
      keys ??= [];
      addKeys(fields, keys);
      // Where both are wrong, RabbitMQ names CC.
    } else if (wrong === undefined || fields.nameEnd - fields.nameStart === 2) wrong = malformed(fields);
  }
  if (wrong !== undefined) throw wrong;
  return keys === undefined || keys.length === 0 ? undefined : keys;
}

function addKeys(array: TableCursor, keys: string[]): void {
  elements.openArray(array.bytes, array.valueStart, array.valueEnd);
  while (elements.next()) {
    if (elements.tag !== FieldTag.longstr) continue;
    keys.push(readUtf8(elements.bytes, elements.valueStart, elements.valueEnd));
  }
}

function isCarbonCopy({ bytes, nameStart, nameEnd }: TableCursor): boolean {
  if (nameEnd - nameStart === 2) return bytes[nameStart] === LETTER_C && bytes[nameStart + 1] === LETTER_C;
  return nameEnd - nameStart === 3 && isBlind(bytes, nameStart);
}

function isBlind(bytes: Uint8Array, nameStart: number): boolean {
  return bytes[nameStart] === LETTER_B && bytes[nameStart + 1] === LETTER_C && bytes[nameStart + 2] === LETTER_C;
}

function malformed(field: TableCursor): BrokerError {
  const type = erlangType(decodeValueAt(field.bytes, field.nameEnd));
  const text = `invalid message: {unacceptable_type_in_header,"${field.name()}",${type}}`;
  return new BrokerError('precondition-failed', text);
}

/** What is stored of published properties: BCC, which consumers must not see, goes beside them, since dead letters go to those keys, too. */
export function storedProperties(properties: Uint8Array): StoredProperties {
  const stored = withoutBcc(properties);
  if (stored === properties) return { properties };
  const blindKeys = blindCopies(properties);
  return blindKeys.length === 0 ? { properties: stored } : { properties: stored, blindKeys };
}

/** The keys of the header BCC. */
function blindCopies(properties: Uint8Array): readonly string[] {
  const keys: string[] = [];
  const table = headersOf(properties);
  if (table === undefined) return keys;
  fields.open(table);
  while (fields.next()) {
    const isBcc = fields.nameEnd - fields.nameStart === 3 && isBlind(table, fields.nameStart);
    if (isBcc && fields.tag === FieldTag.array) addKeys(fields, keys);
  }
  return keys;
}

/** The same properties with the header BCC. */
export function withBcc(properties: Uint8Array, keys: readonly string[]): Uint8Array {
  const table = headersOf(properties);
  const headers = new Map(table === undefined ? [] : decodeTable(table));
  const value = keys.map((key) => ({ type: 'longstr', value: encodeUtf8(key) }) as const);
  headers.set('BCC', { type: 'array', value });
  return replaceHeaders(properties, encodeTable(headers));
}

/** The same properties without the header BCC; the given bytes when there is none. */
export function withoutBcc(properties: Uint8Array): Uint8Array {
  const table = headersOf(properties);
  if (table === undefined) return properties;
  fields.open(table);
  while (fields.next()) {
    if (fields.nameEnd - fields.nameStart !== 3 || !isBlind(table, fields.nameStart)) continue;
    const { nameStart, valueEnd } = fields;
    const rest = new Uint8Array(table.length - (valueEnd - nameStart + 1));
    rest.set(table.subarray(0, nameStart - 1));
    rest.set(table.subarray(valueEnd), nameStart - 1);
    // Another of that name may follow.
    return withoutBcc(replaceHeaders(properties, rest));
  }
  return properties;
}

/** Values of headers and arguments as programs write them, and as the protocol has them. */
import type { WireFrame, WireKind } from '../proto/client-wire.js';
import { invalidUse } from './errors.js';

/** A value of a header or argument: whole numbers stay whole, a Date becomes a time in seconds. */
export type FieldValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | Date
  | readonly FieldValue[]
  | { readonly [name: string]: FieldValue };

/** Headers or arguments by name. */
export type Fields = Readonly<Record<string, FieldValue>>;

type RoutedMessages = NonNullable<NonNullable<WireFrame['publishRouted']>['messages']>;
/** Properties as the protocol has them. */
export type WireProperties = NonNullable<RoutedMessages[number]['properties']>;
type WireFields = NonNullable<NonNullable<WireKind<'bind'>['binding']>['arguments']>;
type WireValue = NonNullable<WireFields[number]['value']>;

/** As deep as a node takes them. */
const MAX_DEPTH = 30;
const MS_PER_SECOND = 1000;

/** Fields as they stand on the wire. @throws ClientError `invalid-request` on what cannot be sent. */
export function wireFields(fields: Fields | undefined, depth = 0): WireFields {
  return Object.entries(fields ?? {}).map(([name, value]) => ({ name, value: wireValue(value, depth) }));
}

function wireValue(value: FieldValue, depth: number): WireValue {
  if (depth > MAX_DEPTH) throw invalidUse(`A header or argument nests deeper than ${MAX_DEPTH}`);
  if (value === null) return { nothing: true };
  if (typeof value === 'string') return { text: value };
  if (typeof value === 'boolean') return { boolean: value };
  if (typeof value === 'number') return Number.isSafeInteger(value) ? { integer: value } : { number: value };
  if (value instanceof Uint8Array) return { binary: value };
  if (value instanceof Date) return { timestampS: Math.floor(value.getTime() / MS_PER_SECOND) };
  if (isList(value)) return { list: { values: value.map((item) => wireValue(item, depth + 1)) } };
  if (typeof value === 'object') return { table: { fields: wireFields(value, depth + 1) } };
  throw invalidUse(`A header or argument cannot be a ${typeof value}`);
}

/** `Array.isArray` does not narrow readonly arrays away. */
function isList(value: FieldValue): value is readonly FieldValue[] {
  return Array.isArray(value);
}

/** Fields as programs see them. A field called `__proto__` stays a field. */
export function fieldsOf(wire: WireFields | null | undefined): Fields {
  return Object.fromEntries((wire ?? []).map((field) => [field.name ?? '', valueOfWire(field.value ?? {})]));
}

function valueOfWire(value: WireValue): FieldValue {
  const { list, table, timestampS } = value;
  if (list) return (list.values ?? []).map(valueOfWire);
  if (table) return fieldsOf(table.fields);
  if (timestampS !== undefined && timestampS !== null) return new Date(timestampS * MS_PER_SECOND);
  return value.text ?? value.integer ?? value.boolean ?? value.number ?? value.binary ?? null;
}

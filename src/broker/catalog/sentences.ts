/**
 * What RabbitMQ says about declarations that it refuses, in its own words (rabbit_misc.erl, rabbit_amqqueue.erl): clients and their tests read them as
 * AMQP reply texts.
 */
import { type FieldTable, type FieldValue, textOf as longstrText } from '../../record/amqp/field-table.js';
import { BrokerError } from '../errors.js';

/** How a queue or exchange is called in every sentence. */
export function resource(kind: 'queue' | 'exchange', vhost: string, name: string): string {
  return `${kind} '${name}' in vhost '${vhost}'`;
}

/** @throws BrokerError always: `not-found` of a queue or exchange. */
export function notFound(subject: string): never {
  throw new BrokerError('not-found', `no ${subject}`);
}

/** @throws BrokerError always: `precondition-failed`. */
export function preconditionFailed(text: string): never {
  throw new BrokerError('precondition-failed', text);
}

/** @throws BrokerError `access-refused` for a name that only the broker may give to something new. */
export function refuseReservedName(kind: 'queue' | 'exchange', name: string): void {
  if (!name.startsWith('amq.')) return;
  throw new BrokerError('access-refused', `${kind} name '${name}' contains reserved prefix 'amq.*'`);
}

/** @throws BrokerError `resource-locked` always. */
export function locked(subject: string): never {
  throw new BrokerError(
    'resource-locked',
    `cannot obtain exclusive access to locked ${subject}. It could be originally declared on another connection or the exclusive ` +
      'property value does not match that of the original declaration.',
  );
}

/** @throws BrokerError `precondition-failed` unless both are equal: a property that every declaration has. */
export function requireEqual(
  subject: string,
  property: string,
  current: string | boolean,
  received: string | boolean,
): void {
  if (current !== received) inequivalent(subject, property, `'${received}'`, `'${current}'`);
}

/** @throws BrokerError `precondition-failed` when an argument of `keys` differs, in the order of `keys`. */
export function requireEqualArguments(
  subject: string,
  current: FieldTable,
  received: FieldTable,
  keys: readonly string[],
): void {
  for (const key of keys) {
    const before = current.get(key);
    const now = received.get(key);
    if (before === undefined && now === undefined) continue;
    if (before !== undefined && now !== undefined) {
      if (!sameArgument(before, now)) inequivalent(subject, key, quotedTerm(now), quotedTerm(before));
    } else if (key !== 'x-queue-type' || longstrText(before ?? now) !== 'classic') {
      // Naming the type that a queue has by itself changes nothing.
      inequivalent(subject, key, typed(now), typed(before));
    }
  }
}

function inequivalent(subject: string, key: string, received: string, current: string): never {
  preconditionFailed(`inequivalent arg '${key}' for ${subject}: received ${received} but current is ${current}`);
}

/** Equal as Erlang's == has it where the types are of one class, and identical otherwise. */
function sameArgument(left: FieldValue, right: FieldValue): boolean {
  const [a, b] = [erlangTerm(left), erlangTerm(right)];
  if (a === b) return true;
  return isFloat(left) && isFloat(right) && left.value === right.value;
}

function isFloat(value: FieldValue): value is FieldValue & { type: 'float' | 'double' } {
  return value.type === 'float' || value.type === 'double';
}

function typed(value: FieldValue | undefined): string {
  if (value === undefined) return 'none';
  return `the value ${quotedTerm(value)} of type '${erlangType(value)}'`;
}

function quotedTerm(value: FieldValue): string {
  const isBinary = value.type === 'longstr' || value.type === 'bytes';
  return isBinary ? `'${Buffer.from(value.value).toString('utf8')}'` : `'${erlangTerm(value)}'`;
}

const ERLANG_TYPES = {
  boolean: 'bool',
  int8: 'byte',
  uint8: 'unsignedbyte',
  int16: 'short',
  uint16: 'unsignedshort',
  int32: 'signedint',
  uint32: 'unsignedint',
  int64: 'long',
  float: 'float',
  double: 'double',
  timestamp: 'timestamp',
  decimal: 'decimal',
  longstr: 'longstr',
  bytes: 'binary',
  array: 'array',
  table: 'table',
  void: 'void',
} as const satisfies Record<FieldValue['type'], string>;

/** What RabbitMQ calls a value's type. */
export function erlangType(value: FieldValue): string {
  return ERLANG_TYPES[value.type];
}

/** A value as Erlang's ~p prints it. */
export function erlangTerm(value: FieldValue): string {
  switch (value.type) {
    case 'longstr':
    case 'bytes':
      return erlangBinary(value.value);
    case 'float':
    case 'double':
      return Number.isInteger(value.value) ? value.value.toFixed(1) : String(value.value);
    case 'decimal':
      return `{${value.scale},${value.value}}`;
    case 'array':
      return `[${value.value.map((item) => `{${erlangType(item)},${erlangTerm(item)}}`).join(',')}]`;
    case 'table': {
      const fields = [...value.value].map(([name, field]) => {
        return `{${erlangBinary(Buffer.from(name))},${erlangType(field)},${erlangTerm(field)}}`;
      });
      return `[${fields.join(',')}]`;
    }
    case 'void':
      return 'undefined';
    default:
      return String(value.value);
  }
}

/** A binary as Erlang's ~p prints it: as text when all of it is printable Latin-1. */
export function erlangBinary(bytes: Uint8Array): string {
  if (bytes.length === 0) return '<<>>';
  const printable = bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte >= 0xa0 || (byte >= 8 && byte <= 13));
  if (!printable) return `<<${bytes.join(',')}>>`;
  return `<<${erlangString(Buffer.from(bytes).toString('latin1'))}>>`;
}

/** A list of characters as Erlang's ~p prints it. */
export function erlangString(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t')}"`;
}

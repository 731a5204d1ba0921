/** Headers and arguments as a command line and a table have them. */
import { InvalidArgumentError } from 'commander';
import type { Fields, FieldValue } from '../client/index.js';

/**
 * Adds the field `name=value` to those given before: the option may be repeated. `5` is a number, `true` and `false` are what they say, `"5"` is text, and so is
 * everything else.
 */
export function field(text: string, before: Fields = {}): Fields {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('It must be name=value.');
  return { ...before, [text.slice(0, at)]: fieldValueOf(text.slice(at + 1)) };
}

function fieldValueOf(text: string): FieldValue {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^-?\d{1,15}$/.test(text)) return Number(text);
  return /^".*"$/s.test(text) ? text.slice(1, -1) : text;
}

/** `name=value, name=value` for a table's cell. */
export function fieldsText(fields: Fields): string {
  return Object.entries(fields)
    .map(([name, value]) => `${name}=${valueText(value)}`)
    .join(', ');
}

function valueText(value: FieldValue): string {
  if (typeof value === 'string') return /^(true|false|-?\d+)$/.test(value) ? `"${value}"` : value;
  if (value instanceof Uint8Array) return `0x${Buffer.from(value).toString('hex')}`;
  return value instanceof Date ? value.toISOString() : JSON.stringify(value);
}

/** Fields as JSON: bytes are written as base64, for JSON has none. */
export function fieldsAsJson(fields: Fields): unknown {
  return jsonOf(fields);
}

function jsonOf(value: FieldValue): unknown {
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map((item: FieldValue) => jsonOf(item));
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, jsonOf(one as FieldValue)]));
}

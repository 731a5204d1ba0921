/**
 * The protobuf JSON form of request frames, read strictly: a misspelt field, a wrong type or a number out of range is an error that names the
 * place, because a person at a terminal is the one who made it. docs/protocols/native.md, "Text form".
 */
import { DecodeError } from '../../base/errors.js';
import { readUtf8Strict } from '../../base/utf8.js';
import { MAX_TEXT_DEPTH, MAX_TEXT_TOKENS } from './limits.js';
import { type FieldShape, frameShape, type MessageShape, type ScalarType } from './text-schema.js';
import type { WireFrame } from './wire-types.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

function invalid(message: string): DecodeError {
  return new DecodeError('invalid', message);
}

/**
 * Bounds what JSON.parse will build before it builds it.
 * @throws DecodeError when the text nests too deeply or has too many parts.
 */
function checkStructure(bytes: Uint8Array): void {
  let depth = 0;
  let tokens = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === QUOTE) {
      for (at++; at < bytes.length && bytes[at] !== QUOTE; at++) if (bytes[at] === BACKSLASH) at++;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth++;
      tokens++;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth--;
    } else if (byte === COMMA) {
      tokens++;
    }
    if (depth > MAX_TEXT_DEPTH) throw invalid(`JSON nests deeper than ${MAX_TEXT_DEPTH}`);
    if (tokens > MAX_TEXT_TOKENS) throw invalid(`JSON has more than ${MAX_TEXT_TOKENS} parts`);
  }
}

/** The base64 of `bytes`, standard alphabet with padding, as protobuf JSON writes it. */
export function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}

function fromBase64(text: string, path: string): Uint8Array {
  // Both alphabets, with or without padding, are what protobuf JSON accepts; anything else would be dropped silently by Buffer.
  if (!/^[A-Za-z0-9+/_-]*={0,2}$/.test(text) || text.replace(/=+$/, '').length % 4 === 1) {
    throw invalid(`${path} is no base64`);
  }
  const decoded = Buffer.from(text, 'base64');
  return new Uint8Array(decoded.buffer, decoded.byteOffset, decoded.byteLength);
}

const ranges = {
  uint32: [0, 0xffff_ffff],
  uint64: [0, Number.MAX_SAFE_INTEGER],
  int64: [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
} as const;

function parseInteger(type: keyof typeof ranges, value: unknown, path: string): number {
  const parsed = typeof value === 'string' && /^-?\d{1,19}$/.test(value) ? Number(value) : value;
  const [least, most] = ranges[type];
  if (typeof parsed !== 'number' || !Number.isInteger(parsed) || parsed < least || parsed > most) {
    throw invalid(`${path} is no whole number from ${least} to ${most}`);
  }
  return parsed;
}

function parseScalar(type: ScalarType, value: unknown, path: string): unknown {
  if (type === 'bool') {
    if (typeof value !== 'boolean') throw invalid(`${path} is neither true nor false`);
    return value;
  }
  if (type === 'double') {
    if (typeof value !== 'number') throw invalid(`${path} is no number`);
    return value;
  }
  if (type !== 'string' && type !== 'bytes') return parseInteger(type, value, path);
  if (typeof value !== 'string') throw invalid(`${path} is no string`);
  return type === 'string' ? value : fromBase64(value, path);
}

function parseEnum(values: Readonly<Record<string, string | number>>, value: unknown, path: string): number {
  const byName = typeof value === 'string' && Object.hasOwn(values, value) ? values[value] : value;
  if (typeof byName !== 'number' || !Number.isInteger(byName)) {
    const names = Object.keys(values).filter((name) => typeof values[name] === 'number');
    throw invalid(`${path} is none of ${names.join(', ')}`);
  }
  return byName;
}

function parseOne(field: FieldShape, value: unknown, path: string): unknown {
  if (field.message !== undefined) return parseMessage(field.message, value, path);
  if (field.values !== undefined) return parseEnum(field.values, value, path);
  return parseScalar(field.scalar ?? 'string', value, path);
}

function parseField(field: FieldShape, value: unknown, path: string): unknown {
  if (!field.repeated) return parseOne(field, value, path);
  if (!Array.isArray(value)) throw invalid(`${path} is no array`);
  return value.map((item, index) => parseOne(field, item, `${path}[${index}]`));
}

function parseMessage(shape: MessageShape, value: unknown, path: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid(`${path} is no object`);
  const message: Record<string, unknown> = {};
  const oneofs = new Map<string, string>();
  for (const [name, item] of Object.entries(value)) {
    const field = shape.fields.get(name);
    if (field === undefined) throw invalid(`${path} has no field ${JSON.stringify(name.slice(0, 64))}`);
    // In protobuf JSON null means that the field is not set.
    if (item === null) continue;
    if (Object.hasOwn(message, field.name)) throw invalid(`${path} sets ${field.name} twice`);
    const other = oneofs.get(field.oneof);
    if (field.oneof !== '' && other !== undefined) {
      throw invalid(`${path} sets both ${other} and ${field.name}, which exclude each other`);
    }
    oneofs.set(field.oneof, field.name);
    message[field.name] = parseField(field, item, `${path}.${field.name}`);
  }
  return message;
}

/**
 * Reads one text frame. Byte fields are copies, so nothing refers to `bytes` afterwards.
 * @throws DecodeError on malformed UTF-8 or JSON, and on anything that the schema does not allow.
 */
export function parseTextFrame(bytes: Uint8Array): WireFrame {
  checkStructure(bytes);
  const text = readUtf8Strict(bytes, 0, bytes.length);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DecodeError('invalid', cause instanceof Error ? cause.message.slice(0, 80) : 'no JSON', cause);
  }
  // The table of shapes is compared with the generated types' schema by a test, so what it lets through has that type.
  return parseMessage(frameShape, value, 'frame') as WireFrame;
}

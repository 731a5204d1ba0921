/** JSON from outside: bounded in depth before it is parsed, so that nothing that walks it can run out of stack. */
import type { JsonValue } from '../../broker/access/model.js';
import { ManagementError } from './errors.js';
import { JSON_DEPTH_MAX } from './limits.js';

/** What JSON can hold. */
export type Json = JsonValue;
export type { JsonObject } from '../../broker/access/model.js';

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/** Arrays and objects within each other, at most; counted in the bytes, of well-formed JSON or not. */
export function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let isText = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === BACKSLASH && isText) at++;
    else if (byte === QUOTE) isText = !isText;
    else if (isText) continue;
    else if (OPENING.has(byte)) deepest = Math.max(deepest, ++depth);
    else if (CLOSING.has(byte)) depth--;
  }
  return deepest;
}

/**
 * A request body. Nothing, `null` and `undefined` stand for an empty object, as RabbitMQ has it.
 * @throws ManagementError `not-json`
 */
export function parseBody(bytes: Uint8Array): unknown {
  if (depthOf(bytes) > JSON_DEPTH_MAX) {
    throw new ManagementError(
      'not-json',
      `The body has more than ${JSON_DEPTH_MAX} arrays and objects within each other`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new ManagementError('not-json', 'not_json');
  }
  if (text === '' || text === 'undefined') return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ManagementError('not-json', 'not_json');
  }
  if (value === null) return {};
  if (typeof value === 'string') {
    const hint = 'the request body JSON-decoded to a string. Is the input doubly-JSON-encoded?';
    throw new ManagementError('not-json', `invalid payload: ${hint}`);
  }
  if (typeof value !== 'object' || Array.isArray(value)) throw new ManagementError('not-json', 'not_json');
  return value;
}

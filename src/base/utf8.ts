import { DecodeError } from './errors.js';
import { SHORT_STRING_UNITS } from './limits.js';

const encoder = new TextEncoder();
// A byte order mark is part of the text here: a routing key must come back as it was sent.
const lenient = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });

/** Size in bytes of `text` in UTF-8; a lone surrogate counts as U+FFFD, three bytes, which is how it is written. */
export function utf8Size(text: string): number {
  let size = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      size += 1;
    } else {
      size += 2;
      // A pair takes four bytes for its two units: the second unit's three bytes become one.
      if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text, index + 1)) index++;
    }
  }
  return size;
}

function isLowSurrogate(text: string, index: number): boolean {
  const unit = text.charCodeAt(index);
  return unit >= 0xdc00 && unit < 0xe000;
}

/**
 * Writes `text` in UTF-8 at `at` and returns the position after it. The caller has made room for `utf8Size(text)` bytes.
 */
export function writeUtf8(bytes: Uint8Array, at: number, text: string): number {
  if (text.length <= SHORT_STRING_UNITS) {
    let index = 0;
    for (; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 0x7f) break;
      bytes[at + index] = unit;
    }
    if (index === text.length) return at + index;
  }
  return at + encoder.encodeInto(text, bytes.subarray(at)).written;
}

/** Returns `text` in UTF-8 as bytes of its own. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(text);
}

/** Decodes UTF-8 from `start` to `end`; malformed sequences become U+FFFD. The caller has checked the bounds. */
export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  return readShortAscii(bytes, start, end) ?? lenient.decode(unshared(bytes, start, end));
}

/**
 * Decodes UTF-8 from `start` to `end`. The caller has checked the bounds.
 * @throws DecodeError `invalid` on a malformed sequence.
 */
export function readUtf8Strict(bytes: Uint8Array, start: number, end: number): string {
  const short = readShortAscii(bytes, start, end);
  if (short !== undefined) return short;
  try {
    return strict.decode(unshared(bytes, start, end));
  } catch (cause) {
    throw new DecodeError('invalid', `Cannot decode ${end - start} bytes as UTF-8: the sequence is malformed`, cause);
  }
}

function readShortAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  if (end - start > SHORT_STRING_UNITS) return undefined;
  let text = '';
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte > 0x7f) return undefined;
    text += String.fromCharCode(byte);
  }
  return text;
}

/** Browsers refuse to decode shared memory, so a shared range is copied first. */
function unshared(bytes: Uint8Array, start: number, end: number): Uint8Array<ArrayBuffer> {
  const { buffer } = bytes;
  if (buffer instanceof ArrayBuffer) return new Uint8Array(buffer, bytes.byteOffset + start, end - start);
  const copy = new Uint8Array(end - start);
  copy.set(bytes.subarray(start, end));
  return copy;
}

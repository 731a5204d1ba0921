import { InvalidArgumentError } from 'commander';
import { escapedText } from './arguments.js';

/** What can be printed of a message; the client's records and deliveries have it. */
export interface PrintableMessage {
  readonly partition: number;
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly (readonly [string, Uint8Array | null])[];
  /** Queues only. */
  readonly redelivered?: boolean;
  readonly deliveryCount?: number;
}

/** Writes a message as bytes: values are binary, and pass through unchanged. */
export type MessageFormatter = (message: PrintableMessage) => Uint8Array;

type Piece = (message: PrintableMessage, from: string) => Uint8Array | string;

/** What each letter after a percent sign stands for; kcat's letters mean the same here. */
const PIECES: Readonly<Record<string, Piece>> = {
  v: ({ value }) => value ?? '',
  s: ({ value }) => value ?? '',
  S: ({ value }) => String(value?.length ?? -1),
  k: ({ key }) => key ?? '',
  K: ({ key }) => String(key?.length ?? -1),
  t: (_, from) => from,
  p: ({ partition }) => String(partition),
  o: ({ offset }) => String(offset),
  T: ({ timestamp }) => String(timestamp),
  D: ({ timestamp }) => timeText(timestamp),
  h: ({ headers }) => headers.map(([name, value]) => `${name}=${textOf(value ?? new Uint8Array())}`).join(','),
  r: ({ deliveryCount, redelivered }) => String(deliveryCount || (redelivered === true ? 1 : 0)),
  '%': () => '%',
};

/** For the help text: the letters with their meanings. */
export const FORMAT_HELP =
  '%v value, %k key, %o offset, %p partition, %t topic or queue, %T milliseconds since 1970, %D date, ' +
  '%h headers, %S and %K sizes of value and key (-1 = null), %r deliveries before this one, %% a percent sign';

/** Compiles a format such as `'%o %k %v'` for messages of the topic or queue `from`. @throws InvalidArgumentError on an unknown letter. */
export function compileFormat(format: string, from: string): MessageFormatter {
  const text = escapedText(format);
  const pieces: Piece[] = [];
  let at = 0;
  for (const match of text.matchAll(/%(.?)/gsu)) {
    const literal = text.slice(at, match.index);
    if (literal !== '') pieces.push(() => literal);
    const piece = PIECES[match[1]!];
    if (piece === undefined) throw new InvalidArgumentError(`%${match[1]} means nothing; there are: ${FORMAT_HELP}.`);
    pieces.push(piece);
    at = match.index + match[0].length;
  }
  const rest = text.slice(at);
  if (rest !== '') pieces.push(() => rest);
  return (message) => Buffer.concat(pieces.map((piece) => bytesOf(piece(message, from))));
}

/** The message as an object for `-o json`. Bytes that are no text are given in base64, under another name. */
export function messageAsJson(message: PrintableMessage, from: string): Record<string, unknown> {
  const { partition, offset, timestamp, redelivered, deliveryCount } = message;
  return {
    from,
    partition,
    offset,
    timestamp: timeText(timestamp),
    ...bytesAsJson('key', message.key),
    ...bytesAsJson('value', message.value),
    headers: message.headers.map(([name, value]) => ({ name, ...bytesAsJson('value', value) })),
    ...(redelivered === undefined ? {} : { redelivered }),
    ...(deliveryCount === undefined ? {} : { deliveryCount }),
  };
}

function bytesAsJson(name: string, bytes: Uint8Array | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  try {
    return { [name]: strictText.decode(bytes) };
  } catch {
    return { [`${name}Base64`]: Buffer.from(bytes).toString('base64') };
  }
}

// Without ignoreBOM a leading byte order mark would be lost, and the bytes would not come back the same.
const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
}

function bytesOf(piece: Uint8Array | string): Uint8Array {
  return typeof piece === 'string' ? Buffer.from(piece) : piece;
}

/** Times as ISO 8601; a clock beyond what a date can hold is shown as its number. */
function timeText(timestampMs: number): string {
  return Math.abs(timestampMs) <= 8.64e15 ? new Date(timestampMs).toISOString() : String(timestampMs);
}

import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { CliError } from './exit-codes.js';

/** A message that is about to be published. */
export interface OutgoingMessage {
  readonly key?: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers?: readonly (readonly [string, Uint8Array | null])[];
}

/** How input becomes messages: each line one, each line a JSON object as `-o ndjson` prints it, or everything one message. */
export type InputKind = 'lines' | 'ndjson' | 'raw';

/** How to read messages. Sizes in bytes. */
export interface InputOptions {
  readonly kind: InputKind;
  /** What ends a line. */
  readonly delimiter: string;
  /** Splits key from value at its first occurrence. */
  readonly keySeparator?: string | undefined;
  /** More than this is refused before memory is spent on it. */
  readonly maxMessageBytes: number;
}

/** A source with the name that errors call it by. */
export interface InputSource {
  readonly name: string;
  readonly open: () => Readable;
}

/** Files by their paths, `-` and no path at all being stdin. */
export function inputSources(paths: readonly string[], stdin: Readable): InputSource[] {
  const names = paths.length === 0 ? ['-'] : paths;
  return names.map((path) =>
    path === '-' ? { name: 'stdin', open: () => stdin } : { name: path, open: () => createReadStream(path) },
  );
}

/**
 * Messages of all sources in order, as many at a time as one piece of input holds: one at a time would cost more than publishing them.
 * @throws CliError that names the source and the line, after the messages before it.
 */
export async function* readMessages(
  sources: readonly InputSource[],
  options: InputOptions,
): AsyncGenerator<OutgoingMessage[]> {
  for (const source of sources) {
    try {
      if (options.kind === 'raw') yield [{ value: await readWhole(source, options.maxMessageBytes) }];
      else yield* readLines(source, options);
    } catch (error) {
      throw isSystemError(error) ? unreadable(source, error) : error;
    }
  }
}

async function* readLines(source: InputSource, options: InputOptions): AsyncGenerator<OutgoingMessage[]> {
  let number = 0;
  for await (const lines of splitLines(source, options)) {
    const messages: OutgoingMessage[] = [];
    try {
      for (const line of lines) {
        number += 1;
        const message = messageOf(line, options, source.name, number);
        if (message !== undefined) messages.push(message);
      }
    } catch (error) {
      yield messages;
      throw error;
    }
    yield messages;
  }
}

/** The message of a line; undefined for an empty line between JSON texts. */
function messageOf(line: Buffer, options: InputOptions, name: string, number: number): OutgoingMessage | undefined {
  const where = `${name}, line ${number}`;
  if (options.kind !== 'ndjson') return messageFromLine(line, options, where);
  return line.length === 0 ? undefined : messageFromJson(line, where);
}

/** What stands between delimiters. A last line without one counts; nothing after the last one does not. */
async function* splitLines(
  source: InputSource,
  { delimiter, maxMessageBytes }: InputOptions,
): AsyncGenerator<Buffer[]> {
  const end = Buffer.from(delimiter);
  // Room for what is not part of the message: JSON spells a byte with up to six, and carries names.
  const limit = maxMessageBytes * 6 + 64 * 1024;
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source.open() as AsyncIterable<Buffer>) {
    // Only the new bytes, and as many before them as a delimiter cut in two may have, are searched.
    let from = Math.max(0, rest.length - end.length + 1);
    const buffer = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let at = buffer.indexOf(end, from); at >= 0; at = buffer.indexOf(end, from)) {
      lines.push(buffer.subarray(start, at));
      start = at + end.length;
      from = start;
    }
    rest = buffer.subarray(start);
    if (lines.length > 0) yield lines;
    if (rest.length > limit) throw tooLarge(source.name, rest.length, maxMessageBytes);
  }
  if (rest.length > 0) yield [rest];
}

function messageFromLine(
  line: Buffer,
  { keySeparator, maxMessageBytes }: InputOptions,
  where: string,
): OutgoingMessage {
  if (line.length > maxMessageBytes) throw tooLarge(where, line.length, maxMessageBytes);
  if (keySeparator === undefined) return { value: line };
  const at = line.indexOf(keySeparator);
  if (at < 0) {
    throw new CliError(
      'failed',
      `Cannot publish ${where}: there is no key separator ${JSON.stringify(keySeparator)} in it`,
    );
  }
  return { key: line.subarray(0, at), value: line.subarray(at + Buffer.byteLength(keySeparator)) };
}

async function readWhole(source: InputSource, maxMessageBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of source.open() as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxMessageBytes) throw tooLarge(source.name, size, maxMessageBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function messageFromJson(line: Buffer, where: string): OutgoingMessage {
  const cannot = (why: string) => new CliError('failed', `Cannot publish ${where}: ${why}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(line.toString('utf8'));
  } catch (error) {
    throw cannot(error instanceof Error ? error.message : String(error));
  }
  if (!isRecord(parsed)) throw cannot('it is no JSON object');
  const headers = parsed['headers'] ?? [];
  if (!Array.isArray(headers)) throw cannot('its headers are no list');
  return {
    key: bytesFromJson(parsed, 'key', cannot),
    value: bytesFromJson(parsed, 'value', cannot),
    headers: headers.map((header: unknown) => {
      if (!isRecord(header) || typeof header['name'] !== 'string') throw cannot('a header has no name');
      return [header['name'], bytesFromJson(header, 'value', cannot)] as const;
    }),
  };
}

function bytesFromJson(from: Record<string, unknown>, name: string, cannot: (why: string) => CliError): Buffer | null {
  const encoded = from[`${name}Base64`];
  if (typeof encoded === 'string') return Buffer.from(encoded, 'base64');
  const text = from[name] ?? null;
  if (text !== null && typeof text !== 'string') throw cannot(`its ${name} is neither text nor null`);
  return text === null ? null : Buffer.from(text);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error;
}

function unreadable(source: InputSource, error: NodeJS.ErrnoException): CliError {
  const code = error.code === 'ENOENT' ? 'not-found' : 'failed';
  return new CliError(code, `Cannot read ${source.name}: ${error.message}`, undefined, error);
}

function tooLarge(where: string, size: number, limit: number): CliError {
  return new CliError(
    'failed',
    `Cannot publish ${where}: it has at least ${size} bytes, the node takes messages of at most ${limit}`,
  );
}

import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { inspect } from 'node:util';

/** A stream that may be a terminal. */
export interface TerminalStream extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** The process as a command sees it: tests give another one. */
export interface Terminal {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  readonly stdout: TerminalStream;
  readonly stderr: TerminalStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Aborts when the user wants the command to end: Ctrl-C, or a polite kill. The reason is a CliError. */
  readonly interrupted: AbortSignal;
}

/** Styles that are used, by their names in `util.inspect.colors`. */
export type Style = 'bold' | 'dim' | 'red' | 'yellow' | 'green';

/** What may be done to text on a terminal. */
export type Paint = (style: Style, text: string) => string;

/**
 * Whether to colour what goes to `stream`: NO_COLOR (any value, no-color.org) wins, then FORCE_COLOR (anything but 0), then whether it is a terminal
 * that can.
 */
export function wantsColour(stream: TerminalStream, environment: Terminal['environment']): boolean {
  if ((environment['NO_COLOR'] ?? '') !== '') return false;
  const forced = environment['FORCE_COLOR'];
  if (forced !== undefined && forced !== '') return forced !== '0';
  return stream.isTTY === true && environment['TERM'] !== 'dumb';
}

/** The function that colours text for `stream`, or leaves it as it is. */
export function paintFor(stream: TerminalStream, environment: Terminal['environment']): Paint {
  if (!wantsColour(stream, environment)) return (_, text) => text;
  return (style, text) => {
    const [open, close] = inspect.colors[style]!;
    return `\u001b[${open}m${text}\u001b[${close}m`;
  };
}

/** Writes, and waits where the reader is slower than the writer, so that a long output takes no memory. */
export async function writeTo(stream: Writable, chunk: string | Uint8Array, signal?: AbortSignal): Promise<void> {
  if (stream.write(chunk)) return;
  await once(stream, 'drain', signal === undefined ? {} : { signal });
}

/** Resolves once everything written so far has left for the operating system. */
export function flushed(stream: Writable): Promise<void> {
  return new Promise((resolve) => {
    // An error of the stream is dealt with by its own listener; here it only means that there is nothing left to wait for.
    stream.write('', () => resolve());
  });
}

import { compileFormat, messageAsJson, type PrintableMessage } from './message-format.js';
import type { Output } from './output.js';
import { printable } from './printable.js';
import { writeTo } from './terminal.js';

/** Pieces are gathered up to this many bytes before they are written: a write per message would be slow. */
const WRITE_BYTES = 64 * 1024;

/** How messages are printed. */
export interface PrintOptions {
  /** As compileFormat takes it. */
  readonly format: string;
  /** What follows each message, unless JSON is printed. */
  readonly delimiter: string;
}

/**
 * Prints messages on stdout, as text or as JSON. `print` gathers; `flush` writes, and waits where the reader is slow. On a terminal control characters
 * are shown as escapes; into a pipe or a file bytes go unchanged.
 */
export class MessagePrinter {
  /** Messages printed so far. */
  count = 0;
  readonly #output: Output;
  readonly #render: (message: PrintableMessage) => Uint8Array | string;
  #pieces: (Uint8Array | string)[] = [];
  #size = 0;

  constructor(output: Output, from: string, options: PrintOptions) {
    this.#output = output;
    this.#render = renderer(output, from, options);
    if (output.format === 'json') this.#add('[');
  }

  /** Takes a message; its bytes may change afterwards. Returns true when it is time to `flush`. */
  print(message: PrintableMessage): boolean {
    if (this.#output.format === 'json') this.#add(this.count === 0 ? '\n  ' : ',\n  ');
    this.#add(this.#render(message));
    this.count += 1;
    return this.#size >= WRITE_BYTES;
  }

  /** Writes everything printed so far. */
  async flush(): Promise<void> {
    if (this.#pieces.length === 0) return;
    const whole = Buffer.concat(this.#pieces.map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
    this.#pieces = [];
    this.#size = 0;
    await writeTo(this.#output.terminal.stdout, whole);
  }

  /** Writes the rest, and ends the list when JSON was asked for. */
  async end(): Promise<void> {
    if (this.#output.format === 'json') this.#add(this.count === 0 ? ']\n' : '\n]\n');
    await this.flush();
  }

  #add(piece: Uint8Array | string): void {
    this.#pieces.push(piece);
    this.#size += piece.length;
  }
}

function renderer(
  output: Output,
  from: string,
  options: PrintOptions,
): (message: PrintableMessage) => Uint8Array | string {
  if (output.format === 'json') return (message) => JSON.stringify(messageAsJson(message, from));
  if (output.format === 'ndjson') return (message) => `${JSON.stringify(messageAsJson(message, from))}\n`;
  const format = compileFormat(options.format, from);
  if (output.terminal.stdout.isTTY !== true) {
    const end = Buffer.from(options.delimiter);
    return (message) => Buffer.concat([format(message), end]);
  }
  return (message) => printable(Buffer.from(format(message)).toString('utf8'), '\n\t') + options.delimiter;
}

/** Secrets that are typed or piped in: never an argument, which every process of the machine could read. */
import { CliError } from './exit-codes.js';
import type { Terminal } from './terminal.js';

/** A longer secret is a mistake: a file was piped in. */
const SECRET_MAX_BYTES = 64 * 1024;
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';
const BACKSPACES = new Set(['\b', '\u007f']);

/** A terminal's input as Node has it. */
interface RawInput {
  setRawMode?(isRaw: boolean): unknown;
}

/**
 * The first line of stdin; on a terminal it is asked for and not shown.
 * @throws CliError when there is none, or it is too long
 */
export async function readSecret(terminal: Terminal, label: string): Promise<string> {
  const secret = terminal.stdin.isTTY === true ? await typed(terminal, label) : await piped(terminal);
  if (secret === '') throw new CliError('usage', `Cannot go on without a ${label}: stdin has none`);
  return secret;
}

/** A new secret: on a terminal it is asked for twice. @throws CliError */
export async function readNewSecret(terminal: Terminal, label: string): Promise<string> {
  const secret = await readSecret(terminal, label);
  if (terminal.stdin.isTTY === true && (await readSecret(terminal, `${label} again`)) !== secret) {
    throw new CliError('usage', `Cannot set the ${label}: the two are not the same`);
  }
  return secret;
}

async function piped({ stdin }: Terminal): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of stdin) {
    const bytes = Buffer.from(chunk as string | Buffer);
    length += bytes.length;
    if (length > SECRET_MAX_BYTES) throw new CliError('usage', 'Cannot read a secret from stdin: it is too long');
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8').split(/\r?\n/, 1)[0] ?? '';
}

async function typed({ stdin, stderr, interrupted }: Terminal, label: string): Promise<string> {
  const input = stdin as typeof stdin & RawInput;
  stderr.write(`${label}: `);
  input.setRawMode?.(true);
  input.setEncoding('utf8');
  try {
    return await lineOf(input, interrupted);
  } finally {
    input.setRawMode?.(false);
    input.pause();
    stderr.write('\n');
  }
}

/** Resolves with what is typed up to the end of the line. In raw mode Ctrl-C arrives as a character. */
function lineOf(input: NodeJS.ReadableStream, interrupted: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    let line: string[] = [];
    const end = (settle: () => void): void => {
      input.off('data', take);
      settle();
    };
    const take = (text: string): void => {
      for (const character of text) {
        if (character === '\r' || character === '\n' || character === CTRL_D) return end(() => resolve(line.join('')));
        if (character === CTRL_C) return end(() => reject(new CliError('interrupted', 'Interrupted')));
        if (BACKSPACES.has(character)) line = line.slice(0, -1);
        else if (line.length < SECRET_MAX_BYTES) line.push(character);
      }
    };
    interrupted.addEventListener('abort', () => end(() => reject(interrupted.reason)), { once: true });
    input.on('data', take);
    input.resume();
  });
}

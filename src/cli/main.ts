#!/usr/bin/env node
/** The `duolog` command: the process around the program. Signals, broken pipes, and errors as text and exit codes. */
import { readFileSync } from 'node:fs';
import { CommanderError } from 'commander';
import { errorText } from './error-text.js';
import { CliError, ExitCode, exitCodeOf } from './exit-codes.js';
import { run } from './run.js';
import { flushed, type Terminal } from './terminal.js';

const words = process.argv.slice(2);
const isNode = words.find((word) => !word.startsWith('-')) === 'start';
const interruption = new AbortController();

/**
 * One Ctrl-C may arrive twice, from the terminal and from a wrapper such as npm that passes it on: what comes this soon after the first is no second
 * wish. In milliseconds.
 */
const SAME_SIGNAL_MS = 300;
let firstSignalMs: number | undefined;

/** The first signal asks the command to end in good order, the second does not ask. */
function onSignal(code: 'interrupted' | 'terminated', text: string): void {
  if (firstSignalMs !== undefined) {
    if (performance.now() - firstSignalMs > SAME_SIGNAL_MS) endAtOnce(text);
    return;
  }
  firstSignalMs = performance.now();
  interruption.abort(new CliError(code, text));
}

function endAtOnce(text: string): never {
  process.stderr.write(`duolog: ${text} again: ends at once\n`);
  // A node's listeners live in worker threads, where process.exit() would abort with a dump. Nothing that was confirmed is lost either way.
  if (isNode) process.kill(process.pid, 'SIGKILL');
  endProcess(ExitCode.failed);
}

/** A reader that has seen enough is no error: `duolog topic consume t | head` ends quietly. A node outlives whoever read its log. */
function onBrokenPipe(error: NodeJS.ErrnoException): void {
  if (isNode) return;
  endProcess(error.code === 'EPIPE' ? ExitCode.ok : ExitCode.failed);
}

function endProcess(code: ExitCode): never {
  process.exit(code);
}

async function main(): Promise<ExitCode> {
  const { stdin, stdout, stderr, env: environment } = process;
  const terminal: Terminal = { stdin, stdout, stderr, environment, interrupted: interruption.signal };
  try {
    await run(words, terminal, version());
    return ExitCode.ok;
  } catch (error) {
    // Commander has said by itself what was wrong.
    if (!(error instanceof CommanderError)) stderr.write(errorText(error, terminal));
    return exitCodeOf(error);
  }
}

function version(): string {
  // package.json is ours and has a version.
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string })
    .version;
}

process.stdout.on('error', onBrokenPipe);
process.stderr.on('error', () => undefined);
process.on('SIGINT', () => onSignal('interrupted', 'Interrupted'));
process.on('SIGTERM', () => onSignal('terminated', 'Terminated'));
const code = await main();
await Promise.all([flushed(process.stdout), flushed(process.stderr)]);
endProcess(code);

import { CodedError } from '../base/errors.js';
import { CliError } from './exit-codes.js';
import { printable } from './printable.js';
import { paintFor, type Terminal } from './terminal.js';

/**
 * An error as a person reads it: what could not be done and, where there is something, what to do about it. What no code expects is a bug, and shows
 * its stack.
 */
export function errorText(error: unknown, terminal: Terminal): string {
  const paint = paintFor(terminal.stderr, terminal.environment);
  if (error instanceof CliError && (error.code === 'interrupted' || error.code === 'terminated')) return '';
  if (!(error instanceof CodedError)) {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
    return `${paint('red', 'error:')} Something unexpected happened: this is a bug\n${stack}\n`;
  }
  const hint = error instanceof CliError ? error.hint : undefined;
  const text = `${paint('red', 'error:')} ${printable(error.message, '\n')}\n`;
  return hint === undefined ? text : `${text}${paint('dim', hint)}\n`;
}

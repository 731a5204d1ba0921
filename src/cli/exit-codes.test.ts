import { CommanderError, InvalidArgumentError } from 'commander';
import { describe, expect, it } from 'vitest';
import { CodedError } from '../base/errors.js';
import { ClientError, type ClientErrorCode } from '../client/index.js';
import { ConfigError } from '../node/config.js';
import { errorText } from './error-text.js';
import { CliError, type ExitCode, exitCodeOf } from './exit-codes.js';
import type { Terminal } from './terminal.js';

class OtherError extends CodedError<'whatever'> {}

describe('exit codes', () => {
  it('follow from the codes of errors', () => {
    const codes: [ClientErrorCode, ExitCode][] = [
      ['not-found', 3],
      ['already-exists', 4],
      ['wrong-kind', 4],
      ['connect-failed', 5],
      ['connection-lost', 5],
      ['timeout', 6],
      ['forbidden', 7],
      ['no-space', 1],
    ];
    for (const [code, expected] of codes) expect(exitCodeOf(new ClientError(code, '')), code).toBe(expected);
    expect(exitCodeOf(new ConfigError('bad-setting', ''))).toBe(2);
    expect(exitCodeOf(new CliError('interrupted', ''))).toBe(130);
    expect(exitCodeOf(new OtherError('whatever', ''))).toBe(1);
    expect(exitCodeOf(new Error('a bug'))).toBe(1);
  });

  it('take help for success and every other complaint of the parser for wrong usage', () => {
    expect(exitCodeOf(new CommanderError(0, 'commander.helpDisplayed', ''))).toBe(0);
    expect(exitCodeOf(new CommanderError(1, 'commander.unknownOption', ''))).toBe(2);
    expect(exitCodeOf(new InvalidArgumentError(''))).toBe(2);
  });
});

describe('error texts', () => {
  // Only colours are asked for, and these streams want none.
  const terminal = { stderr: {}, environment: {} } as unknown as Terminal;

  it('show the message and what to do, without a stack or control characters', () => {
    const text = errorText(new CliError('failed', 'Cannot do\u001b[2J it', 'Do something else'), terminal);
    expect(text).toBe('error: Cannot do\\x1b[2J it\nDo something else\n');
  });

  it('show the stack of what nobody expected, and nothing for an interruption', () => {
    expect(errorText(new TypeError('x is undefined'), terminal)).toMatch(/bug\nTypeError: x is undefined\n +at /);
    expect(errorText(new CliError('interrupted', 'Interrupted'), terminal)).toBe('');
  });
});

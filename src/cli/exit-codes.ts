import { CommanderError } from 'commander';
import { CodedError } from '../base/errors.js';

/**
 * What the command's exit code says; docs/cli.md shows the same table. Scripts rely on these numbers. 64 and up are left to signals: 128 plus the
 * signal's number, as shells count.
 */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  conflict: 4,
  cannotConnect: 5,
  timeout: 6,
  refused: 7,
  interrupted: 130,
  terminated: 143,
} as const;

/** One of the exit codes above. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** What only the command line itself can get wrong. */
export type CliErrorCode =
  | 'usage'
  | 'connect-failed'
  | 'wrong-kind'
  | 'not-found'
  | 'invalid-request'
  | 'refused'
  | 'failed'
  | 'timeout'
  | 'interrupted'
  | 'terminated';

/** The command line cannot do what was asked; `hint` is advice for a person, shown on a line of its own. */
export class CliError extends CodedError<CliErrorCode> {
  readonly hint: string | undefined;

  constructor(code: CliErrorCode, message: string, hint?: string, cause?: unknown) {
    super(code, message, cause);
    this.hint = hint;
  }
}

/** Codes of the client, the node's configuration and this command, by what they mean to a script. The rest is `failed`. */
const meanings: Readonly<Record<string, ExitCode>> = {
  usage: ExitCode.usage,
  'invalid-request': ExitCode.usage,
  'unknown-setting': ExitCode.usage,
  'bad-setting': ExitCode.usage,
  'unreadable-file': ExitCode.usage,
  'not-found': ExitCode.notFound,
  'already-exists': ExitCode.conflict,
  'wrong-kind': ExitCode.conflict,
  'resource-locked': ExitCode.conflict,
  'precondition-failed': ExitCode.conflict,
  'queue-full': ExitCode.conflict,
  'connect-failed': ExitCode.cannotConnect,
  'connection-lost': ExitCode.cannotConnect,
  timeout: ExitCode.timeout,
  unauthenticated: ExitCode.refused,
  forbidden: ExitCode.refused,
  refused: ExitCode.refused,
  interrupted: ExitCode.interrupted,
  terminated: ExitCode.terminated,
};

/** The exit code that says what `thrown` means. Help and version, which commander reports as errors, are fine. */
export function exitCodeOf(thrown: unknown): ExitCode {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
  if (thrown instanceof CodedError) return meanings[String(thrown.code)] ?? ExitCode.failed;
  return ExitCode.failed;
}

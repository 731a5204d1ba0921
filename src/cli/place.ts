/** Which node a command means, and whom it comes as: from options, the environment, and the user's contexts. */
import type { Command } from 'commander';
import { type Context, readContexts } from './contexts.js';
import { CliError } from './exit-codes.js';
import type { ConnectionOptions, GlobalOptions } from './global-options.js';
import { readSecret } from './secrets.js';
import type { Terminal } from './terminal.js';

const PLACE_FIELDS = ['url', 'vhost', 'ca', 'clientCert', 'clientKey', 'insecure'] as const;

/**
 * The command's options with what a context adds to them. Options win over the environment, and that over the context. Whom to come as is one thing: a user
 * or token that is given is not mixed with a context's. The current context counts only where no address is given: its password is for its own node.
 * @throws CliError
 */
export async function optionsOf<Options>(command: Command, terminal: Terminal): Promise<Options & GlobalOptions> {
  const given = command.optsWithGlobals<Options & GlobalOptions>();
  const options = { ...given, ...addedBy(command, given, terminal) };
  return { ...options, ...(await missingPassword(options, terminal)) };
}

/** The same without asking anybody: for completion. */
export function quietOptionsOf(program: Command, terminal: Terminal): ConnectionOptions {
  const given = program.optsWithGlobals<GlobalOptions>();
  return { ...given, ...addedBy(program, given, terminal) };
}

/** The name of the context that counts, if any. */
export function contextName(command: Command, { context }: ConnectionOptions, terminal: Terminal): string | undefined {
  if (context !== undefined) return context;
  return sourceOf(command, 'url') === 'default' ? readContexts(terminal.environment).current : undefined;
}

function addedBy(command: Command, options: ConnectionOptions, terminal: Terminal): Context {
  const name = contextName(command, options, terminal);
  if (name === undefined) return {};
  const context = readContexts(terminal.environment).byName.get(name);
  if (context === undefined) {
    throw new CliError(
      'not-found',
      `There is no context "${name}"`,
      '`duolog context list` shows those that there are.',
    );
  }
  const place = PLACE_FIELDS.filter((field) => isOpen(command, field) && context[field] !== undefined);
  const login =
    options.user === undefined && options.token === undefined ? (['user', 'password', 'token'] as const) : [];
  return Object.fromEntries(
    [...place, ...login].filter((field) => context[field] !== undefined).map((field) => [field, context[field]]),
  );
}

/** Nobody has given the option. */
function isOpen(command: Command, field: string): boolean {
  const source = sourceOf(command, field);
  return source === undefined || source === 'default';
}

function sourceOf(command: Command, field: string): string | undefined {
  return command.getOptionValueSourceWithGlobals(field);
}

async function missingPassword(
  { user, password, token }: ConnectionOptions,
  terminal: Terminal,
): Promise<{ readonly password?: string }> {
  if (user === undefined || password !== undefined || token !== undefined) return {};
  if (terminal.stdin.isTTY !== true) {
    throw new CliError(
      'usage',
      `Cannot log in as ${user} without a password`,
      'DUOLOG_PASSWORD or a context (`duolog context add`) may hold it; on a terminal it is asked for.',
    );
  }
  return { password: await readSecret(terminal, `Password of ${user}`) };
}

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { CodedError } from '../base/errors.js';
import type { Client, ConnectOptions } from '../client/index.js';
import { CliError } from './exit-codes.js';
import type { ConnectionOptions, GlobalOptions } from './global-options.js';
import { Output } from './output.js';
import { optionsOf } from './place.js';
import type { Terminal } from './terminal.js';

/** After an interruption a command may finish what it holds (acknowledgements, a summary) for so long, in milliseconds. */
const GRACE_MS = 2000;

/** Certificates and authorities, in PEM. */
export interface CliTlsOptions {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure?: boolean;
}

/** What a command that talks to a node is given. */
export interface NodeSession<Options> {
  readonly client: Client;
  readonly output: Output;
  readonly options: Options & GlobalOptions;
  /** Aborts when the user wants the command to end. */
  readonly interrupted: AbortSignal;
}

/**
 * Turns what a command does with a node into what commander calls: connects, runs `body` with the command's words, and closes. `Words` are the
 * arguments as declared on the command.
 */
export function nodeAction<Options, Words extends readonly unknown[]>(
  terminal: Terminal,
  body: (session: NodeSession<Options>, ...words: Words) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    // Commander passes the declared arguments, then the command's own options, then the command.
    const command = given.at(-1) as Command;
    // The types of the words follow from the command's declared arguments, which commander does not know.
    const words = given.slice(0, -2) as unknown as Words;
    const options = await optionsOf<Options>(command, terminal);
    const output = new Output(terminal, options);
    await withClient(options, terminal, (client) =>
      body({ client, output, options, interrupted: terminal.interrupted }, ...words),
    );
  };
}

/** Connects, runs `use`, and closes the connection whatever happens. @throws CliError that says where no node was found, or what `use` throws. */
export async function withClient<Result>(
  connection: ConnectionOptions,
  terminal: Terminal,
  use: (client: Client) => Promise<Result>,
): Promise<Result> {
  const { url, timeout } = connection;
  const tls = tlsOptions(connection);
  // Loaded here: help, completion and usage errors need no client.
  const { connect } = await import('../client/index.js');
  const options = {
    clientName: 'duolog-cli',
    connectTimeoutMs: timeout,
    requestTimeoutMs: timeout,
    closeTimeoutMs: timeout,
    signal: terminal.interrupted,
    ...(tls === undefined ? {} : { tls }),
    ...loginOptions(connection),
  };
  const client = await connect(url, options).catch((error: unknown) => {
    throw terminal.interrupted.aborted ? terminal.interrupted.reason : noNode(url, error);
  });
  try {
    return await untilInterrupted(use(client), terminal.interrupted);
  } finally {
    await client.close();
  }
}

function loginOptions({ vhost, user, password, token }: ConnectionOptions): Partial<ConnectOptions> {
  const given = Object.entries({ vhost, user, password, token }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

/** What TLS needs; undefined where the defaults will do. @throws CliError when a file cannot be read, or a certificate has no key. */
export function tlsOptions({ ca, clientCert, clientKey, insecure }: ConnectionOptions): CliTlsOptions | undefined {
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new CliError('usage', 'A client certificate needs both: --client-cert and --client-key');
  }
  if (ca === undefined && clientCert === undefined && insecure !== true) return undefined;
  return {
    ...(ca === undefined ? {} : { ca: readPem('--ca', ca) }),
    ...(clientCert === undefined ? {} : { cert: readPem('--client-cert', clientCert) }),
    ...(clientKey === undefined ? {} : { key: readPem('--client-key', clientKey) }),
    ...(insecure === true ? { insecure } : {}),
  };
}

function readPem(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('usage', `Cannot read ${flag} ${file}: ${reason}`, undefined, error);
  }
}

/** The work's own outcome; or, some time after an interruption that the work has not answered by ending, the interruption. */
async function untilInterrupted<Result>(work: Promise<Result>, interrupted: AbortSignal): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const patienceOver = new Promise<never>((_, reject) => {
    onAbort = () => {
      timer = setTimeout(() => reject(interrupted.reason), GRACE_MS);
    };
    if (interrupted.aborted) onAbort();
    else interrupted.addEventListener('abort', onAbort, { once: true });
  });
  try {
    return await Promise.race([work, patienceOver]);
  } finally {
    clearTimeout(timer);
    interrupted.removeEventListener('abort', onAbort);
  }
}

const connectFailures = new Set(['connect-failed', 'connection-lost', 'timeout', 'protocol', 'closed']);

/** An error of `url` as a person reads it, where it says that no node was found there. */
export function noNode(url: string, error: unknown): unknown {
  if (!(error instanceof CodedError) || !connectFailures.has(String(error.code))) return error;
  const reason = error.message.replace(/^Cannot connect:? ?/, '').replace(/^closed with 1006, /, '');
  const hint = 'Is a node running there? `duolog start` starts one; --url or DUOLOG_URL says where another one is.';
  return new CliError('connect-failed', `Cannot connect to ${url}: ${reason}`, hint, error);
}

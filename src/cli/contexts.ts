/**
 * Contexts: nodes by name, each with what to log in with. Kept in one file that only its owner may read, in the user's configuration folder
 * (XDG Base Directory). Secrets go in there and to the node, and are never printed.
 */
import { chmodSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { CliError } from './exit-codes.js';
import type { Terminal } from './terminal.js';

/** A node and what to log in with. */
export interface Context {
  readonly url?: string;
  readonly vhost?: string;
  readonly user?: string;
  readonly password?: string;
  readonly token?: string;
  /** Files in PEM. */
  readonly ca?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly insecure?: boolean;
}

/** All contexts by name, and which one counts unless told otherwise. */
export interface Contexts {
  readonly current: string | undefined;
  readonly byName: ReadonlyMap<string, Context>;
}

/** The file's version. */
const VERSION = 1;
const TEXT_FIELDS = ['url', 'vhost', 'user', 'password', 'token', 'ca', 'clientCert', 'clientKey'] as const;
/** Rights of others than the owner, in a file's mode. */
const OTHERS = 0o077;

type Environment = Terminal['environment'];

/** Where contexts are kept. */
export function contextsFile(environment: Environment): string {
  const configured = environment['XDG_CONFIG_HOME'];
  // The specification has relative paths passed over.
  const isUsable = configured?.startsWith('/') === true || (process.platform === 'win32' && (configured ?? '') !== '');
  const home = environment['HOME'] ?? homedir();
  return join(isUsable ? configured! : join(home, '.config'), 'duolog', 'contexts.json');
}

/** What is in the file; nothing where there is none. @throws CliError when it is no such file, or others may read it */
export function readContexts(environment: Environment): Contexts {
  const file = contextsFile(environment);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
    refuseOpenFile(file);
  } catch (error) {
    if (error instanceof CliError) throw error;
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { current: undefined, byName: new Map() };
    throw new CliError('failed', `Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  return parse(text, file);
}

/** Replaces the file in one step; nobody but its owner can read it at any time. */
export function writeContexts(environment: Environment, { current, byName }: Contexts): void {
  const file = contextsFile(environment);
  const content = {
    version: VERSION,
    ...(current === undefined ? {} : { current }),
    contexts: Object.fromEntries(byName),
  };
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(temporary, `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o600 });
    // A file of that name may have been there with another mode.
    chmodSync(temporary, 0o600);
    renameSync(temporary, file);
  } catch (error) {
    throw new CliError('failed', `Cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function refuseOpenFile(file: string): void {
  // Windows has no such modes.
  if (process.platform === 'win32' || (statSync(file).mode & OTHERS) === 0) return;
  throw new CliError('failed', `Cannot use ${file}: others may read the secrets in it`, `chmod 600 ${file}`);
}

function parse(text: string, file: string): Contexts {
  const damaged = (what: string): CliError => new CliError('failed', `Cannot read ${file}: ${what}`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    throw damaged('it is no JSON');
  }
  if (!isObject(content) || content['version'] !== VERSION || !isObject(content['contexts'])) {
    throw damaged(`it is no file of contexts, version ${VERSION}`);
  }
  const { current, contexts } = content;
  const byName = new Map<string, Context>();
  for (const [name, value] of Object.entries(contexts as object)) {
    if (!isObject(value)) throw damaged(`context "${name}" is no object`);
    byName.set(name, contextOf(value));
  }
  return { current: typeof current === 'string' ? current : undefined, byName };
}

function contextOf(value: Readonly<Record<string, unknown>>): Context {
  const fields = TEXT_FIELDS.filter((name) => typeof value[name] === 'string').map((name) => [name, value[name]]);
  return { ...Object.fromEntries(fields), ...(value['insecure'] === true ? { insecure: true } : {}) };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

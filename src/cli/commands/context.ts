import { resolve } from 'node:path';
import type { Command } from 'commander';
import { type Context, contextsFile, readContexts, writeContexts } from '../contexts.js';
import { CliError } from '../exit-codes.js';
import type { GlobalOptions } from '../global-options.js';
import { type CellColumn, Output } from '../output.js';
import { readSecret } from '../secrets.js';
import type { Terminal } from '../terminal.js';

interface AddOptions {
  readonly use?: boolean;
  readonly withoutPassword?: boolean;
}

type Action<Options> = (options: Options & GlobalOptions, output: Output, name: string) => void | Promise<void>;

/** `duolog context`: nodes by name, with what to log in with. */
export function addContext(program: Command, terminal: Terminal): void {
  const context = program
    .command('context')
    .summary('remember nodes and logins by name')
    .description(
      'Contexts: nodes by name, each with whom to log in as. Every command uses the current one, or --context.',
    );
  const action = <Options>(body: Action<Options>) => {
    return async (...given: unknown[]): Promise<void> => {
      // Commander passes the declared arguments, then the command's own options, then the command.
      const options = (given.at(-1) as Command).optsWithGlobals<Options & GlobalOptions>();
      await body(options, new Output(terminal, options), String(given[0]));
    };
  };
  context
    .command('add')
    .summary('add or replace a context')
    .description(
      'Remember the node (--url), the virtual host (--vhost), certificates, and whom to log in as (--user, or --token) by a name. The password is the first line of stdin; on a terminal it is asked for.',
    )
    .argument('<new-context>', 'its name')
    .option('--use', 'make it the current one')
    .option('--without-password', 'keep no password: it is asked for each time')
    .action(action<AddOptions>((options, output, name) => add(terminal, options, output, name)));
  context
    .command('use')
    .summary('make a context the current one')
    .description('Make a context the one that counts unless told otherwise; - for none.')
    .argument('<context>')
    .action(action((_, output, name) => use(terminal, output, name)));
  context
    .command('list')
    .alias('ls')
    .summary('list contexts')
    .description('List contexts, without secrets.')
    .action(action((_, output) => list(terminal, output)));
  context
    .command('remove')
    .alias('rm')
    .summary('forget a context')
    .description('Forget a context and its secrets.')
    .argument('<context>')
    .action(action((_, output, name) => remove(terminal, output, name)));
}

async function add(
  terminal: Terminal,
  options: AddOptions & GlobalOptions,
  output: Output,
  name: string,
): Promise<void> {
  const { url, vhost, user, token, ca, clientCert, clientKey, insecure } = options;
  const isAsked = user !== undefined && token === undefined && options.withoutPassword !== true;
  const password = isAsked ? (options.password ?? (await readSecret(terminal, `Password of ${user}`))) : undefined;
  const files = { ca, clientCert, clientKey };
  const whole = Object.entries(files).map(([field, file]) => [field, file === undefined ? undefined : resolve(file)]);
  const fields = Object.entries({ url, vhost, user, password, token, insecure, ...Object.fromEntries(whole) });
  const context: Context = Object.fromEntries(fields.filter(([, value]) => value !== undefined));
  const { current, byName } = readContexts(terminal.environment);
  const isCurrent = options.use === true || byName.size === 0;
  writeContexts(terminal.environment, {
    current: isCurrent ? name : current,
    byName: new Map([...byName, [name, context]]),
  });
  output.note(`Context ${name} is in ${contextsFile(terminal.environment)}${isCurrent ? ', and the current one' : ''}`);
}

function use(terminal: Terminal, output: Output, name: string): void {
  const contexts = readContexts(terminal.environment);
  if (name !== '-') requireContext(contexts.byName, name);
  writeContexts(terminal.environment, { ...contexts, current: name === '-' ? undefined : name });
  output.note(name === '-' ? 'There is no current context now' : `The current context is ${name}`);
}

interface Row {
  readonly name: string;
  readonly current: boolean;
  readonly url: string;
  readonly vhost: string;
  readonly user: string;
  readonly login: 'password' | 'token' | 'none' | 'asks';
}

const columns: readonly CellColumn<Row>[] = [
  { heading: '', cell: ({ current }) => (current ? '*' : '') },
  { heading: 'NAME', cell: ({ name }) => name },
  { heading: 'URL', cell: ({ url }) => url },
  { heading: 'VHOST', cell: ({ vhost }) => vhost },
  { heading: 'USER', cell: ({ user }) => user },
  { heading: 'LOGIN', cell: ({ login }) => login },
];

async function list(terminal: Terminal, output: Output): Promise<void> {
  const { current, byName } = readContexts(terminal.environment);
  const rows = [...byName].map(([name, context]) => rowOf(name, context, name === current));
  await output.list(
    rows,
    columns,
    (row) => row,
    'There are no contexts. `duolog context add NAME --url URL` makes one.',
  );
}

function rowOf(name: string, context: Context, current: boolean): Row {
  const { url = '', vhost = '/', user = '' } = context;
  return { name, current, url, vhost, user, login: loginOf(context) };
}

function loginOf({ user, password, token }: Context): Row['login'] {
  if (token !== undefined) return 'token';
  if (password !== undefined) return 'password';
  return user === undefined ? 'none' : 'asks';
}

function remove(terminal: Terminal, output: Output, name: string): void {
  const { current, byName } = readContexts(terminal.environment);
  requireContext(byName, name);
  const left = new Map([...byName].filter(([other]) => other !== name));
  writeContexts(terminal.environment, { current: current === name ? undefined : current, byName: left });
  output.note(`Forgot context ${name}`);
}

function requireContext(byName: ReadonlyMap<string, Context>, name: string): void {
  if (!byName.has(name)) throw new CliError('not-found', `There is no context "${name}"`);
}

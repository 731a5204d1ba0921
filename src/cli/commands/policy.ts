import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Fields } from '../../client/index.js';
import { wholeNumber } from '../arguments.js';
import { field } from '../fields.js';
import { fieldColumn, printItems } from '../items.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import type { Terminal } from '../terminal.js';

const APPLY_TO = ['all', 'queues', 'exchanges', 'classic_queues', 'quorum_queues', 'streams'];
const PRIORITY_MAX = 2 ** 31 - 1;

interface SetOptions {
  readonly define?: Fields;
  readonly definition?: Readonly<Record<string, unknown>>;
  readonly applyTo: string;
  readonly priority: number;
}

/** What tells policies from those of operators. */
interface Kind {
  readonly command: 'policy' | 'operator-policy';
  readonly root: string;
  readonly noun: string;
  readonly description: string;
}

const KINDS: readonly Kind[] = [
  {
    command: 'policy',
    root: '/policies',
    noun: 'policy',
    description: 'Policies: arguments of queues and exchanges by pattern, in force at once.',
  },
  {
    command: 'operator-policy',
    root: '/operator-policies',
    noun: 'operator policy',
    description: "Operator policies: bounds that users' own arguments and policies cannot pass.",
  },
];

/** `duolog policy` and `duolog operator-policy`. */
export function addPolicies(program: Command, terminal: Terminal): void {
  for (const kind of KINDS) addKind(program, terminal, kind);
}

function addKind(program: Command, terminal: Terminal, kind: Kind): void {
  const { noun } = kind;
  const policy = program
    .command(kind.command)
    .summary(kind.command === 'policy' ? 'list, set and delete policies' : 'list, set and delete operator policies')
    .description(kind.description);
  policy
    .command('list')
    .alias('ls')
    .summary('list them')
    .description('List those of all virtual hosts, or of one (--vhost).')
    .action(apiAction(terminal, (session: ApiSession<unknown>) => list(session, kind)));
  addSet(policy, terminal, kind);
  policy
    .command('delete')
    .alias('rm')
    .summary(`delete one ${noun} or more`)
    .description('Delete them from the virtual host (--vhost).')
    .argument('<name...>')
    .action(apiAction(terminal, (session: ApiSession<unknown>, names: string[]) => remove(session, kind, names)));
}

function addSet(policy: Command, terminal: Terminal, kind: Kind): void {
  policy
    .command('set')
    .summary(`set ${kind.noun === 'policy' ? 'a policy' : 'an operator policy'}`)
    .description('Set one in the virtual host (--vhost): what it defines holds for all names that match the pattern.')
    .argument('<name>')
    .argument('<pattern>', 'a regular expression for names; ^ and $ are not implied')
    .addOption(new Option('-d, --define <key=value>', 'such as max-length=1000; may be repeated').argParser(field))
    .addOption(new Option('--definition <json>', 'the same as a JSON object').argParser(jsonObject))
    .addOption(new Option('--apply-to <kind>', 'what it is for').choices(APPLY_TO).default('all'))
    .addOption(
      new Option('--priority <number>', 'of those that match, the highest counts')
        .argParser(wholeNumber(0, PRIORITY_MAX))
        .default(0),
    )
    .action(
      apiAction(terminal, (session: ApiSession<SetOptions>, name: string, pattern: string) =>
        set(session, kind, name, pattern),
      ),
    );
}

function jsonObject(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be a JSON object, such as {"max-length": 1000}.');
}

const columns = [
  fieldColumn('VHOST', 'vhost'),
  fieldColumn('NAME', 'name'),
  fieldColumn('PATTERN', 'pattern'),
  fieldColumn('APPLIES TO', 'apply-to'),
  fieldColumn('DEFINITION', 'definition'),
  fieldColumn('PRIORITY', 'priority', { align: 'right' }),
];

async function list(session: ApiSession<unknown>, { root, noun }: Kind): Promise<void> {
  const { vhost } = session.options;
  const where = vhost === undefined ? root : `${root}${path`/${vhost}`}`;
  await printItems(session, where, columns, `There is no ${noun}.`);
}

async function set(
  { api, output, options }: ApiSession<SetOptions>,
  { root, noun }: Kind,
  name: string,
  pattern: string,
): Promise<void> {
  const { vhost = '/', define = {}, definition = {}, applyTo, priority } = options;
  const body = { pattern, definition: { ...definition, ...define }, 'apply-to': applyTo, priority };
  await api.ask('PUT', `${root}${path`/${vhost}/${name}`}`, { body });
  output.note(`Set ${noun} ${name}`);
}

async function remove(
  { api, output, options }: ApiSession<unknown>,
  { root, noun }: Kind,
  names: readonly string[],
): Promise<void> {
  const { vhost = '/' } = options;
  for (const name of names) {
    await api.ask('DELETE', `${root}${path`/${vhost}/${name}`}`);
    output.note(`Deleted ${noun} ${name}`);
  }
}

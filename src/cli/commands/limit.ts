import { Argument, type Command, InvalidArgumentError } from 'commander';
import { fieldColumn } from '../items.js';
import { type ApiSession, apiAction, type Item, path } from '../node-api.js';
import type { Terminal } from '../terminal.js';

const KINDS = ['vhost', 'user'] as const;
type Kind = (typeof KINDS)[number];
const LIMITS = ['max-connections', 'max-channels', 'max-queues'] as const;

/** `duolog limit`: how much virtual hosts and users may have. */
export function addLimit(program: Command, terminal: Terminal): void {
  const limit = program
    .command('limit')
    .summary('list, set and delete limits of virtual hosts and users')
    .description('Limits: how many connections, channels and queues virtual hosts and users may have.');
  limit
    .command('list')
    .alias('ls')
    .summary('list limits')
    .description('List the limits of virtual hosts and of users.')
    .action(apiAction(terminal, list));
  place(limit.command('set'))
    .summary('set a limit')
    .description(
      'Set a limit: max-connections and max-queues of a virtual host, max-connections and max-channels of a user.',
    )
    .argument('<value>', 'a whole number', count)
    .action(apiAction(terminal, set));
  place(limit.command('delete').alias('rm'))
    .summary('lift a limit')
    .description('Lift a limit.')
    .action(apiAction(terminal, remove));
}

function place(command: Command): Command {
  return command
    .addArgument(new Argument('<kind>', 'whose limit').choices(KINDS))
    .argument('<name>', 'the virtual host or user')
    .addArgument(new Argument('<limit>', 'which limit').choices(LIMITS));
}

function count(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 0 up.');
}

const columns = [
  fieldColumn('KIND', 'kind'),
  fieldColumn('NAME', 'name'),
  fieldColumn('LIMIT', 'limit'),
  fieldColumn('VALUE', 'value', { align: 'right' }),
];

async function list({ api, output }: ApiSession<unknown>): Promise<void> {
  const vhosts = await api.list('/vhost-limits');
  const users = await api.list('/user-limits');
  const rows = [...vhosts.flatMap((item) => rowsOf('vhost', item)), ...users.flatMap((item) => rowsOf('user', item))];
  await output.list(rows, columns, (row) => row, 'There are no limits.');
}

/** One row for each limit. */
function rowsOf(kind: Kind, item: Item): Item[] {
  // The API's own shape.
  const values = item['value'] as Readonly<Record<string, number>>;
  return Object.entries(values).map(([limit, value]) => ({ kind, name: item[kind], limit, value }));
}

async function set(
  { api, output }: ApiSession<unknown>,
  kind: Kind,
  name: string,
  limit: string,
  value: number,
): Promise<void> {
  await api.ask('PUT', `/${kind}-limits${path`/${name}/${limit}`}`, { body: { value } });
  output.note(`Set ${limit} of ${kind} ${name} to ${value}`);
}

async function remove({ api, output }: ApiSession<unknown>, kind: Kind, name: string, limit: string): Promise<void> {
  await api.ask('DELETE', `/${kind}-limits${path`/${name}/${limit}`}`);
  output.note(`There is no ${limit} of ${kind} ${name} any more`);
}

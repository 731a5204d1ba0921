import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import { fieldColumn, printItems } from '../items.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import type { Terminal } from '../terminal.js';

interface CloseOptions {
  readonly ofUser?: string;
  readonly reason: string;
}

/** `duolog connection`: who is connected. */
export function addConnection(program: Command, terminal: Terminal): void {
  const connection = program
    .command('connection')
    .summary('list and close connections')
    .description('Connections on all doors of the node.');
  connection
    .command('list')
    .alias('ls')
    .summary('list connections')
    .description('List open connections: all that you may see, or those to one virtual host (--vhost).')
    .action(apiAction(terminal, list));
  connection
    .command('close')
    .summary('close connections')
    .description('Close connections by their names, or all of a user.')
    .argument('[connection...]', 'names as `duolog connection list` shows them')
    .option('--of-user <name>', 'all connections of this user')
    .option('--reason <text>', 'what the client is told', 'Closed by an operator')
    .action(apiAction(terminal, close));
}

const columns = [
  fieldColumn('NAME', 'name'),
  fieldColumn('USER', 'user'),
  fieldColumn('VHOST', 'vhost'),
  fieldColumn('PROTOCOL', 'protocol'),
  fieldColumn('CHANNELS', 'channels', { align: 'right', optional: true }),
  fieldColumn('STATE', 'state', { optional: true }),
];

async function list(session: ApiSession<unknown>): Promise<void> {
  const { vhost } = session.options;
  const where = vhost === undefined ? '/connections' : path`/vhosts/${vhost}/connections`;
  await printItems(session, where, columns, 'There are no connections.');
}

async function close({ api, output, options }: ApiSession<CloseOptions>, names: readonly string[]): Promise<void> {
  const { ofUser, reason } = options;
  if ((ofUser === undefined) === (names.length === 0)) {
    throw new CliError('usage', 'Cannot close connections: name them, or their user with --of-user');
  }
  const headers = { 'x-reason': reason };
  if (ofUser !== undefined) await api.ask('DELETE', path`/connections/username/${ofUser}`, { headers });
  for (const name of names) await api.ask('DELETE', path`/connections/${name}`, { headers });
  output.note(ofUser === undefined ? `Closed ${names.join(', ')}` : `Closed the connections of ${ofUser}`);
}

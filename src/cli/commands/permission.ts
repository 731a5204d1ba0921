import type { Command } from 'commander';
import { fieldColumn, printItems } from '../items.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import type { Terminal } from '../terminal.js';

const EVERYTHING = '.*';

interface SetOptions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/** `duolog permission`: what users may do in a virtual host. */
export function addPermission(program: Command, terminal: Terminal): void {
  const permission = program
    .command('permission')
    .summary('list, set and delete permissions')
    .description(
      'Permissions: which exchanges and queues of a virtual host a user may declare, write to and read from.',
    );
  permission
    .command('list')
    .alias('ls')
    .summary('list permissions')
    .description('List permissions of all users, or of one.')
    .argument('[user]', 'only this user')
    .action(apiAction(terminal, (session, user?: string) => list(session, 'permissions', columns, user)));
  permission
    .command('set')
    .summary('let a user into a virtual host, and say what for')
    .description(
      'Let a user into the virtual host (--vhost). What is not said is everything; an empty pattern is nothing.',
    )
    .argument('<user>')
    .option('--configure <pattern>', 'names that may be declared and deleted', EVERYTHING)
    .option('--write <pattern>', 'names that may be written to', EVERYTHING)
    .option('--read <pattern>', 'names that may be read from', EVERYTHING)
    .action(apiAction(terminal, set));
  permission
    .command('delete')
    .alias('rm')
    .summary('shut a user out of a virtual host')
    .description('Shut a user out of the virtual host (--vhost).')
    .argument('<user>')
    .action(apiAction(terminal, remove));
}

const columns = [
  fieldColumn('USER', 'user'),
  fieldColumn('VHOST', 'vhost'),
  fieldColumn('CONFIGURE', 'configure'),
  fieldColumn('WRITE', 'write'),
  fieldColumn('READ', 'read'),
];

async function list(
  session: ApiSession<unknown>,
  kind: 'permissions' | 'topic-permissions',
  shown: Parameters<typeof printItems>[2],
  user: string | undefined,
): Promise<void> {
  const { vhost } = session.options;
  const ofUser = user === undefined ? undefined : path`/users/${user}`;
  const ofVhost = vhost === undefined ? '' : path`/vhosts/${vhost}`;
  await printItems(session, `${ofUser ?? ofVhost}/${kind}`, shown, 'There are no such permissions.');
}

async function set({ api, output, options }: ApiSession<SetOptions>, user: string): Promise<void> {
  const { configure, write, read, vhost = '/' } = options;
  await api.ask('PUT', path`/permissions/${vhost}/${user}`, { body: { configure, write, read } });
  output.note(`User ${user} may enter ${vhost}`);
}

async function remove({ api, output, options }: ApiSession<unknown>, user: string): Promise<void> {
  const { vhost = '/' } = options;
  await api.ask('DELETE', path`/permissions/${vhost}/${user}`);
  output.note(`User ${user} may not enter ${vhost} any more`);
}

/** `duolog topic-permission`: which routing keys users may use. */
export function addTopicPermission(program: Command, terminal: Terminal): void {
  const permission = program
    .command('topic-permission')
    .summary('list, set and delete permissions by routing key')
    .description('Topic permissions: which routing keys a user may use at an exchange, besides the permissions on it.');
  permission
    .command('list')
    .alias('ls')
    .summary('list topic permissions')
    .description('List topic permissions of all users, or of one.')
    .argument('[user]', 'only this user')
    .action(apiAction(terminal, (session, user?: string) => list(session, 'topic-permissions', topicColumns, user)));
  permission
    .command('set')
    .summary('say which routing keys a user may use at an exchange')
    .description('Say which routing keys a user may use at an exchange of the virtual host (--vhost).')
    .argument('<user>')
    .argument('<exchange>')
    .option('--write <pattern>', 'keys to publish with', EVERYTHING)
    .option('--read <pattern>', 'keys to bind with', EVERYTHING)
    .action(apiAction(terminal, setTopic));
  permission
    .command('delete')
    .alias('rm')
    .summary('end topic permissions')
    .description('End the topic permissions of a user in the virtual host (--vhost), or those at one exchange.')
    .argument('<user>')
    .argument('[exchange]', 'only at this exchange')
    .action(apiAction(terminal, removeTopic));
}

const topicColumns = [
  fieldColumn('USER', 'user'),
  fieldColumn('VHOST', 'vhost'),
  fieldColumn('EXCHANGE', 'exchange'),
  fieldColumn('WRITE', 'write'),
  fieldColumn('READ', 'read'),
];

async function setTopic(
  { api, output, options }: ApiSession<Omit<SetOptions, 'configure'>>,
  user: string,
  exchange: string,
): Promise<void> {
  const { write, read, vhost = '/' } = options;
  await api.ask('PUT', path`/topic-permissions/${vhost}/${user}`, { body: { exchange, write, read } });
  output.note(`User ${user} has topic permissions at ${exchange}`);
}

async function removeTopic(
  { api, output, options }: ApiSession<unknown>,
  user: string,
  exchange?: string,
): Promise<void> {
  const { vhost = '/' } = options;
  const all = path`/topic-permissions/${vhost}/${user}`;
  await api.ask('DELETE', exchange === undefined ? all : `${all}${path`/${exchange}`}`);
  output.note(`User ${user} has no topic permissions at ${exchange ?? 'any exchange'} any more`);
}

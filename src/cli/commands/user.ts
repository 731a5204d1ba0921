import type { Command } from 'commander';
import { fieldColumn, printItems } from '../items.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import { readNewSecret } from '../secrets.js';
import type { Terminal } from '../terminal.js';

interface AddOptions {
  readonly tags?: string;
  readonly withoutPassword?: boolean;
}

/** `duolog user`: who may log in. */
export function addUser(program: Command, terminal: Terminal): void {
  const user = program
    .command('user')
    .summary('list, add and delete users')
    .description('Users: who may log in. What they may do in a virtual host is said by `duolog permission`.');
  user
    .command('list')
    .alias('ls')
    .summary('list users')
    .description('List users with their tags.')
    .option('--without-permissions', 'only those who may enter no virtual host')
    .action(apiAction(terminal, list));
  user
    .command('add')
    .summary('add a user, or replace one')
    .description(
      'Add a user, or replace the tags and password of one that is there. The password is the first line of stdin; on a terminal it is asked for.',
    )
    .argument('<new-user>', 'the name')
    .option('--tags <tags>', 'administrator, monitoring, policymaker, management; with commas between')
    .option('--without-password', 'logs in by certificate or token only')
    .action(apiAction(terminal, add));
  user
    .command('password')
    .summary('give a user another password')
    .description('Give a user another password: the first line of stdin. Open connections of the user end.')
    .argument('<user>')
    .action(apiAction(terminal, changePassword));
  user
    .command('tags')
    .summary("replace a user's tags")
    .description("Replace a user's tags; none = a user without any. The password stays.")
    .argument('<user>')
    .argument('[tags...]', 'administrator, monitoring, policymaker, management')
    .action(apiAction(terminal, changeTags));
  user
    .command('delete')
    .alias('rm')
    .summary('delete users')
    .description('Delete users with their permissions. Their connections end.')
    .argument('<user...>')
    .action(apiAction(terminal, remove));
}

const columns = [fieldColumn('NAME', 'name'), fieldColumn('TAGS', 'tags')];

async function list(session: ApiSession<{ readonly withoutPermissions?: boolean }>): Promise<void> {
  const where = session.options.withoutPermissions === true ? '/users/without-permissions' : '/users';
  await printItems(session, where, columns, 'There are no such users.');
}

async function add({ api, output, options, terminal }: ApiSession<AddOptions>, name: string): Promise<void> {
  const { tags = '', withoutPassword } = options;
  const secret = withoutPassword === true ? {} : { password: await readNewSecret(terminal, `Password of ${name}`) };
  await api.ask('PUT', path`/users/${name}`, { body: { tags, ...secret } });
  output.note(`User ${name} is there. \`duolog permission set ${name}\` says what for`);
}

async function changePassword({ api, output, terminal }: ApiSession<unknown>, name: string): Promise<void> {
  const user = await api.ask('GET', path`/users/${name}`);
  // An answer that is no error is the user's object.
  const { tags } = user as { readonly tags: unknown };
  const password = await readNewSecret(terminal, `New password of ${name}`);
  await api.ask('PUT', path`/users/${name}`, { body: { tags, password } });
  output.note(`User ${name} has another password`);
}

async function changeTags({ api, output }: ApiSession<unknown>, name: string, tags: readonly string[]): Promise<void> {
  // A PUT would make a user that is misspelt.
  await api.ask('GET', path`/users/${name}`);
  await api.ask('PUT', path`/users/${name}`, { body: { tags } });
  output.note(`User ${name} has ${tags.length === 0 ? 'no tags' : `the tags ${tags.join(', ')}`}`);
}

async function remove({ api, output }: ApiSession<unknown>, names: string[]): Promise<void> {
  for (const name of names) {
    await api.ask('DELETE', path`/users/${name}`);
    output.note(`Deleted user ${name}`);
  }
}

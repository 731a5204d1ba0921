import type { Command } from 'commander';
import { fieldColumn, printItems } from '../items.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import type { Terminal } from '../terminal.js';

interface AddOptions {
  readonly description?: string;
  readonly tags?: string;
  readonly defaultQueueType?: string;
}

/** `duolog vhost`: virtual hosts. */
export function addVhost(program: Command, terminal: Terminal): void {
  const vhost = program
    .command('vhost')
    .summary('list, add and delete virtual hosts')
    .description('Virtual hosts: worlds of exchanges, queues and bindings that know nothing of each other.');
  vhost
    .command('list')
    .alias('ls')
    .summary('list virtual hosts')
    .description('List virtual hosts with what waits in them.')
    .action(apiAction(terminal, (session: ApiSession<unknown>) => printItems(session, '/vhosts', columns, 'None')));
  vhost
    .command('add')
    .summary('add a virtual host, or change what is said of it')
    .description('Add a virtual host, or change what is said of one that is there. Nobody may enter a new one yet.')
    .argument('<new-vhost>', 'its name')
    .option('--description <text>', 'what it is for')
    .option('--tags <tags>', 'words for it, with commas between')
    .option('--default-queue-type <type>', 'of queues that are declared without one: classic, quorum, stream')
    .action(apiAction(terminal, add));
  vhost
    .command('delete')
    .alias('rm')
    .summary('delete virtual hosts')
    .description('Delete virtual hosts with everything in them. Connections to them end.')
    .argument('<vhost...>')
    .action(apiAction(terminal, remove));
}

const columns = [
  fieldColumn('NAME', 'name'),
  fieldColumn('MESSAGES', 'messages', { align: 'right' }),
  fieldColumn('DESCRIPTION', 'description', { optional: true }),
  fieldColumn('TAGS', 'tags', { optional: true }),
];

async function add({ api, output, options }: ApiSession<AddOptions>, name: string): Promise<void> {
  const { description, tags, defaultQueueType } = options;
  await api.ask('PUT', path`/vhosts/${name}`, {
    body: { description, tags, default_queue_type: defaultQueueType },
  });
  output.note(`Virtual host ${name} is there`);
}

async function remove({ api, output }: ApiSession<unknown>, names: string[]): Promise<void> {
  for (const name of names) {
    await api.ask('DELETE', path`/vhosts/${name}`);
    output.note(`Deleted virtual host ${name}`);
  }
}

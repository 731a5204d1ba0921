import { type Command, Option } from 'commander';
import type { BindingSettings, Fields } from '../../client/index.js';
import { allBindings } from '../bindings.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { field, fieldsAsJson, fieldsText } from '../fields.js';
import type { CellColumn } from '../output.js';
import type { Terminal } from '../terminal.js';

/** `duolog binding`: what leads from exchanges to queues, topics and exchanges. */
export function addBinding(program: Command, terminal: Terminal): void {
  const binding = program
    .command('binding')
    .summary('add, list and remove bindings')
    .description('Bindings: what leads from an exchange to queues, topics and other exchanges.');
  addChange(binding, terminal, 'add', 'bind a queue to an exchange', bind);
  binding
    .command('list')
    .alias('ls')
    .summary('list bindings')
    .description('List bindings, of all exchanges or of one.')
    .argument('[exchange]', 'only from this exchange')
    .option('--to <destination>', 'only to this queue, topic or exchange')
    .action(nodeAction(terminal, list));
  addChange(binding, terminal, 'remove', 'end a binding', unbind);
}

interface ChangeOptions {
  readonly exchange?: boolean;
  readonly argument?: Fields;
}

function addChange(
  parent: Command,
  terminal: Terminal,
  name: 'add' | 'remove',
  summary: string,
  action: (session: NodeSession<ChangeOptions>, ...words: [string, string, string?]) => Promise<void>,
): void {
  const command = parent
    .command(name)
    .summary(summary)
    .description(
      name === 'add'
        ? 'Bind a queue, a topic or with --exchange another exchange to an exchange. A binding that is there already is fine.'
        : 'End a binding. Key and arguments must be those that it was made with.',
    )
    .argument('<exchange>')
    .argument('<destination>', 'queue or topic')
    .argument('[routing-key]', 'key or pattern; nothing for fanout and headers exchanges')
    .option('--exchange', 'the destination is an exchange')
    .addOption(
      new Option(
        '-A, --argument <name=value>',
        'what a headers exchange matches, with x-match=all or any; may be repeated',
      ).argParser(field),
    );
  if (name === 'remove') command.alias('rm');
  command.action(nodeAction(terminal, action));
}

function bindingOf(
  { exchange, argument }: ChangeOptions,
  [source, destination, routingKey = '']: [string, string, string?],
): BindingSettings {
  return {
    source,
    routingKey,
    ...(exchange === true ? { exchange: destination } : { queue: destination }),
    ...(argument === undefined ? {} : { arguments: argument }),
  };
}

async function bind(session: NodeSession<ChangeOptions>, ...words: [string, string, string?]): Promise<void> {
  const { client, output, options, interrupted } = session;
  await client.bind(bindingOf(options, words), { signal: interrupted });
  output.note(`Bound ${words[1]} to ${words[0]}${words[2] === undefined ? '' : ` with ${words[2]}`}`);
}

async function unbind(session: NodeSession<ChangeOptions>, ...words: [string, string, string?]): Promise<void> {
  const { client, output, options, interrupted } = session;
  await client.unbind(bindingOf(options, words), { signal: interrupted });
  output.note(`${words[1]} is not bound to ${words[0]}${words[2] === undefined ? '' : ` with ${words[2]}`} any more`);
}

/** Columns of a table of bindings; the first one is the exchange. */
export const bindingColumns: readonly CellColumn<BindingSettings>[] = [
  { heading: 'EXCHANGE', cell: ({ source }) => source },
  { heading: 'TO', cell: ({ queue, exchange }) => queue ?? exchange ?? '' },
  { heading: 'KIND', cell: ({ queue }) => (queue === undefined ? 'exchange' : 'queue') },
  { heading: 'ROUTING KEY', cell: ({ routingKey = '' }) => routingKey },
  { heading: 'ARGUMENTS', optional: true, cell: ({ arguments: fields = {} }) => fieldsText(fields) },
];

/** A binding as JSON. */
export function bindingAsJson({
  source,
  queue,
  exchange,
  routingKey,
  arguments: fields = {},
}: BindingSettings): object {
  const kind = queue === undefined ? 'exchange' : 'queue';
  return { exchange: source, destination: queue ?? exchange, kind, routingKey, arguments: fieldsAsJson(fields) };
}

async function list(
  { client, output, options, interrupted }: NodeSession<{ readonly to?: string }>,
  source?: string,
): Promise<void> {
  const { to } = options;
  const filter = { ...(source === undefined ? {} : { source }), ...(to === undefined ? {} : { destination: to }) };
  const bindings = await allBindings(client, filter, interrupted);
  const empty = 'There are no such bindings. `duolog binding add EXCHANGE QUEUE KEY` makes one.';
  await output.list(bindings, bindingColumns, bindingAsJson, empty);
}

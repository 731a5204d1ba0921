import { type Command, Option } from 'commander';
import {
  type Client,
  ClientError,
  type ExchangeDescription,
  type ExchangeSettings,
  type ExchangeType,
  type Fields,
} from '../../client/index.js';
import { duration, wholeNumber } from '../arguments.js';
import { allBindings } from '../bindings.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { CliError } from '../exit-codes.js';
import { field, fieldsAsJson, fieldsText } from '../fields.js';
import type { CellColumn } from '../output.js';
import { formatCount, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { bindingAsJson, bindingColumns } from './binding.js';

const TYPES: readonly ExchangeType[] = ['direct', 'fanout', 'topic', 'headers', 'x-delayed-message'];

/** `duolog exchange`: everything about exchanges. */
export function addExchange(program: Command, terminal: Terminal): void {
  const exchange = program
    .command('exchange')
    .summary('declare, list and delete exchanges, and publish to them')
    .description('Exchanges: they route messages to queues, topics and other exchanges by bindings.');
  addDeclare(exchange, terminal);
  exchange
    .command('list')
    .alias('ls')
    .summary('list exchanges')
    .description('List exchanges.')
    .argument('[prefix]', 'only names that start so')
    .action(nodeAction(terminal, listExchanges));
  exchange
    .command('describe')
    .summary('settings of an exchange and its bindings')
    .description('Print the settings of an exchange and the bindings from it.')
    .argument('<exchange>')
    .action(nodeAction(terminal, describeExchange));
  exchange
    .command('delete')
    .alias('rm')
    .summary('delete exchanges')
    .description('Delete exchanges with the bindings from and to them.')
    .argument('<exchange...>')
    .option('--if-unused', 'only when nothing is bound to it')
    .action(nodeAction(terminal, deleteExchanges));
  addPublish(exchange, terminal);
}

interface DeclareOptions {
  readonly type: ExchangeType;
  readonly transient?: boolean;
  readonly autoDelete?: boolean;
  readonly internal?: boolean;
  readonly alternate?: string;
  readonly delayedType?: Exclude<ExchangeType, 'x-delayed-message'>;
  readonly argument?: Fields;
}

function addDeclare(exchange: Command, terminal: Terminal): void {
  exchange
    .command('declare')
    .alias('create')
    .summary('declare an exchange')
    .description(
      'Declare an exchange. One that exists with the same settings is fine; with others it is a conflict (exit code 4).',
    )
    .argument('<new-exchange>', 'name of the exchange')
    .addOption(
      new Option('-t, --type <type>', 'how it chooses among its bindings').choices([...TYPES]).default('direct'),
    )
    .option('--transient', "gone with the node's next start")
    .option('--auto-delete', 'gone with its last binding')
    .option('--internal', 'takes messages from other exchanges only')
    .option('--alternate <exchange>', 'the exchange that gets what no binding matches')
    .addOption(
      new Option('--delayed-type <type>', 'what x-delayed-message routes as').choices([
        'direct',
        'fanout',
        'topic',
        'headers',
      ]),
    )
    .addOption(new Option('-A, --argument <name=value>', "further arguments, by AMQP's names").argParser(field))
    .action(nodeAction(terminal, declareExchange));
}

async function declareExchange(
  { client, output, options, interrupted }: NodeSession<DeclareOptions>,
  name: string,
): Promise<void> {
  const { type, transient, autoDelete, internal, alternate, delayedType, argument } = options;
  const settings: ExchangeSettings = {
    type,
    durable: transient !== true,
    autoDelete: autoDelete ?? false,
    internal: internal ?? false,
    ...(alternate === undefined ? {} : { alternate }),
    ...(delayedType === undefined ? {} : { delayedType }),
    ...(argument === undefined ? {} : { arguments: argument }),
  };
  const existed = (await findExchange(client, name, interrupted)) !== undefined;
  await client.declareExchange(name, settings, { signal: interrupted });
  output.note(existed ? `${name} existed already with these settings` : `Declared ${type} exchange ${name}`);
}

/** What people call the exchange without a name. */
function shownName(name: string): string {
  return name === '' ? '(default)' : name;
}

const columns: readonly CellColumn<ExchangeDescription>[] = [
  { heading: 'EXCHANGE', cell: ({ name }) => shownName(name) },
  { heading: 'TYPE', cell: typeText },
  { heading: 'DURABLE', cell: ({ durable }) => yesNo(durable) },
  { heading: 'AUTO-DELETE', optional: true, cell: ({ autoDelete }) => yesNo(autoDelete) },
  { heading: 'INTERNAL', optional: true, cell: ({ internal }) => yesNo(internal) },
  { heading: 'ALTERNATE', optional: true, cell: ({ alternate }) => alternate ?? '' },
];

function typeText({ type, delayedType }: ExchangeDescription): string {
  return delayedType === undefined ? type : `${type} (${delayedType})`;
}

function yesNo(value: boolean): string {
  return value ? 'yes' : 'no';
}

function exchangeAsJson(exchange: ExchangeDescription): object {
  return { ...exchange, arguments: fieldsAsJson(exchange.arguments) };
}

async function listExchanges({ client, output, interrupted }: NodeSession<unknown>, prefix = ''): Promise<void> {
  const all: ExchangeDescription[] = [];
  for (let more = true; more; ) {
    const after = all.at(-1)?.name;
    const what = after === undefined ? { prefix } : { prefix, after };
    const page = await client.listExchanges(what, { signal: interrupted });
    all.push(...page.exchanges);
    more = page.more && page.exchanges.length > 0;
  }
  await output.list(all, columns, exchangeAsJson, `No exchange starts with ${prefix}`);
}

async function findExchange(
  client: Client,
  name: string,
  signal: AbortSignal,
): Promise<ExchangeDescription | undefined> {
  const { exchanges } = await client.listExchanges({ prefix: name, limit: 1 }, { signal });
  // Names come in order, and no name is smaller than its own prefix.
  return exchanges.find((exchange) => exchange.name === name);
}

async function describeExchange({ client, output, interrupted }: NodeSession<unknown>, name: string): Promise<void> {
  const exchange = await findExchange(client, name, interrupted);
  if (exchange === undefined) throw new ClientError('not-found', `There is no exchange "${name}"`);
  const bindings = await allBindings(client, { source: name }, interrupted);
  await output.one({ ...exchangeAsJson(exchange), bindings: bindings.map(bindingAsJson) }, () => {
    const fields = output.fieldsText([
      ['exchange', shownName(exchange.name)],
      ['type', typeText(exchange)],
      ['durable', yesNo(exchange.durable)],
      ['auto-delete', yesNo(exchange.autoDelete)],
      ['internal', yesNo(exchange.internal)],
      ...(exchange.alternate === undefined ? [] : [['alternate', exchange.alternate] as const]),
      ...(Object.keys(exchange.arguments).length === 0 ? [] : [['arguments', fieldsText(exchange.arguments)] as const]),
      ['bindings', formatCount(bindings.length)],
    ]);
    return bindings.length === 0 ? fields : `${fields}\n${output.tableText(bindings, bindingColumns.slice(1))}`;
  });
}

async function deleteExchanges(
  { client, output, options, interrupted }: NodeSession<{ readonly ifUnused?: boolean }>,
  names: readonly string[],
): Promise<void> {
  for (const name of names) {
    await client.deleteExchange(name, { ifUnused: options.ifUnused ?? false, signal: interrupted });
    output.note(`Deleted exchange ${name}`);
  }
}

interface PublishOptions {
  readonly header?: Fields;
  readonly transient?: boolean;
  readonly mandatory: boolean;
  readonly delay?: number;
  readonly ttl?: number;
  readonly priority?: number;
  readonly messageId?: string;
}

function addPublish(exchange: Command, terminal: Terminal): void {
  exchange
    .command('publish')
    .summary('publish messages to an exchange')
    .description("Publish each value to an exchange. '' is the default exchange: the routing key is a queue's name.")
    .argument('<exchange>')
    .argument('<routing-key>')
    .argument('<values...>', 'the messages')
    .addOption(new Option('-H, --header <name=value>', 'a header; may be repeated').argParser(field))
    .option('--transient', 'need not survive power loss')
    .option('--no-mandatory', 'do not fail when no queue wants a message')
    .addOption(new Option('--delay <duration>', 'hold the messages for so long').argParser(duration))
    .addOption(new Option('--ttl <duration>', 'how long they may wait in a queue').argParser(duration))
    .addOption(new Option('--priority <number>', 'for queues with priorities').argParser(wholeNumber(0, 255)))
    .option('--message-id <id>', 'what queues that deduplicate compare')
    .action(nodeAction(terminal, publish));
}

async function publish(
  { client, output, options }: NodeSession<PublishOptions>,
  exchange: string,
  routingKey: string,
  values: readonly string[],
): Promise<void> {
  const { header, transient, mandatory, delay, ttl, priority, messageId } = options;
  const common = {
    exchange,
    routingKey,
    ...(header === undefined ? {} : { headers: header }),
    ...(delay === undefined ? {} : { delayMs: delay }),
    ...(ttl === undefined ? {} : { ttlMs: ttl }),
    ...(priority === undefined ? {} : { priority }),
    ...(messageId === undefined ? {} : { messageId }),
  };
  const durability = transient === true ? 'memory' : 'disk';
  const publishes = values.map((value) => client.publish({ ...common, value }, { mandatory, durability }));
  const outcomes = await Promise.allSettled(publishes);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const confirmed = outcomes.filter(({ status }) => status === 'fulfilled').length;
  if (confirmed > 0) output.note(`Published ${plural(confirmed, 'message')} to exchange ${shownName(exchange)}`);
  if (failed === undefined) return;
  const { reason } = failed as PromiseRejectedResult;
  if (!(reason instanceof ClientError) || reason.code !== 'unroutable') throw reason;
  const text = `Cannot publish to exchange ${shownName(exchange)} with key "${routingKey}": no queue wants the message`;
  throw new CliError('failed', text, `Try: duolog route test '${exchange}' '${routingKey}'`, reason);
}

import type { Command } from 'commander';
import type { Description, QueueSettings } from '../../client/index.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { bytesIn, deleteAll, listAll, partitionColumns, wrongKind } from '../log-commands.js';
import type { CellColumn } from '../output.js';
import { formatBytes, formatCount, formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { addQueueConsume } from './queue-consume.js';
import { addDeclare } from './queue-declare.js';
import { addMessageCommands } from './queue-messages.js';

/** `duolog queue`: everything about queues. */
export function addQueue(program: Command, terminal: Terminal): void {
  const queue = program
    .command('queue')
    .summary('declare, list, work off, look into and purge queues')
    .description('Queues: each message goes to one consumer, which acknowledges it.');
  addDeclare(queue, terminal);
  queue
    .command('list')
    .alias('ls')
    .summary('list queues')
    .description('List queues with what waits in them.')
    .argument('[prefix]', 'only names that start so')
    .action(nodeAction(terminal, listQueues));
  queue
    .command('describe')
    .summary('settings of a queue and state of its partitions')
    .description('Print the settings of a queue and the state of each partition.')
    .argument('<queue>')
    .action(nodeAction(terminal, describeQueue));
  addQueueConsume(queue, terminal);
  addMessageCommands(queue, terminal);
  queue
    .command('purge')
    .summary('remove what waits in a queue')
    .description('Remove every message that waits in a queue.')
    .argument('<queue>')
    .action(nodeAction(terminal, purgeQueue));
  queue
    .command('delete')
    .alias('rm')
    .summary('delete queues')
    .description('Delete queues with everything in them.')
    .argument('<queue...>')
    .action(
      nodeAction(terminal, (session: NodeSession<unknown>, names: string[]) => deleteAll(session, 'queue', names)),
    );
}

const listColumns: readonly CellColumn<Description>[] = [
  { heading: 'QUEUE', cell: ({ name }) => name },
  { heading: 'READY', align: 'right', cell: ({ messagesReady }) => formatCount(messagesReady) },
  { heading: 'UNACKED', align: 'right', cell: ({ messagesUnacknowledged }) => formatCount(messagesUnacknowledged) },
  { heading: 'CONSUMERS', align: 'right', cell: ({ consumers }) => formatCount(consumers) },
  { heading: 'SIZE', optional: true, align: 'right', cell: (queue) => formatBytes(bytesIn(queue)) },
  { heading: 'PARTITIONS', optional: true, align: 'right', cell: ({ partitions }) => formatCount(partitions.length) },
  { heading: 'DURABILITY', optional: true, cell: ({ durability }) => durability },
];

async function listQueues({ client, output, interrupted }: NodeSession<unknown>, prefix = ''): Promise<void> {
  const queues = await listAll(client, { kind: 'queues', prefix }, interrupted);
  const empty =
    prefix === '' ? 'There are no queues. `duolog queue declare NAME` makes one.' : `No queue starts with ${prefix}`;
  await output.list(queues, listColumns, (queue) => queue, empty);
}

async function describeQueue({ client, output, interrupted }: NodeSession<unknown>, name: string): Promise<void> {
  const queue = await client.describe(name, { signal: interrupted });
  if (queue.kind !== 'queue') throw wrongKind(queue, 'describe');
  const settings = queue.settings as QueueSettings;
  const { lingerMs } = settings;
  await output.one(queue, () => {
    const fields = output.fieldsText([
      ['queue', queue.name],
      ['ready', formatCount(queue.messagesReady)],
      ['unacknowledged', formatCount(queue.messagesUnacknowledged)],
      ['consumers', formatCount(queue.consumers)],
      ['size', formatBytes(bytesIn(queue))],
      ['durability', queue.durability],
      ...(lingerMs === undefined ? [] : [['acked kept for', formatDuration(lingerMs)] as const]),
      ...ruleFields(settings),
    ]);
    return `${fields}\n${output.tableText(queue.partitions, partitionColumns('queue'))}`;
  });
}

/** What the queue was declared with, as far as it says something. */
function ruleFields(settings: QueueSettings): (readonly [string, string])[] {
  const time = (ms: number | undefined): string | undefined => (ms === undefined ? undefined : formatDuration(ms));
  const number = (value: number | undefined): string | undefined => (value ? formatCount(value) : undefined);
  const yes = (value: boolean | undefined): string | undefined => (value === true ? 'yes' : undefined);
  const { maxLengthBytes, deadLetterExchange: exchange } = settings;
  const rules: readonly (readonly [string, string | undefined])[] = [
    ['type', settings.type],
    ['transient', settings.durable === false ? 'yes' : undefined],
    ['exclusive', yes(settings.exclusive)],
    ['auto-delete', yes(settings.autoDelete)],
    ['message TTL', time(settings.messageTtlMs)],
    ['expires after', time(settings.expiresMs)],
    ['max length', settings.maxLength === undefined ? undefined : formatCount(settings.maxLength)],
    ['max bytes', maxLengthBytes === undefined ? undefined : formatBytes(maxLengthBytes)],
    ['overflow', settings.overflow],
    ['dead letters to', exchange === '' ? 'the default exchange' : exchange],
    ['with key', settings.deadLetterRoutingKey],
    ['priorities', number(settings.maxPriority)],
    ['single active', yes(settings.singleActiveConsumer)],
    ['delivery limit', settings.deliveryLimit === undefined ? undefined : formatCount(settings.deliveryLimit)],
    ['consumer timeout', time(settings.consumerTimeoutMs)],
    ['acked stay', yes(settings.retain)],
    ['deduplicates', time(settings.deduplicationMs)],
    ['max age', settings.maxAge],
  ];
  return rules.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
}

async function purgeQueue({ client, output, interrupted }: NodeSession<unknown>, name: string): Promise<void> {
  const queue = await client.describe(name, { signal: interrupted });
  if (queue.kind !== 'queue') throw wrongKind(queue, 'purge');
  const purged = await client.purge(name, { signal: interrupted });
  if (output.format === 'table') output.note(`Purged ${plural(purged, 'message')} from queue ${name}`);
  else await output.one({ queue: name, purged }, () => '');
}

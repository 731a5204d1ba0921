import { type Command, Option } from 'commander';
import type { Description, DurabilityName, TopicSettings } from '../../client/index.js';
import { byteSize, byteSizeOrUnlimited, duration, durationOrForever, wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { existsAlready } from '../declaring.js';
import { bytesIn, deleteAll, listAll, messagesIn, partitionColumns } from '../log-commands.js';
import type { CellColumn } from '../output.js';
import { formatBytes, formatCount, formatDuration } from '../quantities.js';
import type { Terminal } from '../terminal.js';
import { addConsume } from './consume.js';
import { addProduce } from './produce.js';
import { addTail } from './tail.js';

/** `duolog topic`: everything about topics. */
export function addTopic(program: Command, terminal: Terminal): void {
  const topic = program
    .command('topic')
    .summary('create, list, read and write topics')
    .description('Topics: logs that are read by offset.');
  addCreate(topic, terminal);
  topic
    .command('list')
    .alias('ls')
    .summary('list topics')
    .description('List topics with their size and settings.')
    .argument('[prefix]', 'only names that start so')
    .option('-a, --all', 'queues as well: each has a log that is read like a topic')
    .action(nodeAction(terminal, listTopics));
  topic
    .command('describe')
    .summary('settings of a topic and state of its partitions')
    .description('Print the settings of a topic and the state of each partition.')
    .argument('<topic>')
    .action(nodeAction(terminal, describeTopic));
  topic
    .command('delete')
    .alias('rm')
    .summary('delete topics')
    .description('Delete topics with everything in them.')
    .argument('<topic...>')
    .action(
      nodeAction(terminal, (session: NodeSession<unknown>, names: string[]) => deleteAll(session, 'topic', names)),
    );
  addConsume(topic, terminal);
  addProduce(topic, terminal);
  addTail(topic, terminal);
}

interface CreateOptions {
  readonly partitions?: number;
  readonly durability?: DurabilityName;
  readonly retention?: number;
  readonly retentionSize?: number;
  readonly segmentSize?: number;
  readonly segmentAge?: number;
}

function addCreate(topic: Command, terminal: Terminal): void {
  topic
    .command('create')
    .summary('create a topic')
    .description(
      'Create a topic. One that exists with the same settings is fine; with others it is a conflict (exit code 4).',
    )
    .argument('<new-topic>', 'name of the topic')
    .addOption(
      new Option('-p, --partitions <count>', 'partitions (default: the node decides)').argParser(
        wholeNumber(1, 10_000),
      ),
    )
    .addOption(
      new Option('-d, --durability <level>', 'of messages whose publisher chooses none (default: disk)').choices([
        'memory',
        'disk',
        'quorum',
      ]),
    )
    .addOption(
      new Option('--retention <duration>', 'how long messages are kept, or forever (default: 7d)').argParser(
        durationOrForever,
      ),
    )
    .addOption(
      new Option('--retention-size <size>', 'how much is kept per partition, or unlimited (default)').argParser(
        byteSizeOrUnlimited,
      ),
    )
    .addOption(new Option('--segment-size <size>', 'size of a segment file').argParser(byteSize))
    .addOption(new Option('--segment-age <duration>', 'age at which a segment file is closed').argParser(duration))
    .action(nodeAction(terminal, createTopic));
}

async function createTopic(
  { client, output, options, interrupted }: NodeSession<CreateOptions>,
  name: string,
): Promise<void> {
  const { partitions, durability, retention, retentionSize, segmentSize, segmentAge } = options;
  const settings: TopicSettings = {
    ...(partitions === undefined ? {} : { partitions }),
    ...(durability === undefined ? {} : { durability }),
    ...(retention === undefined ? {} : { retentionMs: retention }),
    ...(retentionSize === undefined ? {} : { retentionBytes: retentionSize }),
    ...(segmentSize === undefined ? {} : { segmentBytes: segmentSize }),
    ...(segmentAge === undefined ? {} : { segmentMs: segmentAge }),
  };
  const existed = await existsAlready(client, name);
  await client.declareTopic(name, settings, { signal: interrupted });
  output.note(existed ? `Topic ${name} exists already, with these settings` : `Created topic ${name}`);
}

const listColumns: readonly CellColumn<Description>[] = [
  { heading: 'TOPIC', cell: ({ name }) => name },
  { heading: 'PARTITIONS', align: 'right', cell: ({ partitions }) => formatCount(partitions.length) },
  { heading: 'MESSAGES', align: 'right', cell: (topic) => formatCount(messagesIn(topic)) },
  { heading: 'SIZE', align: 'right', cell: (topic) => formatBytes(bytesIn(topic)) },
  { heading: 'DURABILITY', optional: true, cell: ({ durability }) => durability },
  { heading: 'RETENTION', optional: true, cell: retentionText },
];

async function listTopics(session: NodeSession<{ all?: boolean }>, prefix = ''): Promise<void> {
  const { client, output, options, interrupted } = session;
  const filter = options.all === true ? {} : ({ kind: 'topics' } as const);
  const topics = await listAll(client, { ...filter, prefix }, interrupted);
  const empty =
    prefix === '' ? 'There are no topics. `duolog topic create NAME` makes one.' : `No topic starts with ${prefix}`;
  const kind = { heading: 'KIND', cell: (log: Description) => log.kind };
  const columns = options.all === true ? [listColumns[0]!, kind, ...listColumns.slice(1)] : listColumns;
  await output.list(topics, columns, (topic) => topic, empty);
}

async function describeTopic({ client, output, interrupted }: NodeSession<unknown>, name: string): Promise<void> {
  const topic = await client.describe(name, { signal: interrupted });
  await output.one(topic, () => {
    const fields = output.fieldsText([
      [topic.kind, topic.name],
      ['partitions', formatCount(topic.partitions.length)],
      ['messages', formatCount(messagesIn(topic))],
      ['size', formatBytes(bytesIn(topic))],
      ['durability', topic.durability],
      ['retention', retentionText(topic)],
    ]);
    return `${fields}\n${output.tableText(topic.partitions, partitionColumns(topic.kind))}`;
  });
}

function retentionText({ kind, settings }: Description): string {
  if (kind === 'queue') return 'until acknowledged';
  // Settings are those of the kind, which is a topic here.
  const { retentionMs, retentionBytes } = settings as TopicSettings;
  const time = formatDuration(retentionMs ?? -1);
  return retentionBytes === undefined || retentionBytes < 0 ? time : `${time}, ${formatBytes(retentionBytes)}`;
}

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DurabilityName, Fields, QueueSettings, StartPoint } from '../../client/index.js';
import { byteSize, duration, startPosition, wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { existsAlready } from '../declaring.js';
import { field } from '../fields.js';
import type { Terminal } from '../terminal.js';

interface DeclareOptions {
  readonly partitions?: number;
  readonly durability?: DurabilityName;
  readonly segmentSize?: number;
  readonly linger?: number;
  readonly start?: StartPoint;
  readonly transient?: boolean;
  readonly autoDelete?: boolean;
  readonly type?: 'classic' | 'quorum' | 'stream';
  readonly messageTtl?: number;
  readonly expires?: number;
  readonly maxLength?: number;
  readonly maxBytes?: number;
  readonly overflow?: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  readonly deadLetterExchange?: string;
  readonly deadLetterKey?: string;
  readonly maxPriority?: number;
  readonly singleActive?: boolean;
  readonly deliveryLimit?: number;
  readonly consumerTimeout?: number;
  readonly retain?: boolean;
  readonly deduplicate?: number;
  readonly maxAge?: string;
  readonly argument?: Fields;
}

/** `duolog queue declare`. */
export function addDeclare(queue: Command, terminal: Terminal): void {
  const command = queue
    .command('declare')
    .alias('create')
    .summary('declare a queue')
    .description(
      'Declare a queue, or give an existing topic a cursor. One that exists with the same settings is fine;\nwith others it is a conflict (exit code 4).',
    )
    .argument('<new-queue>', 'name of the queue');
  addLogOptions(command);
  addRuleOptions(command);
  command
    .addHelpText(
      'after',
      '\nExamples:\n  duolog queue declare jobs --message-ttl 1h --dead-letter-exchange failed\n  duolog queue declare mails --max-priority 10 --delivery-limit 5 --type quorum\n  duolog queue declare latest --max-length 1000',
    )
    .action(nodeAction(terminal, declareQueue));
}

function addLogOptions(command: Command): void {
  command
    .addOption(new Option('-p, --partitions <count>', 'partitions (default: 1)').argParser(wholeNumber(1, 10_000)))
    .addOption(
      new Option('-d, --durability <level>', 'of messages whose publisher chooses none (default: disk)').choices([
        'memory',
        'disk',
        'quorum',
      ]),
    )
    .addOption(new Option('--segment-size <size>', 'size of a segment file').argParser(byteSize))
    .addOption(
      new Option('--linger <duration>', 'how long acknowledged messages stay readable by offset').argParser(duration),
    )
    .addOption(
      new Option(
        '--start <position>',
        'where the queue starts in a topic that exists: beginning, end (default), or @ and a time',
      ).argParser(queueStart),
    );
}

function addRuleOptions(command: Command): void {
  const whole = (flags: string, text: string, least: number, most?: number): Option =>
    new Option(flags, text).argParser(wholeNumber(least, most));
  const time = (flags: string, text: string): Option => new Option(flags, text).argParser(duration);
  command
    .addOption(
      new Option('--type <type>', 'as RabbitMQ calls them (default: classic)').choices(['classic', 'quorum', 'stream']),
    )
    .option('--transient', "gone with the node's next start")
    .option('--auto-delete', 'gone with its last consumer')
    .addOption(time('--message-ttl <duration>', 'how long messages may wait'))
    .addOption(time('--expires <duration>', 'gone when nobody has used it for so long'))
    .addOption(whole('--max-length <count>', 'messages that may wait', 0))
    .addOption(new Option('--max-bytes <size>', 'bytes of messages that may wait').argParser(byteSize))
    .addOption(
      new Option('--overflow <what>', 'what becomes of a publish to a full queue (default: drop-head)').choices([
        'drop-head',
        'reject-publish',
        'reject-publish-dlx',
      ]),
    )
    .option('--dead-letter-exchange <exchange>', "where dead letters go; '' is the default exchange")
    .option('--dead-letter-key <key>', "their routing key (default: the message's own)")
    .addOption(whole('--max-priority <number>', 'messages of higher priority come first', 1, 255))
    .option('--single-active', 'one consumer gets everything; the others wait for it to go')
    .addOption(whole('--delivery-limit <count>', 'how often a message may come back (quorum queues)', 0))
    .addOption(time('--consumer-timeout <duration>', 'how long a delivery may stay unacknowledged'))
    .option('--retain', 'acknowledged messages stay readable by offset')
    .addOption(time('--deduplicate <duration>', 'drop a message whose id was seen within this time'))
    .option('--max-age <age>', 'of messages in a stream: 7D, 12h, 30m')
    .addOption(new Option('-A, --argument <name=value>', "further arguments, by AMQP's names").argParser(field));
}

function queueStart(text: string): StartPoint {
  const position = startPosition(text);
  if (position.at === 'beginning' || position.at === 'end') return position.at;
  if (position.at === 'timestamp') return { timestamp: position.timestampMs };
  throw new InvalidArgumentError('It must be beginning, end, @1h for an hour ago, or @ and a date.');
}

/** What was asked for, by the client's names; the rest is left to the node. */
function settingsOf(options: DeclareOptions): QueueSettings {
  const settings = {
    partitions: options.partitions,
    durability: options.durability,
    segmentBytes: options.segmentSize,
    lingerMs: options.linger,
    start: options.start,
    durable: options.transient === true ? false : undefined,
    autoDelete: options.autoDelete,
    type: options.type,
    messageTtlMs: options.messageTtl,
    expiresMs: options.expires,
    maxLength: options.maxLength,
    maxLengthBytes: options.maxBytes,
    overflow: options.overflow,
    deadLetterExchange: options.deadLetterExchange,
    deadLetterRoutingKey: options.deadLetterKey,
    maxPriority: options.maxPriority,
    singleActiveConsumer: options.singleActive,
    deliveryLimit: options.deliveryLimit,
    consumerTimeoutMs: options.consumerTimeout,
    retain: options.retain,
    deduplicationMs: options.deduplicate,
    maxAge: options.maxAge,
    arguments: options.argument,
  };
  // What is left has the types that the names above stand for.
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as QueueSettings;
}

async function declareQueue(
  { client, output, options, interrupted }: NodeSession<DeclareOptions>,
  name: string,
): Promise<void> {
  const existed = await existsAlready(client, name);
  await client.declareQueue(name, settingsOf(options), { signal: interrupted });
  output.note(existed ? `${name} existed already; it is a queue with these settings` : `Declared queue ${name}`);
}

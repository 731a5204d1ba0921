import { type Command, Option } from 'commander';
import { escapedText, header, separator, wholeNumber } from '../arguments.js';
import { type NodeSession, nodeAction } from '../connection.js';
import { CliError } from '../exit-codes.js';
import { type InputKind, inputSources, type OutgoingMessage, readMessages } from '../message-input.js';
import { maxMessageBytesOf, type PublishOptions, publishAll } from '../publishing.js';
import type { Terminal } from '../terminal.js';

interface ProduceOptions extends PublishOptions {
  readonly key?: string;
  readonly keySeparator?: string;
  readonly delimiter: string;
  readonly input: InputKind;
  readonly raw?: boolean;
  readonly count?: number;
}

/** Options about what is published, shared with `duolog publish`. */
export function addPublishOptions(command: Command): Command {
  return command
    .addOption(new Option('-k, --key <key>', 'the key of every message').argParser(escapedText))
    .addOption(new Option('-H, --header <name=value>', 'a header for every message; may be repeated').argParser(header))
    .addOption(
      new Option('-p, --partition <number>', 'the partition (default: chosen by the key)').argParser(
        wholeNumber(0, 65_535),
      ),
    )
    .addOption(
      new Option(
        '-d, --durability <level>',
        'how safe messages must be before they count (default: as declared)',
      ).choices(['memory', 'disk', 'quorum']),
    );
}

/** `duolog topic produce`: every line of stdin or of files becomes a message. */
export function addProduce(parent: Command, terminal: Terminal): void {
  const command = parent
    .command('produce')
    .summary('publish lines of stdin or of files')
    .description('Publish every line of stdin, or of the files given, as a message. Ends when all are confirmed.')
    .argument('<topic>', 'topic or queue')
    .argument('[files...]', 'files to read; - is stdin');
  addPublishOptions(command)
    .addOption(
      new Option('-K, --key-separator <text>', 'each line is key, separator, value')
        .argParser(separator)
        .conflicts('key'),
    )
    .addOption(
      new Option('-D, --delimiter <text>', 'what ends a message in the input')
        .argParser(separator)
        .default('\n', '\\n'),
    )
    .addOption(
      new Option('-i, --input <kind>', 'lines; ndjson as printed by consume -o ndjson; raw = each input is one message')
        .choices(['lines', 'ndjson', 'raw'])
        .default('lines'),
    )
    .option('--raw', 'short for --input raw: every byte of stdin, or of each file, in one message')
    .addOption(new Option('-n, --count <number>', 'stop after so many messages').argParser(wholeNumber(1)))
    .addHelpText('after', EXAMPLES)
    .action(nodeAction(terminal, produce));
}

const EXAMPLES = `
Examples:
  seq 1000 | duolog topic produce events
  duolog topic produce events -K : < key-value-lines.txt
  duolog topic produce pictures --raw --key cat cat.jpg
  duolog topic consume a -o ndjson | duolog topic produce b -i ndjson`;

async function produce(session: NodeSession<ProduceOptions>, topic: string, files: readonly string[]): Promise<void> {
  const { options, output } = session;
  const kind = options.raw === true ? 'raw' : options.input;
  if (options.keySeparator !== undefined && kind !== 'lines') {
    throw new CliError('usage', `Cannot split keys from values with --input ${kind}: only lines have a separator`);
  }
  const { stdin } = output.terminal;
  if (stdin.isTTY === true && (files.length === 0 || files.includes('-'))) {
    output.note('Each line is a message. Ctrl-D ends.');
  }
  const maxMessageBytes = maxMessageBytesOf(session.client);
  const input = { kind, delimiter: options.delimiter, keySeparator: options.keySeparator, maxMessageBytes };
  const messages = readMessages(inputSources(files, stdin), input);
  const published = await publishAll(session, topic, dressed(messages, options), options.count);
  // A command before this one in a pipe has failed, more likely than not.
  if (published === 0 && files.length === 0)
    output.note('Nothing was read from stdin: each line of it would be a message');
}

/** Puts key and headers of the command line on messages that bring none of their own. */
async function* dressed(
  messages: AsyncIterable<readonly OutgoingMessage[]>,
  options: ProduceOptions,
): AsyncGenerator<OutgoingMessage[]> {
  const key = options.key === undefined ? null : Buffer.from(options.key);
  const common = options.header ?? [];
  for await (const some of messages) {
    yield some.map((message) => ({
      key: message.key ?? key,
      value: message.value,
      headers: [...(message.headers ?? []), ...common],
    }));
  }
}

import type { Command } from 'commander';
import { type NodeSession, nodeAction } from '../connection.js';
import { CliError } from '../exit-codes.js';
import { inputSources, type OutgoingMessage, readMessages } from '../message-input.js';
import { maxMessageBytesOf, type PublishOptions, publishAll } from '../publishing.js';
import type { Terminal } from '../terminal.js';
import { addPublishOptions } from './produce.js';

interface PublishCommandOptions extends PublishOptions {
  readonly key?: string;
  readonly tombstone?: boolean;
}

/** `duolog publish`: each argument becomes a message; without one, all of stdin. */
export function addPublish(program: Command, terminal: Terminal): void {
  const command = program
    .command('publish')
    .summary('publish messages given as arguments')
    .description('Publish each value as a message to a topic or a queue. Without a value, all of stdin is one message.')
    .argument('<to>', 'topic or queue')
    .argument('[values...]', 'the messages');
  addPublishOptions(command)
    .option('--tombstone', 'a null value instead: removes the key from a compacted topic')
    .addHelpText(
      'after',
      "\nExamples:\n  duolog publish jobs 'one job' 'another job'\n  duolog publish events -k user-7 -H trace=1 '{\"seen\":true}'\n  duolog publish pictures < cat.jpg",
    )
    .action(nodeAction(terminal, publish));
}

async function publish(
  session: NodeSession<PublishCommandOptions>,
  to: string,
  values: readonly string[],
): Promise<void> {
  await publishAll(session, to, messagesOf(session, to, values));
}

async function* messagesOf(
  { client, output, options }: NodeSession<PublishCommandOptions>,
  to: string,
  values: readonly string[],
): AsyncGenerator<OutgoingMessage[]> {
  const key = options.key === undefined ? null : Buffer.from(options.key);
  const headers = options.header ?? [];
  if (options.tombstone === true) {
    yield [{ key, headers, value: null }];
  } else if (values.length > 0) {
    yield values.map((value) => ({ key, headers, value: Buffer.from(value) }));
  } else {
    const { stdin } = output.terminal;
    if (stdin.isTTY === true) output.note('All that you type is one message. Ctrl-D ends.');
    const input = { kind: 'raw', delimiter: '', maxMessageBytes: maxMessageBytesOf(client) } as const;
    for await (const some of readMessages(inputSources([], stdin), input)) {
      // A command before this one in a pipe has failed, more likely than not.
      if (some.some(({ value }) => value?.length === 0)) throw nothingRead(to);
      yield some.map(({ value }) => ({ key, headers, value }));
    }
  }
}

function nothingRead(to: string): CliError {
  return new CliError(
    'usage',
    `Cannot publish to ${to}: nothing was read from stdin`,
    `A message without a value is published by: duolog publish ${to} ''`,
  );
}

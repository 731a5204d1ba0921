import { type Command, Option } from 'commander';
import { escapedText } from './arguments.js';
import { FORMAT_HELP } from './message-format.js';

/** Options about how messages are printed, shared by all commands that read. */
export function addPrintOptions(command: Command): Command {
  return command
    .addOption(new Option('--format <format>', FORMAT_HELP).default('%v'))
    .addOption(
      new Option('-D, --delimiter <text>', 'what follows each message').argParser(escapedText).default('\n', '\\n'),
    );
}

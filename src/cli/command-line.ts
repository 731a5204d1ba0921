import { Command, InvalidArgumentError, Option } from 'commander';
import { timeLimit } from './arguments.js';
import { DEFAULT_URL, OUTPUT_FORMATS } from './global-options.js';
import { paintFor, type Terminal, wantsColour } from './terminal.js';

const EXAMPLES = `
Examples:
  duolog start --data ./data            run a node in this folder
  duolog topic create events -p 4       a topic with four partitions
  seq 100 | duolog topic produce events each line becomes a message
  duolog topic consume events           read them from the beginning
  duolog queue declare jobs             a queue
  duolog publish jobs 'one job'         a message for it
  duolog queue consume jobs --follow    work it off; Ctrl-C ends

Exit codes:
  0 done   1 failed   2 wrong usage   3 not found   4 exists or conflicts
  5 no connection   6 out of time   7 not allowed   130 interrupted`;

/** The command line without its commands: name, help and the options that all commands share. */
export function createEmptyProgram(version: string): Command {
  const program = new Command('duolog')
    .description('Duolog: one log, two ways to read it. Publishes, reads and manages messages; runs a node.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help for the command')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', EXAMPLES)
    .showSuggestionAfterError(true)
    .exitOverride();
  addGlobalOptions(program);
  return program;
}

/** Ties a program whose commands are complete to a terminal. Commander's errors are thrown from then on instead of ending the process. */
export function tieTo(program: Command, terminal: Terminal): Command {
  for (const command of everyCommand(program)) configure(command, terminal);
  return program;
}

function addGlobalOptions(program: Command): void {
  program
    .addOption(
      new Option('--url <url>', 'the node, by its WebSocket address')
        .default(DEFAULT_URL)
        .env('DUOLOG_URL')
        .argParser(nodeUrl),
    )
    .addOption(
      new Option('--context <context>', 'address and login from this context, instead of the current one').env(
        'DUOLOG_CONTEXT',
      ),
    )
    .addOption(new Option('--user <name>', 'whom to log in as').env('DUOLOG_USER'))
    .addOption(
      new Option('--password <password>', 'asked for where it is missing; others may see arguments').env(
        'DUOLOG_PASSWORD',
      ),
    )
    .addOption(new Option('--token <token>', 'a token (JWT) to log in with').env('DUOLOG_TOKEN'))
    .addOption(new Option('--vhost <name>', 'virtual host (default: /)').env('DUOLOG_VHOST'))
    .addOption(
      new Option('--timeout <duration>', 'how long to wait for the node').default(10_000, '10s').argParser(timeLimit),
    )
    .addOption(
      new Option('--ca <file>', "PEM authorities to believe instead of the system's, for wss:// addresses").env(
        'DUOLOG_CA',
      ),
    )
    .addOption(new Option('--client-cert <file>', 'PEM certificate to show to the node').env('DUOLOG_CLIENT_CERT'))
    .addOption(new Option('--client-key <file>', 'its PEM key').env('DUOLOG_CLIENT_KEY'))
    .option('--insecure', 'believe any certificate of the node: for trials only')
    .addOption(new Option('-o, --output <format>', 'how to print results').choices(OUTPUT_FORMATS).default('table'))
    .option('-q, --quiet', 'print no remarks and no progress on stderr')
    .option('--progress', 'draw progress on stderr even where it is no terminal')
    .option('--no-progress', 'draw no progress');
}

/** Accepts `host:port` and http addresses as well: what people paste. */
function nodeUrl(text: string): string {
  const url = /^[a-z]+:\/\//i.test(text) ? text.replace(/^http/i, 'ws') : `ws://${text}`;
  if (!URL.canParse(url) || !/^wss?:/i.test(url)) {
    throw new InvalidArgumentError('It must be like ws://127.0.0.1:7700/ws, or host:port.');
  }
  const parsed = new URL(url);
  if (parsed.pathname === '/') parsed.pathname = '/ws';
  return parsed.href;
}

/** A command with all commands below it. */
export function everyCommand(command: Command): Command[] {
  return [command, ...command.commands.flatMap(everyCommand)];
}

/** Settings that commander does not hand down by itself in every case: output, errors, colours, and what help shows. */
function configure(command: Command, terminal: Terminal): void {
  const { stdout, stderr, environment } = terminal;
  const paint = paintFor(stderr, environment);
  const paintHelp = paintFor(stdout, environment);
  if (command.parent !== null) command.helpCommand(false);
  command
    .exitOverride()
    .showHelpAfterError(`Try: ${commandPath(command)} --help`)
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: (text, write) => write(text.replace(/^error: /, `${paint('red', 'error:')} `)),
      getOutHelpWidth: () => Math.max(40, (stdout.isTTY === true ? stdout.columns : undefined) ?? 100),
      getErrHelpWidth: () => Math.max(40, (stderr.isTTY === true ? stderr.columns : undefined) ?? 100),
      getOutHasColors: () => wantsColour(stdout, environment),
      getErrHasColors: () => wantsColour(stderr, environment),
    })
    .configureHelp({
      showGlobalOptions: command.parent !== null && !offline.has(command.name()),
      styleTitle: (text) => paintHelp('bold', text),
    });
}

/** Commands that talk to no node, so that options about one mean nothing to them. */
const offline = new Set(['start', 'restore', 'completion', 'bash', 'zsh', 'fish', 'help']);

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`;
}

import { readFileSync, writeFileSync } from 'node:fs';
import { text as streamText } from 'node:stream/consumers';
import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import { type ApiSession, apiAction, path } from '../node-api.js';
import { type Terminal, writeTo } from '../terminal.js';

/** Stands for stdin or stdout. */
const STREAM = '-';

/** `duolog definitions`: everything that was declared, as one file. */
export function addDefinitions(program: Command, terminal: Terminal): void {
  const definitions = program
    .command('definitions')
    .summary('export and import all that was declared')
    .description(
      'Definitions: users, permissions, policies, queues, exchanges and bindings as one file of JSON. No messages. The format is that of RabbitMQ, whose files can be imported.',
    );
  definitions
    .command('export')
    .summary('write all definitions to a file')
    .description(
      'Write all definitions, or those of one virtual host (--vhost). Password hashes are in it: the file is for its owner only.',
    )
    .argument('[file]', 'where to; nothing or - is stdout', STREAM)
    .action(apiAction(terminal, exportTo));
  definitions
    .command('import')
    .summary('declare what a file says')
    .description(
      'Declare what a file says, for the whole node or in one virtual host (--vhost). What is there already stays.',
    )
    .argument('<file>', 'where from; - is stdin')
    .action(apiAction(terminal, importFrom));
}

function whereOf({ options: { vhost } }: ApiSession<unknown>): string {
  return vhost === undefined ? '/definitions' : path`/definitions/${vhost}`;
}

async function exportTo(session: ApiSession<unknown>, file: string): Promise<void> {
  const { api, output, terminal } = session;
  const text = `${JSON.stringify(await api.ask('GET', whereOf(session)), undefined, 2)}\n`;
  if (file === STREAM) return writeTo(terminal.stdout, text);
  try {
    writeFileSync(file, text, { mode: 0o600 });
  } catch (error) {
    throw new CliError('failed', `Cannot write ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
  output.note(`Exported definitions to ${file}`);
}

async function importFrom(session: ApiSession<unknown>, file: string): Promise<void> {
  const { api, output, terminal } = session;
  const text = file === STREAM ? await streamText(terminal.stdin) : read(file);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    throw new CliError(
      'usage',
      `Cannot import ${file}: it is no JSON (${error instanceof Error ? error.message : ''})`,
    );
  }
  await api.ask('POST', whereOf(session), { body });
  output.note(`Imported definitions from ${file === STREAM ? 'stdin' : file}`);
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CliError('not-found', `Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

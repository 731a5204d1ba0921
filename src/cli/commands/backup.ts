import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import type { GlobalOptions } from '../global-options.js';
import { type ApiSession, apiAction } from '../node-api.js';
import { Output } from '../output.js';
import { formatBytes, formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** `duolog backup` of a node that runs, and `duolog restore` for one that is to start. */
export function addBackup(program: Command, terminal: Terminal): void {
  program
    .command('backup')
    .summary('back a node up while it serves')
    .description(
      'Have the node write a backup to the folder that it was started with (--backup-dir). What was confirmed at disk before is in it: messages, acknowledgements, queues, bindings, users.',
    )
    .argument('[name]', "the backup's name there; nothing is the time")
    .action(apiAction(terminal, backup));
  program
    .command('restore')
    .summary('make a data folder of a backup')
    .description(
      'Copy a backup to a data folder that is missing or empty, checking every byte, for a node that is then started on it. Without a node.',
    )
    .argument('<backup>', "the backup's folder")
    .requiredOption('--data <folder>', 'the data folder to make')
    .action(async (...given: unknown[]) => {
      // Commander passes the declared arguments, then the command's own options, then the command.
      const options = (given.at(-1) as Command).optsWithGlobals<GlobalOptions & { readonly data: string }>();
      await restore(new Output(terminal, options), String(given[0]), options.data);
    });
}

/** What the node answers. */
interface Outcome {
  readonly folder: string;
  readonly logs: number;
  readonly bytes: number;
  readonly heldMs: number;
  readonly durationMs: number;
}

async function backup({ api, output }: ApiSession<unknown>, name = nameNow()): Promise<void> {
  // It takes as long as it takes to copy everything.
  const answer = await api.ask('POST', '/backups', { body: { name }, timeoutMs: 0 });
  // An answer that is no error is this.
  const { folder, logs, bytes, durationMs, heldMs } = answer as Outcome;
  await output.one(answer, () => `${folder}\n`);
  const figures = `${plural(logs, 'log')}, ${formatBytes(bytes)} in ${formatDuration(durationMs)}`;
  output.note(`Backed up ${figures}; confirms waited for ${formatDuration(heldMs)}`);
}

function nameNow(): string {
  return new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
}

async function restore(output: Output, folder: string, data: string): Promise<void> {
  // Loaded here, so that no other command pays for it.
  const [{ restoreBackup }, { RealDisk }, { BackupError }] = await Promise.all([
    import('../../node/backup/restore.js'),
    import('../../io/disk/real-disk.js'),
    import('../../node/backup/manifest.js'),
  ]);
  const outcome = await restoreBackup(new RealDisk(), resolve(folder), resolve(data)).catch((error: unknown) => {
    if (!(error instanceof BackupError) || error.code !== 'not-empty') throw error;
    throw new CliError(
      'wrong-kind',
      error.message,
      'A node must not lose what it has: restore to a new folder.',
      error,
    );
  });
  const { facts, files, bytes } = outcome;
  await output.one(outcome, () => `${resolve(data)}\n`);
  output.note(`Restored ${plural(files, 'file')}, ${formatBytes(bytes)}, as ${facts.node} was at ${facts.takenAt}`);
}

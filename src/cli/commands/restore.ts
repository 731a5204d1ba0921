import { resolve } from 'node:path';
import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import type { GlobalOptions } from '../global-options.js';
import { Output } from '../output.js';
import { formatBytes, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** `duolog restore`: a data folder for a node that is to start. */
export function addRestore(program: Command, terminal: Terminal): void {
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

async function restore(output: Output, folder: string, data: string): Promise<void> {
  // Loaded here, so that no other command pays for it.
  const [{ restoreBackup }, { BackupError }] = await Promise.all([
    import('../../node/backup/restore.js'),
    import('../../node/backup/manifest.js'),
  ]);
  const outcome = await restoreBackup(resolve(folder), resolve(data)).catch((error: unknown) => {
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

import type { Command } from 'commander';
import { type ApiSession, apiAction } from '../node-api.js';
import { formatBytes, formatDuration, plural } from '../quantities.js';
import type { Terminal } from '../terminal.js';

/** `duolog backup`: of a node that runs. */
export function addBackup(program: Command, terminal: Terminal): void {
  program
    .command('backup')
    .summary('back a node up while it serves')
    .description(
      'Have the node write a backup to the folder that it was started with (--backup-dir). What was confirmed at disk before is in it: messages, acknowledgements, queues, bindings, users.',
    )
    .argument('[name]', "the backup's name there; nothing is the time")
    .action(apiAction(terminal, backup));
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

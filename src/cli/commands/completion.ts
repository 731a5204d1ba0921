import type { Command } from 'commander';
import { complete, type NameKind } from '../complete.js';
import { COMPLETION_SCRIPTS, type Shell } from '../completion-scripts.js';
import { withClient } from '../connection.js';
import { quietOptionsOf } from '../place.js';
import { printable } from '../printable.js';
import { type Terminal, writeTo } from '../terminal.js';

/** Somebody waits at the tab key: a node that has not answered by then is not asked further. In milliseconds. */
const NAMES_TIMEOUT_MS = 1000;
/** More names than this help nobody. */
const NAMES_SHOWN = 500;

/** `duolog completion`: prints a shell's completion script. `duolog __complete` is what the scripts call. */
export function addCompletion(program: Command, terminal: Terminal): void {
  const completion = program
    .command('completion')
    .summary('print a completion script for a shell')
    .description(
      'Print a script that teaches a shell to complete duolog commands, options, topics, queues and exchanges.',
    );
  const loading: Record<Shell, string> = {
    bash: 'source <(duolog completion bash)',
    zsh: 'source <(duolog completion zsh)',
    fish: 'duolog completion fish | source',
  };
  // The keys are those of the record above.
  for (const shell of Object.keys(loading) as Shell[]) {
    completion
      .command(shell)
      .summary(`the script for ${shell}`)
      .description(`Print the script for ${shell}. Load it with: ${loading[shell]}`)
      .action(() => writeTo(terminal.stdout, COMPLETION_SCRIPTS[shell]));
  }
  program
    .command('__complete', { hidden: true })
    .argument('[words...]', 'the words up to the cursor')
    .action((words: string[]) => printCandidates(program, words, terminal));
}

async function printCandidates(program: Command, words: readonly string[], terminal: Terminal): Promise<void> {
  const { candidates, names, files } = complete(program, words);
  const lines = candidates.map(({ word, description }) => `${word}\t${description}`);
  if (names !== undefined) lines.push(...(await namesAt(program, names, words.at(-1) ?? '', terminal)));
  if (files === true) lines.push(':files');
  await writeTo(terminal.stdout, lines.map((line) => `${line}\n`).join(''));
}

/** Names of topics, queues or exchanges that the node has; none where it does not answer. */
async function namesAt(program: Command, kind: NameKind, prefix: string, terminal: Terminal): Promise<string[]> {
  try {
    const connection = { ...quietOptionsOf(program, terminal), timeout: NAMES_TIMEOUT_MS };
    return await withClient(connection, terminal, async (client) => {
      if (kind === 'exchanges') {
        const { exchanges } = await client.listExchanges({ prefix, limit: NAMES_SHOWN });
        return exchanges.filter(({ name }) => name !== '').map(({ name, type }) => `${printable(name)}\t${type}`);
      }
      const filter = kind === 'all' ? {} : { kind };
      const { entries } = await client.list({ ...filter, prefix, limit: NAMES_SHOWN });
      return entries.map((entry) => `${printable(entry.name)}\t${entry.kind}`);
    });
  } catch {
    // Whoever presses the tab key wants names or nothing, not an error in the middle of the line.
    return [];
  }
}

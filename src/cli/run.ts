import type { Command } from 'commander';
import { createEmptyProgram, tieTo } from './command-line.js';
import type { Terminal } from './terminal.js';

/** Parses `words` (without node and script) and runs what they say. Rejects with commander's errors and those of the command. */
export async function run(words: readonly string[], terminal: Terminal, version: string): Promise<void> {
  const program = await programFor(words, terminal, version);
  await program.parseAsync([...words], { from: 'user' });
}

/**
 * A node runs for months in the process that parsed its command line, so it is spared the commands that talk to one: they would cost it 6 MB. All
 * other words, a misspelt `start` among them, are for the whole program.
 */
async function programFor(words: readonly string[], terminal: Terminal, version: string): Promise<Command> {
  if (words[0] !== 'start') return (await import('./program.js')).createProgram(terminal, version);
  const { addStart } = await import('./commands/start.js');
  const program = createEmptyProgram(version);
  addStart(program, terminal, version);
  return tieTo(program, terminal);
}

import type { Command, Option } from 'commander';

/** Names that only a node knows. */
export type NameKind = 'topics' | 'queues' | 'all' | 'exchanges';

/** A word that could stand at the cursor. */
export interface Candidate {
  readonly word: string;
  readonly description: string;
}

/** What could stand at the cursor: words known here, names to ask a node for, or files. */
export interface Completion {
  readonly candidates: readonly Candidate[];
  readonly names?: NameKind;
  readonly files?: boolean;
}

const NOTHING: Completion = { candidates: [] };

/** Arguments by the names that commands give them. */
const ARGUMENT_KINDS: Readonly<Record<string, Completion>> = {
  topic: { candidates: [], names: 'topics' },
  queue: { candidates: [], names: 'queues' },
  to: { candidates: [], names: 'all' },
  from: { candidates: [], names: 'queues' },
  destination: { candidates: [], names: 'all' },
  exchange: { candidates: [], names: 'exchanges' },
  files: { candidates: [], files: true },
};

/** What could stand where the last of `words` is being typed; `words` come after `duolog`. */
export function complete(program: Command, words: readonly string[]): Completion {
  const partial = words.at(-1) ?? '';
  const place = walk(program, words.slice(0, -1));
  const completion = place.openOption === undefined ? atWord(place, partial) : valuesOf(place.openOption);
  return { ...completion, candidates: completion.candidates.filter(({ word }) => word.startsWith(partial)) };
}

interface Place {
  readonly command: Command;
  /** Arguments of the command that stand before the cursor. */
  readonly argumentCount: number;
  /** The option whose value is being typed. */
  readonly openOption: Option | undefined;
  /** `--` stood before: no options any more. */
  readonly isLiteral: boolean;
}

function walk(program: Command, before: readonly string[]): Place {
  let command = program;
  let argumentCount = 0;
  let openOption: Option | undefined;
  let isLiteral = false;
  for (const word of before) {
    if (openOption !== undefined) openOption = undefined;
    else if (isLiteral) argumentCount += 1;
    else if (word === '--') isLiteral = true;
    else if (word.startsWith('-') && word !== '-') openOption = optionAwaitingValue(command, word);
    else {
      const below = command.commands.find((one) => one.name() === word || one.aliases().includes(word));
      if (below === undefined) argumentCount += 1;
      else command = below;
    }
  }
  return { command, argumentCount, openOption, isLiteral };
}

function optionAwaitingValue(command: Command, word: string): Option | undefined {
  if (word.includes('=')) return undefined;
  return optionsOf(command).find((option) => (option.short === word || option.long === word) && option.required);
}

function atWord({ command, argumentCount, isLiteral }: Place, partial: string): Completion {
  if (partial.startsWith('-') && !isLiteral) return { candidates: optionsOf(command).flatMap(optionCandidate) };
  if (command.commands.length > 0) return { candidates: visibleCommands(command) };
  const expected = command.registeredArguments;
  const last = expected.at(-1);
  const argument = expected[argumentCount] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return NOTHING;
  if (argument.argChoices !== undefined) return { candidates: wordsOf(argument.argChoices) };
  return ARGUMENT_KINDS[argument.name()] ?? NOTHING;
}

function valuesOf(option: Option): Completion {
  if (option.argChoices !== undefined) return { candidates: wordsOf(option.argChoices) };
  return { candidates: [], files: /<(file|folder)>/.test(option.flags) };
}

/** The command's own options and those of the commands above it. */
function optionsOf(command: Command): Option[] {
  const own = command.options.filter((option) => !option.hidden);
  return command.parent === null
    ? own
    : [...own, ...optionsOf(command.parent).filter(({ long }) => long !== '--version')];
}

function optionCandidate(option: Option): Candidate[] {
  return option.long == null ? [] : [{ word: option.long, description: option.description }];
}

function visibleCommands(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .map((one) => ({ word: one.name(), description: one.summary() || one.description() }));
}

function wordsOf(words: readonly string[]): Candidate[] {
  return words.map((word) => ({ word, description: '' }));
}

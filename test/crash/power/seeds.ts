/** Runs seeds one after the other, and says what came of them. */
import { parseArgs } from 'node:util';
import { printTable } from '../report.js';
import { Violation } from './violation.js';

/** A run of one seed. */
export interface SeededRun {
  run(): Promise<void>;
  /** What was done last, the oldest first. */
  readonly notes: readonly string[];
}

/** One kind of run, which `Defect` may make worse. */
export interface SeedCommand<Run extends SeededRun, Defect> {
  /** What follows `npm run crash --` to run it. */
  readonly command: string;
  readonly defaultSeeds: number;
  readonly defects: ReadonlyMap<string, Defect>;
  open(seed: number, defect: Defect | undefined): Run;
  /** A run is over; its counts are to be added. */
  done(run: Run): void;
  /** What the runs have met. */
  rows(): readonly (readonly [name: string, value: number | string])[];
}

interface Failure {
  readonly seed: number;
  readonly error: Error;
  readonly notes: readonly string[];
}

/** Runs one seed. Resolves with what went wrong, if anything did. */
export async function failureOf(run: SeededRun): Promise<Error | undefined> {
  try {
    await run.run();
    return undefined;
  } catch (cause) {
    return cause instanceof Error ? cause : new Error(String(cause));
  }
}

/** The command: `--seeds N`, `--first N`, `--seed N` for one of them, `--defect NAME`. Returns the exit code. */
export async function runSeeds<Run extends SeededRun, Defect>(
  args: string[],
  kind: SeedCommand<Run, Defect>,
): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: String(kind.defaultSeeds) },
      first: { type: 'string', default: '1' },
      seed: { type: 'string' },
      defect: { type: 'string' },
    },
  });
  const defect = values.defect === undefined ? undefined : kind.defects.get(values.defect);
  if (values.defect !== undefined && defect === undefined) {
    process.stderr.write(`There is no defect ${values.defect}: try ${[...kind.defects.keys()].join(' or ')}\n`);
    return 2;
  }
  const first = Number(values.seed ?? values.first);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const startedMs = performance.now();
  const failures: Failure[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const run = kind.open(seed, defect);
    const error = await failureOf(run);
    kind.done(run);
    if (error !== undefined) failures.push({ seed, error, notes: run.notes });
    if (process.stderr.isTTY) process.stderr.write(`\r${seed - first + 1} of ${count} seeds, ${failures.length} red `);
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  printTable([['seeds', count], ...kind.rows(), ['seconds', seconds]]);
  reportFailures(kind.command, failures, count, values.defect);
  return failures.length === 0 ? 0 : 1;
}

function reportFailures(command: string, failures: readonly Failure[], seeds: number, defect?: string): void {
  const kinds = new Map<string, number>();
  for (const { error } of failures) {
    const kind = error instanceof Violation ? error.kind : 'error';
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const [kind, count] of kinds) process.stdout.write(`${kind}: ${count} seeds\n`);
  for (const { seed, error } of failures.slice(0, 10)) process.stdout.write(`seed ${seed}: ${error.message}\n`);
  const [only] = failures;
  if (seeds === 1 && only !== undefined) process.stdout.write(`${only.notes.join('\n')}\n${only.error.stack}\n`);
  const again = `npm run crash -- ${command} --seed ${only?.seed}${defect === undefined ? '' : ` --defect ${defect}`}`;
  if (only !== undefined)
    process.stdout.write(`RED: ${failures.length} of ${seeds} seeds broke a promise. Replay one with ${again}\n`);
  else process.stdout.write(`GREEN: ${seeds} seeds, every promise kept\n`);
}

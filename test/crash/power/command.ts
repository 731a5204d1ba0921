import { parseArgs } from 'node:util';
import { printTable } from '../report.js';
import { DEFECTS, type Defect } from './defects.js';
import { noCounts, PowerRun, type RunCounts } from './power-run.js';
import { Violation } from './violation.js';

/** What one seed led to. */
export interface SeedOutcome {
  readonly seed: number;
  readonly counts: RunCounts;
  /** Undefined when all promises were kept. */
  readonly failure: Error | undefined;
  readonly notes: readonly string[];
}

/** Runs one seed. */
export async function runSeed(seed: number, defect?: Defect): Promise<SeedOutcome> {
  const run = new PowerRun(seed, defect);
  try {
    await run.run();
    return { seed, counts: run.counts, failure: undefined, notes: [] };
  } catch (cause) {
    const failure = cause instanceof Error ? cause : new Error(String(cause));
    return { seed, counts: run.counts, failure, notes: run.notes };
  }
}

/** `crash power`: runs seeds and prints what they met. Returns the exit code. */
export async function runPower(args: string[]): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      seeds: { type: 'string', default: '1000' },
      first: { type: 'string', default: '1' },
      seed: { type: 'string' },
      defect: { type: 'string' },
    },
  });
  const defect = DEFECTS.find((name) => name === values.defect);
  if (values.defect !== undefined && defect === undefined) {
    process.stderr.write(`There is no defect ${values.defect}: try ${DEFECTS.join(' or ')}\n`);
    return 2;
  }
  const first = Number(values.seed ?? values.first);
  const count = values.seed === undefined ? Number(values.seeds) : 1;
  const startedMs = performance.now();
  const failed: SeedOutcome[] = [];
  const total = noCounts();
  for (let seed = first; seed < first + count; seed++) {
    const outcome = await runSeed(seed, defect);
    for (const name of Object.keys(total) as (keyof RunCounts)[]) total[name] += outcome.counts[name];
    if (outcome.failure !== undefined) failed.push(outcome);
    if (process.stderr.isTTY) process.stderr.write(`\r${seed - first + 1} of ${count} seeds, ${failed.length} red `);
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  reportPower(total, failed, count, (performance.now() - startedMs) / 1000, defect);
  return failed.length === 0 ? 0 : 1;
}

function reportPower(
  total: RunCounts,
  failed: readonly SeedOutcome[],
  seeds: number,
  seconds: number,
  defect: Defect | undefined,
): void {
  printTable([
    ['seeds', seeds],
    ['lives', total.lives],
    ['power cuts', total.powerCuts],
    ['kills', total.kills],
    ['orderly stops', total.closes],
    ['deaths during the start', total.deathsInRecovery],
    ['disks that ran full', total.fullDisks],
    ['disks whose syncs failed', total.failedSyncs],
    ['messages published', total.published],
    ['confirmed in memory', total.confirmedInMemory],
    ['confirmed on disk', total.confirmedOnDisk],
    ['refused', total.refused],
    ['batches sent again', total.resentBatches],
    ['deliveries', total.deliveries],
    ['flagged redelivered without need', total.needlessFlags],
    ['settled', total.settled],
    ['settled and confirmed', total.settledConfirmed],
    ['offsets committed and confirmed', total.offsetCommits],
    ['topics and queues declared', total.declarations],
    ['seconds', Math.round(seconds)],
  ]);
  const kinds = new Map<string, number>();
  for (const { failure } of failed) {
    const kind = failure instanceof Violation ? failure.kind : 'error';
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  for (const [kind, count] of kinds) process.stdout.write(`${kind}: ${count} seeds\n`);
  for (const { seed, failure } of failed.slice(0, 10)) process.stdout.write(`seed ${seed}: ${failure?.message}\n`);
  const [only] = failed;
  if (seeds === 1 && only !== undefined) process.stdout.write(`${only.notes.join('\n')}\n${only.failure?.stack}\n`);
  const again = `npm run crash -- power --seed ${only?.seed}${defect === undefined ? '' : ` --defect ${defect}`}`;
  if (only !== undefined)
    process.stdout.write(`RED: ${failed.length} of ${seeds} seeds broke a promise. Replay one with ${again}\n`);
  else process.stdout.write(`GREEN: ${seeds} seeds, every promise kept\n`);
}

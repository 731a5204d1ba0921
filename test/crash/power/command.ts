import { DEFECTS } from './defects.js';
import { noCounts, PowerRun, type RunCounts } from './power-run.js';
import { runSeeds } from './seeds.js';

/** `crash power`: runs seeds and prints what they met. Returns the exit code. */
export function runPower(args: string[]): Promise<number> {
  const total = noCounts();
  return runSeeds(args, {
    command: 'power',
    defaultSeeds: 1000,
    defects: new Map(DEFECTS.map((name) => [name, name])),
    open: (seed, defect) => new PowerRun(seed, defect),
    done: ({ counts }) => {
      for (const name of Object.keys(total) as (keyof RunCounts)[]) total[name] += counts[name];
    },
    rows: () => rowsOf(total),
  });
}

function rowsOf(total: RunCounts): readonly (readonly [string, number])[] {
  return [
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
  ];
}

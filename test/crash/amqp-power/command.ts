import { addLoadCounts, loadRows, noLoadCounts } from '../amqp/counts.js';
import { runSeeds } from '../power/seeds.js';
import { type AmqpPowerCounts, AmqpPowerRun, noAmqpPowerCounts } from './amqp-power-run.js';
import { AMQP_DEFECTS } from './defects.js';

/** `crash amqp-power`: runs seeds and prints what they met. Returns the exit code. */
export function runAmqpPower(args: string[]): Promise<number> {
  const lives = noAmqpPowerCounts();
  const load = noLoadCounts();
  return runSeeds(args, {
    command: 'amqp-power',
    defaultSeeds: 1000,
    defects: new Map(AMQP_DEFECTS.map((defect) => [defect.name, defect])),
    open: (seed, defect) => new AmqpPowerRun(seed, defect),
    done: (run) => {
      for (const name of Object.keys(lives) as (keyof AmqpPowerCounts)[]) lives[name] += run.counts[name];
      addLoadCounts(load, run.load);
    },
    rows: () => [
      ['lives', lives.lives],
      ['power cuts', lives.powerCuts],
      ['kills', lives.kills],
      ['orderly stops', lives.closes],
      ['deaths during the start', lives.deathsInRecovery],
      ['lives that came to rest before their end', lives.quietEnds],
      ['times that all queues were emptied', lives.drains],
      ...loadRows(load),
    ],
  });
}

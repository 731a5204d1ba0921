import { describe, expect, it } from 'vitest';
import { failureOf } from '../power/seeds.js';
import { Violation } from '../power/violation.js';
import { AmqpPowerRun } from './amqp-power-run.js';
import { AMQP_DEFECTS } from './defects.js';

const SEEDS = 8;
/** A defect must show within so many. */
const DEFECT_SEEDS = 200;

describe('AMQP clients of a node that loses power, is killed and stopped, again and again', () => {
  it(`get what they were promised for ${SEEDS} seeds`, { timeout: 240_000 }, async () => {
    const failures: string[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await failureOf(new AmqpPowerRun(seed));
      if (failure !== undefined) failures.push(`seed ${seed}: ${failure.stack}`);
    }
    expect(failures).toEqual([]);
  });

  it.each(AMQP_DEFECTS)('would notice that $text', { timeout: 240_000 }, async (defect) => {
    let failure: Error | undefined;
    const { firstSeed = 1 } = defect;
    for (let seed = firstSeed; seed < firstSeed + DEFECT_SEEDS && failure === undefined; seed++) {
      failure = await failureOf(new AmqpPowerRun(seed, defect));
    }
    expect(failure).toBeInstanceOf(Violation);
    expect(defect.breaks).toContain(failure instanceof Violation ? failure.kind : undefined);
  });

  it('runs the same way again for the same seed', async () => {
    const runs = [new AmqpPowerRun(3), new AmqpPowerRun(3)];
    for (const run of runs) await run.run();
    expect(runs[0]!.load.deliveries).toBeGreaterThan(100);
    expect(runs[1]!.load).toEqual(runs[0]!.load);
    expect(runs[1]!.notes).toEqual(runs[0]!.notes);
  });
});

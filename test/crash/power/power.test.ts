import { describe, expect, it } from 'vitest';
import { DEFECTS } from './defects.js';
import { PowerRun } from './power-run.js';
import { Violation } from './violation.js';

const SEEDS = 40;
const DEFECT_SEEDS = 12;

/** What seeds from 1 on came to: the kinds of the promises they broke, or whatever else went wrong. */
async function broken(defect?: (typeof DEFECTS)[number]): Promise<string[]> {
  const found: string[] = [];
  for (let seed = 1; seed <= (defect === undefined ? SEEDS : DEFECT_SEEDS); seed++) {
    const run = new PowerRun(seed, defect);
    try {
      await run.run();
    } catch (cause) {
      if (defect !== undefined && cause instanceof Violation) found.push(cause.kind);
      else found.push(`seed ${seed}: ${cause instanceof Error ? cause.stack : String(cause)}`);
    }
  }
  return found;
}

describe('a node that loses power, is killed and stopped, again and again', () => {
  it(`keeps its promises for ${SEEDS} seeds`, { timeout: 120_000 }, async () => {
    expect(await broken()).toEqual([]);
  });

  it.each(DEFECTS)('would be caught with %s', { timeout: 60_000 }, async (defect) => {
    expect(await broken(defect)).toContain('confirmed-lost');
  });

  it('runs the same way again for the same seed', async () => {
    const notes: string[][] = [];
    for (let turn = 0; turn < 2; turn++) {
      const run = new PowerRun(7);
      await run.run();
      notes.push(run.notes);
    }
    expect(notes[0]!.length).toBeGreaterThan(20);
    expect(notes[1]).toEqual(notes[0]);
  });
});

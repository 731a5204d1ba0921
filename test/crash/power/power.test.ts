import { describe, expect, it } from 'vitest';
import { BREAKS, DEFECTS, type Defect } from './defects.js';
import { PowerRun } from './power-run.js';
import { Violation } from './violation.js';

const SEEDS = 40;
/** A defect must show within so many; one that needs the power to go at the right moment is seen in every twentieth seed or so. */
const DEFECT_SEEDS = 200;

/** Runs one seed. Returns the promise that was broken, or whatever else went wrong; undefined if nothing did. */
async function broken(seed: number, defect?: Defect): Promise<string | undefined> {
  try {
    await new PowerRun(seed, defect).run();
    return undefined;
  } catch (cause) {
    if (defect !== undefined && cause instanceof Violation) return cause.kind;
    return `seed ${seed}: ${cause instanceof Error ? cause.stack : String(cause)}`;
  }
}

describe('a node that loses power, is killed and stopped, again and again', () => {
  it(`keeps its promises for ${SEEDS} seeds`, { timeout: 120_000 }, async () => {
    const found: (string | undefined)[] = [];
    for (let seed = 1; seed <= SEEDS; seed++) found.push(await broken(seed));
    expect(found.filter((kind) => kind !== undefined)).toEqual([]);
  });

  it.each(DEFECTS)('would be caught with %s, for what it breaks', { timeout: 60_000 }, async (defect) => {
    const found = new Set<string | undefined>();
    for (let seed = 1; seed <= DEFECT_SEEDS && !found.has(BREAKS[defect]); seed++)
      found.add(await broken(seed, defect));
    expect([...found]).toContain(BREAKS[defect]);
  });

  it('runs the same way again for the same seed', async () => {
    const notes: (readonly string[])[] = [];
    for (let turn = 0; turn < 2; turn++) {
      const run = new PowerRun(7);
      await run.run();
      notes.push(run.notes);
    }
    expect(notes[0]!.length).toBeGreaterThan(20);
    expect(notes[1]).toEqual(notes[0]);
  });
});

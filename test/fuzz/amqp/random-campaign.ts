/** A million frames of every kind, sound and wrong, made from a seed: each job is one connection. */
import { Prng } from '../../../src/base/prng.js';
import { PARALLEL_JOBS } from '../limits.js';
import { type Assault, type Campaign, pause } from './assault.js';
import { SessionJob } from './session-job.js';

const MAX_VIOLATIONS = 20;
const PROGRESS_MS = 10_000;

async function run(assault: Assault): Promise<void> {
  const { node, ledger, seed, job, frames, rate, isBrief } = assault;
  const startedMs = performance.now();
  const isAlone = job !== undefined;
  let nextJob = job ?? 0;
  const isOver = (): boolean =>
    isAlone ? nextJob > job : ledger.frames >= frames || ledger.violations.length >= MAX_VIOLATIONS;
  const lane = async (): Promise<void> => {
    while (!isOver()) {
      const mine = nextJob++;
      await SessionJob.run(node, mine, new Prng(seed * 2 ** 21 + mine), ledger, isBrief).catch((error: unknown) => {
        ledger.violation(mine, `failed: ${error instanceof Error ? error.stack : error}`);
      });
      const due = isBrief || rate === 0 ? 0 : startedMs + (ledger.frames / rate) * 1000;
      if (due > performance.now()) await pause(due - performance.now());
    }
  };
  const seconds = (): number => (performance.now() - startedMs) / 1000;
  const progress = setInterval(() => {
    const spell = `${ledger.frames} frames, ${(ledger.frames / seconds()).toFixed(0)}/s, ${ledger.connections} connections`;
    console.log(`    ${seconds().toFixed(0)} s: ${spell}, ${ledger.violations.length} violations`);
  }, PROGRESS_MS);
  await Promise.all(Array.from({ length: isAlone ? 1 : PARALLEL_JOBS }, lane));
  clearInterval(progress);
  assault.tell(
    `${ledger.frames} frames in ${seconds().toFixed(1)} s: ${(ledger.frames / seconds()).toFixed(0)}/s over ${ledger.connections} connections`,
  );
}

/** See the top of this file. */
export const randomCampaign: Campaign = {
  name: 'random',
  about:
    'sound and wrong frames of every kind, changed frames, random bytes; every answer is foreseen or one of the reply codes',
  growthMib: 300,
  run,
};

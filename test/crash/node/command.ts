import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { printTable } from '../report.js';
import { NodeRun } from './node-run.js';

/** `crash node`: kills a node round after round and prints what it kept. Returns the exit code. */
export async function runNode(args: string[], program: string): Promise<number> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '50' },
      seed: { type: 'string', default: '1' },
      shards: { type: 'string', default: '2' },
    },
  });
  const rounds = Number(values.rounds);
  const seed = Number(values.seed);
  const data = mkdtempSync(join(tmpdir(), 'duolog-crash-'));
  const run = new NodeRun(seed, { data, shards: Number(values.shards), program });
  const startedMs = performance.now();
  let failure: unknown;
  try {
    await run.run(rounds, (round) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${round + 1} of ${rounds} rounds `);
    });
  } catch (cause) {
    failure = cause;
  }
  if (process.stderr.isTTY) process.stderr.write('\n');
  reportNode(run, Math.round((performance.now() - startedMs) / 1000));
  if (failure === undefined) {
    rmSync(data, { recursive: true });
    process.stdout.write(`GREEN: ${rounds} rounds, nothing confirmed was lost, reordered or duplicated\n`);
    return 0;
  }
  process.stdout.write(`${failure instanceof Error ? (failure.stack ?? failure.message) : String(failure)}\n`);
  const again = `npm run crash -- node --rounds ${rounds} --seed ${seed}`;
  process.stdout.write(`RED in round ${run.counts.rounds + 1}. The folder is kept: ${data}. Again with ${again}\n`);
  return 1;
}

function reportNode({ counts }: NodeRun, seconds: number): void {
  printTable([
    ['rounds', counts.rounds],
    ['kill -9', counts.killed],
    ['slowest start (ms)', counts.slowestStartMs],
    ['messages published', counts.published],
    ['confirmed in memory', counts.confirmedInMemory],
    ['confirmed on disk', counts.confirmedOnDisk],
    ['not confirmed when killed', counts.unconfirmedAtKill],
    ['batches sent again', counts.resentBatches],
    ['records read after kills', counts.recordsRead],
    ['deliveries', counts.deliveries],
    ['flagged redelivered', counts.redelivered],
    ['flagged without need', counts.needlessFlags],
    ['settled and confirmed', counts.settledConfirmed],
    ['held when killed', counts.heldAtKill],
    ['offsets committed and confirmed', counts.offsetsConfirmed],
    ['queues emptied', counts.drains],
    ['seconds', seconds],
  ]);
}

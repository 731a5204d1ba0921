/** The process that attacks: it has the lowest priority there is, so that what the node's clients feel is the node's doing. */
import { constants, setPriority } from 'node:os';
import { Prng } from '../../../src/base/prng.js';
import { Ledger } from '../ledger.js';
import { campaignsNamed } from './campaigns.js';
import { type AttackOrder, type AttackReport, type NodeUnderAttack, report } from './roles.js';

async function attack(node: NodeUnderAttack, order: AttackOrder): Promise<AttackReport> {
  const { campaign: name, seed, isBrief, frames, rate, job, lastMs } = order;
  const ledger = new Ledger(name);
  // Where nobody's times are judged, a busy machine must not make the run longer.
  if (!isBrief) setPriority(0, constants.priority.PRIORITY_LOW);
  const facts: string[] = [];
  const until = performance.now() + lastMs;
  try {
    const [campaign] = campaignsNamed([name]);
    await campaign?.run({
      node,
      prng: new Prng(seed),
      ledger,
      seed,
      isBrief,
      frames,
      rate,
      job,
      isOver: () => performance.now() >= until,
      tell: (fact) => facts.push(fact),
    });
  } catch (error) {
    ledger.violation(undefined, `failed: ${error instanceof Error ? error.stack : error}`);
  }
  const { connections, violations } = ledger;
  return { campaign: name, frames: ledger.frames, connections, violations, table: ledger.table(), facts };
}

/** Carries out what it is told, until it is ended. */
export function runAttacker(node: NodeUnderAttack): void {
  process.once('disconnect', () => process.exit(1));
  process.on('message', (order: AttackOrder) => void attack(node, order).then(report));
}

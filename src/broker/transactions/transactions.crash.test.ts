import { describe, expect, it } from 'vitest';
import { TransactionModel } from './fixtures/transaction-model.js';

const SEEDS = Number(process.env['DUOLOG_TRANSACTION_SEEDS'] ?? 30);
const FIRST_SEED = Number(process.env['DUOLOG_TRANSACTION_FIRST_SEED'] ?? 1);

describe('transactions, through power loss and kill', () => {
  it.each([
    ['one queue', 1, false, false],
    ['few queues on three shards', 3, false, false],
    ['many queues, committed through the journal', 9, false, false],
    ['a disk that refuses now and then', 4, true, false],
    ['deaths of the process alone', 4, false, true],
  ])(
    'are all there or not at all with %s',
    async (_name, queues, withFaults, onlyKills) => {
      const failures: string[] = [];
      const seen = { commits: 0, refusals: 0, recoveredCommits: 0, recoveredAborts: 0 };
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS && failures.length < 2; seed++) {
        const model = new TransactionModel(seed, queues);
        model.withFaults = withFaults;
        model.onlyKills = onlyKills;
        try {
          await model.run(4, 25);
        } catch (cause) {
          failures.push(`seed ${seed}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
        }
        for (const key of Object.keys(seen) as (keyof typeof seen)[]) seen[key] += model[key];
      }
      expect(failures.join('\n')).toBe('');
      // The test has met what it is for.
      expect(seen.commits).toBeGreaterThan(SEEDS);
      expect(seen.recoveredAborts).toBeGreaterThan(0);
      expect(seen.recoveredCommits).toBeGreaterThan(0);
      if (withFaults) expect(seen.refusals).toBeGreaterThan(0);
    },
    600_000,
  );
});

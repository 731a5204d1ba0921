import { describe, expect, it } from 'vitest';
import { CrashModel } from './fixtures/crash-model.js';

const SEEDS = Number(process.env['DUOLOG_CRASH_SEEDS'] ?? 60);
const FIRST_SEED = Number(process.env['DUOLOG_CRASH_FIRST_SEED'] ?? 1);

describe('what was promised, through power loss, kill and close', () => {
  it.each([
    ['one log', 1],
    ['few logs, synced one by one', 3],
    ['many logs, committed through the journal', 12],
  ])(
    'holds for %s',
    async (_name, logs) => {
      const failures: string[] = [];
      for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
        try {
          await new CrashModel(seed, logs).run(6, 40);
        } catch (cause) {
          failures.push(`seed ${seed}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`);
          if (failures.length >= 3) break;
        }
      }
      expect(failures.join('\n')).toBe('');
    },
    600_000,
  );
});

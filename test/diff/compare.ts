import { Executor, type Outcome, type Transcript } from './executor.js';
import { LATE_ATTEMPTS, REFERENCE_RUNS } from './limits.js';
import type { Sequence } from './operations.js';
import type { Endpoint } from './wire/connection.js';

/** What came of a sequence at both brokers. */
export type Verdict =
  | { readonly kind: 'same' }
  | { readonly kind: 'different'; readonly step: number; readonly expected: string; readonly found: string }
  /** The reference broker itself does not always do the same. */
  | { readonly kind: 'unsteady' }
  /** Too slow for its own times to live, again and again. */
  | { readonly kind: 'late' };

/** Two executors that run the same sequences, the reference first. */
export class Comparer {
  private readonly reference: Executor;
  private readonly candidate: Executor;
  private runs = 0;
  private readonly label: string;

  constructor(endpoints: { readonly reference: Endpoint; readonly candidate: Endpoint }, label: string) {
    this.label = label;
    this.reference = new Executor(endpoints.reference);
    this.candidate = new Executor(endpoints.candidate);
  }

  /** Runs one sequence at both, and again before a difference is believed. */
  async compare(sequence: Sequence): Promise<Verdict> {
    const seen: Transcript[] = [];
    let last: Verdict = { kind: 'late' };
    for (let attempt = 0; attempt < REFERENCE_RUNS; attempt += 1) {
      const expected = await this.timely(this.reference, sequence);
      if (expected === undefined) return { kind: 'late' };
      seen.push(expected);
      const found = await this.timely(this.candidate, sequence, expected);
      if (found === undefined) return { kind: 'late' };
      const verdict = difference(expected, found);
      if (verdict.kind === 'same') return verdict;
      if (seen.some((one) => difference(one, found).kind === 'same')) return { kind: 'unsteady' };
      last = verdict;
    }
    const isSteady = seen.every((one) => one.join('\n') === seen[0]?.join('\n'));
    return isSteady ? last : { kind: 'unsteady' };
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.reference.close();
    await this.candidate.close();
  }

  private async timely(executor: Executor, sequence: Sequence, expected?: Transcript): Promise<Transcript | undefined> {
    for (let attempt = 0; attempt < LATE_ATTEMPTS; attempt += 1) {
      const outcome: Outcome = await executor.run(sequence, `${this.label}r${this.runs++}-`, expected);
      if (outcome.kind === 'done') return outcome.transcript;
    }
    return undefined;
  }
}

function difference(expected: Transcript, found: Transcript): Verdict {
  for (let step = 0; step < Math.max(expected.length, found.length); step += 1) {
    if (expected[step] === found[step]) continue;
    return { kind: 'different', step, expected: expected[step] ?? '(nothing)', found: found[step] ?? '(nothing)' };
  }
  return { kind: 'same' };
}
